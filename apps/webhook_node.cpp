#include "apps/webhook_node.hpp"

#include <utility>

#include "apps/tls_layers.hpp"

namespace ekiden::apps {

bool WebhookNode::open(const config::Settings& settings, const account::HashKey& node_key,
                       std::string& problem) {
  const std::string& data_dir = settings.node.data_dir;
  Result<std::unique_ptr<webhook::Ledger>> ledger = webhook::Ledger::open(data_dir, &problem);
  if (!ledger) {
    problem = "the webhooks' ledger cannot be opened: " + problem;
    return false;
  }
  ledger_ = std::move(*ledger);
  const Result<void> kept =
      ledger_->keep_attempts(settings.retention.webhook_attempts, place_.worker.clock.now());
  if (!kept) {
    problem = "the webhooks' ledger cannot be written: " + kept.error().message();
    return false;
  }
  desk_.emplace(data_dir + "/events", node_key);
  return true;
}

void WebhookNode::start(account::Store& accounts, Relay& relay, base::Metrics& metrics) {
  service_.emplace(webhook::Service::Parts{
      place_.worker, pool_, place_.network, place_.resolver, verified_tls(tls_), accounts, *ledger_,
      *desk_, metrics, [&relay] {
        const std::shared_ptr<const config::Settings> settings = relay.settings();
        webhook::Options options;
        options.allow_networks = settings->webhooks.allow_networks;
        options.timeout = settings->webhooks.timeout;
        options.time_scale = settings->retry.time_scale;
        return options;
      }});
  service_->start();
}

}  // namespace ekiden::apps
