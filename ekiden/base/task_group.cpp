#include "ekiden/base/task_group.hpp"

#include <boost/asio/co_spawn.hpp>
#include <exception>

#include "ekiden/base/assert.hpp"

namespace ekiden::base {

TaskGroup::~TaskGroup() {
  // Coroutines still suspended when their io_context goes down are destroyed there; they no
  // longer look at the group.
  stops_.clear();
}

void TaskGroup::spawn(Task<void> task) {
  if (closed_) return;
  ++running_;
  asio::co_spawn(worker_.io, std::move(task), [this](std::exception_ptr error) {
    EKIDEN_ASSERT(!error, "a spawned coroutine turns every failure into a value");
    ended();
  });
}

void TaskGroup::ended() {
  if (--running_ == 0 && when_empty_) std::exchange(when_empty_, {})();
}

void TaskGroup::close() {
  closed_ = true;
  for (auto& [id, one] : std::exchange(stops_, {})) one.stop();
}

void TaskGroup::abandon() {
  for (auto& [id, one] : std::exchange(stops_, {}))
    if (one.drop) one.drop();
}

void TaskGroup::when_empty(Work work) {
  if (running_ == 0) {
    work();
  } else {
    when_empty_ = std::move(work);
  }
}

TaskGroup::StopToken TaskGroup::on_stop(Work stop, Work drop) {
  if (closed_) {
    worker_.executor.post(std::move(stop));
    return {};
  }
  const std::uint64_t id = next_stop_++;
  stops_.emplace(id, Stop{std::move(stop), std::move(drop)});
  return StopToken(this, id);
}

void TaskGroup::StopToken::reset() {
  if (group_ != nullptr) std::exchange(group_, nullptr)->stops_.erase(id_);
}

TaskGroup::StopToken::StopToken(StopToken&& other) noexcept
    : group_(std::exchange(other.group_, nullptr)), id_(other.id_) {}

TaskGroup::StopToken& TaskGroup::StopToken::operator=(StopToken&& other) noexcept {
  if (this != &other) {
    reset();
    group_ = std::exchange(other.group_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

}  // namespace ekiden::base
