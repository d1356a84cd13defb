// Actions on a selection of the queue: `queue retry`, `hold`, `release`, `bounce`, `delete`,
// `reroute`.
//
// An operation walks the queues stretch by stretch. What the filter means is read back here; then
// the worker that owns the recipients acts on them, and the next stretch waits until that is
// durable: a million recipients never gather in memory on their way to the disk.
#include <algorithm>
#include <array>
#include <span>

#include "ekiden/base/log.hpp"
#include "ekiden/control/live_node.hpp"
#include "ekiden/delivery/route.hpp"

namespace ekiden::control {
namespace {

/// Recipients that one worker acts on in one turn: well under a millisecond.
constexpr std::size_t kActedPerTurnMax = 64;

delivery::Order order_of(QueueAction action, std::string reason) {
  delivery::Order order;
  order.reason = std::move(reason);
  switch (action) {
    case QueueAction::Hold:
      order.kind = delivery::Order::Kind::Hold;
      break;
    case QueueAction::Release:
      order.kind = delivery::Order::Kind::Release;
      break;
    case QueueAction::Bounce:
      order.kind = delivery::Order::Kind::Bounce;
      break;
    default:
      order.kind = delivery::Order::Kind::Delete;
      break;
  }
  return order;
}

/// Due now, and a site that rests is asked again.
delivery::Tally retry(delivery::Dispatcher& there, base::MessageId message,
                      const std::vector<delivery::OrderTarget>& targets) {
  queue::Scheduler& scheduler = there.scheduler();
  const base::Time now = there.worker().clock.now();
  delivery::Tally tally;
  for (const delivery::OrderTarget& target : targets) {
    const std::uint32_t slot = scheduler.find(message, target.recipient);
    const queue::Place place =
        slot == queue::kNone ? queue::Place::Free : scheduler.recipient(slot).place;
    if (place != queue::Place::Waiting && place != queue::Place::Ready) {
      ++tally.gone;
      continue;
    }
    scheduler.retry_now(slot, now);
    const std::uint32_t lane = scheduler.recipient(slot).lane;
    if (lane != queue::kNone && scheduler.resting_until(lane) > now) scheduler.rest(lane, now);
    ++tally.done;
  }
  there.wake();
  return tally;
}

/// "mx", or one host that can be read; otherwise why not.
std::string problem_of_next_hop(const std::string& next_hop) {
  std::string why;
  const auto parsed = delivery::parse_next_hop(std::span(&next_hop, 1), why);
  if (!parsed) return why;
  const bool is_usable = next_hop == "mx" || parsed->kind == delivery::NextHop::Kind::Hosts;
  return is_usable ? std::string() : "reroute takes host:port, [v6]:port or mx";
}

}  // namespace

base::Task<Outcome<std::shared_ptr<Operation>>> LiveNode::act(QueueAction action, Filter filter,
                                                              std::string argument) {
  using Answer = Outcome<std::shared_ptr<Operation>>;
  if (action == QueueAction::Reroute) {
    std::string why = problem_of_next_hop(argument);
    if (!why.empty()) {
      Problem problem{"bad_request", std::move(why)};
      co_return Answer(std::move(problem));
    }
  }
  if (tasks_.is_closed()) {
    Problem problem{"unavailable", "the node is stopping"};
    co_return Answer(std::move(problem));
  }
  Errand errand;
  errand.began = now();
  errand.operation =
      operations_.begin(std::string(action_name(action)) + ": " + describe(filter), errand.began);
  if (!errand.operation) {
    Problem problem{"refused", "too many operations are running"};
    co_return Answer(std::move(problem));
  }
  base::log::info("operation", {{"operation", errand.operation->id()},
                                {"action", action_name(action)},
                                {"filter", describe(filter)},
                                {"argument", argument}});
  errand.action = action;
  errand.argument = std::move(argument);
  errand.sieve = std::make_shared<const Sieve>(std::move(filter), errand.began);
  std::shared_ptr<Operation> operation = errand.operation;
  tasks_.spawn(run(std::move(errand)));
  co_return Answer(std::move(operation));
}

base::Task<void> LiveNode::run(Errand errand) {
  Operation& operation = *errand.operation;
  for (unsigned worker = 0; worker < parts_.neighbours.count(); ++worker) {
    AskedWork<std::uint64_t> work = [](delivery::Dispatcher& there,
                                       std::shared_ptr<Answering<std::uint64_t>> answer) {
      answer->value = there.scheduler().size();
    };
    const std::uint64_t size = co_await ask_worker<std::uint64_t>(worker, std::move(work));
    if (!errand.sieve->filter().message) operation.expect(size);
  }
  const auto reader = std::make_shared<QueueReader>(port());
  for (Position at; at.worker < parts_.neighbours.count() && !operation.is_cancelled();) {
    Stretch stretch = co_await look_at(parts_.neighbours, parts_.worker.executor, at, errand.sieve,
                                       kActedPerTurnMax);
    const std::optional<std::uint32_t> next = stretch.next;
    if (errand.sieve->filter().message) operation.expect(stretch.looked_at);
    operation.looked_at(stretch.looked_at);
    std::vector<Group> groups = co_await select(std::move(stretch), errand, reader);
    std::uint64_t matched = 0;
    for (const Group& group : groups) matched += group.targets.size();
    operation.matched(matched);
    if (matched > 0) {
      AskedWork<delivery::Tally> work =
          [action = errand.action, argument = errand.argument, groups = std::move(groups)](
              delivery::Dispatcher& there, std::shared_ptr<Answering<delivery::Tally>> answer) {
            const std::shared_ptr<delivery::Tally> tally(answer, &answer->value);
            for (const Group& group : groups) {
              if (action == QueueAction::Reroute) {
                there.reroute({group.message, group.meta, group.targets, argument}, tally);
                continue;
              }
              delivery::Tally some;
              if (action == QueueAction::Retry) {
                some = retry(there, group.message, group.targets);
              } else {
                delivery::Settlement::Context context;
                context.id = group.message;
                context.meta = group.meta;
                context.until_durable = answer;
                some = there.orders().give(context, group.targets, order_of(action, argument));
              }
              tally->done += some.done;
              tally->later += some.later;
              tally->gone += some.gone;
            }
            there.wake();
          };
      const delivery::Tally tally =
          co_await ask_worker<delivery::Tally>(at.worker, std::move(work));
      operation.done(tally.done);
      operation.skipped(tally.later + tally.gone);
    }
    at = next ? Position{at.worker, *next} : Position{at.worker + 1, 0};
  }
  operation.finish(now());
  const OperationView view = operation.view();
  base::log::info("operation_ended", {{"operation", view.id},
                                      {"state", state_name(view.state)},
                                      {"matched", view.matched},
                                      {"done", view.done},
                                      {"skipped", view.skipped}});
}

/// Those of the stretch that the filter means, by message, with what the action needs to know.
base::Task<std::vector<LiveNode::Group>> LiveNode::select(Stretch stretch, Errand errand,
                                                          std::shared_ptr<QueueReader> reader) {
  std::vector<Group> groups;
  const bool needs_meta = errand.action != QueueAction::Retry || errand.sieve->needs_meta();
  const bool needs_reply = errand.sieve->needs_reply() || errand.action == QueueAction::Hold ||
                           errand.action == QueueAction::Release ||
                           errand.action == QueueAction::Reroute;
  for (const Met& met : stretch.met) {
    // What came after the operation began was not meant: reports of its own bounces, say. What is
    // from the future came before the clock was set back.
    if (met.message.time() > errand.began && met.message.time() <= now()) continue;
    std::shared_ptr<const message::Meta> meta;
    std::string sender, recipient, reply;
    if (needs_meta) {
      Met copy = met;
      meta = co_await reader->meta(std::move(copy));
      if (!meta || met.entry.index >= meta->envelope.recipients.size()) continue;
      sender = meta->envelope.reverse_path;
      recipient = meta->envelope.recipients[met.entry.index].address;
    }
    if (needs_reply) {
      Met copy = met;
      reply = co_await reader->reply(std::move(copy));
    }
    if (!errand.sieve->matches(met, sender, recipient, reply)) continue;
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& g) { return g.message == met.message; });
    if (group == groups.end()) {
      groups.push_back({met.message, meta, {}});
      group = groups.end() - 1;
    }
    group->targets.push_back({met.entry.index, std::move(reply)});
  }
  co_return groups;
}

}  // namespace ekiden::control
