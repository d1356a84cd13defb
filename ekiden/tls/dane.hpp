#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/tls/error.hpp"
#include "ekiden/tls/openssl.hpp"

namespace ekiden::tls {

/// What TLSA records ask of a mail server (RFC 7671, RFC 7672).
struct Dane {
  /// RFC 7672 §2.2.3: where the records were found. It is sent as SNI, and the first name that a
  /// certificate under an authority's record may carry.
  std::string base_name;
  /// RFC 7672 §3.2.2: further names that it may carry.
  std::vector<std::string> names;
  std::vector<dns::Tlsa> records;  ///< usable ones; the others are ignored
};

/// RFC 7672 §3.1: usage 2 or 3, a selector and a matching type that we know, data that fits them.
/// Usages 0 and 1 are unusable in SMTP (RFC 7672 §3.1.3).
bool is_usable(const dns::Tlsa& tlsa);

/// Names all that `dane` asks for, so that a session made under it is never offered under another.
std::string dane_key(const Dane& dane);

/// Makes a client's handshake hold the server to the records, and fail unless one matches.
/// Errors: Setup, also when no record is usable.
Result<void> ask_for_dane(SSL* ssl, const Dane& dane);

/// "dane-ee", "dane-ta", or "dane" where an earlier session went on.
std::string_view dane_authority(SSL* ssl);

enum class DaneVerdict {
  Match,
  NoMatch,
  Unusable,  ///< no record is usable: TLS is required, and authenticates nobody
};
std::string_view dane_verdict_name(DaneVerdict verdict);

struct DaneResult {
  DaneVerdict verdict = DaneVerdict::NoMatch;
  int depth = -1;      ///< of the certificate that matched; 0 is the server's own
  std::string reason;  ///< why not, in words
};

/// Verifies a chain (PEM, the server's certificate first) at `now` as a handshake would.
/// Errors: BadCertificate when there is none to read, Setup.
Result<DaneResult> verify_dane(const Dane& dane, std::string_view chain_pem, base::Time now);

}  // namespace ekiden::tls
