#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/control/queue_commands.hpp"
#include "ekiden/control/queue_walk.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::control {

/// Reads back what a queued recipient's entry does not hold: addresses from the message's meta,
/// the last reply from its progress. One read at a time, off the workers, so that a long list
/// leaves the disk to the mail.
///
/// Sharing: one coroutine's own, on the port's worker.
class QueueReader {
 public:
  explicit QueueReader(spool::Port& port) : port_(port) {}

  /// The message's meta, from memory where it lies there; null when it has gone or is damaged.
  base::Task<std::shared_ptr<const message::Meta>> meta(Met met);
  /// The last reply as text; empty without one.
  base::Task<std::string> reply(Met met);
  /// Whether `sieve` means it, and then how people see it.
  base::Task<std::optional<QueuedRecipient>> read(Met met, std::shared_ptr<const Sieve> sieve);

 private:
  spool::Port& port_;
  /// Of the message that was read last: its other recipients often follow.
  base::MessageId meta_of_, progress_of_;
  std::shared_ptr<const message::Meta> meta_;
  std::vector<spool::Progress> progress_;
};

/// "resolving", "ready", …: QueuedRecipient::state.
const char* state_of(queue::Place place);

/// What memory alone can tell.
QueuedRecipient outline(const Met& met);

}  // namespace ekiden::control
