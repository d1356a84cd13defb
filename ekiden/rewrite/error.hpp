#pragma once

#include "ekiden/base/result.hpp"

namespace ekiden::rewrite {

/// Why an address is no return path that we gave out. Inbound answers 550 5.1.1 to all but NotOurs,
/// which it takes for an ordinary address.
enum class Errc {
  /// It does not look like one.
  NotOurs = 1,
  /// It looks like one, but the signature is another's or some octet has changed.
  Forged,
  /// It is one, and too old.
  Expired,
};

Error make_error_code(Errc value);

}  // namespace ekiden::rewrite

template <>
struct boost::system::is_error_code_enum<ekiden::rewrite::Errc> : std::true_type {};
