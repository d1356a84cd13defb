#include "ekiden/spool/reclaim.hpp"

#include <algorithm>
#include <map>

#include "ekiden/base/log.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/scan.hpp"

namespace ekiden::spool {
namespace {

/// Free segments kept beyond the reserve; more than that goes back to the file system.
constexpr std::size_t kFreeBeyondReserve = 8;
constexpr base::Duration kAgain = std::chrono::seconds(1);
/// A drain that left something alive is tried again after this.
constexpr base::Duration kDrainAgain = std::chrono::seconds(60);
/// A sidecar that no bulk read wanted for so long is let go.
constexpr base::Duration kSidecarsKept = std::chrono::seconds(1);
constexpr std::uint64_t kSpillOctets = 8u << 20;
constexpr std::uint64_t kRecordRoom = kHeaderOctets + 64;

}  // namespace

/// One segment being copied forward. On the pool while a step is gathered, else at rest.
struct Reclaimer::Drain {
  struct Old {
    base::MessageId id;
    std::uint32_t header;
    ProgressPart part;
  };
  SegmentHeader header;
  std::uint32_t valid_octets = 0;
  bool is_loaded = false;
  std::vector<Catalog::Head> heads;
  std::vector<Old> progress;
  std::vector<CopyStep::Done> dones;
  std::vector<Catalog::Event> events;
  std::size_t head = 0, old = 0, done = 0, event = 0;
};

Result<Catalog> read_catalog(JournalState& state, const SegmentHeader& header,
                             std::uint32_t valid_octets) {
  using S = Catalog;
  Result<Catalog> catalog = Catalog::read_sidecar(
      state.disk, header.life, {S::Dones, S::Limits, S::Progresses, S::Events, S::Heads});
  if (catalog) return catalog;
  const Result<std::shared_ptr<File>> file = state.segments.files.open(header.life.slot);
  if (!file) return file.error();
  // What a torn transaction left must not be copied: a done in it would take a live message along.
  const LastBatch last =
      valid_octets < header.octets ? LastBatch::Acknowledged : LastBatch::MayBeTorn;
  Result<Scanned> scanned =
      scan_segment(**file, header, valid_octets, CheckBodies::LastBatchOnly, last);
  if (!scanned) return scanned.error();
  return std::move(scanned->catalog);
}

void Reclaimer::on_pool(base::Work work) {
  ++jobs_;
  pool_.post([this, work = std::move(work)]() mutable {
    work();
    executor_.post([this] { job_ended(); });
  });
}

void Reclaimer::job_ended() {
  --jobs_;
  if (jobs_ == 0 && on_idle_) std::exchange(on_idle_, {})();
}

void Reclaimer::stop(base::Work idle) {
  is_stopped_ = true;
  if (jobs_ == 0) {
    idle();
  } else {
    on_idle_ = std::move(idle);
  }
}

void Reclaimer::segment_sealed(const SegmentHeader& header, std::optional<Catalog> catalog) {
  // Pinned: it must not begin another life while the pool reads it.
  ++state_.segments.at(header.life.slot).pins;
  auto shared = std::make_shared<std::optional<Catalog>>(std::move(catalog));
  on_pool([this, header, shared] {
    Result<void> written;
    if (!*shared) {
      Result<Catalog> read = read_catalog(state_, header, header.octets);
      if (read) {
        *shared = std::move(*read);
      } else {
        written = read.error();
      }
    }
    if (*shared) written = (*shared)->write_sidecar(state_.disk);
    // Without it the segment is scanned at start: slower, nothing worse.
    if (!written)
      base::log::warning("spool_sidecar_failed",
                         {{"segment", header.life.slot}, {"error", written.error().message()}});
    unpin(header.life.slot);
  });
}

/// From the pool: the committer may free the segment again.
void Reclaimer::unpin(std::uint32_t slot) {
  executor_.post([this, slot] {
    const std::scoped_lock lock(state_.mutex);
    if (--state_.segments.at(slot).pins == 0) state_.note_less(slot);
  });
}

void Reclaimer::file_unused(std::string path) {
  remove_files({std::move(path)});
}

void Reclaimer::remove_files(std::vector<std::string> paths) {
  if (paths.empty()) return;
  on_pool([this, paths = std::move(paths)] {
    for (const std::string& path : paths) (void)state_.disk.remove(path);
  });
}

void Reclaimer::large_message_done(SegmentLife life, std::uint32_t header) {
  ++state_.segments.at(life.slot).pins;
  on_pool([this, life, header] {
    RecordData data;
    const Result<std::shared_ptr<File>> file = state_.segments.files.open(life.slot);
    if (file && read_record(**file, life.epoch, header, WithBody::No, data)) {
      const auto part = decode_message(data.small);
      if (part && !part->file.empty()) (void)state_.disk.remove(std::string(part->file));
    }
    unpin(life.slot);
  });
}

void Reclaimer::maintain() {
  if (is_stopped_) return;
  age_sidecars();
  if (!committer_.may_reclaim()) return;
  const std::scoped_lock lock(state_.mutex);
  while (free_dead()) {
  }
  keep_reserve();
  start_drain();
  spill_events();
}

void Reclaimer::age_sidecars() {
  if (state_.sidecars.is_empty()) return;
  const base::Steady now = clock_.steady();
  if (now >= sidecars_due_) {
    state_.sidecars.age();
    sidecars_due_ = now + kSidecarsKept;
  }
  if (!state_.sidecars.is_empty()) committer_.maintain_after(sidecars_due_ - now);
}

void Reclaimer::prepare() {
  const std::scoped_lock lock(state_.mutex);
  if (!is_stopped_) keep_reserve();
}

/// Looks at what lost something; true when a segment became free and others may follow.
bool Reclaimer::free_dead() {
  std::vector<std::uint32_t> slots = std::move(state_.maybe_dead);
  state_.maybe_dead.clear();
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  bool has_freed = false;
  for (const std::uint32_t slot : slots) {
    Segment& segment = state_.segments.at(slot);
    if (segment.state != SegmentState::Sealed && segment.state != SegmentState::Failed) continue;
    if (drain_ && drain_->header.life.slot == slot) continue;
    if (segment.is_dead()) {
      if (release_segment(slot)) {
        has_freed = true;
      } else {
        state_.maybe_dead.push_back(slot);
        committer_.maintain_after(kAgain);
      }
      continue;
    }
    const bool is_low = segment.state == SegmentState::Failed || segment.is_draining ||
                        segment.live() < state_.options.segment_octets / 4;
    if (!is_low || segment.wants_drain) continue;
    segment.wants_drain = true;
    // Most segments die of themselves a moment later: waiting saves the copying.
    const bool is_urgent = segment.state == SegmentState::Failed || segment.is_draining;
    const base::Duration wait = is_urgent ? base::Duration{} : state_.options.drain_after;
    candidates_.push_back({slot, clock_.steady() + wait});
  }
  return has_freed && !state_.maybe_dead.empty();
}

bool Reclaimer::release_segment(std::uint32_t slot) {
  const Segment& segment = state_.segments.at(slot);
  const SegmentLife life = segment.header.life;
  const bool has_failed = segment.state == SegmentState::Failed;
  const Result<void> freed =
      has_failed ? state_.segments.remove(slot) : state_.segments.mark_free(slot);
  if (!freed) {
    base::log::warning("spool_free_failed",
                       {{"segment", slot}, {"error", freed.error().message()}});
    return false;
  }
  if (has_failed)
    std::erase_if(state_.limits, [&](const LimitPart& limit) { return limit.life == life; });
  // No copy can come back from it any more: dones that were kept because of it may go.
  for (std::uint32_t i = 0; i < state_.segments.count(); ++i)
    if (state_.segments.at(i).needed_by.erase(slot) > 0) state_.note_less(i);
  remove_files({sidecar_path(life)});
  return true;
}

void Reclaimer::keep_reserve() {
  const std::size_t wanted = committer_.reserve_segments() + 1;
  while (state_.segments.free_count() < wanted) {
    if (state_.segments.create()) continue;
    committer_.maintain_after(kAgain);
    break;
  }
  if (state_.segments.free_count() >= wanted) committer_.lift_reserve();
  if (state_.segments.free_count() > wanted + kFreeBeyondReserve) {
    (void)state_.segments.remove_free();
    committer_.maintain_after(kAgain);
  }
}

void Reclaimer::start_drain() {
  if (drain_) return;
  const base::Steady now = clock_.steady();
  base::Steady next = base::kNever;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const Candidate candidate = candidates_[i];
    Segment& segment = state_.segments.at(candidate.slot);
    const bool is_there =
        segment.state == SegmentState::Sealed || segment.state == SegmentState::Failed;
    if (!is_there || !segment.wants_drain) {
      candidates_.erase(candidates_.begin() + static_cast<std::ptrdiff_t>(i--));
      continue;
    }
    if (candidate.due > now && !committer_.keeps_reserve()) {
      next = std::min(next, candidate.due);
      continue;
    }
    candidates_.erase(candidates_.begin() + static_cast<std::ptrdiff_t>(i));
    drain_ = std::make_shared<Drain>();
    drain_->header = segment.header;
    drain_->valid_octets =
        segment.state == SegmentState::Failed ? segment.end : segment.header.octets;
    segment.is_draining = true;
    // Were it freed before the end, the pool would read its next life for this one.
    ++segment.pins;
    on_pool([this, drain = drain_] { gather(drain); });
    return;
  }
  if (next != base::kNever) committer_.maintain_after(next - now);
}

