// Invariants:
// - Every recipient is in exactly one Place; Unresolved and Parked are in their domain's list,
//   Ready in its lane's queue, the others in no list.
// - Every recipient that is not InFlight or Settling has one timer: the earliest of what can
//   happen to it. So expiry reaches it wherever it is.
// - A message entry lives as long as one of its recipients does.
#include "ekiden/queue/scheduler.hpp"

#include <algorithm>

#include "ekiden/queue/domain_key.hpp"

namespace ekiden::queue {
namespace {

/// Timers handled in one call of `advance`; the next call goes on.
constexpr std::size_t kTimersPerTurn = 2000;
constexpr base::Duration kLagMemory = std::chrono::seconds(1);

}  // namespace

Scheduler::Scheduler(base::Time now) : wheel_(recipients_, now) {}

std::uint32_t Scheduler::domain(std::string_view name) {
  const auto known = domain_index_.find(name);
  if (known != domain_index_.end()) return known->second;
  const auto at = static_cast<std::uint32_t>(domains_.size());
  domain_index_.emplace(name, at);
  const std::string_view plain = domain_of_key(name);
  if (plain.size() != name.size()) next_hop_domains_.push_back(at);
  domains_.push_back({.name = std::string(name)});
  domains_.back().is_suspended = suspended_.contains(Suspendable::Domain, plain);
  return at;
}

Klass Scheduler::share_of(std::string_view tenant, std::string_view stream) const {
  if (share_of_) return share_of_(tenant, stream);
  return {stream == "transactional" ? Level::High : Level::Normal, 1};
}

void Scheduler::set_shares(ShareOf share_of) {
  share_of_ = std::move(share_of);
  for (std::uint32_t at = 0; at < classes_.size(); ++at) {
    ClassNames& names = classes_[at];
    const Klass now = this->share_of(names.tenant, names.stream);
    if (now.level == names.how.level && now.weight == names.how.weight) continue;
    names.how.level = now.level;
    names.how.weight = now.weight;
    for (Lane& lane : lanes_) lane.ready.set_share(at, now.level, now.weight);
  }
  // Urgent mail may have connections that bulk may not.
  for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane) list_lane(lane);
}

std::uint32_t Scheduler::klass(std::string_view tenant, std::string_view stream) {
  class_key_.assign(tenant).append(1, '\0').append(stream);
  const auto known = class_index_.find(class_key_);
  if (known != class_index_.end()) return known->second;
  const auto at = static_cast<std::uint32_t>(classes_.size());
  class_index_.emplace(class_key_, at);
  classes_.push_back({std::string(tenant), std::string(stream), share_of(tenant, stream)});
  classes_.back().how.is_suspended = is_class_suspended(classes_.back());
  return at;
}

void Scheduler::add(const ArrivingMessage& message, const std::vector<Arrival>& recipients,
                    base::Time now) {
  if (recipients.empty()) return;
  std::uint32_t at = ids_.find(message.id, messages_);
  if (at == kNone) {
    at = messages_.take();
    MessageEntry& entry = messages_[at];
    entry.id = message.id;
    // A clock that was set back since: it is not from the future.
    entry.received_us = base::to_unix_us(std::min(message.received, now));
    entry.queued = message.queued;
    entry.size = static_cast<std::uint32_t>(std::min<std::uint64_t>(message.size, UINT32_MAX));
    entry.klass = klass(message.tenant, message.stream);
    ids_.insert(at, messages_);
  }
  MessageEntry& entry = messages_[at];
  if (message.resident) entry.resident = message.resident;
  for (const Arrival& arrival : recipients) {
    const std::uint32_t slot = recipients_.take();
    RecipientEntry& recipient = recipients_[slot];
    recipient.address_hash = arrival.address_hash;
    recipient.due_us = base::to_unix_us(arrival.due);
    recipient.expires_us = base::to_unix_us(arrival.expires);
    recipient.message = at;
    recipient.index = arrival.index;
    recipient.domain = domain(arrival.domain);
    recipient.attempts = arrival.attempts;
    recipient.reply_code = arrival.reply_code;
    recipient.flags = arrival.flags;
    recipient.sibling = entry.first;
    entry.first = slot;
    ++entry.recipients;
    if (arrival.delay_notice != base::Time::max() && (arrival.flags & kDelayNoticeSent) == 0)
      delay_notices_[slot] = arrival.delay_notice;
    if ((arrival.flags & kHeld) != 0) {
      move_to(slot, Place::Held);
      set_alarm(slot);
    } else if (arrival.due <= now) {
      make_due(slot, now);
    } else {
      move_to(slot, Place::Waiting);
      set_alarm(slot);
    }
  }
}

