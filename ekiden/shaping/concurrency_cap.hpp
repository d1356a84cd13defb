#pragma once

#include <algorithm>
#include <cstdint>

#include "ekiden/base/assert.hpp"

namespace ekiden::shaping {

/// So many at once: connections of one source to one provider. The owner counts what it has handed
/// out, to itself or to other workers; whoever has one gives it back when it is over. A lower limit
/// takes effect as they come back.
class ConcurrencyCap {
 public:
  explicit ConcurrencyCap(std::uint32_t limit) : limit_(limit) {}

  std::uint32_t limit() const { return limit_; }
  std::uint32_t used() const { return used_; }
  std::uint32_t available() const { return used_ < limit_ ? limit_ - used_ : 0; }

  /// Hands out `wanted` of them, or as many as there are.
  std::uint32_t take(std::uint32_t wanted = 1) {
    const std::uint32_t n = std::min(wanted, available());
    used_ += n;
    return n;
  }
  void give_back(std::uint32_t n = 1) {
    EKIDEN_ASSERT(n <= used_, "nothing comes back that was not taken");
    used_ -= n;
  }
  void set_limit(std::uint32_t limit) { limit_ = limit; }

 private:
  std::uint32_t limit_;
  std::uint32_t used_ = 0;
};

}  // namespace ekiden::shaping
