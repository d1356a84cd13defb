#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "ekiden/spool/catalog.hpp"
#include "ekiden/spool/event_queue.hpp"
#include "ekiden/spool/index.hpp"
#include "ekiden/spool/journal.hpp"
#include "ekiden/spool/segments.hpp"
#include "ekiden/spool/sidecar_cache.hpp"

namespace ekiden::spool {

/// Set in Index::Entry::octets when the body lies in a file.
inline constexpr std::uint32_t kHasFile = 1u << 31;

/// What the committer, the readers on the pool and the consumer of events share.
///
/// Sharing: `mutex` guards index, segments and events. Only the committer changes index and
/// segments. No worker ever takes it.
struct JournalState {
  JournalState(JournalOptions o, Disk& d, base::Random& r)
      : options(o),
        disk(d),
        random(r),
        segments(d, o.segment_octets),
        events(o.events_memory_max) {}

  const JournalOptions options;
  Disk& disk;
  base::Random& random;  ///< the committer's

  mutable std::mutex mutex;
  Index index;
  SegmentTable segments;
  EventQueue events;
  base::Function<void()> wake_events;

  SidecarCache sidecars;  ///< guards itself

  // The committer's own.
  std::vector<LimitPart> limits;  ///< of failed segments that still exist
  std::uint64_t next_progress = 1, next_event = 1, next_batch = 1;
  std::vector<std::uint32_t> maybe_dead;  ///< slots to look at (under `mutex`)

  /// Messages on their way in (Port::expect). Shared, because ports may outlive the journal.
  std::shared_ptr<std::atomic<std::int64_t>> expected =
      std::make_shared<std::atomic<std::int64_t>>(0);

  // What status() tells.
  std::atomic<bool> accepts_messages{false}, accepts_updates{false}, is_open{false};
  std::atomic<std::uint64_t> messages{0}, recipients{0}, quarantined{0}, segment_count{0},
      disk_octets{0}, events_waiting{0}, batches{0}, syncs{0}, octets_written{0}, transactions{0};

  /// A progress record has one position less pointing into it.
  void release(Place place) {
    Segment& segment = segments.at(place.slot);
    --segment.live_progress;
    note_less(place.slot);
  }
  /// The events are safe elsewhere.
  void release(const EventRef& ref) {
    Segment& segment = segments.at(ref.place.slot);
    --segment.live_events;
    segment.live_octets -= ref.octets;
    note_less(ref.place.slot);
  }
  /// Something in the segment died: it may be ready for reclaiming.
  void note_less(std::uint32_t slot) {
    const Segment& segment = segments.at(slot);
    if (segment.state == SegmentState::Active) return;
    const bool is_low = !segment.wants_drain && segment.live() < options.segment_octets / 4;
    if (is_low || segment.is_dead()) maybe_dead.push_back(slot);
  }
};

}  // namespace ekiden::spool
