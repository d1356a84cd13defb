#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/metrics.hpp"
#include "ekiden/base/task_group.hpp"
#include "ekiden/bulk/composing.hpp"
#include "ekiden/bulk/job_id.hpp"
#include "ekiden/bulk/untried.hpp"
#include "ekiden/bulk/watch.hpp"
#include "ekiden/inbound/services.hpp"
#include "ekiden/inbound/submission.hpp"

namespace ekiden::bulk {

/// Makes messages of the rows of jobs that the spool has, when their turn comes.
///
/// Some rows at a time become messages in one transaction with the job's own progress, so that a
/// crash finds either the row or its message, never both and never neither. Each message goes
/// through the admission of any other; one that is refused for good leaves a `rejected` event, and
/// where a limit says "later" the job waits. How many messages that were not tried yet a job has in
/// the queue is bounded (Untried): what it has not expanded can still be paused and cancelled, and
/// the queue stays short.
///
/// It gives way to all other mail. Rows are composed by an executor of its own, which asks for less
/// than the others do; and while mail of others comes it makes fewer rows at a time, and rests in
/// between as long as they took.
///
/// Sharing: its worker only.
class Expander {
 public:
  struct Parts {
    base::Worker& worker;
    base::Executor& composing;
    inbound::Services& services;
    std::function<std::shared_ptr<const inbound::ListenerOptions>()> submission;
    MakeComposer make_composer;
    Watch& watch;
    base::Metrics& metrics;
    /// Why a job waits; empty: it goes on.
    std::function<void(base::MessageId job, std::string why)> note;
    /// The spool has been told that the job is cancelled.
    std::function<void(base::MessageId job)> cancelled;
  };
  explicit Expander(Parts parts);
  ~Expander();

  /// Jobs that are expanded side by side; the others wait in line.
  static constexpr unsigned kRunningMax = 4;
  /// Messages of all jobs that were not tried yet. The last part of it is for jobs that have few.
  static constexpr std::size_t kUntriedOfAllMax = 100'000;
  static constexpr std::size_t kUntriedKeptFree = kRunningMax * Untried::kCountedMax;
  /// Rows of one transaction while mail of others comes, and how long a job rests for it at most.
  static constexpr std::size_t kRowsGently = 16;
  static constexpr base::Duration kRestMax = std::chrono::milliseconds(200);
  /// So long the queue may be full of a job's messages without a word: their next hop is slow.
  /// After that its note says why nothing goes on.
  static constexpr base::Duration kFullPatience = std::chrono::seconds(10);
  /// Octets of one transaction: the row that passes it is the last.
  static constexpr std::size_t kTransactionOctetsMax = 4 << 20;

  enum class Wish : std::uint8_t { Go, Pause, Cancel };
  /// A job that is durable. `recovered`: it was there at start.
  enum class Came : std::uint8_t { Now, Recovered };
  void take(base::MessageId job, Wish wish, Came came);
  /// Rows of a start that were never tried.
  void note_untried(const std::vector<base::MessageId>& rows);

  /// False: it has no such job, which is expanded then or cancelled.
  bool set(base::MessageId job, Wish wish);

  void stop();
  /// The threads have ended.
  void abandon() { tasks_.abandon(); }

  std::size_t jobs() const { return jobs_.size(); }

 private:
  struct Job;
  struct Chunk;
  enum class Go : std::uint8_t { On, Over };

  base::Task<void> run(std::shared_ptr<Job> job);
  base::Task<bool> open(Job& job);
  base::Task<std::optional<std::string_view>> fill(Job& job, std::uint64_t offset,
                                                   std::size_t needed);
  base::Task<Go> expand_some(Job& job);
  base::Task<bool> make(Job& job, Chunk& chunk, std::vector<ComposedRow> rows);
  base::Task<bool> submit(spool::Transaction transaction);
  base::Task<bool> end(Job& job);
  base::Task<void> wait(Job& job, std::optional<base::Duration> longest);
  base::Task<void> take_slot(Job& job);
  void leave_slot(Job& job);
  std::optional<base::Duration> must_wait(const Job& job);
  bool is_full(const Job& job) const;
  bool must_be_gentle();
  void refuse_row(const Job& job, std::uint32_t row, const ComposedRow& composed,
                  const smtp::Reply* reply, spool::Transaction& transaction);
  void wake(Job& job);
  void hear_tried();
  void note(Job& job, std::string why);
  inbound::Client client_of(const Job& job) const;

  Parts parts_;
  base::TaskGroup tasks_;
  std::map<base::MessageId, std::shared_ptr<Job>> jobs_;
  std::map<base::MessageId, Untried> untried_;
  std::size_t untried_of_all_ = 0;
  unsigned running_ = 0;
  /// Mail of others: how much of it was seen, when the last came, and until when jobs rest for it.
  std::uint64_t others_us_ = 0;
  std::optional<base::Steady> others_came_;
  base::Steady rests_until_{};
  std::deque<base::MessageId> in_line_;
  bool is_stopping_ = false;
  std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);

  base::Counter &recovered_, &expanded_, &cancelled_, &added_, &quarantined_, &rejected_;
  base::Gauge &queued_, &waiting_rows_;
};

}  // namespace ekiden::bulk
