#include "ekiden/events/stats.hpp"

#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/events/day_reader.hpp"
#include "ekiden/events/key.hpp"

namespace ekiden::events {
namespace {

constexpr std::int64_t kHourUs = 3'600'000'000;
constexpr std::int64_t kDayUs = 24 * kHourUs;

std::int64_t floor_to(std::int64_t us, std::int64_t unit) {
  return us >= 0 ? us / unit * unit : -((-us + unit - 1) / unit * unit);
}

/// The one condition on a name, when it is one.
struct Condition {
  Dimension dimension = Dimension::All;
  std::string name;
};

/// Nothing: counts do not tell.
std::optional<Condition> condition_of(const StatsQuery& query) {
  const Query& filter = query.filter;
  if (filter.message || !filter.recipient.empty() || !filter.internet_message_id.empty() ||
      !filter.sender.empty() || !filter.subject.empty() || !filter.code.empty()) {
    return std::nullopt;
  }
  Condition condition;
  int count = 0;
  const auto add = [&](Dimension dimension, const std::string& name) {
    if (name.empty()) return;
    condition = {dimension, name};
    ++count;
  };
  add(Dimension::Stream, filter.stream);
  add(Dimension::Tag, filter.tag);
  add(Dimension::Domain, domain_key(filter.domain));
  add(Dimension::Provider, filter.provider);
  add(Dimension::Source, filter.source);
  const bool is_same = query.by == Dimension::All || query.by == condition.dimension;
  if (count > 1 || (count == 1 && !is_same)) return std::nullopt;
  return condition;
}

/// Gathers cells into groups.
class Gathering {
 public:
  explicit Gathering(const StatsQuery& query) : query_(query) {}

  void add(Day day, const TallyKey& key, const Counts& all) {
    const std::int64_t hour_us = day * kDayUs + key.hour * kHourUs;
    Counts counts = all;
    if (query_.filter.kind) {
      counts = {};
      const auto kind = static_cast<std::size_t>(*query_.filter.kind);
      counts[kind] = all[kind];
      if (counts[kind] == 0) return;
    }
    std::int64_t time = 0;
    if (query_.time == StatsQuery::Time::Hour) time = hour_us;
    if (query_.time == StatsQuery::Time::Day) time = day * kDayUs;
    const std::string name(query_.by_tenant ? key.tenant : key.name);
    add_to(groups_[{key.is_rest, name}][time], counts);
  }
  void add_total(const Counts& counts) {
    if (!query_.filter.kind) return add_to(totals_, counts);
    const auto kind = static_cast<std::size_t>(*query_.filter.kind);
    totals_[kind] += counts[kind];
  }

  void finish(Stats& stats) {
    stats.totals = totals_;
    std::vector<std::pair<std::uint64_t, Name>> names;
    for (const auto& [name, times] : groups_) {
      std::uint64_t sum = 0;
      for (const auto& [time, counts] : times) sum += sum_of(counts);
      if (!name.is_rest) names.emplace_back(sum, name);
    }
    std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second.name < b.second.name;
    });
    const std::size_t named = std::min(names.size(), query_.names_max);
    std::map<std::int64_t, Counts> rest;
    std::map<Name, std::size_t> rank;
    for (std::size_t i = 0; i < named; ++i) rank[names[i].second] = i;
    std::map<std::pair<std::int64_t, std::size_t>, Stats::Group> sorted;
    for (auto& [name, times] : groups_) {
      const auto ranked = rank.find(name);
      for (auto& [time, counts] : times) {
        if (ranked == rank.end()) {
          add_to(rest[time], counts);
        } else {
          sorted[{time, ranked->second}] = {base::from_unix_us(time), name.name, false, counts};
        }
      }
    }
    for (const auto& [time, counts] : rest) {
      sorted[{time, SIZE_MAX}] = {base::from_unix_us(time), {}, true, counts};
    }
    for (auto& [place, group] : sorted) stats.groups.push_back(std::move(group));
  }

 private:
  struct Name {
    bool is_rest = false;
    std::string name;
    friend auto operator<=>(const Name&, const Name&) = default;
  };
  const StatsQuery& query_;
  std::map<Name, std::map<std::int64_t, Counts>> groups_;
  Counts totals_{};
};

bool is_wanted(const StatsQuery& query, const Condition& condition, const TallyKey& key) {
  if (!query.filter.tenant.empty() && key.tenant != query.filter.tenant) return false;
  const Dimension dimension =
      condition.dimension != Dimension::All ? condition.dimension : query.by;
  if (key.dimension != dimension) return false;
  return condition.name.empty() || (!key.is_rest && key.name == condition.name);
}

}  // namespace

struct StatsCount::State {
  explicit State(const StatsQuery& asked)
      : query(asked), condition(condition_of(query)), gathering(query) {}

  /// What is left of a day whose events are looked at.
  struct Hours {
    Day day = 0;
    int next = 0;
  };

