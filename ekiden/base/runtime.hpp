#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ekiden/base/blocking_pool.hpp"
#include "ekiden/base/event_loop.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/worker.hpp"

namespace ekiden::base {

/// A thread that runs one event loop, under a name that top(1) shows.
class LoopThread {
 public:
  /// `niceness`: how much it gives way to the other threads, 0 to 19 (setpriority(2)): what is not
  /// on the way of mail asks for less than mail does.
  explicit LoopThread(std::string name, int niceness = 0)
      : name_(std::move(name)), niceness_(niceness) {}
  ~LoopThread() { stop(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  EventLoop& loop() { return loop_; }
  /// `processor`: pinned to that one when not negative. Where the system refuses, it runs unpinned.
  void start(int processor = -1);
  /// Ends the loop after what runs now, and joins. Idempotent. Not from the thread itself.
  void stop();

 private:
  std::string name_;
  int niceness_;
  EventLoop loop_;
  std::thread thread_;
};

/// One worker: a loop, its thread and the view that everything on it has of it.
class WorkerThread {
 public:
  explicit WorkerThread(unsigned index);

  Worker& worker() { return worker_; }
  LoopThread& thread() { return thread_; }

 private:
  LoopThread thread_;
  SystemRandom random_;
  Worker worker_;
};

/// The committer's thread: runs posted work in order, one after the other, and may block.
class CommitterThread {
 public:
  CommitterThread() : thread_("committer") {}

  Executor& executor() { return thread_.loop().executor(); }
  /// Timers from the committer's own work only.
  Clock& clock() { return thread_.loop().clock(); }
  LoopThread& thread() { return thread_; }

 private:
  LoopThread thread_;
};

struct RuntimeOptions {
  unsigned workers = 0;  ///< 0: one for each processor
  unsigned pool_threads = 2;
  std::size_t pool_queue_max = 256;
  bool pin_workers = false;
};

/// Every thread of the relay but those of libraries.
///
/// The end, in this order; the destructor does what is left of it:
/// 1. each part closes its TaskGroups and waits until they are empty, within the drain budget;
/// 2. `stop`: every thread returns after what it runs now; posts still find a mailbox;
/// 3. `drop`: whatever waits is destroyed un-called, on this thread, and with it the coroutines
///    behind it. So everything those refer to (spool, resolver, networks) still lives here;
/// 4. spool, resolver and networks are destroyed, then the runtime.
/// A part that keeps completions itself must give them up before 4 ends: dropping one posts the
/// end of its coroutine to a loop, which must still exist.
class Runtime {
 public:
  explicit Runtime(RuntimeOptions options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  unsigned worker_count() const { return static_cast<unsigned>(workers_.size()); }
  Worker& worker(unsigned index) { return workers_[index]->worker(); }
  CommitterThread& committer() { return committer_; }
  BlockingPool& pool() { return pool_; }

  /// Starts workers and committer. What was posted before runs then.
  void start();
  void stop();
  void drop();

 private:
  bool pin_workers_;
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  CommitterThread committer_;
  BlockingPool pool_;
};

}  // namespace ekiden::base
