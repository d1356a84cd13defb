// What decides about the TLS of a host: the route, MTA-STS, DANE (docs/TRANSPORT.md).
#include "ekiden/delivery/protection.hpp"

#include <gtest/gtest.h>

#include "ekiden/delivery/mx_plan.hpp"
#include "ekiden/dns/records.hpp"
#include "tests/support/delivery_rig.hpp"

namespace ekiden::delivery {
namespace {

using policy::MtaStsMode;

constexpr const char* kTlsEhlo = "250-mx.example\r\n250 STARTTLS\r\n";

const dns::Tlsa kUsable{3, 1, 1, std::string(32, 'x')};
const dns::Tlsa kUnusable{1, 1, 1, std::string(32, 'x')};

/// A host that DNSSEC vouches for.
struct SecureRig : Rig {
  SecureRig() {
    plan.targets[0].is_mx_secure = true;
    dns.secure("mx.example");
    host().script.ehlo = kTlsEhlo;
    add();
  }
  void publish(const dns::Tlsa& tlsa, const std::string& of = "mx.example") {
    const std::string name = "_25._tcp." + of;
    dns.record(name, dns::Type::TLSA, dns::rdata_of_tlsa(tlsa)).secure(name);
  }
  void obey(MtaStsMode mode, std::vector<std::string> mx) {
    apply_mta_sts({mode, std::move(mx), std::chrono::hours(24)}, plan);
  }
  const std::string& verification() { return feed.results.at(0).peer.tls_verification; }
};

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

// --- RFC 8689

constexpr const char* kRequireEhlo = "250-mx.example\r\n250-REQUIRETLS\r\n250 STARTTLS\r\n";

struct RequireRig : SecureRig {
  RequireRig() {
    host().script.ehlo = kRequireEhlo;
    plan.tls_demand = message::TlsDemand::Required;
    feed.jobs.clear();
    add(true);
  }
  void add(bool has_sender) {
    const std::shared_ptr<message::Meta> sent = meta({"b@example.net"});
    if (!has_sender) sent->envelope.reverse_path.clear();
    sent->details.tls_demand = message::TlsDemand::Required;
    feed.jobs.push_back(job(sent, "Subject: x\r\n\r\nhello\r\n"));
  }
  bool has_asked() {
    const auto& commands = server().commands;
    return std::any_of(commands.begin(), commands.end(), [](const std::string& line) {
      return line.starts_with("MAIL") && line.ends_with(" REQUIRETLS");
    });
  }
};

TEST(Protection, RequiretlsWantsAProvenNameAndAVerifiedCertificate) {
  RequireRig dnssec;
  dnssec.run();
  EXPECT_TRUE(dnssec.handshakes.at(0).verify);
  EXPECT_TRUE(dnssec.has_asked());
  EXPECT_EQ(dnssec.verification(), "verified (requiretls)");

  RequireRig dane;
  dane.publish(kUsable);
  dane.run();
  EXPECT_TRUE(dane.handshakes.at(0).dane);
  EXPECT_FALSE(dane.handshakes[0].verify);
  EXPECT_EQ(dane.feed.result(0).outcome, Outcome::Delivered);

  for (const MtaStsMode mode : {MtaStsMode::Enforce, MtaStsMode::Testing}) {
    RequireRig sts;
    sts.plan.targets[0].is_mx_secure = false;
    sts.obey(mode, {"mx.example"});
    sts.run();
    EXPECT_TRUE(sts.handshakes.at(0).verify);
    EXPECT_TRUE(sts.has_asked());
  }

  RequireRig named;  // by a route
  named.plan.targets[0].is_mx_secure = false;
  named.plan.targets[0].is_from_mx = false;
  named.run();
  EXPECT_TRUE(named.handshakes.at(0).verify);
  EXPECT_TRUE(named.has_asked());
}

TEST(Protection, WhatCannotMeetRequiretlsBounces) {
  struct Case {
    const char* name;
    smtp::EnhancedCode code;
    std::function<void(RequireRig&)> prepare;
  };
  const std::vector<Case> cases{
      {"not offered", {5, 7, 30}, [](RequireRig& rig) { rig.host().script.ehlo = kTlsEhlo; }},
      {"no STARTTLS",
       {5, 7, 10},
       [](RequireRig& rig) { rig.host().script.ehlo = "250 mx.example\r\n"; }},
      {"bad certificate", {5, 7, 10}, [](RequireRig& rig) { rig.is_tls_verified = false; }},
      {"nobody vouches for the name",
       {5, 7, 30},
       [](RequireRig& rig) { rig.plan.targets[0].is_mx_secure = false; }},
      {"the route has no TLS", {5, 7, 10}, [](RequireRig& rig) { rig.plan.tls = TlsPolicy::Off; }},
      {"TLSA does not match",
       {5, 7, 10},
       [](RequireRig& rig) {
         rig.publish(kUsable);
         rig.tls_errors[TlsLevel::Modern] = net::Errc::Tls;
       }},
  };
  for (const Case& one : cases) {
    RequireRig rig;
    one.prepare(rig);
    const ConnectionEnd& end = rig.run();
    EXPECT_TRUE(end.is_permanent) << one.name;
    EXPECT_EQ(end.reply.code, 550) << one.name;
    EXPECT_EQ(end.reply.enhanced, one.code) << one.name << ": " << end.reply.text();
    EXPECT_EQ(rig.feed.taken, 0U) << one.name;
  }
}

TEST(Protection, WhatMayChangeKeepsMailWithRequiretlsWaiting) {
  const std::vector<std::function<void(RequireRig&)>> cases{
      [](RequireRig& rig) { rig.dns.fail("_25._tcp.mx.example", dns::Status::Bogus); },
      [](RequireRig& rig) { rig.tls_errors[TlsLevel::Modern] = net::Errc::Reset; },
      [](RequireRig& rig) {
        rig.plan.targets[0].is_mx_secure = false;
        rig.plan.is_mta_sts_pending = true;
      },
      // One host cannot, another one does not answer now.
      [](RequireRig& rig) {
        rig.host().script.ehlo = kTlsEhlo;
        rig.target("mx2.example", 20);
        rig.dns.fail("mx2.example");
      },
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    RequireRig rig;
    cases[i](rig);
    const ConnectionEnd& end = rig.run();
    EXPECT_TRUE(end.is_failure) << i;
    EXPECT_FALSE(end.is_permanent) << i << ": " << end.reply.text();
    EXPECT_EQ(rig.feed.taken, 0U) << i;
  }
}

TEST(Protection, AnotherHostMayMeetRequiretls) {
  RequireRig rig;
  rig.host().script.ehlo = kTlsEhlo;
  Target& second = rig.target("mx2.example", 20);
  second.is_mx_secure = true;
  rig.dns.secure("mx2.example").a("mx2.example", "8.8.4.4");
  rig.host("8.8.4.4:25").script.ehlo = kRequireEhlo;
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.feed.results[0].peer.host, "mx2.example");
}

// RFC 8689 §5: it asks where it may, and goes all the same where it may not.
TEST(Protection, ABounceIsNotLostForRequiretls) {
  RequireRig rig;
  rig.plan.tls_demand = message::TlsDemand::Usual;
  rig.feed.jobs.clear();
  rig.add(false);
  rig.host().script.ehlo = kTlsEhlo;
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  EXPECT_FALSE(rig.has_asked());

  RequireRig offered;
  offered.plan.tls_demand = message::TlsDemand::Usual;
  offered.plan.tls = TlsPolicy::Verified;
  offered.feed.jobs.clear();
  offered.add(false);
  offered.run();
  EXPECT_TRUE(offered.has_asked());

  RequireRig unproven;  // RFC 8689 §2: not on a session that does not meet it
  unproven.plan.tls_demand = message::TlsDemand::Usual;
  unproven.plan.targets[0].is_mx_secure = false;
  unproven.feed.jobs.clear();
  unproven.add(false);
  unproven.run();
  EXPECT_FALSE(unproven.has_asked());
}

TEST(Protection, TlsRequiredNoSetsPoliciesAsideAndNoRoute) {
  SecureRig rig;
  rig.plan.tls_demand = message::TlsDemand::Optional;
  rig.publish(kUsable);
  rig.obey(MtaStsMode::Enforce, {"other.example"});
  rig.is_tls_verified = false;
  rig.run();
  EXPECT_FALSE(rig.handshakes.at(0).dane);
  EXPECT_FALSE(rig.handshakes[0].verify);
  EXPECT_EQ(rig.verification(), "unverified (tls-required: no)");

  SecureRig clear;
  clear.plan.tls_demand = message::TlsDemand::Optional;
  clear.publish(kUsable);
  clear.host().script.ehlo = "250 mx.example\r\n";
  clear.run();
  EXPECT_EQ(clear.feed.result(0).outcome, Outcome::Delivered);

  SecureRig bogus;
  bogus.plan.tls_demand = message::TlsDemand::Optional;
  bogus.dns.fail("_25._tcp.mx.example", dns::Status::Bogus);
  bogus.run();
  EXPECT_EQ(bogus.feed.result(0).outcome, Outcome::Delivered);

  SecureRig route;
  route.plan.tls_demand = message::TlsDemand::Optional;
  route.plan.tls = TlsPolicy::Verified;
  route.is_tls_verified = false;
  EXPECT_TRUE(route.run().is_failure) << "the operator's wish stays";
}

TEST(Protection, EveryDemandHasASiteOfItsOwn) {
  Plan plan;
  plan.site = "mx opportunistic a.example";
  const auto shared = std::make_shared<const Plan>(plan);
  const auto site = [&](message::TlsDemand demand) { return with_demand(shared, demand)->site; };
  EXPECT_EQ(site(message::TlsDemand::Usual), plan.site);
  EXPECT_NE(site(message::TlsDemand::Required), plan.site);
  EXPECT_NE(site(message::TlsDemand::Optional), site(message::TlsDemand::Required));
}

// --- RFC 8460

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
