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
  for (const Slice& part : *slices) {
    if (!goes_on) break;
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
  return {};
}

Result<void> DayReader::read_keyed(const Slice& slice, const Range& range, const See& see,
                                   bool& goes_on) {
  std::vector<std::uint32_t> offsets;
  if (const Result<void> found = finder_.find(slice, *range.hash, offsets); !found) return found;
  if (range.newest_first) std::reverse(offsets.begin(), offsets.end());
  for (const std::uint32_t offset : offsets) {
    const std::int64_t seq = slice.first + offset;
    const Result<void> read = read_rows(seq, seq, range, see, goes_on);
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
