#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/events/day_file.hpp"

namespace ekiden::events {

/// Reads one day's file while another process may be writing it. What one `read_…` call sees is
/// one moment's content.
///
/// Sharing: one thread at a time. Every call blocks.
class DayReader {
 public:
  /// Errors: Errc::Io when there is no such file.
  static Result<std::unique_ptr<DayReader>> open(const std::string& path);

  /// Sees one row; false ends the reading.
  using See = std::function<bool(std::int64_t seq, std::string_view event)>;

  /// Events numbered past `after` (or, newest first, below it) whose time lies in
  /// [from_us, until_us). With a hash only those that may have the key, and rows without an index
  /// yet. Every row is to be checked: hashes collide, and slices are only as exact as their times.
  struct Range {
    std::optional<std::int64_t> hash;
    bool is_of_runs = false;  ///< the hash is of a KeyKind with one entry for a run of events
    /// Without a hash: of those with an index only the ones whose subject has this subject_key.
    std::string subject;
    std::int64_t from_us = INT64_MIN, until_us = INT64_MAX;
    std::optional<std::int64_t> after;
    bool newest_first = false;
  };
  Result<void> read_range(const Range& range, const See& see);

  /// The number of the last event that there was at the last read_range.
  std::int64_t last_looked_at() const { return last_looked_at_; }
  /// Whether the file's index has entries of this kind.
  bool has(KeyKind kind) const {
    return kind < KeyKind::Sender || (kind < KeyKind::Stream && layout_ >= kLayoutSender) ||
           has_counts();
  }
  /// Whether the file has subjects, counts and transcripts.
  bool has_counts() const { return layout_ >= kLayoutCounts; }

  /// The counts of all events of the file.
  Result<void> read_counts(const std::function<void(const TallyKey&, const Counts&)>& see);
  /// Empty when there is none, or none any more.
  Result<std::string> transcript(std::int64_t seq);

  /// The number of the last event; zero when there is none.
  Result<std::int64_t> last_seq();

 private:
  explicit DayReader(Database database) : database_(std::move(database)) {}
  Result<void> prepare();
  Result<std::vector<Slice>> load_slices();
  Result<void> read_within(const Range& range, const See& see);
  Result<void> read_subjects(const Range& range, const See& see, bool& goes_on);
  Result<void> read_counts_within(const std::function<void(const TallyKey&, const Counts&)>& see);
  Result<void> read_keyed(const Slice& slice, const Range& range, const See& see, bool& goes_on);
  Result<void> read_rows(std::int64_t low, std::int64_t high, const Range& range, const See& see,
                         bool& goes_on);

  Database database_;
  std::int64_t layout_ = kLayoutVersion;
  std::int64_t last_looked_at_ = 0;
  Statement ascending_, descending_, slices_;
  Statement subjects_up_, subjects_down_, counts_, transcript_;  ///< where there are some
  KeyFinder finder_;
};

}  // namespace ekiden::events
