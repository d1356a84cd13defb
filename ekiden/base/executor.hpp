#pragma once

#include "ekiden/base/function.hpp"

namespace ekiden::base {

/// Somewhere to run work: a worker, the committer, the blocking pool. Nobody who posts knows
/// whether it is a thread; the simulation runs them all on one and reorders their posts.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Runs `work` later, never inside this call. Work posted by one caller to one worker runs in
  /// order; a pool promises no order.
  ///
  /// Sharing: any thread may call.
  virtual void post(Work work) = 0;
};

}  // namespace ekiden::base
