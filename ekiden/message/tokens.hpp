#pragma once

#include <cstddef>
#include <string_view>

namespace ekiden::message {

/// Lengths of the tokens that structured header fields have in common (RFC 5322 §3.2).

/// White space, folds included.
constexpr bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
/// Octets of the quoted string at the front, quotes included; 0 when it is never closed.
std::size_t quoted_octets(std::string_view text);
/// Octets of the comment at the front, nested ones included; 0 when it is never closed, or nests
/// deeper than 32.
std::size_t comment_octets(std::string_view text);
/// Octets of the encoded-word at the front (RFC 2047 §2), 0 when there is none. Clients put commas,
/// brackets and '@' into them against the rules.
std::size_t encoded_word_octets(std::string_view text);

}  // namespace ekiden::message
