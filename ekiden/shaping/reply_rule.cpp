#include "ekiden/shaping/reply_rule.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::shaping {

namespace {

constexpr std::string_view kPhaseWords[] = {"connect", "ehlo", "mail", "rcpt", "data", "eod"};

bool is_reply_code(std::string_view text) {
  return text.size() >= 3 && text[0] >= '2' && text[0] <= '5' && base::is_digit(text[1]) &&
         base::is_digit(text[2]);
}

std::string_view trimmed_front(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

/// An enhanced code with a space or the end behind it.
std::optional<smtp::EnhancedCode> take_enhanced(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const auto code = smtp::parse_enhanced_code(text.substr(0, end));
  if (code) text = trimmed_front(text.substr(end));
  return code;
}

}  // namespace

const std::vector<std::string>& phase_names() {
  static const std::vector<std::string> kNames(std::begin(kPhaseWords), std::end(kPhaseWords));
  return kNames;
}

std::optional<Phase> parse_phase(std::string_view word) {
  for (std::size_t i = 0; i < std::size(kPhaseWords); ++i) {
    if (base::equals_ignoring_case(word, kPhaseWords[i])) return static_cast<Phase>(i + 1);
  }
  if (base::equals_ignoring_case(word, "helo")) return Phase::Ehlo;
  return std::nullopt;
}

std::optional<Ending> parse_ending(std::string_view word) {
  if (word == "reset") return Ending::Reset;
  if (word == "closed") return Ending::Closed;
  if (word == "timeout") return Ending::TimedOut;
  return std::nullopt;
}

ReplyFacts parse_reply_facts(std::string_view text, Phase phase) {
  ReplyFacts facts;
  facts.phase = phase;
  if (const auto ending = parse_ending(text)) {
    facts.ending = *ending;
    return facts;
  }
  facts.text = text;
  if (is_reply_code(text)) {
    facts.code = static_cast<std::uint16_t>(*base::parse_u64(text.substr(0, 3)));
  }
  return normalized(facts);
}

ReplyFacts normalized(ReplyFacts facts) {
  std::string_view text = trimmed_front(facts.text);
  // Some servers repeat the code: "550 550 5.7.1 Denied".
  for (int i = 0; i < 2; ++i) {
    if (is_reply_code(text) && base::parse_u64(text.substr(0, 3)) == facts.code &&
        (text.size() == 3 || text[3] == ' ' || text[3] == '-')) {
      text = trimmed_front(text.substr(std::min<std::size_t>(4, text.size())));
    }
    std::string_view rest = text;
    if (const auto code = take_enhanced(rest)) {
      if (!facts.enhanced) facts.enhanced = *code;
      text = rest;
    }
  }
  facts.text = text;
  return facts;
}

PreparedReply::PreparedReply(const ReplyFacts& raw) : facts_(normalized(raw)) {
  constexpr std::string_view kBounds = " \t<>()[]\"',;:";
  constexpr std::string_view kMask = "a@b";
  const std::string_view text = facts_.text.substr(0, kReplyTextMax);
  text_.reserve(text.size());
  std::size_t copied = 0;
  for (std::size_t at = text.find('@'); at != text.npos; at = text.find('@', at)) {
    std::size_t begin = at, end = at + 1;
    while (begin > copied && kBounds.find(text[begin - 1]) == kBounds.npos) --begin;
    while (end < text.size() && kBounds.find(text[end]) == kBounds.npos) ++end;
    // "a@example.org... User unknown": the dots belong to the sentence.
    while (end > at + 1 && text[end - 1] == '.') --end;
    text_.append(text.substr(copied, begin - copied));
    text_.append(kMask);
    copied = at = end;
  }
  text_.append(text.substr(copied));
  facts_.text = text_;
}

bool EnhancedPattern::matches(smtp::EnhancedCode code) const {
  return code && (klass == kAny || klass == code.klass) &&
         (subject == kAny || subject == code.subject) && (detail == kAny || detail == code.detail);
}

std::optional<EnhancedPattern> parse_enhanced_pattern(std::string_view text) {
  const std::size_t first = text.find('.');
  const std::size_t second = first == text.npos ? text.npos : text.find('.', first + 1);
  if (second == text.npos) return std::nullopt;
  const auto part = [](std::string_view word) -> std::optional<std::uint16_t> {
    if (word == "*") return EnhancedPattern::kAny;
    const auto number = base::parse_u64(word);
    if (!number || *number > 999) return std::nullopt;
    return static_cast<std::uint16_t>(*number);
  };
  const auto klass = part(text.substr(0, first));
  const auto subject = part(text.substr(first + 1, second - first - 1));
  const auto detail = part(text.substr(second + 1));
  if (!klass || !subject || !detail) return std::nullopt;
  if (*klass != EnhancedPattern::kAny && *klass != 2 && *klass != 4 && *klass != 5) {
    return std::nullopt;
  }
  return EnhancedPattern{*klass, *subject, *detail};
}

std::optional<CodePattern> parse_code_pattern(std::string_view text) {
  if (text.size() != 3 || text[0] < '2' || text[0] > '5') return std::nullopt;
  CodePattern pattern;
  bool is_open = false;
  for (const char c : text) {
    const bool is_any = c == 'x';
    if (!is_any && (is_open || !base::is_digit(c))) return std::nullopt;
    is_open = is_open || is_any;
    pattern.low = static_cast<std::uint16_t>(pattern.low * 10 + (is_any ? 0 : c - '0'));
    pattern.high = static_cast<std::uint16_t>(pattern.high * 10 + (is_any ? 9 : c - '0'));
  }
  return pattern;
}

bool ReplyRule::matches_codes(const ReplyFacts& facts) const {
  if (facts.ending != ending.value_or(Ending::Reply)) return false;
  if (phases != 0 && (phases >> static_cast<unsigned>(facts.phase) & 1) == 0) return false;
  const auto fits = [](const auto& patterns, auto value) {
    return patterns.empty() || std::any_of(patterns.begin(), patterns.end(),
                                           [&](const auto& p) { return p.matches(value); });
  };
  return fits(codes, facts.code) && fits(enhanced, facts.enhanced);
}

}  // namespace ekiden::shaping
