#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"

namespace ekiden::shaping {

/// A ramp: what a new source may send to a provider on its first day, its second, … Behind the last
/// it is warm, and only the provider's own limits count.
struct WarmUpPlan {
  std::vector<std::uint32_t> days;  ///< recipients; empty: every source is warm
  base::Duration idle_after = std::chrono::hours(30 * 24);  ///< a source unused as long cools down
};

/// Days of a ramp.
inline constexpr std::size_t kWarmUpDaysMax = 365;

/// The warm-up of one source towards one provider.
///
/// A day begins with its first recipient and has 24 hours. Within it recipients are at least half
/// of an even pace apart, so that none sees a burst, and a day that begins slowly can still be
/// used. The next stage is earned: by a day of which at least half was used and none of the signals
/// warned. A signal past its limit ends the day at once and steps back by two (limits:
/// docs/SHAPING.md). Who sends nothing for `idle_after` falls back to half of its stage.
///
/// Times are wall time; a clock that goes back makes a day longer, never its allowance larger.
class WarmUp {
 public:
  /// What is stored. Anything read back is made to fit.
  struct State {
    std::uint32_t stage = 0;       ///< index of the plan's day; past its end: warm
    std::int64_t day_us = 0;       ///< when the day began, since 1970; 0: none yet
    std::int64_t last_us = 0;      ///< the last recipient
    std::uint32_t sent = 0;        ///< today
    std::uint32_t bounced = 0;     ///< hard, today
    std::uint32_t complained = 0;  ///< today
    std::uint32_t throttled = 0;   ///< today
    bool is_stopped = false;       ///< until the day is over
    bool is_paused = false;        ///< by an operator
  };
  enum class Signal : std::uint8_t { HardBounce, Complaint, Throttled };
  enum class Health : std::uint8_t { Good, Warning, Bad };

  /// `plan` outlives it.
  WarmUp(const WarmUpPlan& plan, const State& state);
  explicit WarmUp(const WarmUpPlan& plan) : WarmUp(plan, State{}) {}

  const State& state() const { return state_; }
  bool is_warm() const { return state_.stage >= plan_->days.size(); }
  /// Recipients of today; without meaning once warm.
  std::uint32_t allowance() const;
  Health health() const;

  /// Whether a recipient may go now. Where not, its mail goes over a source that is warm.
  bool may_send(base::Time now);
  /// When the next one may; `now` when one may now. Paused: never.
  base::Time next_free(base::Time now);
  void on_sent(base::Time now);
  void on_signal(base::Time now, Signal signal);

  /// An operator's. A paused source sends nothing as long as it is not warm.
  void set_paused(bool is_paused) { state_.is_paused = is_paused; }

 private:
  void turn_day(base::Time now);
  base::Duration spacing() const;

  const WarmUpPlan* plan_;
  State state_;
};

}  // namespace ekiden::shaping
