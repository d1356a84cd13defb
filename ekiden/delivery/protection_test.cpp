// What decides about the TLS of a host: the route, MTA-STS, DANE (docs/TRANSPORT.md).
#include "ekiden/delivery/protection.hpp"

#include <gtest/gtest.h>

#include "ekiden/delivery/mx_plan.hpp"
#include "tests/support/secure_rig.hpp"

namespace ekiden::delivery {
namespace {

using policy::MtaStsMode;

TEST(Protection, UsableRecordsAreAskedOfTheHandshake) {
  SecureRig rig;
  rig.publish(kUsable);
  rig.plan.dane_domain = "example";
  rig.run();
  ASSERT_TRUE(rig.handshakes.at(0).dane);
  EXPECT_EQ(rig.handshakes[0].dane->base_name, "mx.example");
  EXPECT_EQ(rig.handshakes[0].dane->records, std::vector<dns::Tlsa>{kUsable});
  EXPECT_EQ(rig.handshakes[0].dane->names, std::vector<std::string>{"example"});
  EXPECT_EQ(rig.handshakes[0].level, TlsLevel::Modern);
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
}

TEST(Protection, ATlsaMismatchIsTheHostsFailureAndNeverFallsBack) {
  SecureRig rig;
  rig.publish(kUsable);
  rig.tls_errors[TlsLevel::Modern] = net::Errc::Tls;
  const ConnectionEnd& end = rig.run();
  EXPECT_TRUE(end.is_failure);
  EXPECT_EQ(end.phase, Phase::StartTls);
  EXPECT_EQ(end.reply.code, 451);
  EXPECT_EQ(end.reply.enhanced, (smtp::EnhancedCode{4, 7, 5}));
  EXPECT_NE(end.reply.text().find("mx.example: DANE: "), std::string::npos) << end.reply.text();
  EXPECT_EQ(rig.network.tried.size(), 1U);
  EXPECT_EQ(rig.feed.taken, 0U);
}

TEST(Protection, WithRecordsTheClearIsNoOption) {
  for (const dns::Tlsa& tlsa : {kUsable, kUnusable}) {
    SecureRig rig;
    rig.publish(tlsa);
    rig.host().script.ehlo = "250 mx.example\r\n";
    const ConnectionEnd& end = rig.run();
    EXPECT_EQ(end.reply.enhanced, (smtp::EnhancedCode{4, 7, 4}));
    EXPECT_NE(end.reply.text().find("DANE"), std::string::npos);
    EXPECT_EQ(rig.feed.taken, 0U);
  }
}

TEST(Protection, UnusableRecordsAskForTlsOnly) {
  SecureRig rig;
  rig.publish(kUnusable);
  rig.run();
  EXPECT_FALSE(rig.handshakes.at(0).dane);
  EXPECT_FALSE(rig.handshakes[0].verify);
  EXPECT_EQ(rig.verification(), "unverified (dane: no usable record)");
}

TEST(Protection, TheNextHostIsTriedWhenOneFails) {
  SecureRig rig;
  rig.publish(kUsable);
  rig.tls_errors[TlsLevel::Modern] = net::Errc::Tls;
  rig.target("mx2.example", 20);  // insecure: opportunistic
  rig.dns.a("mx2.example", "8.8.4.4");
  rig.host("8.8.4.4:25");
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.feed.results[0].peer.host, "mx2.example");
}

// RFC 7672 §6.
TEST(Protection, ARouteMayInsistOnDane) {
  SecureRig right;
  right.plan.tls = TlsPolicy::Dane;
  right.publish(kUsable);
  right.run();
  ASSERT_TRUE(right.handshakes.at(0).dane);
  EXPECT_EQ(right.feed.result(0).outcome, Outcome::Delivered);

  const auto refused = [](SecureRig& rig) {
    rig.plan.tls = TlsPolicy::Dane;
    const ConnectionEnd& end = rig.run();
    EXPECT_EQ(end.reply.code, 451);
    EXPECT_EQ(end.reply.enhanced, (smtp::EnhancedCode{4, 7, 5}));
    EXPECT_TRUE(rig.network.tried.empty());
    return end.reply.text();
  };
  SecureRig absent;
  EXPECT_NE(refused(absent).find("has no TLSA record"), std::string::npos);
  SecureRig unusable;
  unusable.publish(kUnusable);
  EXPECT_NE(refused(unusable).find("none of the host's TLSA records"), std::string::npos);
  SecureRig insecure;
  insecure.publish(kUsable);
  insecure.plan.targets[0].is_mx_secure = false;
  EXPECT_NE(refused(insecure).find("does not vouch for the domain's MX"), std::string::npos);
  // Neither a policy of the domain nor the sender's "TLS-Required: No" is an excuse.
  SecureRig rescued;
  rescued.obey(MtaStsMode::Enforce, {"mx.example"});
  EXPECT_NE(refused(rescued).find("DANE"), std::string::npos);
  SecureRig optional;
  optional.plan.tls_demand = message::TlsDemand::Optional;
  EXPECT_NE(refused(optional).find("DANE"), std::string::npos);

  // A host that the route names is known without an MX.
  SecureRig named;
  named.plan.tls = TlsPolicy::Dane;
  named.plan.targets[0].is_from_mx = named.plan.targets[0].is_mx_secure = false;
  named.publish(kUsable);
  named.run();
  ASSERT_TRUE(named.handshakes.at(0).dane);
}

TEST(Protection, BogusRecordsDefer) {
  for (const dns::Status status : {dns::Status::Bogus, dns::Status::Failed}) {
    SecureRig rig;
    rig.dns.fail("_25._tcp.mx.example", status);
    const ConnectionEnd& end = rig.run();
    EXPECT_EQ(end.reply.code, 451);
    EXPECT_EQ(end.reply.enhanced.subject, 7);
    EXPECT_NE(end.reply.text().find("_25._tcp.mx.example"), std::string::npos);
    EXPECT_TRUE(rig.network.tried.empty());
  }
}

TEST(Protection, DaneNeedsASecureMxAndToBeOn) {
  SecureRig insecure;
  insecure.publish(kUsable);
  insecure.plan.targets[0].is_mx_secure = false;
  insecure.run();
  EXPECT_FALSE(insecure.handshakes.at(0).dane);
  SecureRig off;
  off.publish(kUsable);
  off.context.options.uses_dane = false;
  off.run();
  EXPECT_FALSE(off.handshakes.at(0).dane);
  SecureRig route;
  route.publish(kUsable);
  route.plan.tls = TlsPolicy::Off;
  route.run();
  EXPECT_TRUE(route.handshakes.empty());
}

TEST(Protection, EnforceWantsAVerifiedCertificateOfANamedHost) {
  SecureRig rig;
  rig.obey(MtaStsMode::Enforce, {"*.example"});
  rig.run();
  EXPECT_TRUE(rig.handshakes.at(0).verify);
  EXPECT_EQ(rig.verification(), "verified (mta-sts)");

  SecureRig wrong;
  wrong.obey(MtaStsMode::Enforce, {"mx.example"});
  wrong.is_tls_verified = false;
  const ConnectionEnd& end = wrong.run();
  EXPECT_EQ(end.reply.enhanced, (smtp::EnhancedCode{4, 7, 5}));
  EXPECT_NE(end.reply.text().find("mx.example: MTA-STS: "), std::string::npos);
  EXPECT_EQ(wrong.network.tried.size(), 1U) << "nothing falls back";
  EXPECT_EQ(wrong.feed.taken, 0U);

  SecureRig clear;
  clear.obey(MtaStsMode::Enforce, {"mx.example"});
  clear.host().script.ehlo = "250 mx.example\r\n";
  EXPECT_EQ(clear.run().reply.enhanced, (smtp::EnhancedCode{4, 7, 4}));
}

TEST(Protection, AHostThatThePolicyDoesNotNameIsPassedOver) {
  SecureRig rig;
  rig.target("mx2.example", 20);
  rig.dns.a("mx2.example", "8.8.4.4");
  rig.host("8.8.4.4:25").script.ehlo = kTlsEhlo;
  rig.obey(MtaStsMode::Enforce, {"mx2.example"});
  rig.run();
  EXPECT_EQ(rig.network.tried, std::vector<std::string>{"8.8.4.4:25"});
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);

