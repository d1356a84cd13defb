#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ekiden::rewrite {

/// What becomes of a header section: pieces that are cut out and octets that stand there instead.
/// It never reaches into the body.
struct HeaderEdit {
  struct Change {
    std::size_t at = 0;      ///< in the section
    std::size_t octets = 0;  ///< cut out
    std::string text;        ///< put there
  };
  std::vector<Change> changes;  ///< ascending, none over another

  bool is_empty() const { return changes.empty(); }
  /// The new section.
  std::string apply(std::string_view header) const;
};

/// RFC 5322 §2.2: what a field's name may consist of; at most 76 octets.
bool is_field_name(std::string_view name);

/// A field with its CRLF: control characters become spaces, what is not ASCII is encoded
/// (RFC 2047), lines are folded at spaces near 78 octets. Empty when a word is too long for a line
/// (RFC 5322 §2.1.1), because cutting an address or a link would make it another one.
std::string format_field(std::string_view name, std::string_view value);

}  // namespace ekiden::rewrite
