#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/spool/format.hpp"
#include "ekiden/spool/index.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::spool {

/// What a port's loop turn gathers, and where its completions go: its worker only, except that the
/// committer keeps it alive and posts to `home`.
struct PortState {
  PortState(base::Executor& h, std::shared_ptr<std::atomic<std::int64_t>> e)
      : home(h), expected(std::move(e)) {}
  ~PortState();
  PortState(const PortState&) = delete;
  PortState& operator=(const PortState&) = delete;
  /// Drops what was gathered.
  void clear();
  base::Executor& home;
  const std::shared_ptr<std::atomic<std::int64_t>> expected;
  bool is_attached = true;             ///< false: completions are dropped
  struct Submission* first = nullptr;  ///< gathered, not pushed yet
  struct Submission* last = nullptr;
};

/// One transaction on its way to the disk.
struct Submission {
  Transaction transaction;
  /// transaction.events, once it is measured: shared with their consumer.
  std::shared_ptr<const std::vector<std::string>> events;
  std::vector<std::uint32_t> body_crcs;      ///< of transaction.messages, counted on the worker
  std::vector<base::MessageId> quarantined;  ///< to take out of the queue
  std::vector<base::MessageId> finished;     ///< found at start with every recipient final
  base::Completion<Result<void>> done;
  std::shared_ptr<PortState> port;  ///< null: ours, `done` runs on the committer
  std::uint64_t octets = 0;         ///< at most what its records take, without dones' copies
  std::uint32_t updates = 0;        ///< records that may become dones
  Submission* next = nullptr;

  /// New mail is what the disk's reserve is not for.
  bool is_new_mail() const { return !transaction.messages.empty() && transaction.updates.empty(); }
  /// Once, when it is complete.
  void measure();
};

/// Where submissions wait for the committer: pushed by any thread, taken all at once, oldest first.
class Inbox {
 public:
  ~Inbox();
  /// Pushes a chain; `last->next` is overwritten. The chain is given oldest first.
  void push(Submission* first, Submission* last);
  /// Everything, oldest first; null when nothing waits.
  Submission* take();

 private:
  std::atomic<Submission*> head_{nullptr};
};

/// Live records read from a segment that is drained, to be written again.
struct CopyStep {
  struct Message {
    base::MessageId id;
    Place from;
    std::uint32_t recipients = 0;
    bool has_file = false;
    std::string small, body;
    std::uint32_t body_crc = 0;
  };
  struct Change {
    Progress progress;
    Place from;
  };
  struct Fold {
    base::MessageId id;
    std::vector<Change> changes;
  };
  struct Done {
    base::MessageId id;
    DonePart part;
  };
  struct Event {
    std::uint64_t sequence = 0;
    Place from;
    std::string small;
  };
  std::uint32_t slot = 0;
  std::vector<Message> messages;
  std::vector<Fold> folds;
  std::vector<Done> dones;
  std::vector<Event> events;
  std::vector<base::MessageId> damaged;  ///< kept in quarantine/ already
  std::uint64_t octets = 0;
  bool is_last = false;
  bool has_failed = false;  ///< the source cannot be read now
};

}  // namespace ekiden::spool
