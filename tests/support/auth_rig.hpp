#pragma once

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/task.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::test {

/// For tests of what asks the DNS: a scripted one on a clock that moves while somebody waits.
struct AuthRig {
  base::IoContext io{1};
  FakeClock clock;
  FakeResolver dns{clock};

  /// Runs the coroutine to its end and gives its value.
  template <class T>
  T run(base::Task<T> task) {
    std::optional<T> value;
    auto ended = [&value](std::exception_ptr error, T result) {
      if (error) std::rethrow_exception(error);
      value = std::move(result);
    };
    base::asio::co_spawn(io.get_executor(), std::move(task), std::move(ended));
    for (;;) {
      io.restart();
      io.poll();
      if (value) return std::move(*value);
      EKIDEN_ASSERT(clock.timers() > 0, "somebody waits for the DNS, so a timer runs");
      clock.advance(std::chrono::milliseconds(10));
    }
  }
};

}  // namespace ekiden::test
