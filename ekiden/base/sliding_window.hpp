#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "ekiden/base/time.hpp"

namespace ekiden::base {

/// Admits at most `count` events in any half-open window of length `per`, all of them at once if
/// they come so: what clients may ask of us. (What we ask of others is paced:
/// shaping::WindowLimit.)
///
/// Events are counted by slots of per / kSlots and kept for kSlots + 1 of them, so one counts up to
/// 1 / kSlots longer than it must: under a backlog kSlots / (kSlots + 1) of the rate are used. A
/// time that goes back counts as standing still. With another `per` all events count as new ones.
///
/// Sharing: none; whoever shares one locks it.
template <unsigned kSlots>
class SlidingWindow {
 public:
  /// Counts one event, if it may happen.
  bool take(std::uint32_t count, Duration per, Steady now) {
    turn(per, now);
    if (total_ >= count) return false;
    ++counts_[place(latest_)];
    ++total_;
    return true;
  }
  /// An event that was taken at `taken` never happened.
  void give_back(Duration per, Steady taken) {
    if (per != per_) return;
    const std::int64_t slot = slot_of(taken);
    if (slot > latest_ || latest_ - slot > kSlots || counts_[place(slot)] == 0) return;
    --counts_[place(slot)];
    --total_;
  }
  std::uint32_t left(std::uint32_t count, Duration per, Steady now) {
    turn(per, now);
    return total_ >= count ? 0 : count - total_;
  }
  /// How long until one may happen; zero when one may now.
  Duration wait(std::uint32_t count, Duration per, Steady now) {
    turn(per, now);
    return total_ < count ? Duration(0) : until_gone(total_ - count + 1, now);
  }
  /// How long until one more may happen than may now; zero when nothing counts.
  Duration until_more(Duration per, Steady now) {
    turn(per, now);
    return total_ == 0 ? Duration(0) : until_gone(1, now);
  }
  /// Nothing counted when it was last looked at.
  bool is_empty() const { return total_ == 0; }

 private:
  static std::size_t place(std::int64_t slot) {
    return static_cast<std::size_t>(slot % std::int64_t{kSlots + 1});
  }
  std::int64_t slot_of(Steady time) const {
    return std::max<std::int64_t>(time.time_since_epoch().count(), 0) / length_;
  }
  void turn(Duration per, Steady now) {
    if (per != per_) {
      per_ = per;
      length_ = std::max<std::int64_t>((per.count() + kSlots - 1) / kSlots, 1);
      latest_ = slot_of(now);
      counts_.fill(0);
      counts_[place(latest_)] = total_;
      return;
    }
    const std::int64_t slot = slot_of(now);
    if (slot - latest_ > kSlots) {
      counts_.fill(0);
      total_ = 0;
      latest_ = slot;
    }
    while (latest_ < slot) {
      std::uint32_t& oldest = counts_[place(++latest_)];
      total_ -= oldest;
      oldest = 0;
    }
  }
  /// Until so many of the oldest count no longer.
  Duration until_gone(std::uint32_t events, Steady now) const {
    std::uint32_t gone = 0;
    for (std::int64_t slot = std::max<std::int64_t>(latest_ - kSlots, 0); slot <= latest_; ++slot) {
      gone += counts_[place(slot)];
      if (gone < events) continue;
      const Steady free(Duration((slot + kSlots + 1) * length_));
      return std::max(free - now, Duration(1));
    }
    return Duration(1);
  }

  Duration per_{};
  std::int64_t length_ = 1;  ///< of a slot, in microseconds
  std::int64_t latest_ = 0;  ///< the slot of the last look, counted from the clock's zero
  std::uint32_t total_ = 0;
  std::array<std::uint32_t, kSlots + 1> counts_{};
};

}  // namespace ekiden::base
