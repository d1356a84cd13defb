#include "ekiden/delivery/mx_plan.hpp"

#include <gtest/gtest.h>

#include "ekiden/dns/records.hpp"

namespace ekiden::delivery {
namespace {

dns::Answer mx_answer(std::vector<std::pair<std::uint16_t, std::string>> records) {
  dns::Answer answer;
  answer.status = dns::Status::Ok;
  for (const auto& [preference, host] : records) {
    answer.rdata.push_back(*dns::rdata_of_mx(preference, host));
  }
  return answer;
}

dns::Answer status_answer(dns::Status status) {
  dns::Answer answer;
  answer.status = status;
  return answer;
}

MxTargets read(const dns::Answer& answer) {
  MxOptions options;
  options.hostname = "relay.example";
  return read_mx("example.net", answer, options);
}

TEST(MxPlan, SortsByPreference) {
  const MxTargets found =
      read(mx_answer({{20, "c.example"}, {10, "B.example"}, {10, "a.example"}}));
  ASSERT_EQ(found.targets.size(), 3U);
  EXPECT_EQ(found.targets[0].host, "a.example");
  EXPECT_EQ(found.targets[1].host, "b.example");
  EXPECT_EQ(found.targets[2].preference, 20);
  EXPECT_TRUE(found.targets[0].is_from_mx);
}

TEST(MxPlan, TakesTheDomainItselfWithoutMx) {
  const MxTargets found = read(status_answer(dns::Status::NoData));
  EXPECT_TRUE(found.is_implicit);
  ASSERT_EQ(found.targets.size(), 1U);
  EXPECT_EQ(found.targets[0].host, "example.net");
  EXPECT_TRUE(found.targets[0].is_from_mx);

  const dns::Answer ok = status_answer(dns::Status::Ok);
  const dns::Answer none = status_answer(dns::Status::NoData);
  const dns::Answer failed = status_answer(dns::Status::Failed);
  EXPECT_FALSE(check_implicit_mx("example.net", ok, none));
  EXPECT_FALSE(check_implicit_mx("example.net", failed, ok));
  EXPECT_EQ(check_implicit_mx("example.net", none, none)->code, 550);
  EXPECT_EQ(check_implicit_mx("example.net", none, failed)->code, 451);
}

TEST(MxPlan, NullMxIsPermanent) {
  const MxTargets found = read(mx_answer({{0, "."}}));
  ASSERT_TRUE(found.failure);
  EXPECT_EQ(found.failure->code, 556);
  EXPECT_EQ(found.failure->enhanced, (smtp::EnhancedCode{5, 1, 10}));
  EXPECT_EQ(read(mx_answer({{0, "."}, {10, "a.example"}})).targets.size(), 1U);
}

TEST(MxPlan, TellsADomainThatDoesNotExistFromADnsThatFails) {
  EXPECT_EQ(read(status_answer(dns::Status::NoDomain)).failure->enhanced,
            (smtp::EnhancedCode{5, 1, 2}));
  EXPECT_EQ(read(status_answer(dns::Status::Failed)).failure->enhanced,
            (smtp::EnhancedCode{4, 4, 3}));
  dns::Answer bogus = mx_answer({{10, "evil.example"}});
  bogus.status = dns::Status::Bogus;
  EXPECT_EQ(read(bogus).failure->enhanced, (smtp::EnhancedCode{4, 4, 3}));
  EXPECT_TRUE(read(bogus).targets.empty());
  dns::Answer malformed = status_answer(dns::Status::Ok);
  malformed.rdata.push_back("x");
  EXPECT_EQ(read(malformed).failure->enhanced, (smtp::EnhancedCode{4, 4, 3}));
}

TEST(MxPlan, DropsOurselvesAndWhoeverIsNoBetter) {
  const MxTargets found = read(mx_answer(
      {{5, "best.example"}, {10, "relay.example"}, {10, "equal.example"}, {20, "worse.example"}}));
  ASSERT_EQ(found.targets.size(), 1U);
  EXPECT_EQ(found.targets[0].host, "best.example");
  const MxTargets loop = read(mx_answer({{10, "RELAY.example"}, {20, "worse.example"}}));
  ASSERT_TRUE(loop.failure);
  EXPECT_EQ(loop.failure->enhanced, (smtp::EnhancedCode{5, 4, 6}));
}

TEST(MxPlan, HasALimitAndNoDuplicates) {
  std::vector<std::pair<std::uint16_t, std::string>> records;
  for (int i = 0; i < 100; ++i) {
    records.emplace_back(i / 2, "mx" + std::to_string(i / 2) + ".example");
  }
  const MxTargets found = read(mx_answer(records));
  EXPECT_EQ(found.targets.size(), kMxHostsMax);
  EXPECT_EQ(found.targets.back().host, "mx19.example");
}

TEST(MxPlan, ReadsLiterals) {
  EXPECT_EQ(read_literal("[192.0.2.1]", MxOptions()).targets.at(0).host, "192.0.2.1");
  EXPECT_EQ(read_literal("[IPv6:2001:db8::1]", MxOptions()).targets.at(0).host, "2001:db8::1");
  EXPECT_EQ(read_literal("[ipv6:2001:db8::1]", MxOptions()).targets.at(0).host, "2001:db8::1");
  for (const char* bad : {"[", "[]", "[x400:abc]", "[192.0.2]"}) {
    EXPECT_TRUE(read_literal(bad, MxOptions()).failure) << bad;
  }
}

TEST(MxPlan, SameHostsInTheSameOrderAreOneSite) {
  std::string why;
  RouteOptions verified;
  verified.tls = TlsPolicy::Verified;
  const auto table = RouteTable::make({verified}, RouteOptions(), why);
  const Route& usual = table->find("any.example");
  const auto site = [&](const Route& route, const dns::Answer& answer) {
    return plan_for_targets(route, read(answer)).site;
  };
  const std::string one = site(usual, mx_answer({{10, "a.example"}, {20, "b.example"}}));
  EXPECT_EQ(site(usual, mx_answer({{7, "b.example"}, {1, "a.example"}})), one);
  EXPECT_NE(site(usual, mx_answer({{10, "a.example"}, {10, "b.example"}})), one);
  EXPECT_NE(site(usual, mx_answer({{20, "a.example"}, {10, "b.example"}})), one);
  // The TLS policy belongs to the recipient domain, never to the site.
  EXPECT_NE(site(table->routes()[0], mx_answer({{10, "a.example"}, {20, "b.example"}})), one);
  const Plan plan =
      plan_for_targets(usual, read(mx_answer({{10, "a.example"}, {20, "b.example"}})));
  EXPECT_FALSE(plan.may_use_private);
  EXPECT_EQ(plan.targets[1].preference, 1);
}

}  // namespace
}  // namespace ekiden::delivery
