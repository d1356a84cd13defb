#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/time.hpp"
#include "ekiden/net/stream.hpp"
#include "ekiden/tls/certificate.hpp"
#include "ekiden/tls/error.hpp"
#include "ekiden/tls/openssl.hpp"

namespace ekiden::tls {

/// Files (PEM; the certificate followed by its chain), or their contents where `pem` is not empty.
struct CertificateSource {
  std::string certificate_file;
  std::string private_key_file;
  PemPair pem;
};

struct ServerOptions {
  /// The first is shown to clients whose SNI fits none. At least one.
  std::vector<CertificateSource> certificates;
  /// Clients are asked for a certificate, and need none; empty: not asked.
  std::string client_ca_file;
};

/// What our side shows when a client begins TLS: certificates, TLS 1.2 and 1.3, session tickets.
///
/// Never changes: a reload makes a new one, and connections that began under the old one keep it
/// alive. Tickets of the old one are then not resumed, which costs a full handshake.
///
/// Sharing: any worker.
class ServerContext : public std::enable_shared_from_this<ServerContext> {
 public:
  /// Reads files: not on a worker once mail flows. On failure `why` names file and cause. What
  /// works but should be mended (an expired certificate) is in `warnings()`.
  /// Errors: FileUnreadable, BadCertificate, BadPrivateKey, KeyMismatch, Setup.
  static Result<std::shared_ptr<ServerContext>> load(const ServerOptions& options, base::Time now,
                                                     std::string& why);

  const std::vector<std::string>& warnings() const { return warnings_; }
  bool asks_for_client_certificates() const { return asks_client_; }
  SSL_CTX* context() { return contexts_.front().get(); }

 private:
  ServerContext() = default;
  Result<void> add(const CertificateSource& source, const ServerOptions& options, base::Time now,
                   std::string& why);
  static int choose_by_name(SSL* ssl, int* alert, void* self);

  std::vector<SslContextPtr> contexts_;  ///< one for each certificate
  std::vector<std::string> warnings_;
  bool asks_client_ = false;
};

/// The server's side of a handshake. `why` (may be null) gets the reason of a failure in words.
/// Errors: Errc::Handshake, Setup, and those of the stream, which is gone then.
base::Task<Result<std::unique_ptr<net::Stream>>> accept(ServerContext& context,
                                                        std::unique_ptr<net::Stream> inner,
                                                        base::Steady deadline,
                                                        std::string* why = nullptr);

}  // namespace ekiden::tls
