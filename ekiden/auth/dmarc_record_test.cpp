#include "ekiden/auth/dmarc_record.hpp"

#include <gtest/gtest.h>

namespace ekiden::auth {
namespace {

DmarcRecord parse(std::string_view text) {
  EXPECT_TRUE(is_dmarc_record(text)) << text;
  const Result<DmarcRecord> record = parse_dmarc_record(text);
  EXPECT_TRUE(record) << text;
  return record ? *record : DmarcRecord();
}

TEST(DmarcRecord, IsKnownByItsFirstTag) {
  EXPECT_TRUE(is_dmarc_record("v=DMARC1"));
  EXPECT_TRUE(is_dmarc_record("V = DMARC1 ; p=none"));
  EXPECT_FALSE(is_dmarc_record("v=dmarc1; p=none"));
  EXPECT_FALSE(is_dmarc_record("v=DMARC12; p=none"));
  EXPECT_FALSE(is_dmarc_record("p=none; v=DMARC1"));
  EXPECT_FALSE(is_dmarc_record("v=spf1 -all"));
  EXPECT_FALSE(is_dmarc_record(""));
}

TEST(DmarcRecord, ReadsEveryTag) {
  const DmarcRecord record = parse(
      "v=DMARC1; p=reject; sp = Quarantine ;np=none; aspf=s; adkim=S; t=y; psd=n; pct=25; fo=1; "
      "rua=mailto:a@example.com!10m, https://example.com/r ; unknown=x;");
  EXPECT_EQ(record.policy, DmarcPolicy::Reject);
  EXPECT_EQ(record.subdomain_policy, DmarcPolicy::Quarantine);
  EXPECT_EQ(record.nonexistent_policy, DmarcPolicy::None);
  EXPECT_TRUE(record.is_spf_strict);
  EXPECT_TRUE(record.is_dkim_strict);
  EXPECT_TRUE(record.is_test);
  EXPECT_EQ(record.psd, DmarcPsd::No);
  EXPECT_EQ(record.percent, 25U);
  EXPECT_EQ(record.aggregate_reports,
            (std::vector<std::string>{"mailto:a@example.com", "https://example.com/r"}));
}

TEST(DmarcRecord, WhatMakesNoSenseIsAtItsDefault) {
  const DmarcRecord record = parse(
      "v=DMARC1; p=rejected; sp=; np=x; aspf=x; adkim=; t=1; psd=yes; pct=101; rua=a@b,mailto:; "
      ";; nonsense; =x; p q=reject");
  EXPECT_FALSE(record.policy);
  EXPECT_FALSE(record.subdomain_policy);
  EXPECT_TRUE(record.has_bad_subdomain_policy);
  EXPECT_TRUE(record.has_bad_nonexistent_policy);
  EXPECT_FALSE(record.is_spf_strict || record.is_dkim_strict || record.is_test);
  EXPECT_EQ(record.psd, DmarcPsd::Unknown);
  EXPECT_EQ(record.percent, 100U);
  EXPECT_TRUE(record.aggregate_reports.empty());
}

TEST(DmarcRecord, ATagThatStandsTwiceVoidsIt) {
  EXPECT_FALSE(parse_dmarc_record("v=DMARC1; p=none; p=reject"));
  EXPECT_FALSE(parse_dmarc_record("v=DMARC1; p=none; V=DMARC1"));
  EXPECT_FALSE(parse_dmarc_record("v=DMARC1; p=none; x=1; X=2"));
}

TEST(DmarcRecord, AMegabyteOfTagsIsMalformed) {
  std::string text = "v=DMARC1; p=reject";
  while (text.size() < 1'000'000) text += ";t=y";
  EXPECT_FALSE(parse_dmarc_record(text));
  text = "v=DMARC1; p=reject";
  while (text.size() < 1'000'000) text += ";;;;;;;;";
  EXPECT_FALSE(parse_dmarc_record(text));
}

}  // namespace
}  // namespace ekiden::auth
