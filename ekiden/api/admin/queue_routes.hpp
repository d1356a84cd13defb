#pragma once

#include "ekiden/api/node_desk.hpp"
#include "ekiden/api/store_desk.hpp"

namespace ekiden::api::admin {

/// The running node's queue, of one tenant for its keys.
class QueueDesk {
 public:
  struct Parts {
    base::Worker& worker;
    /// Null before the node says that it can be asked.
    std::function<NodeDesk*()> node;
    StoreDesk& store;
  };
  explicit QueueDesk(Parts parts) : parts_(std::move(parts)) {}

  base::Worker& worker() { return parts_.worker; }
  NodeDesk* node() { return parts_.node(); }
  StoreDesk& store() { return parts_.store; }

  /// Asks the node; nothing when it cannot be asked.
  template <class T>
  base::Task<std::optional<T>> ask(NodeDesk::Question<T> question) {
    NodeDesk* const node = parts_.node();
    if (node == nullptr) co_return std::nullopt;
    using Asked = std::optional<T>;
    NodeDesk::Question<Asked> wrapped = [question = std::move(question)](control::NodeControl& on) {
      return as_optional<T>(question, on);
    };
    Asked otherwise;
    co_return co_await node->ask<Asked>(parts_.worker, std::move(wrapped), std::move(otherwise));
  }

 private:
  template <class T>
  static base::Task<std::optional<T>> as_optional(NodeDesk::Question<T> question,
                                                  control::NodeControl& on) {
    T answer = co_await question(on);
    co_return std::optional<T>(std::move(answer));
  }

  Parts parts_;
};

/// GET /v1/queue, /v1/queue/recipients, /v1/queue/messages/{id}; /v1/suspensions.
void add_queue_routes(Frame& frame, QueueDesk& desk);
/// /v1/operations: what takes a while on the queue.
void add_operation_routes(Frame& frame, QueueDesk& desk);

/// What of the queue a call means: the fields of `object`, of the key's tenant unless it is an
/// operator's. A problem when a field is unknown.
struct QueueFilter {
  control::Filter filter;
  std::optional<Problem> problem;
};
QueueFilter read_queue_filter(const boost::json::object& object, const Caller& caller,
                              const std::string& base);
Problem problem_of(const control::Problem& problem);
Problem node_unavailable();
/// An audit entry for what the node is about to do.
StoreWork note_in_audit(std::string action, std::string subject, std::string detail);

}  // namespace ekiden::api::admin