/// Sets the recipient's one timer to the earliest of what can happen to it.
void Scheduler::set_alarm(std::uint32_t slot) {
  const RecipientEntry& entry = recipients_[slot];
  std::int64_t when = entry.expires_us;
  if (entry.place == Place::Waiting) when = std::min(when, entry.due_us);
  if (!delay_notices_.empty()) {
    const auto notice = delay_notices_.find(slot);
    if (notice != delay_notices_.end()) when = std::min(when, base::to_unix_us(notice->second));
  }
  wheel_.set(slot, base::from_unix_us(when));
}

void Scheduler::move_to(std::uint32_t slot, Place place) {
  Place& now = recipients_[slot].place;
  --places_[static_cast<std::size_t>(now)];
  ++places_[static_cast<std::size_t>(place)];
  now = place;
}

void Scheduler::make_due(std::uint32_t slot, base::Time now) {
  RecipientEntry& entry = recipients_[slot];
  entry.due_us = base::to_unix_us(now);
  Domain& domain = domains_[entry.domain];
  if (domain.is_suspended) {
    move_to(slot, Place::Parked);
    domain.waiting.push_back(recipients_, slot);
  } else if (domain.lane != kNone && domain.expires > now) {
    entry.lane = domain.lane;
    move_to(slot, Place::Ready);
    const std::uint32_t klass = klass_of(entry);
    lanes_[domain.lane].ready.push_back(recipients_, slot, klass, classes_[klass].how);
    list_lane(domain.lane);
  } else {
    move_to(slot, Place::Unresolved);
    domain.waiting.push_back(recipients_, slot);
    if (!domain.is_asked && domain.waiting.size == 1) unresolved_.push_back(entry.domain);
  }
  set_alarm(slot);
}

/// Out of whatever list it is in.
void Scheduler::leave(std::uint32_t slot) {
  RecipientEntry& entry = recipients_[slot];
  switch (entry.place) {
    case Place::Unresolved:
    case Place::Parked:
      domains_[entry.domain].waiting.remove(recipients_, slot);
      break;
    case Place::Ready:
      lanes_[entry.lane].ready.remove(recipients_, slot, klass_of(entry));
      break;
    case Place::InFlight:
      --lanes_[entry.lane].in_flight;
      break;
    default:
      break;
  }
}

void Scheduler::advance(base::Time now, std::vector<Alarm>& alarms) {
  std::vector<std::uint32_t> due;
  wheel_.advance(now, kTimersPerTurn, due);
  const std::int64_t now_us = base::to_unix_us(now);
  for (const std::uint32_t slot : due) {
    RecipientEntry& entry = recipients_[slot];
    const MessageEntry& message = messages_[entry.message];
    if (entry.expires_us <= now_us) {
      alarms.push_back({Cause::Expired, message.id, entry.index});
      continue;  // The caller settles it now.
    }
    const auto notice = delay_notices_.find(slot);
    if (notice != delay_notices_.end() && notice->second <= now) {
      delay_notices_.erase(notice);
      alarms.push_back({Cause::DelayNotice, message.id, entry.index});
    }
    if (entry.place == Place::Waiting && entry.due_us <= now_us) {
      make_due(slot, now);
    } else {
      set_alarm(slot);
    }
  }
}

void Scheduler::turn_back(base::Duration by, base::Time now) {
  std::vector<std::uint32_t> timed;
  for (std::uint32_t slot = 0; slot < recipients_.end(); ++slot) {
    RecipientEntry& entry = recipients_[slot];
    if (entry.place == Place::Free) continue;
    entry.due_us -= by.count();
    entry.expires_us -= by.count();
    if (entry.wheel_slot != UINT16_MAX) timed.push_back(slot);
    wheel_.cancel(slot);
  }
  for (std::uint32_t slot = 0; slot < messages_.end(); ++slot)
    messages_[slot].received_us -= by.count();
  wheel_.turn_back(now);
  for (auto& [slot, when] : delay_notices_) when -= by;
  for (Domain& domain : domains_) domain.expires -= by;
  resting_.clear();
  for (std::uint32_t at = 0; at < lanes_.size(); ++at) rest(at, lanes_[at].rests_until - by);
  lag_at_ -= by;
  for (const std::uint32_t slot : timed) set_alarm(slot);
}

std::uint32_t Scheduler::next_unresolved() {
  while (!unresolved_.empty()) {
    const std::uint32_t at = unresolved_.back();
    unresolved_.pop_back();
    Domain& domain = domains_[at];
    if (domain.waiting.size == 0 || domain.is_asked || domain.is_suspended) continue;
    domain.is_asked = true;
    return at;
  }
  return kNone;
}

