#pragma once

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "ekiden/base/worker.hpp"

namespace ekiden::account {

/// For tests: work waits here until `run` is called.
class ManualExecutor final : public base::Executor {
 public:
  void post(base::Work work) override { waiting_.push_back(std::move(work)); }
  std::size_t size() const { return waiting_.size(); }
  void run_one() {
    base::Work work = std::move(waiting_.front());
    waiting_.pop_front();
    work();
  }

 private:
  std::deque<base::Work> waiting_;
};

/// For tests: time moves only when told.
class ManualClock final : public base::Clock {
 public:
  base::Time now() const override { return base::from_unix_us(1'800'000'000'000'000) + since_; }
  base::Steady steady() const override { return base::Steady{} + std::chrono::hours(1) + since_; }
  base::TimerId call_at(base::Steady when, base::Work work) override {
    const auto id = static_cast<base::TimerId>(++last_);
    timers_.emplace(std::pair(when, id), std::move(work));
    return id;
  }
  bool cancel(base::TimerId id) override {
    return std::erase_if(timers_, [id](const auto& t) { return t.first.second == id; }) > 0;
  }
  /// When the next timer fires, from now.
  std::optional<base::Duration> next() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->first.first - steady();
  }
  void advance(base::Duration by) {
    since_ += by;
    while (!timers_.empty() && timers_.begin()->first.first <= steady()) {
      base::Work work = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
      work();
    }
  }

 private:
  base::Duration since_{0};
  std::uint64_t last_ = 0;
  std::map<std::pair<base::Steady, base::TimerId>, base::Work> timers_;
};

/// For tests: one worker on this thread, its blocking pool beside it.
class TestWorker {
 public:
  /// Runs what is ready on the worker, and nothing of the pool.
  void poll() {
    io.restart();
    io.poll();
  }

  /// Runs everything that is ready, on the worker and the pool; time stands still.
  void settle() {
    poll();
    while (blocking.size() > 0 || home.size() > 0) {
      if (blocking.size() > 0) blocking.run_one();
      while (home.size() > 0) home.run_one();
      poll();
    }
  }

  /// Starts a coroutine and gives a place where its value will be.
  template <class T>
  std::shared_ptr<std::optional<T>> start(base::Task<T> task) {
    auto value = std::make_shared<std::optional<T>>();
    base::asio::co_spawn(worker.io, std::move(task), [value](std::exception_ptr error, T result) {
      if (error) std::rethrow_exception(error);
      *value = std::move(result);
    });
    return value;
  }

  /// Runs it to its end, letting time pass as its timers ask. `waited` takes how long that was.
  template <class T>
  T run(base::Task<T> task, base::Duration* waited = nullptr) {
    const base::Steady begin = clock.steady();
    const auto value = start(std::move(task));
    settle();
    while (!*value && clock.next()) {
      clock.advance(std::max(*clock.next(), base::Duration(0)));
      settle();
    }
    if (waited != nullptr) *waited = clock.steady() - begin;
    return std::move(value->value());
  }

  base::IoContext io{1};
  ManualExecutor home, blocking;
  ManualClock clock;
  base::SeededRandom random{7};
  base::Worker worker{0, io.get_executor(), home, clock, random};
};

}  // namespace ekiden::account
