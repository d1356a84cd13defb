#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "ekiden/base/executor.hpp"

namespace ekiden::base {

/// From one worker to another: what is sent while the receiver is busy reaches it as one post.
///
/// Its length is bounded by what it speaks of: each message and each connection has at most one
/// item under way.
///
/// Sharing: one sender, one receiver; the lock is held for a push or a swap.
class Mailbox {
 public:
  explicit Mailbox(Executor& receiver) : receiver_(receiver) {}

  /// Runs `work` on the receiver, in the order sent.
  void send(Work work) {
    {
      const std::scoped_lock lock(mutex_);
      items_.push_back(std::move(work));
      if (items_.size() > 1) return;
    }
    receiver_.post([this] { drain(); });
  }

 private:
  void drain() {
    std::vector<Work> items;
    {
      const std::scoped_lock lock(mutex_);
      items.swap(items_);
    }
    for (Work& work : items) work();
  }

  Executor& receiver_;
  std::mutex mutex_;
  std::vector<Work> items_;
};

}  // namespace ekiden::base
