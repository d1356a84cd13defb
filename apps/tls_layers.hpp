#pragma once

#include <atomic>
#include <memory>

#include "ekiden/base/worker.hpp"
#include "ekiden/delivery/connection.hpp"
#include "ekiden/inbound/layer.hpp"
#include "ekiden/net/http_client.hpp"
#include "ekiden/tls/client_context.hpp"
#include "ekiden/tls/server_context.hpp"

namespace ekiden::apps {

/// The contexts in force; a reload swaps them, connections that began keep theirs.
struct TlsContexts {
  std::atomic<std::shared_ptr<tls::ServerContext>> server;  ///< null: no certificate configured
  std::atomic<std::shared_ptr<tls::ClientContext>> client;
};

/// TLS as a server, for inbound sessions.
class ServerTlsLayer final : public inbound::Layer {
 public:
  explicit ServerTlsLayer(TlsContexts& contexts) : contexts_(contexts) {}
  base::Task<Result<std::unique_ptr<net::Stream>>> wrap(std::unique_ptr<net::Stream> stream,
                                                        base::Steady deadline) override;

 private:
  TlsContexts& contexts_;
};

/// The PROXY header that must come first.
class ProxyLayer final : public inbound::Layer {
 public:
  base::Task<Result<std::unique_ptr<net::Stream>>> wrap(std::unique_ptr<net::Stream> stream,
                                                        base::Steady deadline) override;
};

/// TLS as a client, for connections to next hops.
delivery::StartTls client_tls(TlsContexts& contexts);

/// For HTTPS: chain and name are verified, by the context that is in force when a handshake begins;
/// no session is kept.
net::BeginTls verified_tls(TlsContexts& contexts);

}  // namespace ekiden::apps
