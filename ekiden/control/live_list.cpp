// `queue list` and `queue summary`.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "ekiden/control/live_node.hpp"
#include "ekiden/queue/domain_key.hpp"

namespace ekiden::control {
namespace {

/// Recipients copied out of a worker at a time, for a list of whatever comes.
constexpr std::size_t kStretchMax = 256;
/// Recipients read back for one page. Past it the page is shorter, so that it comes.
constexpr std::size_t kReadsPerPageMax = 100'000;

std::string group_name(const Met& met, GroupBy by) {
  switch (by) {
    case GroupBy::Site:
      return met.site;
    case GroupBy::Domain:
      return met.domain;
    case GroupBy::Tenant:
      return met.tenant;
    case GroupBy::Stream:
      return met.stream;
  }
  return {};
}

void count(QueueCounts& counts, queue::Place place) {
  ++counts.queued;
  switch (place) {
    case queue::Place::Unresolved:
      ++counts.resolving;
      break;
    case queue::Place::Ready:
    case queue::Place::Parked:
      ++counts.ready;
      break;
    case queue::Place::Waiting:
      ++counts.waiting;
      break;
    case queue::Place::InFlight:
      ++counts.in_flight;
      break;
    case queue::Place::Held:
      ++counts.held;
      break;
    case queue::Place::Settling:
    case queue::Place::Free:
      ++counts.settling;
      break;
  }
}

/// What one worker counts.
struct Counted {
  QueueCounts counts;
  std::uint64_t messages = 0, octets = 0;
  std::optional<base::Time> oldest;
  std::unordered_map<std::string, QueueGroup> groups;

