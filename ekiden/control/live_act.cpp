// Actions on a selection of the queue: `queue retry`, `hold`, `release`, `bounce`, `delete`,
// `reroute`.
//
// An operation walks the queues stretch by stretch. What the filter means is read back here; then
// the worker that owns the recipients acts on them in small turns, and the next stretch waits until
// that is durable: a million recipients never gather in memory on their way to the disk. Large
// queues are walked by several at once, so that while one stretch is read another is acted on and a
// third becomes durable; side by side, because neighbours in the queue mostly lie in one segment.
//
// An operation is written down before it begins. One that a restart or a crash cut short begins to
// look from the start, and finds done what was done: each change is durable with its recipient.
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
/// Those who walk one worker's queue at once, where it is long, and the slots that each takes.
constexpr std::uint32_t kWalkersMax = 2;
constexpr std::uint32_t kRangeSlots = 4 * kActedAtOnceMax;
/// How old the counters of a running operation may be after a crash.
constexpr base::Duration kSaveInterval = std::chrono::seconds(2);

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
  BookedOperation booked;
  booked.began = now();
  booked.operation =
      operations_.begin(std::string(action_name(action)) + ": " + describe(filter), booked.began);
  if (!booked.operation) {
    Problem problem{"refused", "too many operations are running"};
    co_return Answer(std::move(problem));
  }
  booked.action = action;
  booked.filter = filter;
  booked.argument = argument;
  BookedOperation kept = booked;
  const Result<void> written = co_await operation_book_.put(std::move(kept));
  if (!written) {
    Problem problem = not_written(written.error());
    booked.operation->fail(now(), problem.message);
    co_return Answer(std::move(problem));
  }
  base::log::info("operation", {{"operation", booked.operation->id()},
                                {"action", action_name(action)},
                                {"filter", describe(filter)},
                                {"argument", argument}});
  tasks_.spawn(run(errand_of(booked)));
  co_return Answer(std::move(booked.operation));
}

void LiveNode::start() {
  arm_timer();
  for (const BookedOperation& booked : operation_book_.running()) {
    base::log::info("operation_resumed", {{"operation", booked.operation->id()},
                                          {"what", booked.operation->view().what}});
    booked.operation->look_again();
    tasks_.spawn(run(errand_of(booked)));
  }
}

LiveNode::Errand LiveNode::errand_of(const BookedOperation& booked) const {
  Errand errand;
  errand.operation = booked.operation;
  errand.action = booked.action;
  errand.argument = booked.argument;
  errand.began = booked.began;
  errand.sieve = std::make_shared<const Sieve>(booked.filter, booked.began);
  return errand;
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
  if (errand.sieve->filter().message) {
    QueueScan all = scan(errand.sieve);
    co_await run_part(errand, std::move(all));
  } else {
    co_await run_in_parts(errand);
  }
  // It goes on after the restart.
  if (operation.is_interrupted() && !operation.is_cancelled()) co_return;
  if (operation.has_overlooked() && !operation.is_cancelled()) {
    operation.fail(now(), "the spool's disk kept some messages back: they are as they were");
  } else {
    operation.finish(now());
  }
  const OperationView view = operation.view();
  base::log::info("operation_ended", {{"operation", view.id},
                                      {"state", state_name(view.state)},
                                      {"matched", view.matched},
                                      {"done", view.done},
                                      {"skipped", view.skipped}});
  co_await save_operations();
}

/// What of one worker's queue nobody walks yet.
struct LiveNode::Rest {
  unsigned worker;
  std::uint32_t next, end;
  bool is_over = false;

  Range take() {
    const std::uint32_t from = next;
    is_over = end - from <= kRangeSlots;
    next += kRangeSlots;
    // Who comes meanwhile, from another worker, stands behind all others.
    return {worker, from, is_over ? UINT32_MAX : next};
  }
};

