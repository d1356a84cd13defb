#pragma once

#include <re2/re2.h>
#include <re2/set.h>

#include <memory>
#include <string>
#include <vector>

#include "ekiden/shaping/reply_rule.hpp"

namespace ekiden::shaping {

/// Rules in order, of which the first that matches counts. All patterns are searched for in one
/// pass over the text. Const after construction: any thread may ask.
class RuleList {
 public:
  RuleList() = default;
  /// Every text of a rule must have passed `pattern_problem`.
  explicit RuleList(std::vector<ReplyRule> rules);

  const std::vector<ReplyRule>& rules() const { return rules_; }
  /// The first rule that matches; nothing when none does. `facts` are of a PreparedReply.
  const ReplyRule* find(const ReplyFacts& facts) const;
  /// Whether the rule would match if it stood alone.
  bool matches(std::size_t index, const ReplyFacts& facts) const;

  /// What is wrong with a pattern; empty: nothing.
  static std::string pattern_problem(const std::string& pattern);

 private:
  std::vector<ReplyRule> rules_;
  std::vector<std::unique_ptr<RE2>> patterns_;  ///< by rule, where set_ cannot be; else empty
  std::unique_ptr<RE2::Set> set_;               ///< of all texts
  std::vector<std::size_t> by_set_;             ///< the rule of each member of set_
  std::vector<std::size_t> textless_;           ///< rules without a text, ascending
};

}  // namespace ekiden::shaping
