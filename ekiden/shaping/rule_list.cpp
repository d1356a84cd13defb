#include "ekiden/shaping/rule_list.hpp"

#include <algorithm>

#include "ekiden/base/assert.hpp"

namespace ekiden::shaping {

namespace {

constexpr std::size_t kPatternOctetsMax = 2000;
/// What one compiled pattern may take; RE2 refuses a larger one.
constexpr std::int64_t kPatternMemory = 256 << 10;
/// Of all patterns of a list together, the states of their automaton included.
constexpr std::int64_t kSetMemory = 16 << 20;

RE2::Options options(std::int64_t memory) {
  RE2::Options options;
  options.set_case_sensitive(false);
  // Replies come in any charset, and Latin-1 knows no invalid octet.
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  options.set_max_mem(memory);
  return options;
}

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

std::string RuleList::pattern_problem(const std::string& pattern) {
  if (pattern.size() > kPatternOctetsMax) return "it is longer than 2000 octets";
  const RE2 compiled(pattern, options(kPatternMemory));
  if (!compiled.ok()) return compiled.error();
  if (RE2::PartialMatch("", compiled)) return "it matches the empty text, and so every reply";
  return {};
}

RuleList::RuleList(std::vector<ReplyRule> rules) : rules_(std::move(rules)) {
  auto set = std::make_unique<RE2::Set>(options(kSetMemory), RE2::UNANCHORED);
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const std::string& text = rules_[i].text;
    if (text.empty()) {
      textless_.push_back(i);
    } else if (set->Add(text, nullptr) >= 0) {
      by_set_.push_back(i);
    }
  }
  // Where the patterns are too many for one automaton, each is searched for by itself.
  if (by_set_.size() + textless_.size() == rules_.size() && !by_set_.empty() && set->Compile()) {
    set_ = std::move(set);
    return;
  }
  for (const ReplyRule& rule : rules_) {
    const bool has_text = !rule.text.empty();
    patterns_.push_back(has_text ? std::make_unique<RE2>(rule.text, options(kPatternMemory))
                                 : nullptr);
    EKIDEN_ASSERT(!has_text || patterns_.back()->ok(), "patterns are checked before");
  }
}

bool RuleList::matches(std::size_t index, const ReplyFacts& facts) const {
  const ReplyRule& rule = rules_[index];
  if (!rule.matches_codes(facts)) return false;
  if (rule.text.empty()) return true;
  if (!patterns_.empty()) return RE2::PartialMatch(piece(facts.text), *patterns_[index]);
  return RE2::PartialMatch(piece(facts.text), RE2(rule.text, options(kPatternMemory)));
}

const ReplyRule* RuleList::find(const ReplyFacts& facts) const {
  const auto first_of = [&](const std::vector<std::size_t>& candidates) {
    const auto it = std::find_if(candidates.begin(), candidates.end(),
                                 [&](std::size_t i) { return rules_[i].matches_codes(facts); });
    return it == candidates.end() ? rules_.size() : *it;
  };
  std::size_t best = first_of(textless_);
  std::vector<int> found;
  RE2::Set::ErrorInfo error{RE2::Set::kNoError};
  if (set_ &&
      (set_->Match(piece(facts.text), &found, &error) || error.kind == RE2::Set::kNoError)) {
    for (const int member : found) {
      const std::size_t i = by_set_[static_cast<std::size_t>(member)];
      if (i < best && rules_[i].matches_codes(facts)) best = i;
    }
  } else {
    for (std::size_t i = 0; i < best; ++i) {
      if (!rules_[i].text.empty() && matches(i, facts)) best = i;
    }
  }
  return best < rules_.size() ? &rules_[best] : nullptr;
}

}  // namespace ekiden::shaping
