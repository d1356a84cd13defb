// What a domain's owner is asked to publish, and what counts as published.
#include "ekiden/policy/domain_records.hpp"

#include <gtest/gtest.h>

namespace ekiden::policy {
namespace {

account::DomainKey key(std::string selector, std::string tenant) {
  account::DomainKey made;
  made.domain = "example.jp";
  made.selector = std::move(selector);
  made.tenant = std::move(tenant);
  made.record = "v=DKIM1; k=ed25519; p=AAAABBBB";
  made.state = account::DomainKeyState::Pending;
  return made;
}

DomainFacts facts() {
  DomainFacts made;
  made.domain = "example.jp";
  made.tenant = "shop";
  made.token = "cafe";
  made.hostname = "relay.test";
  made.keys = {key("own", "shop"), key("all", ""), key("other", "other")};
  made.bounce_domains = {"bounce.example.jp", "bounce.badexample.jp"};
  return made;
}

const DomainRecord* find(const std::vector<DomainRecord>& records, std::string_view name) {
  for (const DomainRecord& record : records)
    if (record.name == name) return &record;
  return nullptr;
}

TEST(DomainRecords, AreReadyToPaste) {
  const auto records = records_of(facts());
  ASSERT_NE(find(records, "_ekiden.example.jp"), nullptr);
  EXPECT_EQ(find(records, "_ekiden.example.jp")->zone_line(),
            "_ekiden.example.jp. IN TXT ( \"ekiden-verify=cafe\" )");
  EXPECT_NE(find(records, "own._domainkey.example.jp"), nullptr);
  EXPECT_NE(find(records, "all._domainkey.example.jp"), nullptr);
  EXPECT_EQ(find(records, "other._domainkey.example.jp"), nullptr) << "another tenant's key";
  EXPECT_EQ(find(records, "example.jp")->value, "v=spf1 a:relay.test ~all");
  EXPECT_EQ(find(records, "bounce.example.jp")->zone_line(),
            "bounce.example.jp. IN MX 10 relay.test.");
  EXPECT_EQ(find(records, "bounce.badexample.jp"), nullptr);
}

TEST(DomainRecords, OnlyWhatTheOwnerPublishedForThisTenantProves) {
  auto records = records_of(facts());
  EXPECT_EQ(proof_of(records), "");
  EXPECT_TRUE(is_undecided(records)) << "nobody has asked";
  for (DomainRecord& record : records) record.state = RecordState::Missing;
  EXPECT_FALSE(is_undecided(records));
  const auto with_live = [&](std::string_view name) {
    auto copy = records;
    for (DomainRecord& record : copy)
      if (record.name == name) record.state = RecordState::Live;
    return proof_of(copy);
  };
  EXPECT_EQ(with_live("_ekiden.example.jp"), "txt");
  EXPECT_EQ(with_live("own._domainkey.example.jp"), "dkim");
  EXPECT_EQ(with_live("all._domainkey.example.jp"), "");
  EXPECT_EQ(with_live("example.jp"), "");
}

}  // namespace
}  // namespace ekiden::policy
