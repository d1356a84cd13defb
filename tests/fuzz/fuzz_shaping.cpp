// A provider's file and a reply. Any file is read or refused with words and a place; what is taken
// reaches every rule by its own examples. Any reply has a classification, the same each time, that
// is never hard unless the reply is permanent.
//
// First octet: bit 0: the rest is a file, else a reply; bits 1 to 3: its phase.
#include "ekiden/shaping/providers.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::shaping;

void read_file(std::string_view text) {
  static const std::vector<RuleFile> kShipped = {
      {"default.toml", "[[reply]]\ncode = \"5xx\"\nreason = \"policy\"\nexample = \"550 no\"\n",
       ""},
      {"big.toml", "mx = [\"*.big.example\"]\n", ""}};
  for (const char* const name : {"mine.toml", "default.toml"}) {
    const LoadedProviders loaded =
        build_providers(kShipped, {{name, std::string(text), std::string("dir/") + name}});
    for (const auto& d : loaded.diagnostics) {
      FUZZ_CHECK(!d.message.empty() && !d.file.empty(),
                 "a complaint says what is wrong, and where");
    }
    FUZZ_CHECK((loaded.providers == nullptr) == !loaded.diagnostics.empty(), "all or nothing");
    if (!loaded.providers) continue;
    for (const auto& profile : loaded.providers->all()) {
      FUZZ_CHECK(profile->limits.connections > 0, "a limit is one");
      for (const ReplyRule& rule : profile->rules) {
        FUZZ_CHECK(!rule.examples.empty(), "a rule has an example");
      }
    }
  }
}

void classify(std::string_view text, Phase phase) {
  static const LoadedProviders kShipped = load_providers("");
  FUZZ_CHECK(kShipped.providers != nullptr, "what is shipped is fine");
  const ReplyFacts facts = parse_reply_facts(text, phase);
  const std::string domain(text.substr(0, text.find(' ')));
  for (const auto& profile : kShipped.providers->all()) {
    const Classification once = kShipped.providers->classify(facts, *profile);
    const Classification twice = kShipped.providers->classify(facts, *profile);
    FUZZ_CHECK(once.reason == twice.reason && once.rule == twice.rule, "the same each time");
    FUZZ_CHECK(!once.is_hard || once.action == Action::Bounce || facts.code >= 500,
               "only what is permanent is hard");
  }
  (void)kShipped.providers->find(text, domain);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t decisions = input.octet();
  if ((decisions & 1) != 0) {
    read_file(input.rest());
  } else {
    classify(input.rest(), static_cast<Phase>((decisions >> 1 & 7) % kPhases));
  }
  return 0;
}
