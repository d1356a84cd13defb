// A segment's scan. Batches that the fuzzer describes are written, then damaged as it says. What
// the scan shows was written, to the octet; what it does not show it reports as damaged, or it was
// in the last batch, which a crash may tear.
//
// Octets: how many batches; for each the number of records, and for each of those an octet of kind
// and lengths; then the damage (spool_input.hpp).
#include <map>
#include <memory>

#include "ekiden/spool/batch.hpp"
#include "ekiden/spool/scan.hpp"
#include "tests/fuzz/spool_input.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::spool;

constexpr std::uint32_t kEpoch = 77;
constexpr std::uint32_t kSegment = 20 * kPage;

struct Written {
  RecordType type = RecordType::Message;
  std::string small;
  std::uint32_t place = 0;  ///< offset / 64
  std::uint32_t body_at = 0, body_length = 0, small_at = 0;
  bool is_last_batch = false;
};
using All = std::map<std::uint64_t, Written>;  // by the id's low half

void append_small(Batch& batch, RecordType type, std::uint64_t number, std::string_view body) {
  switch (type) {
    case RecordType::Message: {
      NewMessage message;
      message.recipients = 1 + number % 3;
      message.meta = "meta " + std::to_string(number);
      message.body.size = body.size();
      append_message(batch.small(), message);
      break;
    }
    case RecordType::Progress: {
      Progress change;
      change.attempts = static_cast<std::uint16_t>(number);
      change.reply = "450 later";
      append_progress(batch.small(), number, {change});
      break;
    }
    case RecordType::Done: {
      DonePart done;
      done.copies.push_back({static_cast<std::uint32_t>(number), number});
      append_done(batch.small(), done);
      break;
    }
    case RecordType::Event:
      append_events(batch.small(), {"event " + std::to_string(number)});
      break;
    case RecordType::Limit:
      append_limit(batch.small(), {{static_cast<std::uint32_t>(number), number}, 4096});
      break;
  }
}

/// Writes the batches into a segment's octets; gives what they hold.
All write(fuzz::Input& input, std::string& segment, std::uint32_t& end) {
  All all;
  SegmentHeader header{{0, kEpoch}, 1, kSegment, true};
  segment = encode_segment_page(header);
  segment.resize(kSegment);
  std::uint32_t at = kPage;
  std::uint64_t number = 0, transaction = 0;
  const unsigned batches = 1 + input.octet() % 6;
  for (unsigned b = 0; b < batches; ++b) {
    Batch batch;
    std::vector<std::string> bodies(1 + input.octet() % 6);
    std::vector<std::uint64_t> numbers;
    for (std::string& body : bodies) {
      const std::uint8_t kind = input.octet();
      const auto type = static_cast<RecordType>(1 + (kind & 7) % 5);
      if (type == RecordType::Message) {
        body.assign(static_cast<std::size_t>(kind >> 3) * 150,
                    static_cast<char>('a' + number % 26));
      }
      if ((kind & 8) == 0 || numbers.empty()) ++transaction;
      append_small(batch, type, ++number, body);
      batch.add(type, 0, {type == RecordType::Event ? number : 9, number},
                static_cast<std::uint32_t>(transaction), body, base::crc32c(body));
      numbers.push_back(number);
    }
    if (at + batch.octets() > kSegment) break;
    batch.finish(kEpoch, at, 1 + b, 0);
    std::size_t to = at;
    for (const std::string_view piece : batch.pieces()) {
      segment.replace(to, piece.size(), piece);
      to += piece.size();
    }
    for (auto& [id, earlier] : all) earlier.is_last_batch = false;
    for (std::uint32_t i = 0; i < batch.records(); ++i) {
      Written written;
      const RecordHeader& record = batch.record(i);
      written.type = record.type;
      written.small = batch.small_of(i);
      written.place = batch.place_of(i);
      written.small_at = record.small_offset;
      written.body_at = record.body_offset;
      written.body_length = record.body_length;
      written.is_last_batch = true;
      all.emplace(numbers[i], std::move(written));
    }
    at += batch.octets();
  }
  end = at;
  return all;
}

