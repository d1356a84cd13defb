#include "ekiden/events/store.hpp"

#include <algorithm>
#include <filesystem>

#include "ekiden/base/log.hpp"

// Invariants: a file is in open_ only while its last operation succeeded; a batch is one
// transaction for each day it touches, and since ids are ignored when known, writing a batch
// again after part of it was kept changes nothing.

namespace ekiden::events {
namespace {

namespace fs = std::filesystem;

// Today, and yesterday around midnight; a third for a straggler.
constexpr std::size_t kOpenFilesMax = 3;
// Files set aside for one day. Each begins its numbers 2^40 higher, so that a cursor into the
// damaged file stays below everything in its successor.
constexpr int kCorruptMax = 100;
constexpr int kSeqShift = 40;

void count(base::Counter* counter, std::uint64_t n = 1) {
  if (counter != nullptr) counter->add(n);
}

std::string corrupt_path(const std::string& path, int number) {
  return path + ".corrupt-" + std::to_string(number);
}

int corrupt_files(const std::string& path) {
  int number = 0;
  std::error_code error;
  while (number < kCorruptMax && fs::exists(corrupt_path(path, number + 1), error)) ++number;
  return number;
}

}  // namespace

Store::Store(base::Clock& clock, Options options, Counters counters)
    : clock_(clock), options_(std::move(options)), counters_(counters) {}

Store::~Store() = default;

std::string Store::path_of(Day day) const {
  return options_.directory + "/" + file_name_of(day);
}

Result<void> Store::write(const std::vector<std::string>& encoded_events) {
  const Day today = day_of(clock_.now());
  if (cleaned_on_ != today) {
    std::error_code error;
    fs::create_directories(options_.directory, error);
    if (!error) {
      fs::permissions(options_.directory,
                      fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec, error);
    }
    remove_old();
    cleaned_on_ = today;
  }
  items_.clear();
  for (std::size_t i = 0; i < encoded_events.size(); ++i) {
    const Result<KeyView> keys = read_keys(encoded_events[i]);
    if (keys) {
      items_.push_back({day_of(keys->time), i, true, *keys});
    } else {
      items_.push_back({today, i, false, {}});
    }
  }
  const auto earlier = [](const Item& a, const Item& b) { return a.day < b.day; };
  if (!std::is_sorted(items_.begin(), items_.end(), earlier)) {
    std::stable_sort(items_.begin(), items_.end(), earlier);
  }
  const Item* const end = items_.data() + items_.size();
  for (const Item* begin = items_.data(); begin != end;) {
    const Item* const next =
        std::find_if(begin, end, [begin](const Item& item) { return item.day != begin->day; });
    const Result<void> written = write_day(begin->day, begin, next, encoded_events);
    if (!written) return written.error();
    begin = next;
  }
  return {};
}

Result<void> Store::write_day(Day day, const Item* begin, const Item* end,
                              const std::vector<std::string>& octets) {
  Result<void> written = try_write_day(day, begin, end, octets);
  if (written) return written;
  open_.erase(day);
  if (written.error() != make_error_code(Errc::Corrupt)) return written.error();
  if (const Result<void> moved = move_aside(day); !moved) return moved.error();
  written = try_write_day(day, begin, end, octets);
  if (!written) open_.erase(day);
  return written;
}

Result<void> Store::try_write_day(Day day, const Item* begin, const Item* end,
                                  const std::vector<std::string>& octets) {
  const Result<DayFile*> file = file_of(day);
  if (!file) return file.error();
  if (const Result<void> begun = (*file)->begin(); !begun) return begun.error();
  std::uint64_t unread = 0;
  fresh_.clear();
  for (const Item* item = begin; item != end; ++item) {
    const std::string& event = octets[item->index];
    if (!item->is_event) {
      ++unread;
      if (const Result<void> kept = (*file)->add_unread(event); !kept) return kept.error();
      continue;
    }
    const Result<Presence> added = (*file)->add(event, item->keys);
    if (!added) return added.error();
    if (*added == Presence::Absent) fresh_.push_back(&item->keys);
  }
  if (const Result<void> done = (*file)->commit(); !done) return done.error();
  const std::uint64_t stored = fresh_.size();
  if (counters_.outcomes != nullptr) {
    for (const KeyView* keys : fresh_) counters_.outcomes->count(*keys);
  }
  count(counters_.stored, stored);
  count(counters_.unread, unread);
  count(counters_.known, static_cast<std::uint64_t>(end - begin) - stored - unread);
  if (unread > 0) {
    base::log::error("events_unread", {{"count", unread},
                                       {"file", path_of(day)},
                                       {"reason",
                                        "not an event of this version; kept in the "
                                        "table unread"}});
  }
  return {};
}

Result<DayFile*> Store::file_of(Day day) {
  if (const auto found = open_.find(day); found != open_.end()) return found->second.get();
  const std::string path = path_of(day);
  const std::int64_t first_seq = (std::int64_t{corrupt_files(path)} << kSeqShift) + 1;
  Result<std::unique_ptr<DayFile>> file = DayFile::open(path, first_seq);
  if (!file) return file.error();
  // The earliest day leaves: it is over.
  if (open_.size() >= kOpenFilesMax) open_.erase(open_.begin());
  return open_.emplace(day, std::move(*file)).first->second.get();
}

Result<void> Store::move_aside(Day day) {
  const std::string path = path_of(day);
  const int number = corrupt_files(path) + 1;
  if (number > kCorruptMax) return Errc::Io;
  const std::string aside = corrupt_path(path, number);
  std::error_code error;
  fs::rename(path, aside, error);
  if (error) return Errc::Io;
  fs::rename(path + "-wal", aside + "-wal", error);
  fs::remove(path + "-wal", error);
  fs::remove(path + "-shm", error);
  count(counters_.corrupt);
  base::log::error("event_file_corrupt",
                   {{"file", path},
                    {"moved_to", aside},
                    {"effect", "its events are not found by search; a new file was begun"}});
  return {};
}

void Store::remove_old() {
  std::error_code error;
  const Day oldest = day_of(clock_.now() - options_.retention);
  std::vector<fs::path> old;
  for (fs::directory_iterator at(options_.directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    // The files beside a database, and those set aside, begin with its name.
    const std::optional<Day> day = day_of_file_name(std::string_view(name).substr(0, 13));
    if (day && *day < oldest) old.push_back(at->path());
  }
  std::sort(old.begin(), old.end());
  std::int64_t overdue = 0;
  for (const fs::path& path : old) {
    if (const auto day = day_of_file_name(path.filename().string())) open_.erase(*day);
    if (fs::remove(path, error)) {
      base::log::info("event_file_removed", {{"file", path.string()}, {"reason", "retention"}});
    } else if (error) {
      ++overdue;
      base::log::warning("event_file_not_removed",
                         {{"file", path.string()}, {"reason", error.message()}});
    }
  }
  if (counters_.overdue != nullptr) counters_.overdue->set(overdue);
  remove_transcripts();
}

void Store::remove_transcripts() {
  const Day oldest = day_of(clock_.now() - options_.transcripts);
  std::error_code error;
  for (fs::directory_iterator at(options_.directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::optional<Day> day = day_of_file_name(at->path().filename().string());
    if (!day || *day >= oldest || untold_.contains(*day)) continue;
    Result<Database> file = Database::open(at->path().string(), Database::Access::ReadWrite);
    if (!file) continue;
    // Older layouts have none.
    const Result<std::int64_t> layout = file->integer("PRAGMA user_version");
    Result<void> removed;
    if (layout && *layout >= kLayoutCounts) {
      removed = file->execute(
          "PRAGMA secure_delete=ON; DELETE FROM transcripts; PRAGMA wal_checkpoint(TRUNCATE);");
    }
    if (removed) {
      untold_.insert(*day);
    } else {
      base::log::warning("transcripts_not_removed",
                         {{"file", at->path().string()}, {"reason", removed.error().message()}});
    }
  }
}

}  // namespace ekiden::events
