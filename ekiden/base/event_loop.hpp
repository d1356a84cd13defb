#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "ekiden/base/asio_clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/task.hpp"

namespace ekiden::base {

/// Posts to one event loop. The loop is woken when its mailbox turns non-empty, not for every
/// post, and takes all that waits at once.
///
/// Limits: none of its own; whoever posts for peers bounds what is on the way.
/// Sharing: any thread.
class WorkerExecutor final : public Executor {
 public:
  explicit WorkerExecutor(IoContext& io) : io_(io.get_executor()) {}

  void post(Work work) override;

  /// Drops what waits. Later posts are dropped at once.
  void close();

 private:
  void run_waiting();

  IoExecutor io_;
  std::mutex mutex_;
  std::vector<Work> waiting_;
  std::vector<Work> running_;  ///< the loop's thread only
  bool is_scheduled_ = false;
  bool is_closed_ = false;
};

/// An io_context with its clock and its mailbox: what a worker and the committer run.
///
/// Its end has three steps, so that several loops whose work refers to each other can go down
/// together: `stop` in each (their threads return), `drop` in each (what is suspended is
/// destroyed, while every loop can still be posted to), then the destructors.
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  IoContext& io() { return *io_; }
  AsioClock& clock() { return clock_; }
  WorkerExecutor& executor() { return executor_; }

  /// Runs on the calling thread until `stop`.
  void run();
  /// Any thread may call, also before `run`, which then returns at once.
  void stop() { io_->stop(); }
  /// Destroys every coroutine, timer and post that waits here. After `run` has returned. Again
  /// when another loop's end may have posted here since.
  void drop();

 private:
  /// asio destroys what waits only together with the io_context. Here that must come earlier.
  struct Context : IoContext {
    Context() : IoContext(1) {}
    using IoContext::shutdown;
  };

  std::optional<Context> io_;  ///< destroyed first: what it still holds may use the other two
  AsioClock clock_;
  WorkerExecutor executor_;
};

}  // namespace ekiden::base
