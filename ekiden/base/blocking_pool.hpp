#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "ekiden/base/executor.hpp"

namespace ekiden::base {

/// A few threads for what may block or takes over 200 µs: reading octets back, argon2id, RSA,
/// SQLite reads, files. No order is promised.
///
/// Limits: a post is always taken, because whoever posts waits for the end of the work. When
/// `queue_max` wait, `is_crowded` says so: what peers can ask for (a password check, say) asks it
/// first and answers 4xx.
/// Sharing: any thread.
class BlockingPool final : public Executor {
 public:
  BlockingPool(unsigned threads, std::size_t queue_max);
  ~BlockingPool() override;
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  void post(Work work) override;
  bool is_crowded() const { return waiting_.load(std::memory_order_relaxed) >= queue_max_; }
  std::size_t waiting() const { return waiting_.load(std::memory_order_relaxed); }

  /// Ends what runs and joins the threads. What waits stays, for `drop`.
  void stop();
  /// Drops what waits, un-called. Later posts are dropped at once. After `stop`.
  void drop();

 private:
  void run(unsigned index);

  const std::size_t queue_max_;
  std::atomic<std::size_t> waiting_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
  bool is_stopping_ = false;
  bool is_dropped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ekiden::base
