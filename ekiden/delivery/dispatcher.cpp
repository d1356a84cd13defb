// Invariants:
// - A link exists from the decision to open a connection until its end is reported; the
//   scheduler's count of connections of a lane is the number of its links.
// - A job that was granted is settled exactly once: by the connection, or put back when the
//   connection ended first.
#include "ekiden/delivery/dispatcher.hpp"

#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/delivery/batch_stop.hpp"
#include "ekiden/delivery/connection_feed.hpp"
#include "ekiden/delivery/protection.hpp"
#include "ekiden/queue/address_hash.hpp"
#include "ekiden/queue/domain_key.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

/// While the spool takes no updates nothing is attempted; asked again after this.
constexpr base::Duration kSpoolPause = std::chrono::milliseconds(500);
/// Messages that go to another next hop at once on one worker, and their octets. Each waits for the
/// disk.
constexpr std::size_t kMovesMax = 256;
constexpr std::uint64_t kMoveOctetsMax = 8u << 20;
constexpr base::Duration kRouteValidFor = std::chrono::hours(24);
/// A message that could not be read for a while is tried again after this.
constexpr base::Duration kUnreadablePause = std::chrono::seconds(10);
/// A clock that is set back by less is being disciplined; nothing waits noticeably longer.
constexpr base::Duration kStepNoticed = std::chrono::seconds(1);

base::Duration offset(const base::Clock& clock) {
  return clock.now().time_since_epoch() - clock.steady().time_since_epoch();
}

}  // namespace

Dispatcher::Dispatcher(Parts parts, DispatcherOptions options, SettlementOptions settlement)
    : parts_(std::move(parts)),
      options_(options),
      scheduler_(parts_.worker.clock.now()),
      settlement_({parts_.worker, parts_.port, scheduler_, parts_.metrics, tasks_,
                   [this](queue::Accepted message) { take(std::move(message)); },
                   [this] {
                     note_queued();
                     wake();
                   }},
                  std::move(settlement)),
      orders_(scheduler_, settlement_, parts_.worker.clock),
      tasks_(parts_.worker),
      moves_(kMovesMax, kMoveOctetsMax),
      recovered_(parts_.metrics.counter("ekiden_recipients_recovered_total",
                                        "Recipients that were queued when the relay started")),
      queued_gauge_(parts_.metrics.gauge("ekiden_recipients_queued",
                                         "Recipients without a disposition",
                                         {{"worker", std::to_string(parts_.worker.index)}})),
      connections_gauge_(parts_.metrics.gauge("ekiden_delivery_connections",
                                              "Connections to next hops",
                                              {{"worker", std::to_string(parts_.worker.index)}})),
      connection_waits_(parts_.metrics.counter(
          "ekiden_delivery_connection_waits_total",
          "Times that a worker began to wait because delivery.connections are open")),
      limited_(parts_.metrics.counter(
          "ekiden_delivery_limited_total",
          "Times that mail for a site began to wait for a source or a provider's limit")),
      throttled_(parts_.metrics.counter(
          "ekiden_delivery_throttled_total",
          "Replies that asked for less: slower, later, or from another source")) {
  egress_.set_sources(options_.sources);
  clock_offset_ = offset(parts_.worker.clock);
  parts_.neighbours.join(parts_.worker.index, *this);
  // Nobody can wait yet.
  (void)parts_.neighbours.connections().set_max(options_.connections_max);
}

Dispatcher::~Dispatcher() {
  if (timer_ != base::TimerId::None) parts_.worker.clock.cancel(timer_);
}

void Dispatcher::drop_waiting() {
  each_feed([](ConnectionFeed& feed) { feed.drop(); });
  // Moved out first: what dies with one may look at the others.
  const std::deque<Reader> readers = std::exchange(readers_, {});
  settlement_.drop_waiting();
  moves_.clear();
}

std::shared_ptr<const Routed> Dispatcher::route_of(std::string_view key) const {
  std::shared_ptr<const Routed> routed =
      parts_.routing.route(queue::domain_of_key(key), queue::next_hop_of_key(key));
  const message::TlsDemand demand = demand_of_key(key);
  if (demand == message::TlsDemand::Usual || !routed->plan) return routed;
  auto held = std::make_shared<Routed>(*routed);
  held->plan = with_demand(std::move(held->plan), demand);
  return held;
}

