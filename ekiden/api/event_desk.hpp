#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "ekiden/base/pool_task.hpp"
#include "ekiden/events/reader.hpp"
#include "ekiden/events/stats.hpp"

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

  /// Rows that one slice of a scan looks at, events that it shows, and slices of one scan.
  static constexpr std::size_t kSliceRows = 50'000;
  static constexpr std::size_t kSliceEvents = 2000;
  static constexpr std::size_t kSlicesMax = 400;
  enum class Scan : std::uint8_t {
    Done,  ///< everything was shown, or `see` ended it
    Cut,   ///< after kSlicesMax
    Busy,  ///< too many wait, or the store cannot be read
  };
  /// Shows what the query means, in its order, until `see` says false. Each slice is a question of
  /// its own, so that others have a turn in between. `see` runs on the pool, never twice at once.
  using See = std::function<bool(const events::Stored& stored)>;
  base::Task<Scan> scan(base::Worker& worker, events::Query query, See see);

  /// count_events, in steps that are questions of their own. Nothing: as `ask`, or the store
  /// cannot be read.
  base::Task<std::optional<events::Stats>> count(base::Worker& worker, events::StatsQuery query);

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
