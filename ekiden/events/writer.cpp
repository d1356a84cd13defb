#include "ekiden/events/writer.hpp"

#include <algorithm>

#include "ekiden/base/log.hpp"

// Invariants: at most one run is planned, by a post or by a timer; the writer sleeps without a
// plan only after the spool said that nothing waits, because it wakes us only then.

namespace ekiden::events {

struct StoreWriter::State : std::enable_shared_from_this<State> {
  spool::Spool& spool;
  Sink& sink;
  base::Executor& home;
  base::Clock& clock;
  Options options;
  Counters counters;
  base::Duration retry{0};  ///< zero: the store works
  base::TimerId timer = base::TimerId::None;
  bool is_planned = false;
  bool closed = false;

  State(spool::Spool& from, Sink& to, base::Executor& executor, base::Clock& time, Options settings,
        Counters counts)
      : spool(from), sink(to), home(executor), clock(time), options(settings), counters(counts) {}

  Progress move_batch(std::size_t& size);
  Progress failed(const Error& error);
  void run();
  void plan(base::Duration delay);
  /// From any thread.
  void wake() {
    home.post([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->plan(base::Duration(0));
    });
  }
};

StoreWriter::Progress StoreWriter::State::move_batch(std::size_t& size) {
  Result<spool::EventBatch> batch = spool.next_events(options.batch_max);
  if (!batch) return failed(batch.error());
  size = batch->events.size();
  if (batch->events.empty() && batch->cursor == 0) return Progress::Idle;
  // Nothing is left of those up to there, or they are stored already: a file that was spilled while
  // they were read, or is damaged. Nobody would come past them otherwise.
  if (batch->events.empty()) {
    spool.events_stored(batch->cursor);
    return Progress::More;
  }
  const Result<void> written = sink.write(batch->events);
  if (!written) return failed(written.error());
  spool.events_stored(batch->cursor);
  if (counters.batches != nullptr) counters.batches->add();
  if (retry != base::Duration(0)) {
    retry = base::Duration(0);
    if (counters.is_failing != nullptr) counters.is_failing->set(0);
    base::log::info("event_store_recovered", {});
  }
  return Progress::More;
}

StoreWriter::Progress StoreWriter::State::failed(const Error& error) {
  if (counters.failures != nullptr) counters.failures->add();
  if (counters.is_failing != nullptr) counters.is_failing->set(1);
  retry = retry == base::Duration(0) ? options.retry_min : std::min(2 * retry, options.retry_max);
  base::log::error("event_store_failed", {{"reason", error.message()},
                                          {"effect", "events wait in the spool, mail goes on"},
                                          {"retry", base::format_duration(retry)}});
  return Progress::Failed;
}

void StoreWriter::State::run() {
  std::size_t size = 0;
  switch (move_batch(size)) {
    case Progress::Idle:
      return;
    case Progress::More:
      return plan(size >= options.batch_max ? base::Duration(0) : options.gather);
    case Progress::Failed:
      return plan(retry);
  }
}

void StoreWriter::State::plan(base::Duration delay) {
  if (is_planned || closed) return;
  is_planned = true;
  auto run_planned = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closed) return;
    self->is_planned = false;
    self->timer = base::TimerId::None;
    self->run();
  };
  if (delay == base::Duration(0)) {
    home.post(std::move(run_planned));
  } else {
    timer = clock.call_after(delay, std::move(run_planned));
  }
}

StoreWriter::StoreWriter(spool::Spool& spool, Sink& sink, base::Executor& home, base::Clock& clock,
                         Options options, Counters counters)
    : state_(std::make_shared<State>(spool, sink, home, clock, options, counters)) {}

StoreWriter::~StoreWriter() {
  state_->closed = true;
  if (state_->timer != base::TimerId::None) state_->clock.cancel(state_->timer);
}

void StoreWriter::start() {
  state_->spool.on_events([weak = std::weak_ptr<State>(state_)] {
    if (const auto self = weak.lock()) self->wake();
  });
  state_->wake();
}

StoreWriter::Progress StoreWriter::run_once() {
  std::size_t size = 0;
  return state_->move_batch(size);
}

StoreWriter::Progress StoreWriter::drain() {
  Progress progress;
  while ((progress = run_once()) == Progress::More) {
  }
  return progress;
}

}  // namespace ekiden::events
