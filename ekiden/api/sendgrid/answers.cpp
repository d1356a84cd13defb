// What the routes beside mail/send have in common.
#include <boost/json/serialize.hpp>

#include "ekiden/account/suppression_file.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/sendgrid/routes.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::sendgrid {

namespace json = boost::json;

namespace {

/// A client that asks for more pages than that wants the export of /v1.
constexpr std::size_t kOffsetMax = 100'000;
constexpr std::size_t kLimitMax = 1000;
constexpr std::size_t kAddressesMax = 1000;
/// Days that one answer spans.
constexpr int kDaysMax = 400;

}  // namespace

HttpResponse json_list(unsigned status, const json::array& array) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/json";
  response.body = json::serialize(array) + "\n";
  return response;
}

Problem bad_request(std::string field, Text text) {
  return invalid_request({{"/" + std::move(field), "bad_value", std::move(text)}});
}

Window read_window(const Call& call) {
  Window window;
  const auto read = [&](std::string_view name, std::size_t most, std::size_t& into) {
    const auto given = call.query.find(name);
    if (!given) return;
    const auto number = base::parse_u64(*given);
    if (!number || *number > most) {
      const std::string max = std::to_string(most);
      window.problem = bad_request(
          std::string(name), {"a number up to " + max + " is required", max + "までの数です"});
      return;
    }
    into = *number;
  };
  read("limit", kLimitMax, window.limit);
  read("offset", kOffsetMax, window.offset);
  if (window.limit == 0) window.limit = 500;
  return window;
}

std::vector<std::string> read_addresses(const json::object& body, std::string_view name) {
  std::vector<std::string> addresses;
  const json::array* list = array_of(body, name);
  for (std::size_t i = 0; list != nullptr && i < list->size() && i < kAddressesMax; ++i)
    addresses.push_back(text_of((*list)[i]));
  return addresses;
}

Days day_of(base::Time time) {
  return std::chrono::floor<std::chrono::days>(
      std::chrono::sys_time<base::Duration>(time.time_since_epoch()));
}

base::Time time_of(Days day) {
  return base::Time(day.time_since_epoch());
}

DayRange read_days(const Call& call, base::Time now, std::optional<int> days_without_start) {
  DayRange range;
  const auto wrong = [&](std::string_view field, Text text) {
    range.problem = bad_request(std::string(field), std::move(text));
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
  if (!call.query.find("start_date") && !days_without_start)
    wrong("start_date", {"start_date is required", "start_dateは必須です"});
  const Days last = day("end_date", day_of(now));
  range.until = last + std::chrono::days(1);
  range.from = day("start_date", last - std::chrono::days(days_without_start.value_or(1) - 1));
  if (range.until <= range.from || range.until - range.from > std::chrono::days(kDaysMax))
    wrong("end_date",
          {"it must follow start_date, by 400 days at most", "start_dateから400日以内の日付です"});
  return range;
}

std::int64_t unix_seconds(base::Time time) {
  return base::to_unix_us(time) / 1'000'000;
}

}  // namespace ekiden::api::sendgrid
