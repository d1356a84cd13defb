#include "apps/webhook_node.hpp"

#include <utility>

#include "ekiden/tls/client_context.hpp"

namespace ekiden::apps {
namespace {

base::Task<Result<std::unique_ptr<net::Stream>>> begin_tls(
    std::shared_ptr<tls::ClientContext> context, std::unique_ptr<net::Stream> stream,
    std::string server_name, base::Steady deadline, std::string* why) {
  tls::ClientOptions options;
  options.server_name = std::move(server_name);
  options.verify = true;
  co_return co_await tls::connect(*context, std::move(stream), std::move(options), deadline, why);
}

/// Each handshake by the context that is in force when it begins; no session is kept.
net::BeginTls verified_tls(TlsContexts& contexts) {
  return [&contexts](std::unique_ptr<net::Stream> stream, std::string server_name,
                     base::Steady deadline, std::string& why) {
    return begin_tls(contexts.client.load(), std::move(stream), std::move(server_name), deadline,
                     &why);
  };
}

}  // namespace

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
