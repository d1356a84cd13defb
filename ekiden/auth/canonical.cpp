// What holds here:
// - relax() passes on a stream in which no white space stands twice or before CRLF; a run that may
//   still grow is in holds_blank_, never passed on.
// - pass() has passed on everything but CRLFs of which nobody knows whether content follows.
#include "ekiden/auth/canonical.hpp"

#include <algorithm>
#include <cstring>

#include "ekiden/auth/relaxed_block.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

constexpr std::string_view kCrLf = "\r\n";
/// Octets behind a block that may be read: each copy is a whole block.
constexpr std::size_t kStep = kRelaxedBlock;
/// From here on a run that needs no change is passed on where it lies; a shorter one is cheaper
/// to copy than to hash alone.
constexpr std::size_t kDirectMin = 1024;

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

void append_relaxed_value(std::string_view value, std::string& out) {
  // What surrounds the value goes, runs become one space, folds vanish.
  const std::size_t start = out.size();
  bool has_gap = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (is_blank(c)) {
      has_gap = true;
    } else if (c == '\r' && i + 1 < value.size() && value[i + 1] == '\n') {
      ++i;
    } else {
      if (has_gap && out.size() > start) out.push_back(' ');
      has_gap = false;
      out.push_back(c);
    }
  }
}

void append_relaxed_name(const message::Field& field, std::string& out) {
  for (const char c : field.name) out.push_back(base::to_lower(c));
  out.push_back(':');
}

}  // namespace

std::string_view canonicalization_name(Canonicalization canonicalization) {
  return canonicalization == Canonicalization::Simple ? "simple" : "relaxed";
}

std::optional<Canonicalization> parse_canonicalization(std::string_view name) {
  if (name == "simple") return Canonicalization::Simple;
  if (name == "relaxed") return Canonicalization::Relaxed;
  return std::nullopt;
}

void append_canonical_field(Canonicalization canonicalization, const message::Field& field,
                            std::string& out) {
  if (canonicalization == Canonicalization::Simple) {
    out.append(field.octets);
    // The last line of a message without a body may lack it.
    if (!field.octets.ends_with(kCrLf)) out.append(kCrLf);
    return;
  }
  append_relaxed_name(field, out);
  append_relaxed_value(field.value, out);
  out.append(kCrLf);
}

void append_canonical_signature(Canonicalization canonicalization, const message::Field& field,
                                std::string_view b_raw, std::string& out) {
  const auto cut = static_cast<std::size_t>(b_raw.data() - field.octets.data());
  std::string octets(field.octets.substr(0, cut));
  octets.append(field.octets.substr(cut + b_raw.size()));
  if (octets.ends_with(kCrLf)) octets.resize(octets.size() - kCrLf.size());
  if (canonicalization == Canonicalization::Simple) {
    out.append(octets);
    return;
  }
  append_relaxed_name(field, out);
  const auto value = static_cast<std::size_t>(field.value.data() - field.octets.data());
  append_relaxed_value(std::string_view(octets).substr(value), out);
}

void BodyCanonicalizer::update(std::string_view octets) {
  if (canonicalization_ == Canonicalization::Simple) {
    pass(octets);
  } else {
    relax(octets);
  }
}

void BodyCanonicalizer::finish() {
  if (canonicalization_ == Canonicalization::Relaxed) {
    // White space at the very end is at the end of a line; before a lone CR it is not.
    if (holds_cr_) put(" \r");
    flush_work();
  }
  if (held_cr_) {
    emit_held_lines();
    sink_.take("\r");
    has_content_ = true;
  }
  // RFC 6376 §3.4.3: an empty body is one CRLF; §3.4.4: an empty body stays empty.
  if (has_content_ || canonicalization_ == Canonicalization::Simple) sink_.take(kCrLf);
}

/// Decides about white space that the octets before ended with. Gives where to go on.
const char* BodyCanonicalizer::settle_held(const char* p, const char* end) {
  while (p < end && (holds_blank_ || holds_cr_)) {
    if (holds_cr_) {
      put(*p == '\n' ? std::string_view("\r\n") : std::string_view(" \r"));
      if (*p == '\n') ++p;
      holds_cr_ = holds_blank_ = false;
    } else if (is_blank(*p)) {
      ++p;
    } else if (*p == '\r') {
      holds_cr_ = true;
      ++p;
    } else {
      put(" ");
      holds_blank_ = false;
    }
  }
  return p;
}

