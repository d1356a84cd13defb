#pragma once

#include <cstdint>
#include <optional>

#include "ekiden/base/random.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::queue {

/// When to try a deferred recipient again, and when to give up.
struct RetryPolicy {
  base::Duration first = std::chrono::minutes(5);
  double factor = 2.0;
  base::Duration max_interval = std::chrono::hours(4);
  /// RFC 5321 §4.5.4.1: at least 4 to 5 days.
  base::Duration expire_after = std::chrono::hours(24 * 5);
  /// Nothing: a delay notice only where NOTIFY=DELAY asks for one, after `kDelayNoticeDefault`.
  std::optional<base::Duration> delay_notice_after;
  /// Multiplies every interval above. 1 except in tests.
  double time_scale = 1.0;

  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

/// Where a message asks for NOTIFY=DELAY and the operator has set no time.
inline constexpr base::Duration kDelayNoticeDefault = std::chrono::hours(4);

/// The pause after the `attempts`-th attempt (1 is the first), spread by up to a quarter both
/// ways so that what failed together does not return together.
base::Duration retry_interval(const RetryPolicy& policy, unsigned attempts, base::Random& random);

/// No pause is longer.
base::Duration longest_interval(const RetryPolicy& policy);

base::Time expiry_time(const RetryPolicy& policy, base::Time received);

/// When a delay notice falls due; Time::max() when none does.
base::Time delay_notice_time(const RetryPolicy& policy, base::Time received, bool is_asked_for);

}  // namespace ekiden::queue
