// Invariants:
// - A link exists from the decision to open a connection until its end is reported; the
//   scheduler's count of connections of a lane is the number of its links.
// - A job that was granted is settled exactly once: by the connection, or put back when the
//   connection ended first.
#include "ekiden/delivery/dispatcher.hpp"

#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/delivery/connection_feed.hpp"
#include "ekiden/queue/address_hash.hpp"
#include "ekiden/queue/domain_key.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

constexpr base::Duration kLagTolerated = std::chrono::milliseconds(100);
constexpr base::Duration kDelayMax = std::chrono::seconds(1);
/// While the spool takes no updates nothing is attempted; asked again after this.
constexpr base::Duration kSpoolPause = std::chrono::milliseconds(500);
constexpr base::Duration kRouteValidFor = std::chrono::hours(24);
/// A message that could not be read for a while is tried again after this.
constexpr base::Duration kUnreadablePause = std::chrono::seconds(10);
/// A clock that is set back by less is being disciplined; nothing waits noticeably longer.
constexpr base::Duration kStepNoticed = std::chrono::seconds(1);
/// What is due within this keeps its octets in memory before anything else does.
constexpr base::Duration kSoon = std::chrono::minutes(1);
/// Entries looked at to free memory: for each message past the budget, and before one is refused.
constexpr std::size_t kEvictionLooks = 64, kReserveLooks = 1024;
/// Other workers are asked to look at theirs no more often than this.
constexpr base::Duration kEvictionPause = std::chrono::milliseconds(10);

std::string domain_key(const message::Meta& meta, std::uint32_t recipient) {
  const message::Recipient& who = meta.envelope.recipients[recipient];
  return queue::domain_key(smtp::domain_of(who.address), who.next_hop);
}

/// The pool is part of the key, so that streams keep to theirs.
void add_pool(std::string& key, const Egress& egress, const message::Meta& meta,
              std::string_view route) {
  const std::string_view pool = egress.pool_for(meta.details.tenant, meta.details.stream, route);
  if (pool.empty()) return;
  key += '#';
  key += pool;
}

std::shared_ptr<const Routed> route_of(Routing& routing, std::string_view key) {
  return routing.route(queue::domain_of_key(key), queue::next_hop_of_key(key));
}

/// What was known of the recipient before.
void apply(const spool::Progress& progress, queue::Arrival& arrival) {
  arrival.attempts = progress.attempts;
  arrival.flags = progress.flags;
  arrival.due = progress.due;
  if (const auto code = base::parse_u64(std::string_view(progress.reply).substr(0, 3)))
    arrival.reply_code = static_cast<std::uint16_t>(*code);
}

/// The recipient had its disposition when the message came.
bool is_over(const std::vector<spool::Progress>& progress, std::uint32_t recipient) {
  return std::any_of(progress.begin(), progress.end(), [recipient](const auto& one) {
    return one.recipient == recipient && one.state != spool::State::Queued;
  });
}

base::Duration offset(const base::Clock& clock) {
  return clock.now().time_since_epoch() - clock.steady().time_since_epoch();
}

std::uint64_t octets_in_memory(const queue::Accepted& message) {
  return message.body.is_in_memory() ? message.body.size : 0;
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
}

base::Duration Dispatcher::delay() const {
  std::int64_t lag_us = 0;
  for (unsigned i = 0; i < parts_.neighbours.count(); ++i)
    lag_us = std::max(lag_us, parts_.neighbours.at(i).lag_us_.load(std::memory_order_relaxed));
  return std::clamp(base::Duration(lag_us) - kLagTolerated, base::Duration::zero(), kDelayMax);
}

queue::Arrival Dispatcher::arrival_of(const message::Meta& meta, std::uint32_t index,
                                      std::uint64_t address_hash, const Routed& routed,
                                      base::Time now) {
  const std::uint8_t notify = meta.envelope.recipients[index].notify;
  queue::Arrival arrival;
  arrival.index = index;
  arrival.address_hash = address_hash;
  // A message that came before the clock was set back is not from the future.
  arrival.due = std::max(std::min(meta.details.received, now), meta.details.send_at);
  arrival.expires = queue::expiry_time(routed.retry, arrival.due);
  arrival.delay_notice =
      queue::delay_notice_time(routed.retry, arrival.due, (notify & message::kNotifyDelay) != 0);
  if ((notify & message::kNotifyNever) != 0 || meta.envelope.reverse_path.empty())
    arrival.delay_notice = base::Time::max();
  return arrival;
}

