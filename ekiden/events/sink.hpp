#pragma once

#include <string>
#include <vector>

#include "ekiden/base/task.hpp"
#include "ekiden/events/event.hpp"

namespace ekiden::events {

/// Where durable events go: the event store, or memory in simulation.
class Sink {
 public:
  virtual ~Sink() = default;

  /// Keeps the batch durably, ignoring ids it already has. Blocks: the writer's executor only.
  virtual Result<void> write(const std::vector<std::string>& encoded_events) = 0;
};

}  // namespace ekiden::events
