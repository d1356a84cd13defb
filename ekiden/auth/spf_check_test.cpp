#include "ekiden/auth/spf_check.hpp"

#include <gtest/gtest.h>

#include "tests/support/auth_rig.hpp"

namespace ekiden::auth {
namespace {

using namespace std::chrono_literals;

struct SpfCheck : testing::Test, test::AuthRig {
  SpfResult check(std::string ip, std::string sender, std::string helo = "mail.example.net") {
    SpfQuery query;
    query.ip = *net::parse_address(ip);
    query.sender = std::move(sender);
    query.helo = std::move(helo);
    query.default_explanation = "DEFAULT";
    return run(check_spf(dns, clock, std::move(query)));
  }
  Verdict verdict(std::string ip, std::string sender) {
    return check(std::move(ip), std::move(sender)).verdict;
  }
  /// The record of example.com, and what the client 192.0.2.10 gets.
  SpfResult with(std::string_view record, std::string ip = "192.0.2.10") {
    dns.remove("example.com").txt("example.com", record);
    return check(std::move(ip), "user@example.com");
  }
};

// RFC 7208 appendix A: its zone and its examples.
struct SpfExamples : SpfCheck {
  SpfExamples() {
    dns.mx("example.com", 10, "mail-a.example.com").mx("example.com", 20, "mail-b.example.com");
    dns.a("example.com", "192.0.2.10").a("example.com", "192.0.2.11");
    dns.a("amy.example.com", "192.0.2.65").a("bob.example.com", "192.0.2.66");
    dns.a("mail-a.example.com", "192.0.2.129").a("mail-b.example.com", "192.0.2.130");
    dns.a("www.example.com", "192.0.2.10").a("www.example.com", "192.0.2.11");
    dns.mx("example.org", 10, "mail-c.example.org").a("mail-c.example.org", "192.0.2.140");
    dns.ptr("10.2.0.192.in-addr.arpa", "example.com")
        .ptr("65.2.0.192.in-addr.arpa", "amy.example.com");
    dns.ptr("140.2.0.192.in-addr.arpa", "mail-c.example.org");
    dns.ptr("4.0.0.10.in-addr.arpa", "bob.example.com");
  }
  Verdict with_record(std::string_view record, std::string ip) {
    dns.remove("example.com");
    dns.mx("example.com", 10, "mail-a.example.com").mx("example.com", 20, "mail-b.example.com");
    dns.a("example.com", "192.0.2.10").a("example.com", "192.0.2.11").txt("example.com", record);
    return verdict(std::move(ip), "user@example.com");
  }
};

TEST_F(SpfExamples, OfAppendixA1) {
  EXPECT_EQ(with_record("v=spf1 +all", "203.0.113.1"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 a -all", "192.0.2.10"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 a -all", "192.0.2.65"), Verdict::Fail);
  EXPECT_EQ(with_record("v=spf1 a:example.org -all", "192.0.2.10"), Verdict::Fail);
  EXPECT_EQ(with_record("v=spf1 mx -all", "192.0.2.129"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 mx -all", "192.0.2.10"), Verdict::Fail);
  EXPECT_EQ(with_record("v=spf1 mx:example.org -all", "192.0.2.140"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 mx mx:example.org -all", "192.0.2.130"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.131"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.143"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 ptr -all", "192.0.2.10"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 ptr -all", "192.0.2.65"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 ptr -all", "192.0.2.140"), Verdict::Fail);
  EXPECT_EQ(with_record("v=spf1 ptr -all", "10.0.0.4"), Verdict::Fail);
  EXPECT_EQ(with_record("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.129"), Verdict::Pass);
  EXPECT_EQ(with_record("v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.65"), Verdict::Fail);
}

TEST_F(SpfExamples, OfAppendixA2AndA4) {
  dns.txt("example.org", "v=spf1 include:example.com include:example.net -all");
  dns.txt("la.example.org", "v=spf1 redirect=example.org");
  dns.txt("example.net", "v=spf1 ip4:203.0.113.0/24 -all");
  EXPECT_EQ(with_record("v=spf1 mx -all", "192.0.2.129"), Verdict::Pass);
  EXPECT_EQ(verdict("192.0.2.129", "user@la.example.org"), Verdict::Pass);
  EXPECT_EQ(verdict("203.0.113.9", "user@la.example.org"), Verdict::Pass);
  EXPECT_EQ(verdict("192.0.2.65", "user@la.example.org"), Verdict::Fail);
  // A.4: one user may send from anywhere that a list names.
  dns.txt("users.example", "v=spf1 mx:example.com include:mobile-users._spf.%{d} -all");
  dns.txt("mobile-users._spf.users.example", "v=spf1 exists:%{l1r+}.%{d}");
  dns.a("mary.mobile-users._spf.users.example", "127.0.0.2");
  EXPECT_EQ(verdict("203.0.113.9", "mary+lists@users.example"), Verdict::Pass);
  EXPECT_EQ(verdict("203.0.113.9", "fred@users.example"), Verdict::Fail);
}

TEST_F(SpfCheck, WithoutARecordThereIsNothingToSay) {
  dns.txt("other.example", "v=spf2.0/pra -all").txt("other.example", "hello");
  EXPECT_EQ(verdict("192.0.2.1", "a@nowhere.example"), Verdict::None);
  EXPECT_EQ(verdict("192.0.2.1", "a@other.example"), Verdict::None);
}

TEST_F(SpfCheck, WhatIsNoDomainIsNotAskedAbout) {
  const std::string sixty_four(64, 'a');
  for (const std::string& domain :
       {std::string("[192.0.2.1]"), std::string("localhost"), std::string("a..example"),
        std::string(".example.com"), std::string(""), sixty_four + ".example",
        std::string(600, 'a') + ".example"}) {
    EXPECT_EQ(verdict("192.0.2.1", "a@" + domain), Verdict::None) << domain;
  }
  EXPECT_TRUE(dns.questions().empty());
}

TEST_F(SpfCheck, SeveralRecordsAreAPermanentError) {
  dns.txt("example.com", "v=spf1 -all").txt("example.com", "V=SPF1 +all");
  const SpfResult result = check("192.0.2.1", "a@example.com");
  EXPECT_EQ(result.verdict, Verdict::PermanentError);
  EXPECT_EQ(result.problem, "example.com has several SPF records");
}

TEST_F(SpfCheck, TheNullReversePathChecksTheHeloName) {
  dns.txt("mail.example.net", "v=spf1 ip4:192.0.2.1 exists:%{s}.example.org -all");
  EXPECT_EQ(check("192.0.2.1", "").verdict, Verdict::Pass);
  const SpfResult result = check("192.0.2.2", "");
  EXPECT_EQ(result.verdict, Verdict::Fail);
  EXPECT_TRUE(result.is_helo);
  EXPECT_EQ(result.domain, "mail.example.net");
  EXPECT_EQ(dns.asked("postmaster@mail.example.net.example.org", dns::Type::A), 1U);
}

TEST_F(SpfCheck, ASenderWithoutALocalPartIsPostmaster) {
  dns.txt("example.com", "v=spf1 exists:%{l}.example.org -all")
      .a("postmaster.example.org", "127.0.0.2");
  EXPECT_EQ(verdict("192.0.2.1", "@example.com"), Verdict::Pass);
}

TEST_F(SpfCheck, ADomainIsAskedAboutInALabels) {
  dns.txt("xn--r8jz45g.jp", "v=spf1 ip4:192.0.2.1 -all");
  const SpfResult result = check("192.0.2.1", "a@例え.jp");
  EXPECT_EQ(result.verdict, Verdict::Pass);
  EXPECT_EQ(result.domain, "xn--r8jz45g.jp");
}

TEST_F(SpfCheck, SaysWhichMechanismDecided) {
  dns.txt("spf.example.net", "v=spf1 ip4:192.0.2.0/24 -all");
  EXPECT_EQ(with("v=spf1 a include:spf.example.net -all").mechanism, "include:spf.example.net");
  EXPECT_EQ(with("v=spf1 a ~all").mechanism, "~all");
  EXPECT_EQ(with("v=spf1 a").mechanism, "default");
  EXPECT_EQ(with("v=spf1 redirect=spf.example.net").mechanism, "ip4:192.0.2.0/24");
  EXPECT_EQ(with("v=spf1 a").verdict, Verdict::Neutral);
}

TEST_F(SpfCheck, AMappedAddressCountsAsIpv4) {
  EXPECT_EQ(with("v=spf1 ip4:192.0.2.10 -all", "::ffff:192.0.2.10").verdict, Verdict::Pass);
  EXPECT_EQ(with("v=spf1 ip6:::/0 -all", "::ffff:192.0.2.10").verdict, Verdict::Fail);
}

TEST_F(SpfCheck, IncludeTakesOnlyAPass) {
  dns.txt("fail.example", "v=spf1 -all").txt("soft.example", "v=spf1 ~all");
  dns.txt("neutral.example", "v=spf1 ?all").txt("bad.example", "v=spf1 moo");
  dns.fail("broken.example");
  EXPECT_EQ(with("v=spf1 include:fail.example ?all").verdict, Verdict::Neutral);
  EXPECT_EQ(with("v=spf1 include:soft.example +all").verdict, Verdict::Pass);
  EXPECT_EQ(with("v=spf1 include:neutral.example -all").verdict, Verdict::Fail);
  EXPECT_EQ(with("v=spf1 include:bad.example -all").verdict, Verdict::PermanentError);
  EXPECT_EQ(with("v=spf1 include:broken.example -all").verdict, Verdict::TemporaryError);
  EXPECT_EQ(with("v=spf1 include:nowhere.example -all").verdict, Verdict::PermanentError);
  EXPECT_EQ(with("v=spf1 redirect=nowhere.example").verdict, Verdict::PermanentError);
}

TEST_F(SpfCheck, TroubleWithTheDnsIsTemporaryAndASpoofedAnswerIsTrouble) {
  dns.fail("example.com");
  EXPECT_EQ(verdict("192.0.2.1", "a@example.com"), Verdict::TemporaryError);
  dns.heal("example.com").fail("example.com", dns::Status::Bogus);
  EXPECT_EQ(verdict("192.0.2.1", "a@example.com"), Verdict::TemporaryError);
  dns.fail("mx.example.net").mx("example.net", 10, "mx.example.net");
  dns.txt("example.net", "v=spf1 mx -all");
  EXPECT_EQ(verdict("192.0.2.1", "a@example.net"), Verdict::TemporaryError);
}

TEST_F(SpfCheck, AnUnreachablePointerIsNoMatch) {
  dns.fail("10.2.0.192.in-addr.arpa");
  EXPECT_EQ(with("v=spf1 ptr -all").verdict, Verdict::Fail);
}

TEST_F(SpfCheck, TheEleventhTermThatAsksIsAPermanentError) {
  dns.a("a.example", "198.51.100.1");
  std::string terms;
  for (int i = 0; i < 10; ++i) terms += " a:a.example";
  const SpfResult at_limit = with("v=spf1" + terms + " ip4:192.0.2.10 -all");
  EXPECT_EQ(at_limit.verdict, Verdict::Pass);
  EXPECT_EQ(at_limit.lookups, 10U);
  const SpfResult over = with("v=spf1" + terms + " a:a.example ip4:192.0.2.10 -all");
  EXPECT_EQ(over.verdict, Verdict::PermanentError);
  EXPECT_EQ(over.lookups, 10U);
}

TEST_F(SpfCheck, RecordsThatNameEachOtherEnd) {
  dns.txt("loop.example", "v=spf1 include:loop.example -all");
  EXPECT_EQ(verdict("192.0.2.1", "a@loop.example"), Verdict::PermanentError);
  dns.txt("one.example", "v=spf1 redirect=two.example");
  dns.txt("two.example", "v=spf1 redirect=one.example");
  EXPECT_EQ(verdict("192.0.2.1", "a@one.example"), Verdict::PermanentError);
  EXPECT_LE(dns.questions().size(), 30U);
}

TEST_F(SpfCheck, RecordsThatFanOutEnd) {
  std::string terms = "v=spf1";
  for (int i = 0; i < 50; ++i) {
    const std::string name = "fan" + std::to_string(i) + ".example";
    terms += " include:" + name;
  }
  for (int i = 0; i < 50; ++i) dns.txt("fan" + std::to_string(i) + ".example", terms + " -all");
  dns.txt("example.com", terms + " -all");
  EXPECT_EQ(verdict("192.0.2.1", "a@example.com"), Verdict::PermanentError);
  EXPECT_LE(dns.questions().size(), 11U);
}

TEST_F(SpfCheck, AHundredThousandRecordsAreBoundedWork) {
  for (int i = 0; i < 100'000; ++i)
    dns.record("many.example", dns::Type::TXT, dns::rdata_of_text("x"));
  EXPECT_EQ(verdict("192.0.2.1", "a@many.example"), Verdict::None);
  for (int i = 0; i < 100'000; ++i) {
    dns.record("10.2.0.192.in-addr.arpa", dns::Type::PTR, *dns::rdata_of_name("p.example"));
  }
  dns.a("p.example", "198.51.100.1");
  EXPECT_EQ(with("v=spf1 ptr:other.example -all").verdict, Verdict::Fail);
  EXPECT_EQ(dns.asked("p.example", dns::Type::A), 10U);
  for (int i = 0; i < 100'000; ++i) {
    dns.record("mx.example", dns::Type::MX, *dns::rdata_of_mx(1, "p.example"));
  }
  EXPECT_EQ(with("v=spf1 mx:mx.example -all").verdict, Verdict::PermanentError);
}

TEST_F(SpfCheck, TheThirdTermThatNamesNothingIsAPermanentError) {
  const SpfResult two = with("v=spf1 a:no1.example mx:no2.example ?all");
  EXPECT_EQ(two.verdict, Verdict::Neutral);
  EXPECT_EQ(two.void_lookups, 2U);
  const SpfResult three = with("v=spf1 a:no1.example mx:no2.example exists:no3.example ?all");
  EXPECT_EQ(three.verdict, Verdict::PermanentError);
  EXPECT_EQ(three.void_lookups, 3U);
}

// A client of IPv6 and exchangers without AAAA: the term found its records, so it is not void.
TEST_F(SpfCheck, ExchangersWithoutAnAddressOfTheFamilyAreNotVoid) {
  for (int i = 0; i < 5; ++i) {
    const std::string host = "mx" + std::to_string(i) + ".example.net";
    dns.mx("example.net", 10, host).a(host, "192.0.2.1");
  }
  dns.txt("example.net", "v=spf1 mx ip6:2001:db8::/32 -all");
  const SpfResult result = check("2001:db8::1", "a@example.net");
  EXPECT_EQ(result.verdict, Verdict::Pass);
  EXPECT_EQ(result.void_lookups, 0U);
}

TEST_F(SpfCheck, MoreThanTenExchangersAreAPermanentError) {
  for (int i = 0; i < 11; ++i) dns.mx("example.net", 10, "mx" + std::to_string(i) + ".example");
  EXPECT_EQ(with("v=spf1 mx:example.net -all").verdict, Verdict::PermanentError);
}

TEST_F(SpfCheck, OneSilentServerCostsTwentySeconds) {
  dns.txt("example.com", "v=spf1 a:slow.example -all").delay("slow.example", 10min);
  const base::Steady before = clock.steady();
  const SpfResult result = check("192.0.2.1", "a@example.com");
  EXPECT_EQ(result.verdict, Verdict::TemporaryError);
  EXPECT_GE(clock.steady() - before, 20s);
  EXPECT_LT(clock.steady() - before, 21s);
  // Its late answer finds nobody.
  clock.advance(20min);
}

TEST_F(SpfCheck, ManySlowServersCostTwentySecondsTogether) {
  std::string terms = "v=spf1";
  for (int i = 0; i < 9; ++i) {
    const std::string name = "slow" + std::to_string(i) + ".example";
    terms += " a:" + name;
    dns.a(name, "198.51.100.1").delay(name, 5s);
  }
  dns.txt("example.com", terms + " -all");
  const base::Steady before = clock.steady();
  EXPECT_EQ(verdict("192.0.2.1", "a@example.com"), Verdict::TemporaryError);
  EXPECT_LT(clock.steady() - before, 21s);
}

TEST_F(SpfCheck, AFailureExplains) {
  dns.txt("why.example", "%{i} is not one of %{d}'s, says %{o} to %{r}; ask %{p}");
  const SpfResult result = with("v=spf1 -all exp=why.example");
  EXPECT_EQ(result.explanation,
            "192.0.2.10 is not one of example.com's, says example.com to unknown; ask unknown");
  EXPECT_EQ(with("v=spf1 ~all exp=why.example").explanation, "");
}

TEST_F(SpfCheck, AnExplanationThatCannotBeUsedIsTheDefault) {
  dns.txt("two.example", "one").txt("two.example", "two");
  dns.txt("bad.example", "The %{x}-files.").txt("utf8.example", "\xE3\x81\x82");
  dns.fail("broken.example");
  for (const char* name : {"two", "bad", "utf8", "broken", "nowhere"}) {
    const SpfResult result = with("v=spf1 -all exp=" + std::string(name) + ".example");
    EXPECT_EQ(result.verdict, Verdict::Fail) << name;
    EXPECT_EQ(result.explanation, "DEFAULT") << name;
    EXPECT_EQ(result.void_lookups, 0U) << name;
  }
}

TEST_F(SpfCheck, ExplanationsFollowRedirectAndNotInclude) {
  dns.txt("msg1.example", "first").txt("msg2.example", "second");
  dns.txt("next.example", "v=spf1 -all exp=msg2.example");
  dns.txt("bare.example", "v=spf1 -all");
  EXPECT_EQ(with("v=spf1 exp=msg1.example redirect=next.example").explanation, "second");
  EXPECT_EQ(with("v=spf1 exp=msg1.example redirect=bare.example").explanation, "DEFAULT");
  EXPECT_EQ(with("v=spf1 include:next.example -all exp=msg1.example").explanation, "first");
}

TEST_F(SpfCheck, ALongExplanationIsCut) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "%{d}%{l}";
  dns.txt("long.example", text);
  EXPECT_EQ(with("v=spf1 -all exp=long.example").explanation.size(), kSpfExplanationOctetsMax);
}

TEST_F(SpfCheck, TheClientsNameIsOneThatLeadsBack) {
  dns.ptr("10.2.0.192.in-addr.arpa", "liar.example.com");
  dns.ptr("10.2.0.192.in-addr.arpa", "other.example");
  dns.ptr("10.2.0.192.in-addr.arpa", "mx.example.com");
  dns.a("liar.example.com", "198.51.100.1").a("other.example", "192.0.2.10");
  dns.a("mx.example.com", "192.0.2.10");
  dns.txt("why.example", "%{p}");
  EXPECT_EQ(with("v=spf1 -all exp=why.example").explanation, "mx.example.com");
  EXPECT_EQ(with("v=spf1 ptr -all").verdict, Verdict::Pass);
  EXPECT_EQ(with("v=spf1 ptr:liar.example.com -all").verdict, Verdict::Fail);
}

}  // namespace
}  // namespace ekiden::auth
