#include "ekiden/control/egress_commands.hpp"

#include <boost/json/array.hpp>

#include "ekiden/base/text.hpp"
#include "ekiden/control/arguments.hpp"
#include "ekiden/control/limit_reasons.hpp"
#include "ekiden/control/queue_walk.hpp"
#include "ekiden/control/traffic_view.hpp"
#include "ekiden/delivery/dispatcher.hpp"
#include "ekiden/queue/domain_key.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::control {

namespace json = boost::json;

namespace {

using base::Task;
using Items = std::vector<json::object>;

/// Lanes of one domain, and channels, that one answer shows.
constexpr std::size_t kItemsMax = 10'000;

void put_until(json::object& to, const std::optional<base::Time>& until) {
  if (until) to["until"] = base::format_rfc3339(*until);
}

json::object item_of(delivery::Dispatcher& there, std::uint32_t domain) {
  const queue::Scheduler& scheduler = there.scheduler();
  const std::string& key = scheduler.domain_name(domain);
  json::object item{{"domain", queue::domain_of_key(key)}};
  if (const auto pool = queue::pool_of_way(queue::way_of_key(key)); !pool.empty())
    item["pool"] = pool;
  if (const auto kept = queue::kept_source_of_way(queue::way_of_key(key)); !kept.empty())
    item["keeps_source"] = kept;
  if (const auto shunned = queue::shunned_source_of_way(queue::way_of_key(key)); !shunned.empty())
    item["avoids_source"] = shunned;
  json::array reasons, limits;
  const std::uint32_t lane = scheduler.lane_of(domain);
  const delivery::Dispatcher::LaneInfo* info = there.lane_info(lane);
  if (scheduler.is_domain_suspended(domain))
    reasons.push_back(json::object{{"kind", "suspended"}, {"text", "an operator suspended it"}});
  if (lane == queue::kNone || info == nullptr || !info->plan) {
    item["ready"] = scheduler.waiting(domain);
    item["limits"] = std::move(limits);
    item["reasons"] = std::move(reasons);
    return item;
  }
  const queue::Scheduler::LaneView view = scheduler.view(lane);
  item["site"] = std::string(view.site);
  item["route"] = info->plan->route;
  if (info->plan->profile != nullptr) item["provider"] = info->plan->profile->name;
  item["ready"] = view.ready;
  item["in_flight"] = view.in_flight;
  item["connections"] = view.connections;
  const base::Time now = there.worker().clock.now();
  if (view.is_suspended)
    reasons.push_back(json::object{{"kind", "suspended"}, {"text", "an operator suspended it"}});
  if (view.rests_until > now && view.failures > 0) {
    json::object reason{
        {"kind", "site_resting"},
        {"text", "the site does not answer and rests after " + std::to_string(view.failures) +
                     " failures; the last: " + info->last_failure.text()}};
    put_until(reason, view.rests_until);
    reasons.push_back(std::move(reason));
  }
  std::vector<Explanation::Reason> held;
  explain_limits(there, lane, held);
  for (const Explanation::Reason& one : held) {
    json::object reason{{"kind", one.kind}, {"subject", one.subject}, {"text", one.text}};
    put_until(reason, one.until);
    reasons.push_back(std::move(reason));
  }
  for (const LimitRow& row : limits_of(there, lane)) {
    json::object limit{{"source", row.source},
                       {"limit", row.limit},
                       {"value", row.value},
                       {"from", row.origin},
                       {"holds", row.holds}};
    put_until(limit, row.until);
    limits.push_back(std::move(limit));
  }
  item["limits"] = std::move(limits);
  item["reasons"] = std::move(reasons);
  return item;
}

json::object item_of(const std::string& provider, const std::string& source,
                     shaping::Channel& channel, base::Time now) {
  shaping::WarmUp& warm_up = channel.warm_up();
  const base::Time free = warm_up.next_free(now);
  const shaping::WarmUp::State& state = warm_up.state();
  constexpr const char* kHealth[] = {"good", "warning", "bad"};
  json::object item{{"source", source},
                    {"provider", provider},
                    {"day", state.stage + 1},
                    {"days", channel.profile().warm_up.days.size()},
                    {"allowance", warm_up.allowance()},
                    {"sent", state.sent},
                    {"hard_bounces", state.bounced},
                    {"complaints", state.complained},
                    {"throttled", state.throttled},
                    {"health", kHealth[static_cast<std::size_t>(warm_up.health())]},
                    {"paused", state.is_paused},
                    {"stopped", state.is_stopped}};
  if (free > now && free != base::Time::max()) item["next"] = base::format_rfc3339(free);
  return item;
}

class Commands {
 public:
  Commands(const delivery::Neighbours& neighbours, base::Executor& home)
      : neighbours_(neighbours), home_(home) {}

  Task<Answer> explain(const Request& request, ResponseWriter& writer) {
    Arguments arguments(request.arguments);
    const std::string given = arguments.text("domain");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    const Result<std::string> canonical = smtp::canonical_domain(given);
    const std::string domain = canonical ? *canonical : given;
    AskedWork<Items> work = [domain](delivery::Dispatcher& there,
                                     std::shared_ptr<Answering<Items>> answer) {
      const queue::Scheduler& scheduler = there.scheduler();
      for (std::uint32_t at = 0; at < scheduler.domain_count(); ++at) {
        if (answer->value.size() >= kItemsMax) break;
        if (queue::domain_of_key(scheduler.domain_name(at)) != domain) continue;
        // Where its mail moved to another worker there is nothing left here.
        if (scheduler.lane_of(at) == queue::kNone && scheduler.waiting(at) == 0) continue;
        answer->value.push_back(item_of(there, at));
      }
    };
    co_return co_await tell(std::move(work), writer);
  }

