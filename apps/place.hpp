#pragma once

#include <memory>

#include "apps/relay.hpp"
#include "apps/tls_layers.hpp"
#include "ekiden/account/authenticator.hpp"
#include "ekiden/account/sasl_server.hpp"
#include "ekiden/dns/caching_resolver.hpp"
#include "ekiden/dns/unbound_resolver.hpp"
#include "ekiden/net/tcp_network.hpp"

namespace ekiden::apps {

dns::UnboundResolver::Options resolver_options(const config::Settings& settings);

/// What one worker of the real process has beside the relay's own parts.
struct Place {
  Place(base::Worker& worker, std::unique_ptr<dns::UnboundResolver> resolver, TlsContexts& tls,
        const account::AuthenticatorShared& shared, const account::AuthenticatorOptions& options)
      : worker(worker),
        network(worker),
        unbound(std::move(resolver)),
        resolver(*unbound, worker.clock, worker.executor),
        authenticator(worker, shared, options),
        sasl(authenticator),
        server_tls(tls) {}

  RelayWorker relay_worker(TlsContexts& tls) {
    return {worker, network, resolver, &sasl, &server_tls, &proxy, client_tls(tls)};
  }

  base::Worker& worker;
  net::TcpNetwork network;
  std::unique_ptr<dns::UnboundResolver> unbound;
  dns::CachingResolver resolver;
  account::Authenticator authenticator;
  account::SaslServer sasl;
  ServerTlsLayer server_tls;
  ProxyLayer proxy;
};

}  // namespace ekiden::apps
