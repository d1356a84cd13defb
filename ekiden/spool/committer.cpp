#include "ekiden/spool/committer.hpp"

#include <algorithm>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/checksum.hpp"
#include "ekiden/base/log.hpp"

// Invariants:
// - at most one batch is on its way; what it does to index and segments is applied only after its
//   sync, so that memory never runs ahead of the disk.
// - a segment that failed is never written again; its limit is written with the first batch of
//   every later segment until its file is gone.
// - copies come first in a batch and updates after them, so that sequence numbers grow with age.

namespace ekiden::spool {
namespace {

/// Past it the catalogue is not kept while the segment fills; the pool reads it again at the end.
constexpr std::size_t kCatalogOctetsMax = 8u << 20;
constexpr base::Duration kRetryFirst = std::chrono::milliseconds(100);
constexpr base::Duration kRetryMax = std::chrono::seconds(5);
/// Failed segments that still exist; with so many, wait for the disk to let us remove some.
constexpr std::size_t kFailedMax = 16;

}  // namespace

Committer::~Committer() {
  if (commit_timer_ != base::TimerId::None) clock_.cancel(commit_timer_);
  if (retry_timer_ != base::TimerId::None) clock_.cancel(retry_timer_);
  if (maintain_timer_ != base::TimerId::None) clock_.cancel(maintain_timer_);
  if (gather_timer_ != base::TimerId::None) clock_.cancel(gather_timer_);
}

void Committer::submit(Submission* first, Submission* last) {
  inbox_.push(first, last);
  // While a batch gathers, its timer takes what comes; the last one expected ends the wait.
  if (is_gathering_.load() && state_.expected->load(std::memory_order_relaxed) > 0) return;
  notify();
}

void Committer::submit(std::unique_ptr<Submission> one) {
  Submission* const raw = one.release();
  submit(raw, raw);
}

void Committer::start() {
  publish();
  executor_.post([this] {
    housekeeping_->prepare();
    publish();
  });
}

void Committer::notify() {
  if (is_notified_.exchange(true)) return;
  executor_.post([this] {
    is_notified_.store(false);
    on_work();
  });
}

void Committer::ask_maintenance() {
  executor_.post([this] {
    housekeeping_->maintain();
    publish();
  });
}

void Committer::maintain_after(base::Duration delay) {
  const base::Steady when = clock_.steady() + delay;
  if (maintain_timer_ != base::TimerId::None && maintain_at_ <= when) return;
  if (maintain_timer_ != base::TimerId::None) clock_.cancel(maintain_timer_);
  maintain_at_ = when;
  maintain_timer_ = clock_.call_at(when, [this] {
    maintain_timer_ = base::TimerId::None;
    housekeeping_->maintain();
    publish();
  });
}

void Committer::on_work() {
  take_inbox();
  if (has_urgent_work()) {
    if (!should_gather()) run_batch();
    return;
  }
  deliver();
  if (is_anything_waiting() && commit_timer_ == base::TimerId::None && is_healthy_) {
    commit_timer_ = clock_.call_after(state_.options.commit_interval, [this] {
      commit_timer_ = base::TimerId::None;
      run_batch();
    });
  }
}

void Committer::run_batch() {
  stop_gathering();
  take_inbox();
  if (commit_timer_ != base::TimerId::None) {
    clock_.cancel(commit_timer_);
    commit_timer_ = base::TimerId::None;
  }
  bool has_written = false;
  if (is_healthy_ || is_retry_due_ || is_closing_) {
    is_retry_due_ = false;
    Wrote wrote = write_one();
    // Once more at once, on another segment, with its limit: when that is durable, what is
    // refused now can never come back.
    if (wrote == Wrote::Failed) {
      take_back_chosen();
      wrote = write_one();
    }
    if (wrote == Wrote::Failed) {
      take_back_chosen();
      if (is_healthy_) base::log::error("spool_unwritable", {{"error", last_error_.message()}});
      is_healthy_ = false;
      arm_retry();
    } else if (wrote == Wrote::Batch) {
      if (!is_healthy_) base::log::warning("spool_writable_again");
      is_healthy_ = true;
      backoff_ = {};
      has_written = true;
    }
  }
  if (!is_healthy_) {
    refuse_waiting_mail(last_error_);
    refuse_excess_updates();
  }
  publish();
  deliver();
  if (has_written) housekeeping_->maintain();
  publish();
  // What the batch or its segment had no room for. Nobody else may come to remind us of it.
  if (is_healthy_ && is_anything_waiting()) notify();
  finish_close();
}

std::vector<SegmentLife> Committer::draining_lives() const {
  std::vector<SegmentLife> lives;
  for (std::uint32_t i = 0; i < state_.segments.count(); ++i)
    if (state_.segments.at(i).is_draining) lives.push_back(state_.segments.at(i).header.life);
  return lives;
}

std::uint64_t Committer::cost_of(const Submission& submission) const {
  // Every update may become a done that names each segment being drained.
  return submission.octets + submission.updates * (draining_.size() + 1) * kLifeRoom;
}

Committer::Wrote Committer::write_one() {
  std::unique_lock lock(state_.mutex);
  batch_.clear();
  effects_.clear();
  changed_.clear();
  pending_.clear();
  has_step_ = false;
  lives_.clear();
  draining_ = draining_lives();
  if (!is_healthy_ && !clear_failed()) return Wrote::Failed;

  const std::uint64_t segment_room =
      state_.options.segment_octets - kPage - kHeaderOctets - state_.limits.size() * kLimitRoom;
  // The first that can be written decides whether the segment has room left.
  const auto find_first = [&]() -> std::pair<std::uint64_t, bool> {
    // Even a step in which nothing was left to copy has to be answered.
    if (step_)
      return {kHeaderOctets + step_->octets +
                  step_->damaged.size() * (draining_.size() + 1) * kLifeRoom,
              false};
    while (is_anything_waiting()) {
      auto& queue = mail_.empty() ? changes_ : mail_;
      const Submission& head = *queue.front();
      const std::uint64_t cost = cost_of(head);
      const bool may_write = !head.is_new_mail() || (is_healthy_ && !keeps_reserve_);
      if (cost <= segment_room && may_write) return {cost, head.is_new_mail()};
      if (cost > segment_room) base::log::error("spool_transaction_too_large", {{"octets", cost}});
      std::unique_ptr<Submission> refused = std::move(queue.front());
      queue.pop_front();
      count_waiting(*refused, -1);
      complete(std::move(refused),
               is_healthy_ || !last_error_ ? make_error_code(Errc::NoSpace) : last_error_);
    }
    return {0, false};
  };
  auto [cost, is_new_mail] = find_first();
  const bool owes_limits = !state_.limits.empty() && !active_;
  if (cost == 0 && !owes_limits) {
    if (is_healthy_) return Wrote::Nothing;
    cost = kHeaderOctets;  // an empty batch shows whether the disk is well again
  }
  Result<void> room = make_room(cost, is_new_mail);
  if (!room && is_new_mail && is_healthy_) {
    if (!keeps_reserve_)
      base::log::error("spool_reserve_only", {{"error", room.error().message()}});
    keeps_reserve_ = true;
    std::tie(cost, is_new_mail) = find_first();
    if (cost == 0 && state_.limits.empty()) return Wrote::Nothing;
    room = make_room(std::max<std::uint64_t>(cost, kHeaderOctets), false);
  }
  if (!room) {
    last_error_ = room.error();
    return Wrote::Failed;
  }

  Segment& segment = state_.segments.at(*active_);
  const std::uint32_t offset = segment.end;
  build(segment.header.octets - offset);
  if (batch_.is_empty() && active_has_batch_ && is_healthy_) {
    // Changes to messages that are done, copies of what has died: nothing is left to write.
    complete_chosen();
    return Wrote::Nothing;
  }
  batch_.finish(segment.header.life.epoch, offset, state_.next_batch++, state_.events.cursor());
  EKIDEN_ASSERT(offset + batch_.octets() <= segment.header.octets, "the room was measured");
  const std::string page = active_has_batch_ ? std::string() : encode_segment_page(segment.header);
  lock.unlock();

  Result<void> result;
  if (page.empty()) {
    result = active_file_->write_at(offset, batch_.pieces());
  } else {
    std::vector<std::string_view> pieces;
    pieces.reserve(batch_.pieces().size() + 1);
    pieces.push_back(page);
    pieces.insert(pieces.end(), batch_.pieces().begin(), batch_.pieces().end());
    result = active_file_->write_at(0, pieces);
  }
  if (result) {
    result = active_file_->sync();
    state_.syncs.fetch_add(1, std::memory_order_relaxed);
  }
  lock.lock();
  if (!result) {
    last_error_ = result.error();
    base::log::error("spool_batch_failed",
                     {{"segment", *active_}, {"error", last_error_.message()}});
    fail_active();
    return Wrote::Failed;
  }
  state_.batches.fetch_add(1, std::memory_order_relaxed);
  state_.octets_written.fetch_add(batch_.octets(), std::memory_order_relaxed);
  apply();
  return Wrote::Batch;
}

Result<void> Committer::make_room(std::uint64_t octets, bool is_new_mail) {
  if (active_) {
    const Segment& segment = state_.segments.at(*active_);
    if (segment.end + kHeaderOctets + octets <= segment.header.octets) return {};
    seal();
  }
  const std::uint32_t reserve = reserve_segments();
  Result<void> made;
  if (state_.segments.free_count() <= reserve) made = state_.segments.create();
  const bool may_use_reserve = !is_new_mail;
  if (!made && (state_.segments.free_count() == 0 || !may_use_reserve)) return made;
  const std::uint32_t slot = state_.segments.begin(state_.random);
  active_has_batch_ = false;
  Result<std::shared_ptr<File>> file = state_.segments.files.open(slot);
  active_ = slot;
  catalog_.clear();
  has_catalog_ = true;
  const Segment& segment = state_.segments.at(slot);
  catalog_.life = segment.header.life;
  catalog_.sequence = segment.header.sequence;
  if (!file) {
    fail_active();
    return file.error();
  }
  active_file_ = *file;
  return {};
}

/// While the disk fails, segments that never held anything must not pile up.
bool Committer::clear_failed() {
  for (std::size_t i = 0; i < state_.limits.size();) {
    const std::uint32_t slot = state_.limits[i].life.slot;
    if (state_.segments.at(slot).is_dead() && state_.segments.remove(slot)) {
      state_.limits.erase(state_.limits.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  return state_.limits.size() < kFailedMax;
}

std::uint32_t Committer::reserve_segments() const {
  const std::uint64_t octets = state_.options.segment_octets;
  return static_cast<std::uint32_t>((state_.options.disk_reserve + octets - 1) / octets);
}

void Committer::seal() {
  Segment& segment = state_.segments.at(*active_);
  segment.state = SegmentState::Sealed;
  state_.note_less(*active_);
  if (active_has_batch_) {
    std::optional<Catalog> catalog;
    if (has_catalog_) catalog = std::move(catalog_);
    housekeeping_->segment_sealed(segment.header, std::move(catalog));
  }
  catalog_.clear();
  has_catalog_ = false;
  active_.reset();
  active_file_.reset();
}

void Committer::fail_active() {
  Segment& segment = state_.segments.at(*active_);
  segment.state = SegmentState::Failed;
  state_.limits.push_back({segment.header.life, segment.end});
  state_.maybe_dead.push_back(*active_);
  active_.reset();
  active_file_.reset();
  has_catalog_ = false;
  catalog_.clear();
}

void Committer::apply() {
  const std::uint32_t target = *active_;
  Segment& segment = state_.segments.at(target);
  segment.end += batch_.octets();
  active_has_batch_ = true;
  bool has_new_events = false;
  const bool had_events = !state_.events.is_empty();
  for (Effect& effect : effects_) {
    const RecordHeader& record = batch_.record(effect.record);
    const Place place{target, batch_.place_of(effect.record)};
    const std::uint32_t octets = record_octets(record);
    const std::uint32_t marked = octets | (effect.has_file ? kHasFile : 0);
    switch (effect.kind) {
      case Effect::Insert:
        state_.index.insert(effect.id, place, effect.recipients, marked);
        ++segment.live_messages;
        segment.live_octets += octets;
        state_.messages.fetch_add(1, std::memory_order_relaxed);
        state_.recipients.fetch_add(effect.recipients, std::memory_order_relaxed);
        break;
      case Effect::Move: {
        const std::uint32_t at = state_.index.find(effect.id);
        Segment& source = state_.segments.at(effect.from.slot);
        --source.live_messages;
        source.live_octets -= state_.index.entry(at).octets & ~kHasFile;
        ++segment.live_messages;
        segment.live_octets += octets;
        state_.index.move(at, place, marked);
        state_.note_less(effect.from.slot);
        break;
      }
      case Effect::Advance: {
        const std::uint32_t at = state_.index.find(effect.id);
        const std::uint32_t open = state_.index.entry(at).open;
        for (std::uint32_t i = effect.first; i < effect.first + effect.count; ++i) {
          ++segment.live_progress;
          const ProgressPlace old = state_.index.set_progress(
              at, ProgressPlace(changed_[i].recipient, changed_[i].is_final, place));
          if (old) state_.release(old.place());
        }
        state_.recipients.fetch_sub(open - state_.index.entry(at).open, std::memory_order_relaxed);
        break;
      }
      case Effect::Erase: {
        const std::uint32_t at = state_.index.find(effect.id);
        const Index::Entry entry = state_.index.entry(at);
        Segment& source = state_.segments.at(entry.place.slot);
        state_.index.each_progress(at, [this](ProgressPlace p) { state_.release(p.place()); });
        --source.live_messages;
        source.live_octets -= entry.octets & ~kHasFile;
        // A quarantined message keeps its file: the quarantine names it.
        if ((entry.octets & kHasFile) != 0 &&
            batch_.small_of(effect.record)[0] == static_cast<char>(DoneReason::Finished))
          housekeeping_->large_message_done(source.header.life, entry.place.header);
        if (batch_.small_of(effect.record)[0] == static_cast<char>(DoneReason::Quarantined))
          state_.quarantined.fetch_add(1, std::memory_order_relaxed);
        state_.index.erase(at);
        for (std::uint32_t i = effect.first; i < effect.first + effect.count; ++i)
          if (lives_[i].slot != target) ++segment.needed_by[lives_[i].slot];
        state_.messages.fetch_sub(1, std::memory_order_relaxed);
        state_.recipients.fetch_sub(entry.open, std::memory_order_relaxed);
        state_.note_less(entry.place.slot);
        break;
      }
      case Effect::AddEvents: {
        EventRef ref;
        ref.sequence = effect.id.high;
        ref.place = place;
        ref.octets = octets;
        ref.memory = std::move(effect.events);
        state_.events.add(std::move(ref));
        ++segment.live_events;
        segment.live_octets += octets;
        has_new_events = true;
        break;
      }
      case Effect::MoveEvents: {
        EventRef* const ref = state_.events.find(effect.id.high);
        if (ref == nullptr || ref->place != effect.from) break;
        state_.release(*ref);
        ref->place = place;
        ++segment.live_events;
        segment.live_octets += ref->octets;
        break;
      }
      case Effect::MoveDone: {
        Segment& source = state_.segments.at(effect.from.slot);
        for (std::uint32_t i = effect.first; i < effect.first + effect.count; ++i) {
          if (lives_[i].slot != target) ++segment.needed_by[lives_[i].slot];
          const auto needed = source.needed_by.find(lives_[i].slot);
          if (needed != source.needed_by.end() && --needed->second == 0)
            source.needed_by.erase(needed);
        }
        state_.note_less(effect.from.slot);
        break;
      }
    }
  }
  if (has_catalog_) {
    catalog_.note_batch(batch_.header());
    for (std::uint32_t i = 0; i < batch_.records(); ++i)
      catalog_.add(batch_.record(i), batch_.place_of(i), batch_.small_of(i));
    if (catalog_.octets() > kCatalogOctetsMax) {
      catalog_.clear();
      has_catalog_ = false;
    }
  }
  complete_chosen();
  if (has_new_events && !had_events) wakes_events_ = true;
}

void Committer::publish() {
  const std::scoped_lock lock(state_.mutex);
  state_.segment_count = state_.segments.existing();
  state_.disk_octets = state_.segments.disk_octets();
  state_.events_waiting = state_.events.size();
  state_.accepts_updates = is_healthy_ && !is_closing_;
  state_.accepts_messages = is_healthy_ && !keeps_reserve_ && !is_closing_;
}

void Committer::lift_reserve() {
  if (keeps_reserve_) base::log::info("spool_reserve_lifted");
  keeps_reserve_ = false;
}

void Committer::copy(std::unique_ptr<CopyStep> step) {
  EKIDEN_ASSERT(!step_, "one step at a time");
  step_ = std::move(step);
  notify();
}

void Committer::arm_retry() {
  if (retry_timer_ != base::TimerId::None) return;
  backoff_ = backoff_ == base::Duration{} ? kRetryFirst : std::min(backoff_ * 2, kRetryMax);
  retry_timer_ = clock_.call_after(backoff_, [this] {
    retry_timer_ = base::TimerId::None;
    is_retry_due_ = true;
    run_batch();
  });
}

void Committer::close(base::Work done) {
  executor_.post([this, done = std::move(done)]() mutable {
    on_closed_ = std::move(done);
    is_closing_ = true;
    run_batch();
  });
}

void Committer::finish_close() {
  if (!is_closing_ || !on_closed_ || is_anything_waiting()) return;
  {
    const std::scoped_lock lock(state_.mutex);
    if (active_) seal();
  }
  if (commit_timer_ != base::TimerId::None) clock_.cancel(commit_timer_);
  if (retry_timer_ != base::TimerId::None) clock_.cancel(retry_timer_);
  if (maintain_timer_ != base::TimerId::None) clock_.cancel(maintain_timer_);
  commit_timer_ = retry_timer_ = maintain_timer_ = base::TimerId::None;
  std::exchange(on_closed_, {})();
}

}  // namespace ekiden::spool
