#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace ekiden::queue {

/// The octets of messages that lie in memory, counted for the whole relay.
///
/// From half of `soft` on messages that are not due soon give their octets up; past `soft` each new
/// one does at once; all are read back when due. Past `hard` nothing new is let in (452 4.3.1).
///
/// Sharing: any thread.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t octets) { set(octets); }

  void set(std::uint64_t octets) { soft_.store(octets, std::memory_order_relaxed); }
  std::uint64_t soft() const { return soft_.load(std::memory_order_relaxed); }
  std::uint64_t hard() const { return soft() + soft() / 4; }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }

  bool reserve(std::uint64_t octets) {
    if (used_.fetch_add(octets, std::memory_order_relaxed) + octets <= hard()) return true;
    release(octets);
    return false;
  }
  void add(std::uint64_t octets) { used_.fetch_add(octets, std::memory_order_relaxed); }
  void release(std::uint64_t octets) { used_.fetch_sub(octets, std::memory_order_relaxed); }
  bool is_over_soft() const { return used() > soft(); }
  /// Octets that nobody needs soon should go: from a half of `soft` on, until three eighths are
  /// left, so that mail that only passes through costs no search.
  bool wants_room() {
    const std::uint64_t now = used();
    if (now > soft() / 2) wants_room_.store(true, std::memory_order_relaxed);
    if (now < soft() / 8 * 3) wants_room_.store(false, std::memory_order_relaxed);
    return wants_room_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> soft_{0};
  std::atomic<std::uint64_t> used_{0};
  std::atomic<bool> wants_room_{false};
};

/// One message's share of the budget, given back when it dies.
class Charge {
 public:
  Charge() = default;
  Charge(MemoryBudget& budget, std::uint64_t octets) : budget_(&budget), octets_(octets) {
    budget.add(octets);
  }
  Charge(Charge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), octets_(other.octets_) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(octets_, other.octets_);
    return *this;
  }
  ~Charge() {
    if (budget_ != nullptr) budget_->release(octets_);
  }

 private:
  MemoryBudget* budget_ = nullptr;
  std::uint64_t octets_ = 0;
};

}  // namespace ekiden::queue
