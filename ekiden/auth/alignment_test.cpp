// What is judged of mail before it leaves: a scripted DNS, a clock moved by the test.
#include "ekiden/auth/alignment.hpp"

#include <gtest/gtest.h>

#include <map>

#include "ekiden/auth/domain_book.hpp"
#include "tests/support/auth_rig.hpp"

namespace ekiden::auth {
namespace {

using namespace std::chrono_literals;

struct AlignmentTest : testing::Test, test::AuthRig {
  AlignmentTest() {
    place.addresses = {*net::parse_address("192.0.2.1"), *net::parse_address("2001:db8::1")};
    place.hostname = "relay.test";
    question.from_domain = "example.jp";
    question.return_domain = "example.jp";
  }

  DomainFacts facts_of(const std::string& domain) {
    std::string asked = domain;
    SendingPlace ours = place;
    return run(find_domain_facts(dns, clock, std::move(asked), std::move(ours), &suffixes));
  }
  /// Looks up everything that is asked about, but for `unknown`.
  FindFacts find() {
    known.clear();
    for (const std::string& domain : domains_of(question))
      if (domain != unknown) known[domain] = facts_of(domain);
    return [this](std::string_view domain) -> const DomainFacts* {
      const auto at = known.find(std::string(domain));
      return at == known.end() ? nullptr : &at->second;
    };
  }
  AlignmentVerdict judge() { return judge_alignment(question, place, find()); }
  AlignmentVerdict for_carrier(bool has_message_id = true) {
    return judge_for_carrier(question, has_message_id, place, find());
  }
  static std::string all(const AlignmentVerdict& verdict) {
    std::string text;
    for (const std::string& problem : verdict.problems) text += problem + "\n";
    return text;
  }

