#pragma once

#include <string>
#include <vector>

#include "ekiden/base/executor.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/spool/quarantine_file.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::spool {

class Committer;
struct JournalState;

/// What a quarantined message becomes when it is queued again. Its body stays what was read.
struct Release {
  base::MessageId id;            ///< a new one: the old message is done for ever
  std::uint32_t recipients = 0;  ///< of `meta`
  std::string meta;
  std::vector<std::string> events;  ///< become durable with it
};

/// What the journal has set aside, for operators.
///
/// Sharing: any thread. What returns a result blocks: call it on the pool.
class Quarantine {
 public:
  Quarantine(JournalState& state, Committer& committer, base::Executor& pool)
      : state_(state), committer_(committer), pool_(pool) {}

  /// Names, without those that are being released. Errors: Io.
  Result<std::vector<std::string>> list() const;
  /// Everything but the octets. Errors: NotFound, Corrupt (no file of ours), Io.
  Result<Quarantined> peek(const std::string& name) const;
  /// A slice of what was kept (spool/quarantine_file.hpp). Errors: NotFound, Io.
  Result<std::string> octets(const std::string& name, std::uint64_t offset,
                             std::size_t length) const;

  /// Puts a message back. When it is durable `done` gets its body, on the pool, and the caller
  /// hands it to the queue. A crash finds it either here or queued.
  /// Errors: NotFound; Corrupt, when it is none whose envelope could be read, or its large body is
  /// gone; NoSpace, Io, Closed: it is here still.
  void release(std::string name, Release release, base::Completion<Result<Body>> done);
  /// Removes it once `events` are durable; `done` on the pool. A crash in between finds it here,
  /// and its events told. Errors: NotFound, NoSpace, Io, Closed.
  void remove(std::string name, std::vector<std::string> events,
              base::Completion<Result<void>> done);

 private:
  JournalState& state_;
  Committer& committer_;
  base::Executor& pool_;
};

}  // namespace ekiden::spool
