#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::queue {

/// A message that is durable in the spool and whose recipients now need delivering.
struct Accepted {
  base::MessageId id;
  std::shared_ptr<const message::Meta> meta;
  spool::Body body;  ///< without its octets: they are read back when it is due
  /// Of recipients that do not start afresh, because they were another message's before.
  std::vector<spool::Progress> progress = {};
};

/// Where inbound hands over what it has answered 250 for, and what holds it back when the relay
/// is full.
///
/// Sharing: one per worker, its worker only.
class Intake {
 public:
  virtual ~Intake() = default;

  /// Counts octets of a message that is arriving against `spool.memory_budget`. False past the
  /// hard mark: answer 452 4.3.1. Every success is released once, by the caller.
  virtual bool reserve(std::uint64_t octets) = 0;
  virtual void release(std::uint64_t octets) = 0;

  /// How long to wait before reading more of the next message, because delivery falls behind.
  /// Zero most of the time, at most a second (RFC 5321 leaves the pace to the server).
  virtual base::Duration delay() const = 0;

  /// Takes the message over. Never fails: its recipients are queued from this instant.
  virtual void take(Accepted message) = 0;
};

}  // namespace ekiden::queue
