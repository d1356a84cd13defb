#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ekiden/base/event_loop.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/net/stream.hpp"

namespace ekiden::net {

/// For tests: a clock that moves only when told to, and fires then.
class ManualClock final : public base::Clock {
 public:
  base::Time now() const override { return base::from_unix_us(1'700'000'000'000'000); }
  base::Steady steady() const override { return steady_; }
  base::TimerId call_at(base::Steady when, base::Work work) override {
    const auto id = base::TimerId{++last_};
    timers_.emplace(std::pair(when, last_), std::move(work));
    return id;
  }
  bool cancel(base::TimerId id) override {
    for (auto it = timers_.begin(); it != timers_.end(); ++it) {
      if (base::TimerId{it->first.second} != id) continue;
      timers_.erase(it);
      return true;
    }
    return false;
  }
  void advance(base::Duration by) {
    steady_ += by;
    while (!timers_.empty() && timers_.begin()->first.first <= steady_) {
      base::Work work = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      work();
    }
  }
  std::size_t size() const { return timers_.size(); }

 private:
  base::Steady steady_{std::chrono::hours(1)};
  std::uint64_t last_ = 0;
  std::map<std::pair<base::Steady, std::uint64_t>, base::Work> timers_;
};

/// For tests: one worker on the calling thread, with real sockets and a clock moved by hand.
class TestLoop {
 public:
  base::Worker& worker() { return worker_; }
  ManualClock& clock() { return clock_; }
  base::Steady soon() const { return clock_.steady() + std::chrono::minutes(5); }

  /// Starts a coroutine; an exception that leaves it leaves `run`.
  void spawn(base::Task<void> task) {
    ++running_;
    boost::asio::co_spawn(worker_.io, std::move(task), [this](std::exception_ptr error) {
      --running_;
      if (error) std::rethrow_exception(error);
    });
  }
  /// Runs until every coroutine has ended.
  void run() {
    while (running_ > 0) loop_.io().run_one();
  }
  /// Runs until `is_true`.
  template <class Predicate>
  void run_until(Predicate is_true) {
    while (!is_true()) loop_.io().run_one();
  }
  /// Runs what is ready and waits for nothing.
  void settle() {
    while (loop_.io().poll() > 0) {
    }
    loop_.io().restart();
  }
  std::size_t running() const { return running_; }
  base::EventLoop& loop() { return loop_; }

 private:
  ManualClock clock_;
  base::SystemRandom random_;
  std::size_t running_ = 0;
  base::EventLoop loop_;
  boost::asio::executor_work_guard<base::IoExecutor> guard_{loop_.io().get_executor()};
  base::Worker worker_{0, loop_.io().get_executor(), loop_.executor(), clock_, random_};
};

}  // namespace ekiden::net
