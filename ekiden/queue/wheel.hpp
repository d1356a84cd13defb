#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "ekiden/base/time.hpp"
#include "ekiden/queue/entries.hpp"

namespace ekiden::queue {

/// When each recipient wants attention next: a hierarchical timer wheel (Varghese and Lauck)
/// threaded through the entries, so that a timer costs no memory of its own.
///
/// Units: wall time; a timer fires within one tick (8 ms) after its time, never before it. When
/// the wall clock jumps forward, what became due fires; when it jumps back, `turn_back`.
class Wheel {
 public:
  Wheel(Slab<RecipientEntry>& entries, base::Time now);

  /// Sets the recipient's only timer, replacing an earlier one.
  void set(std::uint32_t slot, base::Time when);
  void cancel(std::uint32_t slot);

  /// Moves time on and hands over what is due, at most `count_max`; each has no timer any more.
  /// Full batches mean: call again.
  std::size_t advance(base::Time now, std::size_t count_max, std::vector<std::uint32_t>& due);

  /// The wall clock was set back. Only while the wheel is empty.
  void turn_back(base::Time now);

  /// When to call `advance` next; nothing while the wheel is empty. May be early, never late.
  std::optional<base::Time> next() const;

  std::size_t size() const { return size_; }

 private:
  static constexpr unsigned kBits = 8;
  static constexpr unsigned kSlots = 1U << kBits;
  /// 8 ms, 2 s, 9 min, 39 h, 416 days: RFC 5321 asks for days.
  static constexpr unsigned kLevels = 5;
  static constexpr std::int64_t kTickUs = 8192;

  void place(std::uint32_t slot, std::int64_t tick);
  void cascade(unsigned level);
  void link(std::uint32_t slot, std::uint16_t at);
  std::optional<std::int64_t> next_tick() const;

  Slab<RecipientEntry>& entries_;
  /// The tick whose timers fired last.
  std::int64_t tick_;
  std::array<std::uint32_t, kLevels * kSlots> heads_;
  /// Absolute tick of each timed recipient is kept by slot, because an entry has other uses for
  /// its own times.
  std::vector<std::int64_t> ticks_;
  std::array<std::uint32_t, kLevels> counts_{};
  std::size_t size_ = 0;
};

}  // namespace ekiden::queue
