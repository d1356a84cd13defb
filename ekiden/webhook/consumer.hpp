#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/account/store.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/http_client.hpp"
#include "ekiden/webhook/address_guard.hpp"
#include "ekiden/webhook/alarm.hpp"
#include "ekiden/webhook/desk.hpp"
#include "ekiden/webhook/ledger.hpp"
#include "ekiden/webhook/slots.hpp"

namespace ekiden::webhook {

struct Options {
  std::vector<net::AddressBlock> allow_networks;
  base::Duration timeout = std::chrono::seconds(20);  ///< of one post, from DNS to the answer's end
  double time_scale = 1.0;                            ///< of waits between attempts, for tests
};

/// What all webhooks of a node share.
struct Surroundings {
  base::Worker& worker;
  base::Executor& pool;
  net::Network& network;
  dns::Resolver& resolver;
  net::BeginTls begin_tls;
  account::Store& store;
  Desk& desk;
  Ledger& ledger;
  Slots& slots;
  std::function<Options()> options;  ///< in force now
  base::Counter& posted;             ///< events
  base::Counter& successes;          ///< attempts
  base::Counter& failures;
};

/// Posts what concerns one webhook, in the order of the event store, one batch at a time, each
/// again until it is taken; and does what operators ask of the webhook.
///
/// Its cursor moves when a batch was taken (2xx). A crash in between posts that batch again.
///
/// Sharing: its worker. It outlives its coroutine.
class Consumer {
 public:
  Consumer(Surroundings& surroundings, std::shared_ptr<const account::Webhook> webhook)
      : around_(surroundings), webhook_(std::move(webhook)), alarm_(surroundings.worker) {}

  /// Until `stop`; spawned once.
  base::Task<void> run();
  bool has_ended() const { return has_ended_; }

  /// There may be new events.
  void wake() { alarm_.ring(); }
  /// The webhook has changed, or has new orders.
  void update(std::shared_ptr<const account::Webhook> webhook);
  /// Breaks off what is under way.
  void stop();
  /// The threads have ended.
  void drop() { alarm_.drop(); }

  bool is_failing() const { return live_.failures > 0; }
  const account::Webhook& webhook() const { return *webhook_; }

 private:
  using Hook = std::shared_ptr<const account::Webhook>;
  enum class Turn { Again, Idle };

  base::Task<bool> load();
  base::Task<Turn> take_turn();
  base::Task<void> do_test(Hook hook, account::WebhookOrder order);
  base::Task<void> skip(account::WebhookOrder order);
  base::Task<Turn> post_live(Hook hook);
  base::Task<Turn> replay(Hook hook, account::WebhookOrder order);
  base::Task<Turn> advance(Hook hook, Wanted wanted, Progress& progress, std::int64_t order);
  base::Task<Attempt> post(const account::Webhook& hook, Batch& batch, net::HttpReply& reply);
  base::Task<std::vector<net::Endpoint>> find_servers(const Target& target, std::string& problem);
  base::Task<void> finish_order(std::int64_t order, bool is_done_well, std::string outcome);
  base::Task<void> disable(Hook hook, std::string reason);
  template <class T>
  base::Task<T> on_pool(std::function<T()> work);

  Surroundings& around_;
  Hook webhook_;
  Alarm alarm_;
  Progress live_;
  std::optional<std::pair<std::int64_t, Progress>> replay_;  ///< under way, by its order
  std::unique_ptr<net::HttpChannel> channel_;
  std::shared_ptr<net::Cancellation> cancel_ = std::make_shared<net::Cancellation>();
  bool is_stopped_ = false;
  bool has_ended_ = false;
  bool is_replays_turn_ = false;
  base::Steady saved_{};             ///< when a cursor that moves without a post was written down
  std::set<std::int64_t> finished_;  ///< orders that the store's picture may still show as open
};

}  // namespace ekiden::webhook
