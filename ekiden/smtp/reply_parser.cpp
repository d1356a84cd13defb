#include "ekiden/smtp/reply_parser.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/text.hpp"

namespace ekiden::smtp {
namespace {

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

/// The enhanced code that begins `text`, when its class is that of the code (RFC 2034 §4).
/// A greeting "220 2.example" or a reply "550 4.1.1 …" has none that can be trusted.
EnhancedCode enhanced_code_of(std::string_view text, std::uint16_t code) {
  if (text.size() < 5 || text[1] != '.' || text[0] != static_cast<char>('0' + code / 100)) {
    return {};
  }
  const std::size_t end = std::min(text.find(' '), text.size());
  return parse_enhanced_code(text.substr(0, end)).value_or(EnhancedCode{});
}

}  // namespace

std::string_view describe(ReplyStatus status) {
  switch (status) {
    case ReplyStatus::Incomplete:
      return "an incomplete reply";
    case ReplyStatus::Complete:
      return "a reply";
    case ReplyStatus::NoCode:
      return "a reply without a code";
    case ReplyStatus::MixedCodes:
      return "a reply whose lines carry different codes";
    case ReplyStatus::TooLong:
      return "a reply that is too long";
  }
  return "";
}

ReplyStatus ReplyParser::feed(std::string_view& input) {
  while (!input.empty()) {
    const std::size_t end = input.find('\n');
    const std::size_t taken = end == std::string_view::npos ? input.size() : end + 1;
    octets_ += taken;
    if (octets_ > kReplyOctetsMax || line_.size() + taken > kLineOctetsMax) {
      return ReplyStatus::TooLong;
    }
    if (end == std::string_view::npos) {
      line_.append(input);
      input = {};
      return ReplyStatus::Incomplete;
    }
    ReplyStatus status;
    if (line_.empty()) {
      status = read_line(input.substr(0, taken - 1));
    } else {
      line_.append(input.substr(0, taken - 1));
      status = read_line(line_);
      line_.clear();
    }
    input.remove_prefix(taken);
    if (status != ReplyStatus::Incomplete) return status;
  }
  return ReplyStatus::Incomplete;
}

Reply ReplyParser::take() {
  octets_ = 0;
  return std::exchange(reply_, Reply{});
}

ReplyStatus ReplyParser::read_line(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  // RFC 5321 §4.2 (lenient): the second digit is not held to 0…5, and a code may stand alone.
  if (line.size() < 3 || line[0] < '2' || line[0] > '5' || !base::is_digit(line[1]) ||
      !base::is_digit(line[2]) || (line.size() > 3 && line[3] != ' ' && line[3] != '-')) {
    return ReplyStatus::NoCode;
  }
  const auto code =
      static_cast<std::uint16_t>((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
  const bool is_last = line.size() == 3 || line[3] == ' ';
  if (reply_.lines.empty()) {
    reply_.code = code;
  } else if (reply_.code != code) {
    return ReplyStatus::MixedCodes;
  }
  if (reply_.lines.size() == kLinesMax) return ReplyStatus::TooLong;

  std::string_view text = line.size() > 4 ? line.substr(4) : std::string_view();
  const EnhancedCode enhanced = enhanced_code_of(text, code);
  if (enhanced && (!reply_.enhanced || reply_.enhanced == enhanced)) {
    reply_.enhanced = enhanced;
    text.remove_prefix(std::min(text.find(' '), text.size()));
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  }
  if (is_plain(text)) {
    reply_.lines.emplace_back(text);
  } else {
    reply_.lines.push_back(base::printable(text, kLineOctetsMax));
  }
  return is_last ? ReplyStatus::Complete : ReplyStatus::Incomplete;
}

}  // namespace ekiden::smtp