  SecureRig none;
  none.obey(MtaStsMode::Enforce, {"other.example"});
  const ConnectionEnd& end = none.run();
  EXPECT_EQ(end.reply.enhanced, (smtp::EnhancedCode{4, 7, 1}));
  EXPECT_FALSE(end.is_permanent);
  EXPECT_TRUE(none.network.tried.empty());
}

TEST(Protection, TestingDeliversAndRemarks) {
  SecureRig rig;
  rig.obey(MtaStsMode::Testing, {"mx.example"});
  rig.is_tls_verified = false;
  rig.run();
  EXPECT_FALSE(rig.handshakes.at(0).verify);
  EXPECT_EQ(rig.verification(), "unverified (mta-sts testing)");
  SecureRig other;
  other.obey(MtaStsMode::Testing, {"other.example"});
  other.run();
  EXPECT_EQ(other.verification(),
            "unverified (mta-sts testing: the policy does not name the host)");
}

TEST(Protection, DaneDecidesWhateverMtaStsSays) {
  // RFC 8461 §2: MTA-STS never overrides a failing DANE validation, nor the other way round.
  SecureRig passes;
  passes.publish(kUsable);
  passes.obey(MtaStsMode::Enforce, {"other.example"});
  passes.is_tls_verified = false;
  passes.run();
  EXPECT_TRUE(passes.handshakes.at(0).dane);
  EXPECT_FALSE(passes.handshakes[0].verify);
  EXPECT_EQ(passes.feed.result(0).outcome, Outcome::Delivered);

  SecureRig fails;
  fails.publish(kUsable);
  fails.obey(MtaStsMode::Enforce, {"mx.example"});
  fails.tls_errors[TlsLevel::Modern] = net::Errc::Tls;
  EXPECT_NE(fails.run().reply.text().find("DANE"), std::string::npos);
  EXPECT_EQ(fails.feed.taken, 0U);

  SecureRig bogus;
  bogus.dns.fail("_25._tcp.mx.example", dns::Status::Bogus);
  bogus.obey(MtaStsMode::Enforce, {"mx.example"});
  EXPECT_TRUE(bogus.run().is_failure);
  EXPECT_TRUE(bogus.network.tried.empty());

  // What is unusable leaves MTA-STS its say.
  SecureRig unusable;
  unusable.publish(kUnusable);
  unusable.obey(MtaStsMode::Enforce, {"mx.example"});
  unusable.run();
  EXPECT_TRUE(unusable.handshakes.at(0).verify);
}

