#include "ekiden/cli/fields.hpp"

#include <boost/json/value.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace ekiden::cli {

namespace {

/// Seconds since the epoch of an RFC 3339 time in UTC; 0 when it is none.
std::time_t parse_time(const std::string& text) {
  std::tm parts{};
  if (std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%d", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                  &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6) {
    return 0;
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return ::timegm(&parts);
}

}  // namespace

std::string text_of(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(std::string_view(value->as_string()));
}

std::uint64_t number_of(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  if (value == nullptr) return 0;
  if (value->is_uint64()) return value->as_uint64();
  return value->is_int64() && value->as_int64() > 0 ? static_cast<std::uint64_t>(value->as_int64())
                                                    : 0;
}

std::string short_time(const boost::json::object& object, std::string_view key) {
  const std::time_t time = parse_time(text_of(object, key));
  if (time == 0) return {};
  const std::time_t now = std::time(nullptr);
  std::tm then{}, today{};
  ::localtime_r(&time, &then);
  ::localtime_r(&now, &today);
  const bool is_today = then.tm_yday == today.tm_yday && then.tm_year == today.tm_year;
  char text[32];
  std::strftime(text, sizeof text, is_today ? "%H:%M:%S" : "%b %d %H:%M", &then);
  return text;
}

std::string distance(const boost::json::object& object, std::string_view key) {
  const std::time_t time = parse_time(text_of(object, key));
  if (time == 0) return {};
  const long long seconds = std::llabs(static_cast<long long>(std::time(nullptr) - time));
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (seconds < 7200) return std::to_string(seconds / 60) + "m";
  if (seconds < 172'800) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86'400) + "d";
}

std::string format_octets(std::uint64_t octets) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(octets);
  std::size_t unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

}  // namespace ekiden::cli
