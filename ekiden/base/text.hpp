#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ekiden::base {

/// ASCII only: domains, header names and SMTP verbs do not follow a locale.
constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_alpha(char c) {
  return to_lower(c) >= 'a' && to_lower(c) <= 'z';
}

std::string lowered(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);
bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);

/// Without spaces and tabs at both ends.
std::string_view trimmed(std::string_view text);

/// Decimal digits only, no sign, no space; nothing when it does not fit.
std::optional<std::uint64_t> parse_u64(std::string_view text);

std::string encode_base64(std::string_view octets);
/// Strict: padding required, no spaces.
std::optional<std::string> decode_base64(std::string_view text);
std::string encode_hex(std::string_view octets);
std::optional<std::string> decode_hex(std::string_view text);

/// The same text fit for one log line or a terminal: control characters and, unless it is valid
/// UTF-8, octets above 127 become `\xNN`; past `length_max` it ends in "…".
std::string printable(std::string_view text, std::size_t length_max = 512);

bool is_valid_utf8(std::string_view text);

}  // namespace ekiden::base
