#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/executor.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::control {

/// What is known of an operation at one instant.
struct OperationView {
  std::uint64_t id = 0;
  std::string what;  ///< "bounce: domain example.org"
  enum class State : std::uint8_t { Running, Done, Cancelled, Failed };
  State state = State::Running;
  base::Time started{};
  std::optional<base::Time> ended;
  std::uint64_t matched = 0;                    ///< recipients that the filter means
  std::uint64_t done = 0;                       ///< of them, acted on
  std::uint64_t skipped = 0;                    ///< of them, gone or in the middle of a transaction
  std::uint64_t looked_at = 0, to_look_at = 0;  ///< how far the walk is
  std::string problem;                          ///< for State::Failed
};
const char* state_name(OperationView::State state);

/// Something that an operator started and that takes a while: progress, a result, a way to stop
/// it. Whoever does the work holds one, counts, and asks `must_stop` between slices.
///
/// Sharing: any thread.
class Operation {
 public:
  Operation(std::uint64_t id, std::string what, base::Time started)
      : id_(id), what_(std::move(what)), started_(started) {}
  /// As it was before a restart.
  explicit Operation(const OperationView& view);

  std::uint64_t id() const { return id_; }
  void expect(std::uint64_t to_look_at) { to_look_at_ += to_look_at; }
  void looked_at(std::uint64_t n) { looked_at_ += n; }
  void matched(std::uint64_t n) { matched_ += n; }
  void done(std::uint64_t n) { done_ += n; }
  void skipped(std::uint64_t n) { skipped_ += n; }

  /// Some of what it looked for could not be read: it goes on, and does not end as Done.
  void overlooked_some() { has_overlooked_ = true; }
  bool has_overlooked() const { return has_overlooked_; }

  bool is_cancelled() const { return is_cancelled_; }
  void cancel() { is_cancelled_ = true; }
  /// The node stops: it goes on after the restart.
  bool is_interrupted() const { return is_interrupted_; }
  void interrupt() { is_interrupted_ = true; }
  bool must_stop() const { return is_cancelled_ || is_interrupted_; }
  /// Begins to look from the start; what was done stays counted.
  void look_again() {
    looked_at_ = to_look_at_ = 0;
    matched_ = done_ + skipped_;
  }

  /// Ends it; later calls change nothing. Cancelled when somebody cancelled it.
  void finish(base::Time now);
  void fail(base::Time now, std::string problem);
  bool is_running() const;
  /// Posts `ended` to `on` once it has ended: at once when it has already. One may wait.
  void when_ended(base::Executor& on, base::Completion<int> ended);

  OperationView view() const;

 private:
  const std::uint64_t id_;
  const std::string what_;
  const base::Time started_;
  std::atomic<std::uint64_t> matched_{0}, done_{0}, skipped_{0}, looked_at_{0}, to_look_at_{0};
  std::atomic<bool> is_cancelled_{false}, is_interrupted_{false}, has_overlooked_{false};
  mutable std::mutex mutex_;
  OperationView::State state_ = OperationView::State::Running;
  std::optional<base::Time> ended_;
  std::string problem_;
  base::Executor* waiting_on_ = nullptr;
  base::Completion<int> waiting_;

  void tell();  ///< under the lock
};

/// The operations that are known. Running ones are kept, of those that ended the newest
/// kEndedMax. At most kRunningMax run at once.
///
/// Sharing: any thread.
class Operations {
 public:
  static constexpr std::size_t kEndedMax = 1000;
  static constexpr std::size_t kRunningMax = 64;

  /// Nothing when too many run already.
  std::shared_ptr<Operation> begin(std::string what, base::Time now);
  std::shared_ptr<Operation> find(std::uint64_t id) const;
  std::vector<OperationView> list() const;  ///< newest first
  /// One of before the restart; later ones have higher ids.
  void adopt(std::shared_ptr<Operation> operation);
  /// Asks all that run to stop where they are.
  void interrupt_all();

 private:
  mutable std::mutex mutex_;
  std::uint64_t next_id_ = 1;
  std::deque<std::shared_ptr<Operation>> operations_;
};

}  // namespace ekiden::control
