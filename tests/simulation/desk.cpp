#include "tests/simulation/desk.hpp"

#include <algorithm>

#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {
namespace {

constexpr base::Duration kFileWriteTakes{2000};
constexpr std::uint32_t kPageItems = 3;
constexpr base::Duration kLooksAgain = std::chrono::seconds(1);
constexpr base::Duration kPauses = std::chrono::minutes(20);
constexpr std::size_t kQuarantinedMax = 100, kQuarantinedOctets = 1000;

/// A crash within that time leaves the file as it was.
control::SaveOctets saver(World& world, std::string& file) {
  return [&world, &file](std::string octets, base::Completion<Result<void>> done) {
    world.after(kFileWriteTakes,
                [&file, octets = std::move(octets), done = std::move(done)]() mutable {
                  file = std::move(octets);
                  done(Result<void>());
                });
  };
}

}  // namespace

Desk::Desk(World& world, SimulatedRelay& relay, DeskFiles& files)
    : world_(world),
      relay_(relay),
      files_(files),
      tasks_(relay.worker(0)),
      node_({relay.worker(0), relay.relay().neighbours(), relay.relay().spool(), relay.pool(),
             relay.metrics(), saver(world, files.suspensions), saver(world, files.operations),
             [](control::NodeStatus&) {}, [](base::Completion<control::Reloaded>) {}, [] {}}) {
  expect(node_.restore_suspensions(files.suspensions), "the suspensions cannot be read back");
  expect(node_.restore_operations(files.operations), "the operations cannot be read back");
  for (const control::OperationView& view : node_.operations().list())
    if (view.state == control::OperationView::State::Running)
      operations_.push_back(node_.operations().find(view.id));
  node_.start();
}

void Desk::act(control::QueueAction action, control::Filter filter, std::string argument) {
  ++acts_;
  tasks_.spawn(run_act(action, std::move(filter), std::move(argument)));
}

base::Task<void> Desk::run_act(control::QueueAction action, control::Filter filter,
                               std::string argument) {
  // What another operation makes anew meanwhile, one of them may not have met.
  const bool is_alone = std::none_of(operations_.begin(), operations_.end(),
                                     [](const auto& operation) { return operation->is_running(); });
  Deletion deletion{filter, world_.steady(), {}};
  const std::size_t acts = acts_;
  const auto operation = co_await node_.act(action, std::move(filter), std::move(argument));
  expect(operation.value.has_value(), operation.problem.message);
  if (!operation.value) co_return;
  operations_.push_back(*operation.value);
  if (action == control::QueueAction::Delete && is_alone)
    watch(*operation.value, std::move(deletion), acts);
}

void Desk::watch(std::shared_ptr<control::Operation> operation, Deletion deletion,
                 std::size_t acts) {
  world_.after(kLooksAgain, [this, operation = std::move(operation), deletion = std::move(deletion),
                             acts]() mutable {
    if (acts != acts_) return;
    if (operation->is_running()) return watch(std::move(operation), std::move(deletion), acts);
    if (operation->view().state != control::OperationView::State::Done) return;
    deletion.over = world_.steady();
    files_.deletions.push_back(std::move(deletion));
  });
}

void Desk::reroute_in_vain(std::string argument) {
  tasks_.spawn(run_in_vain(std::move(argument)));
}

base::Task<void> Desk::run_in_vain(std::string argument) {
  const std::string given = argument;
  control::Filter any;
  const auto operation =
      co_await node_.act(control::QueueAction::Reroute, std::move(any), std::move(argument));
  expect(!operation.value, "mail is rerouted to " + given);
  expect(operation.value || !operation.problem.message.empty(), given + " is refused silently");
}

void Desk::sort_quarantine() {
  tasks_.spawn(run_quarantine());
}

base::Task<void> Desk::run_quarantine() {
  control::QuarantineDesk& desk = *node_.quarantine();
  std::string after;
  const auto all = co_await desk.list(std::move(after), kQuarantinedMax);
  if (!all.value) co_return;
  for (const control::QuarantinedView& found : *all.value) {
    std::string name = found.name;
    const auto shown = co_await desk.show(std::move(name));
    if (!shown.value) continue;
    name = found.name;
    const auto octets = co_await desk.octets(std::move(name), 0, kQuarantinedOctets);
    if (!octets.value) continue;
    name = found.name;
    if (world_.random().below(3) == 0) {
      std::string reason = "a test";
      (void)co_await desk.remove(std::move(name), std::move(reason));
    } else {
      const auto released = co_await desk.release(std::move(name));
      // Its octets may be damaged as well, or the disk be full.
      (void)released;
    }
  }
}

