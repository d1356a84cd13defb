#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/control/queue_commands.hpp"
#include "ekiden/control/queue_walk.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::control {

/// A recipient that a filter means, with what was read back of it.
struct Found {
  Met met;
  std::shared_ptr<const message::Meta> meta;
  std::string reply;  ///< the last one; empty without one

  const std::string& sender() const { return meta->envelope.reverse_path; }
  const std::string& recipient() const {
    return meta->envelope.recipients[met.entry.index].address;
  }
};

/// What to read back beside what the filter needs.
struct ReadBack {
  bool meta = true;
  bool reply = true;
  std::size_t count_max = SIZE_MAX;  ///< of those that are meant, the first so many
};

/// Reads back what entries do not hold, addresses from metas and last replies from progress, and
/// keeps those that `sieve` means, in their order. Whole stretches are read and compared on the
/// pool, as they lie on the disk: a pattern over a million messages costs the workers nothing but
/// the walk. A message that has gone meanwhile is left out, and so is what the disk keeps back:
/// `is_short` tells of that, and lives until the end.
base::Task<std::vector<Found>> read_back(spool::Port& port, std::vector<Met> met,
                                         std::shared_ptr<const Sieve> sieve, ReadBack what,
                                         bool* is_short = nullptr);

/// "resolving", "ready", …: QueuedRecipient::state.
const char* state_of(queue::Place place);
/// "delivered", "bounced", …: of a recipient that the queue no longer has.
const char* state_of(spool::State state);

/// As people see it.
QueuedRecipient as_seen(const Found& found);

}  // namespace ekiden::control
