#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "ekiden/base/clock.hpp"
#include "ekiden/base/task.hpp"

namespace ekiden::base {

/// The real clock of one event loop: any number of timers over one timer of the system.
///
/// A relay sets far more timers than it lets fire (one for every reply that arrives in time), so
/// setting and forgetting are a few dozen nanoseconds and no system call: the system's timer is
/// touched only when a new timer is earlier than every other, and a forgotten one stays in the
/// heap, empty, until half of the heap is such.
///
/// Units:   microseconds; a timer fires at its time or later, equal times in the order of setting.
/// Sharing: `now` and `steady` from anywhere; the rest from the loop's thread, or after its end.
class AsioClock final : public Clock {
 public:
  explicit AsioClock(IoContext& io);
  ~AsioClock() override;
  AsioClock(const AsioClock&) = delete;
  AsioClock& operator=(const AsioClock&) = delete;

  Time now() const override;
  Steady steady() const override;
  TimerId call_at(Steady when, Work work) override;
  bool cancel(TimerId id) override;

  /// Drops every timer un-called. Later ones are dropped at once. Comes before the end of the
  /// io_context, because what is dropped may use it.
  void close();

  /// Timers that may still fire.
  std::size_t size() const { return live_; }

 private:
  struct Entry {
    Steady when;
    std::uint64_t sequence;
    std::uint32_t slot;
  };
  struct Slot {
    Work work;
    std::uint64_t sequence = 0;  ///< 0: free
    std::uint32_t next_free = 0;
  };
  static bool is_later(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
  }

  bool is_live(const Entry& entry) const { return slots_[entry.slot].sequence == entry.sequence; }
  Work release(std::uint32_t slot);
  void pop();
  void forget_dead();
  void arm();
  void fire();

  using SystemTimer =
      asio::basic_waitable_timer<std::chrono::steady_clock,
                                 asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;
  std::optional<SystemTimer> timer_;  ///< none: closed
  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::uint32_t first_free_ = kNoSlot;
  std::uint64_t last_sequence_ = 0;
  std::size_t live_ = 0;
  Steady armed_ = kNever;
  bool is_firing_ = false;

  static constexpr std::uint32_t kNoSlot = 0xffffffff;
};

}  // namespace ekiden::base
