// GET /v1/stats.
#include <boost/json/array.hpp>

#include "ekiden/api/api.hpp"
#include "ekiden/api/event_query.hpp"
#include "ekiden/api/message_desk.hpp"
#include "ekiden/events/stats.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;
using events::StatsQuery;

json::object figures(const events::Counts& counts) {
  json::object object;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::string_view kind = events::kind_name(static_cast<events::Kind>(i));
    if (counts[i] != 0) object[json::string_view(kind.data(), kind.size())] = counts[i];
  }
  return object;
}

/// "day", "hour,tag", "domain": a time, a dimension, or one of each.
bool read_by(std::string_view text, StatsQuery& query) {
  query.time = StatsQuery::Time::None;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view one = text.substr(0, comma);
    const bool has_time = query.time != StatsQuery::Time::None;
    const auto dimension = events::parse_dimension(one);
    if ((one == "day" || one == "hour") && !has_time) {
      query.time = one == "day" ? StatsQuery::Time::Day : StatsQuery::Time::Hour;
    } else if (dimension && query.by == events::Dimension::All) {
      query.by = *dimension;
    } else {
      return false;
    }
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

json::object to_json(const events::Stats& stats, const StatsQuery& query) {
  json::array groups;
  const std::string_view name = events::dimension_name(query.by);
  for (const events::Stats::Group& group : stats.groups) {
    json::object object;
    if (query.time == StatsQuery::Time::Day)
      object["time"] = base::format_rfc3339(group.time).substr(0, 10);
    if (query.time == StatsQuery::Time::Hour)
      object["time"] = base::format_rfc3339(group.time).substr(0, 13) + ":00:00Z";
    if (query.by != events::Dimension::All) {
      object[json::string_view(name.data(), name.size())] =
          group.is_rest ? json::value(nullptr) : json::value(json::string(group.name));
    }
    if (group.is_rest) object["is_other"] = true;
    object["events"] = figures(group.counts);
    groups.push_back(std::move(object));
  }
  json::object answer{{"totals", figures(stats.totals)},
                      {"stats", std::move(groups)},
                      {"is_complete", stats.is_complete}};
  if (query.filter.from) answer["from"] = base::format_rfc3339(stats.from);
  if (query.filter.until) answer["until"] = base::format_rfc3339(stats.until);
  return answer;
}

}  // namespace

base::Task<HttpResponse> MessageDesk::stats(std::shared_ptr<Call> call) {
  Asked asked = read_query(*call);
  StatsQuery query;
  if (!read_by(call->query.find("by").value_or("day"), query)) {
    asked.problem = bad_parameter(
        "by", {"day or hour, or stream, tag, domain, provider or source, or one of each",
               "day・hourと、stream・tag・domain・provider・sourceのいずれかです"});
  }
  // Neither is known of a single event.
  if (!asked.sender.empty() || !asked.status.empty()) {
    asked.problem = bad_parameter(asked.sender.empty() ? "status" : "sender",
                                  {"statistics take whole addresses, and kinds in place of status",
                                   "統計ではアドレス全体、またはkindを指定してください"});
  }
  if (asked.problem) co_return own_problem(*asked.problem, call->caller);
  query.filter = std::move(asked.query);
  query.names_max = query.filter.limit;
  // Without a range, the last seven days.
  if (!query.filter.from)
    query.filter.from = parts_.worker.clock.now() - std::chrono::hours(24 * 7);
  events::StatsQuery counted = query;
  const std::optional<events::Stats> stats =
      co_await parts_.shared.events().count(parts_.worker, std::move(counted));
  if (!stats) co_return own_problem(too_busy(), call->caller);
  co_return json_response(200, to_json(*stats, query));
}

}  // namespace ekiden::api
