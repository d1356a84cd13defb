// Sidecars: the sections and the footer that the fuzzer chose, with right checksums or without.
// What is read is written again as it was, and every walk stays in its section.
#include "ekiden/base/bytes.hpp"
#include "ekiden/spool/catalog.hpp"
#include "ekiden/spool/error.hpp"
#include "tests/fuzz/spool_input.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::spool;

constexpr SegmentLife kLife{3, 99};
constexpr std::uint32_t kMagic = 0x31584b45;

/// A sidecar around sections that may hold anything.
std::string sealed(fuzz::Input& input) {
  std::string out, rest;
  base::ByteWriter writer(rest);
  writer.u32(kLife.slot);
  writer.u64(kLife.epoch);
  for (int i = 0; i < 5; ++i) writer.u64(input.octet());
  writer.u32(input.u16());
  for (std::size_t i = 0; i < Catalog::kSections; ++i) {
    const std::string_view section = i + 1 < Catalog::kSections ? input.text() : input.rest();
    out += section;
    writer.u64(section.size());
    writer.u32(base::crc32c(section));
  }
  base::ByteWriter footer(out);
  footer.u32(kMagic);
  footer.u32(base::crc32c(rest));
  footer.octets(rest);
  return out;
}

void check(const std::string& octets, bool is_right) {
  testing::SimulatedDisk disk(1);
  fuzz::put_file(disk, sidecar_path(kLife), octets);
  const auto all = {Catalog::Dones,  Catalog::Limits, Catalog::Progresses,
                    Catalog::Events, Catalog::Heads,  Catalog::Metas};
  const auto catalog = Catalog::read_sidecar(disk, kLife, all);
  FUZZ_CHECK(catalog || catalog.error() == make_error_code(Errc::Corrupt), "read or refused");
  FUZZ_CHECK(catalog || !is_right, "what is right is read");
  if (!catalog) return;
  FUZZ_CHECK(catalog->octets() <= octets.size(), "sections lie in their file");
  std::size_t heads = 0, messages = 0, events = 0, dones = 0, limits = 0, changes = 0;
  catalog->each_done([&](base::MessageId, const DonePart& d) { dones += 1 + d.copies.size(); });
  catalog->each_limit([&](const LimitPart&) { ++limits; });
  catalog->each_progress([&](base::MessageId, std::uint32_t, const ProgressPart& p) {
    changes += 1 + p.changes.size();
  });
  catalog->each_event([&](const Catalog::Event&) { ++events; });
  catalog->each_head([&](const Catalog::Head&) { ++heads; });
  catalog->each_message([&](const Catalog::Head&, const MessagePart&) { ++messages; });
  FUZZ_CHECK(messages <= heads, "a message has a head");
  FUZZ_CHECK(heads + events + dones + limits + changes <= octets.size(), "everything costs octets");
  FUZZ_CHECK(catalog->write_sidecar(disk), "it can be written");
  FUZZ_CHECK(disk.contents(sidecar_path(kLife)) == octets, "as it was");
  // A part of the sections is what it is in the whole.
  const auto some = Catalog::read_sidecar(disk, kLife, {Catalog::Heads});
  FUZZ_CHECK(some && some->section(Catalog::Heads) == catalog->section(Catalog::Heads), "the same");
  FUZZ_CHECK(!Catalog::read_sidecar(disk, {3, 98}, all), "of no other life");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check(std::string(reinterpret_cast<const char*>(data), size), false);
  fuzz::Input input(data, size);
  std::string octets = sealed(input);
  check(octets, true);
  fuzz::Input again(data, size);
  if (fuzz::damage(octets, again, 2) > 0) check(octets, false);
  return 0;
}
