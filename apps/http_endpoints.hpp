#pragma once

#include <string>

#include "apps/relay.hpp"
#include "apps/tls_layers.hpp"
#include "ekiden/api/http_server.hpp"
#include "ekiden/api/monitoring.hpp"
#include "ekiden/control/balance.hpp"

namespace ekiden::apps {

/// The HTTP addresses of the configuration: /healthz on each, /metrics where it is named.
///
/// Sharing: worker 0.
class HttpEndpoints {
 public:
  HttpEndpoints(base::Worker& worker, net::Network& network, TlsContexts& tls, Relay& relay,
                base::Metrics& metrics);

  /// False, with a sentence, when an address cannot be listened on.
  bool listen(const config::Settings& settings, std::string& problem);
  void stop(base::Work done);

 private:
  api::Health health() const;

  net::Network& network_;
  TlsContexts& tls_;
  Relay& relay_;
  control::Balance balance_;
  api::HttpServer with_metrics_, without_;
};

}  // namespace ekiden::apps