void Reclaimer::gather(const std::shared_ptr<Drain>& drain) {
  auto step = std::make_unique<CopyStep>();
  step->slot = drain->header.life.slot;
  if (!drain->is_loaded) {
    const Result<Catalog> catalog = read_catalog(state_, drain->header, drain->valid_octets);
    if (catalog) {
      catalog->each_head([&](const Catalog::Head& head) { drain->heads.push_back(head); });
      catalog->each_progress([&](base::MessageId id, std::uint32_t header, const ProgressPart& p) {
        drain->progress.push_back({id, header, p});
      });
      catalog->each_done([&](base::MessageId id, const DonePart& part) {
        drain->dones.push_back({id, part});
      });
      catalog->each_event([&](const Catalog::Event& event) { drain->events.push_back(event); });
      drain->is_loaded = true;
    } else {
      step->has_failed = true;
    }
  }
  gather_messages(*drain, *step);
  gather_progress(*drain, *step);
  gather_rest(*drain, *step);
  step->is_last = step->has_failed ||
                  (drain->head == drain->heads.size() && drain->old == drain->progress.size() &&
                   drain->done == drain->dones.size() && drain->event == drain->events.size());
  auto shared = std::make_shared<std::unique_ptr<CopyStep>>(std::move(step));
  executor_.post([this, shared] {
    if (!is_stopped_) committer_.copy(std::move(*shared));
  });
}

