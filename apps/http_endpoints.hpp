#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apps/relay.hpp"
#include "apps/tls_layers.hpp"
#include "ekiden/api/api.hpp"
#include "ekiden/api/http_server.hpp"
#include "ekiden/api/monitoring.hpp"
#include "ekiden/api/unsubscribe.hpp"
#include "ekiden/control/balance.hpp"

namespace ekiden::apps {

/// The HTTP addresses of the configuration: /healthz on each, /metrics, the API and what strangers
/// may ask for where they are named. An address with the API and nothing for strangers is served by
/// every worker, the others by the first.
///
/// Sharing: worker 0, but for the constructor.
class HttpEndpoints {
 public:
  struct Parts {
    std::vector<RelayWorker> workers;
    base::Executor& pool;
    TlsContexts& tls;
    Relay& relay;
    base::Metrics& metrics;
    account::Store& accounts;
    webhook::Ledger& webhooks;
    const account::HashKey& node_key;
    api::Unsubscribing& unsubscribing;  ///< worker 0's
    bulk::Desk& jobs;
    account::TemplateStore& templates;
  };
  explicit HttpEndpoints(Parts parts);
  ~HttpEndpoints();

  /// What operators can do, for the API's requests. Before `listen`; it may die first, once the
  /// threads have ended.
  void use(control::NodeControl& node);

  /// `done` runs on worker 0, with a sentence when an address cannot be listened on.
  void listen(base::Function<void(std::string problem)> done);
  void stop(base::Work done);

 private:
  struct Part;  ///< of one worker
  api::Health health() const;
  void refresh();
  std::string listen_on(Part& part);

  Parts parts_;
  std::shared_ptr<const config::Settings> settings_;
  std::mutex refreshing_;  ///< gauges that nobody counts, set before each scrape
  control::Balance balance_;
  api::Shared shared_;
  std::vector<std::unique_ptr<Part>> on_workers_;
};

}  // namespace ekiden::apps
