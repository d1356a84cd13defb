#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ekiden/net/stream.hpp"
#include "ekiden/tls/dane.hpp"
#include "ekiden/tls/error.hpp"
#include "ekiden/tls/openssl.hpp"
#include "ekiden/tls/session_cache.hpp"

namespace ekiden::tls {

enum class Level {
  Modern,      ///< TLS 1.2 and 1.3, keys and signatures of today
  Compatible,  ///< also TLS 1.0, SHA-1 signatures, short keys: better than in the clear, no more
};

struct ClientOptions {
  std::string server_name;  ///< a DNS name (sent as SNI) or an address, as verified; may be empty
  bool verify = false;      ///< fail unless chain and name verify
  /// Names peer and policy ("host:port/opportunistic"): sessions resume within one key only. Level,
  /// `verify` and `server_name` are part of it without being named. Empty: no resumption.
  std::string session_key;
  Level level = Level::Modern;
  /// RFC 7672: TLSA records decide, roots and `verify` do not matter, and the base domain takes the
  /// place of `server_name`. Sessions resume under the same records only.
  std::shared_ptr<const Dane> dane;
  /// Dates are held to this time instead of the present one.
  std::optional<base::Time> verify_at;
};

/// What we need to begin TLS with others: roots to trust, sessions to resume.
///
/// Sharing: any worker. A reload makes a new one; connections keep what they need of the old.
class ClientContext {
 public:
  /// Reads the trust store; an empty file name trusts nobody. `why` names file and cause.
  /// Errors: BadCertificate, Setup.
  static Result<std::shared_ptr<ClientContext>> load(const std::string& trust_store,
                                                     std::string& why);

  SSL_CTX* context(Level level) {
    return level == Level::Modern ? modern_.get() : compatible_.get();
  }
  const std::shared_ptr<SessionCache>& sessions() { return sessions_; }

 private:
  ClientContext() = default;
  SslContextPtr modern_;
  SslContextPtr compatible_;
  std::shared_ptr<SessionCache> sessions_;
};

/// The client's side of a handshake. Without `verify` or `dane` the verdict is only recorded in
/// TlsInfo.
/// `why` (may be null) gets the reason of a failure in words.
/// Errors: Errc::NotVerified, Handshake, Setup, and those of the stream, which is gone then.
base::Task<Result<std::unique_ptr<net::Stream>>> connect(ClientContext& context,
                                                         std::unique_ptr<net::Stream> inner,
                                                         ClientOptions options,
                                                         base::Steady deadline,
                                                         std::string* why = nullptr);

}  // namespace ekiden::tls
