#include "ekiden/message/header_scan.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "ekiden/base/text.hpp"
#include "ekiden/message/error.hpp"

namespace ekiden::message {
namespace {

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// The position after the next CRLF at or after `from`, or the end of the octets.
std::size_t line_end(std::string_view octets, std::size_t from) {
  while (from < octets.size()) {
    const void* found = std::memchr(octets.data() + from, '\n', octets.size() - from);
    if (found == nullptr) return octets.size();
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - octets.data());
    if (at > 0 && octets[at - 1] == '\r') return at + 1;
    from = at + 1;
  }
  return octets.size();
}

}  // namespace

std::size_t field_name_octets(std::string_view line) {
  // RFC 5322 §2.2: 33 to 126 without the colon. Octets above 127 are tolerated in the wild.
  std::size_t n = 0;
  while (n < line.size() && static_cast<unsigned char>(line[n]) > ' ' && line[n] != ':' &&
         line[n] != '\x7f') {
    ++n;
  }
  std::size_t colon = n;
  while (colon < line.size() && is_blank(line[colon])) ++colon;
  return colon < line.size() && line[colon] == ':' ? n : 0;
}

Result<bool> HeaderScanner::next(Field& field) {
  const std::string_view rest = octets_.substr(position_);
  if (rest.empty() || has_blank_line_) return false;
  if (rest.starts_with("\r\n")) {
    position_ += 2;
    has_blank_line_ = true;
    return false;
  }
  const std::size_t name = field_name_octets(rest);
  if (name == 0) return false;
  if (++fields_ > kHeaderFieldsMax) return Errc::TooManyFields;

  std::size_t end = line_end(rest, name);
  while (end < rest.size() && is_blank(rest[end])) end = line_end(rest, end);
  if (position_ + end > kHeaderOctetsMax) return Errc::HeaderTooLarge;

  field.octets = rest.substr(0, end);
  field.name = rest.substr(0, name);
  const std::size_t colon = rest.find(':', name);
  field.value = rest.substr(colon + 1, end - colon - 1);
  if (field.value.ends_with("\r\n")) field.value.remove_suffix(2);
  position_ += end;
  return true;
}

std::size_t find_header_end(std::string_view octets, std::size_t from) {
  if (octets.starts_with("\r\n")) return 2;
  const std::size_t found = octets.find("\r\n\r\n", from < 3 ? 0 : from - 3);
  return found == std::string_view::npos ? found : found + 4;
}

std::string unfolded(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  while (!value.empty()) {
    const std::size_t fold = value.find("\r\n");
    out.append(value.substr(0, fold));
    value = fold == std::string_view::npos ? std::string_view{} : value.substr(fold + 2);
  }
  const std::string_view kept = base::trimmed(out);
  if (kept.size() == out.size()) return out;
  return std::string(kept);
}

bool has_eight_bit(std::string_view octets) {
  const char* p = octets.data();
  std::size_t left = octets.size();
  for (; left >= 32; p += 32, left -= 32) {
    std::uint64_t words[4];
    std::memcpy(words, p, sizeof words);
    if (((words[0] | words[1] | words[2] | words[3]) & 0x8080808080808080ULL) != 0) return true;
  }
  return std::any_of(p, p + left, [](char c) { return static_cast<signed char>(c) < 0; });
}

}  // namespace ekiden::message
