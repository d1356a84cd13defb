#include "ekiden/control/limit_reasons.hpp"

#include <algorithm>

#include "ekiden/queue/domain_key.hpp"

namespace ekiden::control {
namespace {

std::optional<base::Time> until_of(const shaping::Held& held) {
  return held.is_free() || held.until == base::Time::max() ? std::nullopt
                                                           : std::optional(held.until);
}

/// The pool's sources, or the only one there is.
std::vector<std::string> sources_of(const delivery::Dispatcher& there,
                                    const delivery::Dispatcher::LaneInfo& lane) {
  std::vector<std::string> names;
  if (const delivery::SourceSet* set = there.egress().sources(); set != nullptr) {
    for (const auto& member : set->pool(queue::pool_of_way(lane.way)).members)
      names.push_back(member.source);
  } else {
    names.push_back(lane.plan->source_name);
  }
  return names;
}

/// As many connections as the site, its hosts or all of delivery may have. Those that wait for
/// their turn at a provider are not what others wait for.
void explain_connections(const delivery::Dispatcher& there, std::uint32_t at, bool is_stuck,
                         std::vector<Explanation::Reason>& reasons) {
  const delivery::Dispatcher::LaneInfo& info = *there.lane_info(at);
  const queue::Scheduler::LaneView lane = there.scheduler().view(at);
  const queue::LaneLimits& limits = there.scheduler().limits(at);
  const auto add = [&](std::string what, std::string text) {
    reasons.push_back({"limit", std::move(what), std::move(text), std::nullopt});
  };
  if (lane.failures > 0 && lane.connections > 0) {
    add(std::string(lane.site),
        "the site failed before: one connection tries whether it answers again");
  } else if (info.waits_for_hosts) {
    add(delivery::hosts_key(*info.plan),
        "all " + std::to_string(there.options().connections_per_site_max) +
            " connections to its mail hosts that delivery.connections_per_site allows are in use: "
            "other routes, pools and demands on TLS count too");
  } else if (!is_stuck &&
             lane.connections >= std::min(limits.bulk_connections_max, limits.connections_max)) {
    const bool is_ours = limits.connections_max == there.options().connections_per_site_max;
    add(std::string(lane.site), "all " + std::to_string(lane.connections) +
                                    " connections that the site may have are busy" +
                                    (is_ours ? " (delivery.connections_per_site)" : ""));
  } else if (there.is_short_of_connections(at)) {
    add("delivery.connections",
        "all " + std::to_string(there.options().connections_max) +
            " connections that delivery.connections allows are open, and sites take turns");
  }
}

std::string sentence(const delivery::Egress::Stuck& stuck, const std::string& provider,
                     const std::vector<LimitRow>& rows) {
  const std::string from = "source " + stuck.source + ": ";
  if (!stuck.why.empty()) return from + "it rests: " + stuck.why;
  std::string figure;
  for (const LimitRow& row : rows)
    if (row.source == stuck.source && row.limit == shaping::name_of(stuck.held.by))
      figure = " (" + row.value + ", " + row.origin + ")";
  switch (stuck.held.by) {
    case shaping::Hold::Suspended:
      return from + provider + " asked for a pause by its replies" + figure;
    case shaping::Hold::Connections:
      return from + "all connections that " + provider + " takes are in use" + figure;
    case shaping::Hold::ConnectionRate:
      return from + provider + " takes no new connection yet" + figure;
    case shaping::Hold::Rate:
      return from + "the rate that " + provider + " takes is used up" + figure;
    case shaping::Hold::Learnt:
      return from + "the rate learnt from the replies of " + provider + " is used up" + figure;
    case shaping::Hold::Probing:
      return from + "one message tries whether " + provider + " takes mail again" + figure;
    case shaping::Hold::WarmUp:
      return from + "it is warming up" + figure;
    case shaping::Hold::Paused:
      return from + "an operator paused its warm-up" + figure;
    case shaping::Hold::None:
      break;
  }
  return from + "it may send";
}

}  // namespace

std::vector<LimitRow> limits_of(delivery::Dispatcher& there, std::uint32_t lane) {
  std::vector<LimitRow> rows;
  const delivery::Dispatcher::LaneInfo* info = there.lane_info(lane);
  if (info == nullptr || info->provider == nullptr) return rows;
  const shaping::Moment now = there.moment();
  for (const std::string& source : sources_of(there, *info)) {
    if (const auto stuck = there.egress().stopped(source, there.scheduler().suspended(), now))
      rows.push_back(
          {source, "rest", stuck->why, "operator or replies", true, until_of(stuck->held)});
    const auto channel = info->provider->channels.find(source);
    if (channel == info->provider->channels.end()) continue;
    for (const shaping::LimitView& view : channel->second->view(now))
      rows.push_back({source, std::string(shaping::name_of(view.kind)), view.value, view.origin,
                      !view.held.is_free(), until_of(view.held)});
  }
  return rows;
}

void explain_limits(delivery::Dispatcher& there, std::uint32_t lane,
                    std::vector<Explanation::Reason>& reasons) {
  const delivery::Dispatcher::LaneInfo* info = there.lane_info(lane);
  if (info == nullptr || !info->plan) return;
  std::vector<delivery::Egress::Stuck> stuck;
  if (info->provider != nullptr) stuck = there.stuck(lane);
  std::vector<LimitRow> rows;
  if (!stuck.empty()) rows = limits_of(there, lane);
  for (const delivery::Egress::Stuck& one : stuck) {
    std::string text = sentence(one, info->provider->key, rows);
    if (info->last_failure.code != 0 && one.held.by == shaping::Hold::Suspended)
      text += "; the last: " + info->last_failure.text();
    reasons.push_back({"limit", one.source, std::move(text), until_of(one.held)});
  }
  const queue::Scheduler::LaneView view = there.scheduler().view(lane);
  if (view.ready > 0 && view.rests_until <= there.moment().wall)
    explain_connections(there, lane, !stuck.empty(), reasons);
}

}  // namespace ekiden::control
