#pragma once

#include "ekiden/base/result.hpp"

namespace ekiden::auth {

enum class Errc {
  /// The text is no record of its kind, or one with a mistake in it; the verdict says which.
  BadRecord = 1,
  /// A list of tags (RFC 6376 §3.2) cannot be read: the whole of it is void.
  BadTagList,
  /// A signing or public key cannot be read, or is of a kind or length that is not used.
  BadKey,
  /// OpenSSL could not sign or hash; the message must not leave unsigned.
  CryptoFailed,
  /// The file is no public suffix list, or cannot be read.
  BadSuffixList,
};

Error make_error_code(Errc value);

}  // namespace ekiden::auth

template <>
struct boost::system::is_error_code_enum<ekiden::auth::Errc> : std::true_type {};
