#include "ekiden/events/day_file.hpp"

#include <algorithm>
#include <charconv>

// Invariants: no level but the last has kSlicesMerged slices; slices_ covers [first event,
// tail_.first) without a gap, the tail what follows; tail_entries_ and tail_ids_ describe exactly
// the rows of the tail, and so do its subjects and counts; memory is a copy of what the open
// transaction will leave, which is why a failure spends the object.

namespace ekiden::events {
namespace {

constexpr std::int64_t kDayUs = 86'400'000'000;

// With pages of 16 KiB a chunk of 4 KB lies in its B-tree page, without overflow.
constexpr std::size_t kChunkEntries = 320;

// The page size was measured at 4, 8, 16 and 32 KiB. WAL lets readers in other processes work
// while we write; FULL syncs the log at each commit, so that a commit is a promise.
constexpr const char* kOpen =
    "PRAGMA page_size=16384;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA cache_size=-2048;"
    "PRAGMA wal_autocheckpoint=2048;"
    "PRAGMA journal_size_limit=67108864;"
    "PRAGMA temp_store=MEMORY;";

constexpr const char* kCreate =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, event BLOB NOT NULL);"
    "CREATE TABLE slices(first INTEGER PRIMARY KEY, count INTEGER NOT NULL,"
    " level INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL);"
    "CREATE TABLE keys(slice INTEGER, hash INTEGER, part INTEGER, entries BLOB NOT NULL,"
    " PRIMARY KEY(slice, hash, part)) WITHOUT ROWID;"
    "CREATE TABLE unread(number INTEGER PRIMARY KEY, octets BLOB NOT NULL);"
    "CREATE TABLE subjects(first INTEGER PRIMARY KEY, first_us INTEGER NOT NULL,"
    " last_us INTEGER NOT NULL, entries BLOB NOT NULL);"
    "CREATE TABLE transcripts(seq INTEGER PRIMARY KEY, text BLOB NOT NULL);";

constexpr const char* kCreateEnd =
    "PRAGMA application_id=0x656b6576;"
    "PRAGMA user_version=3;"
    "COMMIT;";

}  // namespace

Day day_of(base::Time time) {
  const std::int64_t us = base::to_unix_us(time);
  return us >= 0 ? us / kDayUs : -((-us + kDayUs - 1) / kDayUs);
}

std::string file_name_of(Day day) {
  return base::format_day(base::from_unix_us(day * kDayUs)) + ".db";
}

