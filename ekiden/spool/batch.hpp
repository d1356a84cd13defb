#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/spool/format.hpp"

namespace ekiden::spool {

/// Lays out one batch. Bodies are never copied: they must stay where they are until it is written.
class Batch {
 public:
  void clear();
  bool is_empty() const { return records_.empty(); }
  std::uint32_t records() const { return static_cast<std::uint32_t>(records_.size()); }
  /// Octets it will take, padded to the page.
  std::uint32_t octets() const { return round_to_page(used_); }

  /// Where the caller appends the small part of the record that it adds next.
  std::string& small() { return small_; }
  /// Adds a record whose small part is what was appended since the last one; gives its number.
  std::uint32_t add(RecordType type, std::uint8_t flags, base::MessageId id,
                    std::uint32_t transaction);
  std::uint32_t add(RecordType type, std::uint8_t flags, base::MessageId id,
                    std::uint32_t transaction, std::string_view body, std::uint32_t body_crc);

  /// Fixes all places; `pieces()` is then what to write at `offset`.
  void finish(std::uint64_t epoch, std::uint32_t offset, std::uint64_t number,
              std::uint64_t events_cursor);
  const std::vector<std::string_view>& pieces() const { return pieces_; }
  const BatchHeader& header() const { return header_; }
  const RecordHeader& record(std::uint32_t i) const { return records_[i].header; }
  std::uint32_t place_of(std::uint32_t i) const {
    return (header_.page * kPage) / kHeaderOctets + 1 + i;
  }
  std::string_view small_of(std::uint32_t i) const {
    return std::string_view(small_).substr(records_[i].small_at, records_[i].header.small_length);
  }

 private:
  struct Entry {
    RecordHeader header;
    std::uint32_t small_at = 0;
    std::string_view body;
  };
  std::vector<Entry> records_;
  std::string small_, head_;
  std::uint32_t small_taken_ = 0;
  std::uint64_t used_ = kHeaderOctets;
  BatchHeader header_;
  std::vector<std::string_view> pieces_;
};

}  // namespace ekiden::spool
