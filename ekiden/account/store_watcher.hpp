#pragma once

#include <functional>
#include <memory>

#include "ekiden/account/store.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/worker.hpp"

namespace ekiden::account {

/// Lets a running node see what commands change in the control store, a quarter of a second
/// later: a timer on one worker, and on the blocking pool one look at SQLite's change counter.
/// What tenants have used is written down on the same occasion.
///
/// Sharing: its worker. It may be destroyed at any time on that worker; the store must outlive
/// the blocking pool.
class StoreWatcher {
 public:
  /// `changed` runs on the worker when there is another snapshot.
  StoreWatcher(base::Worker& worker, base::Executor& blocking, Store& store,
               std::function<void()> changed = {},
               base::Duration interval = std::chrono::milliseconds(250));
  ~StoreWatcher();
  StoreWatcher(const StoreWatcher&) = delete;
  StoreWatcher& operator=(const StoreWatcher&) = delete;

  /// Looks now, as `ekiden reload` and the control socket ask; `done` follows on the worker.
  void look(base::Work done = {});

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::account
