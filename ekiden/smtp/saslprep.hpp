#pragma once

#include <string>
#include <string_view>

#include "ekiden/base/result.hpp"

namespace ekiden::smtp {

/// Prepares a password for comparison or derivation (RFC 4013, SASLprep): NFKC, odd spaces to
/// spaces, invisible characters away. ASCII stays as it is. At most `kSaslprepOctetsMax` octets.
///
/// Errors: BadSyntax for what is no UTF-8 or has control characters or a
/// mix of writing directions that RFC 4013 forbids; TooLong.
Result<std::string> saslprep(std::string_view text);

inline constexpr std::size_t kSaslprepOctetsMax = 1024;

/// The same, leaving as it is what cannot be prepared: two sides that were given the same octets
/// then still agree.
std::string saslprep_or_same(std::string_view text);

}  // namespace ekiden::smtp
