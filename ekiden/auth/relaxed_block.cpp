#include "ekiden/auth/relaxed_block.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace ekiden::auth {
namespace {

[[maybe_unused]] constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// Of a block, one bit for each octet.
struct Marks {
  std::uint64_t goes = 0;  ///< white space in front of more of it, or of CRLF
  std::uint64_t tab = 0;
};

/// Reads two octets past the block.
#if defined(__SSE2__)
Marks marks_of(const char* p) {
  const auto equal = [](__m128i octets, char c) {
    return _mm_cmpeq_epi8(octets, _mm_set1_epi8(c));
  };
  Marks marks;
  for (std::size_t i = 0; i < kRelaxedBlock; i += 16) {
    const auto load = [&](std::size_t offset) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i + offset));
    };
    const __m128i here = load(0), next = load(1);
    const __m128i tab = equal(here, '\t');
    const __m128i line_end = _mm_and_si128(equal(next, '\r'), equal(load(2), '\n'));
    const __m128i follows =
        _mm_or_si128(line_end, _mm_or_si128(equal(next, ' '), equal(next, '\t')));
    const __m128i goes = _mm_and_si128(_mm_or_si128(tab, equal(here, ' ')), follows);
    marks.tab |= static_cast<std::uint64_t>(_mm_movemask_epi8(tab)) << i;
    marks.goes |= static_cast<std::uint64_t>(_mm_movemask_epi8(goes)) << i;
  }
  return marks;
}
#else
Marks marks_of(const char* p) {
  Marks marks;
  for (std::size_t i = 0; i < kRelaxedBlock; ++i, ++p) {
    const bool goes = is_blank(p[0]) && (is_blank(p[1]) || (p[1] == '\r' && p[2] == '\n'));
    marks.goes |= std::uint64_t{goes} << i;
    marks.tab |= std::uint64_t{p[0] == '\t'} << i;
  }
  return marks;
}
#endif

#if defined(__SSE2__)
/// Marks and copies in a few instructions, where the machine has AVX-512 (VBMI2). Machines that
/// have none mostly hash so slowly that what goes before hashing matters less.
__attribute__((target("avx512bw,avx512vbmi2,popcnt"))) RelaxedBlock relax_block_avx512(
    const char* block, char* out) {
  const __m512i here = _mm512_loadu_si512(block);
  const __m512i next = _mm512_loadu_si512(block + 1);
  const __m512i second = _mm512_loadu_si512(block + 2);
  const __m512i space = _mm512_set1_epi8(' ');
  const __m512i tab = _mm512_set1_epi8('\t');
  const std::uint64_t tabs = _mm512_cmpeq_epi8_mask(here, tab);
  const std::uint64_t blank = tabs | _mm512_cmpeq_epi8_mask(here, space);
  const std::uint64_t line_end = _mm512_cmpeq_epi8_mask(next, _mm512_set1_epi8('\r')) &
                                 _mm512_cmpeq_epi8_mask(second, _mm512_set1_epi8('\n'));
  const std::uint64_t goes =
      blank & (line_end | _mm512_cmpeq_epi8_mask(next, space) | _mm512_cmpeq_epi8_mask(next, tab));
  const __m512i spaced = _mm512_mask_mov_epi8(here, tabs, space);
  _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(~goes, spaced));
  return {static_cast<std::size_t>(std::popcount(~goes)), (goes | tabs) != 0};
}

const bool kHasAvx512 =
    __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vbmi2") != 0;
#endif

}  // namespace

bool is_relaxed_block(const char* p) {
  using Lane = std::uint8_t __attribute__((vector_size(16)));
  Lane found{};
  for (std::size_t i = 0; i < kRelaxedBlock; i += sizeof(Lane)) {
    Lane here, next;
    std::memcpy(&here, p + i, sizeof here);
    std::memcpy(&next, p + i + 1, sizeof next);
    // A tab is written as a space; a space goes when white space or a line end follows.
    const auto follows = (next == ' ') | (next == '\t') | (next == '\r');
    found |= reinterpret_cast<Lane>((here == '\t') | ((here == ' ') & follows));
  }
  std::uint64_t halves[2];
  std::memcpy(halves, &found, sizeof halves);
  return (halves[0] | halves[1]) == 0;
}

// What is kept is copied run by run, a whole block each time because a known length is faster: what
// is too much, the next run or block writes over.
RelaxedBlock relax_block_by_runs(const char* block, char* out) {
  const Marks marks = marks_of(block);
  std::size_t size = 0;
  std::uint64_t kept = ~marks.goes;
  while (kept != 0) {
    const auto from = static_cast<std::size_t>(std::countr_zero(kept));
    const auto n = static_cast<std::size_t>(std::countr_one(kept >> from));
    std::memcpy(out + size, block + from, kRelaxedBlock);
    size += n;
    kept = from + n < kRelaxedBlock ? kept >> (from + n) << (from + n) : 0;
  }
  for (std::uint64_t tabs = marks.tab & ~marks.goes; tabs != 0; tabs &= tabs - 1) {
    const std::uint64_t before = (tabs & -tabs) - 1;
    out[std::popcount(before & ~marks.goes)] = ' ';
  }
  return {size, (marks.goes | marks.tab) != 0};
}

RelaxedBlock relax_block(const char* block, char* out) {
#if defined(__SSE2__)
  if (kHasAvx512) return relax_block_avx512(block, out);
#endif
  return relax_block_by_runs(block, out);
}

}  // namespace ekiden::auth
