#include "ekiden/bulk/desk.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <set>
#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/base/pool_task.hpp"
#include "ekiden/bulk/counter.hpp"
#include "ekiden/bulk/record_writer.hpp"

namespace ekiden::bulk {
namespace {

/// What is due is looked for so often, and events are counted.
constexpr base::Duration kInterval = std::chrono::seconds(1);
/// Rows read or removed at a time.
constexpr std::size_t kRowsAtOnce = 5000;

struct Resumed {
  base::MessageId id;
  Expander::Wish wish = Expander::Wish::Go;
};

Expander::Wish wish_of(JobState state) {
  if (state == JobState::Paused) return Expander::Wish::Pause;
  const bool is_cancelled = state == JobState::Cancelling || state == JobState::Cancelled;
  return is_cancelled ? Expander::Wish::Cancel : Expander::Wish::Go;
}

std::uint64_t rows_in(const std::string& metadata) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(metadata, error);
  if (error || !value.is_object()) return 0;
  const boost::json::value* rows = value.get_object().if_contains("rows");
  return rows != nullptr && rows->is_int64() ? static_cast<std::uint64_t>(rows->get_int64()) : 0;
}

/// A batch that a crash left before the store knew it.
Job unknown_batch(const RecoveredJob& found) {
  Job job;
  job.origin = Origin::Batch;
  job.state = JobState::Sending;
  job.message = found.id;
  if (const Result<message::Meta> meta = message::decode_meta(found.meta)) {
    job.tenant = meta->details.tenant;
    job.stream = meta->details.stream;
    job.identity = meta->details.identity;
    job.created = job.committed = meta->details.received;
    job.send_at = meta->details.send_at;
    job.rows = rows_in(meta->details.metadata);
  }
  return job;
}

/// Store and spool agree again after a start: what each job of the spool is to do.
Result<std::vector<Resumed>> reconcile(Store& store, const std::vector<RecoveredJob>& found,
                                       base::Time now) {
  std::vector<Resumed> resumed;
  for (const RecoveredJob& one : found) {
    auto job = store.find_by_message(one.id);
    if (!job) return job.error();
    Expander::Wish wish = Expander::Wish::Go;
    if (!*job) {
      Job batch = unknown_batch(one);
      if (const auto added = store.add(batch); !added) return added.error();
    } else if ((*job)->state == JobState::Launching) {
      const auto moved = store.move((*job)->id, {JobState::Launching}, JobState::Sending, now);
      if (!moved) return moved.error();
    } else {
      wish = wish_of((*job)->state);
    }
    resumed.push_back({one.id, wish});
  }
  // What the spool does not have was never launched, or is over.
  for (const auto& [from, to] : {std::pair(JobState::Launching, JobState::Scheduled),
                                 std::pair(JobState::Cancelling, JobState::Cancelled)}) {
    Store::Listing listing;
    listing.state = from;
    listing.limit = 100'000;
    const auto left = store.list(listing);
    if (!left) return left.error();
    for (const Job& job : *left) {
      const bool is_there = std::any_of(found.begin(), found.end(), [&](const RecoveredJob& one) {
        return one.id == job.message;
      });
      if (is_there) continue;
      if (const auto moved = store.move(job.id, {from}, to, now); !moved) return moved.error();
    }
  }
  return resumed;
}

}  // namespace

struct Desk::State : std::enable_shared_from_this<Desk::State> {
  explicit State(Parts p)
      : parts(std::move(p)),
        expander({parts.worker, parts.composing, parts.services, parts.submission,
                  parts.make_composer, parts.watch, parts.metrics,
                  [this](base::MessageId job, std::string why) { note(job, std::move(why)); },
                  [this](base::MessageId job) { cancelled(job); }}),
        counter(parts.store, parts.events_directory),
        tasks(parts.worker) {}

  Parts parts;
  Expander expander;
  Counter counter;  ///< the pool's, while a look is under way
  base::TaskGroup tasks;
  base::TimerId timer = base::TimerId::None;
  bool is_looking = false, looks_again = false, is_stopped = false, has_failed = false;
  std::set<std::int64_t> launching;

  struct Looked {
    std::vector<Job> due;
    std::vector<Store::UnderWay> under_way;
    Error error;
    bool has_more = false;
  };

