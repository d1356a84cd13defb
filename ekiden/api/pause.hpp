#pragma once

#include "ekiden/base/clock.hpp"
#include "ekiden/base/task.hpp"

namespace ekiden::api {

/// Waits on the clock's worker.
inline base::Task<void> pause(base::Clock& clock, base::Duration duration) {
  auto begin = [&](base::Completion<int> done) {
    clock.call_after(duration, [d = std::move(done)]() mutable { d(0); });
  };
  co_await base::suspend<int>(std::move(begin));
}

}  // namespace ekiden::api