/// All workers at once, and a long queue by several.
base::Task<void> LiveNode::run_in_parts(Errand errand) {
  using Extent = std::pair<std::uint64_t, std::uint32_t>;
  AskedWork<Extent> work = [](delivery::Dispatcher& there,
                              std::shared_ptr<Answering<Extent>> answer) {
    answer->value = {there.scheduler().size(), there.scheduler().recipient_slots()};
  };
  const std::vector<Extent> extents = co_await ask_workers<Extent>(std::move(work));
  auto begin = [&](base::Completion<bool> done) {
    const auto until_over =
        std::make_shared<Answering<bool>>(parts_.worker.executor, std::move(done));
    for (unsigned worker = 0; worker < extents.size(); ++worker) {
      const auto [size, slots] = extents[worker];
      errand.operation->expect(size);
      const auto rest = std::make_shared<Rest>(Rest{worker, 0, slots});
      for (std::uint32_t i = 0; i < std::clamp(slots / kRangeSlots, 1U, kWalkersMax); ++i)
        tasks_.spawn(walk(errand, rest, until_over));
    }
  };
  (void)co_await base::suspend<bool>(std::move(begin));
}

base::Task<void> LiveNode::walk(Errand errand, std::shared_ptr<Rest> rest,
                                std::shared_ptr<const void> until_over) {
  while (!rest->is_over && !errand.operation->must_stop()) {
    QueueScan range = scan(errand.sieve, rest->take());
    co_await run_part(errand, std::move(range));
  }
  until_over.reset();
}

base::Task<void> LiveNode::run_part(Errand errand, QueueScan scan) {
  Operation& operation = *errand.operation;
  const bool is_about_one = errand.sieve->filter().message.has_value();
  while (!scan.is_over() && !operation.must_stop()) {
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
    if (parts_.worker.clock.steady() < next_save_) continue;
    next_save_ = parts_.worker.clock.steady() + kSaveInterval;
    tasks_.spawn(save_operations());
  }
}

/// What cannot be written is written with the next change. One that has ended and is still written
/// down as running is looked through once more by the next start, and finds nothing to do.
base::Task<void> LiveNode::save_operations() {
  const Result<void> written = co_await operation_book_.save();
  if (!written)
    base::log::warning("operations_not_written", {{"error", written.error().message()}});
}

/// Those of the stretch that the filter means, by message, with what the action needs to know.
base::Task<std::vector<LiveNode::Group>> LiveNode::select(Stretch stretch, Errand errand) {
  // What came after the operation began was not meant: reports of its own bounces, say. Ids know
  // milliseconds only. What is from the future came before the clock was set back.
  const base::Time began = std::chrono::floor<std::chrono::milliseconds>(errand.began);
  std::erase_if(stretch.met, [&, now = now()](const Met& met) {
    return met.message.time() >= began && met.message.time() <= now;
  });
  // Of those that memory alone knows to be meant, who is held already need not be read to be held.
  const bool may_skip = errand.action == QueueAction::Hold || errand.action == QueueAction::Release;
  if (may_skip && !errand.sieve->needs_meta() && !errand.sieve->needs_reply()) {
    const bool wanted = errand.action == QueueAction::Release;
    const std::uint64_t skipped = std::erase_if(stretch.met, [wanted](const Met& met) {
      const bool is_held = met.entry.place == queue::Place::Held;
      return met.entry.place != queue::Place::InFlight && is_held != wanted;
    });
    errand.operation->matched(skipped);
    errand.operation->skipped(skipped);
  }
  ReadBack what;
  what.meta = errand.action != QueueAction::Retry;
  // A new progress record would forget the last reply.
  what.reply = errand.action == QueueAction::Hold || errand.action == QueueAction::Release ||
               errand.action == QueueAction::Reroute;
  bool is_short = false;
  std::vector<Found> found =
      co_await read_back(port(), std::move(stretch.met), errand.sieve, what, &is_short);
  if (is_short) errand.operation->overlooked_some();
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
