#pragma once

#include <string>
#include <vector>

#include "ekiden/base/checksum.hpp"
#include "ekiden/spool/format.hpp"
#include "ekiden/spool/testing/simulated_disk.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace ekiden::fuzz {

/// What happened to a file while nobody looked: the fuzzer's bytes say where and what. Gives how
/// many octets really changed.
///
/// Each change is u16 place, u8 kind, u8 value: flips, overwrites, swaps pages, cuts the end.
inline std::size_t damage(std::string& octets, Input& input, unsigned changes_max) {
  std::size_t changed = 0;
  for (unsigned i = 0; i < changes_max && !input.is_empty() && !octets.empty(); ++i) {
    const std::size_t at = input.u16() % octets.size();
    const std::uint8_t kind = input.octet();
    const std::uint8_t value = input.octet();
    const std::string before = octets;
    switch (kind % 4) {
      case 0:
        octets[at] = static_cast<char>(octets[at] ^ value);
        break;
      case 1:
        // A sector that holds something else.
        for (std::size_t k = at / 512 * 512; k < octets.size() && k < at / 512 * 512 + 512; ++k) {
          octets[k] = static_cast<char>(value);
        }
        break;
      case 2: {
        // A page that was written to another's place.
        const std::size_t page = spool::kPage, from = at / page * page;
        const std::size_t to = value * page;
        if (from + page <= octets.size() && to + page <= octets.size()) {
          octets.replace(to, page, octets.substr(from, page));
        }
        break;
      }
      default:
        octets.resize(at);
        break;
    }
    changed += octets != before ? 1 : 0;
  }
  return changed;
}

inline void put_file(spool::testing::SimulatedDisk& disk, const std::string& path,
                     std::string_view octets) {
  auto file = disk.open(path, spool::Open::Create);
  FUZZ_CHECK(file, "the simulated disk takes files");
  (void)(*file)->truncate(0);
  const std::string_view pieces[] = {octets};
  (void)(*file)->write_at(0, pieces);
}

}  // namespace ekiden::fuzz
