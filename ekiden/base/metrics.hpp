#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace ekiden::base {

using Labels = std::vector<std::pair<std::string, std::string>>;

/// Counts up. Sharing: any thread, without a lock.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Goes up and down. Sharing: any thread, without a lock.
class Gauge {
 public:
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  void set(std::int64_t n) { value_.store(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Counts observations in powers of two from 1 µs to 64 s. Sharing: any thread, without a lock.
class Histogram {
 public:
  static constexpr std::size_t kBuckets = 27;
  void observe_us(std::uint64_t us);
  std::uint64_t bucket(std::size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  std::uint64_t sum_us() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> buckets_[kBuckets]{};
  std::atomic<std::uint64_t> sum_{0};
};

/// Every metric of one relay, by name and labels. Asking twice for the same gives the same
/// object, which lives as long as the registry: ask once at start and keep the reference.
///
/// Sharing: any thread; asking takes a lock, counting does not.
class Metrics {
 public:
  Counter& counter(std::string name, std::string help, Labels labels = {});
  Gauge& gauge(std::string name, std::string help, Labels labels = {});
  Histogram& histogram(std::string name, std::string help, Labels labels = {});

  enum class Kind { Counter, Gauge, Histogram };
  struct Entry {
    Kind kind;
    std::string name, help;
    Labels labels;
    Counter counter;
    Gauge gauge;
    Histogram histogram;
  };
  /// Visits each metric under the lock, in the order of first asking.
  void visit(const std::function<void(const Entry&)>& see) const;

 private:
  Entry& entry(Kind kind, std::string name, std::string help, Labels labels);
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
};

}  // namespace ekiden::base