  StatsQuery query;
  std::optional<Condition> condition;
  Gathering gathering;
  Stats stats;
  std::optional<std::vector<Day>> days;  ///< that were there at the first step, ascending
  std::size_t next_day = 0;
  std::optional<Hours> hours;
  std::size_t rows = 0;

  bool is_in_time(Day day, int hour) const {
    const base::Time begin = base::from_unix_us(day * kDayUs + hour * kHourUs);
    return (!query.filter.from || begin >= *query.filter.from) &&
           (!query.filter.until || begin < *query.filter.until);
  }
  bool may_have(Day day) const {
    return (!query.filter.from || day >= day_of(*query.filter.from)) &&
           (!query.filter.until || base::from_unix_us(day * kDayUs) < *query.filter.until);
  }
  Result<void> read_counts(DayReader& file, Day day);
  Result<void> look_at_hour(Reader& reader);
  Result<void> pass_over(Day day, Result<void> read) const;
};

StatsCount::StatsCount(const StatsQuery& asked) : state_(std::make_unique<State>(asked)) {
  state_->query.names_max = std::min(asked.names_max, StatsQuery::kNamesMax);
  Query& filter = state_->query.filter;
  if (filter.from && state_->condition) {
    filter.from = base::from_unix_us(floor_to(base::to_unix_us(*filter.from), kHourUs));
  }
  if (filter.until && state_->condition) {
    const std::int64_t until = base::to_unix_us(*filter.until);
    const std::int64_t floor = floor_to(until, kHourUs);
    filter.until = base::from_unix_us(floor == until ? until : floor + kHourUs);
  }
  if (filter.from) state_->stats.from = *filter.from;
  if (filter.until) state_->stats.until = *filter.until;
}

StatsCount::~StatsCount() = default;

/// A damaged file is skipped.
Result<void> StatsCount::State::pass_over(Day day, Result<void> read) const {
  if (read || read.error() != make_error_code(Errc::Corrupt)) return read;
  base::log::warning("event_file_skipped",
                     {{"file", file_name_of(day)}, {"reason", read.error().message()}});
  return {};
}

Result<void> StatsCount::State::read_counts(DayReader& file, Day day) {
  const Query& filter = query.filter;
  const auto see = [&](const TallyKey& key, const Counts& counts) {
    if (!is_in_time(day, key.hour)) return;
    if (is_wanted(query, *condition, key)) gathering.add(day, key, counts);
    // Events without a name, and those with several tags, count once in the totals.
    const bool is_total = condition->dimension != Dimension::All
                              ? is_wanted(query, *condition, key)
                              : key.dimension == Dimension::All &&
                                    (filter.tenant.empty() || key.tenant == filter.tenant);
    if (is_total) gathering.add_total(counts);
  };
  return pass_over(day, file.read_counts(see));
}

Result<void> StatsCount::State::look_at_hour(Reader& reader) {
  const Day day = hours->day;
  const base::Time begin = base::from_unix_us(day * kDayUs + hours->next * kHourUs);
  const base::Time end = begin + base::Duration(kHourUs);
  if (++hours->next == 24) hours.reset();
  Query hour = query.filter;
  if (!hour.from || *hour.from < begin) hour.from = begin;
  if (!hour.until || *hour.until > end) hour.until = end;
  if (*hour.from >= *hour.until) return {};
  return pass_over(day, reader.visit_day(day, hour, [&](const KeyView& keys) {
    Tally one;
    one.add(keys);
    const Condition none;
    one.visit([&](const TallyKey& key, const Counts& counts) {
      if (is_wanted(query, none, key)) gathering.add(day, key, counts);
      if (key.dimension == Dimension::All) gathering.add_total(counts);
    });
    return ++rows < Reader::kRowsMax;
  }));
}

Result<StatsCount::Step> StatsCount::step(Reader& reader) {
  State& state = *state_;
  if (!state.days) state.days = reader.days();
  if (state.rows >= Reader::kRowsMax) {
    state.stats.is_complete = false;
    return Step::Done;
  }
  if (state.hours) {
    if (const auto looked = state.look_at_hour(reader); !looked) return looked.error();
    return Step::More;
  }
  for (std::size_t read = 0; state.next_day < state.days->size() && read < kDaysPerStep;) {
    const Day day = (*state.days)[state.next_day++];
    if (!state.may_have(day)) continue;
    const Result<DayReader*> file = reader.reader_of(day);
    if (!file) continue;
    if (!state.condition || !(*file)->has_counts()) {
      state.hours = State::Hours{day, 0};
      return Step::More;
    }
    if (const auto counted = state.read_counts(**file, day); !counted) return counted.error();
    ++read;
  }
  return state.next_day < state.days->size() ? Step::More : Step::Done;
}

Stats StatsCount::finish() {
  state_->gathering.finish(state_->stats);
  return std::move(state_->stats);
}

Result<Stats> count_events(Reader& reader, const StatsQuery& query) {
  StatsCount count(query);
  while (true) {
    const Result<StatsCount::Step> step = count.step(reader);
    if (!step) return step.error();
    if (*step == StatsCount::Step::Done) return count.finish();
  }
}

}  // namespace ekiden::events
