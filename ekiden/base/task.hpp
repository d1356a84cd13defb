#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "ekiden/base/function.hpp"

namespace ekiden::base {

namespace asio = boost::asio;

using IoContext = asio::io_context;
using IoExecutor = IoContext::executor_type;

/// A coroutine of one worker. It starts when awaited or spawned (base/task_group.hpp).
template <class T = void>
using Task = asio::awaitable<T, IoExecutor>;

inline constexpr asio::use_awaitable_t<IoExecutor> use_task{};

/// Suspends until somebody calls the completion that `initiate` was given.
///
/// `initiate` is called once, at once, with a `Function<void(T)>`. The completion must be called
/// on the coroutine's own worker, at most once, and not before `initiate` returns (post it). A
/// completion dropped without a call destroys the coroutine: that is how a worker shuts down.
///
/// Name the callable first and move it in (g++ 12 destroys such temporaries twice):
///
///     auto begin = [&](Completion<int> done) { ... };
///     int value = co_await base::suspend<int>(std::move(begin));
template <class T>
using Completion = Function<void(T)>;

template <class T, class Initiate>
Task<T> suspend(Initiate initiate) {
  auto start = [&initiate](auto handler) {
    initiate(Completion<T>(
        [h = std::move(handler)](T value) mutable { std::move(h)(std::move(value)); }));
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<IoExecutor>, void(T)>(
      start, use_task);
}

}  // namespace ekiden::base
