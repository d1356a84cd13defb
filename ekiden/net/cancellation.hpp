#pragma once

#include <memory>
#include <utility>

#include "ekiden/base/function.hpp"

namespace ekiden::net {

/// Breaks off a wait that another coroutine of the same worker has begun.
///
/// Sharing: one worker; held by whoever waits and whoever may cancel.
class Cancellation {
 public:
  /// Once; nothing happens when nobody waits any more.
  void cancel() {
    is_cancelled_ = true;
    if (break_off_) std::exchange(break_off_, {})();
  }
  bool is_cancelled() const { return is_cancelled_; }

  /// While it lives, `break_off` is what ends the wait. One at a time.
  class Wait {
   public:
    /// `cancellation` may be null: then nobody breaks it off.
    Wait(std::shared_ptr<Cancellation> cancellation, base::Work break_off)
        : cancellation_(std::move(cancellation)) {
      if (cancellation_) cancellation_->break_off_ = std::move(break_off);
    }
    ~Wait() {
      if (cancellation_) cancellation_->break_off_ = {};
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    std::shared_ptr<Cancellation> cancellation_;
  };

 private:
  base::Work break_off_;
  bool is_cancelled_ = false;
};

}  // namespace ekiden::net
