#include "ekiden/base/random.hpp"

#include <sys/random.h>

#include <algorithm>
#include <cstring>

#include "ekiden/base/assert.hpp"

namespace ekiden::base {

void Random::fill(std::span<std::byte> out) {
  while (!out.empty()) {
    const std::uint64_t word = next();
    const std::size_t n = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, n);
    out = out.subspan(n);
  }
}

std::uint64_t Random::below(std::uint64_t bound) {
  EKIDEN_ASSERT(bound > 0, "an empty range has no member");
  // Multiply-shift keeps the bias below 2^-32 for every bound used here.
  return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

double Random::unit() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

std::uint64_t SystemRandom::next() {
  if (left_ == 0) {
    const ssize_t got = ::getrandom(words_, sizeof words_, 0);
    EKIDEN_ASSERT(got == static_cast<ssize_t>(sizeof words_),
                  "getrandom never gives less than 256 octets");
    left_ = kWords;
  }
  return words_[--left_];
}

std::uint64_t SeededRandom::next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace ekiden::base
