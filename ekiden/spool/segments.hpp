#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/spool/disk.hpp"
#include "ekiden/spool/format.hpp"
#include "ekiden/spool/index.hpp"

namespace ekiden::spool {

enum class SegmentState : std::uint8_t { Missing, Free, Active, Sealed, Failed };

struct Segment {
  SegmentHeader header;
  SegmentState state = SegmentState::Missing;
  std::uint32_t end = 0;  ///< octets valid and durable
  std::uint32_t live_messages = 0, live_progress = 0, live_events = 0;
  std::uint32_t pins = 0;         ///< reads on the pool that must find it as it is
  std::uint64_t live_octets = 0;  ///< of messages and events
  /// Dones in this segment that are needed, by the slot that may hold their message.
  std::map<std::uint32_t, std::uint32_t> needed_by;
  bool is_draining = false;    ///< copied forward now, or holds stale copies: dones name it
  bool is_drain_vain = false;  ///< a drain left something alive; not tried again in this run
  bool wants_drain = false;

  /// About how many octets live: exact for messages and events, an estimate from below for the
  /// rest, so that a segment of copies alone is never worth copying again.
  std::uint64_t live() const {
    std::uint64_t dones = 0;
    for (const auto& [slot, count] : needed_by) dones += count;
    return live_octets + (live_progress + dones) * std::uint64_t{kHeaderOctets};
  }
  bool is_dead() const {
    return live_messages == 0 && live_progress == 0 && live_events == 0 && pins == 0 &&
           needed_by.empty();
  }
};

std::string segment_path(std::uint32_t slot);

/// Open files of the journal, the least recently used closed first.
///
/// Sharing: any thread.
class SegmentFiles {
 public:
  explicit SegmentFiles(Disk& disk) : disk_(disk) {}
  Result<std::shared_ptr<File>> open(std::uint32_t slot);
  void forget(std::uint32_t slot);
  void clear();

 private:
  static constexpr std::size_t kOpenMax = 128;
  struct Entry {
    std::shared_ptr<File> file;
    std::list<std::uint32_t>::iterator age;
  };
  Disk& disk_;
  std::mutex mutex_;
  std::unordered_map<std::uint32_t, Entry> open_;
  std::list<std::uint32_t> ages_;  ///< newest first
};

/// Every segment and what still lives in it.
///
/// Sharing: the committer changes it under the journal's lock, and reads it without.
class SegmentTable {
 public:
  SegmentTable(Disk& disk, std::uint32_t segment_octets)
      : files(disk), disk_(disk), segment_octets_(segment_octets) {}

  /// Reads the header of every segment there is. Damaged ones are moved to quarantine/.
  Result<void> read_headers();

  Segment& at(std::uint32_t slot) { return segments_[slot]; }
  const Segment& at(std::uint32_t slot) const { return segments_[slot]; }
  std::uint32_t count() const { return static_cast<std::uint32_t>(segments_.size()); }
  bool is_same_life(SegmentLife life) const {
    return life.slot < segments_.size() && segments_[life.slot].header.life == life &&
           segments_[life.slot].header.is_used;
  }

  std::size_t free_count() const { return free_.size(); }
  /// Makes one more free segment, durably. Errors: NoSpace, Io.
  Result<void> create();
  /// Takes a free segment into use; its header is still to be written.
  std::uint32_t begin(base::Random& random);
  /// Writes and syncs a free header; then nothing of this life can come back.
  Result<void> mark_free(std::uint32_t slot);
  /// Removes the file of a failed or free segment, durably.
  Result<void> remove(std::uint32_t slot);
  /// Removes the file of one free segment.
  Result<void> remove_free();

  std::uint64_t disk_octets() const { return existing_ * std::uint64_t{segment_octets_}; }
  std::uint64_t existing() const { return existing_; }
  std::uint64_t quarantined_files() const { return quarantined_files_; }

  SegmentFiles files;

 private:
  Disk& disk_;
  std::uint32_t segment_octets_;
  std::vector<Segment> segments_;
  std::vector<std::uint32_t> free_;
  std::uint64_t next_sequence_ = 1;
  std::uint64_t existing_ = 0;
  std::uint64_t quarantined_files_ = 0;
};

}  // namespace ekiden::spool
