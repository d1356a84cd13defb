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

// docomo says the same of a user who is not there and of one whose filter refuses the message.
TEST(Providers, DocomoMeansDifferentThingsAtRcptAndBehindTheMessage) {
  const auto rcpt = classify("550 Unknown user a@docomo.ne.jp", Phase::Rcpt, "mfsmax.docomo.ne.jp");
  EXPECT_EQ(rcpt.reason, Reason::UserUnknown);
  EXPECT_TRUE(rcpt.is_hard);
  const auto eod = classify("550 Unknown user a@docomo.ne.jp", Phase::Eod, "mfsmax.docomo.ne.jp");
  EXPECT_EQ(eod.reason, Reason::Filtered);
  EXPECT_FALSE(eod.is_hard);
  EXPECT_EQ(eod.fault, Fault::Recipient);
}

TEST(Providers, AuMeansDifferentThingsWithAndWithoutTheAddress) {
  const auto unknown = classify("550 <a@ezweb.ne.jp>: User unknown", Phase::Rcpt, "msmx.au.com");
  EXPECT_EQ(unknown.reason, Reason::UserUnknown);
  EXPECT_TRUE(unknown.is_hard);
  const auto filtered = classify("550 : User unknown", Phase::Eod, "lsean.ezweb.ne.jp");
  EXPECT_EQ(filtered.reason, Reason::Filtered);
  EXPECT_FALSE(filtered.is_hard);
}

TEST(Providers, AuThrottlesByResetAndOthersHaveTroubleWithTheNetwork) {
  const auto au = classify("reset", Phase::Connect, "msmx.au.com");
  EXPECT_EQ(au.reason, Reason::RateLimited);
  EXPECT_EQ(au.action, Action::SlowDown);
  const auto other = classify("reset", Phase::Rcpt, "mx.example.org");
  EXPECT_EQ(other.reason, Reason::Network);
  EXPECT_EQ(other.action, Action::None);
}

TEST(Providers, TheLongestSuffixWins) {
  const auto name = [](const char* mx, const char* domain) {
    return shipped().find(mx, domain).name;
  };
  EXPECT_EQ(name("outlook-com.olc.protection.outlook.com", ""), "outlook");
  EXPECT_EQ(name("example-jp.mail.protection.outlook.com", "example.jp"), "microsoft365");
  EXPECT_EQ(name("EXAMPLE-JP.a-v1.MX.Microsoft.", ""), "microsoft365");
  EXPECT_EQ(name("mta5.am0.yahoodns.net", ""), "yahoo");
  EXPECT_EQ(name("mx1.mail.yahoo.co.jp", ""), "yahoo_japan");
  EXPECT_EQ(name("aspmx.l.google.com", "example.org"), "gmail");
  EXPECT_EQ(name("mx.example.org", "docomo.ne.jp"), "docomo") << "by the recipient's domain";
  EXPECT_EQ(name("mx.example.org", "a.ezweb.ne.jp"), "au");
  EXPECT_EQ(name("google.com", ""), "default") << "\"*.google.com\" is what lies below";
  EXPECT_EQ(name("notgoogle.com", ""), "default");
  EXPECT_EQ(name("", ""), "default");
  EXPECT_EQ(name(std::string(300, 'a').c_str(), ".."), "default");
}

TEST(Providers, EveryLimitIsThereAndTheDefaultsAreInherited) {
  for (const auto& profile : shipped().all()) {
    EXPECT_GT(profile->limits.connections, 0u) << profile->name;
    // Of whom nobody knows anything the rate is learnt.
    EXPECT_EQ(profile->limits.rate.is_off(), profile->name == "default") << profile->name;
    EXPECT_FALSE(profile->limits.rate_floor.is_off()) << profile->name;
  }
  for (const char* const name :
       {"gmail",    "yahoo",   "outlook",     "microsoft365", "apple",     "comcast", "gmx_webde",
        "orange",   "qq",      "netease163",  "mimecast",     "barracuda", "docomo",  "au",
        "softbank", "rakuten", "yahoo_japan", "ocn",          "nifty",     "biglobe", "sonet",
        "plala",    "jcom",    "uq",          "default"}) {
    EXPECT_NE(shipped().find_by_name(name), nullptr) << name;
  }
  EXPECT_EQ(shipped().find_by_name("gmail")->tls, TlsWish::Required);
  EXPECT_EQ(shipped().find_by_name("docomo")->limits.recipients_per_transaction, 50u);
}

