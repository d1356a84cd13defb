#include "ekiden/control/traffic_view.hpp"

#include <boost/json/array.hpp>

namespace ekiden::control {

namespace json = boost::json;
using By = delivery::TrafficBook::By;

namespace {

void add_hold(TrafficRow& row, std::string text) {
  if (row.holds.size() < kHoldsMax) row.holds.push_back(std::move(text));
}

std::string until(base::Time time) {
  return time == base::Time::max() ? std::string() : " until " + base::format_rfc3339(time);
}

/// What holds one source towards one provider, as `queue explain` calls it.
void add_limits(TrafficRow& row, const std::string& whose, shaping::Channel& channel,
                shaping::Moment now) {
  for (const shaping::LimitView& limit : channel.view(now)) {
    if (limit.held.is_free()) continue;
    add_hold(row, whose + " " + std::string(shaping::name_of(limit.held.by)) + " " + limit.value +
                      " (" + limit.origin + ")" + until(limit.held.until));
  }
}

void add_lanes(delivery::Dispatcher& there, By by, TrafficRows& rows) {
  const queue::Scheduler& scheduler = there.scheduler();
  for (std::uint32_t lane = 0; lane < scheduler.lane_count(); ++lane) {
    const delivery::Dispatcher::LaneInfo* const info = there.lane_info(lane);
    if (info == nullptr || !info->plan) continue;
    const queue::Scheduler::LaneView view = scheduler.view(lane);
    if (view.ready + view.in_flight + view.connections == 0) continue;
    std::string name = info->plan->site;
    if (by == By::Provider) {
      if (info->plan->profile == nullptr) continue;
      name = delivery::limit_key(*info->plan);
    }
    TrafficRow& row = rows[name];
    row.ready += view.ready;
    row.in_flight += view.in_flight;
    row.connections += view.connections;
    if (by != By::Site) continue;
    if (view.is_suspended) add_hold(row, "suspended by an operator");
    const base::Time now = there.worker().clock.now();
    if (view.rests_until > now && view.failures > 0)
      add_hold(row, "the site rests" + until(view.rests_until));
    if (view.ready == 0) continue;
    for (const delivery::Egress::Stuck& stuck : there.stuck(lane)) {
      std::string text = stuck.source + " " + std::string(shaping::name_of(stuck.held.by));
      if (!stuck.why.empty()) text = stuck.source + " rests: " + stuck.why;
      add_hold(row, text + until(stuck.held.until));
    }
  }
}

void add_channels(delivery::Dispatcher& there, By by, TrafficRows& rows) {
  const shaping::Moment now = there.moment();
  for (const auto& [key, provider] : there.egress().providers()) {
    for (const auto& [source, channel] : provider->channels) {
      if (by == By::Provider) {
        add_limits(rows[key], source, *channel, now);
        continue;
      }
      TrafficRow& row = rows[source];
      row.connections += channel->connections();
      add_limits(row, key, *channel, now);
    }
  }
  if (by != By::Source) return;
  const delivery::SourceSet* const sources = there.egress().sources();
  if (sources == nullptr) return;
  for (const delivery::SourceOptions& source : sources->sources()) {
    TrafficRow& row = rows[source.name];
    // Every worker knows the same of it: the first one says it.
    if (there.worker_index() != 0) continue;
    const auto stopped = there.egress().stopped(source.name, there.scheduler().suspended(), now);
    if (stopped) add_hold(row, "rests: " + stopped->why + until(stopped->held.until));
    const auto ipv6 = there.egress().unusable_ipv6(source);
    if (ipv6 && !stopped) add_hold(row, "IPv4 only: " + *ipv6);
  }
}

}  // namespace

TrafficRows traffic_of(delivery::Dispatcher& there, By by) {
  TrafficRows rows;
  for (const auto& [name, traffic] : there.traffic().rows(by)) rows[name].traffic = traffic;
  if (by == By::Site || by == By::Provider) add_lanes(there, by, rows);
  if (by == By::Source || by == By::Provider) add_channels(there, by, rows);
  return rows;
}

void merge(TrafficRows& rows, const TrafficRows& more) {
  for (const auto& [name, theirs] : more) {
    TrafficRow& row = rows[name];
    row.traffic += theirs.traffic;
    row.ready += theirs.ready;
    row.in_flight += theirs.in_flight;
    row.connections += theirs.connections;
    for (const std::string& hold : theirs.holds) add_hold(row, hold);
  }
}

json::object to_json(const std::string& name, const TrafficRow& row) {
  json::array holds;
  for (const std::string& hold : row.holds) holds.push_back(json::string(hold));
  json::object item{{"name", name},
                    {"ready", row.ready},
                    {"in_flight", row.in_flight},
                    {"connections", row.connections},
                    {"delivered", row.traffic.delivered},
                    {"deferred", row.traffic.deferred},
                    {"bounced", row.traffic.bounced},
                    {"throttled", row.traffic.throttled},
                    {"holds", std::move(holds)}};
  if (!row.traffic.last_reply.empty()) {
    item["last_reply"] = row.traffic.last_reply;
    item["last_reply_at"] = base::format_rfc3339(row.traffic.last_reply_at);
  }
  return item;
}

}  // namespace ekiden::control