void Dispatcher::note_queued() {
  queued_gauge_.set(static_cast<std::int64_t>(scheduler_.size()));
}

void Dispatcher::wake() {
  if (is_awake_) return;
  is_awake_ = true;
  parts_.worker.executor.post([this] { pump(); });
}

void Dispatcher::look_at_clock() {
  const base::Duration offset_now = offset(parts_.worker.clock);
  if (offset_now < clock_offset_ - kStepNoticed) {
    const base::Duration by = clock_offset_ - offset_now;
    scheduler_.turn_back(by, parts_.worker.clock.now());
    timer_at_ = base::Time::max();
    base::log::warning("clock_set_back", {{"by", base::format_duration(by)}});
    wake();
  } else if (offset_now <= clock_offset_ + kStepNoticed) {
    return;  // Slow drift adds up until it is noticed.
  }
  clock_offset_ = offset_now;
}

/// One look at everything that may have changed in this turn.
void Dispatcher::pump() {
  is_awake_ = false;
  look_at_clock();
  const base::Time now = parts_.worker.clock.now();
  settle_alarms(now);
  if (!is_stopping_) {
    if (parts_.spool.status().accepts_updates) {
      resolve_domains(now);
      free_parked(now);
      free_waiting(now);
      serve_idle(now);
      give_way();
      open_connections(now);
    } else {
      stop_waiting();
      was_spool_closed_ = true;
      parts_.worker.clock.call_after(kSpoolPause, [this] { wake(); });
    }
  }
  settlement_.flush();
  if (stopped_ && tasks_.size() == 0 && settlement_.is_quiet()) {
    std::exchange(stopped_, {})();
    return;
  }
  arm_timer();
  // Waiting for delivery.connections is a limit's doing: clients are not slowed down for it.
  const bool is_limited = parts_.neighbours.connections().is_short();
  lag_us_.store(is_limited ? 0 : scheduler_.lag(now).count(), std::memory_order_relaxed);
  note_queued();
}

void Dispatcher::arm_timer() {
  const std::optional<base::Time> next = scheduler_.next_timer();
  if (!next || *next >= timer_at_) return;
  if (timer_ != base::TimerId::None) parts_.worker.clock.cancel(timer_);
  timer_at_ = *next;
  const base::Duration wait = std::max(base::Duration::zero(), *next - parts_.worker.clock.now());
  timer_ = parts_.worker.clock.call_after(wait, [this] {
    timer_ = base::TimerId::None;
    timer_at_ = base::Time::max();
    wake();
  });
}

// --- domains

void Dispatcher::resolve_domains(base::Time) {
  for (std::uint32_t at; (at = scheduler_.next_unresolved()) != queue::kNone;) {
    std::shared_ptr<const Routed> routed = route_of(scheduler_.domain_name(at));
    switch (routed->kind) {
      case Routed::Kind::Direct:
        assign(at, routed->plan, routed->retry, kRouteValidFor);
        break;
      case Routed::Kind::Mx:
        tasks_.spawn(resolve(at, std::move(routed)));
        break;
      case Routed::Kind::Hold:
      case Routed::Kind::Discard:
        set_aside(at, *routed);
        break;
    }
  }
}

base::Task<void> Dispatcher::resolve(std::uint32_t domain, std::shared_ptr<const Routed> routed) {
  std::string name(queue::domain_of_key(scheduler_.domain_name(domain)));
  const MxPlanned planned = co_await parts_.routing.plan_mx(std::move(name), routed->index);
  look_at_clock();
  if (planned.plan) {
    const message::TlsDemand demand = demand_of_key(scheduler_.domain_name(domain));
    assign(domain, with_demand(planned.plan, demand), routed->retry, planned.valid_for);
  } else {
    fail_domain(domain, *routed, planned.failure);
  }
  wake();
}

