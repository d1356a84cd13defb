#pragma once

#include <cstdint>

#include "ekiden/smtp/reply.hpp"

namespace ekiden::smtp {

/// What a server offers, as its reply to EHLO says. Everything is off after HELO.
struct PeerExtensions {
  bool pipelining = false;             ///< RFC 2920
  bool eight_bit_mime = false;         ///< RFC 6152
  bool chunking = false;               ///< RFC 3030
  bool binary_mime = false;            ///< RFC 3030; only meaningful with chunking
  bool smtputf8 = false;               ///< RFC 6531
  bool dsn = false;                    ///< RFC 3461
  bool enhanced_status_codes = false;  ///< RFC 2034
  bool starttls = false;               ///< RFC 3207
  bool requiretls = false;             ///< RFC 8689; only meaningful under TLS
  bool has_size = false;               ///< RFC 1870
  std::uint64_t size_max = 0;          ///< octets; 0: no fixed limit was told

  bool auth = false;  ///< RFC 4954, with the old spelling "AUTH=LOGIN"
  bool auth_plain = false, auth_login = false, auth_scram_sha256 = false;

  /// RFC 9422; 0: not told.
  std::uint32_t mail_max = 0;               ///< transactions on one connection
  std::uint32_t recipients_max = 0;         ///< in one transaction
  std::uint32_t recipient_domains_max = 0;  ///< in one transaction; ours have one anyway
};

/// Reads the reply to EHLO. What cannot be understood is passed over.
PeerExtensions parse_peer_extensions(const Reply& reply);

}  // namespace ekiden::smtp
