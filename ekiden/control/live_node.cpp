// Status and suspensions; the other commands are in live_list.cpp, live_explain.cpp, live_act.cpp.
#include "ekiden/control/live_node.hpp"

#include "ekiden/base/log.hpp"
#include "ekiden/queue/suspended.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::control {
namespace {

queue::Suspendable suspendable(SuspendScope::Kind kind) {
  switch (kind) {
    case SuspendScope::Kind::Site:
      return queue::Suspendable::Site;
    case SuspendScope::Kind::Domain:
      return queue::Suspendable::Domain;
    case SuspendScope::Kind::Tenant:
      return queue::Suspendable::Tenant;
    case SuspendScope::Kind::Stream:
      return queue::Suspendable::Stream;
    case SuspendScope::Kind::Source:
      return queue::Suspendable::Source;
  }
  return queue::Suspendable::Site;
}

QueueCounts counts_of(const queue::Scheduler& scheduler) {
  QueueCounts counts;
  counts.resolving = scheduler.count(queue::Place::Unresolved);
  counts.ready = scheduler.count(queue::Place::Ready) + scheduler.count(queue::Place::Parked);
  counts.waiting = scheduler.count(queue::Place::Waiting);
  counts.in_flight = scheduler.count(queue::Place::InFlight);
  counts.settling = scheduler.count(queue::Place::Settling);
  counts.held = scheduler.count(queue::Place::Held);
  counts.queued = scheduler.size();
  return counts;
}

constexpr std::size_t kNameOctetsMax = 1024;

}  // namespace

LiveNode::LiveNode(LiveNodeParts parts)
    : parts_(std::move(parts)),
      tasks_(parts_.worker),
      operation_book_(operations_, parts_.save_operations),
      book_(parts_.save_suspensions),
      quarantine_({parts_.spool.quarantine(), parts_.pool, parts_.worker.executor,
                   parts_.worker.clock, parts_.worker.random, parts_.metrics,
                   [this](queue::Accepted message) {
                     parts_.neighbours.at(parts_.worker.index).take(std::move(message));
                   }}) {}

bool LiveNode::restore_suspensions(std::string_view octets) {
  if (!book_.load(octets)) return false;
  for (const Suspension& suspension : book_.all()) {
    for (unsigned i = 0; i < parts_.neighbours.count(); ++i)
      parts_.neighbours.at(i).scheduler().suspend(suspendable(suspension.scope.kind),
                                                  suspension.scope.name, true, now());
  }
  return true;
}

void LiveNode::stop(base::Work done) {
  if (timer_ != base::TimerId::None) parts_.worker.clock.cancel(timer_);
  timer_ = base::TimerId::None;
  operations_.interrupt_all();
  tasks_.close();
  tasks_.when_empty(std::move(done));
}

base::Task<NodeStatus> LiveNode::status() {
  NodeStatus status;
  AskedWork<QueueCounts> work = [](delivery::Dispatcher& there,
                                   std::shared_ptr<Answering<QueueCounts>> answer) {
    answer->value = counts_of(there.scheduler());
  };
  const std::vector<QueueCounts> counts = co_await ask_workers<QueueCounts>(std::move(work));
  for (const QueueCounts& one : counts) status.queue += one;
  const spool::Status spool = parts_.spool.status();
  status.workers = parts_.neighbours.count();
  status.disk_octets = spool.disk_octets;
  status.events_waiting = spool.events_waiting;
  status.quarantined = spool.quarantined;
  const auto counter = [this](const char* name) {
    return parts_.metrics.counter(name, {}).value();
  };
  status.accepted = counter("ekiden_inbound_recipients_total");
  status.delivered = counter("ekiden_recipients_delivered_total");
  status.deferred = counter("ekiden_attempts_deferred_total");
  status.bounced = counter("ekiden_recipients_bounced_total");
  for (unsigned i = 0; i < parts_.neighbours.count(); ++i)
    status.connections += static_cast<std::uint64_t>(
        parts_.metrics.gauge("ekiden_delivery_connections", {}, {{"worker", std::to_string(i)}})
            .value());
  if (!spool.accepts_messages)
    status.alerts.push_back("the spool takes no messages: the disk is full or failing");
  if (!spool.accepts_updates)
    status.alerts.push_back("the spool takes no updates: nothing is delivered until it does");
  if (spool.quarantined > 0)
    status.alerts.push_back(std::to_string(spool.quarantined) +
                            " messages or pieces that could not be read are in quarantine: see "
                            "`ekiden spool quarantine list`");
  parts_.describe(status);
  co_return status;
}

base::Task<Reloaded> LiveNode::reload() {
  auto begin = [this](base::Completion<Reloaded> done) { parts_.reload(std::move(done)); };
  co_return co_await base::suspend<Reloaded>(std::move(begin));
}