void BodyCanonicalizer::relax(std::string_view octets) {
  const char* p = octets.data();
  const char* end = p + octets.size();
  p = settle_held(p, end);
  if (p == end) return;

  // White space at the end waits for what follows, also with a CR behind it.
  const char* last = end;
  if (last[-1] == '\r' && last - p >= 2 && is_blank(last[-2])) {
    holds_cr_ = true;
    --last;
  }
  if (is_blank(last[-1])) {
    holds_blank_ = true;
    while (last > p && is_blank(last[-1])) --last;
  }

  // From here the last octet is no white space, and two octets may be looked at behind any that is.
  // Behind a block that changes the next one mostly does too: it is not asked first.
  const char* clean = p;
  bool changes = false;
  while (last - p >= static_cast<std::ptrdiff_t>(kRelaxedBlock + kStep)) {
    if (!changes && is_relaxed_block(p)) {
      p += kRelaxedBlock;
      continue;
    }
    add_clean(clean, p);
    changes = compact_block(p);
    p += kRelaxedBlock;
    clean = p;
  }
  add_clean(clean, p);
  compact(p, last);
  // The octets are the caller's: what lies in the work buffer may stay there.
}

void BodyCanonicalizer::add_clean(const char* begin, const char* end) {
  const std::string_view octets(begin, static_cast<std::size_t>(end - begin));
  if (octets.size() < kDirectMin) return put(octets);
  flush_work();
  pass(octets);
}

/// White space goes when more of it or a line end follows; what stays is a space. So each octet is
/// decided by the two behind it. `end` lies behind an octet that is no white space, or has two
/// octets of the input behind it.
void BodyCanonicalizer::compact(const char* begin, const char* end) {
  for (; end - begin >= static_cast<std::ptrdiff_t>(kRelaxedBlock + kStep);
       begin += kRelaxedBlock) {
    compact_block(begin);
  }
  // Of what is left each octet alone. The last one of all is not blank: nothing behind it is read.
  if (work_.size() - work_octets_ < kRelaxedBlock + kStep) flush_work();
  for (; begin < end; ++begin) {
    const bool blank = is_blank(*begin);
    if (blank && (is_blank(begin[1]) || (begin[1] == '\r' && begin[2] == '\n'))) continue;
    work_[work_octets_++] = blank ? ' ' : *begin;
  }
}

/// One block, behind which kStep octets may be read. True when it was not clean.
bool BodyCanonicalizer::compact_block(const char* block) {
  if (work_.size() - work_octets_ < kRelaxedBlock + kStep) flush_work();
  const RelaxedBlock relaxed = relax_block(block, work_.data() + work_octets_);
  work_octets_ += relaxed.octets;
  return relaxed.has_changed;
}

void BodyCanonicalizer::put(std::string_view octets) {
  if (work_.size() - work_octets_ < octets.size()) flush_work();
  if (octets.empty()) return;
  std::memcpy(work_.data() + work_octets_, octets.data(), octets.size());
  work_octets_ += octets.size();
}

void BodyCanonicalizer::flush_work() {
  pass({work_.data(), work_octets_});
  work_octets_ = 0;
}

void BodyCanonicalizer::pass(std::string_view octets) {
  if (octets.empty()) return;
  if (held_cr_) {
    held_cr_ = false;
    if (octets.front() == '\n') {
      ++held_lines_;
      octets.remove_prefix(1);
    } else {
      emit_held_lines();
      sink_.take("\r");
      has_content_ = true;
    }
  }
  if (octets.empty()) return;
  std::size_t end = octets.size();
  if (octets.back() == '\r') {
    held_cr_ = true;
    --end;
  }
  std::uint64_t lines = 0;
  while (end >= 2 && octets[end - 1] == '\n' && octets[end - 2] == '\r') {
    end -= 2;
    ++lines;
  }
  if (end > 0) {
    emit_held_lines();
    sink_.take(octets.substr(0, end));
    has_content_ = true;
  }
  held_lines_ += lines;
}

void BodyCanonicalizer::emit_held_lines() {
  constexpr std::string_view kLines =
      "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
  while (held_lines_ > 0) {
    const auto lines = std::min<std::uint64_t>(held_lines_, kLines.size() / 2);
    sink_.take(kLines.substr(0, lines * 2));
    held_lines_ -= lines;
  }
}

}  // namespace ekiden::auth
