// /usages: how many recipients the tenant's mail had, month by month. Months are those of UTC, as
// quotas count them.
#include <boost/json/array.hpp>

#include "ekiden/account/tenant.hpp"
#include "ekiden/api/blastengine/logs.hpp"
#include "ekiden/api/blastengine/transaction.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/stats.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::api::blastengine {
namespace {

namespace json = boost::json;
using Month = std::chrono::year_month;

constexpr std::uint64_t kMonthsMax = 24;

Month month_of(base::Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<base::Duration>(time.time_since_epoch()));
  const std::chrono::year_month_day date(day);
  return date.year() / date.month();
}

base::Time begin_of(Month month) {
  return base::Time(std::chrono::sys_days(month / 1).time_since_epoch());
}

/// What a tenant may send in a month; zero: no limit.
std::uint64_t quota_of(const Caller& caller) {
  const account::TenantRules* rules = caller.accounts->find_tenant(caller.tenant());
  return rules == nullptr ? 0 : rules->settings.limits.per_month;
}

json::object describe(Month month, std::uint64_t counted, std::uint64_t quota, base::Time now) {
  json::object object{{"month", static_cast<int>(month.year()) * 100 +
                                    static_cast<int>(static_cast<unsigned>(month.month()))},
                      {"current", counted},
                      {"remaining", nullptr},
                      {"update_time", webhook::japan_time(now)},
                      {"plan_id", "ekiden"}};
  if (quota != 0) object["remaining"] = quota > counted ? quota - counted : 0;
  return object;
}

/// Those months, newest first.
base::Task<HttpResponse> answer(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call,
                                std::vector<Month> months, bool is_one) {
  const base::Time now = worker.clock.now();
  const std::uint64_t quota = quota_of(call->caller);
  json::array data;
  for (const Month month : months) {
    events::StatsQuery query;
    query.filter.tenant = call->caller.tenant();
    query.filter.kind = events::Kind::Accepted;
    query.filter.from = begin_of(month);
    query.filter.until = begin_of(month + std::chrono::months(1));
    query.time = events::StatsQuery::Time::None;
    const std::optional<events::Stats> stats = co_await desk.count(worker, std::move(query));
    if (!stats) co_return tell(too_busy(), call->caller);
    data.push_back(describe(month, events::sum_of(stats->totals), quota, now));
  }
  if (is_one) co_return json_response(200, data.front().get_object());
  co_return json_response(200, json::object{{"data", std::move(data)}});
}

base::Task<HttpResponse> list(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call) {
  const auto ago = base::parse_u64(call->query.find("month_ago").value_or("0"));
  if (!ago || *ago > kMonthsMax) {
    const Problem problem = bad_field("month_ago", {"a number up to 24", "24までの数です"});
    co_return tell(problem, call->caller);
  }
  std::vector<Month> months;
  const Month now = month_of(worker.clock.now());
  for (std::uint64_t i = 0; i <= *ago; ++i) months.push_back(now - std::chrono::months(i));
  co_return co_await answer(desk, worker, call, std::move(months), false);
}

base::Task<HttpResponse> show(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call) {
  const std::string_view text = call->path.get("month");
  const auto number = base::parse_u64(text);
  const Month month = std::chrono::year(static_cast<int>(number.value_or(0) / 100)) /
                      std::chrono::month(static_cast<unsigned>(number.value_or(0) % 100));
  const Month now = month_of(worker.clock.now());
  if (!number || text.size() != 6 || !month.ok() || month > now)
    co_return tell(no_data(), call->caller);
  std::vector<Month> months{month};
  co_return co_await answer(desk, worker, call, std::move(months), true);
}

base::Task<HttpResponse> latest(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call) {
  std::vector<Month> months{month_of(worker.clock.now())};
  return answer(desk, worker, std::move(call), std::move(months), true);
}

}  // namespace

void add_usage_routes(Frame& frame, EventDesk& desk) {
  using Asking = base::Task<HttpResponse> (*)(EventDesk&, base::Worker&, std::shared_ptr<Call>);
  const auto add = [&](const char* path, Asking what) {
    frame.add("GET", path, Access{"stats:read"}, [&frame, &desk, what](std::shared_ptr<Call> call) {
      return what(desk, frame.worker(), std::move(call));
    });
  };
  add("/api/v1/usages", list);
  add("/api/v1/usages/latest", latest);
  add("/api/v1/usages/{month}", show);
}

}  // namespace ekiden::api::blastengine