  Task<Answer> show(const Request& request, ResponseWriter& writer) {
    Arguments arguments(request.arguments);
    const std::string source = arguments.text("source");
    const std::string provider = arguments.text("provider");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    AskedWork<Items> work = [source, provider](delivery::Dispatcher& there,
                                               std::shared_ptr<Answering<Items>> answer) {
      const base::Time now = there.worker().clock.now();
      for (const auto& [key, known] : there.egress().providers()) {
        if (!provider.empty() && key != provider) continue;
        for (const auto& [name, channel] : known->channels) {
          if (!channel->is_warming() || (!source.empty() && name != source)) continue;
          if (answer->value.size() >= kItemsMax) return;
          answer->value.push_back(item_of(key, name, *channel, now));
        }
      }
    };
    co_return co_await tell(std::move(work), writer);
  }

  Task<Answer> traffic(const Request& request, ResponseWriter& writer) {
    using By = delivery::TrafficBook::By;
    Arguments arguments(request.arguments);
    const std::string by = arguments.text("by");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    static const std::map<std::string, By, std::less<>> kKinds{{"site", By::Site},
                                                               {"provider", By::Provider},
                                                               {"source", By::Source},
                                                               {"tenant", By::Tenant}};
    const auto kind = kKinds.find(by);
    if (kind == kKinds.end()) {
      Problem problem{"bad_request", "\"by\" takes site, provider, source or tenant"};
      co_return Answer(std::move(problem));
    }
    AskedWork<TrafficRows> work = [what = kind->second](
                                      delivery::Dispatcher& there,
                                      std::shared_ptr<Answering<TrafficRows>> answer) {
      answer->value = traffic_of(there, what);
    };
    const std::vector<TrafficRows> on_workers =
        co_await ask_all<TrafficRows>(neighbours_, home_, std::move(work));
    TrafficRows rows;
    for (const TrafficRows& some : on_workers) merge(rows, some);
    std::uint64_t shown = 0;
    for (const auto& [name, row] : rows) {
      if (shown == kItemsMax) break;
      json::object item = to_json(name, row);
      const bool is_heard = co_await writer.item(std::move(item));
      if (!is_heard) break;
      ++shown;
    }
    co_return Answer(json::object{{"shown", shown}});
  }

  Task<Answer> pause(const Request& request, ResponseWriter&) { return set(request, true); }
  Task<Answer> resume(const Request& request, ResponseWriter&) { return set(request, false); }

 private:
  Task<Answer> set(const Request& request, bool is_paused) {
    Arguments arguments(request.arguments);
    const std::string source = arguments.text("source");
    const std::string provider = arguments.text("provider");
    if (!arguments.ok()) co_return Answer(arguments.problem());
    if (source.empty()) {
      Problem problem{"bad_request", "\"source\" is empty"};
      co_return Answer(std::move(problem));
    }
    AskedWork<std::uint32_t> work = [source, provider, is_paused](
                                        delivery::Dispatcher& there,
                                        std::shared_ptr<Answering<std::uint32_t>> answer) {
      std::vector<std::string> keys;
      for (const auto& [key, known] : there.egress().providers())
        if (provider.empty() || key == provider) keys.push_back(key);
      for (const std::string& key : keys)
        if (there.pause_warm_up(source, key, is_paused)) ++answer->value;
    };
    const std::vector<std::uint32_t> counts =
        co_await ask_all<std::uint32_t>(neighbours_, home_, std::move(work));
    std::uint32_t all = 0;
    for (const std::uint32_t count : counts) all += count;
    if (all == 0) {
      Problem problem{"not_found", "source " + base::printable(source, 60) + " is not warming up" +
                                       (provider.empty() ? "" : " towards " + provider)};
      co_return Answer(std::move(problem));
    }
    co_return Answer(json::object{{"source", source}, {"changed", all}});
  }

  Task<Answer> tell(AskedWork<Items> work, ResponseWriter& writer) {
    const std::vector<Items> on_workers =
        co_await ask_all<Items>(neighbours_, home_, std::move(work));
    std::uint64_t shown = 0;
    for (const Items& some : on_workers) {
      for (const json::object& one : some) {
        json::object item = one;
        const bool is_heard = co_await writer.item(std::move(item));
        if (!is_heard) co_return Answer(json::object{{"shown", shown}});
        ++shown;
      }
    }
    co_return Answer(json::object{{"shown", shown}});
  }

  const delivery::Neighbours& neighbours_;
  base::Executor& home_;
};

}  // namespace

void add_egress_handlers(Server& server, const delivery::Neighbours& neighbours,
                         base::Executor& home) {
  const auto commands = std::make_shared<Commands>(neighbours, home);
  using Method = Task<Answer> (Commands::*)(const Request&, ResponseWriter&);
  const auto add = [&](const char* name, Method method) {
    server.add(name, [commands, method](const Request& request, ResponseWriter& writer) {
      return (*commands.*method)(request, writer);
    });
  };
  add("queue.explain_domain", &Commands::explain);
  add("egress.traffic", &Commands::traffic);
  add("warmup.show", &Commands::show);
  add("warmup.pause", &Commands::pause);
  add("warmup.resume", &Commands::resume);
}

}  // namespace ekiden::control