bool Dispatcher::reserve(std::uint64_t octets) {
  if (parts_.budget.reserve(octets)) return true;
  // Mail that arrives is worth more than having octets at hand that can be read back.
  const base::Time now = parts_.worker.clock.now();
  for (const base::Time after : {now + kSoon, now, base::Time::min()}) {
    scheduler_.evict(after, kReserveLooks);
    if (parts_.budget.reserve(octets)) return true;
  }
  ask_others_to_evict(base::Time::min());
  return false;
}

void Dispatcher::ask_others_to_evict(base::Time after) {
  const base::Steady now = parts_.worker.clock.steady();
  if (now < evictions_asked_at_ + kEvictionPause) return;
  evictions_asked_at_ = now;
  for (unsigned i = 0; i < parts_.neighbours.count(); ++i) {
    if (i == parts_.worker.index) continue;
    Dispatcher& other = parts_.neighbours.at(i);
    parts_.neighbours.send(i, [&other, after] { other.scheduler_.evict(after, kReserveLooks); });
  }
}

void Dispatcher::take(queue::Accepted message) {
  const message::Meta& meta = *message.meta;
  std::shared_ptr<const queue::Resident> resident;
  // Past the budget the newest gives its octets up at once: what waits longest is delivered first,
  // from memory.
  if (parts_.budget.wants_room()) {
    const base::Time after = parts_.worker.clock.now() + kSoon;
    scheduler_.evict(after, kEvictionLooks);
    ask_others_to_evict(after);
  }
  if (!parts_.budget.is_over_soft()) {
    resident = std::make_shared<const queue::Resident>(queue::Resident{
        message.meta, message.body, queue::Charge(parts_.budget, octets_in_memory(message))});
  }
  std::vector<std::pair<unsigned, Moving>> groups;
  for (std::uint32_t i = 0; i < meta.envelope.recipients.size(); ++i) {
    if (is_over(message.progress, i)) continue;
    std::string key = domain_key(meta, i);
    const std::shared_ptr<const Routed> routed = route_of(parts_.routing, key);
    add_pool(key, egress_, meta, routed->name);
    const unsigned owner = parts_.neighbours.owner_of(
        routed->kind == Routed::Kind::Direct ? owner_key(*routed->plan) : std::string_view(key));
    auto group =
        std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == owner; });
    if (group == groups.end()) {
      groups.emplace_back(owner, Moving{message.id,
                                        resident,
                                        meta.details.received,
                                        meta.details.size,
                                        meta.details.tenant,
                                        meta.details.stream,
                                        {},
                                        {}});
      group = groups.end() - 1;
    }
    queue::Arrival arrival =
        arrival_of(meta, i, queue::address_hash(meta.envelope.recipients[i].address), *routed,
                   parts_.worker.clock.now());
    for (const spool::Progress& progress : message.progress)
      if (progress.recipient == i) apply(progress, arrival);
    group->second.arrivals.push_back(arrival);
    group->second.domains.push_back(std::move(key));
  }
  const unsigned here = parts_.worker.index;
  for (auto& [owner, moving] : groups) {
    if (owner == here) {
      add(std::move(moving));
      continue;
    }
    Dispatcher& there = parts_.neighbours.at(owner);
    auto boxed = std::make_unique<Moving>(std::move(moving));
    parts_.neighbours.send(owner,
                           [&there, boxed = std::move(boxed)] { there.add(std::move(*boxed)); });
  }
}

void Dispatcher::add(Moving moving) {
  look_at_clock();
  for (std::size_t i = 0; i < moving.arrivals.size(); ++i)
    moving.arrivals[i].domain = moving.domains[i];
  scheduler_.add({moving.id, std::move(moving.resident), moving.received, moving.size,
                  moving.tenant, moving.stream},
                 moving.arrivals, parts_.worker.clock.now());
  note_queued();
  wake();
}

