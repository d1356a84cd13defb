#pragma once

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

  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::api
