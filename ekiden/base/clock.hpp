#pragma once

#include <cstdint>

#include "ekiden/base/function.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::base {

enum class TimerId : std::uint64_t { None = 0 };

/// The time, and timers that fire on the worker that owns the clock.
///
/// Sharing: `now` and `steady` from anywhere; timers from the owning worker only.
class Clock {
 public:
  virtual ~Clock() = default;

  /// Wall time. It may jump, in both directions.
  virtual Time now() const = 0;

  /// Monotonic time. It only ever grows.
  virtual Steady steady() const = 0;

  /// Calls `work` once, on the owning worker, at `when` or soon after.
  virtual TimerId call_at(Steady when, Work work) = 0;

  /// Forgets the timer. True when it had not fired yet.
  virtual bool cancel(TimerId id) = 0;

  TimerId call_after(Duration delay, Work work) {
    return call_at(steady() + delay, std::move(work));
  }
};

}  // namespace ekiden::base
