// How messages come to a dispatcher: fresh from inbound, found in the spool at start, from another
// worker; and what holds inbound back.
#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/delivery/dispatcher.hpp"
#include "ekiden/queue/address_hash.hpp"
#include "ekiden/queue/domain_key.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

constexpr base::Duration kLagTolerated = std::chrono::milliseconds(100);
constexpr base::Duration kDelayMax = std::chrono::seconds(1);
/// What is due within this keeps its octets in memory before anything else does.
constexpr base::Duration kSoon = std::chrono::minutes(1);
/// What an envelope and one of its recipients take in memory, about.
constexpr std::uint64_t kEnvelopeOctets = 1024, kRecipientOctets = 160;
/// Entries looked at to free memory: for each message past the budget, and before one is refused.
constexpr std::size_t kEvictionLooks = 64, kReserveLooks = 1024;
/// Other workers are asked to look at theirs no more often than this.
constexpr base::Duration kEvictionPause = std::chrono::milliseconds(10);

std::string domain_key(const message::Meta& meta, std::uint32_t recipient) {
  const message::Recipient& who = meta.envelope.recipients[recipient];
  std::string_view tls;
  if (meta.details.tls_demand == message::TlsDemand::Optional) tls = queue::kTlsOptional;
  // RFC 8689 §5: a bounce is not lost where its way back knows no REQUIRETLS. It asks for it where
  // it can have it (Session::take_off).
  if (meta.details.tls_demand == message::TlsDemand::Required &&
      !meta.envelope.reverse_path.empty())
    tls = queue::kTlsRequired;
  return queue::domain_key(smtp::domain_of(who.address), who.next_hop, {}, tls);
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

/// When a message came that was found in the spool, on the clock of this life. What is from the
/// future came before the clock was set back, and so before whatever began since.
base::Steady queued_by(base::MessageId id, shaping::Moment now) {
  if (id.time() > now.wall) return {};
  return now.steady - (now.wall - id.time());
}

/// With its envelope, which is most of what a small message takes.
std::uint64_t octets_in_memory(const queue::Accepted& message) {
  const std::uint64_t body = message.body.is_in_memory() ? message.body.size : 0;
  return body + kEnvelopeOctets + message.meta->envelope.recipients.size() * kRecipientOctets;
}

}  // namespace

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
  const bool lies_on_disk =
      message.body.is_in_memory() && message.body.octets.size() < message.body.size;
  if (!lies_on_disk && !parts_.budget.is_over_soft()) {
    resident = std::make_shared<const queue::Resident>(queue::Resident{
        message.meta, message.body, queue::Charge(parts_.budget, octets_in_memory(message))});
  }
  std::vector<std::pair<unsigned, Moving>> groups;
  for (std::uint32_t i = 0; i < meta.envelope.recipients.size(); ++i) {
    if (is_over(message.progress, i)) continue;
    std::string key = domain_key(meta, i);
    const std::shared_ptr<const Routed> routed = route_of(key);
    queue::add_pool(key, egress_.pool_for(meta.details, routed->name));
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
                                        parts_.worker.clock.steady(),
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
                  moving.tenant, moving.stream, moving.queued},
                 moving.arrivals, parts_.worker.clock.now());
  if (moving.plan) {
    const std::uint32_t slot = scheduler_.find(moving.id, moving.arrivals.front().index);
    const std::uint32_t domain = scheduler_.recipient(slot).domain;
    if (scheduler_.waiting(domain) > 0)
      assign(domain, std::move(moving.plan), route_of(moving.domains.front())->retry,
             moving.valid_for);
  }
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
    const std::shared_ptr<const Routed> routed = neighbours.at(0).route_of(key);
    queue::add_pool(key, neighbours.at(0).egress_.pool_for(meta.details, routed->name));
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
    dispatcher.scheduler_.add({moving.id, nullptr, moving.received, moving.size, moving.tenant,
                               moving.stream, queued_by(moving.id, dispatcher.moment())},
                              moving.arrivals, now);
    dispatcher.recovered_.add(moving.arrivals.size());
    dispatcher.note_queued();
  }
}

}  // namespace ekiden::delivery
