// /v3/stats and its like: counts by day, week or month, in SendGrid's words. The counts kept with
// the events give most of it; the events themselves are looked at, slice by slice, where SendGrid
// tells apart what those do not: hard bounces and blocks, why mail was dropped, who opened.
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "ekiden/api/sendgrid/mail_send.hpp"
#include "ekiden/api/sendgrid/routes.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/stats.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::api::sendgrid {
namespace {

namespace json = boost::json;
using events::Event;
using events::Kind;

constexpr std::string_view kMetrics[] = {
    "blocks",        "bounce_drops", "bounces",           "clicks",
    "deferred",      "delivered",    "invalid_emails",    "opens",
    "processed",     "requests",     "spam_report_drops", "spam_reports",
    "unique_clicks", "unique_opens", "unsubscribe_drops", "unsubscribes"};

constexpr std::size_t kNamesMax = 10;
/// Recipients that are remembered as having opened or clicked, in one answer.
constexpr std::size_t kReadersMax = 1'000'000;

enum class By : std::uint8_t { Day, Week, Month, All };

/// What a path of statistics tells apart.
struct Family {
  events::Dimension dimension = events::Dimension::All;
  const char* parameter = nullptr;  ///< that names the wanted ones
  const char* type = nullptr;
  bool needs_names = false;
  bool is_sum = false;
};

struct Asked {
  Family family;
  std::string tenant;
  Days from, until;  ///< [from, until)
  By by = By::Day;
  std::vector<std::string> names;  ///< empty: all of them
  std::size_t limit = kNamesMax;
  std::optional<Problem> problem;
};

/// The first day of the group that a day belongs to; weeks begin on Monday.
Days group_of(Days day, const Asked& asked) {
  const By by = asked.by;
  if (by == By::All) return asked.from;
  if (by == By::Week) {
    const std::chrono::weekday weekday(day);
    return day - std::chrono::days(weekday.iso_encoding() - 1);
  }
  if (by == By::Month) {
    const std::chrono::year_month_day date(day);
    return Days(date.year() / date.month() / 1);
  }
  return day;
}
Days next_group(Days day, const Asked& asked) {
  const By by = asked.by;
  if (by == By::All) return asked.until;
  if (by == By::Month) {
    const std::chrono::year_month_day date(day);
    return Days((date.year() / date.month() + std::chrono::months(1)) / 1);
  }
  return day + std::chrono::days(by == By::Week ? 7 : 1);
}

Asked read_query(const Call& call, base::Time now, const Family& family) {
  Asked asked;
  asked.family = family;
  asked.tenant = call.caller.tenant();
  const auto wrong = [&](std::string_view field, Text text) {
    asked.problem = bad_request(std::string(field), std::move(text));
  };
  DayRange range = read_days(call, now, std::nullopt);
  asked.from = range.from;
  asked.until = range.until;
  asked.problem = std::move(range.problem);
  const std::string_view by = call.query.find("aggregated_by").value_or("day");
  if (by == "week") {
    asked.by = By::Week;
  } else if (by == "month") {
    asked.by = By::Month;
  } else if (by != "day") {
    wrong("aggregated_by", {"day, week or month", "day、week、monthのいずれかです"});
  }
  if (family.is_sum) asked.by = By::All;
  if (family.parameter != nullptr && !family.is_sum) {
    asked.names = call.query.all(family.parameter);
    if (asked.names.size() > kNamesMax || (family.needs_names && asked.names.empty()))
      wrong(family.parameter, {"1 to 10 names are required", "1個から10個の名前です"});
  }
  if (const auto limit = call.query.find("limit"); limit && family.is_sum) {
    asked.limit = base::parse_u64(*limit).value_or(0);
    if (asked.limit == 0 || asked.limit > events::StatsQuery::kNamesMax)
      wrong("limit", {"a number from 1 to 1000", "1から1000までの数です"});
  }
  return asked;
}

/// What is counted of one group of days, and of one name.
struct Figures {
  std::map<std::string_view, std::uint64_t> metrics;

