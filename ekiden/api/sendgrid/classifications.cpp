// /v3/suppression/bounces/classifications: what bounces are called, day by day, and whose domains
// they were of. Looked at are the events, slice by slice.
#include <algorithm>
#include <boost/json/array.hpp>
#include <map>
#include <memory>

#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/sendgrid/mail_send.hpp"
#include "ekiden/api/sendgrid/routes.hpp"
#include "ekiden/base/csv.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::api::sendgrid {
namespace {

namespace json = boost::json;
using events::Event;
using events::Kind;

/// Without a start.
constexpr int kDaysDefault = 30;
/// Domains of one day that are told apart.
constexpr std::size_t kNamesMax = 10'000;

using Names = std::map<std::string, std::uint64_t>;
using Table = std::map<Days, Names>;

std::vector<std::pair<std::string, std::uint64_t>> in_order(const Names& names) {
  std::vector<std::pair<std::string, std::uint64_t>> list(names.begin(), names.end());
  std::stable_sort(list.begin(), list.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return list;
}

json::object describe(const Table& table, const char* what) {
  json::array days;
  for (const auto& [day, names] : table) {
    json::array stats;
    for (const auto& [name, count] : in_order(names))
      stats.push_back(json::object{{what, name}, {"count", count}});
    days.push_back(
        json::object{{"date", base::format_day(time_of(day))}, {"stats", std::move(stats)}});
  }
  return json::object{{"result", std::move(days)}};
}

HttpResponse describe_as_csv(const Table& table, const char* what) {
  HttpResponse response;
  response.content_type = "text/csv; charset=utf-8";
  response.body = std::string("date,") + what + ",count\r\n";
  for (const auto& [day, names] : table) {
    for (const auto& [name, count] : in_order(names))
      response.body += base::format_day(time_of(day)) + "," + base::format_csv_field(name) + "," +
                       std::to_string(count) + "\r\n";
  }
  return response;
}

bool wants_csv(const Call& call) {
  return base::starts_with_ignoring_case(call.request.header("accept"), "text/csv");
}

/// `wanted` empty: all classifications, by name; else its domains.
base::Task<HttpResponse> answer(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call) {
  const std::string wanted(call->path.find("classification").value_or(""));
  const DayRange range = read_days(*call, worker.clock.now(), kDaysDefault);
  if (range.problem) co_return tell(*range.problem, call->caller);
  auto table = std::make_shared<Table>();
  for (Days day = range.from; day < range.until; day += std::chrono::days(1)) (*table)[day];
  for (const Kind kind : {Kind::Bounced, Kind::Expired, Kind::Returned}) {
    events::Query query;
    query.tenant = call->caller.tenant();
    query.kind = kind;
    query.from = time_of(range.from);
    query.until = time_of(range.until);
    EventDesk::See see = [table, wanted](const events::Stored& stored) {
      const Event& event = stored.event;
      std::string name(webhook::sendgrid_classification(event.reason));
      if (!wanted.empty()) {
        if (!base::equals_ignoring_case(name, wanted)) return true;
        name = event.recipient.substr(std::min(event.recipient.rfind('@'), event.recipient.size()));
        name = base::lowered(name.substr(std::min<std::size_t>(1, name.size())));
      }
      Names& names = (*table)[day_of(event.time)];
      if (names.size() < kNamesMax || names.contains(name)) ++names[webhook::json_text(name)];
      return true;
    };
    const EventDesk::Scan scan = co_await desk.scan(worker, std::move(query), std::move(see));
    if (scan != EventDesk::Scan::Busy) continue;
    const Problem busy =
        unavailable({"Too many searches are under way.", "検索が混み合っています。"}, 2);
    co_return tell(busy, call->caller);
  }
  const char* const what = wanted.empty() ? "classification" : "domain";
  if (wants_csv(*call)) co_return describe_as_csv(*table, what);
  co_return json_response(200, describe(*table, what));
}

}  // namespace

void add_classification_routes(Frame& frame, EventDesk& desk) {
  const std::string path = "/v3/suppression/bounces/classifications";
  for (const std::string& one : {path, path + "/{classification}"}) {
    frame.add("GET", one, Access{"stats:read"}, [&frame, &desk](std::shared_ptr<Call> call) {
      return answer(desk, frame.worker(), std::move(call));
    });
  }
}

}  // namespace ekiden::api::sendgrid
