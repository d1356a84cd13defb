// Goal: TLS and AUTH of a connection: when they are used, and what happens when they fail.
// Method: servers in memory that follow a script, a clock moved by hand.
#include "ekiden/delivery/connection.hpp"

#include <gtest/gtest.h>

#include "tests/support/delivery_rig.hpp"

namespace ekiden::delivery {
namespace {

// ---- TLS

constexpr const char* kTlsEhlo = "250-mx.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n";

TEST(Connection, UsesTlsWhenOffered) {
  Rig rig;
  rig.host().script.ehlo = kTlsEhlo;
  rig.add();
  rig.run();
  ASSERT_EQ(rig.handshakes.size(), 1U);
  EXPECT_EQ(rig.handshakes[0].server_name, "mx.example");
  EXPECT_FALSE(rig.handshakes[0].verify);
  const Peer& peer = rig.feed.results.at(0).peer;
  EXPECT_EQ(peer.tls_version, "TLSv1.3");
  EXPECT_EQ(peer.tls_verification, "unverified");
}

TEST(Connection, FallsBackByDegreesAndRemembersPerHost) {
  Rig rig;
  rig.host().script.ehlo = kTlsEhlo;
  rig.tls_errors[TlsLevel::Modern] = net::Errc::Tls;
  rig.add();
  rig.run();
  ASSERT_EQ(rig.handshakes.size(), 2U);
  EXPECT_EQ(rig.handshakes[1].level, TlsLevel::Compatible);
  EXPECT_NE(rig.handshakes[0].session_key, rig.handshakes[1].session_key);
  EXPECT_EQ(rig.network.servers.size(), 2U);
  EXPECT_TRUE(rig.feed.results.at(0).peer.tls_verification.starts_with("fallback: "));

  rig.add();
  rig.run();
  EXPECT_EQ(rig.handshakes.size(), 3U) << "remembered: no second failing handshake";
  EXPECT_EQ(rig.handshakes[2].level, TlsLevel::Compatible);

  rig.tls_errors[TlsLevel::Compatible] = net::Errc::Tls;
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.result(2).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.feed.results[2].peer.tls_version, "");
  EXPECT_TRUE(rig.feed.results[2].peer.tls_verification.starts_with("fallback: "));

  rig.pass(std::chrono::hours(2));
  rig.tls_errors.clear();
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.results[3].peer.tls_verification, "unverified");
}

TEST(Connection, AFallbackThatDoesNotWorkEitherIsNotRemembered) {
  Rig rig;
  rig.host().script.ehlo = kTlsEhlo;
  rig.tls_errors[TlsLevel::Modern] = rig.tls_errors[TlsLevel::Compatible] = net::Errc::TimedOut;
  test::ServerScript refusing;
  refusing.greeting = "421 busy\r\n";
  rig.host().then = {rig.host().script, refusing};
  EXPECT_TRUE(rig.run().is_failure);
  EXPECT_EQ(rig.tls_memory.size(), 0U);
}

TEST(Connection, NeverDowngradesRequiredOrVerified) {
  for (const TlsPolicy policy : {TlsPolicy::Required, TlsPolicy::Verified}) {
    Rig rig;
    rig.plan.tls = policy;
    rig.host().script.ehlo = kTlsEhlo;
    rig.tls_errors[TlsLevel::Modern] = net::Errc::Tls;
    rig.tls_memory.remember("mx.example:25", {TlsLevel::Plain, "old"}, rig.loop.clock().steady());
    rig.add();
    const ConnectionEnd& end = rig.run();
    EXPECT_TRUE(end.is_failure);
    EXPECT_EQ(end.phase, Phase::StartTls);
    EXPECT_FALSE(end.is_permanent);
    EXPECT_EQ(rig.feed.taken, 0U);
    EXPECT_EQ(rig.handshakes.size(), 1U);

    Rig clear;
    clear.plan.tls = policy;
    clear.host();
    clear.add();
    EXPECT_EQ(clear.run().reply.enhanced, (smtp::EnhancedCode{4, 7, 4}));
    EXPECT_EQ(clear.feed.taken, 0U);

    Rig refused;
    refused.plan.tls = policy;
    refused.host().script.ehlo = kTlsEhlo;
    refused.host().script.replies = {{"STARTTLS", "454 4.7.0 later\r\n"}};
    refused.add();
    EXPECT_EQ(refused.run().reply.code, 454);
    EXPECT_EQ(refused.feed.taken, 0U);
  }
}

