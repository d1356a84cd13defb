#include "ekiden/feedback/part_text.hpp"

#include <iconv.h>

#include <algorithm>
#include <array>

#include "ekiden/base/text.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/mime.hpp"

namespace ekiden::feedback {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = base::to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// RFC 2045 §6.7; what is no escape stands for itself.
std::string decode_quoted_printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '=') {
      out += text[at];
      continue;
    }
    if (text.substr(at + 1, 2) == "\r\n") {
      at += 2;
    } else if (text.substr(at + 1, 1) == "\n") {
      ++at;
    } else if (at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 &&
               hex_digit(text[at + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[at + 1]) * 16 + hex_digit(text[at + 2]));
      at += 2;
    } else {
      out += '=';
    }
  }
  return out;
}

/// RFC 2045 §6.8: other octets mean nothing, and a padding ends it.
std::string decode_loose_base64(std::string_view text) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned value = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) continue;
    value = (value << 6 | static_cast<unsigned>(digit)) & 0xffffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(value >> bits & 0xff);
  }
  return out;
}

class Converter {
 public:
  explicit Converter(const std::string& charset)
      : handle_(::iconv_open("UTF-8", charset.c_str())) {}
  ~Converter() {
    if (is_open()) ::iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;
  bool is_open() const { return handle_ != reinterpret_cast<iconv_t>(-1); }

  std::string convert(std::string_view text) {
    std::string out;
    std::array<char, 4096> buffer;
    char* in = const_cast<char*>(text.data());
    std::size_t left = text.size();
    while (left > 0) {
      char* to = buffer.data();
      std::size_t room = buffer.size();
      const std::size_t before = left;
      const std::size_t done = ::iconv(handle_, &in, &left, &to, &room);
      out.append(buffer.data(), buffer.size() - room);
      if (done != static_cast<std::size_t>(-1)) break;
      if (room == buffer.size() && left == before) {
        // Nothing went through: an octet that makes no sense.
        ++in;
        --left;
      }
    }
    return out;
  }

 private:
  iconv_t handle_;
};

std::string ascii_only(std::string_view text) {
  std::string out;
  for (const char c : text)
    if ((c & 0x80) == 0 && c != 0) out += c;
  return out;
}

std::string to_utf8(const std::string& text, std::string charset) {
  charset = base::lowered(charset);
  // The escape sequence of ISO-2022-JP: nothing else has it.
  const bool is_iso_2022 = text.find("\x1b$") != std::string::npos;
  if (is_iso_2022 || charset == "iso-2022-jp") charset = "ISO-2022-JP-MS";
  if (charset == "shift_jis" || charset == "x-sjis") charset = "CP932";
  if (!message::has_eight_bit(text) && !is_iso_2022) return ascii_only(text);
  if (charset.empty() || charset == "us-ascii" || charset == "utf-8") {
    return base::is_valid_utf8(text) ? text : ascii_only(text);
  }
  if (charset.size() > 40 || charset.find_first_of("/\0 ") != std::string::npos)
    return ascii_only(text);
  Converter converter(charset);
  if (converter.is_open()) return converter.convert(text);
  if (is_iso_2022) {
    Converter plain("ISO-2022-JP");
    if (plain.is_open()) return plain.convert(text);
  }
  return base::is_valid_utf8(text) ? text : ascii_only(text);
}

}  // namespace

std::string decoded_octets(const message::Structure& part, std::size_t octets_max) {
  const std::string_view body = part.body.substr(0, octets_max);
  switch (part.encoding) {
    case message::TransferEncoding::QuotedPrintable:
      return decode_quoted_printable(body);
    case message::TransferEncoding::Base64:
      return decode_loose_base64(body);
    default:
      return std::string(body);
  }
}

std::string decoded_text(const message::Structure& part) {
  const std::string type = find_field(part.header, "Content-Type");
  std::string text = to_utf8(decoded_octets(part), message::find_parameter(type, "charset"));
  text.erase(std::remove(text.begin(), text.end(), '\r'), text.end());
  return text;
}

std::string text_of_html(std::string_view html) {
  std::string out;
  for (std::size_t at = 0; at < html.size();) {
    if (html[at] == '<') {
      const std::size_t end = html.find('>', at);
      if (end == std::string_view::npos) break;
      const std::string_view tag = html.substr(at + 1, std::min<std::size_t>(end - at - 1, 6));
      const bool breaks = base::starts_with_ignoring_case(tag, "br") ||
                          base::starts_with_ignoring_case(tag, "/p") ||
                          base::starts_with_ignoring_case(tag, "/div") ||
                          base::starts_with_ignoring_case(tag, "/tr");
      if (breaks) out += '\n';
      at = end + 1;
      continue;
    }
    static constexpr std::pair<std::string_view, char> kEntities[] = {
        {"&lt;", '<'},   {"&gt;", '>'},   {"&amp;", '&'}, {"&quot;", '"'},
        {"&nbsp;", ' '}, {"&#39;", '\''}, {"&#64;", '@'}};
    const auto* entity =
        std::find_if(std::begin(kEntities), std::end(kEntities),
                     [&](const auto& e) { return html.substr(at).starts_with(e.first); });
    if (entity != std::end(kEntities)) {
      out += entity->second;
      at += entity->first.size();
    } else {
      out += html[at++];
    }
  }
  return out;
}

std::string find_field(std::string_view header, std::string_view name) {
  message::HeaderScanner scanner(header);
  message::Field field;
  for (Result<bool> more = scanner.next(field); more && *more; more = scanner.next(field)) {
    if (base::equals_ignoring_case(field.name, name)) return message::unfolded(field.value);
  }
  return {};
}

}  // namespace ekiden::feedback
