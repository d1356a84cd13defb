#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace ekiden::queue {

/// The octets of messages that lie in memory, counted for the whole relay.
///
/// From half of `soft` on messages that are not due soon give their octets up; past `soft` each new
/// one does at once; all are read back when due, past `soft` a quarter of it at a time. Past `hard`
/// nothing new is let in (452 4.3.1).
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

  /// Octets that are to be read back for delivery: `release_read` gives them back. False: another
  /// message has to be delivered first; ask again later.
  ///
  /// Past the budget a quarter of `soft` is theirs, so that what arrives never keeps all of them
  /// out; and whatever its size, one message may be read while no other is.
  bool reserve_read(std::uint64_t octets) {
    const std::uint64_t before = read_.fetch_add(octets, std::memory_order_relaxed);
    if (before == 0 || before + octets <= soft() / 4 || used() + octets <= soft()) {
      add(octets);
      return true;
    }
    read_.fetch_sub(octets, std::memory_order_relaxed);
    return false;
  }
  void release_read(std::uint64_t octets) {
    release(octets);
    read_.fetch_sub(octets, std::memory_order_relaxed);
  }

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
  std::atomic<std::uint64_t> read_{0};  ///< of those, what was read back for delivery
  std::atomic<bool> wants_room_{false};
};

/// One message's share of the budget, given back when it dies.
class Charge {
 public:
  Charge() = default;
  Charge(MemoryBudget& budget, std::uint64_t octets) : budget_(&budget), octets_(octets) {
    budget.add(octets);
  }
  /// Takes over what `reserve_read` has granted.
  static Charge of_read(MemoryBudget& budget, std::uint64_t octets) {
    Charge charge;
    charge.budget_ = &budget;
    charge.octets_ = octets;
    charge.is_read_ = true;
    return charge;
  }
  Charge(Charge&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)),
        octets_(other.octets_),
        is_read_(other.is_read_) {}
  Charge& operator=(Charge&& other) noexcept {
    std::swap(budget_, other.budget_);
    std::swap(octets_, other.octets_);
    std::swap(is_read_, other.is_read_);
    return *this;
  }
  ~Charge() {
    if (budget_ == nullptr) return;
    if (is_read_) {
      budget_->release_read(octets_);
    } else {
      budget_->release(octets_);
    }
  }

 private:
  MemoryBudget* budget_ = nullptr;
  std::uint64_t octets_ = 0;
  bool is_read_ = false;
};

}  // namespace ekiden::queue