TEST(Connection, VerifiesWhenThePolicySaysSo) {
  Rig rig;
  rig.plan.tls = TlsPolicy::Verified;
  rig.host().script.ehlo = kTlsEhlo;
  rig.add();
  rig.run();
  EXPECT_TRUE(rig.handshakes.at(0).verify);
  EXPECT_EQ(rig.feed.results.at(0).peer.tls_verification, "verified");
  rig.is_tls_verified = false;
  rig.add();
  EXPECT_EQ(rig.run().phase, Phase::StartTls);
}

TEST(Connection, SessionsAreNotSharedAcrossPolicies) {
  Rig opportunistic, verified;
  verified.plan.tls = TlsPolicy::Verified;
  for (Rig* rig : {&opportunistic, &verified}) {
    rig->host().script.ehlo = kTlsEhlo;
    rig->add();
    rig->run();
  }
  EXPECT_NE(opportunistic.handshakes.at(0).session_key, verified.handshakes.at(0).session_key);
}

TEST(Connection, RefusesOctetsInjectedBeforeTls) {
  Rig rig;
  rig.host().script.ehlo = kTlsEhlo;
  rig.host().script.replies = {{"STARTTLS", "220 go\r\n250-injected\r\n250 SIZE 1\r\n"}};
  rig.add();
  const ConnectionEnd& end = rig.run();
  EXPECT_TRUE(end.is_failure);
  EXPECT_TRUE(rig.handshakes.empty());
  EXPECT_EQ(rig.feed.taken, 0U);
}

TEST(Connection, ShowsARefusedStarttlsInTheEvent) {
  Rig rig;
  rig.host().script.ehlo = kTlsEhlo;
  rig.host().script.replies = {{"STARTTLS", "454 4.7.0 later\r\n"}};
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.results.at(0).peer.tls_verification,
            "fallback: STARTTLS refused: 454 4.7.0 later");
}

TEST(Connection, SpeaksTlsFromTheFirstOctetWhereAsked) {
  Rig rig;
  rig.plan.targets[0].has_implicit_tls = true;
  rig.plan.targets[0].port = 465;
  rig.plan.tls = TlsPolicy::Required;
  rig.host("8.8.8.8:465");
  rig.add();
  rig.run();
  EXPECT_EQ(rig.handshakes.size(), 1U);
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  rig.tls_errors[TlsLevel::Modern] = net::Errc::Tls;
  rig.add();
  EXPECT_TRUE(rig.run().is_failure);
}

// ---- AUTH

TEST(Connection, LogsInAndNeverBlamesTheRecipientForOurCredentials) {
  for (const char* reply : {"235 2.7.0 ok\r\n", "535 5.7.8 bad\r\n"}) {
    Rig rig;
    rig.plan.username = "u";
    rig.plan.password = "p";
    rig.host().script.ehlo = "250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n";
    rig.host().script.replies = {{"AUTH", reply}};
    rig.add();
    const ConnectionEnd& end = rig.run();
    EXPECT_EQ(rig.server().commands.at(3), "AUTH PLAIN AHUAcA==");
    const bool is_in = reply[0] == '2';
    EXPECT_EQ(end.is_failure, !is_in);
    EXPECT_FALSE(end.is_permanent);
    EXPECT_EQ(rig.feed.taken, is_in ? 1U : 0U);
    if (!is_in) {
      EXPECT_EQ(end.phase, Phase::Auth);
    }
  }
}

}  // namespace
}  // namespace ekiden::delivery
