#pragma once

#include "ekiden/base/result.hpp"

namespace ekiden::tls {

enum class Errc {
  /// The peers found no common ground, or the other side broke the protocol. Delivery falls back
  /// one step, inbound logs and closes.
  Handshake = 1,
  /// The certificate's chain or name is not what was asked for, and verification was required.
  NotVerified,
  /// A file cannot be read. Configuration is refused.
  FileUnreadable,
  /// A file holds no certificate, or one that OpenSSL refuses.
  BadCertificate,
  /// A file holds no private key that can be used without a password.
  BadPrivateKey,
  /// The private key belongs to another certificate.
  KeyMismatch,
  /// OpenSSL could not set up what we asked of it.
  Setup,
};

Error make_error_code(Errc value);

}  // namespace ekiden::tls

template <>
struct boost::system::is_error_code_enum<ekiden::tls::Errc> : std::true_type {};