TEST(Protection, SessionsAreNeverSharedAcrossPolicies) {
  std::vector<std::string> keys;
  for (int which = 0; which < 5; ++which) {
    SecureRig rig;
    if (which == 1) rig.plan.tls = TlsPolicy::Verified;
    if (which == 2) rig.obey(MtaStsMode::Enforce, {"mx.example"});
    if (which == 3) rig.publish(kUsable);
    if (which == 4) rig.plan.tls = TlsPolicy::Required;
    rig.run();
    keys.push_back(rig.handshakes.at(0).session_key);
  }
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(std::unique(keys.begin(), keys.end()), keys.end());
}

TEST(Protection, DomainsWithDifferentPoliciesShareNoSite) {
  const auto plan_with = [](std::optional<policy::MtaStsPolicy> policy) {
    Plan plan;
    plan.site = "mx opportunistic a.example";
    plan.targets.resize(1);
    plan.targets[0].host = "a.example";
    if (policy) apply_mta_sts(*policy, plan);
    return plan;
  };
  const auto hour = std::chrono::hours(1);
  const Plan none = plan_with(std::nullopt);
  const Plan enforce = plan_with(policy::MtaStsPolicy{MtaStsMode::Enforce, {"a.example"}, hour});
  const Plan wild = plan_with(policy::MtaStsPolicy{MtaStsMode::Enforce, {"*.example"}, hour});
  const Plan other = plan_with(policy::MtaStsPolicy{MtaStsMode::Enforce, {"b.example"}, hour});
  const Plan testing = plan_with(policy::MtaStsPolicy{MtaStsMode::Testing, {"a.example"}, hour});
  EXPECT_EQ(plan_with(policy::MtaStsPolicy{MtaStsMode::None, {}, hour}).site, none.site);
  EXPECT_NE(enforce.site, none.site);
  EXPECT_NE(enforce.site, other.site);
  EXPECT_NE(enforce.site, testing.site);
  EXPECT_EQ(enforce.site, wild.site) << "the same hosts under the same wish are one site";
}

}  // namespace
}  // namespace ekiden::delivery
