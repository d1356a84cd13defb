#include "ekiden/shaping/providers.hpp"

#include <gtest/gtest.h>

namespace ekiden::shaping {
namespace {

std::string words(const std::vector<config::Diagnostic>& diagnostics) {
  std::string text;
  for (const auto& d : diagnostics) text += format_diagnostic(d) + "\n";
  return text;
}

const Providers& shipped() {
  static const LoadedProviders kLoaded = load_providers("");
  if (!kLoaded.providers) {
    ADD_FAILURE() << words(kLoaded.diagnostics);
    std::abort();
  }
  return *kLoaded.providers;
}

/// What the small set says of one more file.
std::string complaints(const std::string& text, const std::string& name = "mine.toml") {
  static const std::vector<RuleFile> kSmall = {
      {"default.toml",
       "[[reply]]\ntext = 'unknown'\nreason = \"user_unknown\"\nexample = \"550 unknown\"\n", ""},
      {"big.toml", "mx = [\"*.big.example\"]\n", ""},
  };
  return words(build_providers(kSmall, {{name, text, "dir/" + name}}).diagnostics);
}

Classification classify(std::string_view text, Phase phase, std::string_view host,
                        std::string_view domain = "") {
  return shipped().classify(parse_reply_facts(text, phase), host, domain);
}

TEST(Providers, EveryShippedRuleIsReachedByItsExamples) {
  const LoadedProviders loaded = load_providers("");
  EXPECT_EQ(words(loaded.diagnostics), "");
  ASSERT_TRUE(loaded.providers);
  std::size_t rules = 0;
  for (const auto& profile : loaded.providers->all()) {
    for (const ReplyRule& rule : profile->rules) {
      ++rules;
      ASSERT_FALSE(rule.examples.empty()) << rule.origin;
      for (const std::string& example : rule.examples) {
        for (std::size_t p = 0; p < kPhases; ++p) {
          if (rule.phases == 0 ? p != 0 : (rule.phases >> p & 1) == 0) continue;
          const auto facts = parse_reply_facts(example, static_cast<Phase>(p));
          EXPECT_EQ(loaded.providers->classify(facts, *profile).rule, rule.origin) << example;
        }
      }
    }
  }
  EXPECT_GT(rules, 100u);
}

}  // namespace
}  // namespace ekiden::shaping
