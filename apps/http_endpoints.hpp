#pragma once

#include <array>
#include <string>

#include "apps/relay.hpp"
#include "apps/tls_layers.hpp"
#include "ekiden/api/http_server.hpp"
#include "ekiden/api/monitoring.hpp"
#include "ekiden/api/unsubscribe.hpp"
#include "ekiden/control/balance.hpp"

namespace ekiden::apps {

/// The HTTP addresses of the configuration: /healthz on each, /metrics and what strangers may ask
/// for where they are named.
///
/// Sharing: worker 0.
class HttpEndpoints {
 public:
  /// `unsubscribing` outlives it.
  HttpEndpoints(base::Worker& worker, net::Network& network, TlsContexts& tls, Relay& relay,
                base::Metrics& metrics, api::Unsubscribing& unsubscribing);

  /// False, with a sentence, when an address cannot be listened on.
  bool listen(const config::Settings& settings, std::string& problem);
  void stop(base::Work done);

 private:
  api::Health health() const;

  net::Network& network_;
  TlsContexts& tls_;
  Relay& relay_;
  control::Balance balance_;
  api::Unsubscribing& unsubscribing_;
  /// By what they serve: bit 0, metrics; bit 1, strangers.
  std::array<api::HttpServer, 4> servers_;
};

}  // namespace ekiden::apps
