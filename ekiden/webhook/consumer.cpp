#include "ekiden/webhook/consumer.hpp"

#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/webhook/schedule.hpp"

namespace ekiden::webhook {

using account::Webhook;
using account::WebhookOrder;
using account::WebhookOrderKind;
using account::WebhookState;

namespace {

constexpr std::size_t kAnswerOctetsMax = 64 * 1024;
/// Of an answer, in the attempt log.
constexpr std::size_t kShownOctetsMax = 200;
/// The disk, not the endpoint, has failed.
constexpr base::Duration kLedgerRetry = std::chrono::seconds(5);
constexpr unsigned kStatusGone = 410;
/// How often a cursor is written down that moves without a post.
constexpr base::Duration kSaveEvery = std::chrono::minutes(1);

bool is_success(unsigned status) {
  return status >= 200 && status < 300;
}

std::string words_of(const net::HttpReply& reply) {
  if (reply.status == 0) return reply.problem;
  std::string words = "answered " + std::to_string(reply.status);
  if (reply.status >= 300 && reply.status < 400) return words + "; redirects are not followed";
  if (!is_success(reply.status) && !reply.body.empty())
    words += ": " + base::printable(reply.body, kShownOctetsMax);
  return words;
}

base::Duration scaled(base::Duration duration, double scale) {
  return base::Duration(static_cast<std::int64_t>(static_cast<double>(duration.count()) * scale));
}

}  // namespace

template <class T>
base::Task<T> Consumer::on_pool(std::function<T()> work) {
  auto begin = [this, work = std::move(work)](base::Completion<T> done) mutable {
    around_.pool.post([home = &around_.worker.executor, work = std::move(work),
                       done = std::move(done)]() mutable {
      home->post([done = std::move(done), value = work()]() mutable { done(std::move(value)); });
    });
  };
  co_return co_await base::suspend<T>(std::move(begin));
}

void Consumer::update(std::shared_ptr<const Webhook> webhook) {
  if (webhook->sealed_url != webhook_->sealed_url || webhook->state != webhook_->state) {
    // Whoever changes the URL or wakes a sleeping webhook wants to see it tried.
    live_.next = {};
  }
  if (webhook->state == WebhookState::Active && webhook_->state != WebhookState::Active) {
    live_.failures = 0;
  }
  webhook_ = std::move(webhook);
  std::erase_if(finished_, [this](std::int64_t id) {
    return std::none_of(webhook_->orders.begin(), webhook_->orders.end(),
                        [id](const WebhookOrder& order) { return order.id == id; });
  });
  alarm_.ring();
}

void Consumer::stop() {
  is_stopped_ = true;
  cancel_->cancel();
  alarm_.ring();
}

base::Task<void> Consumer::run() {
  while (!is_stopped_ && !co_await load()) {
    const base::Steady until = around_.worker.clock.steady() + kLedgerRetry;
    co_await alarm_.wait(until);
  }
  while (!is_stopped_) {
    const Turn turn = co_await take_turn();
    if (turn == Turn::Again || is_stopped_) continue;
    // A connection is for batches that follow each other.
    channel_.reset();
    base::Steady until = base::kNever;
    if (webhook_->state == WebhookState::Active && live_.next != base::Time{}) {
      const base::Duration wait = live_.next - around_.worker.clock.now();
      if (wait <= base::Duration(0)) continue;
      until = around_.worker.clock.steady() + wait;
    }
    co_await alarm_.wait(until);
  }
  channel_.reset();
  has_ended_ = true;
}

base::Task<bool> Consumer::load() {
  using Loaded = Result<std::optional<Progress>>;
  std::function<Loaded()> work = [ledger = &around_.ledger, id = webhook_->id] {
    return ledger->load(id, Ledger::kLive);
  };
  Loaded loaded = co_await on_pool<Loaded>(std::move(work));
  if (!loaded) {
    base::log::error("webhook_ledger_unreadable", {{"reason", loaded.error().message()}});
    co_return false;
  }
  if (*loaded) live_ = std::move(**loaded);
  co_return true;
}

base::Task<Consumer::Turn> Consumer::take_turn() {
  const Hook hook = webhook_;
  const WebhookOrder* replaying = nullptr;
  for (const WebhookOrder& order : hook->orders) {
    if (finished_.contains(order.id)) continue;
    if (order.kind == WebhookOrderKind::Test) {
      co_await do_test(hook, order);
      co_return Turn::Again;
    }
    if (order.kind == WebhookOrderKind::Skip) {
      co_await skip(order);
      co_return Turn::Again;
    }
    if (replaying == nullptr) replaying = &order;
  }
  if (hook->state != WebhookState::Active) co_return Turn::Idle;
  if (live_.next > around_.worker.clock.now()) co_return Turn::Idle;
  // What happens now does not wait for the past, nor the other way round.
  if (replaying != nullptr && std::exchange(is_replays_turn_, !is_replays_turn_))
    co_return co_await replay(hook, *replaying);
  const Turn turn = co_await post_live(hook);
  co_return replaying != nullptr&& live_.failures == 0 ? Turn::Again : turn;
}

base::Task<void> Consumer::do_test(Hook hook, WebhookOrder order) {
  Wanted wanted;
  wanted.webhook = hook;
  wanted.is_test = true;
  wanted.order = order.id;
  wanted.now = around_.worker.clock.now();
  std::function<Batch()> work = [desk = &around_.desk, wanted] { return desk->prepare(wanted); };
  Batch batch = co_await on_pool<Batch>(std::move(work));
  net::HttpReply reply;
  Attempt attempt = co_await post(*hook, batch, reply);
  if (is_stopped_) co_return;
  attempt.kind = "test";
  std::function<bool()> note = [ledger = &around_.ledger, attempt] {
    return ledger->record_attempt(attempt).has_value();
  };
  (void)co_await on_pool<bool>(std::move(note));
  co_await finish_order(order.id, attempt.is_success, std::move(attempt.outcome));
}

base::Task<void> Consumer::skip(WebhookOrder order) {
  using Ended = Result<events::Cursor>;
  std::function<Ended()> work = [desk = &around_.desk] { return desk->end(); };
  Ended end = co_await on_pool<Ended>(std::move(work));
  if (!end) {
    std::string outcome = "the event store: " + end.error().message();
    co_await finish_order(order.id, false, std::move(outcome));
    co_return;
  }
  live_.cursor = std::move(*end);
  live_.pending.reset();
  live_.failures = 0;
  live_.next = {};
  std::function<bool()> save = [ledger = &around_.ledger, id = webhook_->id, progress = live_] {
    return ledger->save(id, Ledger::kLive, progress).has_value();
  };
  const bool is_saved = co_await on_pool<bool>(std::move(save));
  std::string outcome = is_saved ? "what waited is left out" : "the disk failed";
  co_await finish_order(order.id, is_saved, std::move(outcome));
}

base::Task<Consumer::Turn> Consumer::post_live(Hook hook) {
  Wanted wanted;
  wanted.webhook = hook;
  wanted.cursor = live_.cursor;
  wanted.end = live_.pending;
  wanted.from = hook->created;
  wanted.now = around_.worker.clock.now();
  co_return co_await advance(hook, std::move(wanted), live_, Ledger::kLive);
}

base::Task<Consumer::Turn> Consumer::replay(Hook hook, WebhookOrder order) {
  if (!replay_ || replay_->first != order.id) {
    using Loaded = Result<std::optional<Progress>>;
    std::function<Loaded()> work = [ledger = &around_.ledger, id = hook->id, order = order.id] {
      return ledger->load(id, order);
    };
    Loaded loaded = co_await on_pool<Loaded>(std::move(work));
    replay_.emplace(order.id, loaded && *loaded ? std::move(**loaded) : Progress());
  }
  Wanted wanted;
  wanted.webhook = hook;
  wanted.cursor = replay_->second.cursor;
  wanted.end = replay_->second.pending;
  wanted.from = order.from;
  wanted.until = order.until;
  wanted.now = around_.worker.clock.now();
  const Turn turn = co_await advance(hook, std::move(wanted), replay_->second, order.id);
  if (turn == Turn::Again || replay_->second.failures > 0 || is_stopped_) co_return turn;
  std::string outcome = std::to_string(replay_->second.delivered) + " events were posted again";
  replay_.reset();
  std::function<bool()> forget = [ledger = &around_.ledger, id = hook->id, order = order.id] {
    return ledger->forget_order(id, order).has_value();
  };
  (void)co_await on_pool<bool>(std::move(forget));
  co_await finish_order(order.id, true, std::move(outcome));
  co_return Turn::Again;
}

/// Posts one batch and writes down how it went. Idle: nothing is there, or it has to wait.
base::Task<Consumer::Turn> Consumer::advance(Hook hook, Wanted wanted, Progress& progress,
                                             std::int64_t order) {
  std::string tenant = hook->tenant;
  co_await around_.slots.take(std::move(tenant));
  if (is_stopped_) {
    around_.slots.give(hook->tenant);
    co_return Turn::Idle;
  }
  std::function<Batch()> work = [desk = &around_.desk, wanted = std::move(wanted)] {
    return desk->prepare(wanted);
  };
  Batch batch = co_await on_pool<Batch>(std::move(work));
  if (batch.events == 0 && batch.problem.empty()) {
    around_.slots.give(hook->tenant);
    progress.cursor = std::move(batch.after);
    // What has failed is not there any more: its day is over.
    const bool was_pending = progress.pending.has_value();
    progress.pending.reset();
    live_.next = {};
    // Who posts rarely still moves on, so that a restart does not begin where it posted last.
    const base::Steady now = around_.worker.clock.steady();
    if (order == Ledger::kLive && now - saved_ >= kSaveEvery && !is_stopped_) {
      saved_ = now;
      std::function<bool()> save = [ledger = &around_.ledger, id = hook->id, progress] {
        return ledger->save(id, Ledger::kLive, progress).has_value();
      };
      (void)co_await on_pool<bool>(std::move(save));
    }
    co_return batch.has_more || was_pending ? Turn::Again : Turn::Idle;
  }
  net::HttpReply reply;
  Attempt attempt = co_await post(*hook, batch, reply);
  batch.body = {};
  around_.slots.give(hook->tenant);
  if (is_stopped_) co_return Turn::Idle;

  const base::Time now = around_.worker.clock.now();
  const Options options = around_.options();
  attempt.kind = order == Ledger::kLive ? "live" : "replay";
  attempt.number = progress.failures + 1;
  std::string reason;  // to give up
  if (attempt.is_success) {
    progress.cursor = std::move(batch.after);
    progress.pending.reset();
    progress.failures = 0;
    progress.delivered += batch.events;
    progress.last_success = now;
    live_.next = {};
  } else {
    if (progress.failures++ == 0) progress.failing_since = now;
    if (batch.events > 0) progress.pending = std::move(batch.after);
    base::Duration wait =
        scaled(retry_wait(progress.failures, around_.worker.random), options.time_scale);
    if (const auto asked = parse_retry_after(reply.retry_after, now)) wait = std::max(wait, *asked);
    live_.next = now + wait;
    if (reply.status == kStatusGone) reason = "the endpoint answered 410: it is gone for good";
    // An event store that cannot be read is no fault of the endpoint's.
    if (batch.events > 0 &&
        now - progress.failing_since >= scaled(kGiveUpAfter, options.time_scale))
      reason = "nothing was taken for a day; last: " + attempt.outcome;
  }
  if (&progress != &live_) progress.next = live_.next;
  std::function<bool()> note = [ledger = &around_.ledger, order, progress, attempt] {
    const Result<void> noted = ledger->record(order, progress, attempt);
    if (!noted) base::log::error("webhook_ledger", {{"reason", noted.error().message()}});
    return noted.has_value();
  };
  (void)co_await on_pool<bool>(std::move(note));
  if (attempt.is_success) co_return Turn::Again;
  base::log::info("webhook_failed", {{"webhook", hook->id},
                                     {"tenant", hook->tenant},
                                     {"origin", hook->origin},
                                     {"attempt", attempt.number},
                                     {"events", attempt.events},
                                     {"outcome", attempt.outcome}});
  if (!reason.empty()) co_await disable(hook, std::move(reason));
  co_return Turn::Idle;
}

base::Task<Attempt> Consumer::post(const Webhook& hook, Batch& batch, net::HttpReply& reply) {
  Attempt attempt;
  attempt.webhook = hook.id;
  attempt.time = around_.worker.clock.now();
  attempt.batch_id = batch.id;
  attempt.first_event = batch.first_event;
  attempt.events = batch.events;
  const base::Steady begin = around_.worker.clock.steady();
  reply.problem = batch.problem;
  if (batch.problem.empty()) {
    net::HttpRequest request;
    request.deadline = begin + around_.options().timeout;
    if (!channel_) {
      request.servers = co_await find_servers(batch.target, reply.problem);
      if (!request.servers.empty())
        channel_ = std::make_unique<net::HttpChannel>(around_.network, around_.begin_tls);
    }
    if (channel_ && !is_stopped_) {
      request.method = "POST";
      request.is_secure = batch.target.is_secure;
      request.host = batch.target.host;
      request.port = batch.target.port;
      request.path = batch.target.path;
      request.headers = std::move(batch.headers);
      request.body = std::move(batch.body);
      request.body_octets_max = kAnswerOctetsMax;
      request.keep_open = true;
      std::shared_ptr<net::Cancellation> cancel = cancel_;
      reply = co_await channel_->exchange(std::move(request), std::move(cancel));
      // The next connection asks the DNS anew.
      if (!channel_->is_open() || webhook_.get() != &hook) channel_.reset();
    }
  }
  attempt.duration = around_.worker.clock.steady() - begin;
  attempt.status = reply.status;
  // An answer that ends too early is none. One that is too long was cut off by us.
  attempt.is_success = (reply.is_whole || reply.is_cut) && is_success(reply.status);
  attempt.outcome = words_of(reply);
  (attempt.is_success ? around_.successes : around_.failures).add();
  if (attempt.is_success) around_.posted.add(batch.events);
  co_return attempt;
}

base::Task<std::vector<net::Endpoint>> Consumer::find_servers(const Target& target,
                                                              std::string& problem) {
  const AddressGuard guard(around_.options().allow_networks);
  std::vector<net::Address> addresses;
  if (target.address) addresses.push_back(*target.address);
  if (!target.address) {
    for (const dns::Type type : {dns::Type::A, dns::Type::AAAA}) {
      std::string name = target.host;
      const dns::Answer answer = co_await dns::resolve(around_.resolver, std::move(name), type);
      if (answer.status == dns::Status::Bogus || answer.status == dns::Status::Failed) {
        problem = "the DNS gives no address of " + target.host + ": " + answer.reason;
        continue;
      }
      for (const net::Address& address : dns::addresses_of(answer)) addresses.push_back(address);
    }
  }
  std::vector<net::Endpoint> servers;
  for (const net::Address& address : addresses) {
    const AddressGuard::Verdict verdict = guard.judge(address);
    if (verdict == AddressGuard::Verdict::Refused) {
      problem = address.to_string() +
                " is no address of the Internet; webhooks.allow_networks "
                "does not list it";
    } else if (!target.is_secure && verdict != AddressGuard::Verdict::Allowed) {
      problem = "http is for addresses of webhooks.allow_networks only; others need https";
    } else {
      servers.push_back({address, target.port});
    }
  }
  if (addresses.empty() && problem.empty()) problem = target.host + " has no address";
  co_return servers;
}

base::Task<void> Consumer::finish_order(std::int64_t order, bool is_done_well,
                                        std::string outcome) {
  finished_.insert(order);
  const base::Time now = around_.worker.clock.now();
  std::function<bool()> work = [store = &around_.store, order, is_done_well, outcome, now] {
    return store->finish_webhook_order(order, is_done_well, outcome, now).has_value();
  };
  (void)co_await on_pool<bool>(std::move(work));
}

base::Task<void> Consumer::disable(Hook hook, std::string reason) {
  base::log::error("webhook_disabled", {{"webhook", hook->id},
                                        {"tenant", hook->tenant},
                                        {"origin", hook->origin},
                                        {"reason", reason}});
  const account::Author author{"the relay", around_.worker.clock.now()};
  auto disabled = std::make_shared<Webhook>(*hook);
  disabled->state = WebhookState::Disabled;
  disabled->reason = reason;
  std::function<bool()> work = [store = &around_.store, disabled, reason, author] {
    return store->set_webhook(*disabled, "disabled: " + reason, author, disabled->changed)
        .has_value();
  };
  const bool is_disabled = co_await on_pool<bool>(std::move(work));
  // At once; the store's picture follows. A webhook that was changed meanwhile goes on instead.
  if (is_disabled && webhook_ == hook) webhook_ = std::move(disabled);
}

}  // namespace ekiden::webhook
