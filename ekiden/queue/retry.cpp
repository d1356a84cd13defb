#include "ekiden/queue/retry.hpp"

#include <algorithm>
#include <cmath>

namespace ekiden::queue {
namespace {

base::Duration scaled(base::Duration duration, double scale) {
  return base::Duration(
      static_cast<base::Duration::rep>(static_cast<double>(duration.count()) * scale));
}

}  // namespace

base::Duration retry_interval(const RetryPolicy& policy, unsigned attempts, base::Random& random) {
  const double exponent = attempts > 0 ? static_cast<double>(attempts - 1) : 0.0;
  const double plain =
      static_cast<double>(policy.first.count()) * std::pow(policy.factor, exponent);
  const double capped = std::min(plain, static_cast<double>(policy.max_interval.count()));
  const double jitter = 0.75 + 0.5 * random.unit();
  const base::Duration interval(static_cast<base::Duration::rep>(capped * jitter));
  return std::max(scaled(interval, policy.time_scale), base::Duration(1));
}

base::Duration longest_interval(const RetryPolicy& policy) {
  return scaled(policy.max_interval + policy.max_interval / 4, policy.time_scale);
}

base::Time expiry_time(const RetryPolicy& policy, base::Time received) {
  return received + scaled(policy.expire_after, policy.time_scale);
}

base::Time delay_notice_time(const RetryPolicy& policy, base::Time received, bool is_asked_for) {
  if (policy.delay_notice_after)
    return received + scaled(*policy.delay_notice_after, policy.time_scale);
  if (is_asked_for) return received + scaled(kDelayNoticeDefault, policy.time_scale);
  return base::Time::max();
}

}  // namespace ekiden::queue
