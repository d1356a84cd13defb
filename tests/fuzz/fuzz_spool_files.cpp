// The spool's other files, by what they are called and what they hold: quarantine, spilled events,
// large bodies. Any octets are read or refused; what was read is written again as it was; a name
// never leads out of its directory.
#include <algorithm>

#include "ekiden/base/bytes.hpp"
#include "ekiden/spool/error.hpp"
#include "ekiden/spool/event_queue.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/quarantine.hpp"
#include "tests/fuzz/spool_input.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::spool;

void check_quarantine(const std::string& octets) {
  testing::SimulatedDisk disk(1);
  fuzz::put_file(disk, "quarantine/item", octets);
  const auto item = read_quarantined(disk, "item");
  if (!item) {
    FUZZ_CHECK(item.error() == make_error_code(Errc::Corrupt), "read or refused");
    return;
  }
  FUZZ_CHECK(item->octets.size() + item->meta.size() + item->reason.size() <= octets.size(),
             "what it holds lies in it");
  FUZZ_CHECK(keep_quarantined(disk, *item), "it can be kept");
  const auto again = read_quarantined(disk, "item");
  FUZZ_CHECK(again && again->id == item->id && again->recipients == item->recipients &&
                 again->reason == item->reason && again->meta == item->meta &&
                 again->file == item->file && again->octets == item->octets,
             "and is the same again");
}

void check_quarantine_delete(std::string_view file) {
  testing::SimulatedDisk disk(1);
  fuzz::put_file(disk, "journal/00000000.seg", "segment");
  fuzz::put_file(disk, "large/1.body", "body");
  Quarantined item;
  item.name = "item";
  item.file = file;
  FUZZ_CHECK(keep_quarantined(disk, item), "it can be kept");
  FUZZ_CHECK(delete_quarantined(disk, "item"), "and deleted");
  FUZZ_CHECK(disk.contents("journal/00000000.seg") == "segment", "with nothing but its own body");
}

void check_spilled(const std::string& octets) {
  testing::SimulatedDisk disk(1);
  const SpilledEvents file{1, 100};
  fuzz::put_file(disk, file.path(), octets);
  std::uint64_t cursor = 0;
  std::size_t count = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto batch = read_spilled(disk, file, cursor, 1);
    FUZZ_CHECK(batch, "a file that reads is read");
    FUZZ_CHECK(batch->cursor >= cursor, "a cursor goes on");
    count += batch->events.size();
    if (batch->cursor == cursor || batch->cursor >= file.last) break;
    cursor = batch->cursor;
  }
  FUZZ_CHECK(count <= octets.size(), "events cost octets");
}

/// Entries with right checksums around what the fuzzer chose.
std::string sealed_spilled(fuzz::Input input) {
  std::string out;
  base::ByteWriter writer(out);
  std::uint64_t sequence = 0;
  while (!input.is_empty()) {
    sequence += input.octet();
    const std::string_view small = input.text();
    writer.u64(sequence);
    writer.u32(static_cast<std::uint32_t>(small.size()));
    writer.u32(base::crc32c(small));
    writer.octets(small);
  }
  return out;
}

std::string sealed_quarantine(std::string_view rest) {
  std::string out = "EKQ1";
  base::ByteWriter writer(out);
  writer.u32(base::crc32c(rest));
  writer.octets(rest);
  return out;
}

void check_large(fuzz::Input input) {
  testing::SimulatedDisk disk(1);
  const std::string name(input.until('\n'));
  const std::string content(input.rest());
  char right[96];
  std::snprintf(right, sizeof right, "large/%016x-%zu-%08x.body", 5u, content.size(),
                base::crc32c(content));
  fuzz::put_file(disk, right, content);
  FUZZ_CHECK(spool::check_large(disk, right), "a whole body is found whole");
  if (name.find('/') == std::string::npos && !name.empty()) {
    const std::string path = "large/" + name;
    if (path != right) {
      fuzz::put_file(disk, path, content + "x");
      // The name's own sum may be right for these octets too, but then it says so.
      if (spool::check_large(disk, path)) {
        FUZZ_CHECK(name.find(std::to_string(content.size() + 1)) != std::string::npos,
                   "no body is found whole that is not");
      }
    }
  }
  Body body;
  body.file = right;
  body.size = content.size() + (name.size() % 2);
  const auto slice = read_large(disk, body, name.size(), 7);
  if (slice) {
    FUZZ_CHECK(
        slice->view() == std::string_view(content).substr(std::min(name.size(), content.size()), 7),
        "a slice");
  } else {
    FUZZ_CHECK(name.size() + 7 > content.size(), "what is there can be read");
  }
  remove_orphans(disk, [&](const std::string& path) { return path == right; });
  FUZZ_CHECK(disk.contents(right) == content, "what is live stays");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string octets(reinterpret_cast<const char*>(data), size);
  const fuzz::Input input(data, size);
  check_quarantine(octets);
  check_quarantine(sealed_quarantine(octets));
  check_quarantine_delete(octets);
  check_spilled(octets);
  check_spilled(sealed_spilled(input));
  check_large(input);

  testing::SimulatedDisk disk(1);
  const std::string name = octets.substr(0, 100);
  if (name.find('\0') == std::string::npos && !name.empty() &&
      name.find('/') == std::string::npos) {
    fuzz::put_file(disk, "events/" + name, "");
    (void)list_spilled(disk);
  }
  if (const auto spilled = list_spilled(disk))
    for (const SpilledEvents& file : *spilled) (void)file.path();
  (void)read_quarantined(disk, octets);
  return 0;
}
