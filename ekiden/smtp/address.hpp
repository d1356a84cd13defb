#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/result.hpp"

namespace ekiden::smtp {

/// RFC 5321 §4.1.2, with what exists in Japan: dot-atoms with leading, trailing and doubled dots.
struct Address {
  std::string local;   ///< as given, quotes kept
  std::string domain;  ///< as given; "[192.0.2.1]" or "[IPv6:…]" for a literal; empty only for
                       ///< "postmaster" without a domain

  bool is_literal() const { return !domain.empty() && domain.front() == '['; }
  /// "local@domain", or "postmaster" alone.
  std::string text() const;
};

enum class PathKind {
  Reverse,  ///< may be "<>"
  Forward,  ///< may be "<postmaster>"; never empty
};

/// A path at the front of `text`, as MAIL and RCPT carry it, brackets included.
struct Path {
  std::optional<Address> address;  ///< nothing: "<>"
  bool had_source_route = false;   ///< ignored as RFC 5321 §4.1.1.3 tells; never widens relaying
  bool needs_smtputf8 = false;
  std::size_t octets = 0;  ///< of `text` that the path took
};
Result<Path> parse_path(std::string_view text, PathKind kind);

/// "local@domain" without brackets and with nothing after it.
Result<Address> parse_address(std::string_view text);

/// RFC 5321 §4.1.2 and §4.5.3.1.1 to the letter, of what parse_path takes: no dot that leads,
/// trails or doubles, 64 octets at most.
bool is_strict_local_part(std::string_view local);
/// A dot that leads, trails or doubles, written bare or in quotes: "a..b", "\"abc.\"". Such local
/// parts were given out by Japanese carriers; RFC 5321 §4.1.2 knows them in quotes only.
bool is_odd_local_part(std::string_view local);
/// The same odd local part in quotes, or without.
std::string quoted_local_part(std::string_view odd);
std::string bare_local_part(std::string_view odd);

/// RFC 5321 §4.1.2 to the letter: labels of letters, digits and hyphens, without a last dot, or an
/// address literal. Empty is the domain of "<postmaster>".
bool is_strict_domain(std::string_view domain);

/// For lookups and comparison: A-labels (IDNA 2008), lower case, no trailing dot; a literal in its
/// canonical form. Errc::BadDomain when it has none.
Result<std::string> canonical_domain(std::string_view domain);

/// The part after the last '@', canonical; empty when there is none.
std::string domain_of(std::string_view address);

/// Unquoted local part exactly, canonical domain: equal for the same mailbox by rule
/// (RFC 5321 §2.4: the local part's case counts).
std::string comparison_key(const Address& address);

}  // namespace ekiden::smtp
