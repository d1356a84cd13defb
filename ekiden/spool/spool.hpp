#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/executor.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/octets.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/spool/error.hpp"

namespace ekiden::spool {

/// Where a recipient stands. Everything but Queued is final, and there is exactly one final state.
enum class State : std::uint8_t {
  Queued,
  Delivered,
  Bounced,
  Expired,
  Suppressed,
  Cancelled,
  Expanded
};

/// The newest progress of one recipient, whole: the newer record replaces the older.
struct Progress {
  std::uint32_t recipient = 0;  ///< index into the message's recipients
  State state = State::Queued;
  std::uint8_t flags = 0;  ///< the queue's own; the spool only keeps them
  std::uint16_t attempts = 0;
  base::Time due{};
  std::string reply;  ///< the last reply as text, or empty

  friend bool operator==(const Progress&, const Progress&) = default;
};

/// A message's octets: in memory, or in a file of their own when over `Options::large_octets`.
struct Body {
  base::Octets octets;
  std::string file;  ///< relative path, empty when in memory
  std::uint64_t size = 0;

  bool is_in_memory() const { return file.empty(); }
  /// The size and the sum of a file's octets when it was written, as its name has them.
  std::string_view sum() const {
    return std::string_view(file).substr(std::min(file.size(), file.find('-')));
  }
};

struct NewMessage {
  base::MessageId id;
  std::uint32_t recipients = 0;
  std::string meta;  ///< opaque (message::encode_meta)
  Body body;
  std::vector<Progress> progress;  ///< when some recipients do not start as fresh and due at once
};

struct Update {
  base::MessageId id;
  std::vector<Progress> changes;
};

/// All of it becomes durable together, or none of it does.
struct Transaction {
  std::vector<NewMessage> messages;
  std::vector<Update> updates;
  std::vector<std::string> events;  ///< opaque
  /// Nobody is waiting for it (progress of a deferral, say): it may wait `commit_interval` for
  /// company.
  bool may_wait = false;
};

struct Loaded {
  std::string meta;
  Body body;
};

/// Writes the octets of one large message while it arrives. Dropping it unfinished removes the
/// file.
class LargeWriter {
 public:
  virtual ~LargeWriter() = default;
  /// One append or read at a time.
  virtual void append(std::string octets, base::Completion<Result<void>> done) = 0;
  /// A slice of what was appended, for whoever finds out late that it must be written otherwise.
  /// Shorter only at the end.
  virtual void read(std::uint64_t offset, std::size_t length,
                    base::Completion<Result<base::Octets>> done) = 0;
  /// File and directory are durable when it completes.
  virtual void finish(base::Completion<Result<Body>> done) = 0;
};

/// `at` is the message's place in the list that was asked for; the octets are valid during the
/// call.
using SeeMeta = std::function<void(std::size_t at, std::string_view meta)>;
using SeeProgress = std::function<void(std::size_t at, std::vector<Progress> progress)>;

/// One worker's end of the spool: completions run on that worker, gathered.
///
/// Sharing: its worker only.
class Port {
 public:
  virtual ~Port() = default;

  /// Completes when the transaction would survive the plug being pulled.
  /// Errors: NoSpace, Io (nothing of it will come back at restart), Closed.
  virtual void submit(Transaction transaction, base::Completion<Result<void>> done) = 0;

  /// One more message is on its way in (+1), or one less (-1): a batch may wait a moment for it.
  virtual void expect(int change) { (void)change; }

  /// The threads have ended: completions of what was gathered and not handed on are dropped. The
  /// spool may go before the port, of which only `expect` is called from now on.
  virtual void abandon() {}

  /// Reads a message back, checksum verified. Errors: NotFound, Corrupt (already in quarantine,
  /// the alert is raised), Io.
  virtual void load(base::MessageId id, base::Completion<Result<Loaded>> done) = 0;

  /// Meta only, without touching the octets.
  virtual void load_meta(base::MessageId id, base::Completion<Result<std::string>> done) = 0;

  /// The newest progress of each recipient that has any, final ones too.
  virtual void load_progress(base::MessageId id,
                             base::Completion<Result<std::vector<Progress>>> done) = 0;

  /// The metas of many messages, read as they lie on the disk: `see` runs on the pool, where
  /// comparing them belongs too. Messages that have gone are passed over. Errors: Io.
  virtual void visit_metas(std::vector<base::MessageId> ids, SeeMeta see,
                           base::Completion<Result<void>> done) = 0;

  /// The same for progress. Messages without any are passed over too.
  virtual void visit_progress(std::vector<base::MessageId> ids, SeeProgress see,
                              base::Completion<Result<void>> done) = 0;

  /// A slice of a body that lies in a file.
  virtual void read(const Body& body, std::uint64_t offset, std::size_t length,
                    base::Completion<Result<base::Octets>> done) = 0;

  virtual std::unique_ptr<LargeWriter> create_large() = 0;
};

/// A live message as found at start.
struct Recovered {
  base::MessageId id;
  std::uint32_t recipients;
  std::uint64_t size;                     ///< of the octets
  std::string_view meta;                  ///< valid during the visit
  const std::vector<Progress>& progress;  ///< newest per recipient that has any; final ones too
};

/// Events that are durable and that the consumer has not acknowledged, oldest first.
struct EventBatch {
  std::uint64_t cursor = 0;  ///< hand back once they are safe, or there is none of them; 0: idle
  std::vector<std::string> events;
};

/// What the outside may know at any instant. Sharing: any thread.
struct Status {
  bool accepts_messages = true;   ///< false: answer 452 4.3.1 before DATA
  bool accepts_updates = true;    ///< false: start no new attempt
  std::uint64_t messages = 0;     ///< live
  std::uint64_t recipients = 0;   ///< queued
  std::uint64_t quarantined = 0;  ///< messages set aside
  std::uint64_t segments = 0;
  std::uint64_t disk_octets = 0;
  std::uint64_t events_waiting = 0;
  std::uint64_t batches = 0, syncs = 0, octets_written = 0, transactions = 0;
};

/// Messages on disk. Owns the moment at which mail becomes our duty (docs/SPOOL.md).
class Spool {
 public:
  virtual ~Spool() = default;

  /// Visits every live message once, in no order, then is ready for ports. Blocks: at start only.
  virtual Result<void> recover(const std::function<void(const Recovered&)>& visit) = 0;

  virtual std::unique_ptr<Port> attach(base::Executor& home) = 0;

  virtual Status status() const = 0;

  /// `wake` is called, from any thread, when events wait and none did before.
  virtual void on_events(base::Function<void()> wake) = 0;
  virtual Result<EventBatch> next_events(std::size_t count_max) = 0;
  virtual void events_stored(std::uint64_t cursor) = 0;

  /// Refuses new work, finishes what was submitted, closes the files. `done` from any thread.
  virtual void close(base::Work done) = 0;
};

}  // namespace ekiden::spool
