#include "ekiden/api/node_desk.hpp"

namespace ekiden::api {

using Shown = control::Outcome<control::MessageView>;

/// Lives as long as somebody's question is under way.
struct NodeDesk::State {
  State(control::NodeControl& n, base::Worker& h) : node(n), home(h), tasks(h) {}
  control::NodeControl& node;
  base::Worker& home;
  base::TaskGroup tasks;  ///< on home
};

namespace {

/// Answers on the worker that asked.
template <class T>
void reply(base::Executor& to, base::Completion<T> done, T answer) {
  to.post(
      [done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
}

Shown stopping() {
  return control::Problem{"unavailable", "the node is stopping"};
}

base::Task<void> run_show(control::NodeControl& node, base::MessageId message, base::Executor& to,
                          base::Completion<Shown> done) {
  Shown shown = co_await node.show(message);
  reply<Shown>(to, std::move(done), std::move(shown));
}

base::Task<void> run_cancel(control::NodeControl& node, base::Worker& home, base::MessageId message,
                            std::string reason, base::Executor& to,
                            base::Completion<NodeDesk::Cancelled> done) {
  control::Filter filter;
  filter.message = message;
  auto begun =
      co_await node.act(control::QueueAction::Delete, std::move(filter), std::move(reason));
  if (!begun) {
    NodeDesk::Cancelled none;
    none.is_available = false;
    reply(to, std::move(done), none);
    co_return;
  }
  std::shared_ptr<control::Operation> operation = std::move(*begun.value);
  auto wait = [&operation, &home](base::Completion<int> ended) {
    operation->when_ended(home.executor, std::move(ended));
  };
  co_await base::suspend<int>(std::move(wait));
  const control::OperationView view = operation->view();
  NodeDesk::Cancelled cancelled;
  cancelled.done = view.done;
  cancelled.skipped = view.skipped;
  cancelled.is_available = view.state == control::OperationView::State::Done;
  reply(to, std::move(done), cancelled);
}

}  // namespace

NodeDesk::NodeDesk(control::NodeControl& node, base::Worker& home)
    : state_(std::make_shared<State>(node, home)) {}

base::Task<Shown> NodeDesk::show(base::Worker& asking, base::MessageId message) {
  auto begin = [this, &asking, message](base::Completion<Shown> done) {
    state_->home.executor.post(
        [state = state_, &to = asking.executor, message, done = std::move(done)]() mutable {
          if (state->tasks.is_closed()) return reply<Shown>(to, std::move(done), stopping());
          state->tasks.spawn(run_show(state->node, message, to, std::move(done)));
        });
  };
  co_return co_await base::suspend<Shown>(std::move(begin));
}

base::Task<NodeDesk::Cancelled> NodeDesk::cancel(base::Worker& asking, base::MessageId message,
                                                 std::string reason) {
  auto begin = [&](base::Completion<Cancelled> done) {
    state_->home.executor.post([state = state_, &to = asking.executor, message,
                                reason = std::move(reason), done = std::move(done)]() mutable {
      if (state->tasks.is_closed()) {
        Cancelled none;
        none.is_available = false;
        return reply(to, std::move(done), none);
      }
      state->tasks.spawn(
          run_cancel(state->node, state->home, message, std::move(reason), to, std::move(done)));
    });
  };
  co_return co_await base::suspend<Cancelled>(std::move(begin));
}

void NodeDesk::stop() {
  state_->home.executor.post([state = state_] { state->tasks.close(); });
}

}  // namespace ekiden::api