void Scheduler::assign_domain(std::uint32_t at, std::uint32_t lane_slot, base::Time expires,
                              base::Time now) {
  Domain& domain = domains_[at];
  domain.is_asked = false;
  if (domain.is_suspended) return;  // Asked for again when it is resumed.
  domain.lane = lane_slot;
  // What waits now is delivered by this plan even when its time is already over.
  domain.expires = std::max(expires, now + base::Duration(1));
  while (domain.waiting.head != kNone) {
    const std::uint32_t slot = domain.waiting.head;
    domain.waiting.remove(recipients_, slot);
    make_due(slot, now);
  }
}

void Scheduler::fail_domain(std::uint32_t at, const std::function<void(const Pick&)>& see) {
  Domain& domain = domains_[at];
  domain.is_asked = false;
  domain.lane = kNone;
  if (domain.is_suspended) return;
  while (domain.waiting.head != kNone) {
    const std::uint32_t slot = domain.waiting.head;
    RecipientEntry& entry = recipients_[slot];
    settle(slot);
    const MessageEntry& message = messages_[entry.message];
    see({entry.message,
         message.id,
         message.resident,
         {entry.index},
         entry.flags,
         entry.attempts > 0});
  }
}

void Scheduler::forget_domain(std::uint32_t at) {
  domains_[at].lane = kNone;
}

void Scheduler::rest(std::uint32_t lane, base::Time until) {
  lanes_[lane].rests_until = until;
  resting_.emplace(until, lane);
}

void Scheduler::set_source(std::uint32_t at, std::string_view source) {
  Lane& lane = lanes_[at];
  lane.source = source;
  lane.is_suspended = suspended_.contains(Suspendable::Site, lane.site) ||
                      suspended_.contains(Suspendable::Source, source);
  list_lane(at);
}

bool Scheduler::is_class_suspended(const ClassNames& names) const {
  return suspended_.contains(Suspendable::Tenant, names.tenant) ||
         suspended_.contains(Suspendable::Stream, names.stream);
}

void Scheduler::suspend(Suspendable kind, std::string_view name, bool is_suspended,
                        base::Time now) {
  suspended_.set(kind, name, is_suspended);
  switch (kind) {
    case Suspendable::Tenant:
    case Suspendable::Stream:
      suspend_classes(now);
      break;
    case Suspendable::Site:
    case Suspendable::Source:
      suspend_lanes(now);
      break;
    case Suspendable::Domain:
      if (const auto found = domain_index_.find(name); found != domain_index_.end())
        suspend_domain(domains_[found->second], found->second, is_suspended);
      for (const std::uint32_t at : next_hop_domains_)
        if (domain_of_key(domains_[at].name) == name)
          suspend_domain(domains_[at], at, is_suspended);
      break;
  }
}

void Scheduler::suspend_classes(base::Time now) {
  for (std::uint32_t at = 0; at < classes_.size(); ++at) {
    const bool is_suspended = is_class_suspended(classes_[at]);
    if (classes_[at].how.is_suspended == is_suspended) continue;
    classes_[at].how.is_suspended = is_suspended;
    for (std::uint32_t l = 0; l < lanes_.size(); ++l) {
      lanes_[l].ready.set_suspended(at, is_suspended);
      if (is_suspended || lanes_[l].ready.size() == 0) continue;
      // The time that it was suspended is no lag of ours.
      lanes_[l].rests_until = std::max(lanes_[l].rests_until, now);
      list_lane(l);
    }
  }
}

void Scheduler::suspend_lanes(base::Time now) {
  for (std::uint32_t at = 0; at < lanes_.size(); ++at) {
    Lane& lane = lanes_[at];
    const bool is_suspended = suspended_.contains(Suspendable::Site, lane.site) ||
                              suspended_.contains(Suspendable::Source, lane.source);
    if (lane.is_suspended == is_suspended) continue;
    lane.is_suspended = is_suspended;
    if (is_suspended) continue;
    lane.rests_until = std::max(lane.rests_until, now);
    list_lane(at);
  }
}

void Scheduler::suspend_domain(Domain& domain, std::uint32_t at, bool is_suspended) {
  if (domain.is_suspended == is_suspended) return;
  domain.is_suspended = is_suspended;
  if (is_suspended) return;
  // Asked for anew: then all of them go on, as after any answer.
  domain.lane = kNone;
  if (domain.waiting.size > 0 && !domain.is_asked) unresolved_.push_back(at);
}

void Scheduler::park(std::uint32_t slot) {
  RecipientEntry& entry = recipients_[slot];
  if (entry.place != Place::Ready || !domains_[entry.domain].is_suspended) return;
  leave(slot);
  move_to(slot, Place::Parked);
  domains_[entry.domain].waiting.push_back(recipients_, slot);
}

std::uint32_t Scheduler::find(base::MessageId id, std::uint32_t index) const {
  const std::uint32_t at = ids_.find(id, messages_);
  if (at == kNone) return kNone;
  for (std::uint32_t slot = messages_[at].first; slot != kNone; slot = recipients_[slot].sibling)
    if (recipients_[slot].index == index) return slot;
  return kNone;
}

