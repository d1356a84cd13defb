#include "ekiden/delivery/sasl_client.hpp"

#include <gtest/gtest.h>

#include "ekiden/delivery/tls_memory.hpp"

namespace ekiden::delivery {
namespace {

using Kind = SaslClient::Step::Kind;

// RFC 7677 §3.
constexpr const char* kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

TEST(SaslClient, ProvesThePasswordAsRfc7677Shows) {
  SaslClient client("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
  EXPECT_EQ(client.step("").octets, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  ASSERT_EQ(client.step(kServerFirst).kind, Kind::NeedsKey);
  const auto final = client.set_key(SaslClient::derive_key(client.key_request()));
  EXPECT_EQ(final.octets,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
  EXPECT_FALSE(final.is_complete);
  const auto done = client.step("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
  EXPECT_EQ(done.kind, Kind::Respond);
  EXPECT_TRUE(done.is_complete);
}

TEST(SaslClient, RefusesAServerThatDoesNotKnowThePassword) {
  for (const char* answer :
       {"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "", "v=!", "e=invalid-proof"}) {
    SaslClient client("SCRAM-SHA-256", "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
    (void)client.step("");
    (void)client.step(kServerFirst);
    (void)client.set_key(SaslClient::derive_key(client.key_request()));
    EXPECT_EQ(client.step(answer).kind, Kind::Fail) << answer;
  }
}

TEST(SaslClient, RefusesChallengesThatMakeNoSense) {
  for (const char* challenge :
       {"", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=nonce,s=W22Z,i=4096",
        "r=nonceX,s=!,i=4096", "r=nonceX,s=,i=4096", "r=nonceX,s=W22Z,i=1", "r=nonceX,s=W22Z,i=x",
        "r=nonceX,s=W22Z,i=4000000000", "m=ext,r=nonceX,s=W22Z,i=4096"}) {
    SaslClient client("SCRAM-SHA-256", "u", "p", "nonce");
    (void)client.step("");
    EXPECT_EQ(client.step(challenge).kind, Kind::Fail) << challenge;
  }
}

TEST(SaslClient, SpeaksPlainAndLogin) {
  SaslClient plain("PLAIN", "u", "p", "");
  EXPECT_EQ(plain.step("").octets, std::string("\0u\0p", 4));
  SaslClient login("LOGIN", "u", "p", "");
  EXPECT_EQ(login.step("").octets, "");
  EXPECT_EQ(login.step("Username:").octets, "u");
  const auto last = login.step("Password:");
  EXPECT_EQ(last.octets, "p");
  EXPECT_TRUE(last.is_complete);
  EXPECT_EQ(login.step("More:").kind, Kind::Fail);
}

TEST(SaslClient, EscapesTheName) {
  SaslClient client("SCRAM-SHA-256", "a,b=c", "p", "n");
  EXPECT_EQ(client.step("").octets, "n,,n=a=2Cb=3Dc,r=n");
}

TEST(TlsMemory, ForgetsAfterItsTime) {
  TlsMemory memory(std::chrono::hours(1), 100);
  const base::Steady start{std::chrono::hours(5)};
  memory.remember("a:25", {TlsLevel::Plain, "why"}, start);
  EXPECT_EQ(memory.recall("a:25", start + std::chrono::minutes(59)).level, TlsLevel::Plain);
  EXPECT_EQ(memory.recall("a:25", start + std::chrono::minutes(61)).level, TlsLevel::Modern);
  EXPECT_EQ(memory.recall("b:25", start).level, TlsLevel::Modern);
  memory.remember("a:25", {TlsLevel::Modern, ""}, start);
  EXPECT_EQ(memory.size(), 0U);
}

TEST(TlsMemory, IsBounded) {
  TlsMemory memory(std::chrono::hours(1), 10);
  base::Steady now{std::chrono::hours(5)};
  for (int i = 0; i < 1000; ++i) {
    memory.remember(std::to_string(i), {TlsLevel::Compatible, "x"}, now);
    memory.remember("again", {TlsLevel::Compatible, "x"}, now);
    now += std::chrono::milliseconds(1);
  }
  EXPECT_LE(memory.size(), 11U);
  EXPECT_EQ(memory.recall("again", now).level, TlsLevel::Compatible);
  EXPECT_EQ(memory.recall("999", now).level, TlsLevel::Compatible);
  EXPECT_EQ(memory.recall("5", now).level, TlsLevel::Modern);
}

}  // namespace
}  // namespace ekiden::delivery
