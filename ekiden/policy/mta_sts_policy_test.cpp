#include "ekiden/policy/mta_sts_policy.hpp"

#include <gtest/gtest.h>

namespace ekiden::policy {
namespace {

using Texts = std::vector<std::string>;

std::optional<std::string> id_of(const Texts& texts) {
  std::string why;
  return find_mta_sts_id(texts, why);
}

std::optional<MtaStsPolicy> parsed(std::string_view text) {
  std::string why;
  const auto policy = parse_mta_sts_policy(text, why);
  EXPECT_EQ(policy.has_value(), why.empty()) << why;
  return policy;
}

MtaStsPolicy naming(Texts mx) {
  return {MtaStsMode::Enforce, std::move(mx), std::chrono::hours(24)};
}

TEST(MtaStsRecord, AnnouncesAnId) {
  EXPECT_EQ(id_of({"v=STSv1; id=20160831085700Z;"}), "20160831085700Z");
  EXPECT_EQ(id_of({"v=STSv1;id=1"}), "1");
  EXPECT_EQ(id_of({"v=STSv1 ;\tid=1 ; ext=a.b-c "}), "1");
  // RFC 8461 §3.1: other records at the name do not count.
  EXPECT_EQ(id_of({"v=spf1 -all", "v=STSv1; id=1;", "v=STSv12; id=2;"}), "1");
}

TEST(MtaStsRecord, OneAndNoMore) {
  EXPECT_FALSE(id_of({}));
  EXPECT_FALSE(id_of({"v=STSv1; id=1;", "v=STSv1; id=1;"}));
  std::string why;
  EXPECT_FALSE(find_mta_sts_id({"v=STSv1; id=1;", "v=STSv1; id=2;"}, why));
  EXPECT_FALSE(why.empty());
  why.clear();
  EXPECT_FALSE(find_mta_sts_id({"v=spf1 -all"}, why));
  EXPECT_TRUE(why.empty()) << "no such record is no mistake";
}

TEST(MtaStsRecord, AMalformedOneIsNone) {
  for (const char* text :
       {"v=STSv1", "v=STSv1;", "v=STSv1; id=", "v=STSv1; id=a-b", "V=STSv1; id=1", "v=STSv1; id",
        "v=STSv1; id=123456789012345678901234567890123", "v=STSv1; ext=1", " v=STSv1; id=1",
        "v=STSv1; id=1; =x", "v=STSv1; id=1; a=b=c", "v=STSv1; id=1; \x01=b", "v=STSv1 id=1"}) {
    EXPECT_FALSE(id_of({text})) << text;
  }
}

TEST(MtaStsPolicy, IsReadWithEitherLineEnd) {
  const MtaStsPolicy expected{
      MtaStsMode::Enforce, {"mail.example.com", "*.example.net"}, std::chrono::seconds(604800)};
  EXPECT_EQ(parsed("version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n"
                   "mx: *.example.net\r\nmax_age: 604800\r\n"),
            expected);
  EXPECT_EQ(parsed("version:STSv1\nmax_age:604800  \nmode: \tenforce\nmx:Mail.Example.com\n\n"
                   "mx: *.example.net"),
            expected);
}

TEST(MtaStsPolicy, WhatItDoesNotKnowIsIgnored) {
  EXPECT_TRUE(parsed("version: STSv1\nmode: testing\nmx: a.example\nmax_age: 1\nnew: whatever\n"));
  // RFC 8461 §3.2: of a field given twice the first counts.
  const auto twice =
      parsed("version: STSv1\nmode: testing\nmode: enforce\nmx: a\nmax_age: 1\nmax_age: x\n");
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->mode, MtaStsMode::Testing);
}

TEST(MtaStsPolicy, ModeNoneNeedsNoHosts) {
  EXPECT_EQ(parsed("version: STSv1\nmode: none\nmax_age: 86400\n")->mode, MtaStsMode::None);
}

TEST(MtaStsPolicy, AMalformedOneIsNone) {
  for (const char* text :
       {"", "\n", "mode: enforce\nmx: a\nmax_age: 1\n", "version: STSv2\nmode: none\nmax_age: 1\n",
        "version: STSv1\nmx: a\nmax_age: 1\n", "version: STSv1\nmode: enforce\nmx: a\n",
        "version: STSv1\nmode: enforce\nmax_age: 1\n",
        "version: STSv1\nmode: Enforce\nmx: a\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a\nmax_age: -1\n",
        "version: STSv1\nmode: enforce\nmx: a\nmax_age: 12345678901\n",
        "version: STSv1\nmode: enforce\nmx: a\nmax_age:\n",
        "version: STSv1\nmode: enforce\nmx:\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: *.*.example\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: m*.example\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a..b\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a.example.\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a\nmax_age: 1\nwhat is this\n", "<html>404</html>"}) {
    EXPECT_FALSE(parsed(text)) << text;
  }
}

TEST(MtaStsPolicy, IsBounded) {
  const std::string head = "version: STSv1\nmode: enforce\nmax_age: 9999999999\nmx: a\n";
  // RFC 8461 §3.2: a year, whatever is claimed.
  EXPECT_EQ(parsed(head)->max_age, base::Duration(std::chrono::seconds(31'557'600)));
  std::string large = head + std::string(kMtaStsPolicyOctetsMax - head.size(), '\n');
  EXPECT_TRUE(parsed(large));
  EXPECT_FALSE(parsed(large + "\n"));
  std::string many = head;
  for (std::size_t i = 0; i < kMtaStsPatternsMax; ++i) many += "mx: b\n";
  EXPECT_FALSE(parsed(many));
}

TEST(MtaStsPolicy, IsWrittenAsItIsRead) {
  const MtaStsPolicy policy = naming({"a.example", "*.b.example"});
  EXPECT_EQ(parsed(format_mta_sts_policy(policy)), policy);
}

TEST(MtaStsPolicy, NamesHosts) {
  const MtaStsPolicy policy = naming({"mail.example.com", "*.example.net"});
  EXPECT_TRUE(is_named(policy, "mail.example.com"));
  EXPECT_TRUE(is_named(policy, "MAIL.Example.com."));
  EXPECT_TRUE(is_named(policy, "mx1.example.net"));
  // RFC 8461 §4.1: the star is one label, no more and no less.
  EXPECT_FALSE(is_named(policy, "example.net"));
  EXPECT_FALSE(is_named(policy, "a.mx1.example.net"));
  EXPECT_FALSE(is_named(policy, ".example.net"));
  EXPECT_FALSE(is_named(policy, "mail2.example.com"));
  EXPECT_FALSE(is_named(policy, "mail.example.com.evil.example"));
  EXPECT_FALSE(is_named(policy, "evilmail.example.com"));
  EXPECT_FALSE(is_named(policy, ""));
}

}  // namespace
}  // namespace ekiden::policy