  base::Time now() const { return parts.worker.clock.now(); }

  void note(base::MessageId job, std::string why) {
    parts.pool.post([self = shared_from_this(), job, why = std::move(why)] {
      (void)self->parts.store.set_note(job, why);
    });
  }

  void cancelled(base::MessageId message) {
    parts.pool.post([self = shared_from_this(), message, at = now()] {
      const auto job = self->parts.store.find_by_message(message);
      if (job && *job)
        (void)self->parts.store.move((*job)->id, {JobState::Cancelling}, JobState::Cancelled, at);
    });
  }

  void arm() {
    if (is_stopped || timer != base::TimerId::None) return;
    timer = parts.worker.clock.call_after(kInterval, [self = shared_from_this()] {
      self->timer = base::TimerId::None;
      self->look();
    });
  }

  /// Counts events and asks what is due; on the pool.
  void look() {
    if (is_stopped) return;
    if (std::exchange(is_looking, true)) {
      looks_again = true;
      return;
    }
    parts.pool.post([self = shared_from_this(), at = now()]() mutable {
      Looked looked;
      Result<std::vector<Job>> due = self->parts.store.due(at);
      Result<std::vector<Store::UnderWay>> under_way = self->parts.store.under_way();
      const Result<Counter::Step> counted = self->counter.step(at);
      if (!due) looked.error = due.error();
      if (!under_way) looked.error = under_way.error();
      if (!counted) looked.error = counted.error();
      if (due) looked.due = std::move(*due);
      if (under_way) looked.under_way = std::move(*under_way);
      looked.has_more = counted && *counted == Counter::Step::More;
      base::Executor& home = self->parts.worker.executor;
      home.post([self = std::move(self), looked = std::move(looked)]() mutable {
        self->take(std::move(looked));
      });
    });
  }

  void take(Looked looked) {
    is_looking = false;
    if (is_stopped) return;
    if (looked.error && !std::exchange(has_failed, true))
      base::log::error("jobs_not_counted", {{"reason", looked.error.message()}});
    if (!looked.error) has_failed = false;
    for (const Store::UnderWay& job : looked.under_way) {
      if (launching.contains(job.id)) continue;
      const Expander::Wish wish = wish_of(job.state);
      const bool is_known = expander.set(job.message, wish);
      // Every row is a message already: nothing is left to tell the spool.
      if (!is_known && wish == Expander::Wish::Cancel) cancelled(job.message);
    }
    for (Job& job : looked.due)
      if (launching.insert(job.id).second) tasks.spawn(launch(shared_from_this(), job));
    if (looked.has_more || std::exchange(looks_again, false)) return look();
    arm();
  }

  base::Task<bool> on_pool(base::Function<bool()> work) {
    co_return co_await base::run_on<bool>(parts.pool, parts.worker, std::move(work));
  }

  static base::Task<void> launch(std::shared_ptr<State> self, Job job) {
    const base::MessageId id = make_job_id(self->parts.services.ids.next(self->now()));
    base::Function<bool()> begin = [&store = self->parts.store, number = job.id, id,
                                    at = self->now()] {
      const auto launched = store.launch(number, id, at);
      return launched && *launched == Changed::Yes;
    };
    const bool is_begun = co_await self->on_pool(std::move(begin));
    if (is_begun) {
      const Result<void> stored = co_await self->write(id, job);
      if (!stored)
        base::log::warning("job_not_launched",
                           {{"job", job.id}, {"reason", stored.error().message()}});
      base::Function<bool()> end = [&store = self->parts.store, number = job.id, at = self->now(),
                                    is_stored = static_cast<bool>(stored)] {
        const auto moved = store.move(number, {JobState::Launching},
                                      is_stored ? JobState::Sending : JobState::Scheduled, at,
                                      is_stored ? "" : "the disk cannot be written now");
        return moved && *moved == Changed::Yes;
      };
      // It is in the spool whatever the store says: a start finds it again.
      (void)co_await self->on_pool(std::move(end));
      if (stored && !self->is_stopped) {
        self->expander.take(id, Expander::Wish::Go, Expander::Came::Now);
        co_await self->forget_rows(job.id);
      }
    }
    self->launching.erase(job.id);
  }

