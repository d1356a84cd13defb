#include "ekiden/events/day_reader.hpp"

#include <algorithm>
#include <filesystem>

namespace ekiden::events {

Result<std::unique_ptr<DayReader>> DayReader::open(const std::string& path) {
  Result<Database> database = Database::open(path, Database::Access::ReadOnly);
  if (!database) return database.error();
  std::unique_ptr<DayReader> reader(new DayReader(std::move(*database)));
  Result<void> prepared = reader->prepare();
  if (prepared) return reader;
  // Who may read the file but not write its directory cannot join a log; without a log there is
  // nothing to join.
  std::error_code error;
  if (!std::filesystem::exists(path, error) || std::filesystem::exists(path + "-wal", error)) {
    return prepared.error();
  }
  database = Database::open(path, Database::Access::Immutable);
  if (!database) return database.error();
  reader.reset(new DayReader(std::move(*database)));
  prepared = reader->prepare();
  if (!prepared) return prepared.error();
  return reader;
}

Result<void> DayReader::prepare() {
  const Result<std::int64_t> version = database_.integer("PRAGMA user_version");
  if (!version) return version.error();
  if (*version < kLayoutOldest || *version > kLayoutVersion) return Errc::Corrupt;
  layout_ = *version;
  const std::pair<Statement*, const char*> statements[] = {
      {&ascending_, "SELECT seq, event FROM events WHERE seq>=?1 AND seq<=?2 ORDER BY seq"},
      {&descending_, "SELECT seq, event FROM events WHERE seq>=?1 AND seq<=?2 ORDER BY seq DESC"},
      {&slices_, "SELECT first, count, level, first_us, last_us FROM slices ORDER BY first"},
  };
  for (const auto& [statement, sql] : statements) {
    Result<Statement> prepared = database_.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(*prepared);
  }
  const std::pair<Statement*, const char*> newer[] = {
      {&subjects_up_,
       "SELECT first, entries FROM subjects WHERE last_us>=?1 AND first_us<?2 ORDER BY first"},
      {&subjects_down_,
       "SELECT first, entries FROM subjects WHERE last_us>=?1 AND first_us<?2 "
       "ORDER BY first DESC"},
      {&counts_,
       "SELECT hour, tenant, dimension, n.name, c.* FROM counts c JOIN names n "
       "ON n.id=c.name"},
      {&transcript_, "SELECT text FROM transcripts WHERE seq=?1"},
  };
  for (const auto& [statement, sql] : newer) {
    if (!has_counts()) break;
    Result<Statement> prepared = database_.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(*prepared);
  }
  Result<KeyFinder> finder = KeyFinder::create(database_);
  if (!finder) return finder.error();
  finder_ = std::move(*finder);
  return {};
}

Result<std::int64_t> DayReader::last_seq() {
  return database_.integer("SELECT max(seq) FROM events");
}

Result<std::vector<Slice>> DayReader::load_slices() {
  std::vector<Slice> slices;
  int code;
  while ((code = slices_.step()) == SQLITE_ROW) {
    slices.push_back({slices_.integer(0), slices_.integer(1), slices_.integer(2),
                      slices_.integer(3), slices_.integer(4)});
  }
  slices_.reset();
  if (code != SQLITE_DONE) return error_of(code);
  return slices;
}

Result<void> DayReader::read_range(const Range& range, const See& see) {
  // One transaction, so that index and rows fit: the writer may merge slices meanwhile.
  if (const Result<void> begun = database_.execute("BEGIN"); !begun) return begun.error();
  const Result<void> read = read_within(range, see);
  (void)database_.execute("COMMIT");
  return read;
}

Result<void> DayReader::read_within(const Range& range, const See& see) {
  Result<std::vector<Slice>> slices = load_slices();
  if (!slices) return slices.error();
  const Result<std::int64_t> last = last_seq();
  if (!last) return last.error();
  last_looked_at_ = *last;
  const std::int64_t indexed =
      slices->empty() ? INT64_MIN : slices->back().first + slices->back().count - 1;
  // The rows without an index are one more part, after the slices.
  Slice tail;
  tail.first = indexed == INT64_MIN ? 0 : indexed + 1;
  tail.count = std::max<std::int64_t>(0, *last - tail.first + 1);
  tail.first_us = INT64_MIN;
  tail.last_us = INT64_MAX;
  slices->push_back(tail);
  if (range.newest_first) std::reverse(slices->begin(), slices->end());

  bool goes_on = true;
  const bool is_by_subject = !range.hash && !range.subject.empty() && has_counts();
  if (is_by_subject && !range.newest_first) {
    const Result<void> read = read_subjects(range, see, goes_on);
    if (!read) return read;
  }
  for (const Slice& part : *slices) {
    if (!goes_on) break;
    if (is_by_subject && part.first_us != INT64_MIN) continue;
    if (part.last_us < range.from_us || part.first_us >= range.until_us) continue;
    const std::int64_t end = part.first + part.count - 1;
    if (range.after && (range.newest_first ? part.first >= *range.after : end <= *range.after)) {
      continue;
    }
    const bool is_tail = part.first_us == INT64_MIN;
    const Result<void> read = range.hash && !is_tail
                                  ? read_keyed(part, range, see, goes_on)
                                  : read_rows(part.first, end, range, see, goes_on);
    if (!read) return read;
  }
  if (is_by_subject && range.newest_first && goes_on) return read_subjects(range, see, goes_on);
  return {};
}

Result<void> DayReader::read_subjects(const Range& range, const See& see, bool& goes_on) {
  Statement& rows = range.newest_first ? subjects_down_ : subjects_up_;
  rows.bind(1, range.from_us).bind(2, range.until_us);
  std::vector<std::uint32_t> offsets;
  int code = SQLITE_DONE;
  while (goes_on && (code = rows.step()) == SQLITE_ROW) {
    const std::int64_t first = rows.integer(0);
    const std::int64_t end = first + static_cast<std::int64_t>(kSliceEvents) - 1;
    if (range.after && (range.newest_first ? first >= *range.after : end <= *range.after)) continue;
    offsets.clear();
    find_in_subjects(rows.blob(1), range.subject, offsets);
    if (range.newest_first) std::reverse(offsets.begin(), offsets.end());
    for (const std::uint32_t offset : offsets) {
      const Result<void> read = read_rows(first + offset, first + offset, range, see, goes_on);
      if (!read) {
        rows.reset();
        return read;
      }
      if (!goes_on) break;
    }
  }
  rows.reset();
  if (goes_on && code != SQLITE_DONE) return error_of(code);
  return {};
}

Result<void> DayReader::read_counts(
    const std::function<void(const TallyKey&, const Counts&)>& see) {
  // One transaction: an event is in the counts, or it has no index yet.
  if (const Result<void> begun = database_.execute("BEGIN"); !begun) return begun.error();
  const Result<void> read = read_counts_within(see);
  (void)database_.execute("COMMIT");
  return read;
}

Result<void> DayReader::read_counts_within(
    const std::function<void(const TallyKey&, const Counts&)>& see) {
  constexpr int kRest = 64;
  int code;
  while ((code = counts_.step()) == SQLITE_ROW) {
    TallyKey key;
    key.hour = static_cast<int>(counts_.integer(0));
    key.tenant = counts_.blob(1);
    const auto dimension = counts_.integer(2);
    key.is_rest = dimension >= kRest;
    key.dimension = static_cast<Dimension>(dimension % kRest);
    key.name = counts_.blob(3);
    Counts counts{};
    // Behind these four come the hour and the name's number once more.
    for (std::size_t i = 0; i < counts.size(); ++i) {
      counts[i] = static_cast<std::uint64_t>(counts_.integer(static_cast<int>(i) + 6));
    }
    see(key, counts);
  }
  counts_.reset();
  if (code != SQLITE_DONE) return error_of(code);
  Result<std::vector<Slice>> slices = load_slices();
  if (!slices) return slices.error();
  Tally tail;
  Range range;
  bool goes_on = true;
  // Counted are the events of slices past level 0.
  std::int64_t first = 0;
  for (const Slice& slice : *slices) {
    if (slice.level > 0) first = slice.first + slice.count;
  }
  const Result<void> read = read_rows(
      first, INT64_MAX, range,
      [&](std::int64_t, std::string_view octets) {
        if (const Result<KeyView> keys = read_keys(octets)) tail.add(*keys);
        return true;
      },
      goes_on);
  if (!read) return read;
  tail.visit(see);
  return {};
}

Result<std::string> DayReader::transcript(std::int64_t seq) {
  std::string text;
  if (!has_counts()) return text;
  transcript_.bind(1, seq);
  const int code = transcript_.step();
  if (code == SQLITE_ROW) text = transcript_.blob(0);
  transcript_.reset();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return error_of(code);
  return text;
}

Result<void> DayReader::read_keyed(const Slice& slice, const Range& range, const See& see,
                                   bool& goes_on) {
  std::vector<std::uint32_t> offsets;
  if (const Result<void> found = finder_.find(slice, *range.hash, offsets); !found) return found;
  if (range.newest_first) std::reverse(offsets.begin(), offsets.end());
  for (const std::uint32_t offset : offsets) {
    const std::int64_t seq = slice.first + offset;
    const std::int64_t run = range.is_of_runs ? static_cast<std::int64_t>(kSliceEvents) : 1;
    const Result<void> read = read_rows(seq, seq + run - 1, range, see, goes_on);
    if (!read || !goes_on) return read;
  }
  return {};
}

Result<void> DayReader::read_rows(std::int64_t low, std::int64_t high, const Range& range,
                                  const See& see, bool& goes_on) {
  if (range.after) {
    if (range.newest_first) {
      high = std::min(high, *range.after - 1);
    } else {
      low = std::max(low, *range.after + 1);
    }
  }
  if (low > high) return {};
  Statement& rows = range.newest_first ? descending_ : ascending_;
  rows.bind(1, low).bind(2, high);
  int code;
  while ((code = rows.step()) == SQLITE_ROW) {
    if (!see(rows.integer(0), rows.blob(1))) {
      goes_on = false;
      code = SQLITE_DONE;
      break;
    }
  }
  rows.reset();
  if (code != SQLITE_DONE) return error_of(code);
  return {};
}

}  // namespace ekiden::events