void Reclaimer::gather_messages(Drain& drain, CopyStep& step) {
  const std::uint32_t slot = drain.header.life.slot;
  const Result<std::shared_ptr<File>> file = state_.segments.files.open(slot);
  if (!file) {
    step.has_failed = true;
    return;
  }
  for (; drain.head < drain.heads.size() && step.octets < state_.options.copy_step_octets;
       ++drain.head) {
    const Catalog::Head& head = drain.heads[drain.head];
    CopyStep::Message message;
    message.id = head.id;
    message.from = {slot, head.header};
    message.has_file = head.has_file;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::uint32_t>> places;
    std::map<std::uint32_t, std::uint64_t> epochs;
    {
      const std::scoped_lock lock(state_.mutex);
      const std::uint32_t at = state_.index.find(head.id);
      if (at == Index::kNone || state_.index.entry(at).place != message.from) continue;
      message.recipients = state_.index.entry(at).recipients;
      state_.index.each_progress(at, [&](ProgressPlace p) {
        places[{p.place().slot, p.place().header}].push_back(p.recipient());
        epochs[p.place().slot] = state_.segments.at(p.place().slot).header.life.epoch;
      });
    }
    RecordData data;
    const Result<void> read =
        read_record(**file, drain.header.life.epoch, head.header, WithBody::Yes, data);
    if (!read && read.error() != make_error_code(Errc::Corrupt)) {
      step.has_failed = true;
      return;
    }
    if (!read) {
      if (reader_.keep_damaged(head.id, message.recipients, data, "checksum differs"))
        step.damaged.push_back(head.id);
      step.octets += kRecordRoom;
      continue;
    }
    message.small = std::move(data.small);
    message.body = std::move(data.body);
    message.body_crc = data.header.body_crc;
    step.octets += kRecordRoom + message.small.size() + message.body.size();
    step.messages.push_back(std::move(message));

    // Its newest progress, wherever it is, folds into one record beside it.
    CopyStep::Fold fold;
    fold.id = head.id;
    for (const auto& [place, recipients] : places) {
      const Result<std::shared_ptr<File>> other = state_.segments.files.open(place.first);
      RecordData old;
      if (!other || !read_record(**other, epochs[place.first], place.second, WithBody::No, old))
        continue;
      const auto part = decode_progress(old.small);
      if (!part || old.header.id != head.id) continue;
      for (const Progress& change : part->changes) {
        if (std::find(recipients.begin(), recipients.end(), change.recipient) == recipients.end())
          continue;
        step.octets += 40 + change.reply.size();
        fold.changes.push_back({change, {place.first, place.second}});
      }
    }
    if (fold.changes.empty()) continue;
    step.octets += kRecordRoom;
    step.folds.push_back(std::move(fold));
  }
}

