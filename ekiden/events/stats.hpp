#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/events/reader.hpp"
#include "ekiden/events/tally.hpp"

namespace ekiden::events {

/// What a statistic tells apart.
struct StatsQuery {
  enum class Time { None, Hour, Day };
  /// Which events are counted. Its limit, order and page mean nothing.
  Query filter;
  Time time = Time::Day;
  bool by_tenant = false;
  /// One group for each name: of a stream, tag, …; All: no such groups.
  Dimension by = Dimension::All;
  /// Of `by` or of tenants; those with the most events are named, the others counted together.
  std::size_t names_max = 100;
  static constexpr std::size_t kNamesMax = 1000;
};

struct Stats {
  struct Group {
    base::Time time{};  ///< when it begins; zero without Time
    std::string name;   ///< empty: of no names, or of those that are not named
    bool is_rest = false;
    Counts counts{};
  };
  std::vector<Group> groups;   ///< by time, then the largest first, the rest last
  Counts totals{};             ///< every event once, whatever it is grouped by
  base::Time from{}, until{};  ///< of what was counted
  bool is_complete = true;     ///< false: some was not looked at, because it is too much
};

/// Counts events of the store.
///
/// Where the filter has a tenant, kind, times and at most one of stream, tag, domain, provider and
/// source (the one it is grouped by, when both are given), the counts kept with the events are
/// read, which are exact; times then widen to whole hours. Otherwise, and on days of older
/// layouts, the events themselves are looked at, Reader::kRowsMax of them at most.
///
/// Errors: as of Reader::find. Sharing: as the reader.
Result<Stats> count_events(Reader& reader, const StatsQuery& query);

/// The same in steps, so that whoever shares the reader has a turn in between.
///
/// Sharing: one thread at a time.
class StatsCount {
 public:
  explicit StatsCount(const StatsQuery& query);
  ~StatsCount();

  /// Days of one step where their counts are read; else it looks at the events of one hour.
  static constexpr std::size_t kDaysPerStep = 16;
  enum class Step : std::uint8_t { More, Done };
  Result<Step> step(Reader& reader);
  /// Of what was looked at.
  Stats finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ekiden::events