base::Task<void> LiveNode::drain() {
  parts_.drain();
  co_return;
}

// --- suspensions

/// A domain is known by its canonical name, however it was typed.
SuspendScope LiveNode::canonical(SuspendScope scope) {
  if (scope.kind != SuspendScope::Kind::Domain) return scope;
  Result<std::string> name = smtp::canonical_domain(scope.name);
  scope.name = name ? std::move(*name) : std::string();
  return scope;
}

base::Task<Outcome<Suspension>> LiveNode::suspend(SuspendScope given,
                                                  std::optional<base::Time> until,
                                                  std::string reason) {
  const SuspendScope scope = canonical(given);
  if (scope.name.empty() || scope.name.size() > kNameOctetsMax) {
    Problem problem{"bad_request", "\"" + given.name + "\" is no " + kind_name(given.kind)};
    co_return Outcome<Suspension>(std::move(problem));
  }
  if (book_.is_full() && book_.find(scope.kind, scope.name) == nullptr) {
    Problem problem{"refused", "too many things are suspended already"};
    co_return Outcome<Suspension>(std::move(problem));
  }
  reason.resize(std::min(reason.size(), kNameOctetsMax));
  Suspension suspension{scope, now(), until, reason};
  Suspension kept = suspension;
  const Result<void> written = co_await book_.put(std::move(kept));
  if (!written) co_return Outcome<Suspension>(not_written(written.error()));
  apply(scope, true);
  arm_timer();
  base::log::info("suspended",
                  {{"kind", kind_name(scope.kind)}, {"name", scope.name}, {"reason", reason}});
  co_return Outcome<Suspension>(std::move(suspension));
}

base::Task<Outcome<Suspension>> LiveNode::resume(SuspendScope given) {
  const SuspendScope scope = canonical(given);
  const Suspension* found = book_.find(scope.kind, scope.name);
  if (found == nullptr) {
    Problem problem{"not_found",
                    std::string(kind_name(given.kind)) + " " + given.name + " is not suspended"};
    co_return Outcome<Suspension>(std::move(problem));
  }
  Suspension suspension = *found;
  const Result<void> written = co_await book_.remove(scope);
  if (!written) co_return Outcome<Suspension>(not_written(written.error()));
  apply(scope, false);
  base::log::info("resumed", {{"kind", kind_name(scope.kind)}, {"name", scope.name}});
  co_return Outcome<Suspension>(std::move(suspension));
}

base::Task<std::vector<Suspension>> LiveNode::suspensions() {
  co_return book_.all();
}

void LiveNode::apply(const SuspendScope& scope, bool is_suspended) {
  const queue::Suspendable kind = suspendable(scope.kind);
  for (unsigned i = 0; i < parts_.neighbours.count(); ++i) {
    delivery::Dispatcher& there = parts_.neighbours.at(i);
    parts_.neighbours.send(i, [&there, kind, name = scope.name, is_suspended] {
      queue::Scheduler& scheduler = there.scheduler();
      scheduler.suspend(kind, name, is_suspended, there.worker().clock.now());
      if (is_suspended && kind == queue::Suspendable::Domain) {
        const auto see = [&scheduler](std::uint32_t slot) {
          scheduler.park(slot);
          return true;
        };
        const auto walk = std::make_shared<SlotWalk>(
            there, 0, see, [&there](std::optional<std::uint32_t>) { there.wake(); });
        walk->run();
      }
      there.wake();
    });
  }
}

void LiveNode::arm_timer() {
  if (timer_ != base::TimerId::None) parts_.worker.clock.cancel(timer_);
  timer_ = base::TimerId::None;
  const std::optional<base::Time> next = book_.next_end();
  if (!next) return;
  const base::Duration wait = std::max(base::Duration::zero(), *next - now());
  timer_ = parts_.worker.clock.call_after(wait + std::chrono::milliseconds(1), [this] {
    timer_ = base::TimerId::None;
    tasks_.spawn(end_suspensions());
  });
}

base::Task<void> LiveNode::end_suspensions() {
  std::vector<SuspendScope> over;
  for (const Suspension& suspension : book_.all())
    if (suspension.until && *suspension.until <= now()) over.push_back(suspension.scope);
  bool is_written = true;
  for (const SuspendScope& scope : over) {
    SuspendScope one = scope;
    const Result<void> written = co_await book_.remove(std::move(one));
    // Resumed all the same: the file says when it ended.
    apply(scope, false);
    is_written = is_written && written;
    base::log::info("resumed", {{"kind", kind_name(scope.kind)}, {"name", scope.name}});
  }
  // One that could not be struck out is looked at again at the next change or start.
  if (is_written) arm_timer();
}

}  // namespace ekiden::control
