#pragma once

#include <memory>

#include "apps/tls_layers.hpp"
#include "ekiden/dns/resolver.hpp"
#include "tests/simulation/world.hpp"

namespace ekiden::simulation {

/// TLS for the relay, its clients and its peers: the real one, over simulated streams. While it
/// lives OpenSSL draws all its randomness from the seed, so that a seed replays; one at a time.
class Secrecy {
 public:
  explicit Secrecy(World& world);
  ~Secrecy();
  Secrecy(const Secrecy&) = delete;
  Secrecy& operator=(const Secrecy&) = delete;

  /// The relay's, both sides.
  apps::TlsContexts& relay() { return relay_; }
  /// The others'. Their certificate signs itself, and the relay trusts it.
  tls::ServerContext& server() { return *server_; }
  /// That of a host whose certificate is somebody else's: nobody trusts it, and it fits no name.
  tls::ServerContext& stranger() { return *stranger_; }
  /// What a TLSA record says of the others' certificate.
  static dns::Tlsa tlsa();
  tls::ClientContext& client() { return *client_; }

 private:
  base::SeededRandom random_;
  apps::TlsContexts relay_;
  std::shared_ptr<tls::ServerContext> server_, stranger_;
  std::shared_ptr<tls::ClientContext> client_;
};

}  // namespace ekiden::simulation
