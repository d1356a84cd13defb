#include "ekiden/control/operations.hpp"

#include <algorithm>

namespace ekiden::control {

const char* state_name(OperationView::State state) {
  switch (state) {
    case OperationView::State::Running:
      return "running";
    case OperationView::State::Done:
      return "done";
    case OperationView::State::Cancelled:
      return "cancelled";
    case OperationView::State::Failed:
      return "failed";
  }
  return "failed";
}

Operation::Operation(const OperationView& view)
    : id_(view.id),
      what_(view.what),
      started_(view.started),
      matched_(view.matched),
      done_(view.done),
      skipped_(view.skipped),
      looked_at_(view.looked_at),
      to_look_at_(view.to_look_at),
      state_(view.state),
      ended_(view.ended),
      problem_(view.problem) {}

void Operation::finish(base::Time now) {
  const std::lock_guard lock(mutex_);
  if (state_ != OperationView::State::Running) return;
  state_ = is_cancelled_ ? OperationView::State::Cancelled : OperationView::State::Done;
  ended_ = now;
  tell();
}

void Operation::fail(base::Time now, std::string problem) {
  const std::lock_guard lock(mutex_);
  if (state_ != OperationView::State::Running) return;
  state_ = OperationView::State::Failed;
  ended_ = now;
  problem_ = std::move(problem);
  tell();
}

void Operation::tell() {
  if (!waiting_) return;
  waiting_on_->post([ended = std::move(waiting_)]() mutable { ended(0); });
}

void Operation::when_ended(base::Executor& on, base::Completion<int> ended) {
  const std::lock_guard lock(mutex_);
  waiting_on_ = &on;
  waiting_ = std::move(ended);
  if (state_ != OperationView::State::Running) tell();
}

bool Operation::is_running() const {
  const std::lock_guard lock(mutex_);
  return state_ == OperationView::State::Running;
}

OperationView Operation::view() const {
  const std::lock_guard lock(mutex_);
  return {.id = id_,
          .what = what_,
          .state = state_,
          .started = started_,
          .ended = ended_,
          .matched = matched_,
          .done = done_,
          .skipped = skipped_,
          .looked_at = looked_at_,
          .to_look_at = to_look_at_,
          .problem = problem_};
}

std::shared_ptr<Operation> Operations::begin(std::string what, base::Time now) {
  const std::lock_guard lock(mutex_);
  std::size_t running = 0;
  for (const auto& operation : operations_) running += operation->is_running() ? 1 : 0;
  if (running >= kRunningMax) return nullptr;
  while (operations_.size() - running >= kEndedMax) {
    const auto oldest = std::find_if(operations_.begin(), operations_.end(),
                                     [](const auto& o) { return !o->is_running(); });
    if (oldest == operations_.end()) break;
    operations_.erase(oldest);
  }
  operations_.push_back(std::make_shared<Operation>(next_id_++, std::move(what), now));
  return operations_.back();
}

std::shared_ptr<Operation> Operations::find(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  for (const auto& operation : operations_) {
    if (operation->id() == id) return operation;
  }
  return nullptr;
}

std::vector<OperationView> Operations::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<OperationView> views;
  for (auto it = operations_.rbegin(); it != operations_.rend(); ++it)
    views.push_back((*it)->view());
  return views;
}

void Operations::adopt(std::shared_ptr<Operation> operation) {
  const std::lock_guard lock(mutex_);
  next_id_ = std::max(next_id_, operation->id() + 1);
  operations_.push_back(std::move(operation));
}

void Operations::interrupt_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& operation : operations_) operation->interrupt();
}

}  // namespace ekiden::control
