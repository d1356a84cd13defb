// /v3/stats, /v3/categories/stats: counts by day, week or month, in SendGrid's words.
#include <algorithm>
#include <map>
#include <set>

#include "ekiden/account/suppression_file.hpp"
#include "ekiden/api/sendgrid/mail_send.hpp"
#include "ekiden/api/sendgrid/routes.hpp"
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

/// Events that one answer counts.
constexpr std::size_t kCountedMax = 2'000'000;
/// Days that one answer spans.
constexpr int kDaysMax = 400;
constexpr std::size_t kCategoriesMax = 10;

enum class By : std::uint8_t { Day, Week, Month };
using Days = std::chrono::sys_days;

struct Asked {
  std::string tenant;
  Days from, until;  ///< [from, until)
  By by = By::Day;
  std::vector<std::string> categories;
  std::optional<Problem> problem;
};

Days day_of(base::Time time) {
  return std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<base::Duration>(time.time_since_epoch()));
}

/// The first day of the group that a day belongs to; weeks begin on Monday.
Days group_of(Days day, By by) {
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
Days next_group(Days day, By by) {
  if (by == By::Month) {
    const std::chrono::year_month_day date(day);
    return Days((date.year() / date.month() + std::chrono::months(1)) / 1);
  }
  return day + std::chrono::days(by == By::Week ? 7 : 1);
}
base::Time time_of(Days day) {
  return base::Time(day.time_since_epoch());
}

Asked read_query(const Call& call, base::Time now, bool has_categories) {
  Asked asked;
  asked.tenant = call.caller.tenant();
  const auto wrong = [&](std::string_view field, Text text) {
    asked.problem = bad_request(std::string(field), std::move(text));
  };
  const auto day = [&](std::string_view name, Days otherwise) {
    const auto given = call.query.find(name);
    if (!given) return otherwise;
    const auto time = account::parse_day(*given);
    if (!time || given->size() != 10) {
      wrong(name, {"a date of the form YYYY-MM-DD is required", "YYYY-MM-DDの日付です"});
      return otherwise;
    }
    return day_of(*time);
  };
  if (!call.query.find("start_date"))
    wrong("start_date", {"start_date is required", "start_dateは必須です"});
  asked.from = day("start_date", day_of(now));
  asked.until = day("end_date", day_of(now)) + std::chrono::days(1);
  if (asked.until <= asked.from || asked.until - asked.from > std::chrono::days(kDaysMax))
    wrong("end_date",
          {"it must follow start_date, by 400 days at most", "start_dateから400日以内の日付です"});
  const std::string_view by = call.query.find("aggregated_by").value_or("day");
  if (by == "week") {
    asked.by = By::Week;
  } else if (by == "month") {
    asked.by = By::Month;
  } else if (by != "day") {
    wrong("aggregated_by", {"day, week or month", "day、week、monthのいずれかです"});
  }
  if (has_categories) {
    asked.categories = call.query.all("categories");
    if (asked.categories.empty() || asked.categories.size() > kCategoriesMax)
      wrong("categories", {"1 to 10 categories are required", "1個から10個のカテゴリです"});
  }
  return asked;
}

/// What is counted of one group of days, and of one category.
struct Counts {
  std::map<std::string_view, std::uint64_t> metrics;
  std::set<std::pair<base::MessageId, std::uint32_t>> opened, clicked;

  void take(const Event& event) {
    const auto one = std::pair(event.message, event.recipient_index);
    switch (event.kind) {
      case Kind::Accepted:
        ++metrics["requests"];
        ++metrics["processed"];
        break;
      case Kind::Delivered:
        ++metrics["delivered"];
        break;
      case Kind::Deferred:
        ++metrics["deferred"];
        break;
      case Kind::Bounced:
      case Kind::Expired:
      case Kind::Returned:
        ++metrics[webhook::is_hard(event) ? "bounces" : "blocks"];
        break;
      case Kind::Suppressed:
        ++metrics[event.reason == "complaint"     ? "spam_report_drops"
                  : event.reason == "unsubscribe" ? "unsubscribe_drops"
                                                  : "bounce_drops"];
        break;
      case Kind::Complained:
        ++metrics["spam_reports"];
        break;
      case Kind::Unsubscribed:
        ++metrics["unsubscribes"];
        break;
      case Kind::Opened:
        ++metrics["opens"];
        if (opened.insert(one).second) ++metrics["unique_opens"];
        break;
      case Kind::Clicked:
        ++metrics["clicks"];
        if (clicked.insert(one).second) ++metrics["unique_clicks"];
        break;
      default:
        break;
    }
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

/// By group, then by category; "" where none is asked for.
using Table = std::map<Days, std::map<std::string, Counts>>;

Table count(events::Reader& reader, const Asked& asked) {
  Table table;
  events::Query query;
  query.tenant = asked.tenant;
  query.from = time_of(asked.from);
  query.until = time_of(asked.until);
  query.limit = events::Reader::kLimitMax;
  for (std::size_t counted = 0; counted < kCountedMax;) {
    const Result<events::Page> page = reader.find(query);
    if (!page) break;
    for (const events::Stored& stored : page->events) {
      const Event& event = stored.event;
      auto& group = table[group_of(day_of(event.time), asked.by)];
      if (asked.categories.empty()) group[""].take(event);
      for (const std::string& category : asked.categories)
        if (std::find(event.tags.begin(), event.tags.end(), category) != event.tags.end())
          group[category].take(event);
    }
    counted += std::max<std::size_t>(page->events.size(), 1);
    if (!page->next) break;
    query.after = page->next;
  }
  return table;
}

/// Every group of the range, those without anything too.
json::array describe(const Table& table, const Asked& asked) {
  json::array days;
  const Counts none;
  static const std::map<std::string, Counts> kEmpty;
  for (Days day = group_of(asked.from, asked.by); day < asked.until;
       day = next_group(day, asked.by)) {
    const auto found = table.find(day);
    const auto& group = found == table.end() ? kEmpty : found->second;
    const auto counts_of = [&](const std::string& name) -> const Counts& {
      const auto of = group.find(name);
      return of == group.end() ? none : of->second;
    };
    json::array stats;
    if (asked.categories.empty()) stats.push_back(counts_of("").object());
    for (const std::string& category : asked.categories) {
      json::object one = counts_of(category).object();
      one["name"] = category;
      one["type"] = "category";
      stats.push_back(std::move(one));
    }
    days.push_back(json::object{{"date", base::format_day(time_of(std::max(day, asked.from)))},
                                {"stats", std::move(stats)}});
  }
  return days;
}

base::Task<HttpResponse> answer(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call,
                                bool has_categories) {
  auto asked = std::make_shared<const Asked>(read_query(*call, worker.clock.now(), has_categories));
  if (asked->problem) co_return tell(*asked->problem, call->caller);
  base::Function<Table(events::Reader&)> question = [asked](events::Reader& reader) {
    return count(reader, *asked);
  };
  const std::optional<Table> table = co_await desk.ask<Table>(worker, std::move(question));
  if (!table) {
    const Problem busy =
        unavailable({"Too many searches are under way.", "検索が混み合っています。"}, 2);
    co_return tell(busy, call->caller);
  }
  co_return json_list(200, describe(*table, *asked));
}

}  // namespace

void add_stats_routes(Frame& frame, EventDesk& desk) {
  for (const auto& [path, has_categories] :
       {std::pair("/v3/stats", false), std::pair("/v3/categories/stats", true)}) {
    frame.add("GET", path, Access{"stats:read"},
              [&frame, &desk, has = has_categories](std::shared_ptr<Call> call) {
                return answer(desk, frame.worker(), std::move(call), has);
              });
  }
}

}  // namespace ekiden::api::sendgrid
