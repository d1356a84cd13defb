#pragma once

#include <cstdint>
#include <deque>

#include "ekiden/shaping/window_limit.hpp"

namespace ekiden::shaping {

/// Events that one worker may let happen, lent by the owner of a limit. A plain value: it travels
/// by post.
struct Slice {
  std::uint32_t count = 0;
  base::Steady expires{};    ///< an event at this time or later is none of this slice's
  std::uint64_t ticket = 0;  ///< of the limit, for taking back
  base::Steady next_free{};  ///< when to ask again
};

/// The owner of a limit that several workers use: lends, and takes back what was not used.
///
/// A slice's events happen within `lease` of being lent. A window of length T in which they happen
/// so lies in one of T + lease in which they were lent, and the owner counts in windows of that
/// length: the sum of all workers never exceeds the limit in any window, however posts are delayed
/// or lost. The lease is T / 128 at most, so that still 98 % are used. Workers of one process share
/// their monotonic clock.
class LimitLender {
 public:
  static constexpr base::Duration kLeaseMax = std::chrono::milliseconds(250);

  explicit LimitLender(config::Rate rate);

  base::Duration lease() const { return lease_; }
  /// At most `wanted`, and a quarter of what there is, so that four who ask at once all get some;
  /// with few left one at a time, and none when there is none: `next_free` says when to ask again.
  Slice lend(base::Steady now, std::uint32_t wanted);
  /// What is left of a slice, expired or not.
  void take_back(const Slice& unused);
  void set_rate(config::Rate rate, base::Steady now);

 private:
  static base::Duration lease_of(config::Rate rate);
  static config::Rate widened(config::Rate rate);

  base::Duration lease_;
  WindowLimit limit_;
};

/// A worker's side: what it has borrowed.
class LimitBorrower {
 public:
  void add(const Slice& slice);
  /// Whether an event may happen now; counts it.
  bool take(base::Steady now);
  /// Events that may happen now.
  std::uint32_t available(base::Steady now) const;
  /// What has expired, to be given back; nothing lent (count 0) when there is none.
  Slice expired(base::Steady now);
  /// All that is left, when there is nothing to send any more.
  Slice give_up();

 private:
  std::deque<Slice> slices_;  ///< by expiry
};

}  // namespace ekiden::shaping
