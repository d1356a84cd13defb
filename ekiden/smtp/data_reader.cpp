#include "ekiden/smtp/data_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Invariants:
// - In state LineStart everything up to and with the last CRLF is in the body, or nothing is.
// - In AfterCr the CR is in the body already; in Dot and DotCr the dot and CR are not.
// - `line_` counts body octets since the last line end, a CR of an unfinished CRLF included.

namespace ekiden::smtp {
namespace {

/// What one run of undisturbed text was like.
struct Run {
  std::size_t octets = 0;        ///< ends behind the last octet that needs no decision
  std::size_t longest_line = 0;  ///< among lines that end in the run, without CRLF
  std::size_t line = 0;          ///< octets of the line that goes on behind the run
  bool is_eight_bit = false;
  bool ends_line = false;  ///< the run's last octets are a CRLF
};

constexpr std::size_t kBlock = 64;

/// Where CR, LF and octets above 127 lie in 64 octets.
struct Marks {
  std::uint64_t cr, lf, high;
};

inline Marks marks_of(const char* p) {
#if defined(__SSE2__)
  const __m128i cr = _mm_set1_epi8('\r');
  const __m128i lf = _mm_set1_epi8('\n');
  Marks marks{0, 0, 0};
  __m128i any = _mm_setzero_si128();
  for (int i = 0; i < 4; ++i) {
    const __m128i octets = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
    any = _mm_or_si128(any, octets);
    marks.cr |= static_cast<std::uint64_t>(
                    static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(octets, cr))))
                << (16 * i);
    marks.lf |= static_cast<std::uint64_t>(
                    static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(octets, lf))))
                << (16 * i);
  }
  marks.high = static_cast<unsigned>(_mm_movemask_epi8(any));
  return marks;
#else
  Marks marks{0, 0, 0};
  for (unsigned i = 0; i < kBlock; ++i) {
    const auto c = static_cast<unsigned char>(p[i]);
    marks.cr |= static_cast<std::uint64_t>(c == '\r') << i;
    marks.lf |= static_cast<std::uint64_t>(c == '\n') << i;
    marks.high |= c & 0x80;
  }
  return marks;
#endif
}

/// The longest prefix of `text`, which begins inside a line of which `line` octets are behind us,
/// in which every CR and LF belongs to a CRLF and no line begins with a dot. A CR at the very end
/// is left out, because its LF is yet to come.
Run scan(std::string_view text, std::size_t line) {
  Run run;
  const char* const p = text.data();
  const std::size_t n = text.size();
  std::size_t i = 0;
  std::size_t line_begin = 0;  // of the unfinished line, in `text`
  std::size_t carried = line;  // its octets before `text`
  const auto end_line_at = [&](std::size_t cr) {
    run.longest_line = std::max(run.longest_line, carried + cr - line_begin);
    carried = 0;
    line_begin = cr + 2;
  };

  // Whole blocks, as long as each holds only whole CRLFs and is not their border.
  while (i + kBlock < n) {
    const Marks marks = marks_of(p + i);
    if ((marks.cr | marks.lf) == 0) {
      run.is_eight_bit = run.is_eight_bit || marks.high != 0;
      i += kBlock;
      continue;
    }
    // A pair may straddle the border: it is cut short here and met again at the next front.
    const bool ends_in_cr = (marks.cr >> (kBlock - 1)) != 0;
    const std::uint64_t cr = ends_in_cr ? marks.cr & ~(1ULL << (kBlock - 1)) : marks.cr;
    if (marks.lf != cr << 1) break;
    const std::size_t block = i;
    bool meets_dot = false;
    for (std::uint64_t rest = marks.lf; rest != 0; rest &= rest - 1) {
      const std::size_t lf = i + static_cast<unsigned>(std::countr_zero(rest));
      end_line_at(lf - 1);
      if (p[lf + 1] == '.') {  // lf + 1 < n: the loop leaves at least one octet behind the block
        meets_dot = true;
        i = lf + 1;
        break;
      }
    }
    if (meets_dot) {
      // The block's mark would count octets behind the run too.
      for (std::size_t k = block; marks.high != 0 && k < i; ++k) {
        run.is_eight_bit = run.is_eight_bit || (static_cast<unsigned char>(p[k]) & 0x80) != 0;
      }
      run.octets = i;
      run.ends_line = true;
      return run;
    }
    run.is_eight_bit = run.is_eight_bit || marks.high != 0;
    i += ends_in_cr ? kBlock - 1 : kBlock;
  }

  // The rest, and the block that holds something to decide.
  while (i < n) {
    const char c = p[i];
    if (c == '\r') {
      if (i + 1 >= n || p[i + 1] != '\n') break;
      end_line_at(i);
      i += 2;
      if (i < n && p[i] == '.') break;
      if (i + kBlock < n) {
        // Back to whole blocks; each level has passed a line of the block that stopped them.
        const Run more = scan(text.substr(i), 0);
        run.is_eight_bit = run.is_eight_bit || more.is_eight_bit;
        run.longest_line = std::max(run.longest_line, more.longest_line);
        run.octets = i + more.octets;
        run.line = more.octets == 0 ? 0 : more.line;
        run.ends_line = more.octets == 0 || more.ends_line;
        return run;
      }
    } else if (c == '\n') {
      break;
    } else {
      run.is_eight_bit = run.is_eight_bit || (static_cast<unsigned char>(c) & 0x80) != 0;
      ++i;
    }
  }
  run.octets = i;
  run.line = carried + i - line_begin;
  run.ends_line = i != 0 && carried == 0 && line_begin == i;
  return run;
}

}  // namespace

