#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "ekiden/queue/entries.hpp"

namespace ekiden::queue {

/// How urgent a stream is. High goes first whenever it waits; within a level weights share.
enum class Level : std::uint8_t { High, Normal };

/// One tenant's stream, as lanes see it.
struct Klass {
  Level level = Level::Normal;
  std::uint32_t weight = 1;
  bool is_suspended = false;  ///< its recipients stay and are not handed out
};

/// The ready recipients of one lane, handed out so that high streams go first and the others
/// share by weight (start-time fair queueing): a tenant with a million waiting and one with a
/// single message both get their turn.
///
/// Within one class it is first in, first out.
class FairQueue {
 public:
  void push_back(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass,
                 const Klass& how);
  void push_front(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass,
                  const Klass& how);
  void remove(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass);

  /// Takes effect on what waits; `how` says it for what comes.
  void set_suspended(std::uint32_t klass, bool is_suspended);

  /// Another level or weight, from now on.
  void set_share(std::uint32_t klass, Level level, std::uint32_t weight);

  /// The recipient whose turn it is, still queued. With `high_only` just the urgent ones.
  std::uint32_t peek(bool high_only) const;

  /// Removes it and charges its class.
  void take(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t klass);

  /// Without those of suspended classes.
  std::uint32_t size() const { return size_; }
  std::uint32_t high() const { return high_; }

 private:
  struct Flow {
    std::uint32_t klass = 0;
    Klass how;
    RecipientList list;
    std::uint64_t start = 0;   ///< virtual time at which its next recipient starts
    std::uint32_t at = kNone;  ///< in `turns_`
  };
  /// Keeps `size_` and `high_`: one more, or one less, in this flow.
  void count(const Flow& flow, std::uint32_t more);
  std::uint32_t flow_of(std::uint32_t klass, const Klass& how);
  std::uint32_t find(std::uint32_t klass) const;
  void forget_idle();
  void shrink();
  /// One recipient less; its turn is the caller's affair.
  void drop(Slab<RecipientEntry>& entries, std::uint32_t slot, std::uint32_t flow);
  /// Puts the flow where its turn is now: high ones first, then by start; into no place when it has
  /// nothing to hand out.
  void place(std::uint32_t flow);
  bool is_before(std::uint32_t a, std::uint32_t b) const;
  void sift_up(std::uint32_t at);
  void sift_down(std::uint32_t at);

  /// One for each class that has something waiting or had lately, in slots that stay.
  std::vector<Flow> flows_;
  std::vector<std::uint32_t> free_;  ///< of them, those of no class
  /// By class: a site may have the mail of thousands of tenants.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> by_class_;
  std::vector<std::uint32_t> turns_;  ///< a heap of flows that have something to hand out
  std::uint32_t idle_ = 0;            ///< flows that have nothing
  std::uint64_t now_ = 0;             ///< virtual time
  std::uint32_t size_ = 0;
  std::uint32_t high_ = 0;
};

}  // namespace ekiden::queue
