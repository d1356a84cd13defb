#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"

namespace ekiden::spool::testing {

/// Runs what was posted when the test says so. One thread.
class ManualExecutor final : public base::Executor {
 public:
  void post(base::Work work) override { queue_.push_back(std::move(work)); }

  /// Runs the oldest piece of work; false when there is none.
  bool run_one() {
    if (queue_.empty()) return false;
    base::Work work = std::move(queue_.front());
    queue_.pop_front();
    ++ran_;
    work();
    return true;
  }
  void clear() { queue_.clear(); }
  std::size_t waiting() const { return queue_.size(); }
  std::uint64_t ran() const { return ran_; }

 private:
  std::deque<base::Work> queue_;
  std::uint64_t ran_ = 0;
};

/// Time that stands still until the test moves it.
class ManualClock final : public base::Clock {
 public:
  base::Time now() const override {
    return base::from_unix_us(1'800'000'000'000'000) + steady_.time_since_epoch();
  }
  base::Steady steady() const override { return steady_; }
  base::TimerId call_at(base::Steady when, base::Work work) override {
    const auto id = static_cast<base::TimerId>(++last_);
    timers_.emplace(std::make_pair(when, id), std::move(work));
    return id;
  }
  bool cancel(base::TimerId id) override {
    for (auto i = timers_.begin(); i != timers_.end(); ++i) {
      if (i->first.second != id) continue;
      timers_.erase(i);
      return true;
    }
    return false;
  }
  /// Moves on to the next timer and runs it; false when there is none before `limit`.
  bool run_next(base::Steady limit = base::kNever) {
    if (timers_.empty() || timers_.begin()->first.first > limit) return false;
    auto node = timers_.extract(timers_.begin());
    steady_ = std::max(steady_, node.key().first);
    node.mapped()();
    return true;
  }
  void advance(base::Duration by) {
    const base::Steady until = steady_ + by;
    while (run_next(until)) {
    }
    steady_ = until;
  }
  void clear() { timers_.clear(); }
  std::size_t waiting() const { return timers_.size(); }

 private:
  base::Steady steady_{};
  std::uint64_t last_ = 0;
  std::map<std::pair<base::Steady, base::TimerId>, base::Work> timers_;
};

}  // namespace ekiden::spool::testing