void DataReader::end_line() {
  longest_line_ = std::max(longest_line_, line_);
  line_ = 0;
}

Result<DataProgress> DataReader::feed(std::string_view input, std::string& body) {
  const bool fixes = bare_newlines_ == BareNewlines::Fix;
  std::size_t i = 0;
  while (i < input.size()) {
    const char c = input[i];
    switch (state_) {
      case State::LineStart:
        if (c == '.' && framing_ == Framing::Dots) {
          state_ = State::Dot;
          ++i;
        } else {
          state_ = State::InLine;
        }
        break;
      case State::Dot:
        // RFC 5321 §4.5.2: the first dot of a line that holds more is removed.
        if (c == '\r') {
          state_ = State::DotCr;
          ++i;
        } else {
          state_ = State::InLine;
        }
        break;
      case State::DotCr:
        if (c == '\n') {
          end_line();
          return DataProgress{i + 1, true};
        }
        if (!fixes) return Errc::BareNewline;
        body += "\r\n";
        end_line();
        state_ = State::InLine;
        break;
      case State::InLine: {
        const Run run = scan(input.substr(i), line_);
        if (run.octets != 0) {
          body.append(input.data() + i, run.octets);
          i += run.octets;
          line_ = run.line;
          longest_line_ = std::max(longest_line_, run.longest_line);
          is_eight_bit_ = is_eight_bit_ || run.is_eight_bit;
          if (run.ends_line) {
            state_ = State::LineStart;
            break;
          }
        }
        if (i >= input.size()) break;
        if (input[i] == '\r') {
          body += '\r';
          ++line_;
          state_ = State::AfterCr;
          ++i;
        } else {  // LF: the scan stops at nothing else inside a line.
          if (!fixes) return Errc::BareNewline;
          body += "\r\n";
          end_line();
          ++i;
        }
        break;
      }
      case State::AfterCr:
        if (c == '\n') {
          body += '\n';
          --line_;
          end_line();
          state_ = State::LineStart;
          ++i;
        } else if (c == '\r') {
          if (fixes) {
            body += "\n\r";
            --line_;
            end_line();
            line_ = 1;
          } else {
            body += '\r';
            ++line_;
          }
          ++i;
        } else {
          // One CR, or several, with no LF behind them.
          if (!fixes) return Errc::BareNewline;
          body += '\n';
          --line_;
          end_line();
          state_ = State::InLine;
        }
        break;
    }
  }
  return DataProgress{i, false};
}

}  // namespace ekiden::smtp
