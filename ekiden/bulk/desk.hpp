#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ekiden/bulk/expander.hpp"
#include "ekiden/bulk/store.hpp"

namespace ekiden::bulk {

/// The jobs of a node: launches those whose time has come, has them expanded, counts what becomes
/// of them.
///
/// Sharing: `start`, `stop` and the destructor on its worker; the rest on any thread. The store
/// outlives the pool.
class Desk {
 public:
  struct Parts {
    base::Worker& worker;
    base::Executor& pool;
    base::Executor& composing;  ///< of rows; what else waits there waits for long
    Store& store;
    inbound::Services& services;
    std::function<std::shared_ptr<const inbound::ListenerOptions>()> submission;
    MakeComposer make_composer;
    Watch& watch;
    base::Metrics& metrics;
    std::string events_directory;
  };
  explicit Desk(Parts parts);
  ~Desk();

  /// Takes up what the spool had at start.
  void start();
  void stop();
  /// The threads have ended.
  void abandon();

  Store& store();
  /// Something may be due, or be wished of a job: it is looked for at once, and every second
  /// anyway.
  void nudge();
  /// A batch that has just become durable in spool and store.
  void take(base::MessageId job);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::bulk
