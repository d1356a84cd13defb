#pragma once

#include <optional>
#include <string_view>

#include "ekiden/account/secret.hpp"
#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::rewrite {

/// The sender of forwarded mail, rewritten so that SPF passes for us and bounces find the way back:
///
///   SRS0=HASH=TT=domain=local@ours          from local@domain
///   SRS1=HASH=first==HASH=TT=domain=local@ours   from an SRS0 (or SRS1) address of another host
///
/// HASH is 8 characters of base 32 of a keyed hash over what follows, in lower case; TT the day,
/// modulo 1024, in two. Case does not matter when it is read.

/// `day` is when the message came, so that each attempt makes the same address. Nothing when the
/// sender needs none (it is of `ours`), or the result would be longer than 64 octets or need
/// quotes: then the sender stays, since many hosts refuse what is longer.
std::optional<smtp::Address> make_srs(const account::HashKey& key, std::string_view ours,
                                      const smtp::Address& sender, base::Time day);

/// The address behind one of ours: the sender, or the first forwarder's SRS0 address.
/// Errors: NotOurs, Forged, Expired (SRS0 older than `age_max`).
Result<smtp::Address> read_srs(const account::HashKey& key, const smtp::Address& address,
                               base::Time now, base::Duration age_max);

}  // namespace ekiden::rewrite
