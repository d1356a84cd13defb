#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

namespace ekiden::delivery {

/// Pieces of work that hold a message's octets in memory while they are under way: so many at once,
/// and so many octets; the others wait in line without them. One may begin whatever its size when
/// no other is under way.
template <class Piece>
class BoundedLine {
 public:
  BoundedLine(std::size_t count_max, std::uint64_t octets_max)
      : count_max_(count_max), octets_max_(octets_max) {}

  /// `octets`: what it will hold.
  void push(Piece piece, std::uint64_t octets) { waiting_.push_back({std::move(piece), octets}); }

  struct Begun {
    Piece piece;
    std::uint64_t octets;
  };
  /// The first in line, if it may begin. Each that did has one `ended`.
  std::optional<Begun> begin() {
    if (waiting_.empty()) return std::nullopt;
    const std::uint64_t octets = waiting_.front().octets;
    const bool has_room = count_ < count_max_ && octets_ + octets <= octets_max_;
    if (!has_room && count_ > 0) return std::nullopt;
    ++count_;
    octets_ += octets;
    std::optional<Begun> begun(std::move(waiting_.front()));
    waiting_.pop_front();
    return begun;
  }
  void ended(std::uint64_t octets) {
    --count_;
    octets_ -= octets;
  }
  bool is_empty() const { return waiting_.empty(); }
  void clear() { waiting_.clear(); }

 private:
  std::size_t count_max_;
  std::uint64_t octets_max_;
  std::deque<Begun> waiting_;
  std::size_t count_ = 0;     ///< under way
  std::uint64_t octets_ = 0;  ///< of those
};

}  // namespace ekiden::delivery