base::Time Scheduler::delay_notice(std::uint32_t slot) const {
  const auto notice = delay_notices_.find(slot);
  return notice == delay_notices_.end() ? base::Time::max() : notice->second;
}

void Scheduler::settle(std::uint32_t slot) {
  leave(slot);
  wheel_.cancel(slot);
  move_to(slot, Place::Settling);
}

void Scheduler::defer(std::uint32_t slot, base::Time due, base::Time now, std::uint16_t attempts,
                      std::uint16_t reply_code) {
  leave(slot);
  RecipientEntry& entry = recipients_[slot];
  entry.attempts = attempts;
  entry.reply_code = reply_code;
  entry.due_us = base::to_unix_us(due);
  if (due <= now) {
    make_due(slot, now);
  } else {
    move_to(slot, Place::Waiting);
    set_alarm(slot);
  }
}

void Scheduler::put_back(std::uint32_t slot, base::Time now) {
  leave(slot);
  RecipientEntry& entry = recipients_[slot];
  const std::uint32_t lane = entry.lane;
  if (lane == kNone || domains_[entry.domain].is_suspended) {
    make_due(slot, now);
    return;
  }
  move_to(slot, Place::Ready);
  const std::uint32_t klass = klass_of(entry);
  lanes_[lane].ready.push_front(recipients_, slot, klass, classes_[klass].how);
  list_lane(lane);
  set_alarm(slot);
}

void Scheduler::hold(std::uint32_t slot) {
  leave(slot);
  RecipientEntry& entry = recipients_[slot];
  move_to(slot, Place::Held);
  entry.flags |= kHeld;
  set_alarm(slot);
}

void Scheduler::release(std::uint32_t slot, base::Time now) {
  RecipientEntry& entry = recipients_[slot];
  if (entry.place != Place::Held) return;
  entry.flags = static_cast<std::uint8_t>(entry.flags & ~(kHeld | kBatchPaused));
  make_due(slot, now);
}

void Scheduler::retry_now(std::uint32_t slot, base::Time now) {
  if (recipients_[slot].place == Place::Waiting) make_due(slot, now);
}

void Scheduler::remove(std::uint32_t slot) {
  leave(slot);
  wheel_.cancel(slot);
  delay_notices_.erase(slot);
  const std::uint32_t at = recipients_[slot].message;
  MessageEntry& message = messages_[at];
  std::uint32_t* link = &message.first;
  while (*link != slot) link = &recipients_[*link].sibling;
  *link = recipients_[slot].sibling;
  move_to(slot, Place::Free);
  recipients_.give_back(slot);
  if (--message.recipients == 0) {
    ids_.erase(at, messages_);
    messages_.give_back(at);
  }
}

bool Scheduler::is_idle_until(const RecipientEntry& entry, base::Time after) const {
  switch (entry.place) {
    case Place::Held:
    case Place::Parked:
      return true;
    case Place::Unresolved:  // the answer may come at once
      return after == base::Time::min();
    case Place::Waiting:
      return base::from_unix_us(entry.due_us) > after;
    case Place::Ready: {
      const Lane& lane = lanes_[entry.lane];
      return lane.is_suspended || lane.is_limited ||
             std::max(base::from_unix_us(entry.due_us), lane.rests_until) > after;
    }
    case Place::Free:
    case Place::InFlight:
    case Place::Settling:
      return false;
  }
  return false;
}

void Scheduler::evict(base::Time after, std::size_t looks) {
  for (std::uint32_t seen = 0; looks > 0 && seen < messages_.end(); ++seen, --looks) {
    if (evict_hand_ >= messages_.end()) evict_hand_ = 0;
    MessageEntry& message = messages_[evict_hand_++];
    if (!message.resident) continue;
    bool is_idle = true;
    for (std::uint32_t slot = message.first; slot != kNone && is_idle;
         slot = recipients_[slot].sibling) {
      if (looks > 1) --looks;
      is_idle = is_idle_until(recipients_[slot], after);
    }
    if (is_idle) message.resident.reset();
  }
}

Scheduler::LaneView Scheduler::view(std::uint32_t at) const {
  const Lane& lane = lanes_[at];
  return {lane.site,     lane.ready.size(), lane.in_flight,   lane.connections,
          lane.failures, lane.rests_until,  lane.is_suspended};
}

base::Duration Scheduler::lag(base::Time now) const {
  return now - lag_at_ > kLagMemory ? base::Duration::zero() : lag_;
}

void Scheduler::note_duration(std::uint32_t at, base::Duration duration) {
  base::Duration& smoothed = lanes_[at].transaction;
  smoothed += (duration - smoothed) / 8;
}

}  // namespace ekiden::queue