void Dispatcher::recover(Neighbours& neighbours, const spool::Recovered& found) {
  const Result<message::Meta> decoded = message::decode_meta(found.meta);
  if (!decoded) {
    base::log::error("recovered_meta_unreadable", {{"message", base::format_message_id(found.id)}});
    return;
  }
  const message::Meta& meta = *decoded;
  const base::Time now = neighbours.at(0).parts_.worker.clock.now();
  std::map<unsigned, Moving> groups;
  for (std::uint32_t i = 0; i < meta.envelope.recipients.size(); ++i) {
    const spool::Progress* newest = nullptr;
    for (const spool::Progress& progress : found.progress)
      if (progress.recipient == i) newest = &progress;
    if (newest != nullptr && newest->state != spool::State::Queued) continue;
    std::string key = domain_key(meta, i);
    const std::shared_ptr<const Routed> routed = route_of(neighbours.at(0).parts_.routing, key);
    add_pool(key, neighbours.at(0).egress_, meta, routed->name);
    const unsigned owner = neighbours.owner_of(
        routed->kind == Routed::Kind::Direct ? owner_key(*routed->plan) : std::string_view(key));
    queue::Arrival arrival =
        arrival_of(meta, i, queue::address_hash(meta.envelope.recipients[i].address), *routed, now);
    if (newest != nullptr) {
      apply(*newest, arrival);
      // What was written by a clock that was ahead waits no longer than a pause may be.
      arrival.due = std::min(arrival.due, std::max(meta.details.send_at,
                                                   now + queue::longest_interval(routed->retry)));
    }
    Moving& moving = groups[owner];
    moving.arrivals.push_back(arrival);
    moving.domains.push_back(std::move(key));
  }
  for (auto& [owner, moving] : groups) {
    moving.id = found.id;
    moving.received = meta.details.received;
    moving.size = found.size;
    moving.tenant = meta.details.tenant;
    moving.stream = meta.details.stream;
    Dispatcher& dispatcher = neighbours.at(owner);
    for (std::size_t i = 0; i < moving.arrivals.size(); ++i)
      moving.arrivals[i].domain = moving.domains[i];
    dispatcher.scheduler_.add(
        {moving.id, nullptr, moving.received, moving.size, moving.tenant, moving.stream},
        moving.arrivals, now);
    dispatcher.recovered_.add(moving.arrivals.size());
    dispatcher.note_queued();
  }
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
      serve_idle(now);
      give_way();
      open_connections(now);
    } else {
      stop_waiting();
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
    std::shared_ptr<const Routed> routed = route_of(parts_.routing, scheduler_.domain_name(at));
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
    assign(domain, planned.plan, routed->retry, planned.valid_for);
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
    move_domain(domain, owner);
    return;
  }
  const std::string_view way = queue::way_of_key(scheduler_.domain_name(domain));
  const queue::LaneLimits limits = limits_of(*plan, way);
  const std::uint32_t lane = scheduler_.lane(plan->site, limits, way);
  // A reload may have changed them since the lane was made.
  scheduler_.set_limits(lane, limits);
  if (lanes_.size() <= lane) lanes_.resize(lane + 1);
  // With sources of our own each connection chooses one.
  scheduler_.set_source(lane, options_.sources ? std::string_view() : plan->source_name);
  Egress::Provider* const provider = egress_.provider(*plan, moment());
  // A reload may have given it another: the old one's line holds it no longer.
  if (lanes_[lane].provider != provider) scheduler_.free(lane, parts_.worker.clock.now());
  lanes_[lane].provider = provider;
  lanes_[lane].way = way;
  lanes_[lane].plan = std::move(plan);
  lanes_[lane].retry = retry;
  const base::Time now = parts_.worker.clock.now();
  scheduler_.assign_domain(domain, lane, now + valid_for, now);
}

/// The site belongs to another worker: so do the recipients, which ask there again.
void Dispatcher::move_domain(std::uint32_t domain, unsigned owner) {
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
                                              {},
                                              {}});
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
  Settlement::Context context{id, nullptr, peer, routed.name, {}, {}, routed.retry, nullptr};
  auto boxed = std::make_unique<std::pair<Settlement::Context, std::vector<Verdict>>>(
      std::move(context), std::move(verdicts));
  with_meta(id, std::move(resident),
            [this, boxed = std::move(boxed)](std::shared_ptr<const message::Meta> meta) {
              look_at_clock();
              boxed->first.meta = std::move(meta);
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
    const std::shared_ptr<const Routed> routed =
        route_of(parts_.routing, scheduler_.domain_name(entry.domain));
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
