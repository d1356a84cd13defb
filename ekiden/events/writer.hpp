#pragma once

#include <cstddef>
#include <memory>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/executor.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/events/sink.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::events {

/// Takes durable events from the spool to the store: the spool's one local consumer.
///
/// A batch is acknowledged only after the store has it durably; a failing store is asked again,
/// later and later, while the spool keeps the events. Replays are harmless (Sink ignores known
/// ids), so a crash anywhere loses nothing.
///
/// Small batches are dear, each being one sync, so after a batch that was not full the writer lets
/// `gather` pass before the next.
///
/// Sharing: made, run and dropped on `home`, an executor of its own that may block, whose clock
/// `clock` is. The spool outlives it, or is closed before.
class StoreWriter {
 public:
  struct Options {
    std::size_t batch_max = 4096;
    base::Duration gather = std::chrono::milliseconds(100);
    base::Duration retry_min = std::chrono::seconds(1);
    base::Duration retry_max = std::chrono::minutes(1);
  };
  struct Counters {
    base::Counter* batches = nullptr;
    base::Counter* failures = nullptr;
    base::Gauge* is_failing = nullptr;  ///< 1 while the store cannot be written: an alert
  };

  StoreWriter(spool::Spool& spool, Sink& sink, base::Executor& home, base::Clock& clock,
              Options options, Counters counters);
  StoreWriter(spool::Spool& spool, Sink& sink, base::Executor& home, base::Clock& clock)
      : StoreWriter(spool, sink, home, clock, Options{}, Counters{}) {}
  ~StoreWriter();

  /// Begins, with what an earlier life left over.
  void start();

  enum class Progress { Idle, More, Failed };
  /// Moves one batch. Blocks. Idle: nothing waited.
  Progress run_once();

  /// Moves everything that waits, until nothing does or the store fails: at shutdown.
  Progress drain();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::events
