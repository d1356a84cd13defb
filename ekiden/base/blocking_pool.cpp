#include "ekiden/base/blocking_pool.hpp"

#include <pthread.h>

#include <string>

namespace ekiden::base {

BlockingPool::BlockingPool(unsigned threads, std::size_t queue_max) : queue_max_(queue_max) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this, i] { run(i); });
}

BlockingPool::~BlockingPool() {
  stop();
  drop();
}

void BlockingPool::post(Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (is_dropped_) return;
    queue_.push_back(std::move(work));
    waiting_.store(queue_.size(), std::memory_order_relaxed);
  }
  changed_.notify_one();
}

void BlockingPool::run(unsigned index) {
  pthread_setname_np(pthread_self(), ("pool-" + std::to_string(index)).c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_stopping_ || !queue_.empty(); });
    if (is_stopping_) return;
    Work work = std::move(queue_.front());
    queue_.pop_front();
    waiting_.store(queue_.size(), std::memory_order_relaxed);
    lock.unlock();
    work();
    work = nullptr;  // What it held goes outside the lock.
    lock.lock();
  }
}

void BlockingPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void BlockingPool::drop() {
  std::deque<Work> dropped;
  {
    const std::lock_guard lock(mutex_);
    is_dropped_ = true;
    dropped.swap(queue_);
    waiting_.store(0, std::memory_order_relaxed);
  }
}

}  // namespace ekiden::base
