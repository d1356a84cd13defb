#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/task.hpp"
#include "ekiden/control/filter.hpp"
#include "ekiden/control/operations.hpp"
#include "ekiden/delivery/dispatcher.hpp"
#include "ekiden/delivery/neighbours.hpp"

/// Looking at the queues of all workers without holding any of them up.
namespace ekiden::control {

/// A walk leaves its worker alone after so long, or so many slots, and goes on in a later turn.
inline constexpr base::Duration kSliceMax = std::chrono::microseconds(500);
inline constexpr std::uint32_t kSliceSlotsMax = 10'000;

/// Brings what a worker found out back home. The answer is given when the last reference ends,
/// whatever happens to the work: with `value` as it is then.
template <class T>
class Answering {
 public:
  Answering(base::Executor& home, base::Completion<T> done) : home_(home), done_(std::move(done)) {}
  ~Answering() {
    if (done_) {
      home_.post([done = std::move(done_), value = std::move(value)]() mutable {
        done(std::move(value));
      });
    }
  }
  Answering(const Answering&) = delete;
  Answering& operator=(const Answering&) = delete;

  T value{};

 private:
  base::Executor& home_;
  base::Completion<T> done_;
};

/// What is done on a worker for one that waits elsewhere.
template <class T>
using AskedWork = std::function<void(delivery::Dispatcher& there, std::shared_ptr<Answering<T>>)>;

/// Does `work` on a worker and waits for its answer, on `home`.
template <class T>
base::Task<T> ask(const delivery::Neighbours& neighbours, base::Executor& home, unsigned worker,
                  AskedWork<T> work) {
  auto begin = [&](base::Completion<T> done) {
    auto answer = std::make_shared<Answering<T>>(home, std::move(done));
    delivery::Dispatcher& there = neighbours.at(worker);
    neighbours.send(worker, [&there, work = std::move(work), answer = std::move(answer)]() mutable {
      work(there, std::move(answer));
    });
  };
  co_return co_await base::suspend<T>(std::move(begin));
}

/// Asks every worker the same, one after the other; their answers in the order of the workers.
template <class T>
base::Task<std::vector<T>> ask_all(const delivery::Neighbours& neighbours, base::Executor& home,
                                   AskedWork<T> work) {
  std::vector<T> answers;
  for (unsigned worker = 0; worker < neighbours.count(); ++worker) {
    AskedWork<T> same = work;
    T answer = co_await ask<T>(neighbours, home, worker, std::move(same));
    answers.push_back(std::move(answer));
  }
  co_return answers;
}

/// Visits the queued recipients of one worker in order of their slots, in slices, on that worker.
///
/// A recipient keeps its slot while it stays on its worker, so a walk that goes on later from
/// where it stopped meets each of them once. One that moves to another worker meanwhile (its
/// domain's plan was found out) may be met twice or not at all.
class SlotWalk final : public std::enable_shared_from_this<SlotWalk> {
 public:
  /// False: stop behind this one.
  using See = std::function<bool(std::uint32_t slot)>;
  /// `next`: where another walk would go on; nothing: that was all.
  using Done = base::Function<void(std::optional<std::uint32_t> next)>;

  /// Up to the slot `to`.
  SlotWalk(delivery::Dispatcher& dispatcher, std::uint32_t from, See see, Done done,
           std::uint32_t to = UINT32_MAX)
      : dispatcher_(dispatcher), at_(from), to_(to), see_(std::move(see)), done_(std::move(done)) {}
  void run();

 private:
  std::uint32_t limit() const;

  delivery::Dispatcher& dispatcher_;
  std::uint32_t at_, to_;
  See see_;
  Done done_;
};

/// A position in the queues of all workers, in their order.
struct Position {
  unsigned worker = 0;
  std::uint32_t slot = 0;
};
std::string format_position(Position position);
std::optional<Position> parse_position(std::string_view text);

/// A queued recipient as it was met, copied out.
struct Met {
  Position position;
  base::MessageId message;
  std::shared_ptr<const queue::Resident> resident;
  queue::RecipientEntry entry;
  base::Time received{};
  base::Steady queued{};
  std::uint64_t size = 0;
  std::string domain, next_hop, tenant, stream, site, route, source;
};
Met meet(const delivery::Dispatcher& dispatcher, std::uint32_t slot);

/// The slots of one message's recipients on this worker, in order.
std::vector<std::uint32_t> slots_of(const queue::Scheduler& scheduler, base::MessageId message);

/// What of a filter memory alone can tell. The rest needs the message's meta or its last reply.
class Sieve {
 public:
  /// `began`: as of when ages are meant.
  Sieve(Filter filter, base::Steady began);

  /// False: the filter does not mean it, whatever is on disk.
  bool may_match(const delivery::Dispatcher& dispatcher, std::uint32_t slot) const;
  bool needs_meta() const { return needs_meta_; }
  bool needs_reply() const { return !filter_.reply.empty(); }
  /// Whether the rest of it is meant, once it is known. Any thread.
  bool means_addresses(std::string_view sender, std::string_view recipient,
                       std::string_view batch = {}) const;
  bool means_reply(std::string_view reply) const;
  const Filter& filter() const { return filter_; }

 private:
  Filter filter_;
  base::Steady began_;
  bool needs_meta_ = false;
  std::optional<std::uint64_t> address_hash_;
  std::string address_key_;
};

/// A stretch of one worker's queue.
struct Stretch {
  unsigned worker = 0;
  std::vector<Met> met;
  std::optional<std::uint32_t> next;
  std::uint64_t looked_at = 0;
};

/// A part of one worker's queue.
struct Range {
  unsigned worker = 0;
  std::uint32_t from = 0;
  std::uint32_t to = UINT32_MAX;
};

/// Looks through the queues of all workers, one after the other, stretch by stretch; or through a
/// part of one.
class QueueScan {
 public:
  QueueScan(const delivery::Neighbours& neighbours, base::Executor& home,
            std::shared_ptr<const Sieve> sieve, Position from = {})
      : neighbours_(neighbours),
        home_(home),
        sieve_(std::move(sieve)),
        at_(from),
        workers_(neighbours.count()) {}

  QueueScan(const delivery::Neighbours& neighbours, base::Executor& home,
            std::shared_ptr<const Sieve> sieve, Range range)
      : neighbours_(neighbours),
        home_(home),
        sieve_(std::move(sieve)),
        at_{range.worker, range.from},
        workers_(range.worker + 1),
        to_(range.to) {}

  bool is_over() const { return at_.worker >= workers_; }
  /// Where the next stretch begins.
  Position position() const { return at_; }
  void go_on_from(Position position) { at_ = position; }
  /// At most `count` that may match, all of one worker.
  base::Task<Stretch> next(std::size_t count);

 private:
  const delivery::Neighbours& neighbours_;
  base::Executor& home_;
  std::shared_ptr<const Sieve> sieve_;
  Position at_;
  unsigned workers_;
  std::uint32_t to_ = UINT32_MAX;
};

}  // namespace ekiden::control
