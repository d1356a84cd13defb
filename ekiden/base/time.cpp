#include "ekiden/base/time.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace ekiden::base {
namespace {

struct Civil {
  int year, month, day, hour, minute, second, microsecond, weekday;
};

/// What four digits of a year can say. Stored times come from disks and may be anything.
constexpr Time kFirst(std::chrono::sys_days(std::chrono::year(0) / 1 / 1));
constexpr Time kLast(Time(std::chrono::sys_days(std::chrono::year(10000) / 1 / 1)) - Duration(1));

Civil civil_from(Time time) {
  time = std::clamp(time, kFirst, kLast);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return {static_cast<int>(date.year()),
          static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day())),
          static_cast<int>(clock.hours().count()),
          static_cast<int>(clock.minutes().count()),
          static_cast<int>(clock.seconds().count()),
          static_cast<int>(clock.subseconds().count()),
          static_cast<int>(std::chrono::weekday(day).c_encoding())};
}

}  // namespace

std::string format_rfc3339(Time time) {
  const Civil c = civil_from(time);
  std::array<char, 48> text;
  const int n = std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                              c.year, c.month, c.day, c.hour, c.minute, c.second, c.microsecond);
  return std::string(text.data(), static_cast<std::size_t>(n));
}

std::string format_rfc5322(Time time) {
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const Civil c = civil_from(time);
  std::array<char, 64> text;
  const int n = std::snprintf(text.data(), text.size(), "%s, %d %s %04d %02d:%02d:%02d +0000",
                              kDays[static_cast<std::size_t>(c.weekday)], c.day,
                              kMonths[static_cast<std::size_t>(c.month - 1)], c.year, c.hour,
                              c.minute, c.second);
  return std::string(text.data(), static_cast<std::size_t>(n));
}

std::string format_day(Time time) {
  return format_rfc3339(time).substr(0, 10);
}

std::string format_duration(Duration duration) {
  using std::chrono::milliseconds;
  if (duration < Duration::zero()) return "-" + format_duration(-duration);
  if (duration < milliseconds(1)) return std::to_string(duration.count()) + "us";
  if (duration < std::chrono::seconds(1)) return std::to_string(duration / milliseconds(1)) + "ms";
  struct Unit {
    const char* name;
    std::int64_t seconds;
  };
  static constexpr std::array<Unit, 4> kUnits{{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}};
  std::int64_t left = duration / std::chrono::seconds(1);
  std::string text;
  int shown = 0;
  for (const Unit& unit : kUnits) {
    const std::int64_t count = left / unit.seconds;
    left %= unit.seconds;
    if (count > 0) text += std::to_string(count) + unit.name;
    if ((count > 0 || shown > 0) && ++shown == 2) break;
  }
  return text;
}

}  // namespace ekiden::base
