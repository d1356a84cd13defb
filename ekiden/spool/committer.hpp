#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/spool/batch.hpp"
#include "ekiden/spool/gathering.hpp"
#include "ekiden/spool/state.hpp"
#include "ekiden/spool/submission.hpp"

namespace ekiden::spool {

/// What the committer asks of those who reclaim, between two batches.
class Housekeeping {
 public:
  virtual ~Housekeeping() = default;
  /// Without `catalog`, which grew too large to keep, the segment is read again.
  virtual void segment_sealed(const SegmentHeader& header, std::optional<Catalog> catalog) = 0;
  virtual void file_unused(std::string path) = 0;
  /// A message whose body lies in a file is done; its record still says where.
  virtual void large_message_done(SegmentLife life, std::uint32_t header) = 0;
  virtual void step_copied(std::unique_ptr<CopyStep> step) = 0;
  /// After each batch, and when `maintain_at` has come.
  virtual void maintain() = 0;
  /// Once at start: fills the reserve.
  virtual void prepare() = 0;
};

/// Turns what waits into batches: one write, one sync, one post per port for each.
///
/// Sharing: `submit` from any thread, all else on the committer's executor.
class Committer {
 public:
  Committer(JournalState& state, base::Executor& executor, base::Clock& clock)
      : state_(state), executor_(executor), clock_(clock) {}
  ~Committer();
  void set_housekeeping(Housekeeping& housekeeping) { housekeeping_ = &housekeeping; }

  /// The spool is recovered: work may come.
  void start();

  /// Takes ownership of a chain of submissions, oldest first.
  void submit(Submission* first, Submission* last);
  void submit(std::unique_ptr<Submission> one);

  /// Writes what waits as one batch, up to its limits: new mail first.
  void run_batch();

  /// Live records to write again with the next batch; one step at a time.
  void copy(std::unique_ptr<CopyStep> step);

  /// Runs `maintain` again no later than after `delay`.
  void maintain_after(base::Duration delay);
  /// Runs it soon, from any thread.
  void ask_maintenance();

  /// Refuses new work, writes what waits; `done` once nothing is left. What cannot be written is
  /// refused.
  void close(base::Work done);

  bool is_healthy() const { return is_healthy_; }
  bool keeps_reserve() const { return keeps_reserve_; }
  /// New mail may use segments again.
  void lift_reserve();
  std::uint32_t reserve_segments() const;
  /// There is an active segment and a batch in it is durable, so that older ones may go.
  bool may_reclaim() const { return is_healthy_ && active_ && active_has_batch_; }

 private:
  enum class Wrote { Nothing, Batch, Failed };
  struct Effect {
    enum Kind : std::uint8_t { Insert, Move, Advance, Erase, AddEvents, MoveEvents, MoveDone };
    Kind kind;
    std::uint32_t record = 0;
    base::MessageId id;
    std::uint32_t recipients = 0;
    bool has_file = false;
    Place from;                          ///< moves: where it was
    std::uint32_t first = 0, count = 0;  ///< in changed_ or lives_
    SharedEvents events;
  };
  /// At most what a limit record, and what one more segment in a done, takes.
  static constexpr std::uint64_t kLimitRoom = 128;
  static constexpr std::uint64_t kLifeRoom = 16;
  /// Of a batch, what changes recipients that are queued: the sync of an operation's million
  /// changes is waited for by all mail that comes meanwhile. When so much waits, it waits for
  /// nothing else.
  static constexpr std::uint64_t kChangesOctetsMax = 1u << 20;

  struct Changed {
    std::uint32_t recipient;
    bool is_final;
  };
  /// What earlier parts of the batch being built will have made of a message.
  struct Pending {
    std::uint32_t open = 0;
    bool is_new = false;
    bool is_done = false;
    std::vector<std::uint32_t> finals;
  };
  struct Completed {
    std::shared_ptr<PortState> port;
    std::vector<std::pair<base::Completion<Result<void>>, Result<void>>> calls;
  };

  void notify();
  void on_work();
  void take_inbox();
  void enqueue(Submission* one);
  void count_waiting(const Submission& one, int sign);
  bool is_anything_waiting() const { return !mail_.empty() || !changes_.empty(); }
  bool has_urgent_work() const;
  bool should_gather();
  void stop_gathering();

  Wrote write_one();
  Result<void> make_room(std::uint64_t octets, bool is_new_mail);
  void seal();
  void build(std::uint64_t room);
  void build_waiting(std::deque<std::unique_ptr<Submission>>& queue, std::uint64_t end,
                     std::uint64_t room);
  bool build_submission(Submission& submission, std::uint32_t transaction);
  void build_update(base::MessageId id, const std::vector<Progress>& changes,
                    std::uint32_t transaction);
  void build_done(base::MessageId id, DoneReason reason, std::uint32_t transaction);
  void build_copies(CopyStep& step);
  Pending* pending_of(base::MessageId id);
  std::vector<SegmentLife> draining_lives() const;
  std::uint64_t cost_of(const Submission& submission) const;
  void apply();
  void fail_active();
  void take_back_chosen();
  void complete_chosen();
  bool clear_failed();
  void refuse_waiting_mail(Error why);
  void refuse_excess_updates();
  void complete(std::unique_ptr<Submission> submission, Result<void> result);
  void deliver();
  void publish();
  void arm_retry();
  void finish_close();

  JournalState& state_;
  base::Executor& executor_;
  base::Clock& clock_;
  Housekeeping* housekeeping_ = nullptr;

  Inbox inbox_;
  std::atomic<bool> is_notified_{false};
  std::atomic<bool> is_closing_{false};
  std::atomic<bool> is_gathering_{false};  ///< the next batch waits for company

  std::deque<std::unique_ptr<Submission>> mail_;     ///< new mail: somebody waits for its 250
  std::deque<std::unique_ptr<Submission>> changes_;  ///< all else, in the order in which it came
  std::size_t urgent_ = 0, new_mail_ = 0;            ///< of those waiting
  std::uint64_t updates_octets_ = 0;                 ///< of those waiting that are not new mail
  std::unique_ptr<CopyStep> step_;
  base::TimerId commit_timer_ = base::TimerId::None;
  base::TimerId retry_timer_ = base::TimerId::None;
  base::TimerId maintain_timer_ = base::TimerId::None;
  base::TimerId gather_timer_ = base::TimerId::None;
  Gathering gathering_;
  std::size_t gathered_before_ = 0;
  base::Steady maintain_at_ = base::kNever;

  // The segment in use.
  std::optional<std::uint32_t> active_;
  std::shared_ptr<File> active_file_;
  bool active_has_batch_ = false;
  Catalog catalog_;
  bool has_catalog_ = false;

  // The batch being built.
  Batch batch_;
  std::vector<Effect> effects_;
  std::vector<Changed> changed_;
  std::vector<SegmentLife> lives_, draining_;
  std::unordered_map<base::MessageId, Pending> pending_;
  std::vector<std::unique_ptr<Submission>> chosen_;
  std::uint64_t used_ = 0;          ///< octets, at most
  std::uint32_t transactions_ = 0;  ///< numbered so far
  bool has_step_ = false;
  bool wakes_events_ = false;

  bool is_healthy_ = true;
  bool keeps_reserve_ = false;
  bool is_retry_due_ = false;
  Error last_error_;
  base::Duration backoff_{};

  std::vector<Completed> completed_;
  std::vector<std::pair<base::Completion<Result<void>>, Result<void>>> own_completed_;
  base::Work on_closed_;
};

}  // namespace ekiden::spool
