// Goal: replies that others labelled are named as they named them.
// Method: ../shared/data/bounce/reply-pairs.tsv, where it is; the floors lie just below what is
// reached.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "ekiden/base/text.hpp"
#include "ekiden/shaping/providers.hpp"

namespace ekiden::shaping {
namespace {

/// Their label, ours that say the same, and its coarse class.
struct Label {
  std::set<Reason> reasons;
  ReplyClass klass;
};

const std::map<std::string, Label>& labels() {
  using R = Reason;
  using C = ReplyClass;
  static const std::map<std::string, Label> kLabels = {
      {"userunknown", {{R::UserUnknown}, C::BadAddress}},
      {"hostunknown", {{R::Dns}, C::BadAddress}},
      {"hasmoved", {{R::Moved}, C::BadAddress}},
      {"notaccept", {{R::NotAccepting}, C::BadAddress}},
      {"mailboxfull", {{R::MailboxFull}, C::FullOrSuspended}},
      {"suspend", {{R::MailboxDisabled}, C::FullOrSuspended}},
      {"filtered", {{R::Filtered}, C::BlockOrPolicy}},
      {"rejected", {{R::SenderRejected}, C::BlockOrPolicy}},
      {"blocked", {{R::ReputationIp}, C::BlockOrPolicy}},
      {"badreputation", {{R::ReputationIp, R::ReputationDomain}, C::BlockOrPolicy}},
      {"policyviolation", {{R::Policy}, C::BlockOrPolicy}},
      {"authfailure", {{R::Authentication}, C::BlockOrPolicy}},
      {"requireptr", {{R::ReverseDns}, C::BlockOrPolicy}},
      {"securityerror", {{R::AccessDenied}, C::BlockOrPolicy}},
      {"spamdetected", {{R::SpamContent}, C::BlockOrPolicy}},
      {"virusdetected", {{R::Virus}, C::BlockOrPolicy}},
      {"norelaying", {{R::RelayDenied}, C::BlockOrPolicy}},
      {"contenterror", {{R::Content}, C::BlockOrPolicy}},
      {"notcompliantrfc", {{R::Content}, C::BlockOrPolicy}},
      {"systemerror", {{R::System}, C::Transient}},
      {"mailererror", {{R::System}, C::Transient}},
      {"systemfull", {{R::SystemFull}, C::Transient}},
      {"networkerror", {{R::Network}, C::Transient}},
      {"expired", {{R::Network}, C::Transient}},
      {"toomanyconn", {{R::RateLimited}, C::Transient}},
      {"speeding", {{R::RateLimited}, C::Transient}},
      {"onhold", {{R::OnHold, R::Greylisted}, C::Transient}},
      {"mesgtoobig", {{R::TooLarge}, C::Other}},
      {"exceedlimit", {{R::TooLarge}, C::Other}},
      {"syntaxerror", {{R::Syntax}, C::Other}},
      {"delivered", {{R::Delivered}, C::Other}},
      {"undefined", {{R::Undefined}, C::Other}},
  };
  return kLabels;
}

std::vector<std::string> columns(const std::string& line) {
  std::vector<std::string> all(1);
  for (const char c : line) {
    if (c == '\t') {
      all.emplace_back();
    } else {
      all.back() += c;
    }
  }
  return all;
}

/// The set says DATA for both answers to it. Of a message's end most tell.
Phase phase_of(const std::string& word) {
  if (word == "DATA") return Phase::Eod;
  return parse_phase(word).value_or(Phase::Unknown);
}

TEST(ReplyPairs, RepliesThatOthersLabelledAreNamedAsTheyNamedThem) {
  std::ifstream in(std::string(EKIDEN_SOURCE_DIR) + "/../shared/data/bounce/reply-pairs.tsv");
  if (!in) GTEST_SKIP() << "no ../shared/data/bounce";
  const LoadedProviders loaded = load_providers("");
  ASSERT_TRUE(loaded.providers);
  const bool is_told = std::getenv("EKIDEN_SHOW_MISSES") != nullptr;

  int all = 0, named = 0, exact = 0, coarse = 0, hard = 0;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    const std::vector<std::string> c = columns(line);
    if (c.size() < 9) continue;
    const auto label = labels().find(c[5]);
    ASSERT_NE(label, labels().end()) << c[5];
    ReplyFacts facts;
    facts.phase = phase_of(c[1]);
    facts.code = static_cast<std::uint16_t>(base::parse_u64(c[2]).value_or(0));
    facts.enhanced = smtp::parse_enhanced_code(c[3]).value_or(smtp::EnhancedCode{});
    facts.text = c[4];
    const Classification got = loaded.providers->classify(facts, c[7], c[8]);
    const bool is_exact = label->second.reasons.contains(got.reason);
    const bool is_coarse = got.klass == label->second.klass;
    const bool is_same_hard = got.is_hard == (c[6] == "1");
    ++all;
    named += got.reason != Reason::Undefined;
    exact += is_exact;
    coarse += is_coarse;
    hard += is_same_hard;
    if (is_told && !(is_exact && is_coarse && is_same_hard)) {
      std::printf("%s %s: %s, not %s (%s by %s)%s\n  %s\n", c[1].c_str(), c[0].c_str(),
                  std::string(name_of(got.reason)).c_str(), c[5].c_str(),
                  std::string(got.provider).c_str(), std::string(got.rule).c_str(),
                  is_same_hard ? "" : " HARD", c[4].substr(0, 250).c_str());
    }
  }
  std::printf("reply pairs %d: a reason for %d, theirs %d, coarse class %d, hard or soft %d\n", all,
              named, exact, coarse, hard);
  ASSERT_GT(all, 200);
  EXPECT_GE(named * 100, all * 99);
  EXPECT_GE(exact * 100, all * 91);
  EXPECT_GE(coarse * 100, all * 95);
  EXPECT_GE(hard * 100, all * 95);
}

}  // namespace
}  // namespace ekiden::shaping
