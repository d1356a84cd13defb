#pragma once

#include <utility>

#include "ekiden/base/task.hpp"
#include "ekiden/base/worker.hpp"

namespace ekiden::webhook {

/// What one coroutine waits at: for a time, or for somebody to ring.
///
/// Sharing: its worker.
class Alarm {
 public:
  explicit Alarm(base::Worker& worker) : worker_(worker) {}
  ~Alarm() { drop(); }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  /// Returns at `until`, or when it is rung; at once when it was rung since the last wait.
  base::Task<void> wait(base::Steady until);
  void ring();
  /// The threads have ended: destroys the coroutine that waits.
  void drop();

 private:
  void resume();

  base::Worker& worker_;
  base::Completion<int> waiting_;
  base::TimerId timer_ = base::TimerId::None;
  bool has_rung_ = false;
};

}  // namespace ekiden::webhook