void Desk::suspend(control::SuspendScope scope) {
  tasks_.spawn(run_suspend(std::move(scope)));
}

base::Task<void> Desk::run_suspend(control::SuspendScope scope) {
  const auto suspended = co_await node_.suspend(std::move(scope), std::nullopt, "a test");
  expect(suspended.value.has_value(), suspended.problem.message);
}

void Desk::resume_all() {
  tasks_.spawn(run_resume_all());
}

base::Task<void> Desk::run_resume_all() {
  const std::vector<control::Suspension> all = co_await node_.suspensions();
  for (const control::Suspension& suspension : all) {
    control::SuspendScope scope = suspension.scope;
    (void)co_await node_.resume(std::move(scope));
  }
}

void Desk::browse() {
  tasks_.spawn(run_browse());
}

base::Task<void> Desk::run_browse() {
  control::Filter filter;
  std::string cursor;
  const auto page = co_await node_.list(std::move(filter), std::move(cursor), kPageItems);
  if (!page.value) co_return;
  for (const auto& item : page.value->items) {
    (void)co_await node_.explain(item.message, item.index);
    (void)co_await node_.show(item.message);
  }
  for (const auto by : {control::GroupBy::Site, control::GroupBy::Domain, control::GroupBy::Tenant,
                        control::GroupBy::Stream}) {
    control::Filter any;
    (void)co_await node_.summary(std::move(any), by);
  }
  // Readers complain, and a warm-up is stopped and goes on: what no message brings about.
  const delivery::Neighbours& all = relay_.relay().neighbours();
  const bool is_paused = world_.random().below(2) == 0;
  for (unsigned i = 0; i < all.count(); ++i) {
    delivery::Dispatcher& there = all.at(i);
    all.send(i, [&there, is_paused] {
      for (const net::Address& source : kSources) {
        there.pause_warm_up(source.to_string(), "carrier", is_paused);
        there.complained(source.to_string(), "carrier", "mx.one.example");
      }
    });
  }
  if (is_paused) {
    for (unsigned i = 0; i < all.count(); ++i) {
      delivery::Dispatcher& there = all.at(i);
      world_.after(kPauses, [&all, &there, i] {
        all.send(i, [&there] {
          for (const net::Address& source : kSources)
            there.pause_warm_up(source.to_string(), "carrier", false);
        });
      });
    }
  }
}

void Desk::release_all() {
  act(control::QueueAction::Release, {}, {});
}

void Desk::look(std::map<std::pair<base::MessageId, std::uint32_t>, int>* seen) {
  tasks_.spawn(run_look(seen));
}

base::Task<void> Desk::run_look(std::map<std::pair<base::MessageId, std::uint32_t>, int>* seen) {
  std::string cursor;
  do {
    std::string at = cursor;
    control::Filter any;
    const auto page = co_await node_.list(std::move(any), std::move(at), kPageItems);
    expect(page.value.has_value(), "a page: " + page.problem.message);
    if (!page.value) co_return;
    expect(page.value->items.size() <= kPageItems, "a page is too long");
    for (const auto& item : page.value->items) ++(*seen)[{item.message, item.index}];
    cursor = page.value->next;
  } while (!cursor.empty());
  control::Filter any;
  const control::QueueSummary summary =
      co_await node_.summary(std::move(any), control::GroupBy::Domain);
  const control::NodeStatus status = co_await node_.status();
  expect(summary.counts.queued == status.queue.queued, "summary and status count differently");
  for (const auto& [key, count] : *seen) {
    const auto why = co_await node_.explain(key.first, key.second);
    expect(why.value.has_value(), "explain: " + why.problem.message);
    expect(!why.value || !why.value->front().reasons.empty(), "explain gives no reason");
    const auto view = co_await node_.show(key.first);
    expect(view.value && !view.value->header.empty(), "show gives no header");
  }
}

}  // namespace ekiden::simulation
