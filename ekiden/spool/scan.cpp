#include "ekiden/spool/scan.hpp"

#include <algorithm>
#include <optional>

#include "ekiden/base/checksum.hpp"

namespace ekiden::spool {
namespace {

/// How much one look for the next batch header reads.
constexpr std::uint32_t kLookOctets = 1 << 20;

struct Record {
  RecordHeader header;
  std::uint32_t at = 0;  ///< offset / 64
  std::string_view small;
  bool is_whole = false;
};

class Scanner {
 public:
  Scanner(File& file, const SegmentHeader& header, std::uint32_t end, CheckBodies bodies,
          LastBatch last)
      : file_(file),
        header_(header),
        end_(std::min(end, header.octets)),
        bodies_(bodies),
        last_(last) {}

  Result<Scanned> run() {
    scanned_.catalog.life = header_.life;
    scanned_.catalog.sequence = header_.sequence;
    Result<std::optional<BatchHeader>> next = find_batch(kPage);
    if (!next) return next.error();
    std::optional<BatchHeader> batch = *next;
    std::uint32_t expected = kPage;
    while (batch) {
      const std::uint32_t start = batch->page * kPage;
      if (start > expected) note_gap(expected, start);
      expected = start + round_to_page(batch->length);
      Result<std::optional<BatchHeader>> following = find_batch(expected);
      if (!following) return following.error();
      const Result<void> read = read_batch(*batch, !*following && last_ == LastBatch::MayBeTorn);
      if (!read) return read.error();
      batch = *following;
    }
    return std::move(scanned_);
  }

 private:
  /// The first valid batch header at `from` or on a later page.
  Result<std::optional<BatchHeader>> find_batch(std::uint32_t from) {
    for (std::uint32_t page = from; page < end_; page += kPage) {
      if (page < window_start_ || page + kHeaderOctets > window_start_ + window_.size()) {
        // The next header is nearly always right here; look further only when it is not.
        const std::uint32_t length = page == from ? kHeaderOctets : kLookOctets;
        window_.resize(std::min(length, end_ - page));
        window_start_ = page;
        const Result<std::size_t> got = file_.read_at(page, window_);
        if (!got) return got.error();
        window_.resize(*got);
        if (window_.size() < kHeaderOctets) break;
      }
      const auto header = decode_batch_header(
          std::string_view(window_).substr(page - window_start_), header_.life.epoch, page / kPage);
      // A batch that would reach past the valid length was refused.
      if (header && header->length <= end_ - page && header->number > last_number_) return header;
    }
    return std::optional<BatchHeader>{};
  }

  Result<void> read_batch(const BatchHeader& batch, bool is_last) {
    last_number_ = batch.number;
    const std::uint32_t start = batch.page * kPage;
    const bool with_bodies = is_last || bodies_ == CheckBodies::All;
    octets_.resize(with_bodies ? batch.length : batch.small_length);
    const Result<std::size_t> got = file_.read_at(start, octets_);
    if (!got) return got.error();
    octets_.resize(*got);
    ++scanned_.batches;
    scanned_.catalog.note_batch(batch);

    std::vector<Record> records(batch.records);
    std::uint32_t first_damaged = batch.records;
    for (std::uint32_t i = 0; i < batch.records; ++i) {
      Record& record = records[i];
      const std::uint32_t offset = kHeaderOctets * (i + 1);
      record.at = (start + offset) / kHeaderOctets;
      const auto header = slice(start + offset, start, kHeaderOctets);
      const auto decoded =
          header ? decode_record_header(*header, header_.life.epoch) : std::nullopt;
      if (!decoded) {
        first_damaged = std::min(first_damaged, i);
        if (!is_last) damage({}, start + offset, kHeaderOctets, false, "record header");
        continue;
      }
      record.header = *decoded;
      const auto small = slice(record.header.small_offset, start, record.header.small_length);
      const bool is_small_whole = small && base::crc32c(*small) == record.header.small_crc;
      bool is_body_whole = true;
      if (with_bodies && record.header.body_length > 0) {
        const auto body = slice(record.header.body_offset, start, record.header.body_length);
        is_body_whole = body && base::crc32c(*body) == record.header.body_crc;
      }
      record.is_whole = is_small_whole;
      if (small) record.small = *small;
      if (!is_small_whole || !is_body_whole) {
        first_damaged = std::min(first_damaged, i);
        if (!is_last) {
          damage(record.header.id, is_small_whole ? record.header.body_offset : start + offset,
                 is_small_whole ? record.header.body_length : kHeaderOctets, is_small_whole,
                 is_small_whole ? "body" : "small part");
        }
      }
    }
    const std::uint32_t whole = is_last ? torn_from(records, first_damaged) : batch.records;
    scanned_.torn_records += batch.records - whole;
    for (std::uint32_t i = 0; i < whole; ++i) {
      const Record& record = records[i];
      if (!record.is_whole) continue;
      ++scanned_.records;
      scanned_.catalog.add(record.header, record.at, record.small);
    }
    return {};
  }

  /// Where the transaction of the first damaged record begins. Nothing from there on counts: what
  /// was written later in the batch may build on it, as the `done` does that another transaction's
  /// bounce made the last.
  static std::uint32_t torn_from(const std::vector<Record>& records, std::uint32_t damaged) {
    if (damaged == records.size()) return damaged;
    const bool is_header_lost = records[damaged].header.epoch == 0;
    if (is_header_lost && damaged == 0) return 0;
    // A lost header may belong to the transaction before it.
    std::uint32_t first = is_header_lost ? damaged - 1 : damaged;
    const std::uint32_t transaction = records[first].header.transaction;
    while (first > 0 && records[first - 1].header.transaction == transaction) --first;
    return first;
  }

  std::optional<std::string_view> slice(std::uint32_t offset, std::uint32_t start,
                                        std::uint32_t length) const {
    if (offset < start || offset - start > octets_.size() ||
        length > octets_.size() - (offset - start))
      return std::nullopt;
    return std::string_view(octets_).substr(offset - start, length);
  }

  void note_gap(std::uint32_t from, std::uint32_t to) {
    damage({}, from, to - from, false, "batch");
  }
  void damage(base::MessageId id, std::uint32_t offset, std::uint32_t length, bool is_body,
              const char* reason) {
    scanned_.damaged.push_back({id, offset, length, is_body, reason});
  }

  File& file_;
  const SegmentHeader& header_;
  std::uint32_t end_;
  CheckBodies bodies_;
  LastBatch last_;
  Scanned scanned_;
  std::uint64_t last_number_ = 0;
  std::string window_, octets_;
  std::uint32_t window_start_ = 0;
};

}  // namespace

Result<Scanned> scan_segment(File& file, const SegmentHeader& header,
                             std::uint32_t valid_octets_max, CheckBodies bodies, LastBatch last) {
  return Scanner(file, header, valid_octets_max, bodies, last).run();
}

}  // namespace ekiden::spool
