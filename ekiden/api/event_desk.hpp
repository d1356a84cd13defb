#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "ekiden/base/pool_task.hpp"
#include "ekiden/events/reader.hpp"

namespace ekiden::api {

/// The event store's reader behind the pool: asked from any worker, one question at a time.
///
/// Sharing: any thread.
class EventDesk {
 public:
  /// Questions that wait; further ones are not taken.
  static constexpr int kWaitingMax = 64;

  EventDesk(base::Executor& pool, std::string directory)
      : state_(std::make_shared<State>(pool, std::move(directory))) {}

  /// Nothing when too many wait.
  template <class T>
  base::Task<std::optional<T>> ask(base::Worker& worker,
                                   base::Function<T(events::Reader&)> question) {
    if (state_->waiting.fetch_add(1) >= kWaitingMax) {
      state_->waiting.fetch_sub(1);
      co_return std::nullopt;
    }
    base::Function<std::optional<T>()> work = [state = state_,
                                               question = std::move(question)]() mutable {
      std::optional<T> answer;
      {
        const std::lock_guard lock(state->mutex);
        answer.emplace(question(state->reader));
      }
      state->waiting.fetch_sub(1);
      return answer;
    };
    co_return co_await base::run_on<std::optional<T>>(state_->pool, worker, std::move(work));
  }

 private:
  struct State {
    State(base::Executor& p, std::string directory) : pool(p), reader(std::move(directory)) {}
    base::Executor& pool;
    std::mutex mutex;
    events::Reader reader;
    std::atomic<int> waiting{0};
  };
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::api
