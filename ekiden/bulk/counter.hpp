#pragma once

#include "ekiden/bulk/store.hpp"
#include "ekiden/events/reader.hpp"

namespace ekiden::bulk {

/// Counts what becomes of rows, from the event store into that of jobs: each event once, since the
/// place it has read to and what it counted change together.
///
/// Sharing: one thread at a time; blocks.
class Counter {
 public:
  Counter(Store& store, std::string events_directory)
      : store_(store), reader_(std::move(events_directory)) {}

  enum class Step : std::uint8_t { CaughtUp, More };
  /// Looks at most at kEventsAtOnce events of jobs. Errors: of the two stores; the next step reads
  /// the same again.
  Result<Step> step(base::Time now);
  static constexpr std::size_t kEventsAtOnce = 5000;

 private:
  Store& store_;
  events::Reader reader_;
  events::Cursor cursor_;
  bool has_begun_ = false;
  base::Time saved_{};
  base::Time pruned_{};
};

}  // namespace ekiden::bulk
