// What is told of TLS with a host, for reports to recipient domains (RFC 8460).
#include "ekiden/delivery/tls_observation.hpp"

#include <gtest/gtest.h>

#include "tests/support/secure_rig.hpp"

namespace ekiden::delivery {
namespace {

using policy::MtaStsMode;

struct ObservedRig : SecureRig {
  std::vector<std::pair<std::string, policy::TlsSession>> told;
  ObservedRig() {
    context.observe_tls = [this](std::string domain, const policy::TlsSession& session) {
      told.emplace_back(std::move(domain), session);
    };
  }
  policy::TlsResult failure(std::size_t i = 0) { return told.at(i).second.failure.value().result; }
};

TEST(Observation, AConnectionCountsOnceForEachDomain) {
  ObservedRig rig;
  rig.publish(kUsable);
  rig.add({"c@example.net"});
  rig.add({"d@other.example"});
  rig.run();
  ASSERT_EQ(rig.told.size(), 2U);
  EXPECT_EQ(rig.told[0].first, "example.net");
  EXPECT_EQ(rig.told[1].first, "other.example");
  const policy::TlsSession& session = rig.told[0].second;
  EXPECT_EQ(session.policy, policy::TlsPolicyKind::Tlsa);
  EXPECT_EQ(session.policy_strings, std::vector<std::string>{policy::format_tlsa(kUsable)});
  EXPECT_EQ(session.mx_hosts, std::vector<std::string>{"mx.example"});
  EXPECT_FALSE(session.failure);
}

TEST(Observation, WhatKeptMailBackIsToldWithTheConnectionsEnd) {
  ObservedRig tlsa;
  tlsa.publish(kUsable);
  tlsa.tls_errors[TlsLevel::Modern] = net::Errc::Tls;
  const ConnectionEnd& end = tlsa.run();
  ASSERT_EQ(end.tls.size(), 1U);
  EXPECT_EQ(end.tls[0].policy, policy::TlsPolicyKind::Tlsa);
  EXPECT_EQ(end.tls[0].failure->receiving_host, "mx.example");
  EXPECT_EQ(end.tls[0].failure->receiving_ip, "8.8.8.8");
  EXPECT_TRUE(tlsa.told.empty());

  ObservedRig bogus;
  bogus.dns.fail("_25._tcp.mx.example", dns::Status::Bogus);
  const ConnectionEnd& refused = bogus.run();
  ASSERT_EQ(refused.tls.size(), 1U);
  EXPECT_EQ(refused.tls[0].failure->result, policy::TlsResult::DnssecInvalid);

  ObservedRig clear;
  clear.obey(MtaStsMode::Enforce, {"mx.example"});
  clear.host().script.ehlo = "250 mx.example\r\n";
  const ConnectionEnd& unoffered = clear.run();
  ASSERT_EQ(unoffered.tls.size(), 1U);
  EXPECT_EQ(unoffered.tls[0].policy, policy::TlsPolicyKind::Sts);
  EXPECT_EQ(unoffered.tls[0].failure->result, policy::TlsResult::StarttlsNotSupported);
}

// RFC 8460 §4.3.2.2.
TEST(Observation, EachFaultOfDaneHasItsName) {
  const auto told = [](ObservedRig& rig) {
    const ConnectionEnd& end = rig.run();
    EXPECT_EQ(end.tls.size(), 1U);
    EXPECT_EQ(end.tls.at(0).policy, policy::TlsPolicyKind::Tlsa);
    return end.tls.at(0).failure.value().result;
  };
  ObservedRig unvalidated;
  unvalidated.dns.fail("_25._tcp.mx.example", dns::Status::Failed);
  EXPECT_EQ(told(unvalidated), policy::TlsResult::DnssecInvalid);
  ObservedRig clear;
  clear.publish(kUsable);
  clear.host().script.ehlo = "250 mx.example\r\n";
  EXPECT_EQ(told(clear), policy::TlsResult::StarttlsNotSupported);
  ObservedRig absent;
  absent.plan.tls = TlsPolicy::Dane;
  EXPECT_EQ(told(absent), policy::TlsResult::DaneRequired);
  ObservedRig insecure;
  insecure.plan.tls = TlsPolicy::Dane;
  insecure.plan.targets[0].is_mx_secure = false;
  EXPECT_EQ(told(insecure), policy::TlsResult::DaneRequired);
  ObservedRig required;
  required.plan.tls = TlsPolicy::Dane;
  required.publish(kUnusable);
  EXPECT_EQ(told(required), policy::TlsResult::TlsaInvalid);

  // Mail got through, under TLS that authenticated nobody.
  ObservedRig unusable;
  unusable.publish(kUnusable);
  unusable.run();
  ASSERT_EQ(unusable.told.size(), 1U);
  EXPECT_EQ(unusable.told[0].second.policy, policy::TlsPolicyKind::Tlsa);
  EXPECT_EQ(unusable.failure(), policy::TlsResult::TlsaInvalid);
}

TEST(Observation, FailuresThatMailGotPastAreToldToo) {
  ObservedRig testing;
  testing.obey(MtaStsMode::Testing, {"mx.example"});
  testing.is_tls_verified = false;
  testing.run();
  ASSERT_EQ(testing.told.size(), 1U);
  EXPECT_EQ(testing.told[0].second.policy, policy::TlsPolicyKind::Sts);
  EXPECT_TRUE(testing.told[0].second.failure);

  ObservedRig fallback;
  fallback.tls_errors[TlsLevel::Modern] = net::Errc::Tls;
  fallback.run();
  ASSERT_EQ(fallback.told.size(), 2U) << "one that failed, one that worked";
  EXPECT_TRUE(fallback.told[0].second.failure);
  EXPECT_FALSE(fallback.told[1].second.failure);

  ObservedRig clear;
  clear.host().script.ehlo = "250 mx.example\r\n";
  clear.run();
  ASSERT_EQ(clear.told.size(), 1U);
  EXPECT_EQ(clear.told[0].second.policy, policy::TlsPolicyKind::None);
  EXPECT_EQ(clear.failure(), policy::TlsResult::StarttlsNotSupported);
}

TEST(Observation, RoutesAndTlsRequiredNoAreNobodysReport) {
  ObservedRig named;
  named.plan.targets[0].is_from_mx = false;
  named.run();
  EXPECT_TRUE(named.told.empty());
  ObservedRig optional;
  optional.plan.tls_demand = message::TlsDemand::Optional;
  optional.run();
  EXPECT_TRUE(optional.told.empty());
}

}  // namespace
}  // namespace ekiden::delivery
