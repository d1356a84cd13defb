#include "ekiden/webhook/service.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "ekiden/base/task_group.hpp"

namespace ekiden::webhook {
namespace {

/// How soon a change in the control store is acted upon, as everywhere.
constexpr base::Duration kLook = std::chrono::milliseconds(250);

}  // namespace

struct Service::State {
  using Webhooks = std::shared_ptr<const std::vector<account::Webhook>>;

  explicit State(Parts parts)
      : slots(parts.worker),
        around{parts.worker,
               parts.pool,
               parts.network,
               parts.resolver,
               std::move(parts.begin_tls),
               parts.store,
               parts.desk,
               parts.ledger,
               slots,
               std::move(parts.options),
               parts.metrics.counter("ekiden_webhook_events_total",
                                     "Events that webhooks' endpoints have taken"),
               parts.metrics.counter("ekiden_webhook_attempts_total",
                                     "Posts to webhooks' endpoints", {{"result", "taken"}}),
               parts.metrics.counter("ekiden_webhook_attempts_total",
                                     "Posts to webhooks' endpoints", {{"result", "failed"}})},
        active(parts.metrics.gauge("ekiden_webhooks", "Webhooks by state", {{"state", "active"}})),
        paused(parts.metrics.gauge("ekiden_webhooks", "Webhooks by state", {{"state", "paused"}})),
        disabled(
            parts.metrics.gauge("ekiden_webhooks", "Webhooks by state", {{"state", "disabled"}})),
        failing(parts.metrics.gauge("ekiden_webhooks_failing",
                                    "Active webhooks whose last post was not taken")),
        group(parts.worker) {}

  void look() {
    timer = around.worker.clock.call_after(kLook, [this] {
      timer = base::TimerId::None;
      look();
    });
    std::erase_if(leaving, [](const auto& consumer) { return consumer->has_ended(); });
    const Webhooks now = around.store.current_webhooks();
    if (now != seen) {
      seen = now;
      take(*now);
    }
    failing.set(std::count_if(consumers.begin(), consumers.end(), [](const auto& entry) {
      return entry.second->is_failing() &&
             entry.second->webhook().state == account::WebhookState::Active;
    }));
  }

  void take(const std::vector<account::Webhook>& webhooks) {
    std::vector<std::int64_t> ids;
    std::int64_t counts[3] = {};
    for (const account::Webhook& webhook : webhooks) {
      ids.push_back(webhook.id);
      ++counts[static_cast<std::size_t>(webhook.state)];
      std::unique_ptr<Consumer>& consumer = consumers[webhook.id];
      auto shared = std::make_shared<const account::Webhook>(webhook);
      if (!consumer) {
        consumer = std::make_unique<Consumer>(around, std::move(shared));
        group.spawn(consumer->run());
      } else if (consumer->webhook() != webhook) {
        consumer->update(std::move(shared));
      }
    }
    active.set(counts[0]);
    paused.set(counts[1]);
    disabled.set(counts[2]);
    bool has_gone = is_first_look;
    for (auto it = consumers.begin(); it != consumers.end();) {
      if (std::find(ids.begin(), ids.end(), it->first) != ids.end()) {
        ++it;
        continue;
      }
      has_gone = true;
      it->second->stop();
      leaving.push_back(std::move(it->second));
      it = consumers.erase(it);
    }
    is_first_look = false;
    if (!has_gone) return;
    around.pool.post([ledger = &around.ledger, ids] { (void)ledger->forget_others(ids); });
  }

  Slots slots;
  Surroundings around;
  base::Gauge& active;
  base::Gauge& paused;
  base::Gauge& disabled;
  base::Gauge& failing;
  base::TaskGroup group;
  base::TimerId timer = base::TimerId::None;
  Webhooks seen;
  bool is_first_look = true;
  std::map<std::int64_t, std::unique_ptr<Consumer>> consumers;
  std::vector<std::unique_ptr<Consumer>> leaving;  ///< removed, their coroutines not yet at an end
};

Service::Service(Parts parts) : state_(std::make_unique<State>(std::move(parts))) {}

Service::~Service() {
  for (auto& [id, consumer] : state_->consumers) consumer->drop();
  for (auto& consumer : state_->leaving) consumer->drop();
  state_->slots.drop();
}

void Service::start() {
  state_->look();
}

void Service::wake() {
  for (auto& [id, consumer] : state_->consumers) consumer->wake();
}

void Service::stop() {
  if (state_->timer != base::TimerId::None) state_->around.worker.clock.cancel(state_->timer);
  state_->timer = base::TimerId::None;
  state_->group.close();
  for (auto& [id, consumer] : state_->consumers) consumer->stop();
}

}  // namespace ekiden::webhook
