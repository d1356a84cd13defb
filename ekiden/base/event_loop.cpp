#include "ekiden/base/event_loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace ekiden::base {
namespace {

// A mailbox that once held a burst keeps no more room than this between turns.
constexpr std::size_t kMailboxKept = 1024;

}  // namespace

void WorkerExecutor::post(Work work) {
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) return;
    waiting_.push_back(std::move(work));
    if (is_scheduled_) return;
    is_scheduled_ = true;
  }
  asio::post(io_, [this] { run_waiting(); });
}

void WorkerExecutor::run_waiting() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(waiting_);
    is_scheduled_ = false;
  }
  for (Work& next : running_) {
    Work work = std::move(next);
    work();
  }
  running_.clear();
  if (running_.capacity() > kMailboxKept) running_.shrink_to_fit();
}

void WorkerExecutor::close() {
  std::vector<Work> dropped;
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    dropped.swap(waiting_);
  }
}

EventLoop::EventLoop() : io_(std::in_place), clock_(*io_), executor_(*io_) {}

EventLoop::~EventLoop() {
  drop();
  io_.reset();
}

void EventLoop::run() {
  const auto guard = asio::make_work_guard(*io_);
  io_->run();
}

void EventLoop::drop() {
  // A coroutine whose completion is dropped is destroyed through its io_context, so that comes
  // last. What its locals then do to clock and mailbox finds both closed.
  executor_.close();
  clock_.close();
  io_->shutdown();
}

}  // namespace ekiden::base
