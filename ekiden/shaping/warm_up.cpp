#include "ekiden/shaping/warm_up.hpp"

#include <algorithm>

namespace ekiden::shaping {

namespace {

using namespace std::chrono_literals;

constexpr base::Duration kDay = 24h;
/// Fewer say nothing about a share.
constexpr std::uint32_t kSentLeast = 50;
constexpr std::uint32_t kStepBack = 2;

/// A signal's limits in parts of 10,000, and how many there must be at least.
struct Limits {
  std::uint32_t warning, bad, least;
};
constexpr Limits kBounces{80, 100, 3};
constexpr Limits kComplaints{8, 10, 2};
constexpr Limits kThrottles{300, 1000, 10};

WarmUp::Health health_of(std::uint32_t count, std::uint32_t sent, const Limits& limits) {
  const auto share = std::uint64_t{count} * 10'000;
  if (count < limits.least) return WarmUp::Health::Good;
  if (share >= std::uint64_t{limits.bad} * sent) return WarmUp::Health::Bad;
  if (share >= std::uint64_t{limits.warning} * sent) return WarmUp::Health::Warning;
  return WarmUp::Health::Good;
}

}  // namespace

WarmUp::WarmUp(const WarmUpPlan& plan, const State& state) : plan_(&plan), state_(state) {
  state_.stage = std::min(state_.stage,
                          static_cast<std::uint32_t>(std::min(plan.days.size(), kWarmUpDaysMax)));
}

std::uint32_t WarmUp::allowance() const {
  return is_warm() ? 0 : std::max<std::uint32_t>(1, plan_->days[state_.stage]);
}

base::Duration WarmUp::spacing() const {
  return std::max<base::Duration>(kDay / allowance() / 2, base::Duration(1));
}

WarmUp::Health WarmUp::health() const {
  if (state_.sent < kSentLeast) return Health::Good;
  return std::max({health_of(state_.bounced, state_.sent, kBounces),
                   health_of(state_.complained, state_.sent, kComplaints),
                   health_of(state_.throttled, state_.sent, kThrottles)});
}

void WarmUp::turn_day(base::Time now) {
  const std::int64_t us = base::to_unix_us(now);
  if (state_.day_us == 0) return;
  const std::int64_t idle = plan_->idle_after.count();
  bool is_cold = false;
  if (idle > 0 && state_.last_us > 0) {
    for (std::int64_t left = us - state_.last_us; left >= idle && state_.stage > 0; left -= idle) {
      state_.stage /= 2;
      is_cold = true;
    }
  }
  if (is_warm() || (us - state_.day_us < kDay.count() && !is_cold)) return;
  if (!is_cold) {
    if (state_.is_stopped) {
      state_.stage -= std::min(state_.stage, kStepBack);
    } else if (health() == Health::Good && state_.sent >= (allowance() + 1) / 2) {
      ++state_.stage;
    }
  }
  State next;
  next.stage = state_.stage;
  next.last_us = state_.last_us;
  next.is_paused = state_.is_paused;
  state_ = next;
}

bool WarmUp::may_send(base::Time now) {
  return next_free(now) <= now;
}

base::Time WarmUp::next_free(base::Time now) {
  turn_day(now);
  if (is_warm()) return now;
  if (state_.is_paused) return base::Time::max();
  const base::Time next_day = base::from_unix_us(state_.day_us + kDay.count());
  if (state_.is_stopped) return std::max(now, next_day);
  const base::Time next =
      state_.last_us == 0 ? now : base::from_unix_us(state_.last_us + spacing().count());
  return std::max(now, state_.sent >= allowance() ? std::max(next, next_day) : next);
}

void WarmUp::on_sent(base::Time now) {
  turn_day(now);
  const std::int64_t us = base::to_unix_us(now);
  if (state_.day_us == 0) state_.day_us = us;
  state_.last_us = std::max(state_.last_us, us);
  if (!is_warm()) ++state_.sent;
}

void WarmUp::on_signal(base::Time now, Signal signal) {
  turn_day(now);
  if (is_warm()) return;
  switch (signal) {
    case Signal::HardBounce:
      ++state_.bounced;
      break;
    case Signal::Complaint:
      ++state_.complained;
      break;
    case Signal::Throttled:
      ++state_.throttled;
      break;
  }
  // Nothing sent yet today: a complaint about yesterday. It counts towards the day all the same.
  if (state_.day_us != 0 && health() == Health::Bad) state_.is_stopped = true;
}

}  // namespace ekiden::shaping
