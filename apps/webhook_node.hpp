#pragma once

#include <memory>
#include <optional>
#include <string>

#include "apps/place.hpp"
#include "apps/relay.hpp"
#include "ekiden/account/store.hpp"
#include "ekiden/events/notifying_sink.hpp"
#include "ekiden/webhook/service.hpp"

namespace ekiden::apps {

/// The webhooks of the real process: their ledger in data_dir, their ways to the outside, and the
/// notice of new events.
///
/// Sharing: worker 0, but for the constructor, `open`, and `sink`, which is the event writer's.
class WebhookNode {
 public:
  WebhookNode(Place& place, TlsContexts& tls, base::Executor& pool, events::Sink& store)
      : place_(place), tls_(tls), pool_(pool), sink_(store, place.worker.executor, [this] {
          if (service_) service_->wake();
        }) {}

  /// False, with a sentence, when the ledger cannot be opened. Blocks; before the workers run.
  bool open(const config::Settings& settings, const account::HashKey& node_key,
            std::string& problem);
  void start(account::Store& accounts, Relay& relay, base::Metrics& metrics);
  void stop() {
    if (service_) service_->stop();
  }
  /// The threads have ended.
  void drop() { service_.reset(); }

  events::Sink& sink() { return sink_; }
  /// Once it is open.
  webhook::Ledger& ledger() { return *ledger_; }

 private:
  Place& place_;
  TlsContexts& tls_;
  base::Executor& pool_;
  std::unique_ptr<webhook::Ledger> ledger_;
  std::optional<webhook::Desk> desk_;
  std::optional<webhook::Service> service_;
  events::NotifyingSink sink_;
};

}  // namespace ekiden::apps
