// What the dispatcher does when delivery.connections_per_site are open to a set of mail hosts that
// several lanes lead to: by other pools of sources, under another demand on TLS, by another route.
// A lane that wants one more waits in the hosts' line; idle connections of the others end at once,
// busy ones after a few messages.
//
// Invariants:
// - The hosts' count of connections is the number of links of their lanes.
// - A lane in the line is in it once, and limited for the scheduler. Whoever ends a connection
//   makes the hosts due; so does time, now and then, for those who let their turn pass.
#include <algorithm>

#include "ekiden/delivery/dispatcher.hpp"

namespace ekiden::delivery {
namespace {

/// What a connection may send while another lane waits.
constexpr std::uint32_t kTurnsMax = 20;
/// Lanes that are looked at to find one that waits, or that has an idle connection.
constexpr std::size_t kLooksMax = 16;
/// Turns that nobody took are given to the next after this.
constexpr base::Duration kLookAgain = std::chrono::seconds(1);

}  // namespace

Dispatcher::Hosts& Dispatcher::hosts_of(const Plan& plan) {
  std::unique_ptr<Hosts>& known = hosts_[hosts_key(plan)];
  if (!known) known = std::make_unique<Hosts>();
  return *known;
}

/// Whether the lane may open one more. If not it waits.
bool Dispatcher::may_open_to_hosts(std::uint32_t lane) {
  LaneInfo& info = lanes_[lane];
  Hosts& hosts = *info.hosts;
  if (!info.waits_for_hosts) {
    const bool has_room = hosts.connections < options_.connections_per_site_max;
    if (has_room && (hosts.waiting.empty() || info.is_next_at_hosts)) return true;
    limited_.add();
    info.is_next_at_hosts = false;
    info.waits_for_hosts = true;
    hosts.waiting.push_back(lane);
    if (has_room) make_due(hosts);
    dismiss_idle(hosts);
  }
  scheduler_.limit(lane);
  look_at_hosts_again();
  return false;
}

/// While somebody waits.
void Dispatcher::look_at_hosts_again() {
  if (std::exchange(is_hosts_timer_set_, true)) return;
  parts_.worker.clock.call_after(kLookAgain, [this] {
    is_hosts_timer_set_ = false;
    bool has_waiting = false;
    for (const auto& [key, hosts] : hosts_) {
      has_waiting |= !hosts->waiting.empty();
      make_due(*hosts);
    }
    if (has_waiting) look_at_hosts_again();
  });
}

/// Another lane waits for a connection to the same hosts, and none is about to end for it.
bool Dispatcher::is_missed_by_others(std::uint32_t lane) const {
  const Hosts& hosts = *lanes_[lane].hosts;
  if (hosts.connections - hosts.leaving < options_.connections_per_site_max) return false;
  const std::size_t looked = std::min(hosts.waiting.size(), kLooksMax);
  for (std::size_t i = 0; i < looked; ++i)
    if (hosts.waiting[i] != lane && scheduler_.ready(hosts.waiting[i]) > 0) return true;
  return false;
}

/// Others wait: at once where they are urgent or have none, else when this one has had its turns.
bool Dispatcher::must_leave_hosts(const Link& link) const {
  if (!is_missed_by_others(link.lane)) return false;
  if (link.turns >= kTurnsMax) return true;
  const std::deque<std::uint32_t>& waiting = lanes_[link.lane].hosts->waiting;
  const std::size_t looked = std::min(waiting.size(), kLooksMax);
  for (std::size_t i = 0; i < looked; ++i) {
    const std::uint32_t lane = waiting[i];
    if (lane == link.lane || scheduler_.ready(lane) == 0) continue;
    if (scheduler_.connections(lane) == 0 && scheduler_.connections(link.lane) > 1) return true;
    if (scheduler_.urgent(lane) > 0 && scheduler_.urgent(link.lane) == 0) return true;
  }
  return false;
}

void Dispatcher::left_hosts(const Link& link) {
  Hosts& hosts = *lanes_[link.lane].hosts;
  --hosts.connections;
  if (link.is_leaving) --hosts.leaving;
  make_due(hosts);
}

/// One idle connection of a lane that has nothing to send ends, if others miss it.
void Dispatcher::dismiss_idle(Hosts& hosts) {
  std::size_t looked = 0;
  for (std::size_t i = hosts.idle.size(); i-- > 0 && looked < kLooksMax; ++looked) {
    const std::uint32_t lane = hosts.idle[i];
    LaneInfo& info = lanes_[lane];
    if (info.idle.empty()) {
      info.is_idle_at_hosts = false;
      hosts.idle[i] = hosts.idle.back();
      hosts.idle.pop_back();
      continue;
    }
    if (scheduler_.ready(lane) > 0 || !is_missed_by_others(lane)) continue;
    const std::uint64_t id = info.idle.front();
    info.idle.erase(info.idle.begin());
    const auto place = links_.find(id);
    if (place == links_.end() || !place->second.is_idle) continue;
    dismiss(id, place->second);
    return;
  }
}

void Dispatcher::make_due(Hosts& hosts) {
  if (hosts.waiting.empty() || std::exchange(hosts.is_due, true)) return;
  due_hosts_.push_back(&hosts);
  wake();
}

/// As many lanes as there is room for have their turn.
void Dispatcher::free_waiting(base::Time now) {
  for (Hosts* const hosts : std::exchange(due_hosts_, {})) {
    hosts->is_due = false;
    const std::uint32_t most = options_.connections_per_site_max;
    std::uint32_t room = most - std::min(most, hosts->connections);
    while (room > 0 && !hosts->waiting.empty()) {
      const std::uint32_t lane = hosts->waiting.front();
      hosts->waiting.pop_front();
      LaneInfo& info = lanes_[lane];
      info.waits_for_hosts = false;
      scheduler_.free(lane, now);
      info.is_next_at_hosts = scheduler_.wants_connection(lane, now);
      if (info.is_next_at_hosts) --room;
    }
    if (room == 0 && !hosts->waiting.empty()) dismiss_idle(*hosts);
  }
}

}  // namespace ekiden::delivery
