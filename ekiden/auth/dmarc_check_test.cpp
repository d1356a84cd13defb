#include "ekiden/auth/dmarc_check.hpp"

#include <gtest/gtest.h>

#include "tests/support/auth_rig.hpp"

namespace ekiden::auth {
namespace {

using namespace std::chrono_literals;

struct DmarcCheck : testing::Test, test::AuthRig {
  DmarcQuery query;
  std::optional<PublicSuffixList> suffixes;

  void use_rfc7489() {
    suffixes = std::move(*PublicSuffixList::load_newest());
    query.suffixes = &*suffixes;
    query.mode = DmarcMode::Rfc7489;
  }
  DmarcCheck& record(const std::string& domain, std::string_view text) {
    dns.txt("_dmarc." + domain, text);
    dns.a(domain, "192.0.2.1");
    return *this;
  }
  DmarcCheck& spf(Verdict verdict, std::string domain) {
    query.spf = DmarcIdentifier{verdict, std::move(domain)};
    return *this;
  }
  DmarcCheck& dkim(Verdict verdict, std::string domain) {
    query.dkim.push_back({verdict, std::move(domain)});
    return *this;
  }
  DmarcResult check(std::string author) {
    DmarcQuery one = query;
    one.author_domain = std::move(author);
    return run(check_dmarc(dns, clock, std::move(one)));
  }
};

TEST_F(DmarcCheck, WithoutARecordThereIsNothingToSay) {
  const DmarcResult result = spf(Verdict::Pass, "example.com").check("example.com");
  EXPECT_EQ(result.verdict, Verdict::None);
  EXPECT_FALSE(result.policy);
  EXPECT_EQ(result.organizational_domain, "example.com");
  EXPECT_TRUE(result.is_spf_aligned);
}

TEST_F(DmarcCheck, EitherMethodIsEnough) {
  record("example.com", "v=DMARC1; p=reject");
  EXPECT_EQ(spf(Verdict::Pass, "example.com").check("example.com").verdict, Verdict::Pass);
  query.spf.reset();
  dkim(Verdict::Fail, "example.com").dkim(Verdict::Pass, "mail.example.com");
  const DmarcResult result = check("Example.COM.");
  EXPECT_EQ(result.verdict, Verdict::Pass);
  EXPECT_TRUE(result.is_dkim_aligned);
  EXPECT_FALSE(result.is_spf_aligned);
  EXPECT_EQ(result.applied, DmarcPolicy::None);
  EXPECT_EQ(result.policy, DmarcPolicy::Reject);
  EXPECT_EQ(result.record_domain, "example.com");
}

TEST_F(DmarcCheck, WhatPassedForOthersDoesNotCount) {
  record("example.com", "v=DMARC1; p=quarantine");
  spf(Verdict::Pass, "example.net").dkim(Verdict::Pass, "example.org");
  dkim(Verdict::Fail, "example.com").dkim(Verdict::Pass, "notexample.com");
  dkim(Verdict::Pass, "com")
      .dkim(Verdict::Policy, "example.com")
      .dkim(Verdict::Neutral, "example.com");
  const DmarcResult result = check("example.com");
  EXPECT_EQ(result.verdict, Verdict::Fail);
  EXPECT_EQ(result.applied, DmarcPolicy::Quarantine);
}

TEST_F(DmarcCheck, StrictAlignmentTakesTheSameNameOnly) {
  record("example.com", "v=DMARC1; p=reject; adkim=s; aspf=s");
  spf(Verdict::Pass, "bounce.example.com").dkim(Verdict::Pass, "mail.example.com");
  EXPECT_EQ(check("example.com").verdict, Verdict::Fail);
  EXPECT_EQ(dkim(Verdict::Pass, "EXAMPLE.com").check("example.com").verdict, Verdict::Pass);
}

TEST_F(DmarcCheck, InternationalDomainsAlignInEitherForm) {
  record("xn--r8jz45g.jp", "v=DMARC1; p=reject");
  const DmarcResult result = spf(Verdict::Pass, "mail.例え.jp").check("例え.jp");
  EXPECT_EQ(result.verdict, Verdict::Pass);
  EXPECT_EQ(result.author_domain, "xn--r8jz45g.jp");
}

TEST_F(DmarcCheck, SubdomainsTakeTheirOwnPolicy) {
  record("example.com", "v=DMARC1; p=reject; sp=quarantine; np=none");
  dns.a("sub.example.com", "192.0.2.1");
  EXPECT_EQ(check("sub.example.com").policy, DmarcPolicy::Quarantine);
  EXPECT_EQ(check("nowhere.example.com").policy, DmarcPolicy::None);
  EXPECT_EQ(check("example.com").policy, DmarcPolicy::Reject);
  dns.remove("_dmarc.example.com");
  record("example.com", "v=DMARC1; p=reject");
  EXPECT_EQ(check("nowhere.example.com").policy, DmarcPolicy::Reject);
  dns.remove("_dmarc.example.com");
  record("example.com", "v=DMARC1; p=none; sp=reject");
  EXPECT_EQ(check("nowhere.example.com").policy, DmarcPolicy::Reject);
  // A record of its own goes before.
  record("sub.example.com", "v=DMARC1; p=none");
  EXPECT_EQ(check("sub.example.com").record_domain, "sub.example.com");
  EXPECT_EQ(check("sub.example.com").policy, DmarcPolicy::None);
}

// RFC 9989 §4.7: one level below.
TEST_F(DmarcCheck, ATestAsksForOneStepLess) {
  record("example.com", "v=DMARC1; p=reject; t=y");
  DmarcResult result = check("example.com");
  EXPECT_EQ(result.policy, DmarcPolicy::Reject);
  EXPECT_EQ(result.applied, DmarcPolicy::Quarantine);
  record("example.net", "v=DMARC1; p=quarantine; t=y; pct=0");
  EXPECT_EQ(check("example.net").applied, DmarcPolicy::None);
  record("example.org", "v=DMARC1; p=reject; pct=0");
  query.sample = 99;
  EXPECT_EQ(check("example.org").applied, DmarcPolicy::Reject) << "pct is history";
}

TEST_F(DmarcCheck, TheOldSpecificationTakesSamples) {
  use_rfc7489();
  record("example.com", "v=DMARC1; p=reject; pct=30; t=y; np=none");
  query.sample = 29;
  EXPECT_EQ(check("example.com").applied, DmarcPolicy::Reject);
  query.sample = 30;
  EXPECT_EQ(check("example.com").applied, DmarcPolicy::Quarantine);
  EXPECT_EQ(check("nowhere.example.com").policy, DmarcPolicy::Reject) << "np is not known yet";
}

TEST_F(DmarcCheck, TheOldSpecificationGoesByThePublicSuffixList) {
  use_rfc7489();
  record("example.co.jp", "v=DMARC1; p=reject").record("b.example.co.jp", "v=DMARC1; p=none");
  const DmarcResult result = spf(Verdict::Pass, "x.example.co.jp").check("a.b.example.co.jp");
  EXPECT_EQ(result.verdict, Verdict::Pass);
  EXPECT_EQ(result.record_domain, "example.co.jp");
  EXPECT_EQ(result.organizational_domain, "example.co.jp");
  EXPECT_EQ(dns.asked("_dmarc.b.example.co.jp", dns::Type::TXT), 0U);
  spf(Verdict::Pass, "other.co.jp");
  EXPECT_EQ(check("example.co.jp").verdict, Verdict::Fail);
}

// RFC 7489 §6.6.3: several records end the search, in the new specification they are as none.
TEST_F(DmarcCheck, SeveralRecordsAreNone) {
  dns.txt("_dmarc.sub.example.com", "v=DMARC1; p=none").txt("_dmarc.sub.example.com", "v=DMARC1");
  record("example.com", "v=DMARC1; p=reject");
  EXPECT_EQ(check("sub.example.com").policy, DmarcPolicy::Reject);
  use_rfc7489();
  const DmarcResult result = check("sub.example.com");
  EXPECT_EQ(result.verdict, Verdict::None);
  EXPECT_FALSE(result.policy);
}

TEST_F(DmarcCheck, OtherRecordsBesideItDoNotMatter) {
  dns.txt("_dmarc.example.com", "v=spf1 -all").txt("_dmarc.example.com", "hello");
  record("example.com", "v=DMARC1; p=reject");
  EXPECT_EQ(check("example.com").policy, DmarcPolicy::Reject);
}

// RFC 9989 §4.10.1.
TEST_F(DmarcCheck, ARecordWithoutAPolicyServesReportsOnly) {
  record("example.com", "v=DMARC1; p=rejct; rua=mailto:d@example.com");
  EXPECT_EQ(check("example.com").policy, DmarcPolicy::None);
  EXPECT_EQ(check("example.com").verdict, Verdict::Fail);
  record("example.net", "v=DMARC1; p=reject; sp=x");
  EXPECT_EQ(check("example.net").verdict, Verdict::PermanentError);
  record("example.org", "v=DMARC1");
  EXPECT_EQ(spf(Verdict::Pass, "example.org").check("example.org").verdict,
            Verdict::PermanentError);
}

TEST_F(DmarcCheck, TroubleWithTheDnsIsTemporary) {
  dns.fail("_dmarc.example.com");
  EXPECT_EQ(check("example.com").verdict, Verdict::TemporaryError);
  dns.heal("_dmarc.example.com");
  record("example.com", "v=DMARC1; p=reject");
  dns.fail("_dmarc.sub.example.com");
  EXPECT_EQ(check("sub.example.com").verdict, Verdict::TemporaryError);
  // SPF could not be had, and would have been enough.
  EXPECT_EQ(spf(Verdict::TemporaryError, "example.com").check("example.com").verdict,
            Verdict::TemporaryError);
  EXPECT_EQ(spf(Verdict::TemporaryError, "example.net").check("example.com").verdict,
            Verdict::Fail);
  // What passed is enough, whatever else is missing.
  spf(Verdict::TemporaryError, "example.com").dkim(Verdict::Pass, "example.com");
  EXPECT_EQ(check("example.com").verdict, Verdict::Pass);
}

TEST_F(DmarcCheck, WhetherOthersAlignIsUnknownWhenTheWalkFails) {
  record("sub.example.com", "v=DMARC1; p=reject");
  dns.fail("_dmarc.example.com");
  EXPECT_EQ(spf(Verdict::Pass, "example.com").check("sub.example.com").verdict,
            Verdict::TemporaryError);
  EXPECT_EQ(spf(Verdict::Pass, "example.net").check("sub.example.com").verdict, Verdict::Fail);
  EXPECT_EQ(spf(Verdict::Pass, "sub.example.com").check("sub.example.com").verdict, Verdict::Pass);
}

TEST_F(DmarcCheck, ASilentDnsCostsTwentySeconds) {
  dns.default_delay(1h);
  const base::Steady before = clock.steady();
  EXPECT_EQ(check("a.b.c.d.example.com").verdict, Verdict::TemporaryError);
  EXPECT_LT(clock.steady() - before, 21s);
}

TEST_F(DmarcCheck, WhatIsNoDomainIsNone) {
  const std::string long_label = std::string(64, 'a') + ".example";
  for (const std::string& domain :
       {std::string(""), std::string("[192.0.2.1]"), std::string("a..example"), long_label,
        std::string("a\0.example", 10)}) {
    EXPECT_EQ(check(domain).verdict, Verdict::None) << domain;
  }
}

TEST_F(DmarcCheck, ManySignaturesAreBoundedWork) {
  record("example.com", "v=DMARC1; p=reject");
  for (int i = 0; i < 1000; ++i) {
    dkim(Verdict::Pass, "a.b.c.d.e.f.g.h" + std::to_string(i) + ".com");
  }
  EXPECT_EQ(check("example.com").verdict, Verdict::Fail);
  EXPECT_LE(dns.questions().size(), kDmarcQuestionsMax + 1);
}

// RFC 9989 §4.10, with the examples of its appendix B.
TEST_F(DmarcCheck, TheWalkEndsAtTheShortestNameWithARecord) {
  record("example.com", "v=DMARC1; p=reject").record("mail.example.com", "v=DMARC1; p=none");
  EXPECT_EQ(check("a.mail.example.com").organizational_domain, "example.com");
  EXPECT_EQ(check("a.mail.example.com").record_domain, "example.com");
  EXPECT_EQ(check("mail.example.com").record_domain, "mail.example.com");
  EXPECT_EQ(check("mail.example.com").organizational_domain, "example.com");
}

TEST_F(DmarcCheck, AnOrganizationMayEndTheWalk) {
  record("example.com", "v=DMARC1; p=reject");
  record("part.example.com", "v=DMARC1; p=none; psd=n");
  const DmarcResult result = spf(Verdict::Pass, "example.com").check("a.part.example.com");
  EXPECT_EQ(result.organizational_domain, "part.example.com");
  EXPECT_EQ(result.verdict, Verdict::Fail);
  EXPECT_EQ(spf(Verdict::Pass, "b.part.example.com").check("a.part.example.com").verdict,
            Verdict::Pass);
}

TEST_F(DmarcCheck, BelowAPublicSuffixIsAnOrganization) {
  record("bank", "v=DMARC1; p=reject; psd=y; np=quarantine")
      .record("example.bank", "v=DMARC1; p=none");
  EXPECT_EQ(check("a.b.example.bank").organizational_domain, "example.bank");
  EXPECT_EQ(check("a.b.example.bank").record_domain, "example.bank");
  // Without a record of the organization the suffix's own holds, as for what does not exist.
  const DmarcResult result = check("a.other.bank");
  EXPECT_EQ(result.organizational_domain, "other.bank");
  EXPECT_EQ(result.record_domain, "bank");
  EXPECT_EQ(result.policy, DmarcPolicy::Quarantine);
  spf(Verdict::Pass, "example.bank");
  EXPECT_EQ(check("a.other.bank").verdict, Verdict::Fail);
  // Mail of the suffix itself.
  EXPECT_EQ(check("bank").organizational_domain, "bank");
}

TEST_F(DmarcCheck, ALongNameCostsEightQuestions) {
  record("k.example.com", "v=DMARC1; p=reject");
  const DmarcResult result = check("a.b.c.d.e.f.g.h.i.j.k.example.com");
  EXPECT_EQ(result.organizational_domain, "k.example.com");
  EXPECT_EQ(dns.asked("_dmarc.a.b.c.d.e.f.g.h.i.j.k.example.com", dns::Type::TXT), 1U);
  EXPECT_EQ(dns.asked("_dmarc.b.c.d.e.f.g.h.i.j.k.example.com", dns::Type::TXT), 0U);
  EXPECT_EQ(dns.asked("_dmarc.f.g.h.i.j.k.example.com", dns::Type::TXT), 0U);
  EXPECT_EQ(dns.asked("_dmarc.g.h.i.j.k.example.com", dns::Type::TXT), 1U);
  EXPECT_EQ(dns.questions().size(), kTreeWalkNamesMax);
}

TEST(DmarcAuthors, OneAddressIsPlain) {
  const DmarcAuthors authors = find_authors("From: A <a@Example.COM>\r\nTo: b@example.net\r\n\r\n");
  EXPECT_TRUE(authors.is_plain());
  EXPECT_EQ(authors.domains, std::vector<std::string>{"example.com"});
}

TEST(DmarcAuthors, EverythingElseIsNot) {
  for (const char* header :
       {"To: a@example.com\r\n\r\n", "From: nobody\r\n\r\n",
        "From: a@example.com, b@example.com\r\n\r\n",
        "From: a@example.com\r\nFROM: a@example.com\r\n\r\n",
        "From: a@example.com\r\nfrom : b@example.net\r\n\r\n", "From: a@[192.0.2.1]\r\n\r\n"}) {
    EXPECT_FALSE(find_authors(header).is_plain()) << header;
  }
  std::string many = "From: ";
  for (int i = 0; i < 1000; ++i) many += "a@d" + std::to_string(i) + ".example, ";
  EXPECT_EQ(find_authors(many + "\r\n\r\n").domains.size(), kDmarcAuthorsMax);
}

DmarcResult result_of(Verdict verdict, DmarcPolicy applied = DmarcPolicy::None) {
  DmarcResult result;
  result.verdict = verdict;
  result.applied = applied;
  return result;
}

// RFC 7489 §6.6.1.
TEST(DmarcAuthors, SeveralGetTheStrictestFailureAndNeverAPass) {
  DmarcAuthors several;
  several.fields = 1;
  several.addresses = 2;
  several.domains = {"a.example", "b.example"};
  const auto combine = [&several](DmarcResult a, DmarcResult b) {
    return combine_authors(several, {std::move(a), std::move(b)});
  };
  EXPECT_EQ(combine(result_of(Verdict::Fail, DmarcPolicy::Quarantine),
                    result_of(Verdict::Fail, DmarcPolicy::Reject))
                .applied,
            DmarcPolicy::Reject);
  EXPECT_EQ(combine(result_of(Verdict::Pass), result_of(Verdict::Fail)).verdict, Verdict::Fail);
  EXPECT_EQ(combine(result_of(Verdict::Pass), result_of(Verdict::TemporaryError)).verdict,
            Verdict::TemporaryError);
  EXPECT_EQ(combine(result_of(Verdict::Pass), result_of(Verdict::Pass)).verdict,
            Verdict::PermanentError);
  EXPECT_EQ(combine(result_of(Verdict::Pass), result_of(Verdict::None)).verdict,
            Verdict::PermanentError);
  EXPECT_EQ(combine(result_of(Verdict::None), result_of(Verdict::None)).verdict, Verdict::None);
  EXPECT_EQ(combine_authors(DmarcAuthors(), {}).verdict, Verdict::None);
}

}  // namespace
}  // namespace ekiden::auth
