#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace ekiden::delivery {

/// How many connections all workers together may have open (delivery.connections), and who is next
/// when there is room again.
///
/// Workers that were refused wait in line; one that is not the first of the line is refused even
/// if there is room. So whoever waits gets its turn. Every call says whom to wake: a worker that
/// was woken either takes or forgoes, which wakes the next.
///
/// Sharing: any thread. A lock for each connection that opens or ends; none for looking.
class ConnectionLimit {
 public:
  static constexpr unsigned kNobody = UINT32_MAX;

  explicit ConnectionLimit(unsigned workers) : workers_(workers) {}

  /// By configuration. Open connections past a lower limit stay until they end.
  unsigned set_max(std::uint32_t max);

  /// One more connection. When refused the worker is in line. `is_starving`: it is for a site that
  /// has none, so connections of others should end for it.
  struct Answer {
    bool is_granted = false;
    unsigned wake = kNobody;
  };
  Answer take(unsigned worker, bool is_starving);
  /// A connection has ended.
  unsigned give_back();
  /// The worker wants none any more: it leaves the line.
  unsigned forgo(unsigned worker);

  /// Somebody waits: idle connections are in the way.
  bool is_short() const { return is_short_.load(std::memory_order_relaxed); }
  /// Somebody waits for the first connection of a site: busy ones take turns.
  bool is_starving() const { return is_starving_.load(std::memory_order_relaxed); }
  std::uint32_t open() const;

 private:
  struct Worker {
    bool is_in_line = false;
    bool is_starving = false;
  };
  unsigned next() const { return line_.empty() || open_ >= max_ ? kNobody : line_.front(); }
  void leave(unsigned worker);
  void publish();

  mutable std::mutex mutex_;
  std::uint32_t max_ = UINT32_MAX;
  std::uint32_t open_ = 0;
  std::vector<Worker> workers_;
  std::deque<unsigned> line_;  ///< each worker once at most
  std::atomic<bool> is_short_{false}, is_starving_{false};
};

}  // namespace ekiden::delivery
