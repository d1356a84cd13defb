// How a batch is put together: limits first, then copies, then new mail, then what changes.
#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/spool/committer.hpp"

namespace ekiden::spool {
namespace {

/// A batch takes what waits, up to this; the rest makes the next one.
constexpr std::uint64_t kBatchOctetsMax = 8u << 20;

}  // namespace

void Committer::build(std::uint64_t room) {
  transactions_ = 0;
  if (!active_has_batch_) {
    for (const LimitPart& limit : state_.limits) {
      append_limit(batch_.small(), limit);
      batch_.add(RecordType::Limit, 0, {}, transactions_++);
    }
  }
  used_ = kHeaderOctets + batch_.records() * kLimitRoom;
  if (step_) {
    const std::uint64_t cost =
        step_->octets + step_->damaged.size() * (draining_.size() + 1) * kLifeRoom;
    if (used_ + cost <= room) {
      used_ += cost;
      has_step_ = true;
      build_copies(*step_);
      // Each copy stands alone, but one transaction number will do: no reader but a torn scan
      // looks at it, and then the source is still there.
      ++transactions_;
    }
  }
  // Nothing that waits is about mail that is not durable yet, so new mail may go first. Changes
  // have their part of each batch, whatever comes in.
  const std::uint64_t end = std::min(room, kBatchOctetsMax);
  std::uint64_t for_changes = 0;
  if (!changes_.empty()) {
    for_changes = std::min(end / 4, kChangesOctetsMax);
    // One that is larger than their part would wait for a batch without mail: it goes first, alone.
    if (cost_of(*changes_.front()) > kChangesOctetsMax) build_waiting(changes_, 0, room);
  }
  build_waiting(mail_, end - for_changes, room);
  build_waiting(changes_, std::min(end, used_ + kChangesOctetsMax), room);
}

/// The oldest of the queue, until `end` octets of the batch are used. The first of all may need
/// all the room that there is: it would be too large for every batch.
void Committer::build_waiting(std::deque<std::unique_ptr<Submission>>& queue, std::uint64_t end,
                              std::uint64_t room) {
  while (!queue.empty()) {
    Submission& head = *queue.front();
    const bool may_write = !head.is_new_mail() || (is_healthy_ && !keeps_reserve_);
    const std::uint64_t cost = cost_of(head);
    const bool is_first = chosen_.empty();
    if (may_write && used_ + cost > (is_first ? room : end)) break;
    std::unique_ptr<Submission> one = std::move(queue.front());
    queue.pop_front();
    count_waiting(*one, -1);
    if (!may_write) {
      complete(std::move(one), is_healthy_ ? make_error_code(Errc::NoSpace) : last_error_);
      continue;
    }
    if (!build_submission(*one, transactions_++)) {
      complete(std::move(one), Errc::Io);
      continue;
    }
    used_ += cost;
    chosen_.push_back(std::move(one));
  }
}

Committer::Pending* Committer::pending_of(base::MessageId id) {
  const auto known = pending_.find(id);
  if (known != pending_.end()) return &known->second;
  const std::uint32_t at = state_.index.find(id);
  if (at == Index::kNone) return nullptr;
  Pending& pending = pending_[id];
  pending.open = state_.index.entry(at).open;
  return &pending;
}

bool Committer::build_submission(Submission& submission, std::uint32_t transaction) {
  Transaction& t = submission.transaction;
  for (const NewMessage& message : t.messages) {
    if (message.recipients == 0 || message.recipients > kRecipientsMax ||
        pending_of(message.id) != nullptr) {
      base::log::error("spool_message_invalid", {{"message", base::format_message_id(message.id)},
                                                 {"recipients", message.recipients}});
      return false;
    }
  }
  for (std::size_t i = 0; i < t.messages.size(); ++i) {
    const NewMessage& message = t.messages[i];
    append_message(batch_.small(), message);
    const std::uint32_t record = batch_.add(RecordType::Message, 0, message.id, transaction,
                                            message.body.octets.view(), submission.body_crcs[i]);
    Effect effect{Effect::Insert};
    effect.record = record;
    effect.id = message.id;
    effect.recipients = message.recipients;
    effect.has_file = !message.body.is_in_memory();
    effects_.push_back(std::move(effect));
    Pending& pending = pending_[message.id];
    pending.open = message.recipients;
    pending.is_new = true;
    if (!message.progress.empty()) build_update(message.id, message.progress, transaction);
  }
  for (const Update& update : t.updates) build_update(update.id, update.changes, transaction);
  for (const base::MessageId id : submission.quarantined)
    build_done(id, DoneReason::Quarantined, transaction);
  for (const base::MessageId id : submission.finished)
    build_done(id, DoneReason::Finished, transaction);
  if (submission.events) {
    append_events(batch_.small(), *submission.events);
    Effect effect{Effect::AddEvents};
    effect.id.high = state_.next_event++;
    effect.record = batch_.add(RecordType::Event, 0, effect.id, transaction);
    // Shared, not moved: a failed batch is built again from the same transaction.
    effect.events = submission.events;
    effects_.push_back(std::move(effect));
  }
  return true;
}

void Committer::build_update(base::MessageId id, const std::vector<Progress>& changes,
                             std::uint32_t transaction) {
  Pending* const pending = pending_of(id);
  // Cancelled, or done: usual, and nothing to keep.
  if (pending == nullptr || pending->is_done) return;
  const std::uint32_t at = pending->is_new ? Index::kNone : state_.index.find(id);
  const std::uint32_t recipients = [&] {
    if (at != Index::kNone) return state_.index.entry(at).recipients;
    for (const Effect& effect : effects_)
      if (effect.kind == Effect::Insert && effect.id == id) return effect.recipients;
    return 0u;
  }();
  const auto was_final = [&](std::uint32_t recipient) {
    if (at != Index::kNone && state_.index.progress(at, recipient).is_final()) return true;
    return std::find(pending->finals.begin(), pending->finals.end(), recipient) !=
           pending->finals.end();
  };
  const auto first = static_cast<std::uint32_t>(changed_.size());
  const std::vector<Progress>* written = &changes;
  std::vector<Progress> allowed;
  for (const Progress& change : changes) {
    if (change.recipient >= recipients || was_final(change.recipient)) {
      // There is exactly one final state; a second would change what has been told already.
      if (written == &changes) {
        allowed.assign(changes.data(), &change);
        written = &allowed;
      }
      base::log::error("spool_change_ignored",
                       {{"message", base::format_message_id(id)}, {"recipient", change.recipient}});
      continue;
    }
    if (written == &allowed) allowed.push_back(change);
    changed_.push_back({change.recipient, is_final(change.state)});
    if (is_final(change.state)) {
      pending->finals.push_back(change.recipient);
      --pending->open;
    }
  }
  if (written->empty()) return;
  if (pending->open == 0) {
    changed_.resize(first);
    build_done(id, DoneReason::Finished, transaction);
    return;
  }
  append_progress(batch_.small(), state_.next_progress++, *written);
  Effect effect{Effect::Advance};
  effect.id = id;
  effect.record = batch_.add(RecordType::Progress, 0, id, transaction);
  effect.first = first;
  effect.count = static_cast<std::uint32_t>(changed_.size()) - first;
  effects_.push_back(std::move(effect));
}

void Committer::build_done(base::MessageId id, DoneReason reason, std::uint32_t transaction) {
  Pending* const pending = pending_of(id);
  if (pending == nullptr || pending->is_done) return;
  pending->is_done = true;
  DonePart done;
  done.reason = reason;
  done.copies = draining_;
  const std::uint32_t at = pending->is_new ? Index::kNone : state_.index.find(id);
  const SegmentLife own = at == Index::kNone
                              ? state_.segments.at(*active_).header.life
                              : state_.segments.at(state_.index.entry(at).place.slot).header.life;
  if (std::find(done.copies.begin(), done.copies.end(), own) == done.copies.end())
    done.copies.push_back(own);
  append_done(batch_.small(), done);
  Effect effect{Effect::Erase};
  effect.id = id;
  effect.record = batch_.add(RecordType::Done, 0, id, transaction);
  effect.first = static_cast<std::uint32_t>(lives_.size());
  effect.count = static_cast<std::uint32_t>(done.copies.size());
  lives_.insert(lives_.end(), done.copies.begin(), done.copies.end());
  effects_.push_back(std::move(effect));
}

void Committer::build_copies(CopyStep& step) {
  for (CopyStep::Message& message : step.messages) {
    const std::uint32_t at = state_.index.find(message.id);
    if (at == Index::kNone || state_.index.entry(at).place != message.from) continue;
    batch_.small().append(message.small);
    Effect effect{Effect::Move};
    effect.id = message.id;
    effect.from = message.from;
    effect.has_file = message.has_file;
    effect.record =
        batch_.add(RecordType::Message, kCopied, message.id, 0, message.body, message.body_crc);
    effects_.push_back(std::move(effect));
  }
  for (CopyStep::Fold& fold : step.folds) {
    const std::uint32_t at = state_.index.find(fold.id);
    if (at == Index::kNone) continue;
    std::vector<Progress> newest;
    const auto first = static_cast<std::uint32_t>(changed_.size());
    for (const CopyStep::Change& change : fold.changes) {
      const ProgressPlace now = state_.index.progress(at, change.progress.recipient);
      if (!now || now.place() != change.from) continue;
      newest.push_back(change.progress);
      changed_.push_back({change.progress.recipient, is_final(change.progress.state)});
    }
    if (newest.empty()) continue;
    append_progress(batch_.small(), state_.next_progress++, newest);
    Effect effect{Effect::Advance};
    effect.id = fold.id;
    effect.record = batch_.add(RecordType::Progress, kCopied, fold.id, 0);
    effect.first = first;
    effect.count = static_cast<std::uint32_t>(newest.size());
    effects_.push_back(std::move(effect));
  }
  for (CopyStep::Done& done : step.dones) {
    DonePart part = done.part;
    std::erase_if(part.copies, [&](const SegmentLife& life) {
      return life.slot == step.slot || !state_.segments.is_same_life(life);
    });
    if (part.copies.empty()) continue;
    append_done(batch_.small(), part);
    Effect effect{Effect::MoveDone};
    effect.id = done.id;
    effect.from.slot = step.slot;
    effect.record = batch_.add(RecordType::Done, kCopied, done.id, 0);
    effect.first = static_cast<std::uint32_t>(lives_.size());
    effect.count = static_cast<std::uint32_t>(part.copies.size());
    lives_.insert(lives_.end(), part.copies.begin(), part.copies.end());
    effects_.push_back(std::move(effect));
  }
  for (CopyStep::Event& event : step.events) {
    const EventRef* const ref = state_.events.find(event.sequence);
    if (ref == nullptr || ref->place != event.from) continue;
    batch_.small().append(event.small);
    Effect effect{Effect::MoveEvents};
    effect.id.high = event.sequence;
    effect.from = event.from;
    effect.record = batch_.add(RecordType::Event, kCopied, effect.id, 0);
    effects_.push_back(std::move(effect));
  }
  for (const base::MessageId id : step.damaged) build_done(id, DoneReason::Quarantined, 0);
}

}  // namespace ekiden::spool
