#pragma once

#include <cstdint>
#include <optional>
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
    std::uint64_t start = 0;  ///< virtual time at which its next recipient starts
  };
  /// Keeps `size_` and `high_`: one more, or one less, in this flow.
  void count(const Flow& flow, std::uint32_t more);
  Flow& flow_of(std::uint32_t klass, const Klass& how);
  std::size_t find(std::uint32_t klass) const;

  /// One for each class that has something waiting or had lately; few.
  std::vector<Flow> flows_;
  std::uint64_t now_ = 0;  ///< virtual time
  std::uint32_t size_ = 0;
  std::uint32_t high_ = 0;
};

}  // namespace ekiden::queue
