#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ekiden/events/key.hpp"
#include "ekiden/events/sqlite.hpp"
#include "ekiden/events/subject_column.hpp"
#include "ekiden/events/tally.hpp"

namespace ekiden::events {

/// Days since 1970-01-01, UTC, by an event's own time.
using Day = std::int64_t;
Day day_of(base::Time time);
/// "2026-11-22.db".
std::string file_name_of(Day day);
/// Nothing when the name is not one of ours.
std::optional<Day> day_of_file_name(std::string_view name);

/// The layout of one day's file; docs/decisions/0003 tells why.
///
///   events  one row for each event, appended: seq, and the event as the spool carried it
///   slices  runs of events with an index: first seq, count, level, earliest and latest time
///   keys    the index of a slice: its entries, sorted, in chunks; `hash` is the first one's
///   subjects
///           of each run of kSliceEvents events (subject_column.hpp)
///   names, counts
///           statistics of the events in slices past level 0 (tally.hpp)
///   transcripts
///           what was said in an attempt, by the event's seq
///   unread  octets that are no event, kept for inspection
///
/// Events past the last slice have no index yet; there are fewer than `kSliceEvents`, and a reader
/// looks at each.
inline constexpr std::int64_t kApplicationId = 0x656b6576;  // "ekev"
inline constexpr std::int64_t kLayoutVersion = 3;
/// Older layouts are read, and a file that began in one goes on in it. Layout 1 has no entries for
/// sender, tags and reply code, layouts 1 and 2 have no subjects, counts and transcripts.
inline constexpr std::int64_t kLayoutOldest = 1;
inline constexpr std::size_t kSliceEvents = 1024;
/// So many slices of one level become one of the next, up to kLevelMax (262,144 events).
inline constexpr std::size_t kSlicesMerged = 16;
inline constexpr std::int64_t kLevelMax = 2;

struct Slice {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::int64_t level = 0;
  std::int64_t first_us = 0, last_us = 0;  ///< of the events' times, both included

  bool may_hold(std::int64_t time_us) const { return first_us <= time_us && time_us <= last_us; }
};

/// Looks a hash up in the index of slices, over one connection.
class KeyFinder {
 public:
  static Result<KeyFinder> create(Database& database);

  /// The offsets of the slice's events that may have the key, ascending.
  Result<void> find(const Slice& slice, std::int64_t hash, std::vector<std::uint32_t>& offsets);

 private:
  Statement before_, equal_;
};

/// Whether an event with the same id was there before.
enum class Presence { Absent, Stored };

/// Appends to one day's file. After any error it is spent: drop it and open it again.
///
/// Sharing: the event writer's thread only. Every call blocks.
class DayFile {
 public:
  /// Creates the file when there is none, its first event then numbered `first_seq`. Errors:
  /// Errc::Corrupt also for a file of another layout.
  static Result<std::unique_ptr<DayFile>> open(const std::string& path, std::int64_t first_seq);

  /// Also finds out whether somebody else, an erasure, has changed the file meanwhile.
  Result<void> begin();
  /// Adds one event, unless an event with its id is there.
  Result<Presence> add(std::string_view octets, const KeyView& keys);
  Result<void> add_unread(std::string_view octets);
  /// The batch is durable when this succeeds.
  Result<void> commit();

 private:
  /// The hashes of the ids in the tail.
  class IdSet {
   public:
    bool contains(std::int64_t hash) const;
    void insert(std::int64_t hash);
    void clear();
    std::size_t size() const { return size_; }

   private:
    std::size_t slot_of(std::int64_t hash) const;
    std::vector<std::int64_t> slots_ = std::vector<std::int64_t>(4 * kSliceEvents, 0);
    std::size_t size_ = 0;
  };

  explicit DayFile(Database database) : database_(std::move(database)) {}
  Result<void> load(std::int64_t first_seq);
  Result<void> load_tail();
  Result<void> load_tally();
  Result<std::int64_t> data_version();
  Result<Presence> is_stored(std::int64_t hash, const KeyView& keys);
  Result<Presence> is_event(std::int64_t seq, const KeyView& keys);
  void note(const KeyView& keys, std::int64_t hash);
  void forget_tail();
  Result<void> index_tail();
  Result<void> write_subjects();
  Result<void> merge(std::int64_t level);
  Result<void> write_index(const Slice& slice, std::vector<Entry>& entries);

  Database database_;
  std::int64_t layout_ = kLayoutVersion;
  Statement insert_event_, select_event_, select_tail_, insert_slice_, insert_keys_, select_keys_,
      delete_slice_, delete_keys_, insert_unread_, data_version_;
  Statement insert_subjects_, insert_transcript_;  ///< from kLayoutCounts on
  std::optional<TallyTable> tallies_;              ///< likewise
  std::int64_t seen_version_ = -1;                 ///< of what other connections wrote
  KeyFinder finder_;
  std::vector<Slice> slices_;  ///< ascending; their levels never rise
  std::int64_t indexed_until_us_ = INT64_MIN;
  Slice tail_;  ///< not yet in slices_
  std::vector<Entry> tail_entries_;
  IdSet tail_ids_;
  std::unordered_set<std::int64_t> tail_hashes_;  ///< of kinds with one entry for all
  SubjectColumn tail_subjects_;
  Tally tally_;  ///< of the events past those that are counted in the file
};

}  // namespace ekiden::events
