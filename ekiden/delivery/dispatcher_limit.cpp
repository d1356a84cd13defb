// What the dispatcher does when all connections that delivery.connections allows are open: whoever
// wants one waits in line; idle connections end at once; and while a site without any waits, busy
// ones end after a few messages, so that all sites get their turn.
#include "ekiden/delivery/connection_feed.hpp"
#include "ekiden/delivery/dispatcher.hpp"

namespace ekiden::delivery {
namespace {

/// Connections of one worker that are told to end at the same time.
constexpr std::uint32_t kLeavingMax = 16;
/// What the only connection of a site may send before another site's turn comes.
constexpr std::uint32_t kTurnsMax = 20;

}  // namespace

/// The lane to open a connection for. One that was refused keeps its turn; but while connections
/// are short, those that have none come first.
std::uint32_t Dispatcher::next_lane(base::Time now) {
  const std::uint32_t kept = std::exchange(turn_, queue::kNone);
  const bool is_kept = kept != queue::kNone && scheduler_.wants_connection(kept, now);
  const bool is_short = parts_.neighbours.connections().is_short();
  if (is_kept && (!is_short || scheduler_.connections(kept) == 0)) return kept;
  if (is_short) {
    const std::uint32_t first = scheduler_.next_wanting_connection(now, queue::Wanting::First);
    if (first != queue::kNone) return first;
  }
  return is_kept ? kept : scheduler_.next_wanting_connection(now);
}

void Dispatcher::wake_worker(unsigned worker) {
  if (worker == ConnectionLimit::kNobody) return;
  if (worker == parts_.worker.index) {
    wake();
    return;
  }
  Dispatcher& there = parts_.neighbours.at(worker);
  parts_.neighbours.send(worker, [&there] { there.wake(); });
}

void Dispatcher::wait_for_connection(std::uint32_t lane) {
  turn_ = lane;
  if (std::exchange(is_waiting_, true)) return;
  connection_waits_.add();
  // Each looks for connections that it does not need.
  for (unsigned worker = 0; worker < parts_.neighbours.count(); ++worker) wake_worker(worker);
}

void Dispatcher::stop_waiting() {
  turn_ = queue::kNone;
  if (!std::exchange(is_waiting_, false)) return;
  wake_worker(parts_.neighbours.connections().forgo(parts_.worker.index));
}

/// Ends connections that wait for work, while somebody waits for a connection. The one that rested
/// longest goes first.
void Dispatcher::give_way() {
  if (!parts_.neighbours.connections().is_short()) return;
  if (leaving_ >= kLeavingMax) return;
  std::erase_if(idle_lanes_, [this](std::uint32_t lane) {
    std::vector<std::uint64_t>& idle = lanes_[lane].idle;
    while (!idle.empty() && leaving_ < kLeavingMax) {
      const std::uint64_t id = idle.front();
      idle.erase(idle.begin());
      const auto place = links_.find(id);
      if (place != links_.end() && place->second.is_idle) dismiss(id, place->second);
    }
    if (idle.empty()) lanes_[lane].is_idle_listed = false;
    return idle.empty();
  });
}

/// It asks for more while a site without any connection waits.
bool Dispatcher::must_leave(const Link& link) const {
  if (link.turns == 0 || leaving_ >= kLeavingMax) return false;
  if (must_leave_hosts(link)) return true;
  if (lanes_[link.lane].provider != nullptr && must_make_room(link)) return true;
  if (!parts_.neighbours.connections().is_starving()) return false;
  return scheduler_.connections(link.lane) > 1 || link.turns >= kTurnsMax;
}

void Dispatcher::dismiss(std::uint64_t id, Link& link) {
  link.is_idle = false;
  link.is_leaving = true;
  ++leaving_;
  ++lanes_[link.lane].hosts->leaving;
  Dispatcher& there = parts_.neighbours.at(link.worker);
  // Never in this turn, though it may run here: it may be in the middle of asking.
  parts_.neighbours.send(link.worker,
                         [&there, id, here = parts_.worker.index] { there.dismissed(id, here); });
}

void Dispatcher::dismissed(std::uint64_t id, unsigned owner) {
  const auto place = feeds_.find({owner, id});
  if (place != feeds_.end()) place->second->dismiss();
}

namespace {

/// What waits is held to the new limits from now on; plans are made anew only as they age.
void adopt_profiles(Egress& egress, const std::shared_ptr<const shaping::Providers>& providers,
                    shaping::Moment now) {
  for (const auto& [key, known] : egress.providers()) {
    if (known->profile == nullptr) continue;
    const shaping::Profile* const profile = providers->find_by_name(known->profile->name);
    if (profile == nullptr) continue;
    Plan plan;
    plan.hosts = key;
    plan.profile = std::shared_ptr<const shaping::Profile>(providers, profile);
    egress.provider(plan, now);
  }
}

}  // namespace

void Dispatcher::set_options(DispatcherOptions options, SettlementOptions settlement) {
  options_ = options;
  egress_.set_sources(options_.sources);
  if (options_.providers != nullptr) adopt_profiles(egress_, options_.providers, moment());
  make_all_due();
  for (const auto& [key, hosts] : hosts_) make_due(*hosts);
  settlement_.set_options(std::move(settlement));
  // Sites with a queue would keep theirs until the next message for them.
  for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane)
    if (lanes_[lane].plan)
      scheduler_.set_limits(lane, limits_of(*lanes_[lane].plan, lanes_[lane].way));
  wake();
  wake_worker(parts_.neighbours.connections().set_max(options_.connections_max));
}

}  // namespace ekiden::delivery
