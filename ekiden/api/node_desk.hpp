#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/control/queue_commands.hpp"

namespace ekiden::api {

/// Asks what operators can ask of the node, from any worker: NodeControl answers on its own only.
///
/// Sharing: any worker; `stop` on any thread.
class NodeDesk {
 public:
  NodeDesk(control::NodeControl& node, base::Worker& home);

  /// What a question begins with, on the node's worker. It is called once and is no coroutine
  /// itself: what it hands on, it hands on by value.
  template <class T>
  using Question = std::function<base::Task<T>(control::NodeControl& node)>;
  /// `otherwise` once the node stops.
  template <class T>
  base::Task<T> ask(base::Worker& asking, Question<T> question, T otherwise);

  /// Problem "unavailable" once the node stops.
  base::Task<control::Outcome<control::MessageView>> show(base::Worker& asking,
                                                          base::MessageId message);

  /// Deletes what is still queued of a message; ends when that is durable.
  struct Cancelled {
    std::uint64_t done = 0;     ///< recipients
    std::uint64_t skipped = 0;  ///< in the middle of a transaction, or gone meanwhile
    bool is_available = true;   ///< false: the node stops, or does too much at once
  };
  base::Task<Cancelled> cancel(base::Worker& asking, base::MessageId message, std::string reason);

  /// Whose operations they are that were begun through the API: a tenant sees its own.
  class Owners {
   public:
    /// The oldest are forgotten past what the node keeps of operations that have ended.
    static constexpr std::size_t kKeptMax = 2000;
    void note(std::uint64_t operation, std::string tenant);
    /// Empty: nobody's, or an operator's.
    std::string of(std::uint64_t operation) const;

   private:
    mutable std::mutex mutex_;
    std::map<std::uint64_t, std::string> tenants_;
  };
  Owners& owners() { return owners_; }
  /// Any thread.
  control::Operations& operations();

  void stop();

 private:
  /// Lives as long as somebody's question is under way.
  struct State {
    State(control::NodeControl& n, base::Worker& h) : node(n), home(h), tasks(h) {}
    control::NodeControl& node;
    base::Worker& home;
    base::TaskGroup tasks;  ///< on home
  };
  template <class T>
  static base::Task<void> run(std::shared_ptr<State> state, Question<T> question,
                              base::Executor& to, base::Completion<T> done);

  std::shared_ptr<State> state_;
  Owners owners_;
};

inline control::Problem node_stops() {
  return {"unavailable", "the node is stopping"};
}

template <class T>
base::Task<void> NodeDesk::run(std::shared_ptr<State> state, Question<T> question,
                               base::Executor& to, base::Completion<T> done) {
  T answer = co_await question(state->node);
  to.post(
      [done = std::move(done), answer = std::move(answer)]() mutable { done(std::move(answer)); });
}

template <class T>
base::Task<T> NodeDesk::ask(base::Worker& asking, Question<T> question, T otherwise) {
  auto begin = [&](base::Completion<T> done) {
    state_->home.executor.post([state = state_, &to = asking.executor,
                                question = std::move(question), otherwise = std::move(otherwise),
                                done = std::move(done)]() mutable {
      if (!state->tasks.is_closed())
        return state->tasks.spawn(run<T>(state, std::move(question), to, std::move(done)));
      to.post([done = std::move(done), otherwise = std::move(otherwise)]() mutable {
        done(std::move(otherwise));
      });
    });
  };
  co_return co_await base::suspend<T>(std::move(begin));
}

}  // namespace ekiden::api
