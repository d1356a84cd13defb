#include "tests/simulation/desk.hpp"

namespace ekiden::simulation {
namespace {

constexpr base::Duration kFileWriteTakes{2000};
constexpr std::uint32_t kPageItems = 3;

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
    : tasks_(relay.worker(0)),
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
  tasks_.spawn(run_act(action, std::move(filter), std::move(argument)));
}

base::Task<void> Desk::run_act(control::QueueAction action, control::Filter filter,
                               std::string argument) {
  const auto operation = co_await node_.act(action, std::move(filter), std::move(argument));
  expect(operation.value.has_value(), operation.problem.message);
  if (operation.value) operations_.push_back(*operation.value);
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