queue::LaneLimits Dispatcher::limits_of(const Plan& plan, std::string_view way) const {
  queue::LaneLimits limits{
      .connections_max = options_.connections_per_site_max,
      .bulk_connections_max = std::max(1U, options_.connections_per_site_max * 4 / 5),
      .recipients_per_transaction_max = plan.recipients_per_transaction_max};
  if (plan.profile == nullptr) return limits;
  const shaping::Limits& theirs = plan.profile->limits;
  const std::size_t sources =
      options_.sources ? options_.sources->pool(queue::pool_of_way(way)).members.size() : 1;
  const std::uint64_t most = std::uint64_t{theirs.connections} * sources;
  if (most < limits.connections_max) {
    limits.connections_max = std::max(1U, static_cast<std::uint32_t>(most));
    // Of few connections none is kept free: urgent mail is next on any of them.
    const std::uint32_t for_bulk =
        most < 5 ? limits.connections_max : limits.connections_max * 4 / 5;
    limits.bulk_connections_max = std::min(limits.bulk_connections_max, for_bulk);
  }
  limits.is_paced = !theirs.rate.is_off();
  return limits;
}

void Dispatcher::assign(std::uint32_t domain, std::shared_ptr<const Plan> plan,
                        const queue::RetryPolicy& retry, base::Duration valid_for) {
  const unsigned owner = parts_.neighbours.owner_of(owner_key(*plan));
  if (owner != parts_.worker.index) {
    move_domain(domain, owner, plan, valid_for);
    return;
  }
  const std::string_view way = queue::way_of_key(scheduler_.domain_name(domain));
  const queue::LaneLimits limits = limits_of(*plan, way);
  const std::uint32_t lane = scheduler_.lane(plan->site, limits, way);
  // A reload may have changed them since the lane was made.
  scheduler_.set_limits(lane, limits);
  if (lanes_.size() <= lane) lanes_.resize(lane + 1);
  if (lanes_[lane].hosts == nullptr) lanes_[lane].hosts = &hosts_of(*plan);
  // With sources of our own each connection chooses one.
  scheduler_.set_source(lane, options_.sources ? std::string_view() : plan->source_name);
  Egress::Provider* const provider = egress_.provider(*plan, moment());
  // A reload may have given it another: the old one's line holds it no longer.
  if (lanes_[lane].provider != provider) {
    scheduler_.free(lane, parts_.worker.clock.now());
    lanes_[lane].provider = provider;
    lanes_[lane].is_idle_known = false;
    if (!lanes_[lane].idle.empty()) note_idle(lane);
  }
  lanes_[lane].way = way;
  lanes_[lane].plan = std::move(plan);
  lanes_[lane].retry = retry;
  const base::Time now = parts_.worker.clock.now();
  scheduler_.assign_domain(domain, lane, now + valid_for, now);
}

/// The site belongs to another worker: so do the recipients. The plan goes with them: what that
/// worker's DNS cache says may name another site for a while, and send them back, for ever.
void Dispatcher::move_domain(std::uint32_t domain, unsigned owner,
                             const std::shared_ptr<const Plan>& plan, base::Duration valid_for) {
  std::map<base::MessageId, std::unique_ptr<Moving>> moving;
  const std::string name = scheduler_.domain_name(domain);
  std::vector<std::uint32_t> slots;
  scheduler_.fail_domain(domain, [&](const queue::Pick& pick) {
    const queue::MessageEntry& message = scheduler_.message(pick.message);
    std::unique_ptr<Moving>& group = moving[pick.id];
    if (!group) {
      const auto [tenant, stream] = scheduler_.class_names(message.klass);
      group = std::make_unique<Moving>(Moving{pick.id,
                                              pick.resident,
                                              base::from_unix_us(message.received_us),
                                              message.size,
                                              std::string(tenant),
                                              std::string(stream),
                                              message.queued,
                                              {},
                                              {},
                                              plan,
                                              valid_for});
    }
    const std::uint32_t slot = scheduler_.find(pick.id, pick.recipients.front());
    const queue::RecipientEntry& entry = scheduler_.recipient(slot);
    group->arrivals.push_back({.index = entry.index,
                               .address_hash = entry.address_hash,
                               .attempts = entry.attempts,
                               .reply_code = entry.reply_code,
                               .flags = entry.flags,
                               .due = base::from_unix_us(entry.due_us),
                               .expires = base::from_unix_us(entry.expires_us),
                               .delay_notice = scheduler_.delay_notice(slot)});
    group->domains.push_back(name);
    slots.push_back(slot);
  });
  for (const std::uint32_t slot : slots) scheduler_.remove(slot);
  Dispatcher& there = parts_.neighbours.at(owner);
  for (auto& [id, group] : moving)
    parts_.neighbours.send(owner,
                           [&there, boxed = std::move(group)] { there.add(std::move(*boxed)); });
}

