#include "ekiden/message/line_length.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "ekiden/base/text.hpp"
#include "ekiden/message/header_scan.hpp"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace ekiden::message {
namespace {

constexpr unsigned kBlockOctets = 64;

/// One bit for each octet of a block, the first octet lowest.
struct BlockMasks {
  std::uint64_t lf = 0, cr = 0, nul = 0, eight_bit = 0;
};

#ifdef __SSE2__
BlockMasks look_at(const char* block) {
  const __m128i lf = _mm_set1_epi8('\n');
  const __m128i cr = _mm_set1_epi8('\r');
  const __m128i nul = _mm_setzero_si128();
  const auto bits = [](__m128i v) {
    return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(v)));
  };
  BlockMasks masks;
  for (unsigned i = 0; i < 4; ++i) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block) + i);
    masks.lf |= bits(_mm_cmpeq_epi8(v, lf)) << (16 * i);
    masks.cr |= bits(_mm_cmpeq_epi8(v, cr)) << (16 * i);
    masks.nul |= bits(_mm_cmpeq_epi8(v, nul)) << (16 * i);
    masks.eight_bit |= bits(v) << (16 * i);
  }
  return masks;
}
#else
BlockMasks look_at(const char* block) {
  BlockMasks masks;
  for (unsigned i = 0; i < kBlockOctets; ++i) {
    const char c = block[i];
    const std::uint64_t bit = std::uint64_t{1} << i;
    if (c == '\n') masks.lf |= bit;
    if (c == '\r') masks.cr |= bit;
    if (c == '\0') masks.nul |= bit;
    if (static_cast<signed char>(c) < 0) masks.eight_bit |= bit;
  }
  return masks;
}
#endif

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

/// Fields in which white space after a comma means nothing.
bool is_address_list(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kNames{
      "To", "Cc", "From", "Reply-To", "Resent-To", "Resent-Cc", "Resent-From", "Bcc"};
  return std::any_of(kNames.begin(), kNames.end(),
                     [&](std::string_view n) { return base::equals_ignoring_case(n, name); });
}

/// Room for the white space that a broken line may need at its front.
constexpr std::size_t kFoldOctets = kLineOctetsMax - 8;

/// Where to break a line that is too long: the parts are [0, at) and [at, size). 0 when there is
/// no place. The second part begins with white space or gets some.
std::size_t find_fold(std::string_view line, bool after_commas) {
  const std::string_view front = line.substr(0, kFoldOctets + 1);
  const std::size_t colon = is_blank(line.front()) ? std::string_view::npos : front.find(':');
  const std::size_t text = colon == std::string_view::npos ? 0 : colon + 1;
  const std::size_t first_word = front.find_first_not_of(" \t", text);
  if (first_word == std::string_view::npos) return 0;

  std::size_t comma = 0;
  bool is_quoted = false;
  for (std::size_t i = first_word; after_commas && i < kFoldOctets; ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '"') {
      is_quoted = !is_quoted;
    } else if (line[i] == ',' && !is_quoted) {
      comma = i + 1;
    }
  }
  if (comma > 0) return comma;
  // Neither part may consist of white space only (RFC 5322 §3.2.2).
  const std::size_t last_word = line.find_last_not_of(" \t");
  for (std::size_t i = kFoldOctets; i > first_word; --i) {
    if (is_blank(line[i]) && i < last_word) return i;
  }
  return 0;
}

}  // namespace

void LineScanner::take_block(const char* block, unsigned octets) {
  BlockMasks masks = look_at(block);
  if (octets < kBlockOctets) {
    const std::uint64_t valid = (std::uint64_t{1} << octets) - 1;
    masks.lf &= valid;
    masks.cr &= valid;
    masks.nul &= valid;
    masks.eight_bit &= valid;
  }
  scan_.has_eight_bit |= masks.eight_bit != 0;
  scan_.has_nul |= masks.nul != 0;
  // Each LF needs a CR right before it, and each CR an LF right after it.
  const std::uint64_t after_cr = (masks.cr << 1) | (ends_in_cr_ ? 1 : 0);
  const std::uint64_t valid = octets < kBlockOctets ? (std::uint64_t{1} << octets) - 1 : ~0ULL;
  scan_.has_bare_newline |= ((after_cr & valid) ^ masks.lf) != 0;
  unsigned start = 0;
  for (std::uint64_t lf = masks.lf; lf != 0; lf &= lf - 1) {
    const auto at = static_cast<unsigned>(std::countr_zero(lf));
    const bool has_cr = ((after_cr >> at) & 1) != 0;
    const std::size_t length = line_ + (at - start) - (has_cr ? 1 : 0);
    if (length > scan_.longest_line) scan_.longest_line = length;
    line_ = 0;
    start = at + 1;
  }
  line_ += octets - start;
  ends_in_cr_ = ((masks.cr >> (octets - 1)) & 1) != 0;
}

void LineScanner::feed(std::string_view octets) {
  const char* p = octets.data();
  std::size_t left = octets.size();
  for (; left >= kBlockOctets; p += kBlockOctets, left -= kBlockOctets) {
    take_block(p, kBlockOctets);
  }
  if (left > 0) {
    char block[kBlockOctets] = {};
    std::memcpy(block, p, left);
    take_block(block, static_cast<unsigned>(left));
  }
}

Scan LineScanner::result() const {
  Scan scan = scan_;
  scan.longest_line = std::max(scan.longest_line, line_);
  scan.has_bare_newline = scan.has_bare_newline || ends_in_cr_;
  return scan;
}

Scan scan_lines(std::string_view octets) {
  LineScanner scanner;
  scanner.feed(octets);
  return scanner.result();
}

std::string refold_long_lines(std::string_view header) {
  std::string out;
  out.reserve(header.size() + 64);
  bool after_commas = false;
  while (!header.empty()) {
    const std::size_t crlf = header.find("\r\n");
    std::string_view line = header.substr(0, crlf);
    header.remove_prefix(crlf == std::string_view::npos ? header.size() : crlf + 2);
    if (!line.empty() && !is_blank(line.front())) {
      after_commas = is_address_list(line.substr(0, field_name_octets(line)));
    }
    std::size_t added = 0;  // white space in `out` that begins the line
    while (line.size() + added > kLineOctetsMax) {
      const std::size_t at = find_fold(line, after_commas);
      if (at == 0) break;
      out += line.substr(0, at);
      out += "\r\n";
      line.remove_prefix(at);
      added = is_blank(line.front()) ? 0 : 1;
      if (added > 0) out += ' ';
    }
    out += line;
    if (crlf != std::string_view::npos) out += "\r\n";
  }
  return out;
}

}  // namespace ekiden::message
