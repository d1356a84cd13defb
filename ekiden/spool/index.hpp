#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ekiden/base/ids.hpp"

namespace ekiden::spool {

/// Where a record's header lies: a segment's slot and a multiple of 64 octets in it.
struct Place {
  std::uint32_t slot = 0;
  std::uint32_t header = 0;  ///< offset / 64
  friend bool operator==(const Place&, const Place&) = default;
};

/// The newest progress of one recipient, packed: 23 bits of recipient, 1 bit final, 20 bits of
/// slot, 20 bits of header. Zero is none, because no record lies at the start of a segment.
class ProgressPlace {
 public:
  ProgressPlace() = default;
  ProgressPlace(std::uint32_t recipient, bool is_final, Place place)
      : bits_((std::uint64_t{recipient} << 41) | (std::uint64_t{is_final} << 40) |
              (std::uint64_t{place.slot} << 20) | place.header) {}
  explicit ProgressPlace(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits() const { return bits_; }
  explicit operator bool() const { return bits_ != 0; }
  std::uint32_t recipient() const { return static_cast<std::uint32_t>(bits_ >> 41); }
  bool is_final() const { return ((bits_ >> 40) & 1) != 0; }
  Place place() const {
    return {static_cast<std::uint32_t>((bits_ >> 20) & 0xfffff),
            static_cast<std::uint32_t>(bits_ & 0xfffff)};
  }

 private:
  std::uint64_t bits_ = 0;
};

/// Every live message, 48 octets each, found by id through a table of 4 octets a slot.
///
/// Sharing: the committer changes it under the journal's lock; readers hold that lock.
class Index {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct Entry {
    base::MessageId id;
    Place place;
    std::uint32_t recipients = 0;  ///< 0: the entry is unused
    std::uint32_t open = 0;        ///< recipients not final yet
    std::uint32_t octets = 0;      ///< what its record takes in the segment
    std::uint32_t next_free = kNone;
    /// With one recipient its progress itself, else a pointer to the sorted list, or null.
    std::uint64_t progress = 0;
  };
  static_assert(sizeof(Entry) == 48, "docs/SPOOL.md promises it");

  Index();
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  std::uint32_t find(base::MessageId id) const;  ///< kNone when it is not live
  const Entry& entry(std::uint32_t at) const { return chunks_[at / kChunk][at % kChunk]; }
  std::size_t size() const { return size_; }

  /// The id must not be live.
  std::uint32_t insert(base::MessageId id, Place place, std::uint32_t recipients,
                       std::uint32_t octets);
  void move(std::uint32_t at, Place place, std::uint32_t octets);
  void erase(std::uint32_t at);

  ProgressPlace progress(std::uint32_t at, std::uint32_t recipient) const;
  /// Replaces the newest progress and returns what it replaced.
  ProgressPlace set_progress(std::uint32_t at, ProgressPlace newest);
  /// In order of recipient.
  void each_progress(std::uint32_t at, const std::function<void(ProgressPlace)>& see) const;
  void each(const std::function<void(std::uint32_t)>& see) const;

  std::size_t memory_octets() const;

 private:
  using List = std::vector<ProgressPlace>;
  static constexpr std::size_t kChunk = 4096;

  Entry& at(std::uint32_t i) { return chunks_[i / kChunk][i % kChunk]; }
  static List* list_of(const Entry& entry);
  std::size_t home(base::MessageId id) const;
  void grow();

  std::vector<std::unique_ptr<Entry[]>> chunks_;
  std::vector<std::uint32_t> table_;  ///< indices of entries, kNone: empty; linear probing
  std::uint32_t free_ = kNone;
  std::uint32_t used_ = 0;  ///< entries ever handed out
  std::size_t size_ = 0;
  std::size_t list_octets_ = 0;
};

}  // namespace ekiden::spool
