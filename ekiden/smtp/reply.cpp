#include "ekiden/smtp/reply.hpp"

#include "ekiden/base/text.hpp"

namespace ekiden::smtp {
namespace {

// RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets with code and CRLF. What a peer said
// may be quoted in it, so it is cut rather than trusted.
constexpr std::size_t kReplyTextOctetsMax = 480;

void append_number(std::string& out, unsigned n) {
  char digits[5];
  std::size_t i = sizeof digits;
  do {
    digits[--i] = static_cast<char>('0' + n % 10);
    n /= 10;
  } while (n != 0 && i > 0);
  out.append(digits + i, sizeof digits - i);
}

void append_enhanced(std::string& out, EnhancedCode code) {
  append_number(out, code.klass);
  out += '.';
  append_number(out, code.subject);
  out += '.';
  append_number(out, code.detail);
}

void append_line(std::string& out, const Reply& reply, std::string_view line, bool is_last) {
  append_number(out, reply.code);
  out += is_last ? ' ' : '-';
  if (reply.enhanced) {
    append_enhanced(out, reply.enhanced);
    if (!line.empty()) out += ' ';
  }
  if (line.size() > kReplyTextOctetsMax) {
    line = line.substr(0, kReplyTextOctetsMax);
    // Not in the middle of a UTF-8 sequence.
    while (!line.empty() && (static_cast<unsigned char>(line.back()) & 0xc0) == 0x80) {
      line.remove_suffix(1);
    }
    if (!line.empty() && static_cast<unsigned char>(line.back()) >= 0xc0) line.remove_suffix(1);
  }
  for (const char c : line) {
    const auto octet = static_cast<unsigned char>(c);
    out += octet < 0x20 || octet == 0x7f ? '?' : c;
  }
  out += "\r\n";
}

std::optional<std::uint16_t> parse_part(std::string_view text) {
  if (text.empty() || text.size() > 3) return std::nullopt;
  std::uint16_t value = 0;
  for (const char c : text) {
    if (!base::is_digit(c)) return std::nullopt;
    value = static_cast<std::uint16_t>(value * 10 + (c - '0'));
  }
  return value;
}

}  // namespace

std::string format_enhanced_code(EnhancedCode code) {
  std::string out;
  append_enhanced(out, code);
  return out;
}

std::optional<EnhancedCode> parse_enhanced_code(std::string_view text) {
  if (text.size() < 5 || text[1] != '.') return std::nullopt;
  if (text[0] != '2' && text[0] != '4' && text[0] != '5') return std::nullopt;
  const std::string_view rest = text.substr(2);
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto subject = parse_part(rest.substr(0, dot));
  const auto detail = parse_part(rest.substr(dot + 1));
  if (!subject || !detail) return std::nullopt;
  return EnhancedCode{static_cast<std::uint8_t>(text[0] - '0'), *subject, *detail};
}

std::string Reply::text() const {
  std::string out;
  append_number(out, code);
  if (enhanced) {
    out += ' ';
    append_enhanced(out, enhanced);
  }
  bool is_first = true;
  for (const std::string& line : lines) {
    out += is_first ? " " : " / ";
    out += base::printable(line);
    is_first = false;
  }
  return out;
}

void append_reply(std::string& out, const Reply& reply) {
  if (reply.lines.empty()) {
    append_line(out, reply, {}, true);
    return;
  }
  for (std::size_t i = 0; i < reply.lines.size(); ++i) {
    append_line(out, reply, reply.lines[i], i + 1 == reply.lines.size());
  }
}

Reply parse_reply_text(std::string_view text) {
  Reply reply;
  const auto code = base::parse_u64(text.substr(0, 3));
  if (!code) return reply;
  reply.code = static_cast<std::uint16_t>(*code);
  text.remove_prefix(std::min<std::size_t>(4, text.size()));
  if (const auto enhanced = parse_enhanced_code(text.substr(0, text.find(' ')))) {
    reply.enhanced = *enhanced;
    text.remove_prefix(std::min(text.find(' '), text.size() - 1) + 1);
  }
  constexpr std::string_view kBetweenLines = " / ";
  for (;;) {
    const std::size_t end = text.find(kBetweenLines);
    reply.lines.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return reply;
    text.remove_prefix(end + kBetweenLines.size());
  }
}

}  // namespace ekiden::smtp
