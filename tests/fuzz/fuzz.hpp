#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ekiden/base/random.hpp"

/// What the fuzzers share. A fuzzer is one `LLVMFuzzerTestOneInput` in a file of its own: linked
/// with libFuzzer it searches (script/fuzz), linked with replay.cpp it repeats its corpus
/// (ctest -L fuzz).
namespace ekiden::fuzz {

/// Writes what was promised and where, then aborts: libFuzzer keeps the input.
[[noreturn]] void fail(const char* condition, const char* promise, const char* file, int line);

/// Takes decisions off the front of the input; what is left is content. Past the end everything
/// is zero or empty.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  bool is_empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  std::uint8_t octet() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  bool flag() { return (octet() & 1) != 0; }
  std::uint16_t u16() { return static_cast<std::uint16_t>(octet() | octet() << 8); }
  std::uint32_t u32() {
    const std::uint32_t low = u16();
    return low | std::uint32_t{u16()} << 16;
  }
  std::uint64_t u64() {
    const std::uint64_t low = u32();
    return low | std::uint64_t{u32()} << 32;
  }
  std::string_view take(std::size_t octets) {
    const std::string_view taken = rest_.substr(0, octets);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  /// A length of one octet, and that many.
  std::string_view text() { return take(octet()); }
  /// Up to the next `separator`, which is removed.
  std::string_view until(char separator) {
    const std::size_t end = rest_.find(separator);
    const std::string_view taken = take(end);
    if (end != std::string_view::npos) rest_.remove_prefix(1);
    return taken;
  }

 private:
  std::string_view rest_;
};

/// Cuts octets into pieces, the same way from the same seed: 0 gives everything at once, 1 single
/// octets, 2 cuts behind each CR, 3 behind each LF, the others at random. Each piece lies in
/// memory of its own, so that the sanitizer sees who keeps or passes its end.
template <class See>
void cut(std::string_view octets, std::uint8_t seed, See see) {
  base::SeededRandom random(seed);
  while (!octets.empty()) {
    std::size_t n = octets.size();
    if (seed == 1) {
      n = 1;
    } else if (seed == 2 || seed == 3) {
      n = octets.find(seed == 2 ? '\r' : '\n');
      n = n == std::string_view::npos ? octets.size() : n + 1;
    } else if (seed > 3) {
      n = 1 + random.below(seed);
    }
    const std::string piece(octets.substr(0, n));
    octets.remove_prefix(piece.size());
    if (!see(std::string_view(piece))) return;
  }
}

/// Every CR is followed by an LF, every LF follows a CR. `may_stack`: CRs in front of a CRLF are
/// fine too.
bool has_bare_newline(std::string_view octets, bool may_stack = false);

/// Octets of the longest line without its CRLF.
std::size_t longest_line(std::string_view octets);

}  // namespace ekiden::fuzz

#define FUZZ_CHECK(condition, promise) \
  ((condition) ? (void)0 : ::ekiden::fuzz::fail(#condition, promise, __FILE__, __LINE__))

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments);
