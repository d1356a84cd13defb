#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/delivery/bounded_line.hpp"
#include "ekiden/delivery/job.hpp"
#include "ekiden/events/event.hpp"
#include "ekiden/message/dsn.hpp"
#include "ekiden/queue/intake.hpp"
#include "ekiden/queue/retry.hpp"
#include "ekiden/queue/scheduler.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::delivery {

struct SettlementOptions {
  std::string hostname;    ///< Reporting-MTA, and who the reports are from
  std::uint16_t node = 0;  ///< in the ids of what it generates; stays as it was at the beginning
  bool sends_failure_dsn = true;
  /// Mail taken over HTTP is told by events unless asked otherwise.
  bool sends_failure_dsn_for_http = false;
  /// Read back of a message in a file of its own, for its report.
  std::size_t returned_octets_max = message::kDsnOriginalOctetsMax;
  bool logs_dispositions = true;
};

/// What an attempt, an operator or the passing of time made of one recipient.
struct Verdict {
  std::uint32_t recipient = 0;
  spool::State state = spool::State::Queued;  ///< Queued: deferred
  smtp::Reply reply;
  Phase phase = Phase::Connect;
  bool is_local = false;  ///< the reply is ours
  bool may_be_duplicate = false;
  bool needs_relayed_dsn = false;
  bool is_attempt = true;  ///< counts as one
  std::string detail;      ///< for the event, in words
  std::string transcript;  ///< of the transaction; empty: not wanted
  /// What the reply meant; names that live for ever, empty: nobody asked.
  std::string_view reason, fault;
};

/// Turns verdicts into the one disposition of each recipient: progress and event on disk, a DSN
/// where one is due, and only then the end in the scheduler.
///
/// What belongs together becomes durable together: a final state, its event, and the DSN that
/// tells of it. When the disk refuses, the recipient stays "settling" and is tried again; nothing
/// is attempted twice meanwhile.
///
/// Sharing: its worker only.
class Settlement {
 public:
  struct Parts {
    base::Worker& worker;
    spool::Port& port;
    queue::Scheduler& scheduler;
    base::Metrics& metrics;
    base::TaskGroup& tasks;
    std::function<void(queue::Accepted)> enqueue;  ///< takes a generated message over
    std::function<void()> wake;
  };
  Settlement(Parts parts, SettlementOptions options);

  /// Context of a group of verdicts on one message.
  struct Context {
    base::MessageId id;
    std::shared_ptr<const message::Meta> meta;
    Peer peer;
    std::string route, source;
    base::Duration duration{};
    queue::RetryPolicy retry;
    /// Kept until everything that the verdicts caused is durable: whoever waits for that learns
    /// it from its end.
    std::shared_ptr<const void> until_durable;
    std::string provider = {};
  };
  void settle(const Context& context, std::vector<Verdict> verdicts);

  /// A delay notice is due for one recipient.
  void notify_delay(const Context& context, std::uint32_t recipient, smtp::Reply last);

  /// An operator's hold or release: progress and event. `reply`: the last one as text, to be kept.
  void record_hold(const Context& context, std::uint32_t recipient, bool is_held,
                   std::string detail, std::string reply = {});

  /// Where the octets of a new message lie once it is durable.
  enum class Lies : std::uint8_t { InMemory, OnDisk };
  /// A message that takes some recipients of another over, the old ones as `Expanded`. `done`
  /// hears whether it is durable; then the new one is queued and the old ones have left.
  void expand(const Context& context, std::vector<spool::Progress> expanded, queue::Accepted into,
              std::vector<spool::Progress> progress, Lies lies, std::string detail,
              base::Completion<Result<void>> done);
  /// A message of our own that tells of no other: a report on TLS. `own` has its recipients and
  /// what is said of it but for the size. `done` hears whether it is durable and queued.
  void send_own(message::Meta own, std::string octets, std::string detail,
                base::Completion<Result<void>> done);
  base::MessageId next_id() { return ids_.next(parts_.worker.clock.now()); }

  /// A message of the queue cannot be read: these recipients went with it to quarantine. `meta`
  /// is null when the envelope is not in memory either.
  void record_quarantined(base::MessageId id, const message::Meta* meta,
                          const std::vector<std::uint32_t>& recipients, const std::string& why);

  /// Submits what has gathered. Called once a turn.
  void flush();

  /// Nothing is on its way to the disk.
  bool is_quiet() const {
    return batches_ == 0 && gathering_.transaction.updates.empty() &&
           gathering_.transaction.events.empty() && reports_.is_empty();
  }

  void set_options(SettlementOptions options) { options_ = std::move(options); }

  /// The process ends: gives up what nobody will write any more.
  void drop_waiting() {
    gathering_ = {};
    reports_.clear();
  }

 private:
  struct Done {
    base::MessageId id;
    std::uint32_t recipient;
    spool::State state;
  };
  /// One submission under way, kept until it succeeded.
  struct Batch {
    spool::Transaction transaction;
    std::vector<Done> done;
    std::vector<queue::Accepted> generated;
    std::vector<std::shared_ptr<const void>> until_durable;
    std::optional<std::uint64_t> report_octets;  ///< of a report: what it holds in the line
    std::shared_ptr<base::Completion<Result<void>>> told;  ///< null: nobody waits
  };
  struct Report {
    Context context;
    message::DsnKind kind;
    std::vector<Verdict> verdicts;
    std::vector<spool::Progress> changes;
    std::vector<std::string> events;
    std::vector<Done> done;
  };

  events::Event event_of(const Context& context, const Verdict& verdict, events::Kind kind,
                         const queue::RecipientEntry& entry);
  void record(const Context& context, const Verdict& verdict, events::Kind kind,
              const queue::RecipientEntry& entry, std::vector<std::string>& out);
  void log_disposition(const Context& context, const Verdict& verdict, events::Kind kind,
                       const queue::RecipientEntry& entry);
  bool wants_report(const Context& context, std::uint32_t recipient, message::DsnKind kind) const;
  struct Original {
    base::Octets octets;
    bool is_whole = false;
  };
  base::Task<Original> original(base::MessageId id);
  void begin_report(Report report);
  void begin_reports();
  base::Task<void> report(Report report, std::uint64_t octets);
  void generate(Batch& batch, base::MessageId id, message::Meta own, std::string octets,
                std::string detail);
  void flush_if_full();
  void submit(std::shared_ptr<Batch> batch);
  void finished(const Batch& batch);
  void count(spool::State state);

  Parts parts_;
  SettlementOptions options_;
  base::MessageIdSource ids_;
  Batch gathering_;
  BoundedLine<Report> reports_;
  std::size_t batches_ = 0;  ///< submitted, not yet answered
  base::Counter& delivered_;
  base::Counter& deferred_;
  base::Counter& bounced_;
  base::Counter& expired_;
  base::Counter& cancelled_;
  base::Counter& expanded_;
  base::Counter& added_;
  base::Counter& quarantined_;
  base::Counter& generated_;
  base::Histogram& queued_;
};

}  // namespace ekiden::delivery