  PublicSuffixList suffixes = std::move(*PublicSuffixList::load_newest());
  SendingPlace place;
  AlignmentQuestion question;
  std::string unknown;
  std::map<std::string, DomainFacts> known;
};

constexpr const char* kGood = "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all";

TEST_F(AlignmentTest, ASignatureOfTheVeryDomainAlignsWhateverTheDnsSays) {
  dns.fail("example.jp").fail("_dmarc.example.jp");
  question.signing_domains = {"example.jp"};
  const AlignmentVerdict verdict = judge();
  EXPECT_EQ(verdict.alignment, Alignment::Aligned);
  EXPECT_EQ(verdict.because, "DKIM d=example.jp");
  EXPECT_TRUE(verdict.problems.empty());
}

TEST_F(AlignmentTest, SpfCountsWhenEveryAddressOfOursPasses) {
  dns.txt("example.jp", kGood);
  EXPECT_EQ(judge().alignment, Alignment::Aligned);
  EXPECT_EQ(judge().because, "SPF of example.jp");
}

TEST_F(AlignmentTest, WhatIsMissingIsSaidAsItIsToBePublished) {
  EXPECT_EQ(judge().alignment, Alignment::Unaligned);
  EXPECT_NE(all(judge()).find("ekiden dkim keygen example.jp"), std::string::npos);
  EXPECT_NE(all(judge()).find("publish TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all\" there"),
            std::string::npos)
      << all(judge());
  dns.txt("example.jp", "v=spf1 ip4:192.0.2.1 -all");
  EXPECT_EQ(judge().alignment, Alignment::Unaligned);
  EXPECT_NE(all(judge()).find("add ip6:2001:db8::1"), std::string::npos) << all(judge());
  EXPECT_EQ(all(judge()).find("add ip4"), std::string::npos);
  dns.remove("example.jp").txt("example.jp", "v=spf1 ip4:bad -all");
  EXPECT_EQ(judge().alignment, Alignment::Unaligned);
  EXPECT_NE(all(judge()).find("is broken"), std::string::npos);
}

TEST_F(AlignmentTest, RelaxedAlignmentIsByOrganizationAndStrictIsNot) {
  question.return_domain = "bounces.example.jp";
  dns.txt("bounces.example.jp", kGood);
  EXPECT_EQ(judge().alignment, Alignment::Aligned) << "without a record, by the suffix list";
  dns.txt("_dmarc.example.jp", "v=DMARC1; p=none");
  EXPECT_EQ(judge().alignment, Alignment::Aligned) << all(judge());
  dns.remove("_dmarc.example.jp").txt("_dmarc.example.jp", "v=DMARC1; p=none; aspf=s");
  EXPECT_EQ(judge().alignment, Alignment::Unaligned);
  EXPECT_NE(all(judge()).find("aspf=s"), std::string::npos) << all(judge());

  question.signing_domains = {"mail.example.jp"};
  EXPECT_EQ(judge().because, "DKIM d=mail.example.jp");
  dns.remove("_dmarc.example.jp").txt("_dmarc.example.jp", "v=DMARC1; p=none; aspf=s; adkim=s");
  EXPECT_EQ(judge().alignment, Alignment::Unaligned);
}

TEST_F(AlignmentTest, OthersDomainsDoNotAlign) {
  question.return_domain = "provider.test";
  question.signing_domains = {"relay.test"};
  dns.txt("provider.test", kGood);
  const AlignmentVerdict verdict = judge();
  EXPECT_EQ(verdict.alignment, Alignment::Unaligned);
  EXPECT_NE(all(verdict).find("relay.test does not align"), std::string::npos) << all(verdict);
  EXPECT_NE(all(verdict).find("provider.test, which does not align"), std::string::npos);
  question.brought_domains = {"example.jp"};
  EXPECT_EQ(judge().alignment, Alignment::Aligned) << "the message has a signature of its own";
}

TEST_F(AlignmentTest, PublicSuffixesAreNoOrganization) {
  question.from_domain = "a.co.jp";
  question.return_domain = "b.co.jp";
  dns.txt("b.co.jp", kGood);
  EXPECT_EQ(judge().alignment, Alignment::Unaligned);
}

TEST_F(AlignmentTest, WhatTheDnsHasNotSaidIsPending) {
  unknown = "example.jp";
  EXPECT_EQ(judge().alignment, Alignment::Pending);
  unknown.clear();
  dns.fail("_dmarc.example.jp");
  EXPECT_EQ(judge().alignment, Alignment::Pending) << "and what it failed to say";
  EXPECT_FALSE(facts_of("example.jp").trouble.empty());
}

TEST_F(AlignmentTest, WithoutPublicAddressesSpfIsUnknown) {
  place.addresses.clear();
  dns.txt("example.jp", kGood);
  EXPECT_EQ(judge().alignment, Alignment::Unknown);
  EXPECT_NE(all(judge()).find("[[source]]"), std::string::npos);
  question.return_domain = "provider.test";
  EXPECT_EQ(judge().alignment, Alignment::Unaligned) << "which no address could mend";
}

TEST_F(AlignmentTest, CarriersWantSpfAndAHostOfHeaderFromItself) {
  question.signing_domains = {"example.jp"};
  EXPECT_EQ(judge().alignment, Alignment::Aligned);
  AlignmentVerdict verdict = for_carrier();
  EXPECT_EQ(verdict.alignment, Alignment::Unaligned);
  EXPECT_NE(all(verdict).find("neither MX nor A"), std::string::npos) << all(verdict);
  EXPECT_NE(all(verdict).find("SPF of header From"), std::string::npos) << all(verdict);
  dns.txt("example.jp", kGood).mx("example.jp", 10, "mx.example.jp");
  EXPECT_EQ(for_carrier().alignment, Alignment::Aligned) << all(for_carrier());
  EXPECT_EQ(for_carrier(false).alignment, Alignment::Unaligned) << "no Message-ID";
  dns.remove("example.jp").txt("example.jp", kGood).null_mx("example.jp");
  EXPECT_EQ(for_carrier().alignment, Alignment::Unaligned) << "a null MX takes no mail";
  unknown = "example.jp";
  EXPECT_EQ(for_carrier().alignment, Alignment::Pending);
}

TEST_F(AlignmentTest, KnowsTheCarriersDomains) {
  for (const char* domain :
       {"docomo.ne.jp", "softbank.ne.jp", "i.softbank.jp", "ymobile.ne.jp", "t.vodafone.ne.jp"})
    EXPECT_TRUE(is_strict_carrier(domain)) << domain;
  for (const char* domain : {"notdocomo.ne.jp", "ezweb.ne.jp", "ne.jp", ""})
    EXPECT_FALSE(is_strict_carrier(domain)) << domain;
}

TEST_F(AlignmentTest, FindsTheSignaturesThatAMessageHas) {
  std::string header =
      "DKIM-Signature: v=1; d=Example.JP; s=a;\r\n b=x\r\nFrom: a@example.jp\r\n"
      "dkim-signature: v=1; d=other.test; d=twice.test\r\n"
      "DKIM-Signature: v=1; d=\"bad\r\n";
  EXPECT_EQ(find_brought_domains(header), std::vector<std::string>{"example.jp"});
  header.clear();
  for (int i = 0; i < 50; ++i) header += "DKIM-Signature: d=d" + std::to_string(i) + ".test\r\n";
  EXPECT_EQ(find_brought_domains(header).size(), kBroughtSignaturesMax);
}

TEST(DomainBook, KeepsGoodFactsWhileTheDnsFails) {
  DomainBook book;
  const base::Steady start{1h};
  EXPECT_TRUE(book.begin_look("a.test", start));
  EXPECT_FALSE(book.begin_look("a.test", start)) << "one is at it";
  EXPECT_EQ(book.find("a.test", start), nullptr);
  DomainFacts facts;
  facts.domain = "a.test";
  facts.has_host = true;
  book.put(facts, start);
  EXPECT_TRUE(book.find("a.test", start)->has_host);
  EXPECT_FALSE(book.begin_look("a.test", start + 59s)) << "fresh";
  EXPECT_TRUE(book.begin_look("a.test", start + 61s));
  DomainFacts failed;
  failed.domain = "a.test";
  failed.trouble = "SERVFAIL";
  book.put(failed, start + 62s);
  EXPECT_TRUE(book.find("a.test", start + 62s)->has_host) << "trouble replaces nothing usable";
  EXPECT_FALSE(book.begin_look("a.test", start + 63s)) << "it has just failed";
  EXPECT_TRUE(book.begin_look("a.test", start + 93s));
  EXPECT_EQ(book.find("a.test", start + 25h), nullptr) << "too old to be used";
  book.put(failed, start + 25h);
  EXPECT_EQ(book.find("a.test", start + 25h)->trouble, "SERVFAIL");
  book.clear();
  EXPECT_EQ(book.find("a.test", start), nullptr);
}

TEST(DomainBook, HasALimit) {
  DomainBook book;
  for (std::size_t i = 0; i < DomainBook::kDomainsMax + 10; ++i)
    EXPECT_TRUE(book.begin_look("d" + std::to_string(i) + ".test", base::Steady{1h}));
  EXPECT_EQ(book.size(), DomainBook::kDomainsMax);
}

}  // namespace
}  // namespace ekiden::auth
