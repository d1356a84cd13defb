#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/spool/disk.hpp"
#include "ekiden/spool/index.hpp"
#include "ekiden/spool/spool.hpp"

namespace ekiden::spool {

using SharedEvents = std::shared_ptr<const std::vector<std::string>>;

/// Where one transaction's events lie, until their consumer has them safe elsewhere.
struct EventRef {
  std::uint64_t sequence = 0;
  Place place;
  std::uint32_t octets = 0;
  SharedEvents memory;  ///< null: read them from the journal
};

/// A plain file of events, oldest of all.
struct SpilledEvents {
  std::uint64_t first = 0, last = 0;
  std::string path() const;
};

/// Durable events in order, bounded in memory.
///
/// Sharing: under the journal's lock.
class EventQueue {
 public:
  explicit EventQueue(std::uint64_t memory_max) : memory_max_(memory_max) {}

  bool is_empty() const { return refs_.empty() && spilled_.empty(); }
  std::uint64_t size() const { return refs_.size(); }
  std::uint64_t octets() const { return octets_; }
  std::uint64_t cursor() const { return cursor_; }
  const std::deque<EventRef>& refs() const { return refs_; }
  std::deque<SpilledEvents>& spilled() { return spilled_; }

  void add(EventRef ref);
  /// Start only: sorts what was found, forgets copies, what is stored and what is spilled.
  void restore(std::vector<EventRef> found, std::vector<SpilledEvents> spilled,
               std::uint64_t cursor);
  EventRef* find(std::uint64_t sequence);
  /// Forgets the events up to `cursor` and gives them, oldest first.
  std::vector<EventRef> stored(std::uint64_t cursor);
  /// Forgets the events up to `sequence` because a file has them now.
  std::vector<EventRef> spilled_up_to(std::uint64_t first, std::uint64_t sequence);

 private:
  std::vector<EventRef> pop_up_to(std::uint64_t sequence);

  std::uint64_t memory_max_;
  std::deque<EventRef> refs_;
  std::deque<SpilledEvents> spilled_;
  std::uint64_t octets_ = 0, memory_octets_ = 0, cursor_ = 0;
};

/// Writes and syncs a file of spilled events; each entry is u64 sequence, u32 length, u32 CRC,
/// then an event record's small part.
Result<SpilledEvents> write_spilled(Disk& disk,
                                    const std::vector<std::pair<std::uint64_t, SharedEvents>>& all);
/// Up to about `count_max` events behind `cursor`. Damaged entries end the file early, with an
/// alert.
Result<EventBatch> read_spilled(Disk& disk, const SpilledEvents& file, std::uint64_t cursor,
                                std::size_t count_max);
/// Oldest first. Errors: Io; who went on without them would say later that they had been stored.
Result<std::vector<SpilledEvents>> list_spilled(Disk& disk);

}  // namespace ekiden::spool