void Dispatcher::fail_domain(std::uint32_t domain, const Routed& routed, const smtp::Reply& reply) {
  scheduler_.fail_domain(domain, [&](const queue::Pick& pick) {
    Verdict verdict{.recipient = pick.recipients.front(),
                    .state = reply.is_permanent() ? spool::State::Bounced : spool::State::Queued,
                    .reply = reply,
                    .phase = Phase::Connect};
    settle_soon(pick.id, pick.resident, routed, {}, {std::move(verdict)});
  });
}

void Dispatcher::set_aside(std::uint32_t domain, const Routed& routed) {
  scheduler_.fail_domain(domain, [&](const queue::Pick& pick) {
    if (routed.kind == Routed::Kind::Discard) {
      Verdict verdict{.recipient = pick.recipients.front(),
                      .state = spool::State::Cancelled,
                      .is_attempt = false,
                      .detail = "discarded by route"};
      settle_soon(pick.id, pick.resident, routed, {}, {std::move(verdict)});
      return;
    }
    scheduler_.hold(scheduler_.find(pick.id, pick.recipients.front()));
    hold_soon(pick.id, pick.resident, pick.recipients.front(), "held by route");
  });
}

void Dispatcher::forget_routes() {
  for (std::uint32_t at = 0; at < scheduler_.domain_count(); ++at) scheduler_.forget_domain(at);
  wake();
}

// --- verdicts on messages whose envelope may have left memory

void Dispatcher::with_meta(base::MessageId id, std::shared_ptr<const queue::Resident> resident,
                           base::Function<void(std::shared_ptr<const message::Meta>)> use) {
  if (resident) {
    use(std::shared_ptr<const message::Meta>(resident, resident->meta.get()));
    return;
  }
  parts_.port.load_meta(id, [this, id, use = std::move(use)](Result<std::string> octets) mutable {
    const Result<message::Meta> meta =
        octets ? message::decode_meta(*octets) : Result<message::Meta>(octets.error());
    if (!meta && meta.error() == make_error_code(spool::Errc::Io)) {
      // The disk may heal; what was to be done is done then.
      parts_.worker.clock.call_after(kUnreadablePause, [this, id, use = std::move(use)]() mutable {
        with_meta(id, nullptr, std::move(use));
      });
      return;
    }
    if (!meta) {
      // The spool has set it aside and raised the alert; here it only leaves the queue.
      forget_message(id, meta.error());
      return;
    }
    use(std::make_shared<const message::Meta>(*meta));
    wake();
  });
}

void Dispatcher::settle_soon(base::MessageId id, std::shared_ptr<const queue::Resident> resident,
                             const Routed& routed, const Peer& peer,
                             std::vector<Verdict> verdicts) {
  Settlement::Context context{id, nullptr, peer, routed.name, {}, {}, routed.retry, nullptr, {}};
  if (routed.plan != nullptr) context.provider = provider_of(*routed.plan);
  auto boxed = std::make_unique<std::pair<Settlement::Context, std::vector<Verdict>>>(
      std::move(context), std::move(verdicts));
  with_meta(id, std::move(resident),
            [this, boxed = std::move(boxed)](std::shared_ptr<const message::Meta> meta) {
              look_at_clock();
              boxed->first.meta = std::move(meta);
              // What its sender has cancelled neither waits for a site nor fails.
              const auto stop = stop_of(parts_.accounts, boxed->first.meta->details);
              if (stop == account::SendStop::Cancel)
                for (Verdict& verdict : boxed->second)
                  verdict = cancelled_with_batch(verdict.recipient);
              std::vector<std::uint32_t> recipients;
              for (const Verdict& verdict : boxed->second) recipients.push_back(verdict.recipient);
              settlement_.settle(boxed->first, std::move(boxed->second));
              orders_.carry_out(boxed->first, recipients);
            });
}

