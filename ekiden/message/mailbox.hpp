#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::message {

/// Addresses kept of one header field; further ones are only counted.
inline constexpr std::size_t kMailboxesMax = 64;

/// The addresses in From, Sender, To and their like (RFC 5322 §3.4).
struct Mailboxes {
  std::vector<std::string> addresses;  ///< "local@domain" as written, comments and folds removed
  std::size_t count = 0;               ///< of all, those past the limit too
};

/// Finds the addresses in a field's value, whatever surrounds them: display names, quoted strings,
/// comments, groups, encoded-words, source routes, folds, and the mistakes real clients make
/// (a missing '>', an open quote, a comma inside an encoded-word). An element without '@' is no
/// address unless it stands in angle brackets.
Mailboxes parse_mailboxes(std::string_view value);

}  // namespace ekiden::message
