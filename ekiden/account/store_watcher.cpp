#include "ekiden/account/store_watcher.hpp"

#include <utility>
#include <vector>

#include "ekiden/base/log.hpp"

namespace ekiden::account {

struct StoreWatcher::State : std::enable_shared_from_this<State> {
  State(base::Worker& w, base::Executor& b, Store& s, std::function<void()> c, base::Duration i)
      : worker(w), blocking(b), store(s), when_changed(std::move(c)), interval(i) {}

  base::Worker& worker;
  base::Executor& blocking;
  Store& store;
  std::function<void()> when_changed;
  base::Duration interval;
  std::shared_ptr<const Snapshot> seen;
  base::TimerId timer = base::TimerId::None;
  bool is_looking = false;
  bool is_stopped = false;
  bool has_failed = false;  ///< said once, not four times a second
  std::vector<base::Work> waiting, asked_meanwhile;

  void arm() {
    timer = worker.clock.call_after(interval, [self = shared_from_this()] {
      self->timer = base::TimerId::None;
      self->look();
    });
  }

  void look() {
    if (is_stopped || is_looking) return;
    is_looking = true;
    if (timer != base::TimerId::None) worker.clock.cancel(timer);
    timer = base::TimerId::None;
    // The worker's Executor outlives the pool's work; the state itself dies on the worker.
    blocking.post([self = shared_from_this()]() mutable {
      // What was counted in memory goes the other way.
      const Result<void> saved = self->store.save_usage();
      Result<Store::Refresh> changed = self->store.refresh();
      if (changed && !saved) changed = saved.error();
      base::Executor& home = self->worker.executor;
      home.post([self = std::move(self), changed] { self->looked(changed); });
    });
  }

  void looked(const Result<Store::Refresh>& changed) {
    is_looking = false;
    if (is_stopped) return;
    if (!changed && !std::exchange(has_failed, true)) {
      base::log::error("control_store_unreadable", {{"reason", changed.error().message()}});
    } else if (changed) {
      has_failed = false;
    }
    std::shared_ptr<const Snapshot> now = store.current();
    if (now != seen) {
      seen = std::move(now);
      if (when_changed) when_changed();
    }
    for (base::Work& done : std::exchange(waiting, {})) done();
    waiting = std::exchange(asked_meanwhile, {});
    if (is_stopped) return;
    if (waiting.empty()) {
      arm();
    } else {
      look();
    }
  }
};

StoreWatcher::StoreWatcher(base::Worker& worker, base::Executor& blocking, Store& store,
                           std::function<void()> changed, base::Duration interval)
    : state_(std::make_shared<State>(worker, blocking, store, std::move(changed), interval)) {
  state_->look();
}

StoreWatcher::~StoreWatcher() {
  state_->is_stopped = true;
  state_->waiting.clear();
  state_->asked_meanwhile.clear();
  if (state_->timer != base::TimerId::None) state_->worker.clock.cancel(state_->timer);
}

void StoreWatcher::look(base::Work done) {
  // A look that is under way may have read before the change that this one is about.
  auto& list = state_->is_looking ? state_->asked_meanwhile : state_->waiting;
  if (done) list.push_back(std::move(done));
  state_->look();
}

}  // namespace ekiden::account
