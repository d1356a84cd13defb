#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/metrics.hpp"
#include "ekiden/events/day_file.hpp"
#include "ekiden/events/outcome_meter.hpp"
#include "ekiden/events/sink.hpp"

namespace ekiden::events {

/// The event store: one SQLite file for each day, by the events' own time.
///
/// A damaged file is moved aside (`2026-11-22.db.corrupt-1`) with an alert in the log, and a new
/// one begun. What was in it is no longer found, but still there for inspection.
///
/// Sharing: the event writer's thread only. Readers open the files themselves (reader.hpp), in
/// this process or another, at any time.
class Store final : public Sink {
 public:
  struct Options {
    std::string directory;  ///< made when missing, readable by owner and group only
    /// Files of days that ended longer ago are removed.
    base::Duration retention = std::chrono::days(30);
    /// Transcripts of days that ended longer ago are removed.
    base::Duration transcripts = std::chrono::days(14);
  };
  struct Counters {
    base::Counter* stored = nullptr;
    base::Counter* known = nullptr;    ///< replays, ignored
    base::Counter* unread = nullptr;   ///< no events, kept aside
    base::Counter* corrupt = nullptr;  ///< files moved aside
    OutcomeMeter* outcomes = nullptr;
    base::Gauge* overdue = nullptr;  ///< files that retention could not remove: an alert
  };

  Store(base::Clock& clock, Options options, Counters counters);
  Store(base::Clock& clock, Options options) : Store(clock, std::move(options), Counters{}) {}
  ~Store() override;

  /// Durable when it returns. Errors: Errc::NoSpace, Io, Busy: part of the batch may be kept;
  /// write it again, whole.
  Result<void> write(const std::vector<std::string>& encoded_events) override;

  /// Removes files past their retention. `write` does so when a day begins. On the same thread.
  void remove_old();

 private:
  struct Item {
    Day day;
    std::size_t index;
    bool is_event;
    KeyView keys;
  };

  Result<void> write_day(Day day, const Item* begin, const Item* end,
                         const std::vector<std::string>& octets);
  Result<void> try_write_day(Day day, const Item* begin, const Item* end,
                             const std::vector<std::string>& octets);
  Result<DayFile*> file_of(Day day);
  Result<void> move_aside(Day day);
  void remove_transcripts();
  std::string path_of(Day day) const;

  base::Clock& clock_;
  Options options_;
  Counters counters_;
  std::map<Day, std::unique_ptr<DayFile>> open_;
  std::vector<Item> items_;
  std::vector<const KeyView*> fresh_;  ///< of the batch that is being written
  std::set<Day> untold_;               ///< days that have no transcripts any more
  Day cleaned_on_ = INT64_MIN;
};

}  // namespace ekiden::events