void Reclaimer::gather_progress(Drain& drain, CopyStep& step) {
  if (step.has_failed) return;
  for (; drain.old < drain.progress.size() && step.octets < state_.options.copy_step_octets;
       ++drain.old) {
    const Drain::Old& old = drain.progress[drain.old];
    const Place from{drain.header.life.slot, old.header};
    CopyStep::Fold fold;
    fold.id = old.id;
    {
      const std::scoped_lock lock(state_.mutex);
      const std::uint32_t at = state_.index.find(old.id);
      if (at == Index::kNone) continue;
      for (const Progress& change : old.part.changes) {
        const ProgressPlace now = state_.index.progress(at, change.recipient);
        if (!now || now.place() != from) continue;
        step.octets += 40 + change.reply.size();
        fold.changes.push_back({change, from});
      }
    }
    if (fold.changes.empty()) continue;
    step.octets += kRecordRoom;
    step.folds.push_back(std::move(fold));
  }
}

void Reclaimer::gather_rest(Drain& drain, CopyStep& step) {
  if (step.has_failed) return;
  for (; drain.done < drain.dones.size() && step.octets < state_.options.copy_step_octets;
       ++drain.done) {
    CopyStep::Done& done = drain.dones[drain.done];
    step.octets += kRecordRoom + done.part.copies.size() * 12;
    step.dones.push_back(std::move(done));
  }
  for (; drain.event < drain.events.size() && step.octets < state_.options.copy_step_octets;
       ++drain.event) {
    const Catalog::Event& event = drain.events[drain.event];
    const Place from{drain.header.life.slot, event.header};
    {
      const std::scoped_lock lock(state_.mutex);
      const EventRef* const ref = state_.events.find(event.sequence);
      if (ref == nullptr || ref->place != from) continue;
    }
    const Result<SharedEvents> events = reader_.read_events(from, event.sequence);
    if (!events) continue;
    CopyStep::Event copy;
    copy.sequence = event.sequence;
    copy.from = from;
    append_events(copy.small, **events);
    step.octets += kRecordRoom + copy.small.size();
    step.events.push_back(std::move(copy));
  }
}

void Reclaimer::step_copied(std::unique_ptr<CopyStep> step) {
  if (is_stopped_) return;
  if (!step->is_last) {
    on_pool([this, drain = drain_] { gather(drain); });
    return;
  }
  end_drain(step->slot, step->has_failed);
}

void Reclaimer::end_drain(std::uint32_t slot, bool has_failed) {
  drain_.reset();
  Segment& segment = state_.segments.at(slot);
  --segment.pins;
  state_.maybe_dead.push_back(slot);
  // It stays marked as draining while it exists: dones must name it, for it holds old copies.
  if (segment.is_dead()) return;
  if (segment.pins == 0)  // else a sidecar is still being written from it
    base::log::warning(
        "spool_drain_incomplete",
        {{"segment", slot}, {"messages", segment.live_messages}, {"failed", has_failed ? 1 : 0}});
  candidates_.push_back({slot, clock_.steady() + kDrainAgain});
}

void Reclaimer::spill_events() {
  if (is_spilling_ || state_.events.octets() <= state_.options.events_backlog_max) return;
  is_spilling_ = true;
  std::vector<EventRef> refs;
  std::uint64_t octets = 0;
  for (const EventRef& ref : state_.events.refs()) {
    if (octets > kSpillOctets) break;
    octets += ref.octets;
    refs.push_back(ref);
  }
  base::log::error("spool_events_spilled", {{"octets", octets}, {"from", refs.front().sequence}});
  on_pool([this, refs = std::move(refs)] {
    std::vector<std::pair<std::uint64_t, SharedEvents>> all;
    for (const EventRef& ref : refs) {
      SharedEvents events = ref.memory;
      if (!events) {
        Place place = ref.place;
        {
          const std::scoped_lock lock(state_.mutex);
          if (const EventRef* const now = state_.events.find(ref.sequence)) place = now->place;
        }
        const Result<SharedEvents> read = reader_.read_events(place, ref.sequence);
        // What cannot be read ends this file; the consumer will meet it and say so.
        if (!read) break;
        events = *read;
      }
      all.emplace_back(ref.sequence, std::move(events));
    }
    const bool is_written = !all.empty() && write_spilled(state_.disk, all).has_value();
    const std::uint64_t first = all.empty() ? 0 : all.front().first;
    const std::uint64_t last = all.empty() ? 0 : all.back().first;
    executor_.post([this, is_written, first, last] {
      is_spilling_ = false;
      if (!is_written) {
        committer_.maintain_after(kAgain);
        return;
      }
      {
        const std::scoped_lock lock(state_.mutex);
        for (const EventRef& ref : state_.events.spilled_up_to(first, last)) state_.release(ref);
      }
      maintain();
    });
  });
}

}  // namespace ekiden::spool
