#include "ekiden/webhook/schedule.hpp"

#include <algorithm>
#include <array>

#include "ekiden/base/text.hpp"

namespace ekiden::webhook {
namespace {

constexpr base::Duration kFirst = std::chrono::seconds(5);
constexpr base::Duration kLongest = std::chrono::hours(1);
constexpr unsigned kFactor = 3;
constexpr double kJitter = 0.2;

std::optional<int> number_at(std::string_view text, std::size_t at, std::size_t size) {
  const auto number = base::parse_u64(text.substr(at, size));
  if (!number) return std::nullopt;
  return static_cast<int>(*number);
}

/// RFC 9110 §5.6.7, the form that is written today: "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<base::Time> parse_http_date(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || !text.ends_with(" GMT") || text[4] != ' ' || text[19] != ':')
    return std::nullopt;
  const auto day = number_at(text, 5, 2), year = number_at(text, 12, 4);
  const auto hour = number_at(text, 17, 2), minute = number_at(text, 20, 2);
  const auto second = number_at(text, 23, 2);
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  if (!day || !year || !hour || !minute || !second || month == kMonths.end()) return std::nullopt;
  const std::chrono::year_month_day date{
      std::chrono::year(*year),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return std::chrono::time_point_cast<base::Duration>(std::chrono::sys_days(date)) +
         std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

}  // namespace

base::Duration retry_wait(std::uint32_t failures, base::Random& random) {
  base::Duration wait = kFirst;
  for (std::uint32_t i = 1; i < failures && wait < kLongest; ++i) wait *= kFactor;
  wait = std::min(wait, kLongest);
  const double factor = 1 - kJitter + 2 * kJitter * random.unit();
  return base::Duration(static_cast<std::int64_t>(static_cast<double>(wait.count()) * factor));
}

std::optional<base::Duration> parse_retry_after(std::string_view text, base::Time now) {
  text = base::trimmed(text);
  if (const auto seconds = base::parse_u64(text)) {
    const auto most = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(kRetryAfterMax).count());
    return std::chrono::seconds(std::min(*seconds, most));
  }
  const auto date = parse_http_date(text);
  if (!date) return std::nullopt;
  return std::clamp(*date - now, base::Duration(0), kRetryAfterMax);
}

}  // namespace ekiden::webhook
