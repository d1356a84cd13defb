// The journal's records, one by one: any octets, with a right checksum where one is asked for, are
// read or refused; what was read is written and read the same, and is within its limits.
#include "ekiden/base/bytes.hpp"
#include "ekiden/base/checksum.hpp"
#include "ekiden/spool/format.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::spool;

/// A header of 64 octets around up to 56 that the fuzzer chose.
std::string sealed(const char* magic, std::string_view body) {
  std::string padded(body.substr(0, kHeaderOctets - 8));
  padded.resize(kHeaderOctets - 8);
  std::string out(magic, 4);
  base::ByteWriter writer(out);
  writer.u32(base::crc32c(padded));
  writer.octets(padded);
  return out;
}

void check_segment(std::string_view octets) {
  std::string page = sealed("EKS1", octets.substr(0, 56));
  page.resize(kSecondHeaderOffset);
  page += sealed("EKS1", octets.substr(octets.size() > 60 ? 56 : 0));
  page.resize(kPage);
  SegmentHeader header;
  if (decode_segment_page(page, header) != HeaderState::Valid) return;
  FUZZ_CHECK(header.octets <= kSegmentOctets && header.octets % kPage == 0,
             "a segment is no larger than a place can say");
  FUZZ_CHECK(header.life.slot < kSlotsMax, "nor is its number");
  SegmentHeader again;
  FUZZ_CHECK(decode_segment_page(encode_segment_page(header), again) == HeaderState::Valid,
             "a header is one again");
  FUZZ_CHECK(again.life == header.life && again.sequence == header.sequence &&
                 again.octets == header.octets && again.is_used == header.is_used,
             "and says the same");
}

void check_batch(std::string_view octets) {
  const std::string header_octets = sealed("EKB1", octets);
  base::ByteReader reader(std::string_view(header_octets).substr(8));
  const std::uint64_t epoch = reader.u64();
  const std::uint32_t page = reader.u32();
  const auto header = decode_batch_header(header_octets, epoch, page);
  FUZZ_CHECK(!decode_batch_header(header_octets, epoch + 1, page), "only of its own life");
  FUZZ_CHECK(!decode_batch_header(header_octets, epoch, page + 1), "only at its own place");
  if (!header) return;
  FUZZ_CHECK((std::uint64_t{header->records} + 1) * kHeaderOctets <= header->length,
             "a batch holds its records");
  std::string out;
  append_batch_header(out, *header);
  const auto again = decode_batch_header(out, epoch, page);
  FUZZ_CHECK(again && again->length == header->length && again->records == header->records &&
                 again->small_length == header->small_length && again->number == header->number &&
                 again->events_cursor == header->events_cursor,
             "and says the same");
}

void check_record(std::string_view octets) {
  const std::string header_octets = sealed("EKR1", octets);
  base::ByteReader reader(std::string_view(header_octets).substr(24));
  const std::uint64_t epoch = reader.u64();
  const auto header = decode_record_header(header_octets, epoch);
  FUZZ_CHECK(!decode_record_header(header_octets, epoch + 1), "only of its own life");
  if (!header) return;
  FUZZ_CHECK(header->type >= RecordType::Message && header->type <= RecordType::Limit,
             "a kind of record that there is");
  std::string out;
  append_record_header(out, *header);
  FUZZ_CHECK(out.substr(8, 54) == header_octets.substr(8, 54), "written as it was");
}

void check_parts(std::string_view octets) {
  if (const auto part = decode_message(octets)) {
    NewMessage message;
    message.recipients = part->recipients;
    message.body.size = part->body_size;
    message.body.file = part->file;
    message.meta = part->meta;
    std::string out;
    append_message(out, message);
    const auto again = decode_message(out);
    FUZZ_CHECK(again && again->recipients == part->recipients &&
                   again->body_size == part->body_size && again->file == part->file &&
                   again->meta == part->meta,
               "a message is the same again");
  }
  if (const auto part = decode_progress(octets)) {
    FUZZ_CHECK(part->changes.size() <= octets.size() / 12, "changes cost octets");
    for (const Progress& change : part->changes) {
      FUZZ_CHECK(change.state <= State::Expanded, "a state that there is");
    }
    std::string out;
    append_progress(out, part->sequence, part->changes);
    const auto again = decode_progress(out);
    FUZZ_CHECK(again && again->sequence == part->sequence && again->changes == part->changes,
               "progress is the same again");
  }
  if (const auto part = decode_done(octets)) {
    FUZZ_CHECK(part->copies.size() <= octets.size() / 12, "copies cost octets");
    std::string out;
    append_done(out, *part);
    const auto again = decode_done(out);
    FUZZ_CHECK(again && again->reason == part->reason && again->copies == part->copies,
               "a done is the same again");
  }
  if (const auto events = decode_events(octets)) {
    FUZZ_CHECK(events->size() <= octets.size(), "events cost octets");
    std::string out;
    append_events(out, *events);
    FUZZ_CHECK(decode_events(out) == events, "events are the same again");
  }
  if (const auto limit = decode_limit(octets)) {
    std::string out;
    append_limit(out, *limit);
    const auto again = decode_limit(out);
    FUZZ_CHECK(again && again->life == limit->life && again->length == limit->length,
               "a limit is the same again");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string octets(reinterpret_cast<const char*>(data), size);
  SegmentHeader unused;
  (void)decode_segment_page(octets, unused);
  FUZZ_CHECK(!decode_batch_header(octets.substr(0, 63), 0, 0), "a header has 64 octets");
  check_segment(octets);
  check_batch(octets);
  check_record(octets);
  check_parts(octets);
  return 0;
}
