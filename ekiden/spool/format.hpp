#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/spool/spool.hpp"

/// What the journal's octets mean, as docs/SPOOL.md specifies them: field by field, little-endian.
namespace ekiden::spool {

inline constexpr std::uint32_t kPage = 4096;
inline constexpr std::uint32_t kHeaderOctets = 64;
inline constexpr std::uint32_t kSegmentOctets = 64u << 20;
/// Where the second copy of a segment's header lies, in another sector of the same page.
inline constexpr std::uint32_t kSecondHeaderOffset = 3584;

/// Recipients of one message that the index can tell apart (23 bits).
inline constexpr std::uint32_t kRecipientsMax = 1u << 23;
/// Segments there can be (20 bits): 64 TiB.
inline constexpr std::uint32_t kSlotsMax = 1u << 20;

inline constexpr std::uint32_t round_to_page(std::uint64_t octets) {
  return static_cast<std::uint32_t>((octets + kPage - 1) / kPage * kPage);
}

/// One life of one segment.
struct SegmentLife {
  std::uint32_t slot = 0;
  std::uint64_t epoch = 0;
  friend bool operator==(const SegmentLife&, const SegmentLife&) = default;
};

struct SegmentHeader {
  SegmentLife life;
  std::uint64_t sequence = 0;
  std::uint32_t octets = 0;
  bool is_used = false;
};

enum class HeaderState { Empty, Valid, Damaged };

/// The whole first page: both copies.
std::string encode_segment_page(const SegmentHeader& header);
HeaderState decode_segment_page(std::string_view page, SegmentHeader& header);

struct BatchHeader {
  std::uint64_t epoch = 0;
  std::uint32_t page = 0;
  std::uint32_t length = 0;  ///< octets without the padding to the next page
  std::uint32_t records = 0;
  std::uint32_t small_length = 0;  ///< octets up to the first body
  std::uint64_t number = 0;
  std::uint64_t events_cursor = 0;
};

void append_batch_header(std::string& out, const BatchHeader& header);
/// Nothing unless it is whole, of this life, and at this page.
std::optional<BatchHeader> decode_batch_header(std::string_view octets, std::uint64_t epoch,
                                               std::uint32_t page);

enum class RecordType : std::uint8_t { Message = 1, Progress = 2, Done = 3, Event = 4, Limit = 5 };

inline constexpr std::uint8_t kCopied = 1;  ///< copied forward: an older copy may exist

struct RecordHeader {
  base::MessageId id;
  std::uint64_t epoch = 0;
  std::uint32_t small_offset = 0, small_length = 0;  ///< in the segment
  std::uint32_t body_offset = 0, body_length = 0;
  std::uint32_t small_crc = 0, body_crc = 0;
  std::uint32_t transaction = 0;
  RecordType type = RecordType::Message;
  std::uint8_t flags = 0;
};

void append_record_header(std::string& out, const RecordHeader& header);
std::optional<RecordHeader> decode_record_header(std::string_view octets, std::uint64_t epoch);

/// The small part of a message record; `meta` is what is left behind it.
struct MessagePart {
  std::uint32_t recipients = 0;
  std::uint64_t body_size = 0;
  std::string_view file;
  std::string_view meta;
};
void append_message(std::string& out, const NewMessage& message);
std::optional<MessagePart> decode_message(std::string_view small);

/// Reading what append_progress wrote gives the sequence and each change.
void append_progress(std::string& out, std::uint64_t sequence,
                     const std::vector<Progress>& changes);
struct ProgressPart {
  std::uint64_t sequence = 0;
  std::vector<Progress> changes;
};
std::optional<ProgressPart> decode_progress(std::string_view small);

enum class DoneReason : std::uint8_t { Finished = 0, Quarantined = 1 };
struct DonePart {
  DoneReason reason = DoneReason::Finished;
  std::vector<SegmentLife> copies;  ///< segments that may hold the message
};
void append_done(std::string& out, const DonePart& done);
std::optional<DonePart> decode_done(std::string_view small);

void append_events(std::string& out, const std::vector<std::string>& events);
std::optional<std::vector<std::string>> decode_events(std::string_view small);

struct LimitPart {
  SegmentLife life;
  std::uint32_t length = 0;
};
void append_limit(std::string& out, const LimitPart& limit);
std::optional<LimitPart> decode_limit(std::string_view small);

bool is_final(State state);

}  // namespace ekiden::spool