// An address is not what is said of it.
TEST(Providers, WordsInAddressesAreNotLookedAt) {
  EXPECT_EQ(classify("550 5.1.1 <spam.virus@example.org>: User unknown", Phase::Rcpt, "").reason,
            Reason::UserUnknown);
  EXPECT_EQ(classify("550 5.1.1 spf@policy.example... User unknown", Phase::Rcpt, "").reason,
            Reason::UserUnknown);
}

TEST(Providers, ATransientReplyIsNeverHard) {
  const auto made = classify("450 4.1.1 <a@example.org>: User unknown in table", Phase::Rcpt, "");
  EXPECT_EQ(made.reason, Reason::UserUnknown);
  EXPECT_FALSE(made.is_hard);
}

TEST(Providers, ReputationNeverSuppressesAnAddress) {
  for (const auto& profile : shipped().all()) {
    for (const ReplyRule& rule : profile->rules) {
      if (!rule.is_hard) continue;
      EXPECT_EQ(rule.klass, ReplyClass::BadAddress) << rule.origin;
    }
  }
}

TEST(Providers, WhatNoRuleKnowsIsUndefinedByItsCode) {
  const auto soft = classify("450 4.9.9 xyzzy", Phase::Unknown, "");
  EXPECT_EQ(soft.reason, Reason::Undefined);
  EXPECT_EQ(soft.klass, ReplyClass::Transient);
  EXPECT_EQ(soft.rule, "");
  EXPECT_EQ(classify("550 xyzzy", Phase::Unknown, "").klass, ReplyClass::Other);
  EXPECT_EQ(classify("closed", Phase::Eod, "").reason, Reason::Network);
}