  void add(const Met& met, GroupBy by, bool is_first_of_message) {
    count(counts, met.entry.place);
    const std::string name = group_name(met, by);
    QueueGroup& group = groups[name];
    group.name = name;
    count(group.counts, met.entry.place);
    if (!oldest || met.received < *oldest) oldest = met.received;
    if (!is_first_of_message) return;
    ++messages;
    octets += met.size;
  }
  void merge_into(QueueSummary& summary, std::map<std::string, QueueGroup>& all) const {
    summary.counts += counts;
    summary.messages += messages;
    summary.octets += octets;
    if (oldest && (!summary.oldest || *oldest < *summary.oldest)) summary.oldest = oldest;
    for (const auto& [name, group] : groups) {
      QueueGroup& into = all[name];
      into.name = name;
      into.counts += group.counts;
      into.connections += group.connections;
      if (into.state.empty()) into.state = group.state;
    }
  }
};

/// Connections and rest of the lanes that were counted.
void describe_lanes(const queue::Scheduler& scheduler, base::Time now, Counted& counted) {
  for (std::uint32_t lane = 0; lane < scheduler.lane_count(); ++lane) {
    const queue::Scheduler::LaneView view = scheduler.view(lane);
    const auto group = counted.groups.find(std::string(view.site));
    if (group == counted.groups.end()) continue;
    group->second.connections = view.connections;
    if (view.is_suspended) {
      group->second.state = "suspended";
    } else if (view.rests_until > now) {
      group->second.state = "resting until " + base::format_rfc3339(view.rests_until);
    }
  }
}

SuspendScope::Kind kind_of(GroupBy by) {
  switch (by) {
    case GroupBy::Site:
      return SuspendScope::Kind::Site;
    case GroupBy::Domain:
      return SuspendScope::Kind::Domain;
    case GroupBy::Tenant:
      return SuspendScope::Kind::Tenant;
    case GroupBy::Stream:
      return SuspendScope::Kind::Stream;
  }
  return SuspendScope::Kind::Site;
}

}  // namespace

base::Task<Outcome<QueuePage>> LiveNode::list(Filter filter, std::string cursor,
                                              std::size_t count) {
  std::optional<Position> at = cursor.empty() ? Position{} : parse_position(cursor);
  if (!at) {
    Problem problem{"bad_request", "the cursor is none of ours"};
    co_return Outcome<QueuePage>(std::move(problem));
  }
  count = std::min(count, kPageMax);
  const auto sieve = std::make_shared<const Sieve>(std::move(filter), parts_.worker.clock.steady());
  QueueScan scan = this->scan(sieve, *at);
  // Few of those that are read may be meant: more at a time.
  const bool is_search = sieve->needs_meta() || sieve->needs_reply();
  QueuePage page;
  std::size_t reads = 0;
  while (!scan.is_over() && page.items.size() < count && reads < kReadsPerPageMax) {
    const std::size_t left = count - page.items.size();
    Stretch stretch =
        co_await scan.next(is_search ? kSearchStretchMax : std::min(left, kStretchMax));
    reads += stretch.met.size();
    const std::vector<Found> found =
        co_await read_back(port(), std::move(stretch.met), sieve, {true, true, left});
    for (const Found& one : found) page.items.push_back(as_seen(one));
    if (found.size() == left && is_search)
      scan.go_on_from({stretch.worker, found.back().met.position.slot + 1});
  }
  if (!scan.is_over()) page.next = format_position(scan.position());
  co_return Outcome<QueuePage>(std::move(page));
}

/// Counted from the workers' entries alone. A message that waits on several workers is counted on
/// each of them.
base::Task<QueueSummary> LiveNode::summary(Filter filter, GroupBy by) {
  const auto sieve = std::make_shared<const Sieve>(std::move(filter), parts_.worker.clock.steady());
  if (sieve->needs_meta() || sieve->needs_reply()) co_return co_await summary_by_reading(sieve, by);
  QueueSummary summary;
  std::map<std::string, QueueGroup> groups;
  AskedWork<Counted> work = [sieve, by](delivery::Dispatcher& there,
                                        std::shared_ptr<Answering<Counted>> answer) {
    const auto see = [&there, sieve, by, answer](std::uint32_t slot) {
      if (!sieve->may_match(there, slot)) return true;
      const queue::Scheduler& scheduler = there.scheduler();
      // The message is counted with the recipient that its list begins with.
      const bool is_first = scheduler.message(scheduler.recipient(slot).message).first == slot;
      answer->value.add(meet(there, slot), by, is_first);
      return true;
    };
    const auto end = [&there, by, answer](std::optional<std::uint32_t>) {
      if (by == GroupBy::Site)
        describe_lanes(there.scheduler(), there.worker().clock.now(), answer->value);
    };
    std::make_shared<SlotWalk>(there, 0, see, end)->run();
  };
  const std::vector<Counted> counted = co_await ask_workers<Counted>(std::move(work));
  for (const Counted& one : counted) one.merge_into(summary, groups);
  if (sieve->filter().is_empty()) summary.messages = parts_.spool.status().messages;
  for (auto& [name, group] : groups) summary.groups.push_back(std::move(group));
  finish_summary(summary, by);
  co_return summary;
}

base::Task<QueueSummary> LiveNode::summary_by_reading(std::shared_ptr<const Sieve> sieve,
                                                      GroupBy by) {
  Counted counted;
  base::MessageId last;
  for (QueueScan scan = this->scan(sieve); !scan.is_over();) {
    Stretch stretch = co_await scan.next(kSearchStretchMax);
    const std::vector<Found> found =
        co_await read_back(port(), std::move(stretch.met), sieve, {false, false});
    for (const Found& one : found) {
      counted.add(one.met, by, one.met.message != last);
      last = one.met.message;
    }
  }
  QueueSummary summary;
  std::map<std::string, QueueGroup> groups;
  counted.merge_into(summary, groups);
  for (auto& [name, group] : groups) summary.groups.push_back(std::move(group));
  finish_summary(summary, by);
  co_return summary;
}

void LiveNode::finish_summary(QueueSummary& summary, GroupBy by) const {
  for (QueueGroup& group : summary.groups) {
    if (group.name.empty()) {
      group.name = by == GroupBy::Site ? "(not known yet)" : "(none)";
    } else if (group.state.empty() && book_.find(kind_of(by), group.name) != nullptr) {
      group.state = "suspended";
    }
  }
  std::stable_sort(
      summary.groups.begin(), summary.groups.end(),
      [](const QueueGroup& a, const QueueGroup& b) { return a.counts.queued > b.counts.queued; });
  if (summary.groups.size() > kPageMax) summary.groups.resize(kPageMax);
}

}  // namespace ekiden::control
