// Actions on a selection of the queue: `queue retry`, `hold`, `release`, `bounce`, `delete`,
// `reroute`.
//
// An operation walks the queues stretch by stretch. What the filter means is read back here; then
// the worker that owns the recipients acts on them in small turns, and the next stretch waits until
// that is durable: a million recipients never gather in memory on their way to the disk.
#include <algorithm>
#include <array>
#include <span>
#include <unordered_map>

#include "ekiden/base/log.hpp"
#include "ekiden/control/live_node.hpp"
#include "ekiden/delivery/route.hpp"

namespace ekiden::control {
namespace {

/// Recipients that one worker acts on in one turn: well under a millisecond.
constexpr std::size_t kActedPerTurnMax = 64;
/// Recipients acted on before the next are looked at, which waits until these are durable.
constexpr std::size_t kActedAtOnceMax = 2048;

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

/// Acts on a stretch, kActedPerTurnMax in a turn of the worker that owns it. It lives until all
/// that it caused is durable.
class LiveNode::Acting final : public std::enable_shared_from_this<Acting> {
 public:
  using Answer = std::shared_ptr<Answering<delivery::Tally>>;

  Acting(delivery::Dispatcher& there, QueueAction action, std::string argument,
         std::vector<Group> groups, Answer answer)
      : there_(there),
        action_(action),
        argument_(std::move(argument)),
        groups_(std::move(groups)),
        answer_(std::move(answer)) {}

  void run() {
    for (std::size_t acted = 0; next_ < groups_.size() && acted < kActedPerTurnMax; ++next_) {
      acted += groups_[next_].targets.size();
      act(groups_[next_]);
    }
    there_.wake();
    if (next_ < groups_.size())
      there_.worker().executor.post([self = shared_from_this()] { self->run(); });
  }

 private:
  void act(Group& group) {
    const std::shared_ptr<delivery::Tally> tally(answer_, &answer_->value);
    if (action_ == QueueAction::Reroute) {
      there_.reroute({group.message, group.meta, std::move(group.targets), argument_}, tally);
      return;
    }
    delivery::Tally some;
    if (action_ == QueueAction::Retry) {
      some = retry(there_, group.message, group.targets);
    } else {
      delivery::Settlement::Context context;
      context.id = group.message;
      context.meta = group.meta;
      context.until_durable = answer_;
      some = there_.orders().give(context, group.targets, order_of(action_, argument_));
    }
    tally->done += some.done;
    tally->later += some.later;
    tally->gone += some.gone;
  }

  delivery::Dispatcher& there_;
  QueueAction action_;
  std::string argument_;
  std::vector<Group> groups_;
  Answer answer_;
  std::size_t next_ = 0;
};

base::Task<void> LiveNode::run(Errand errand) {
  Operation& operation = *errand.operation;
  const bool is_about_one = errand.sieve->filter().message.has_value();
  if (!is_about_one) {
    AskedWork<std::uint64_t> work = [](delivery::Dispatcher& there,
                                       std::shared_ptr<Answering<std::uint64_t>> answer) {
      answer->value = there.scheduler().size();
    };
    const std::vector<std::uint64_t> sizes = co_await ask_workers<std::uint64_t>(std::move(work));
    for (const std::uint64_t size : sizes) operation.expect(size);
  }
  for (QueueScan scan = this->scan(errand.sieve); !scan.is_over() && !operation.is_cancelled();) {
    Stretch stretch = co_await scan.next(kActedAtOnceMax);
    const unsigned worker = stretch.worker;
    const std::uint64_t looked_at = stretch.looked_at;
    if (is_about_one) operation.expect(looked_at);
    std::vector<Group> groups = co_await select(std::move(stretch), errand);
    std::uint64_t matched = 0;
    for (const Group& group : groups) matched += group.targets.size();
    operation.matched(matched);
    if (matched > 0) {
      AskedWork<delivery::Tally> work =
          [action = errand.action, argument = errand.argument, groups = std::move(groups)](
              delivery::Dispatcher& there, Acting::Answer answer) mutable {
            std::make_shared<Acting>(there, action, argument, std::move(groups), std::move(answer))
                ->run();
          };
      const delivery::Tally tally = co_await ask_worker<delivery::Tally>(worker, std::move(work));
      operation.done(tally.done);
      operation.skipped(tally.later + tally.gone);
    }
    operation.looked_at(looked_at);
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
base::Task<std::vector<LiveNode::Group>> LiveNode::select(Stretch stretch, Errand errand) {
  // What came after the operation began was not meant: reports of its own bounces, say. Ids know
  // milliseconds only. What is from the future came before the clock was set back.
  const base::Time began = std::chrono::floor<std::chrono::milliseconds>(errand.began);
  std::erase_if(stretch.met, [&, now = now()](const Met& met) {
    return met.message.time() >= began && met.message.time() <= now;
  });
  ReadBack what;
  what.meta = errand.action != QueueAction::Retry;
  // A new progress record would forget the last reply.
  what.reply = errand.action == QueueAction::Hold || errand.action == QueueAction::Release ||
               errand.action == QueueAction::Reroute;
  std::vector<Found> found = co_await read_back(port(), std::move(stretch.met), errand.sieve, what);
  std::vector<Group> groups;
  std::unordered_map<base::MessageId, std::size_t> at;
  for (Found& one : found) {
    const auto [group, is_new] = at.try_emplace(one.met.message, groups.size());
    // A message for thousands is acted on in several turns.
    if (is_new || groups[group->second].targets.size() == kActedPerTurnMax) {
      group->second = groups.size();
      groups.push_back({one.met.message, one.meta, {}});
    }
    groups[group->second].targets.push_back({one.met.entry.index, std::move(one.reply)});
  }
  co_return groups;
}

}  // namespace ekiden::control
