#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ekiden/api/http_server.hpp"
#include "ekiden/base/metrics.hpp"

namespace ekiden::api {

/// Whether the relay is fit to take mail, and why not.
struct Health {
  std::vector<std::string> problems;  ///< sentences; empty: healthy
  std::vector<std::string> warnings;  ///< worth a look, nothing is refused
};

/// Every metric as Prometheus reads it (text format 0.0.4). Histograms are in seconds.
std::string format_prometheus(const base::Metrics& metrics);

/// {"status":"ok"|"failing","problems":[…],"warnings":[…]}
std::string format_health(const Health& health);

/// GET /metrics. `metrics` outlives the server; `refresh`, if any, is called before each answer,
/// to set gauges that nobody counts.
void add_metrics_route(HttpServer& server, const base::Metrics& metrics,
                       std::function<void()> refresh = nullptr);
/// GET /healthz: 200, or 503 with the reasons.
void add_health_route(HttpServer& server, std::function<Health()> health);

}  // namespace ekiden::api
