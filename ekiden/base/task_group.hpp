#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "ekiden/base/function.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/worker.hpp"

namespace ekiden::base {

/// Owns the coroutines that one part of a worker has spawned, so that none outlives its part.
///
/// `close` asks each to end (its stop callback closes a stream, say) and `when_empty` tells when
/// all have. An exception that leaves a spawned coroutine is our mistake and stops the process.
///
/// Sharing: one worker owns one group; it outlives its coroutines.
class TaskGroup {
 public:
  explicit TaskGroup(Worker& worker) : worker_(worker) {}
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts `task` on the worker. After `close` nothing starts: the task is dropped.
  void spawn(Task<void> task);

  /// A stop callback, called once by `close`; forgotten when the token dies.
  class StopToken {
   public:
    StopToken() = default;
    StopToken(StopToken&& other) noexcept;
    StopToken& operator=(StopToken&& other) noexcept;
    ~StopToken() { reset(); }
    void reset();

   private:
    friend class TaskGroup;
    StopToken(TaskGroup* group, std::uint64_t id) : group_(group), id_(id) {}
    TaskGroup* group_ = nullptr;
    std::uint64_t id_ = 0;
  };
  [[nodiscard]] StopToken on_stop(Work stop) { return on_stop(std::move(stop), {}); }
  /// `drop` is called by `abandon` instead: it destroys a completion that nothing else would,
  /// because what holds it is held by the coroutine that waits for it.
  [[nodiscard]] StopToken on_stop(Work stop, Work drop);

  void close();
  /// The threads have ended, and `close` is not called any more.
  void abandon();
  bool is_closed() const { return closed_; }
  std::size_t size() const { return running_; }

  /// Calls `work` once no coroutine runs: at once when none does.
  void when_empty(Work work);

 private:
  void ended();

  Worker& worker_;
  std::size_t running_ = 0;
  bool closed_ = false;
  struct Stop {
    Work stop, drop;
  };
  std::map<std::uint64_t, Stop> stops_;
  std::uint64_t next_stop_ = 0;
  Work when_empty_;
};

}  // namespace ekiden::base
