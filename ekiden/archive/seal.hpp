#pragma once

#include <string>
#include <string_view>

#include "ekiden/account/secret.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/result.hpp"

namespace ekiden::archive {

/// Seals what one day's file keeps: AES-256-GCM (NIST SP 800-38D), bound to the message's id. The
/// key is made of the node's own and the day, so a copy of the files without `secret.key` tells
/// nothing.
///
/// Sealed form: version, 1 octet; nonce, 12; the octets; tag, 16.
class Seal {
 public:
  Seal(const account::HashKey& node_key, std::string_view day);

  /// Random nonces: of one key fewer than 2^32 are made (§8.3), a day has fewer messages.
  /// Errors: events::Errc::Io, when the library refuses.
  Result<std::string> close(base::MessageId id, std::string_view octets,
                            base::Random& random) const;
  /// Errors: events::Errc::Corrupt for anything that `close` did not make with this key and id.
  Result<std::string> open(base::MessageId id, std::string_view sealed) const;

 private:
  account::Secret key_;
};

}  // namespace ekiden::archive
