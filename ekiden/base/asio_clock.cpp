// Invariants:
// - A slot with a sequence holds one timer; exactly one heap entry carries that sequence.
// - An entry whose slot has another sequence is dead; at most half of the heap plus
//   kDeadKept is.
// - Unless is_firing_, armed_ is not later than the first live entry: firing too early only costs
//   one look.
#include "ekiden/base/asio_clock.hpp"

#include <algorithm>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/result.hpp"

namespace ekiden::base {
namespace {

// Dead entries below this number are not worth a sweep.
constexpr std::size_t kDeadKept = 64;

// Timers run in one turn of the loop; with more due, others get their turn in between.
constexpr std::size_t kFiredPerTurn = 256;

// The system's timer is never set further ahead, so that no time overflows on its way to
// nanoseconds; waking once an hour costs nothing.
constexpr Duration kAheadMax = std::chrono::hours(1);

}  // namespace

AsioClock::AsioClock(IoContext& io) : timer_(std::in_place, io.get_executor()) {}

AsioClock::~AsioClock() {
  close();
}

Time AsioClock::now() const {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

Steady AsioClock::steady() const {
  return Steady(
      std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

TimerId AsioClock::call_at(Steady when, Work work) {
  if (!timer_) return TimerId::None;
  std::uint32_t slot = first_free_;
  if (slot != kNoSlot) {
    first_free_ = slots_[slot].next_free;
  } else {
    slot = static_cast<std::uint32_t>(slots_.size());
    EKIDEN_ASSERT(slot != kNoSlot, "four thousand million timers do not fit into memory");
    slots_.emplace_back();
  }
  const std::uint64_t sequence = ++last_sequence_;
  slots_[slot].work = std::move(work);
  slots_[slot].sequence = sequence;
  heap_.push_back({when, sequence, slot});
  std::push_heap(heap_.begin(), heap_.end(), is_later);
  ++live_;
  if (when < armed_ && !is_firing_) arm();
  // The low half of the sequence tells a reused slot from its earlier life.
  return TimerId{(sequence << 32) | (std::uint64_t{slot} + 1)};
}

bool AsioClock::cancel(TimerId id) {
  const auto value = static_cast<std::uint64_t>(id);
  const std::uint64_t slot = (value & 0xffffffff) - 1;
  if (id == TimerId::None || slot >= slots_.size()) return false;
  if (slots_[slot].sequence == 0 || (slots_[slot].sequence << 32) != (value & ~0xffffffffULL)) {
    return false;
  }
  const Work dropped = release(static_cast<std::uint32_t>(slot));
  forget_dead();
  return true;  // What was waiting behind the work is destroyed last, when nothing here changes.
}

Work AsioClock::release(std::uint32_t slot) {
  Work work = std::move(slots_[slot].work);
  slots_[slot].sequence = 0;
  slots_[slot].next_free = first_free_;
  first_free_ = slot;
  --live_;
  return work;
}

void AsioClock::pop() {
  std::pop_heap(heap_.begin(), heap_.end(), is_later);
  heap_.pop_back();
}

void AsioClock::forget_dead() {
  const std::size_t dead = heap_.size() - live_;
  if (dead < kDeadKept || dead < heap_.size() / 2) return;
  std::erase_if(heap_, [this](const Entry& entry) { return !is_live(entry); });
  std::make_heap(heap_.begin(), heap_.end(), is_later);
}

void AsioClock::arm() {
  while (!heap_.empty() && !is_live(heap_.front())) pop();
  if (heap_.empty()) {
    armed_ = kNever;
    return;
  }
  // armed_ may be in the past here, or of a wait that has fired; both are set anew.
  armed_ = std::min(heap_.front().when, steady() + kAheadMax);
  timer_->expires_at(std::chrono::steady_clock::time_point(armed_.time_since_epoch()));
  timer_->async_wait([this](const Error& error) {
    if (!error) fire();  // Otherwise it was set anew, or the loop ends.
  });
}

void AsioClock::fire() {
  is_firing_ = true;
  armed_ = kNever;
  const Steady due = steady();
  std::size_t fired = 0;
  while (!heap_.empty() && heap_.front().when <= due && fired < kFiredPerTurn) {
    const Entry entry = heap_.front();
    pop();
    if (!is_live(entry)) continue;
    Work work = release(entry.slot);
    work();
    ++fired;
  }
  is_firing_ = false;
  if (timer_) arm();
}

void AsioClock::close() {
  timer_.reset();
  heap_.clear();
  first_free_ = kNoSlot;
  live_ = 0;
  // What is destroyed here may come back to cancel a timer of its own: it finds none.
  const std::vector<Slot> dropped = std::exchange(slots_, {});
}

}  // namespace ekiden::base