TEST(Providers, AnyTextOfAnyLengthIsClassified) {
  std::string text = "550 ";
  while (text.size() < 100'000) text += "<@@\xff\x00 user unknown";
  (void)classify(text, Phase::Eod, "msmx.au.com");
  ReplyFacts facts;
  facts.code = 550;
  EXPECT_EQ(shipped().classify(facts, "", "").reason, Reason::Undefined);
}

// ---- Files of one's own

constexpr const char* kRule = "[[reply]]\ntext = 'slow'\nreason = \"rate_limited\"\n";

TEST(ProviderFiles, OwnFilesLieOverTheShippedOnes) {
  const std::vector<RuleFile> own = {
      {"gmail.toml",
       "[limits]\nconnections = 99\n[[reply]]\ntext = 'user unknown'\nreason = \"filtered\"\n"
       "example = \"550 user unknown\"\n",
       "dir/gmail.toml"},
      {"mine.toml", "mx = [\"*.Mine.example\"]\n", "dir/mine.toml"}};
  const LoadedProviders loaded = build_providers(shipped_files(), own);
  ASSERT_TRUE(loaded.providers) << words(loaded.diagnostics);
  const Profile& gmail = loaded.providers->find("aspmx.l.google.com", "");
  EXPECT_EQ(gmail.limits.connections, 99u);
  EXPECT_EQ(gmail.limits.messages_per_connection, 50u) << "what it does not name stays";
  EXPECT_EQ(gmail.tls, TlsWish::Required);
  const auto facts = parse_reply_facts("550 user unknown", Phase::Rcpt);
  EXPECT_EQ(loaded.providers->classify(facts, gmail).rule, "dir/gmail.toml:3");
  EXPECT_EQ(loaded.providers->find("a.mine.example", "").name, "mine");
}

// Transactions that began before a reload still have the profile of then.
TEST(ProviderFiles, TheNamesakeAnswersForAProfileOfTheRulesBefore) {
  const auto with = [](const char* name, const char* reason) {
    return build_providers(shipped_files(),
                           {{std::string(name) + ".toml",
                             "mx = [\"*.mine.example\"]\n[[reply]]\ntext = "
                             "'xyzzy'\nreason = \"" +
                                 std::string(reason) + "\"\nexample = \"550 xyzzy\"\n",
                             "dir/mine.toml"}})
        .providers;
  };
  const auto before = with("mine", "policy"), after = with("mine", "content");
  const auto gone = with("other", "content");
  ASSERT_TRUE(before && after && gone);
  const Profile& profile = *before->find_by_name("mine");
  const auto facts = parse_reply_facts("550 xyzzy", Phase::Rcpt);
  EXPECT_EQ(before->classify(facts, profile).reason, Reason::Policy);
  EXPECT_EQ(after->classify(facts, profile).reason, Reason::Content);
  EXPECT_EQ(gone->classify(facts, profile).reason, Reason::Undefined) << "by the default's rules";
  EXPECT_EQ(after->classify(facts, before->fallback()).reason, Reason::Undefined);
}

TEST(ProviderFiles, MistakesNameFileLineAndTheNearestWord) {
  const std::string mx = "mx = [\"*.mine.example\"]\n";
  EXPECT_EQ(complaints("mx = [\"*.mine.example\"]\n[limits]\nconections = 3\n"),
            "dir/mine.toml:3:1: unknown key \"conections\" in [limits]; did you mean "
            "\"connections\"?\n");
  EXPECT_EQ(complaints("mx = [\"*.mine.example.\"]\n"),
            "dir/mine.toml:1:7: mx takes names like \"mx.example.org\" or \"*.example.org\", not "
            "\"*.mine.example.\"; did you mean \"*.mine.example\"?\n");
  EXPECT_NE(complaints("mx = ['*\\.mine\\.example']\n").find("did you mean \"*.mine.example\""),
            std::string::npos);
  EXPECT_NE(complaints("").find("nobody is this provider"), std::string::npos);
  EXPECT_NE(complaints("mx = [\"*.big.example\"]\n").find("which is big's as well"),
            std::string::npos);
  EXPECT_NE(complaints(mx + "[limits]\nrate = 5\n").find("takes a rate like"), std::string::npos);
  EXPECT_NE(complaints(mx + "[limits]\nconnections = 0\n").find("below 1"), std::string::npos);
  EXPECT_NE(complaints(mx, "Mine.toml").find("lower-case"), std::string::npos);
  EXPECT_NE(complaints("mx = [").find("dir/mine.toml:1:"), std::string::npos);
  EXPECT_NE(complaints("mx = [\"*.a.example\"]\n", "default.toml").find("so it has none"),
            std::string::npos);
  EXPECT_EQ(complaints(mx), "");
}

TEST(ProviderFiles, ContradictionsAreErrors) {
  const std::string mx = "mx = [\"*.mine.example\"]\n[limits]\n";
  EXPECT_NE(
      complaints(mx + "rate = \"1/min\"\nrate_floor = \"1/s\"\n").find("is above limits.rate"),
      std::string::npos);
  EXPECT_NE(complaints(mx + "rate = \"10/s\"\nconnection_rate = \"1/s\"\n"
                            "messages_per_connection = 5\n")
                .find("can never be reached"),
            std::string::npos);
  const std::string days = "mx = [\"*.mine.example\"]\n[warm_up]\ndays = ";
  EXPECT_NE(complaints(days + "[10, 5]\n").find("goes down"), std::string::npos);
  EXPECT_NE(complaints(days + "[0]\n").find("from 1 to"), std::string::npos);
  EXPECT_NE(complaints(days + "7\n").find("takes a list"), std::string::npos);
  EXPECT_EQ(complaints(days + "[1, 2, 3]\n"), "");
  const std::string rule = "mx = [\"*.mine.example\"]\n" + std::string(kRule);
  const std::string example = "example = \"421 slow\"\n";
  EXPECT_NE(complaints(rule + example + "action = \"suspend\"\n").find("needs its time"),
            std::string::npos);
  EXPECT_NE(complaints(rule + example + "for = \"1h\"\n").find("no effect"), std::string::npos);
  EXPECT_NE(complaints(rule + example + "code = 421\nhard = true\n").find("not hard"),
            std::string::npos);
  EXPECT_EQ(complaints(rule + example), "");
}

TEST(ProviderFiles, ARuleThatNoReplyReachesIsAnError) {
  const std::string mx = "mx = [\"*.mine.example\"]\n";
  const std::string rule = mx + kRule;
  EXPECT_NE(complaints(rule).find("lacks its key \"example\""), std::string::npos);
  EXPECT_NE(complaints(rule + "example = \"421 fast\"\n").find("does not match this rule's text"),
            std::string::npos);
  EXPECT_NE(complaints(rule + "code = 450\nexample = \"421 slow\"\n")
                .find("does not match this rule's codes"),
            std::string::npos);
  EXPECT_NE(complaints(rule + "example = \"slow\"\n").find("takes a whole reply"),
            std::string::npos);
  const std::string shadowed =
      complaints(mx + "[[reply]]\ntext = 's.ow'\nreason = \"policy\"\nexample = \"550 snow\"\n" +
                 kRule + "example = \"421 slow\"\n");
  EXPECT_NE(shadowed.find("dir/mine.toml:6:1: its example \"421 slow\" reaches dir/mine.toml:2"),
            std::string::npos)
      << shadowed;
}

TEST(ProviderFiles, PatternsThatAreNoneOrMatchAllAreErrors) {
  const auto with = [](const std::string& pattern) {
    return complaints(
        "mx = [\"*.mine.example\"]\n[[reply]]\nreason = \"policy\"\nexample = \"550 "
        "x\"\ntext = '" +
        pattern + "'\n");
  };
  EXPECT_NE(with("(").find("no pattern of RE2"), std::string::npos);
  EXPECT_NE(with("(a)\\1").find("no pattern of RE2"), std::string::npos) << "no back-references";
  EXPECT_NE(with("x*").find("matches the empty text"), std::string::npos);
  EXPECT_NE(with("((x{1,1000}){1,1000}){1,1000}").find("no pattern of RE2"), std::string::npos);
  EXPECT_NE(with("").find("text is empty"), std::string::npos);
}

TEST(ProviderFiles, CodesPhasesAndWordsAreChecked) {
  const auto with = [](const std::string& lines) {
    return complaints("mx = [\"*.mine.example\"]\n" + std::string(kRule) +
                      "example = \"550 5.1.1 slow\"\n" + lines + "\n");
  };
  EXPECT_NE(with("phase = \"rctp\"").find("did you mean \"rcpt\""), std::string::npos);
  EXPECT_NE(with("code = 5").find("reply.code takes"), std::string::npos);
  EXPECT_NE(with("code = \"x50\"").find("reply.code takes"), std::string::npos);
  EXPECT_NE(with("code = \"reset\"").find("has no code, enhanced code or text"), std::string::npos);
  EXPECT_NE(with("enhanced = \"5.1\"").find("reply.enhanced takes"), std::string::npos);
  EXPECT_NE(with("enhanced = \"3.1.1\"").find("reply.enhanced takes"), std::string::npos);
  EXPECT_NE(with("action = \"slowdown\"").find("did you mean \"slow_down\""), std::string::npos);
  EXPECT_NE(with("fault = 3").find("reply.fault takes"), std::string::npos);
  EXPECT_EQ(with("code = [\"5xx\", 450]\nenhanced = [\"5.1.*\", \"4.*.*\"]\nphase = [\"rcpt\", "
                 "\"eod\"]\nhard = true"),
            "");
}

TEST(ProviderFiles, AFolderThatIsNotThereIsAnError) {
  const LoadedProviders loaded = load_providers("/nonexistent/rules");
  EXPECT_FALSE(loaded.providers);
  EXPECT_NE(words(loaded.diagnostics).find("shaping.rules_dir cannot be read"), std::string::npos);
}

}  // namespace
}  // namespace ekiden::shaping
