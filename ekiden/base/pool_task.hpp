#pragma once

#include <memory>
#include <optional>

#include "ekiden/base/executor.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/worker.hpp"

namespace ekiden::base {

/// Runs `work` on the pool and gives its result on the worker. Name `work` first and move it in.
template <class T>
Task<T> run_on(Executor& pool, Worker& worker, Function<T()> work) {
  auto begin = [&](Completion<T> done) {
    pool.post([&home = worker.executor, work = std::move(work), done = std::move(done)]() mutable {
      T result = work();
      home.post([result = std::move(result), done = std::move(done)]() mutable {
        done(std::move(result));
      });
    });
  };
  co_return co_await suspend<T>(std::move(begin));
}

}  // namespace ekiden::base
