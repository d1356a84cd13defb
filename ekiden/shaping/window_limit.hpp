#pragma once

#include <cstdint>
#include <deque>

#include "ekiden/base/time.hpp"
#include "ekiden/config/rate.hpp"

namespace ekiden::shaping {

/// Never more than `count` events in any half-open window of length `per`, and at least 98 % of
/// them under a backlog.
///
/// A generic cell rate algorithm with the rate reduced by the burst. Of N events in T, b - 1 may
/// come early (b = 1 + N / 128) and the others are T / (N - b + 1) apart. The n-th event behind
/// one at t is then not before t + (n - b) T / (N - b + 1), so a window of length T holds N at
/// most. The burst costs N / 128 of the rate, under one in a hundred; it lets whoever asks be late
/// by as much without losing its turn. Without it, where N is below 128, events are T / N apart.
///
/// Whole numbers only: time is counted in units of 1 / (N - b + 1) microseconds, in which the
/// interval is exactly T. The time is handed in; one that goes back counts as standing still.
class WindowLimit {
 public:
  /// A rate that is off never limits.
  explicit WindowLimit(config::Rate rate);
  WindowLimit(std::uint32_t count, base::Duration per) : WindowLimit(config::Rate{count, per}) {}

  bool is_off() const { return rate_.is_off(); }
  const config::Rate& rate() const { return rate_; }
  /// The most that `available` ever gives.
  std::uint32_t burst() const { return burst_; }

  /// How many events may happen now.
  std::uint32_t available(base::Steady now) const;
  /// When the next one may; not after `now` when one may now.
  base::Steady next_free(base::Steady now) const;
  /// Counts `n` events, of which `available` must not be less.
  void take(base::Steady now, std::uint32_t n = 1);

  /// The same for events that may come back: a ticket for them. The last kTicketsMax count.
  std::uint64_t take_returnable(base::Steady now, std::uint32_t n);
  /// `n` events of a ticket, which never happened. A ticket is good once. What came behind them
  /// stays as far from each other as before, so not all of their time may be won back.
  void give_back(std::uint64_t ticket, std::uint32_t n);
  static constexpr std::size_t kTicketsMax = 64;

  /// Another rate from now on. What was counted still is: as so many events of a faster rate, as
  /// the wait that is left of a slower one, and at least one new interval's share of the burst.
  void set_rate(config::Rate rate, base::Steady now);

 private:
  __extension__ using Wide = __int128;

  void use(config::Rate rate);
  Wide scaled(base::Steady time) const { return Wide{time.time_since_epoch().count()} * scale_; }
  base::Steady clamped(base::Steady now) const { return now < latest_ ? latest_ : now; }

  config::Rate rate_;
  std::uint32_t burst_ = 1;
  std::int64_t scale_ = 1;  ///< units in a microsecond
  Wide interval_ = 0;       ///< in units
  Wide due_ = 0;            ///< when the events so far would be done at an even pace, in units
  base::Steady latest_{};   ///< time never goes back behind this

  /// What was taken behind a ticket, as if nothing had been before.
  struct Ticket {
    std::uint64_t id;
    Wide due;
  };
  std::deque<Ticket> tickets_;  ///< by id
  std::uint64_t ticket_ = 0;    ///< the last one
};

}  // namespace ekiden::shaping
