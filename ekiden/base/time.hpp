#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace ekiden::base {

using Duration = std::chrono::microseconds;

/// Wall time, microseconds since the Unix epoch, UTC. Stored, shown, compared across restarts.
using Time = std::chrono::time_point<std::chrono::system_clock, Duration>;

/// Monotonic time of one process, for deadlines and durations only. Never stored.
struct SteadyTag {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  using time_point = std::chrono::time_point<SteadyTag, Duration>;
  static constexpr bool is_steady = true;
};
using Steady = SteadyTag::time_point;

inline constexpr Steady kNever = Steady::max();

inline std::int64_t to_unix_us(Time time) {
  return time.time_since_epoch().count();
}
inline Time from_unix_us(std::int64_t us) {
  return Time(Duration(us));
}

/// "2026-11-22T06:10:11.123456Z", RFC 3339.
std::string format_rfc3339(Time time);

/// "Sun, 22 Nov 2026 06:10:11 +0000", RFC 5322 §3.3.
std::string format_rfc5322(Time time);

/// "2026-11-22", the day in UTC.
std::string format_day(Time time);

/// "1d2h", "5m", "250ms": the two largest units, for people.
std::string format_duration(Duration duration);

}  // namespace ekiden::base
