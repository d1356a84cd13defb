// What senders ask of TLS on the way (RFC 8689): REQUIRETLS and "TLS-Required: No".
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/support/secure_rig.hpp"

namespace ekiden::delivery {
namespace {

using policy::MtaStsMode;

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

TEST(RequireTls, WantsAProvenNameAndAVerifiedCertificate) {
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

// RFC 8689 §4.2.1: "the domain name in the absence of an MX record". No answer of the DNS chose it.
TEST(RequireTls, ADomainThatIsItsOwnHostNeedsNobodyToVouchForIt) {
  RequireRig rig;
  rig.plan.targets[0].is_mx_secure = false;
  rig.plan.targets[0].is_domain_itself = true;
  rig.run();
  EXPECT_TRUE(rig.handshakes.at(0).verify);
  EXPECT_TRUE(rig.has_asked());

  RequireRig forged;
  forged.plan.targets[0].is_mx_secure = false;
  forged.plan.targets[0].is_domain_itself = true;
  forged.is_tls_verified = false;
  EXPECT_TRUE(forged.run().is_permanent);
  EXPECT_EQ(forged.feed.taken, 0U);

  // The same host as another domain's MX, which nobody vouches for, is no host of that site.
  auto itself = std::make_shared<Plan>();
  itself->site = "mx opportunistic a.example";
  itself->targets = {{.host = "a.example", .is_from_mx = true}};
  const auto named = std::make_shared<const Plan>(*itself);
  itself->targets[0].is_domain_itself = true;
  const auto site = [](const std::shared_ptr<const Plan>& plan) {
    return with_demand(plan, message::TlsDemand::Required)->site;
  };
  EXPECT_NE(site(itself), site(named));
}

TEST(RequireTls, WhatCannotMeetRequiretlsBounces) {
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

TEST(RequireTls, WhatMayChangeKeepsMailWithRequiretlsWaiting) {
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

TEST(RequireTls, AnotherHostMayMeetRequiretls) {
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
TEST(RequireTls, ABounceIsNotLostForRequiretls) {
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

TEST(RequireTls, TlsRequiredNoSetsPoliciesAsideAndNoRoute) {
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

TEST(RequireTls, EveryDemandHasASiteOfItsOwn) {
  Plan plan;
  plan.site = "mx opportunistic a.example";
  const auto shared = std::make_shared<const Plan>(plan);
  const auto site = [&](message::TlsDemand demand) { return with_demand(shared, demand)->site; };
  EXPECT_EQ(site(message::TlsDemand::Usual), plan.site);
  EXPECT_NE(site(message::TlsDemand::Required), plan.site);
  EXPECT_NE(site(message::TlsDemand::Optional), site(message::TlsDemand::Required));
}

}  // namespace
}  // namespace ekiden::delivery
