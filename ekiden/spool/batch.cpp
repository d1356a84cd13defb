#include "ekiden/spool/batch.hpp"

#include "ekiden/base/checksum.hpp"

namespace ekiden::spool {
namespace {

constexpr char kZeros[kPage] = {};

}  // namespace

void Batch::clear() {
  records_.clear();
  small_.clear();
  head_.clear();
  pieces_.clear();
  small_taken_ = 0;
  used_ = kHeaderOctets;
}

std::uint32_t Batch::add(RecordType type, std::uint8_t flags, base::MessageId id,
                         std::uint32_t transaction) {
  return add(type, flags, id, transaction, {}, 0);
}

std::uint32_t Batch::add(RecordType type, std::uint8_t flags, base::MessageId id,
                         std::uint32_t transaction, std::string_view body, std::uint32_t body_crc) {
  Entry entry;
  entry.header.type = type;
  entry.header.flags = flags;
  entry.header.id = id;
  entry.header.transaction = transaction;
  entry.small_at = small_taken_;
  entry.header.small_length = static_cast<std::uint32_t>(small_.size()) - small_taken_;
  entry.header.small_crc = base::crc32c(std::string_view(small_).substr(small_taken_));
  entry.header.body_length = static_cast<std::uint32_t>(body.size());
  entry.header.body_crc = body_crc;
  entry.body = body;
  small_taken_ = static_cast<std::uint32_t>(small_.size());
  used_ += kHeaderOctets + entry.header.small_length + body.size();
  records_.push_back(entry);
  return static_cast<std::uint32_t>(records_.size() - 1);
}

void Batch::finish(std::uint64_t epoch, std::uint32_t offset, std::uint64_t number,
                   std::uint64_t events_cursor) {
  head_.clear();
  pieces_.clear();
  const auto small_start = static_cast<std::uint32_t>(kHeaderOctets * (records_.size() + 1));
  header_.epoch = epoch;
  header_.page = offset / kPage;
  header_.length = static_cast<std::uint32_t>(used_);
  header_.records = static_cast<std::uint32_t>(records_.size());
  header_.small_length = small_start + static_cast<std::uint32_t>(small_.size());
  header_.number = number;
  header_.events_cursor = events_cursor;
  append_batch_header(head_, header_);
  std::uint32_t body_at = offset + header_.small_length;
  for (Entry& entry : records_) {
    entry.header.epoch = epoch;
    entry.header.small_offset = offset + small_start + entry.small_at;
    entry.header.body_offset = body_at;
    body_at += entry.header.body_length;
    append_record_header(head_, entry.header);
  }
  pieces_.push_back(head_);
  pieces_.push_back(small_);
  for (const Entry& entry : records_)
    if (!entry.body.empty()) pieces_.push_back(entry.body);
  // Whole pages only: a part of one would make the kernel read the rest of it first.
  const std::uint32_t padding = octets() - static_cast<std::uint32_t>(used_);
  if (padding > 0) pieces_.push_back({kZeros, padding});
}

}  // namespace ekiden::spool
