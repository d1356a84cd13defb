#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "ekiden/rewrite/rules.hpp"

/// What tests of rewriting share.
namespace ekiden::rewrite {

inline constexpr base::Duration kDay = std::chrono::hours(24);

inline const account::HashKey& key() {
  static const account::HashKey kKey(std::string(account::kHashOctets, 'k'));
  return kKey;
}

inline std::shared_ptr<const RuleSet> rules_of(std::vector<RuleOptions> options) {
  std::string why;
  auto rules = RuleSet::make(std::move(options), &key(), "relay.example.jp", 35 * kDay, why);
  EXPECT_NE(rules, nullptr) << why;
  return rules;
}

inline std::string refusal_of(RuleOptions options) {
  std::string why;
  EXPECT_EQ(RuleSet::make({std::move(options)}, nullptr, "h", kDay, why), nullptr);
  return why;
}

inline constexpr Circumstances kHere{"127.0.0.1:2525", "shop", "bulk", {}};

struct Outcome {
  std::string reverse_path, header;
  Rewritten made;
};

inline Outcome accept(const RuleSet& rules, std::string_view header,
                      std::string_view sender = "a@b.jp", Circumstances at = kHere) {
  Submitted message;
  message.at = at;
  message.id = {1, 2};
  message.reverse_path = sender;
  message.header = header;
  message.header_from = "taro@web1.corp.example";
  message.message_id = "<m@x>";
  message.tag = "spring sale";
  Outcome out;
  out.made = rules.accept(message);
  out.reverse_path = out.made.reverse_path.value_or(std::string(sender));
  out.header = out.made.header.apply(header);
  return out;
}

inline RuleOptions named(std::string name) {
  RuleOptions rule;
  rule.name = std::move(name);
  return rule;
}

}  // namespace ekiden::rewrite
