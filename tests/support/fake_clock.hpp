#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"

namespace ekiden::test {

/// A clock that moves only when told to; timers fire inside `advance`, in order.
class FakeClock final : public base::Clock {
 public:
  /// 2026-11-22T00:00:00Z.
  static constexpr std::int64_t kStartUnixUs = 1'795'305'600'000'000;

  base::Time now() const override { return now_; }
  base::Steady steady() const override { return steady_; }
  base::TimerId call_at(base::Steady when, base::Work work) override {
    const std::uint64_t id = ++last_id_;
    timers_.emplace(std::pair(when, id), std::move(work));
    when_.emplace(id, when);
    return static_cast<base::TimerId>(id);
  }
  bool cancel(base::TimerId id) override {
    const auto when = when_.find(static_cast<std::uint64_t>(id));
    if (when == when_.end()) return false;
    timers_.erase({when->second, when->first});
    when_.erase(when);
    return true;
  }

  /// Fires everything due up to then, in order, timers set meanwhile included.
  void advance(base::Duration by) {
    const base::Steady end = steady_ + by;
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto timer = timers_.extract(timers_.begin());
      const base::Steady due = timer.key().first;
      when_.erase(timer.key().second);
      if (due > steady_) {
        now_ += due - steady_;
        steady_ = due;
      }
      timer.mapped()();
    }
    now_ += end - steady_;
    steady_ = end;
  }
  void set_now(base::Time now) { now_ = now; }
  /// The process ends: nothing fires any more.
  void drop() {
    when_.clear();
    // What dies with a timer may cancel others: it finds none.
    const auto timers = std::exchange(timers_, {});
  }
  std::size_t timers() const { return timers_.size(); }
  /// When the next one fires; Steady::max() when there is none.
  base::Steady next_timer() const {
    return timers_.empty() ? base::Steady::max() : timers_.begin()->first.first;
  }

 private:
  base::Time now_ = base::from_unix_us(kStartUnixUs);
  base::Steady steady_{};
  std::uint64_t last_id_ = 0;
  std::map<std::pair<base::Steady, std::uint64_t>, base::Work> timers_;
  std::unordered_map<std::uint64_t, base::Steady> when_;
};

/// Work waits until `run`, which runs until nothing is left.
class FakeExecutor final : public base::Executor {
 public:
  void post(base::Work work) override { waiting_.push_back(std::move(work)); }
  std::size_t run() {
    std::size_t count = 0;
    for (; !waiting_.empty(); ++count) {
      base::Work work = std::move(waiting_.front());
      waiting_.pop_front();
      work();
    }
    return count;
  }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  std::deque<base::Work> waiting_;
};

}  // namespace ekiden::test