void Dispatcher::hold_soon(base::MessageId id, std::shared_ptr<const queue::Resident> resident,
                           std::uint32_t recipient, std::string why) {
  with_meta(id, std::move(resident),
            [this, id, recipient, why](std::shared_ptr<const message::Meta> meta) {
              Settlement::Context context;
              context.id = id;
              context.meta = std::move(meta);
              settlement_.record_hold(context, recipient, true, why);
            });
}

/// The message cannot be read (any more): the spool keeps the evidence, the queue lets it go.
void Dispatcher::forget_message(base::MessageId id, const Error& error) {
  if (error == make_error_code(spool::Errc::Closed)) return;
  base::log::error("message_unreadable",
                   {{"message", base::format_message_id(id)}, {"error", error.message()}});
  const std::uint32_t at = scheduler_.find_message(id);
  if (at == queue::kNone) return;
  const std::shared_ptr<const queue::Resident> resident = scheduler_.message(at).resident;
  std::vector<std::uint32_t> slots, recipients;
  for (std::uint32_t slot = scheduler_.message(at).first; slot != queue::kNone;
       slot = scheduler_.recipient(slot).sibling) {
    slots.push_back(slot);
    recipients.push_back(scheduler_.recipient(slot).index);
  }
  for (const std::uint32_t slot : slots) scheduler_.remove(slot);
  orders_.forget(id);
  settlement_.record_quarantined(id, resident ? resident->meta.get() : nullptr, recipients,
                                 error.message());
  note_queued();
  wake();
}

/// A recipient's own last reply says more than why its site rests: it is read back.
void Dispatcher::expire(base::MessageId id, std::uint32_t index,
                        std::shared_ptr<const queue::Resident> resident,
                        std::shared_ptr<const Routed> routed, Peer peer, smtp::Reply last) {
  parts_.port.load_progress(
      id, [this, id, index, resident = std::move(resident), routed = std::move(routed),
           peer = std::move(peer),
           last = std::move(last)](Result<std::vector<spool::Progress>> found) mutable {
        if (found) {
          for (const spool::Progress& progress : *found)
            if (progress.recipient == index && !progress.reply.empty())
              last = smtp::parse_reply_text(progress.reply);
        }
        settle_soon(id, std::move(resident), *routed, peer,
                    {Verdict{.recipient = index,
                             .state = spool::State::Expired,
                             .reply = std::move(last),
                             .is_attempt = false,
                             .detail = "not delivered in time"}});
        wake();
      });
}

void Dispatcher::settle_alarms(base::Time now) {
  std::vector<queue::Alarm> alarms;
  scheduler_.advance(now, alarms);
  for (const queue::Alarm& alarm : alarms) {
    const std::uint32_t slot = scheduler_.find(alarm.id, alarm.index);
    if (slot == queue::kNone) continue;
    const queue::RecipientEntry& entry = scheduler_.recipient(slot);
    const std::shared_ptr<const queue::Resident> resident =
        scheduler_.message(entry.message).resident;
    const std::shared_ptr<const Routed> routed = route_of(scheduler_.domain_name(entry.domain));
    smtp::Reply last;
    Peer peer;
    if (entry.lane < lanes_.size()) {
      last = lanes_[entry.lane].last_failure;
      peer = lanes_[entry.lane].last_peer;
    }
    if (alarm.cause == queue::Cause::Expired) {
      scheduler_.settle(slot);
      expire(alarm.id, alarm.index, resident, routed, peer, std::move(last));
    } else {
      with_meta(alarm.id, resident,
                [this, id = alarm.id, index = alarm.index,
                 last](std::shared_ptr<const message::Meta> meta) {
                  Settlement::Context context;
                  context.id = id;
                  context.meta = std::move(meta);
                  settlement_.notify_delay(context, index, last);
                });
    }
  }
  if (!alarms.empty()) wake();
}

}  // namespace ekiden::delivery