  static base::Task<void> forget_rows_of(std::shared_ptr<State> self,
                                         std::vector<std::int64_t> jobs) {
    for (const std::int64_t job : jobs) co_await self->forget_rows(job);
  }

  base::Task<void> forget_rows(std::int64_t job) {
    bool is_any = true;
    while (is_any && !is_stopped) {
      base::Function<bool()> some = [&store = parts.store, job] {
        const auto removed = store.remove_rows(job, kRowsAtOnce);
        return removed && *removed == Changed::Yes;
      };
      is_any = co_await on_pool(std::move(some));
    }
  }

  base::Task<Result<void>> write(base::MessageId id, Job job) {
    Head head;
    head.name = job.name;
    head.tenant = job.tenant;
    head.stream = job.stream;
    head.identity = job.identity;
    head.sender_domains = job.sender_domains;
    head.client_address = job.client_address;
    head.content = job.content;
    head.rows = static_cast<std::uint32_t>(job.rows);
    head.job = job.id;
    RecordWriter writer(parts.services, parts.submission()->large_octets);
    std::string octets = encode_head(head);
    Result<void> added = co_await writer.add(std::move(octets));
    FrameWriter frames;
    std::int64_t after = 0;
    while (added) {
      base::Function<Result<std::vector<Row>>()> page = [&store = parts.store, number = job.id,
                                                         after] {
        return store.rows(number, after, kRowsAtOnce);
      };
      Result<std::vector<Row>> rows = co_await base::run_on<Result<std::vector<Row>>>(
          parts.pool, parts.worker, std::move(page));
      if (!rows) co_return rows.error();
      if (is_stopped) co_return make_error_code(spool::Errc::Closed);
      for (const Row& row : *rows) frames.add(row.data);
      const bool is_last = rows->size() < kRowsAtOnce;
      if (!rows->empty()) after = rows->back().id;
      std::string some = is_last ? frames.end() : frames.take();
      added = co_await writer.add(std::move(some));
      if (is_last) break;
    }
    if (!added) co_return added;
    if (frames.rows() != head.rows) co_return make_error_code(spool::Errc::Corrupt);
    std::string name = job.name;
    co_return co_await writer.finish(id, std::move(head), {}, std::move(name));
  }
};

Desk::Desk(Parts parts) : state_(std::make_shared<State>(std::move(parts))) {}

Desk::~Desk() = default;

Store& Desk::store() {
  return state_->parts.store;
}

void Desk::start() {
  state_->expander.note_untried(state_->parts.watch.take_untried());
  state_->parts.pool.post(
      [self = state_, found = state_->parts.watch.take_jobs(), at = state_->now()]() mutable {
        Result<std::vector<Resumed>> resumed = reconcile(self->parts.store, found, at);
        if (!resumed) {
          base::log::error("jobs_unreadable", {{"reason", resumed.error().message()}});
          // Sent they are all the same: nothing of the store is needed for that.
          resumed = std::vector<Resumed>();
          for (const RecoveredJob& one : found) resumed->push_back({one.id, Expander::Wish::Go});
        }
        Result<std::vector<std::int64_t>> left = self->parts.store.jobs_with_rows_left();
        if (!left) left = std::vector<std::int64_t>();
        base::Executor& home = self->parts.worker.executor;
        home.post([self = std::move(self), resumed = std::move(*resumed),
                   left = std::move(*left)]() mutable {
          if (self->is_stopped) return;
          for (const Resumed& one : resumed)
            self->expander.take(one.id, one.wish, Expander::Came::Recovered);
          if (!left.empty()) self->tasks.spawn(State::forget_rows_of(self, std::move(left)));
          self->look();
        });
      });
}

void Desk::stop() {
  state_->is_stopped = true;
  if (state_->timer != base::TimerId::None) state_->parts.worker.clock.cancel(state_->timer);
  state_->timer = base::TimerId::None;
  state_->expander.stop();
  state_->tasks.close();
}

void Desk::abandon() {
  state_->expander.abandon();
  state_->tasks.abandon();
}

void Desk::nudge() {
  state_->parts.worker.executor.post([self = state_] { self->look(); });
}

void Desk::take(base::MessageId job) {
  state_->parts.worker.executor.post(
      [self = state_, job] { self->expander.take(job, Expander::Wish::Go, Expander::Came::Now); });
}

}  // namespace ekiden::bulk
