#pragma once

#include <string>

#include "apps/relay.hpp"
#include "apps/tls_layers.hpp"
#include "ekiden/api/http_server.hpp"
#include "ekiden/api/monitoring.hpp"
#include "ekiden/control/balance.hpp"

namespace ekiden::apps {

/// The HTTP addresses of the configuration: /metrics and /healthz.
///
/// Sharing: worker 0.
class HttpEndpoints {
 public:
  HttpEndpoints(base::Worker& worker, net::Network& network, TlsContexts& tls, Relay& relay,
                base::Metrics& metrics);

  /// False, with a sentence, when an address cannot be listened on.
  bool listen(const config::Settings& settings, std::string& problem);
  void stop(base::Work done) { server_.stop(std::move(done)); }

 private:
  api::Health health() const;

  net::Network& network_;
  TlsContexts& tls_;
  Relay& relay_;
  control::Balance balance_;
  api::HttpServer server_;
};

}  // namespace ekiden::apps
