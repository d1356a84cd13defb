#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/metrics.hpp"
#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/control/operation_book.hpp"
#include "ekiden/control/quarantine_desk.hpp"
#include "ekiden/control/queue_commands.hpp"
#include "ekiden/control/queue_reader.hpp"
#include "ekiden/control/queue_walk.hpp"
#include "ekiden/control/suspension_book.hpp"
#include "ekiden/spool/journal.hpp"

namespace ekiden::control {

/// What a live node is made of, as far as its operators are concerned. All of it outlives it.
struct LiveNodeParts {
  base::Worker& worker;  ///< where the commands are answered
  const delivery::Neighbours& neighbours;
  spool::Journal& spool;
  base::Executor& pool;  ///< for what blocks
  base::Metrics& metrics;
  SaveOctets save_suspensions, save_operations;
  /// What only the process knows: version, names, sessions, memory, alerts of its own.
  std::function<void(NodeStatus&)> describe;
  std::function<void(base::Completion<Reloaded>)> reload;  ///< answers on `worker`
  std::function<void()> drain;
};

/// The operator's commands over the dispatchers of a running relay.
///
/// It holds nothing of the queue: each command walks the workers' own entries in slices, and reads
/// the rest back through the spool. Actions are done by the worker that owns the recipient.
///
/// Sharing: its worker only.
class LiveNode final : public NodeControl {
 public:
  explicit LiveNode(LiveNodeParts parts);

  /// Puts what was suspended before the restart in force. Before the workers run. False when the
  /// octets cannot be read.
  bool restore_suspensions(std::string_view octets);
  /// What operators had begun before the restart: `start` goes on with it. The same otherwise.
  bool restore_operations(std::string_view octets) { return operation_book_.load(octets); }
  /// On its worker, once it runs: suspensions that end by themselves do, operations go on.
  void start();
  /// Operations stop where they are, to go on after the restart; `done` when they have.
  void stop(base::Work done);

  base::Task<NodeStatus> status() override;
  base::Task<Outcome<QueuePage>> list(Filter filter, std::string cursor,
                                      std::size_t count) override;
  base::Task<QueueSummary> summary(Filter filter, GroupBy by) override;
  base::Task<Outcome<std::vector<Explanation>>> explain(
      base::MessageId message, std::optional<std::uint32_t> index) override;
  base::Task<Outcome<MessageView>> show(base::MessageId message) override;
  base::Task<Outcome<std::shared_ptr<Operation>>> act(QueueAction action, Filter filter,
                                                      std::string argument) override;
  base::Task<Outcome<Suspension>> suspend(SuspendScope scope, std::optional<base::Time> until,
                                          std::string reason) override;
  base::Task<Outcome<Suspension>> resume(SuspendScope scope) override;
  base::Task<std::vector<Suspension>> suspensions() override;
  Operations& operations() override { return operations_; }
  QuarantineDesk* quarantine() override { return &quarantine_; }
  base::Task<Reloaded> reload() override;
  base::Task<void> drain() override;

 private:
  /// What runs an operation: the same for all of its stretches.
  struct Errand {
    std::shared_ptr<Operation> operation;
    QueueAction action = QueueAction::Retry;
    std::string argument;
    std::shared_ptr<const Sieve> sieve;
    base::Steady began{};
  };
  class Acting;
  struct Rest;
  /// Recipients of one message on one worker.
  struct Group {
    base::MessageId message;
    std::shared_ptr<const message::Meta> meta;
    std::vector<delivery::OrderTarget> targets;
  };

  /// Recipients copied out of a worker at a time when few of them may be meant, or all of them are
  /// acted on: what is read back for them lies in memory at once.
  static constexpr std::size_t kSearchStretchMax = 8192;

  template <class T>
  base::Task<T> ask_worker(unsigned worker, AskedWork<T> work) {
    return ask<T>(parts_.neighbours, parts_.worker.executor, worker, std::move(work));
  }
  template <class T>
  base::Task<std::vector<T>> ask_workers(AskedWork<T> work) {
    return ask_all<T>(parts_.neighbours, parts_.worker.executor, std::move(work));
  }
  QueueScan scan(std::shared_ptr<const Sieve> sieve, Range range) const {
    return {parts_.neighbours, parts_.worker.executor, std::move(sieve), range};
  }
  QueueScan scan(std::shared_ptr<const Sieve> sieve, Position from = {}) const {
    return {parts_.neighbours, parts_.worker.executor, std::move(sieve), from};
  }
  spool::Port& port() const { return parts_.neighbours.at(parts_.worker.index).port(); }
  base::Time now() const { return parts_.worker.clock.now(); }

  static Errand errand_of(const BookedOperation& booked, base::Steady began);
  base::Task<void> run(Errand errand);
  base::Task<void> run_in_parts(Errand errand);
  base::Task<void> walk(Errand errand, std::shared_ptr<Rest> rest,
                        std::shared_ptr<const void> until_over);
  base::Task<void> run_part(Errand errand, QueueScan scan);
  base::Task<void> save_operations();
  base::Task<std::vector<Group>> select(Stretch stretch, Errand errand);
  base::Task<QueueSummary> summary_by_reading(std::shared_ptr<const Sieve> sieve, GroupBy by);
  void name_suspensions(const Met& met, std::vector<Explanation::Reason>& reasons) const;
  void finish_summary(QueueSummary& summary, GroupBy by) const;

  static SuspendScope canonical(SuspendScope scope);
  void apply(const SuspendScope& scope, bool is_suspended);
  void arm_timer();
  base::Task<void> end_suspensions();

  LiveNodeParts parts_;
  base::TaskGroup tasks_;
  Operations operations_;
  OperationBook operation_book_;
  base::Steady next_save_{};
  SuspensionBook book_;
  QuarantineDesk quarantine_;
  base::TimerId timer_ = base::TimerId::None;
};

}  // namespace ekiden::control
