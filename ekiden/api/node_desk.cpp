#include "ekiden/api/node_desk.hpp"

namespace ekiden::api {

using Shown = control::Outcome<control::MessageView>;

namespace {

base::Task<NodeDesk::Cancelled> run_cancel(control::NodeControl& node, base::Executor& home,
                                           base::MessageId message, std::string reason) {
  control::Filter filter;
  filter.message = message;
  NodeDesk::Cancelled cancelled;
  auto begun =
      co_await node.act(control::QueueAction::Delete, std::move(filter), std::move(reason));
  if (!begun) {
    cancelled.is_available = false;
    co_return cancelled;
  }
  std::shared_ptr<control::Operation> operation = std::move(*begun.value);
  auto wait = [&operation, &home](base::Completion<int> ended) {
    operation->when_ended(home, std::move(ended));
  };
  co_await base::suspend<int>(std::move(wait));
  const control::OperationView view = operation->view();
  cancelled.done = view.done;
  cancelled.skipped = view.skipped;
  cancelled.is_available = view.state == control::OperationView::State::Done;
  co_return cancelled;
}

}  // namespace

NodeDesk::NodeDesk(control::NodeControl& node, base::Worker& home)
    : state_(std::make_shared<State>(node, home)) {}

base::Task<Shown> NodeDesk::show(base::Worker& asking, base::MessageId message) {
  Question<Shown> question = [message](control::NodeControl& node) { return node.show(message); };
  Shown otherwise = node_stops();
  co_return co_await ask<Shown>(asking, std::move(question), std::move(otherwise));
}

base::Task<NodeDesk::Cancelled> NodeDesk::cancel(base::Worker& asking, base::MessageId message,
                                                 std::string reason) {
  Question<Cancelled> question = [&home = state_->home.executor, message,
                                  reason = std::move(reason)](control::NodeControl& node) {
    return run_cancel(node, home, message, reason);
  };
  Cancelled otherwise;
  otherwise.is_available = false;
  co_return co_await ask<Cancelled>(asking, std::move(question), otherwise);
}

void NodeDesk::Owners::note(std::uint64_t operation, std::string tenant) {
  const std::lock_guard lock(mutex_);
  tenants_[operation] = std::move(tenant);
  while (tenants_.size() > kKeptMax) tenants_.erase(tenants_.begin());
}

std::string NodeDesk::Owners::of(std::uint64_t operation) const {
  const std::lock_guard lock(mutex_);
  const auto found = tenants_.find(operation);
  return found == tenants_.end() ? std::string() : found->second;
}

control::Operations& NodeDesk::operations() {
  return state_->node.operations();
}

void NodeDesk::stop() {
  state_->home.executor.post([state = state_] { state->tasks.close(); });
}

}  // namespace ekiden::api
