// The scheduler's lanes: which of them want a connection, which have something for one that is
// idle, and whose transaction comes next. With tens of thousands of sites a lane is looked at only
// when something about it has changed.
#include <algorithm>

#include "ekiden/queue/scheduler.hpp"

namespace ekiden::queue {

std::uint32_t Scheduler::lane(std::string_view site, const LaneLimits& limits,
                              std::string_view way) {
  std::string key(site);
  if (!way.empty()) {
    key += '#';
    key += way;
  }
  const auto [place, is_new] =
      lane_index_.try_emplace(std::move(key), static_cast<std::uint32_t>(lanes_.size()));
  if (is_new) {
    lanes_.push_back({.site = std::string(site), .source = {}, .limits = limits, .ready = {}});
    lanes_.back().is_suspended = suspended_.contains(Suspendable::Site, site);
  }
  return place->second;
}

std::uint32_t Scheduler::find_lane(std::string_view site) const {
  const auto place = lane_index_.find(std::string(site));
  return place == lane_index_.end() ? kNone : place->second;
}

/// Something about it has changed: it may want a connection, or have something for an idle one.
void Scheduler::list_lane(std::uint32_t at) {
  Lane& lane = lanes_[at];
  if (lane.ready.size() == 0) return;
  if (!lane.is_stirred) {
    lane.is_stirred = true;
    stirred_.push_back(at);
  }
  if (lane.is_limited || lane.listed_at != kNone) return;
  lane.is_first = lane.connections == 0;
  lane.listed_at = static_cast<std::uint32_t>(list_of(lane).size());
  list_of(lane).push_back(at);
}

void Scheduler::unlist(std::uint32_t at) {
  Lane& lane = lanes_[at];
  if (lane.listed_at == kNone) return;
  std::vector<std::uint32_t>& list = list_of(lane);
  list[lane.listed_at] = list.back();
  lanes_[list.back()].listed_at = lane.listed_at;
  list.pop_back();
  lane.listed_at = kNone;
}

void Scheduler::list_rested(base::Time now) {
  while (!resting_.empty() && resting_.begin()->first <= now) {
    const std::uint32_t at = resting_.begin()->second;
    resting_.erase(resting_.begin());
    list_lane(at);
  }
}

std::uint32_t Scheduler::next_stirred() {
  if (stirred_.empty()) return kNone;
  const std::uint32_t at = stirred_.back();
  stirred_.pop_back();
  lanes_[at].is_stirred = false;
  return at;
}

void Scheduler::set_limits(std::uint32_t lane, const LaneLimits& limits) {
  lanes_[lane].limits = limits;
  list_lane(lane);
}

void Scheduler::set_failures(std::uint32_t lane, std::uint32_t count) {
  if (lanes_[lane].failures == count) return;
  lanes_[lane].failures = count;
  list_lane(lane);
}

void Scheduler::free(std::uint32_t at, base::Time now) {
  Lane& lane = lanes_[at];
  if (!lane.is_limited) return;
  lane.is_limited = false;
  // The time that it was held is no lag of ours.
  lane.rests_until = std::max(lane.rests_until, now);
  list_lane(at);
}

bool Scheduler::wants_connection(std::uint32_t at, base::Time now) const {
  const Lane& lane = lanes_[at];
  if (lane.is_suspended || lane.is_limited || lane.rests_until > now) return false;
  // A site that failed is asked by one connection first.
  const std::uint32_t allowed = lane.failures > 0       ? 1
                                : lane.ready.high() > 0 ? lane.limits.connections_max
                                                        : std::min(lane.limits.bulk_connections_max,
                                                                   lane.limits.connections_max);
  return lane.connections < allowed && lane.opening < lane.ready.size();
}

std::uint32_t Scheduler::next_wanting_connection(base::Time now, Wanting wanting) {
  list_rested(now);
  for (std::size_t which = 0; which < (wanting == Wanting::First ? 1 : 2); ++which) {
    std::vector<std::uint32_t>& list = wanting_[which];
    while (!list.empty()) {
      std::size_t& next = wanting_next_[which];
      if (next >= list.size()) next = 0;
      const std::uint32_t at = list[next];
      if (wants_connection(at, now)) {
        ++next;
        return at;
      }
      // Whatever changes that lists it again; of time nobody tells.
      if (lanes_[at].rests_until > now) resting_.emplace(lanes_[at].rests_until, at);
      unlist(at);
    }
  }
  return kNone;
}

void Scheduler::opened(std::uint32_t at) {
  Lane& lane = lanes_[at];
  ++lane.connections;
  ++lane.opening;
  unlist(at);
  list_lane(at);
}

void Scheduler::served(std::uint32_t at) {
  --lanes_[at].opening;
  list_lane(at);
}

void Scheduler::closed(std::uint32_t at) {
  --lanes_[at].connections;
  unlist(at);
  list_lane(at);
}

std::optional<Pick> Scheduler::pick(std::uint32_t at, base::Time now,
                                    const WantsSingle& wants_single, const Taking& taking) {
  Lane& lane = lanes_[at];
  if (lane.is_suspended || lane.rests_until > now) return std::nullopt;
  std::uint32_t first = lane.ready.peek(false);
  while (first != kNone && domains_[recipients_[first].domain].is_suspended) {
    park(first);
    first = lane.ready.peek(false);
  }
  if (first == kNone) return std::nullopt;

  RecipientEntry& leader = recipients_[first];
  const std::uint32_t message_slot = leader.message;
  const MessageEntry& message = messages_[message_slot];
  if (lane.transaction < kBriskTransaction && lane.connections > 0 && !lane.limits.is_paced &&
      !lane.is_limited) {
    const base::Time since = std::max(base::from_unix_us(leader.due_us), lane.rests_until);
    lag_ = now - since;
    lag_at_ = now;
  }

  Pick pick{.message = message_slot, .id = message.id, .resident = message.resident};
  const std::uint32_t domain = leader.domain;
  std::uint32_t others = 0;
  std::uint32_t most =
      std::min(lane.limits.recipients_per_transaction_max, std::max(1U, taking.recipients_max));
  if (wants_single) {
    const auto [tenant, stream] = class_names(message.klass);
    if (wants_single(tenant, stream)) most = 1;
  }
  for (std::uint32_t slot = message.first; slot != kNone; slot = recipients_[slot].sibling) {
    RecipientEntry& entry = recipients_[slot];
    const bool fits = slot == first || (entry.place == Place::Ready && entry.lane == at &&
                                        (entry.domain == domain || lane.limits.mixes_domains) &&
                                        !domains_[entry.domain].is_suspended);
    if (!fits) continue;
    // One place is kept for the leader, whose turn it is.
    if (slot != first && others == most - 1) continue;
    others += slot != first ? 1 : 0;
    lane.ready.take(recipients_, slot, message.klass);
    move_to(slot, Place::InFlight);
    entry.source = taking.source;
    pick.flags |= entry.flags;
    pick.was_tried |= entry.attempts > 0;
    ++lane.in_flight;
    wheel_.cancel(slot);
    pick.recipients.push_back(entry.index);
  }
  std::sort(pick.recipients.begin(), pick.recipients.end());
  return pick;
}

}  // namespace ekiden::queue
