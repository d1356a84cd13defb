#include "ekiden/spool/format.hpp"

#include "ekiden/base/assert.hpp"
#include "ekiden/base/bytes.hpp"
#include "ekiden/base/checksum.hpp"

namespace ekiden::spool {
namespace {

constexpr std::uint32_t kSegmentMagic = 0x31534b45;  // "EKS1"
constexpr std::uint32_t kBatchMagic = 0x31424b45;    // "EKB1"
constexpr std::uint32_t kRecordMagic = 0x31524b45;   // "EKR1"

// What one entry of a list takes at least, to tell a damaged count before reserving for it.
constexpr std::size_t kChangeOctetsMin = 13;
constexpr std::size_t kLifeOctets = 12;

/// Appends magic, checksum and the 56 octets that `body` holds.
void append_sealed(std::string& out, std::uint32_t magic, std::string_view body) {
  EKIDEN_ASSERT(body.size() == kHeaderOctets - 8, "every header has 64 octets");
  base::ByteWriter writer(out);
  writer.u32(magic);
  writer.u32(base::crc32c(body));
  writer.octets(body);
}

/// The 56 octets of a header whose magic and checksum are right, or nothing.
std::optional<std::string_view> opened(std::string_view octets, std::uint32_t magic) {
  if (octets.size() < kHeaderOctets) return std::nullopt;
  base::ByteReader reader(octets.substr(0, kHeaderOctets));
  if (reader.u32() != magic) return std::nullopt;
  const std::uint32_t crc = reader.u32();
  if (crc != base::crc32c(reader.rest())) return std::nullopt;
  return reader.rest();
}

bool decode_segment_header(std::string_view octets, SegmentHeader& header) {
  const auto body = opened(octets, kSegmentMagic);
  if (!body) return false;
  base::ByteReader reader(*body);
  header.life.epoch = reader.u64();
  header.sequence = reader.u64();
  header.life.slot = reader.u32();
  header.octets = reader.u32();
  header.is_used = reader.u8() != 0;
  // Neither a place nor a progress place can say more (index.hpp); a free header has no size yet.
  return header.octets <= kSegmentOctets && header.octets % kPage == 0 &&
         header.life.slot < kSlotsMax;
}

bool is_zero(std::string_view octets) {
  return octets.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

std::string encode_segment_page(const SegmentHeader& header) {
  std::string body;
  base::ByteWriter writer(body);
  writer.u64(header.life.epoch);
  writer.u64(header.sequence);
  writer.u32(header.life.slot);
  writer.u32(header.octets);
  writer.u8(header.is_used ? 1 : 0);
  body.resize(kHeaderOctets - 8);
  std::string page;
  page.reserve(kPage);
  append_sealed(page, kSegmentMagic, body);
  page.resize(kSecondHeaderOffset);
  append_sealed(page, kSegmentMagic, body);
  page.resize(kPage);
  return page;
}

HeaderState decode_segment_page(std::string_view page, SegmentHeader& header) {
  if (page.size() < kPage || is_zero(page)) return HeaderState::Empty;
  SegmentHeader first, second;
  const bool has_first = decode_segment_header(page, first);
  const bool has_second = decode_segment_header(page.substr(kSecondHeaderOffset), second);
  if (!has_first && !has_second) {
    // The very first header of a file may be torn; then one of its two places is still zero, and
    // nothing in the file was ever acknowledged.
    const bool is_torn_birth = is_zero(page.substr(0, kHeaderOctets)) ||
                               is_zero(page.substr(kSecondHeaderOffset, kHeaderOctets));
    return is_torn_birth ? HeaderState::Empty : HeaderState::Damaged;
  }
  // A torn change leaves one copy of each life: the older says what was true before, and the
  // change was never acknowledged. Freeing keeps the sequence, so "in use" is then the older.
  if (has_first && has_second && first.sequence != second.sequence) {
    header = first.sequence < second.sequence ? first : second;
  } else if (has_first && has_second) {
    header = first.is_used ? first : second;
  } else {
    header = has_first ? first : second;
  }
  return HeaderState::Valid;
}

void append_batch_header(std::string& out, const BatchHeader& header) {
  std::string body;
  base::ByteWriter writer(body);
  writer.u64(header.epoch);
  writer.u32(header.page);
  writer.u32(header.length);
  writer.u32(header.records);
  writer.u32(header.small_length);
  writer.u64(header.number);
  writer.u64(header.events_cursor);
  body.resize(kHeaderOctets - 8);
  append_sealed(out, kBatchMagic, body);
}

std::optional<BatchHeader> decode_batch_header(std::string_view octets, std::uint64_t epoch,
                                               std::uint32_t page) {
  const auto body = opened(octets, kBatchMagic);
  if (!body) return std::nullopt;
  base::ByteReader reader(*body);
  BatchHeader header;
  header.epoch = reader.u64();
  header.page = reader.u32();
  header.length = reader.u32();
  header.records = reader.u32();
  header.small_length = reader.u32();
  header.number = reader.u64();
  header.events_cursor = reader.u64();
  const std::uint64_t table = (std::uint64_t{header.records} + 1) * kHeaderOctets;
  if (header.epoch != epoch || header.page != page || header.small_length > header.length ||
      table > header.small_length)
    return std::nullopt;
  return header;
}

void append_record_header(std::string& out, const RecordHeader& header) {
  const std::size_t start = out.size();
  base::ByteWriter writer(out);
  writer.u32(kRecordMagic);
  writer.u32(0);
  writer.u64(header.id.high);
  writer.u64(header.id.low);
  writer.u64(header.epoch);
  writer.u32(header.small_offset);
  writer.u32(header.small_length);
  writer.u32(header.body_offset);
  writer.u32(header.body_length);
  writer.u32(header.small_crc);
  writer.u32(header.body_crc);
  writer.u32(header.transaction);
  writer.u8(static_cast<std::uint8_t>(header.type));
  writer.u8(header.flags);
  writer.u16(0);
  const std::uint32_t crc = base::crc32c(std::string_view(out).substr(start + 8));
  std::memcpy(out.data() + start + 4, &crc, sizeof crc);
}

std::optional<RecordHeader> decode_record_header(std::string_view octets, std::uint64_t epoch) {
  const auto body = opened(octets, kRecordMagic);
  if (!body) return std::nullopt;
  base::ByteReader reader(*body);
  RecordHeader header;
  header.id.high = reader.u64();
  header.id.low = reader.u64();
  header.epoch = reader.u64();
  header.small_offset = reader.u32();
  header.small_length = reader.u32();
  header.body_offset = reader.u32();
  header.body_length = reader.u32();
  header.small_crc = reader.u32();
  header.body_crc = reader.u32();
  header.transaction = reader.u32();
  header.type = static_cast<RecordType>(reader.u8());
  header.flags = reader.u8();
  if (header.epoch != epoch || header.type < RecordType::Message || header.type > RecordType::Limit)
    return std::nullopt;
  return header;
}

void append_message(std::string& out, const NewMessage& message) {
  base::ByteWriter writer(out);
  writer.u32(message.recipients);
  writer.u64(message.body.size);
  writer.text(message.body.file);
  writer.octets(message.meta);
}

std::optional<MessagePart> decode_message(std::string_view small) {
  base::ByteReader reader(small);
  MessagePart part;
  part.recipients = reader.u32();
  part.body_size = reader.u64();
  part.file = reader.text();
  if (!reader.ok()) return std::nullopt;
  part.meta = reader.rest();
  return part;
}

void append_progress(std::string& out, std::uint64_t sequence,
                     const std::vector<Progress>& changes) {
  base::ByteWriter writer(out);
  writer.u64(sequence);
  writer.varint(changes.size());
  for (const Progress& change : changes) {
    writer.varint(change.recipient);
    writer.u8(static_cast<std::uint8_t>(change.state));
    writer.u8(change.flags);
    writer.varint(change.attempts);
    writer.i64(base::to_unix_us(change.due));
    writer.text(change.reply);
  }
}

std::optional<ProgressPart> decode_progress(std::string_view small) {
  base::ByteReader reader(small);
  ProgressPart part;
  part.sequence = reader.u64();
  const std::uint64_t count = reader.varint();
  // A damaged count cannot make us reserve much.
  if (!reader.ok() || count > reader.rest().size() / kChangeOctetsMin) return std::nullopt;
  part.changes.resize(count);
  for (Progress& change : part.changes) {
    const std::uint64_t recipient = reader.varint();
    change.recipient = static_cast<std::uint32_t>(recipient);
    change.state = static_cast<State>(reader.u8());
    change.flags = reader.u8();
    const std::uint64_t attempts = reader.varint();
    change.attempts = static_cast<std::uint16_t>(attempts);
    change.due = base::from_unix_us(reader.i64());
    change.reply = reader.text();
    if (recipient >= kRecipientsMax || change.state > State::Expanded || attempts > UINT16_MAX)
      return std::nullopt;
  }
  if (!reader.ok()) return std::nullopt;
  return part;
}

void append_done(std::string& out, const DonePart& done) {
  base::ByteWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(done.reason));
  writer.varint(done.copies.size());
  for (const SegmentLife& life : done.copies) {
    writer.u32(life.slot);
    writer.u64(life.epoch);
  }
}

std::optional<DonePart> decode_done(std::string_view small) {
  base::ByteReader reader(small);
  DonePart done;
  done.reason = static_cast<DoneReason>(reader.u8());
  const std::uint64_t count = reader.varint();
  if (!reader.ok() || count > reader.rest().size() / kLifeOctets) return std::nullopt;
  done.copies.resize(count);
  for (SegmentLife& life : done.copies) {
    life.slot = reader.u32();
    life.epoch = reader.u64();
  }
  if (!reader.ok()) return std::nullopt;
  return done;
}

void append_events(std::string& out, const std::vector<std::string>& events) {
  base::ByteWriter writer(out);
  writer.varint(events.size());
  for (const std::string& event : events) writer.text(event);
}

std::optional<std::vector<std::string>> decode_events(std::string_view small) {
  base::ByteReader reader(small);
  const std::uint64_t count = reader.varint();
  if (!reader.ok() || count > small.size()) return std::nullopt;
  std::vector<std::string> events(count);
  for (std::string& event : events) event = reader.text();
  if (!reader.ok()) return std::nullopt;
  return events;
}

void append_limit(std::string& out, const LimitPart& limit) {
  base::ByteWriter writer(out);
  writer.u32(limit.life.slot);
  writer.u64(limit.life.epoch);
  writer.u32(limit.length);
}

std::optional<LimitPart> decode_limit(std::string_view small) {
  base::ByteReader reader(small);
  LimitPart limit;
  limit.life.slot = reader.u32();
  limit.life.epoch = reader.u64();
  limit.length = reader.u32();
  if (!reader.ok()) return std::nullopt;
  return limit;
}

bool is_final(State state) {
  return state != State::Queued;
}

}  // namespace ekiden::spool
