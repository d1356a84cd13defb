#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "ekiden/spool/catalog.hpp"

namespace ekiden::spool {

/// The metas of one sealed segment, as its sidecar has them, found by the place of their records.
class SegmentMetas {
 public:
  /// Of a catalogue with Heads and Metas.
  explicit SegmentMetas(Catalog catalog);
  SegmentMetas(const SegmentMetas&) = delete;
  SegmentMetas& operator=(const SegmentMetas&) = delete;

  SegmentLife life() const { return catalog_.life; }
  /// Nothing: another record lies there, or none.
  std::optional<std::string_view> find(std::uint32_t header, base::MessageId id) const;
  std::size_t octets() const { return catalog_.octets() + entries_.size() * sizeof(Entry); }

 private:
  struct Entry {
    std::uint32_t header;  ///< offset / 64
    base::MessageId id;
    std::string_view meta;  ///< in `catalog_`
  };

  const Catalog catalog_;
  std::vector<Entry> entries_;  ///< by `header`
};

/// Sidecars that bulk reads had to read. An operation over a large queue comes back to the same few
/// segments for each stretch of it; reading a whole sidecar for each of them was a third of its
/// cost.
///
/// Sharing: any thread.
class SidecarCache {
 public:
  /// All of them; the one that was asked for least recently goes first. One larger than half of
  /// that is not kept.
  static constexpr std::size_t kOctetsMax = 48u << 20;

  /// Null: it is not here.
  std::shared_ptr<const SegmentMetas> find(SegmentLife life);
  void keep(std::shared_ptr<const SegmentMetas> metas);
  /// Forgets those that nobody asked for since the last call.
  void age();
  bool is_empty() const { return count_.load(std::memory_order_relaxed) == 0; }

 private:
  struct Kept {
    std::shared_ptr<const SegmentMetas> metas;
    bool was_wanted = true;  ///< since the last `age`
  };

  std::mutex mutex_;
  std::deque<Kept> kept_;  ///< asked for last: at the back
  std::size_t octets_ = 0;
  std::atomic<std::size_t> count_{0};
};

}  // namespace ekiden::spool