  /// From the counts: everything but what `look_at` tells apart.
  void take(const events::Counts& counts) {
    const auto of = [&](Kind kind) { return counts[static_cast<std::size_t>(kind)]; };
    metrics["requests"] += of(Kind::Accepted);
    metrics["processed"] += of(Kind::Accepted);
    metrics["delivered"] += of(Kind::Delivered);
    metrics["deferred"] += of(Kind::Deferred);
    metrics["spam_reports"] += of(Kind::Complained);
    metrics["unsubscribes"] += of(Kind::Unsubscribed);
    metrics["opens"] += of(Kind::Opened);
    metrics["clicks"] += of(Kind::Clicked);
  }
  json::object object() const {
    json::object all;
    for (const std::string_view name : kMetrics) {
      const auto found = metrics.find(name);
      all[name] = found == metrics.end() ? std::uint64_t{0} : found->second;
    }
    return json::object{{"metrics", std::move(all)}};
  }
};

/// By group, then by name; "" where none are told apart.
struct Table {
  std::map<Days, std::map<std::string, Figures>> groups;
  /// Who has opened or clicked already, by group and name.
  std::set<std::tuple<Days, std::string, Kind, base::MessageId, std::uint32_t>> readers;
};

/// Kinds that the counts do not tell enough of.
constexpr Kind kLookedAt[] = {Kind::Bounced,    Kind::Expired, Kind::Returned,
                              Kind::Suppressed, Kind::Opened,  Kind::Clicked};

std::string_view metric_of(const Event& event) {
  switch (event.kind) {
    case Kind::Bounced:
    case Kind::Expired:
    case Kind::Returned:
      return webhook::is_hard(event) ? "bounces" : "blocks";
    case Kind::Suppressed:
      if (event.reason == "complaint") return "spam_report_drops";
      return event.reason == "unsubscribe" ? "unsubscribe_drops" : "bounce_drops";
    case Kind::Opened:
      return "unique_opens";
    default:
      return "unique_clicks";
  }
}

void look_at(const Event& event, const Asked& asked, Table& table) {
  const Days group = group_of(day_of(event.time), asked);
  const auto count = [&](const std::string& name) {
    if (event.kind == Kind::Opened || event.kind == Kind::Clicked) {
      if (table.readers.size() >= kReadersMax) return;
      const bool is_new =
          table.readers.emplace(group, name, event.kind, event.message, event.recipient_index)
              .second;
      if (!is_new) return;
    }
    ++table.groups[group][name].metrics[metric_of(event)];
  };
  const auto is_wanted = [&](const std::string& name) {
    return asked.names.empty() ||
           std::find(asked.names.begin(), asked.names.end(), name) != asked.names.end();
  };
  if (asked.family.dimension == events::Dimension::All) return count("");
  if (asked.family.dimension == events::Dimension::Provider) {
    if (!event.provider.empty() && is_wanted(event.provider)) count(event.provider);
    return;
  }
  for (const std::string& tag : event.tags)
    if (is_wanted(tag)) count(tag);
}

/// Nothing: too many searches are under way.
base::Task<std::shared_ptr<Table>> count(EventDesk& desk, base::Worker& worker,
                                         std::shared_ptr<const Asked> asked) {
  auto table = std::make_shared<Table>();
  events::StatsQuery query;
  query.filter.tenant = asked->tenant;
  query.filter.from = time_of(asked->from);
  query.filter.until = time_of(asked->until);
  query.by = asked->family.dimension;
  query.names_max = asked->family.is_sum ? asked->limit : events::StatsQuery::kNamesMax;
  if (asked->by == By::All) query.time = events::StatsQuery::Time::None;
  // Of a name that is asked for its own counts are read, however many others there are.
  std::vector<std::string> names = asked->names;
  if (names.empty()) names.emplace_back();
  events::Counts totals{};
  for (const std::string& name : names) {
    if (asked->family.dimension == events::Dimension::Tag) query.filter.tag = name;
    if (asked->family.dimension == events::Dimension::Provider) query.filter.provider = name;
    events::StatsQuery one = query;
    const std::optional<events::Stats> stats = co_await desk.count(worker, std::move(one));
    if (!stats) co_return nullptr;
    for (const events::Stats::Group& group : stats->groups) {
      const bool is_named = asked->family.dimension != events::Dimension::All;
      if (group.is_rest || (is_named && group.name.empty())) continue;
      const Days at = asked->by == By::All ? asked->from : group_of(day_of(group.time), *asked);
      table->groups[at][is_named ? group.name : std::string()].take(group.counts);
    }
    events::add_to(totals, stats->totals);
  }
  for (const Kind kind : kLookedAt) {
    if (totals[static_cast<std::size_t>(kind)] == 0) continue;
    events::Query of;
    of.tenant = asked->tenant;
    of.kind = kind;
    of.from = query.filter.from;
    of.until = query.filter.until;
    EventDesk::See see = [asked, table](const events::Stored& stored) {
      look_at(stored.event, *asked, *table);
      return true;
    };
    const EventDesk::Scan scan = co_await desk.scan(worker, std::move(of), std::move(see));
    if (scan == EventDesk::Scan::Busy) co_return nullptr;
  }
  co_return table;
}

/// Every group of the range, those without anything too.
json::array describe(const Table& table, const Asked& asked) {
  json::array days;
  static const std::map<std::string, Figures> kEmpty;
  for (Days day = group_of(asked.from, asked); day < asked.until; day = next_group(day, asked)) {
    const auto found = table.groups.find(day);
    const auto& group = found == table.groups.end() ? kEmpty : found->second;
    json::array stats;
    const auto tell = [&](const std::string& name) {
      const auto of = group.find(name);
      json::object one = (of == group.end() ? Figures() : of->second).object();
      if (asked.family.type != nullptr) {
        one["name"] = name;
        one["type"] = asked.family.type;
      }
      stats.push_back(std::move(one));
    };
    if (asked.family.dimension == events::Dimension::All) {
      tell("");
    } else if (!asked.names.empty()) {
      for (const std::string& name : asked.names) tell(name);
    } else {
      // What only single events told of belongs to the names past the limit.
      for (const auto& [name, figures] : group)
        if (figures.metrics.contains("requests")) tell(name);
    }
    days.push_back(json::object{{"date", base::format_day(time_of(std::max(day, asked.from)))},
                                {"stats", std::move(stats)}});
  }
  return days;
}

Problem too_many_searches() {
  return unavailable({"Too many searches are under way.", "検索が混み合っています。"}, 2);
}

base::Task<HttpResponse> answer(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call,
                                Family family) {
  auto asked = std::make_shared<const Asked>(read_query(*call, worker.clock.now(), family));
  if (asked->problem) co_return tell(*asked->problem, call->caller);
  const std::shared_ptr<Table> table = co_await count(desk, worker, asked);
  if (table == nullptr) {
    const Problem busy = too_many_searches();
    co_return tell(busy, call->caller);
  }
  json::array days = describe(*table, *asked);
  if (!family.is_sum) co_return json_list(200, days);
  co_return json_response(200, days.front().get_object());
}

/// Nothing is known of where and with what mail is opened: every day, and nothing of it.
base::Task<HttpResponse> answer_nothing(base::Worker& worker, std::shared_ptr<Call> call) {
  const Asked asked = read_query(*call, worker.clock.now(), {});
  if (asked.problem) co_return tell(*asked.problem, call->caller);
  json::array days;
  for (Days day = group_of(asked.from, asked); day < asked.until; day = next_group(day, asked))
    days.push_back(json::object{{"date", base::format_day(time_of(std::max(day, asked.from)))},
                                {"stats", json::array()}});
  co_return json_list(200, days);
}

}  // namespace

void add_stats_routes(Frame& frame, EventDesk& desk) {
  const Access read{"stats:read"};
  const auto add = [&](const char* path, const Family& family) {
    frame.add("GET", path, read, [&frame, &desk, family](std::shared_ptr<Call> call) {
      return answer(desk, frame.worker(), std::move(call), family);
    });
  };
  using events::Dimension;
  add("/v3/stats", {});
  add("/v3/categories/stats", {Dimension::Tag, "categories", "category", true, false});
  add("/v3/categories/stats/sums", {Dimension::Tag, "categories", "category", false, true});
  add("/v3/mailbox_providers/stats",
      {Dimension::Provider, "mailbox_providers", "mailbox_provider", false, false});
  for (const char* path : {"/v3/geo/stats", "/v3/devices/stats", "/v3/clients/stats",
                           "/v3/browsers/stats", "/v3/subusers/stats"}) {
    frame.add("GET", path, read, [&frame](std::shared_ptr<Call> call) {
      return answer_nothing(frame.worker(), std::move(call));
    });
  }
  add_classification_routes(frame, desk);
}

}  // namespace ekiden::api::sendgrid
