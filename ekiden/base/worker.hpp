#pragma once

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/task.hpp"

namespace ekiden::base {

/// One of the relay's workers, as everything that runs on it sees it. What a worker owns needs no
/// lock; whoever wants something of it posts.
struct Worker {
  unsigned index;      ///< 0 … count-1
  IoExecutor io;       ///< where its coroutines run
  Executor& executor;  ///< to post to it from anywhere
  Clock& clock;
  Random& random;
};

}  // namespace ekiden::base
