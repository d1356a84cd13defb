// Invariants:
// - A timer of level 0 fires within the next kSlots ticks; of level n, within kSlots^(n+1).
// - Every timer's tick is greater than tick_: what is not is placed on the next tick.
// - counts_[level] is the number of timers of that level.
#include "ekiden/queue/wheel.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/assert.hpp"

namespace ekiden::queue {
namespace {

/// Past the last level a timer waits there and is placed again when its slot comes round.
std::int64_t tick_of(base::Time time, std::int64_t tick_us) {
  const std::int64_t us = base::to_unix_us(time);
  return us / tick_us + (us % tick_us != 0 ? 1 : 0);
}

}  // namespace

Wheel::Wheel(Slab<RecipientEntry>& entries, base::Time now)
    : entries_(entries), tick_(base::to_unix_us(now) / kTickUs) {
  heads_.fill(kNone);
}

void Wheel::set(std::uint32_t slot, base::Time when) {
  cancel(slot);
  if (ticks_.size() <= slot) ticks_.resize(std::max<std::size_t>(slot + 1, ticks_.size() * 2));
  ticks_[slot] = std::max(tick_of(when, kTickUs), tick_ + 1);
  place(slot, ticks_[slot]);
  ++size_;
}

void Wheel::place(std::uint32_t slot, std::int64_t tick) {
  const std::int64_t ahead = tick - tick_;
  unsigned level = 0;
  while (level + 1 < kLevels && ahead >= (std::int64_t{1} << (kBits * (level + 1)))) ++level;
  // Beyond the last level: as far away as it reaches.
  const std::int64_t reach = (std::int64_t{1} << (kBits * kLevels)) - 1;
  const std::int64_t at = tick_ + std::min(ahead, reach);
  const auto index = static_cast<std::uint16_t>(
      level * kSlots + ((static_cast<std::uint64_t>(at) >> (kBits * level)) & (kSlots - 1)));
  link(slot, index);
  ++counts_[level];
}

void Wheel::link(std::uint32_t slot, std::uint16_t at) {
  RecipientEntry& entry = entries_[slot];
  entry.wheel_slot = at;
  entry.wheel_previous = kNone;
  entry.wheel_next = heads_[at];
  if (heads_[at] != kNone) entries_[heads_[at]].wheel_previous = slot;
  heads_[at] = slot;
}

void Wheel::cancel(std::uint32_t slot) {
  RecipientEntry& entry = entries_[slot];
  if (entry.wheel_slot == UINT16_MAX) return;
  (entry.wheel_previous == kNone ? heads_[entry.wheel_slot]
                                 : entries_[entry.wheel_previous].wheel_next) = entry.wheel_next;
  if (entry.wheel_next != kNone) entries_[entry.wheel_next].wheel_previous = entry.wheel_previous;
  --counts_[entry.wheel_slot / kSlots];
  entry.wheel_slot = UINT16_MAX;
  entry.wheel_previous = entry.wheel_next = kNone;
  --size_;
}

void Wheel::turn_back(base::Time now) {
  EKIDEN_ASSERT(size_ == 0, "timers lie where the old time put them");
  tick_ = base::to_unix_us(now) / kTickUs;
}

void Wheel::cascade(unsigned level) {
  const auto index = static_cast<std::size_t>(
      level * kSlots + ((static_cast<std::uint64_t>(tick_) >> (kBits * level)) & (kSlots - 1)));
  std::uint32_t slot = std::exchange(heads_[index], kNone);
  while (slot != kNone) {
    const std::uint32_t following = entries_[slot].wheel_next;
    --counts_[level];
    place(slot, ticks_[slot]);
    slot = following;
  }
}

std::size_t Wheel::advance(base::Time now, std::size_t count_max, std::vector<std::uint32_t>& due) {
  const std::int64_t target = base::to_unix_us(now) / kTickUs;
  std::size_t taken = 0;
  while (size_ > 0) {
    // What is left of the current tick comes first: a full batch may have cut it short.
    std::uint32_t& head = heads_[static_cast<std::uint64_t>(tick_) & (kSlots - 1)];
    while (head != kNone && ticks_[head] <= tick_) {
      if (taken == count_max) return taken;
      due.push_back(head);
      ++taken;
      cancel(head);
    }
    const std::optional<std::int64_t> following = next_tick();
    if (!following || *following > target) break;
    tick_ = *following;
    for (unsigned level = 1; level < kLevels; ++level) {
      if ((tick_ & ((std::int64_t{1} << (kBits * level)) - 1)) != 0) break;
      cascade(level);
    }
  }
  // Never past a boundary where a higher level has timers to hand down.
  if (const std::optional<std::int64_t> following = next_tick())
    tick_ = std::max(tick_, std::min(target, *following - 1));
  else
    tick_ = std::max(tick_, target);
  return taken;
}

/// The next tick at which something fires or a higher level's slot must be handed down.
std::optional<std::int64_t> Wheel::next_tick() const {
  if (size_ == 0) return std::nullopt;
  std::optional<std::int64_t> best;
  for (unsigned level = 0; level < kLevels; ++level) {
    if (counts_[level] == 0) continue;
    const std::int64_t unit = std::int64_t{1} << (kBits * level);
    const std::int64_t base = tick_ / unit;
    for (unsigned step = 1; step <= kSlots; ++step) {
      const auto index = static_cast<std::size_t>(
          level * kSlots + (static_cast<std::uint64_t>(base + step) & (kSlots - 1)));
      if (heads_[index] == kNone) continue;
      const std::int64_t tick = (base + step) * unit;
      best = best ? std::min(*best, tick) : tick;
      break;
    }
  }
  return best;
}

std::optional<base::Time> Wheel::next() const {
  if (size_ == 0) return std::nullopt;
  const std::uint32_t head = heads_[static_cast<std::uint64_t>(tick_) & (kSlots - 1)];
  if (head != kNone && ticks_[head] <= tick_) return base::from_unix_us(tick_ * kTickUs);
  const std::optional<std::int64_t> tick = next_tick();
  return tick ? std::optional(base::from_unix_us(*tick * kTickUs)) : std::nullopt;
}

}  // namespace ekiden::queue