/// Everything that the catalogue shows, as "type number small".
std::map<std::uint64_t, RecordType> shown(const Catalog& catalog, const All& all) {
  std::map<std::uint64_t, RecordType> found;
  const auto see = [&](base::MessageId id, RecordType type) -> const Written& {
    const auto at = all.find(id.low);
    FUZZ_CHECK(at != all.end() && at->second.type == type, "only what was written is shown");
    FUZZ_CHECK(found.emplace(id.low, type).second, "and once");
    return at->second;
  };
  catalog.each_done([&](base::MessageId id, const DonePart& done) {
    see(id, RecordType::Done);
    FUZZ_CHECK(done.copies.size() == 1 && done.copies[0].epoch == id.low, "as it was");
  });
  catalog.each_limit([&](const LimitPart& limit) {
    see({9, limit.life.epoch}, RecordType::Limit);
    FUZZ_CHECK(limit.length == 4096, "as it was");
  });
  catalog.each_progress([&](base::MessageId id, std::uint32_t header, const ProgressPart& part) {
    FUZZ_CHECK(see(id, RecordType::Progress).place == header, "where it was");
    FUZZ_CHECK(part.sequence == id.low && part.changes.size() == 1, "as it was");
  });
  catalog.each_event([&](const Catalog::Event& event) {
    FUZZ_CHECK(see({event.sequence, event.sequence}, RecordType::Event).place == event.header,
               "where it was");
  });
  catalog.each_message([&](const Catalog::Head& head, const MessagePart& part) {
    const Written& written = see(head.id, RecordType::Message);
    FUZZ_CHECK(written.place == head.header && head.body_size == written.body_length,
               "where it was");
    FUZZ_CHECK(part.meta == "meta " + std::to_string(head.id.low), "as it was");
  });
  return found;
}

bool is_inside(const Damage& damage, std::uint32_t offset) {
  return offset >= damage.offset && offset < damage.offset + damage.length;
}

void check(const All& all, File& file, std::size_t size, std::uint32_t limit, bool is_changed,
           CheckBodies bodies, LastBatch last) {
  SegmentHeader header{{0, kEpoch}, 1, kSegment, true};
  const auto scanned = scan_segment(file, header, limit, bodies, last);
  FUZZ_CHECK(scanned, "a disk that reads can be scanned");
  const auto found = shown(scanned->catalog, all);
  FUZZ_CHECK(scanned->records == found.size(), "what is counted is shown");
  if (!is_changed && limit == kSegment) {
    FUZZ_CHECK(found.size() == all.size() && scanned->damaged.empty() && scanned->torn_records == 0,
               "what is whole is shown whole");
    return;
  }
  for (const auto& [number, written] : all) {
    if (found.contains(number)) continue;
    const std::uint32_t offset = written.place * kHeaderOctets;
    if (offset >= limit || offset >= size) continue;
    bool is_reported = false;
    for (const Damage& damage : scanned->damaged) {
      is_reported = is_reported || is_inside(damage, offset) || damage.id.low == number;
    }
    // The last batch that is left may be one that nobody was ever told about.
    const bool was_torn = scanned->torn_records > 0 || scanned->catalog.valid_octets <= offset;
    FUZZ_CHECK(is_reported || was_torn, "what is not shown is reported");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  std::string segment;
  std::uint32_t end = 0;
  const All all = write(input, segment, end);
  const bool is_limited = input.flag();
  const std::uint32_t limit = is_limited ? kPage * (1 + input.octet() % 20) : kSegment;
  std::string used = segment.substr(0, end);
  const bool is_cut = used.size() != segment.size();
  const std::size_t changes = fuzz::damage(used, input, 4);
  // Past what was written the file goes on with zeros, unless it was cut.
  if (used.size() == end && is_cut) used.resize(kSegment);
  testing::SimulatedDisk disk(1);
  fuzz::put_file(disk, "segment", used);
  const auto file = disk.open("segment", Open::Existing);
  for (const CheckBodies bodies : {CheckBodies::LastBatchOnly, CheckBodies::All}) {
    for (const LastBatch last : {LastBatch::MayBeTorn, LastBatch::Acknowledged}) {
      check(all, **file, used.size(), limit, changes > 0, bodies, last);
    }
  }
  return 0;
}
