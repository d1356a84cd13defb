#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ekiden/base/clock.hpp"

namespace ekiden::spool {

/// Whether a batch should wait a moment for messages that are on their way in, so that they share
/// its sync. Waiting that brings nothing (clients that hang inside a transaction) is tried ever
/// more rarely.
class Gathering {
 public:
  /// Never longer: it is part of somebody's time to 250.
  static constexpr base::Duration kWait = std::chrono::microseconds(500);

  /// `waiting`: new messages ready to be written; `expected`: on their way in.
  bool is_worth(std::size_t waiting, std::int64_t expected) {
    if (expected <= 0 || waiting == 0 || waiting >= kEnough) return false;
    if (skips_ == 0) return true;
    --skips_;
    return false;
  }

  /// How a wait ended.
  void learn(std::size_t waiting_before, std::size_t waiting_after) {
    if (waiting_after > waiting_before) {
      failures_ = 0;
      return;
    }
    failures_ = std::min(failures_ + 1, kFailuresMax);
    skips_ = (1u << failures_) - 1;
  }

 private:
  /// A batch of so many is cheap enough for each.
  static constexpr std::size_t kEnough = 32;
  static constexpr unsigned kFailuresMax = 6;  ///< at most one useless wait in 64 batches
  unsigned failures_ = 0, skips_ = 0;
};

}  // namespace ekiden::spool
