#include "ekiden/control/queue_walk.hpp"

#include <algorithm>
#include <tuple>

#include "ekiden/base/text.hpp"
#include "ekiden/queue/address_hash.hpp"
#include "ekiden/queue/domain_key.hpp"

namespace ekiden::control {
namespace {

/// The clock is asked once in so many slots.
constexpr std::uint32_t kSlotsPerLook = 64;

}  // namespace

std::uint32_t SlotWalk::limit() const {
  return std::min(to_, dispatcher_.scheduler().recipient_slots());
}

void SlotWalk::run() {
  dispatcher_.look_at_clock();
  const queue::Scheduler& scheduler = dispatcher_.scheduler();
  base::Clock& clock = dispatcher_.worker().clock;
  const base::Steady end = clock.steady() + kSliceMax;
  for (std::uint32_t looked = 1; at_ < limit(); ++looked) {
    const std::uint32_t slot = at_++;
    const queue::Place place = scheduler.recipient(slot).place;
    if (place != queue::Place::Free && !see_(slot)) {
      done_(at_ < limit() ? std::optional(at_) : std::nullopt);
      return;
    }
    if (looked == kSliceSlotsMax || (looked % kSlotsPerLook == 0 && clock.steady() >= end)) {
      dispatcher_.worker().executor.post([self = shared_from_this()] { self->run(); });
      return;
    }
  }
  done_(std::nullopt);
}

std::string format_position(Position position) {
  return std::to_string(position.worker) + "." + std::to_string(position.slot);
}

std::optional<Position> parse_position(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const auto worker = base::parse_u64(text.substr(0, dot));
  const auto slot = base::parse_u64(text.substr(dot + 1));
  if (!worker || !slot || *worker > UINT16_MAX || *slot > UINT32_MAX) return std::nullopt;
  return Position{static_cast<unsigned>(*worker), static_cast<std::uint32_t>(*slot)};
}

namespace {

/// Of the last attempt, where each one chooses; else the only one there is.
std::string_view source_of(const delivery::Dispatcher& dispatcher,
                           const queue::RecipientEntry& entry,
                           const delivery::Dispatcher::LaneInfo& lane) {
  if (dispatcher.egress().sources() == nullptr) return lane.plan->source_name;
  return dispatcher.source_name(entry.source);
}

}  // namespace

Met meet(const delivery::Dispatcher& dispatcher, std::uint32_t slot) {
  const queue::Scheduler& scheduler = dispatcher.scheduler();
  Met met;
  met.position = {dispatcher.worker_index(), slot};
  met.entry = scheduler.recipient(slot);
  const queue::MessageEntry& message = scheduler.message(met.entry.message);
  met.message = message.id;
  met.resident = message.resident;
  met.received = base::from_unix_us(message.received_us);
  met.queued = message.queued;
  met.size = message.size;
  const std::string& key = scheduler.domain_name(met.entry.domain);
  met.domain = queue::domain_of_key(key);
  met.next_hop = queue::next_hop_of_key(key);
  const auto [tenant, stream] = scheduler.class_names(message.klass);
  met.tenant = tenant;
  met.stream = stream;
  if (met.entry.lane != queue::kNone) {
    met.site = scheduler.site_of(met.entry.lane);
    const delivery::Dispatcher::LaneInfo* lane = dispatcher.lane_info(met.entry.lane);
    if (lane != nullptr && lane->plan) {
      met.route = lane->plan->route;
      met.source = source_of(dispatcher, met.entry, *lane);
    }
  }
  return met;
}

Sieve::Sieve(Filter filter, base::Steady began) : filter_(std::move(filter)), began_(began) {
  if (!filter_.recipient.empty() && filter_.recipient.find('*') == std::string::npos) {
    address_key_ = queue::address_key(filter_.recipient);
    address_hash_ = queue::address_hash(filter_.recipient);
  }
  needs_meta_ =
      !filter_.sender.empty() || !filter_.recipient.empty() || !filter_.paused_batch.empty();
}

bool Sieve::may_match(const delivery::Dispatcher& dispatcher, std::uint32_t slot) const {
  const queue::Scheduler& scheduler = dispatcher.scheduler();
  const queue::RecipientEntry& entry = scheduler.recipient(slot);
  if (address_hash_ && entry.address_hash != *address_hash_) return false;
  // Without an attempt there is no reply.
  if (!filter_.reply.empty() && entry.attempts == 0 && entry.reply_code == 0) return false;
  if (!filter_.paused_batch.empty() && (entry.flags & queue::kBatchPaused) == 0) return false;
  const queue::MessageEntry& message = scheduler.message(entry.message);
  if (filter_.message && message.id != *filter_.message) return false;
  if (filter_.is_empty()) return true;
  FilterSubject subject;
  subject.message = message.id;
  if (filter_.older_than > base::Duration{}) {
    const shaping::Moment now = dispatcher.moment();
    subject.age = now.wall - base::from_unix_us(message.received_us) - (now.steady - began_);
  }
  subject.domain = queue::domain_of_key(scheduler.domain_name(entry.domain));
  std::tie(subject.tenant, subject.stream) = scheduler.class_names(message.klass);
  if (entry.lane != queue::kNone) {
    subject.site = scheduler.site_of(entry.lane);
    const delivery::Dispatcher::LaneInfo* lane = dispatcher.lane_info(entry.lane);
    if (lane != nullptr && lane->plan && lane->plan->profile)
      subject.provider = lane->plan->profile->name;
    if (lane != nullptr && lane->plan) subject.source = source_of(dispatcher, entry, *lane);
  }
  return matches_but(filter_, subject, Unknown::AddressesAndReply);
}

bool Sieve::means_addresses(std::string_view sender, std::string_view recipient,
                            std::string_view batch) const {
  Filter rest;
  rest.sender = filter_.sender;
  rest.paused_batch = filter_.paused_batch;
  if (address_hash_) {
    if (queue::address_key(recipient) != address_key_) return false;
  } else {
    rest.recipient = filter_.recipient;
  }
  FilterSubject subject;
  subject.sender = sender;
  subject.recipient = recipient;
  subject.paused_batch = batch;
  return matches(rest, subject);
}

bool Sieve::means_reply(std::string_view reply) const {
  Filter rest;
  rest.reply = filter_.reply;
  FilterSubject subject;
  subject.reply = reply;
  return matches(rest, subject);
}

std::vector<std::uint32_t> slots_of(const queue::Scheduler& scheduler, base::MessageId message) {
  std::vector<std::uint32_t> slots;
  const std::uint32_t at = scheduler.find_message(message);
  if (at == queue::kNone) return slots;
  for (std::uint32_t slot = scheduler.message(at).first; slot != queue::kNone;
       slot = scheduler.recipient(slot).sibling)
    slots.push_back(slot);
  std::sort(slots.begin(), slots.end());
  return slots;
}

base::Task<Stretch> QueueScan::next(std::size_t count) {
  AskedWork<Stretch> work = [from = at_, to = to_, sieve = sieve_, count](
                                delivery::Dispatcher& there,
                                std::shared_ptr<Answering<Stretch>> answer) {
    Stretch& stretch = answer->value;
    if (sieve->filter().message) {
      // Found by its id: nothing else is looked at.
      there.look_at_clock();
      for (const std::uint32_t slot : slots_of(there.scheduler(), *sieve->filter().message)) {
        if (slot < from.slot) continue;
        if (stretch.met.size() == count) {
          stretch.next = slot;
          return;
        }
        ++stretch.looked_at;
        if (sieve->may_match(there, slot)) stretch.met.push_back(meet(there, slot));
      }
      return;
    }
    const auto see = [&there, sieve, count, answer](std::uint32_t slot) {
      ++answer->value.looked_at;
      if (sieve->may_match(there, slot)) answer->value.met.push_back(meet(there, slot));
      return answer->value.met.size() < count;
    };
    const auto walk = std::make_shared<SlotWalk>(
        there, from.slot, see,
        [answer](std::optional<std::uint32_t> next) { answer->value.next = next; }, to);
    walk->run();
  };
  const unsigned worker = at_.worker;
  Stretch stretch = co_await ask<Stretch>(neighbours_, home_, worker, std::move(work));
  stretch.worker = worker;
  at_ = stretch.next ? Position{worker, *stretch.next} : Position{worker + 1, 0};
  co_return stretch;
}

}  // namespace ekiden::control