std::optional<Day> day_of_file_name(std::string_view name) {
  if (name.size() != 13 || !name.ends_with(".db") || name[4] != '-' || name[7] != '-') {
    return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = -1;
    const char* const end = name.data() + at + size;
    const auto parsed = std::from_chars(name.data() + at, end, value);
    return parsed.ptr == end ? value : -1;
  };
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  if (!date.ok() || static_cast<int>(date.year()) < 0) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

Result<KeyFinder> KeyFinder::create(Database& database) {
  KeyFinder finder;
  Result<Statement> before = database.prepare(
      "SELECT entries FROM keys WHERE slice=?1 AND hash<?2 ORDER BY hash DESC, part DESC LIMIT 1");
  if (!before) return before.error();
  Result<Statement> equal =
      database.prepare("SELECT entries FROM keys WHERE slice=?1 AND hash=?2 ORDER BY part");
  if (!equal) return equal.error();
  finder.before_ = std::move(*before);
  finder.equal_ = std::move(*equal);
  return finder;
}

Result<void> KeyFinder::find(const Slice& slice, std::int64_t hash,
                             std::vector<std::uint32_t>& offsets) {
  // The chunk that begins below the hash may end with it; those that begin with it follow.
  for (Statement* const statement : {&before_, &equal_}) {
    statement->bind(1, slice.first).bind(2, hash);
    int code;
    while ((code = statement->step()) == SQLITE_ROW) {
      find_in_packed(statement->blob(0), hash, offsets);
    }
    statement->reset();
    if (code != SQLITE_DONE) return error_of(code);
  }
  return {};
}

Result<std::unique_ptr<DayFile>> DayFile::open(const std::string& path, std::int64_t first_seq) {
  Result<Database> database = Database::open(path, Database::Access::ReadWrite);
  if (!database) return database.error();
  std::unique_ptr<DayFile> file(new DayFile(std::move(*database)));
  if (const Result<void> loaded = file->load(first_seq); !loaded) return loaded.error();
  return file;
}

Result<void> DayFile::load(std::int64_t first_seq) {
  if (const Result<void> opened = database_.execute(kOpen); !opened) return opened.error();
  const Result<std::int64_t> version = database_.integer("PRAGMA user_version");
  if (!version) return version.error();
  const Result<std::int64_t> application = database_.integer("PRAGMA application_id");
  if (!application) return application.error();
  if (*version == 0 && *application == 0) {
    const std::string create = std::string(kCreate) + TallyTable::create_sql() + kCreateEnd;
    const Result<void> created = database_.execute(create.c_str());
    if (!created) return created.error();
  } else if (*version < kLayoutOldest || *version > kLayoutVersion ||
             *application != kApplicationId) {
    return Errc::Corrupt;
  } else {
    layout_ = *version;
  }

  const std::pair<Statement*, const char*> statements[] = {
      {&insert_event_, "INSERT INTO events(seq, event) VALUES(?1, ?2)"},
      {&select_event_, "SELECT event FROM events WHERE seq=?1"},
      {&select_tail_, "SELECT event, seq FROM events WHERE seq>=?1 ORDER BY seq"},
      {&insert_slice_, "INSERT INTO slices VALUES(?1, ?2, ?3, ?4, ?5)"},
      {&insert_keys_, "INSERT INTO keys VALUES(?1, ?2, ?3, ?4)"},
      {&select_keys_, "SELECT entries FROM keys WHERE slice=?1 ORDER BY hash, part"},
      {&delete_slice_, "DELETE FROM slices WHERE first=?1"},
      {&delete_keys_, "DELETE FROM keys WHERE slice=?1"},
      {&insert_unread_, "INSERT INTO unread(octets) VALUES(?1)"},
      {&data_version_, "PRAGMA data_version"},
  };
  for (const auto& [statement, sql] : statements) {
    Result<Statement> prepared = database_.prepare(sql);
    if (!prepared) return prepared.error();
    *statement = std::move(*prepared);
  }
  if (layout_ >= kLayoutCounts) {
    Result<Statement> subjects = database_.prepare("INSERT INTO subjects VALUES(?1, ?2, ?3, ?4)");
    if (!subjects) return subjects.error();
    insert_subjects_ = std::move(*subjects);
    Result<Statement> transcript =
        database_.prepare("INSERT OR REPLACE INTO transcripts VALUES(?1, ?2)");
    if (!transcript) return transcript.error();
    insert_transcript_ = std::move(*transcript);
    Result<TallyTable> tallies = TallyTable::open(database_);
    if (!tallies) return tallies.error();
    tallies_ = std::move(*tallies);
  }
  Result<KeyFinder> finder = KeyFinder::create(database_);
  if (!finder) return finder.error();
  finder_ = std::move(*finder);

  Result<Statement> slices =
      database_.prepare("SELECT first, count, level, first_us, last_us FROM slices ORDER BY first");
  if (!slices) return slices.error();
  int code;
  while ((code = slices->step()) == SQLITE_ROW) {
    slices_.push_back({slices->integer(0), slices->integer(1), slices->integer(2),
                       slices->integer(3), slices->integer(4)});
    indexed_until_us_ = std::max(indexed_until_us_, slices_.back().last_us);
  }
  if (code != SQLITE_DONE) return error_of(code);
  const Result<std::int64_t> smallest = database_.integer("SELECT min(seq) FROM events");
  if (!smallest) return smallest.error();
  if (!slices_.empty()) {
    tail_.first = slices_.back().first + slices_.back().count;
  } else {
    tail_.first = *smallest != 0 ? *smallest : first_seq;
  }
  const Result<std::int64_t> data = data_version();
  if (!data) return data.error();
  seen_version_ = *data;
  return load_tail();
}

/// Counts the events that have an index and are in no count yet.
Result<void> DayFile::load_tally() {
  tally_.clear();
  if (layout_ < kLayoutCounts) return {};
  std::int64_t first = slices_.empty() ? tail_.first : slices_.front().first;
  for (const Slice& slice : slices_) {
    if (slice.level > 0) first = slice.first + slice.count;
  }
  select_tail_.bind(1, first);
  int code;
  while ((code = select_tail_.step()) == SQLITE_ROW && select_tail_.integer(1) < tail_.first) {
    if (const Result<KeyView> keys = read_keys(select_tail_.blob(0))) tally_.add(*keys);
  }
  select_tail_.reset();
  if (code != SQLITE_DONE && code != SQLITE_ROW) return error_of(code);
  return {};
}

/// Reads what has no index yet.
Result<void> DayFile::load_tail() {
  forget_tail();
  tail_ = Slice{tail_.first};
  if (const Result<void> counted = load_tally(); !counted) return counted;
  select_tail_.bind(1, tail_.first);
  int code;
  while ((code = select_tail_.step()) == SQLITE_ROW) {
    const Result<KeyView> keys = read_keys(select_tail_.blob(0));
    if (!keys || select_tail_.integer(1) != tail_.first + tail_.count) {
      select_tail_.reset();
      return Errc::Corrupt;
    }
    note(*keys, id_hash(*keys));
  }
  select_tail_.reset();
  if (code != SQLITE_DONE) return error_of(code);
  return {};
}

/// Another number when another connection has written to the file.
Result<std::int64_t> DayFile::data_version() {
  const int code = data_version_.step();
  const std::int64_t version = code == SQLITE_ROW ? data_version_.integer(0) : 0;
  data_version_.reset();
  if (code != SQLITE_ROW) return error_of(code);
  return version;
}

Result<void> DayFile::begin() {
  if (const Result<void> begun = database_.execute("BEGIN IMMEDIATE"); !begun) return begun;
  const Result<std::int64_t> version = data_version();
  if (!version) return version.error();
  if (std::exchange(seen_version_, *version) == *version) return {};
  // What was erased from the rows must not come back from memory.
  if (tallies_) tallies_->forget_names();
  return load_tail();
}

Result<Presence> DayFile::add(std::string_view octets, const KeyView& keys) {
  const std::int64_t hash = id_hash(keys);
  // What is later than everything indexed can only be in the tail. So a look at the disk is for
  // replays, and for the few events that overtook each other around the end of a slice.
  if (base::to_unix_us(keys.time) <= indexed_until_us_ || tail_ids_.contains(hash)) {
    const Result<Presence> stored = is_stored(hash, keys);
    if (!stored) return stored.error();
    if (*stored == Presence::Stored) return stored;
  }
  const std::int64_t seq = tail_.first + tail_.count;
  insert_event_.bind(1, seq).bind_blob(2, without_transcript(octets, keys));
  if (const Result<void> inserted = insert_event_.run(); !inserted) return inserted.error();
  if (!keys.transcript.empty() && layout_ >= kLayoutCounts) {
    insert_transcript_.bind(1, seq).bind_blob(2, keys.transcript);
    if (const Result<void> kept = insert_transcript_.run(); !kept) return kept.error();
  }
  note(keys, hash);
  if (static_cast<std::size_t>(tail_.count) >= kSliceEvents) {
    if (const Result<void> indexed = index_tail(); !indexed) return indexed.error();
  }
  return Presence::Absent;
}

Result<void> DayFile::add_unread(std::string_view octets) {
  insert_unread_.bind_blob(1, octets);
  return insert_unread_.run();
}

Result<void> DayFile::commit() {
  return database_.execute("COMMIT");
}

void DayFile::note(const KeyView& keys, std::int64_t hash) {
  const std::int64_t time_us = base::to_unix_us(keys.time);
  tail_.first_us = tail_.count == 0 ? time_us : std::min(tail_.first_us, time_us);
  tail_.last_us = tail_.count == 0 ? time_us : std::max(tail_.last_us, time_us);
  append_entries(keys, static_cast<std::uint32_t>(tail_.count), layout_, tail_entries_);
  tail_ids_.insert(hash);
  if (layout_ >= kLayoutCounts) {
    tail_subjects_.add(keys.subject, static_cast<std::uint32_t>(tail_.count));
    collect_run_hashes(keys, tail_hashes_);
    tally_.add(keys);
  }
  ++tail_.count;
}

void DayFile::forget_tail() {
  tail_entries_.clear();
  tail_ids_.clear();
  tail_subjects_.clear();
  tail_hashes_.clear();
}

Result<void> DayFile::write_subjects() {
  const std::string packed = tail_subjects_.pack();
  if (packed.empty()) return {};
  insert_subjects_.bind(1, tail_.first)
      .bind(2, tail_.first_us)
      .bind(3, tail_.last_us)
      .bind_blob(4, packed);
  return insert_subjects_.run();
}

Result<Presence> DayFile::is_event(std::int64_t seq, const KeyView& keys) {
  select_event_.bind(1, seq);
  const int code = select_event_.step();
  bool is_same = false;
  if (code == SQLITE_ROW) {
    const Result<KeyView> stored = read_keys(select_event_.blob(0));
    is_same = stored && have_same_id(*stored, keys);
  }
  select_event_.reset();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return error_of(code);
  return is_same ? Presence::Stored : Presence::Absent;
}

Result<Presence> DayFile::is_stored(std::int64_t hash, const KeyView& keys) {
  if (tail_ids_.contains(hash)) {
    for (const Entry& entry : tail_entries_) {
      if (entry.hash != hash) continue;
      const Result<Presence> same = is_event(tail_.first + entry.offset, keys);
      if (!same || *same == Presence::Stored) return same;
    }
  }
  // The same event has the same time, so few slices can hold it.
  const std::int64_t time_us = base::to_unix_us(keys.time);
  std::vector<std::uint32_t> offsets;
  for (const Slice& slice : slices_) {
    if (!slice.may_hold(time_us)) continue;
    offsets.clear();
    if (const Result<void> found = finder_.find(slice, hash, offsets); !found) {
      return found.error();
    }
    for (const std::uint32_t offset : offsets) {
      const Result<Presence> same = is_event(slice.first + offset, keys);
      if (!same || *same == Presence::Stored) return same;
    }
  }
  return Presence::Absent;
}

Result<void> DayFile::index_tail() {
  for (const std::int64_t hash : tail_hashes_) tail_entries_.push_back({hash, 0});
  std::sort(tail_entries_.begin(), tail_entries_.end());
  if (const Result<void> written = write_index(tail_, tail_entries_); !written) {
    return written.error();
  }
  if (layout_ >= kLayoutCounts) {
    if (const Result<void> written = write_subjects(); !written) return written.error();
  }
  slices_.push_back(tail_);
  indexed_until_us_ = std::max(indexed_until_us_, tail_.last_us);
  tail_ = Slice{tail_.first + tail_.count};
  forget_tail();
  for (std::int64_t level = 0; level < kLevelMax; ++level) {
    const auto count = std::count_if(slices_.begin(), slices_.end(),
                                     [level](const Slice& slice) { return slice.level == level; });
    if (static_cast<std::size_t>(count) < kSlicesMerged) break;
    if (const Result<void> merged = merge(level); !merged) return merged.error();
    if (level > 0 || !tallies_) continue;
    if (const Result<void> counted = tallies_->add(tally_); !counted) return counted.error();
    tally_.clear();
  }
  return {};
}

Result<void> DayFile::merge(std::int64_t level) {
  const auto begin = std::find_if(slices_.begin(), slices_.end(),
                                  [level](const Slice& slice) { return slice.level == level; });
  Slice merged = *begin;
  merged.level = level + 1;
  merged.count = 0;
  std::vector<Entry> entries;
  std::vector<std::size_t> runs;
  std::size_t events = 0;
  for (auto slice = begin; slice != slices_.end(); ++slice) {
    events += static_cast<std::size_t>(slice->count);
  }
  entries.reserve(events * kEntriesMax);
  for (auto slice = begin; slice != slices_.end(); ++slice) {
    runs.push_back(entries.size());
    select_keys_.bind(1, slice->first);
    int code;
    while ((code = select_keys_.step()) == SQLITE_ROW) {
      const std::string_view packed = select_keys_.blob(0);
      for (std::size_t i = 0; i < packed.size() / kEntryOctets; ++i) {
        Entry entry = entry_at(packed, i);
        entry.offset += static_cast<std::uint32_t>(slice->first - merged.first);
        entries.push_back(entry);
      }
    }
    select_keys_.reset();
    if (code != SQLITE_DONE) return error_of(code);
    merged.count += slice->count;
    merged.first_us = std::min(merged.first_us, slice->first_us);
    merged.last_us = std::max(merged.last_us, slice->last_us);
    for (Statement* const statement : {&delete_keys_, &delete_slice_}) {
      statement->bind(1, slice->first);
      if (const Result<void> deleted = statement->run(); !deleted) return deleted.error();
    }
  }
  // Sorted runs: merge neighbours until one is left.
  while (runs.size() > 1) {
    std::vector<std::size_t> wider;
    for (std::size_t i = 0; i < runs.size(); i += 2) {
      wider.push_back(runs[i]);
      if (i + 1 >= runs.size()) continue;
      const std::size_t end = i + 2 < runs.size() ? runs[i + 2] : entries.size();
      const auto at = [&](std::size_t index) {
        return entries.begin() + static_cast<std::ptrdiff_t>(index);
      };
      std::inplace_merge(at(runs[i]), at(runs[i + 1]), at(end));
    }
    runs = std::move(wider);
  }
  slices_.erase(begin, slices_.end());
  slices_.push_back(merged);
  return write_index(merged, entries);
}

Result<void> DayFile::write_index(const Slice& slice, std::vector<Entry>& entries) {
  insert_slice_.bind(1, slice.first)
      .bind(2, slice.count)
      .bind(3, slice.level)
      .bind(4, slice.first_us)
      .bind(5, slice.last_us);
  if (const Result<void> inserted = insert_slice_.run(); !inserted) return inserted.error();
  std::string packed;
  packed.reserve(kChunkEntries * kEntryOctets);
  std::int64_t part = 0;
  for (std::size_t at = 0; at < entries.size(); at += kChunkEntries, ++part) {
    packed.clear();
    const std::size_t end = std::min(entries.size(), at + kChunkEntries);
    for (std::size_t i = at; i < end; ++i) pack_entry(entries[i], packed);
    insert_keys_.bind(1, slice.first).bind(2, entries[at].hash).bind(3, part).bind_blob(4, packed);
    if (const Result<void> inserted = insert_keys_.run(); !inserted) return inserted.error();
  }
  return {};
}

std::size_t DayFile::IdSet::slot_of(std::int64_t hash) const {
  // Zero marks a free slot; an id that hashes to it shares the slot of one.
  const std::int64_t value = hash == 0 ? 1 : hash;
  std::size_t slot = static_cast<std::uint64_t>(value) % slots_.size();
  while (slots_[slot] != 0 && slots_[slot] != value) slot = (slot + 1) % slots_.size();
  return slot;
}

bool DayFile::IdSet::contains(std::int64_t hash) const {
  return slots_[slot_of(hash)] != 0;
}

void DayFile::IdSet::insert(std::int64_t hash) {
  // The tail is indexed at kSliceEvents, so a quarter of the slots is used at most.
  slots_[slot_of(hash)] = hash == 0 ? 1 : hash;
  ++size_;
}

void DayFile::IdSet::clear() {
  std::fill(slots_.begin(), slots_.end(), 0);
  size_ = 0;
}

}  // namespace ekiden::events
