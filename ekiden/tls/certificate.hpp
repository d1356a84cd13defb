#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/tls/error.hpp"
#include "ekiden/tls/openssl.hpp"

namespace ekiden::tls {

/// A certificate (followed by its chain) and its private key, both PEM.
struct PemPair {
  std::string certificate;
  std::string private_key;
};

struct IssueOptions {
  std::vector<std::string> names;  ///< DNS names and addresses; the first is also the subject
  base::Time not_before;
  base::Time not_after;
  const PemPair* issuer = nullptr;  ///< none: signs itself
  bool is_authority = false;
};

/// Makes an ECDSA P-256 key and a certificate for it. Errors: Setup.
Result<PemPair> issue_certificate(const IssueOptions& options);

/// For trials and the sink: signs itself, valid for a year from `now` (and, for clocks that
/// differ, a day before).
Result<PemPair> make_self_signed(std::vector<std::string> names, base::Time now);

/// Lower-case hex of the SHA-256 of the whole certificate.
std::string sha256_of(X509* certificate);
/// RFC 2253 form, UTF-8.
std::string subject_of(X509* certificate);
/// RFC 5929 §4.1: the hash of the server's certificate for "tls-server-end-point".
std::optional<std::string> server_end_point(X509* certificate);

}  // namespace ekiden::tls
