// Goal: mail for our own domains is evaluated, and nothing else waits for it or for the DNS.
// Method: sessions on a scripted DNS; time moves only when a test moves it.
#include "ekiden/inbound/authentication.hpp"

#include <gtest/gtest.h>

#include "tests/support/fake_resolver.hpp"
#include "tests/support/inbound_bench.hpp"

namespace ekiden::inbound {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kMail =
    "From: a@client.test\r\nAuthentication-Results: relay.test; dmarc=pass\r\n"
    "Subject: s\r\n\r\nhello\r\n.\r\n";

std::shared_ptr<ListenerOptions> inbound_options() {
  auto options = std::make_shared<ListenerOptions>();
  options->service = Service::Inbound;
  options->tls = ListenerTls::Off;
  options->domains["own.test"] = {RecipientCheck::Any, {}, "192.0.2.9:25"};
  return options;
}

struct InboundAuthentication : testing::Test {
  test::InboundBench bench{inbound_options()};
  test::FakeResolver dns{bench.clock};

  InboundAuthentication() {
    bench.services.resolver = &dns;
    dns.txt("client.test", "v=spf1 ip4:192.0.2.7 -all");
    dns.txt("_dmarc.client.test", "v=DMARC1; p=reject");
  }

  /// Every answer is given while the script is there.
  ~InboundAuthentication() override {
    for (int i = 0; i < 10; ++i) bench.advance(1h);
  }

  std::shared_ptr<test::FakePeer> send(std::string_view mail = kMail) {
    const auto peer = bench.connect();
    peer->send("EHLO c.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@own.test>\r\nDATA\r\n");
    bench.settle();
    peer->send(mail);
    bench.settle();
    return peer;
  }
  bool is_taken(const test::FakePeer& peer) const {
    return peer.received.find("queued as") != std::string::npos;
  }
  std::string stored() { return std::string(bench.intake.taken.at(0).body.octets.view()); }
};

TEST_F(InboundAuthentication, StandsInFrontAndForgedResultsAreGone) {
  const auto peer = send();
  for (int i = 0; i < 20; ++i) bench.advance(1ms);
  EXPECT_TRUE(is_taken(*peer)) << peer->received;
  const std::string octets = stored();
  EXPECT_TRUE(octets.starts_with("Authentication-Results: relay.test;")) << octets;
  EXPECT_NE(octets.find("spf=pass"), std::string::npos) << octets;
  EXPECT_NE(octets.find("dmarc=pass"), std::string::npos) << octets;
  EXPECT_EQ(octets.find("Authentication-Results", 1), std::string::npos) << octets;
  EXPECT_TRUE(octets.ends_with("Subject: s\r\n\r\nhello\r\n"));
}

TEST_F(InboundAuthentication, ByTheOldDmarcThePublicSuffixListFindsTheOrganization) {
  // The record that stands two labels above is found by a walk, but no list knows of it.
  dns.txt("_dmarc.test", "v=DMARC1; p=reject; psd=n");
  const std::string mail = "From: a@shop.test\r\n\r\nhello\r\n.\r\n";
  send(mail);
  for (int i = 0; i < 20; ++i) bench.advance(1ms);
  EXPECT_NE(stored().find("polrec.domain=test"), std::string::npos) << stored();

  const auto suffixes = auth::PublicSuffixList::load_newest();
  ASSERT_TRUE(suffixes.has_value());
  bench.services.suffixes = &*suffixes;
  bench.options->dmarc = auth::DmarcMode::Rfc7489;
  bench.intake.taken.clear();
  send(mail);
  for (int i = 0; i < 20; ++i) bench.advance(1ms);
  EXPECT_NE(stored().find("dmarc=none"), std::string::npos) << stored();
}

TEST_F(InboundAuthentication, ASilentDnsCostsTwentySecondsAndTheMailIsTaken) {
  dns.default_delay(1h);
  const auto peer = send();
  bench.advance(19s);
  EXPECT_FALSE(is_taken(*peer));
  bench.advance(1s);
  for (int i = 0; i < 20; ++i) bench.advance(1ms);
  EXPECT_TRUE(is_taken(*peer)) << peer->received;
  const std::string octets = stored();
  EXPECT_NE(octets.find("spf=temperror"), std::string::npos) << octets;
  EXPECT_NE(octets.find("dmarc=temperror"), std::string::npos) << octets;
}

TEST_F(InboundAuthentication, OthersAreServedMeanwhile) {
  dns.default_delay(10s);
  const auto waiting = send();
  const auto other = bench.connect();
  other->send("EHLO c.test\r\nNOOP\r\n");
  bench.settle();
  EXPECT_NE(other->received.find("250 2.0.0"), std::string::npos) << other->received;
  EXPECT_FALSE(is_taken(*waiting));
}

TEST_F(InboundAuthentication, AClientThatLeavesMeanwhileHasItsMessageTaken) {
  dns.default_delay(5s);
  const auto peer = send();
  peer->reset();
  bench.settle();
  for (int i = 0; i < 10; ++i) bench.advance(5s);
  EXPECT_EQ(bench.intake.taken.size(), 1u);
  EXPECT_EQ(bench.service->sessions(), 0u);
}

TEST_F(InboundAuthentication, ALoopIsRefusedBeforeAnybodyIsAsked) {
  std::string mail;
  for (int i = 0; i < 60; ++i) mail += "Received: from a by b\r\n";
  const auto peer = send(mail + std::string(kMail));
  EXPECT_NE(peer->received.find("554 5.4.6"), std::string::npos) << peer->received;
  EXPECT_TRUE(dns.questions().empty());
}

TEST_F(InboundAuthentication, SwitchedOffNobodyIsAskedAndNothingRemoved) {
  bench.options->authenticates = false;
  const auto peer = send();
  EXPECT_TRUE(is_taken(*peer)) << peer->received;
  EXPECT_TRUE(dns.questions().empty());
  EXPECT_NE(stored().find("Authentication-Results: relay.test; dmarc=pass"), std::string::npos);
}

TEST_F(InboundAuthentication, OwnClientsMailAsksNobody) {
  bench.options->service = Service::Relay;
  bench.options->trusted_networks = {*net::parse_address_block("192.0.2.0/24")};
  const auto peer = send();
  EXPECT_TRUE(is_taken(*peer)) << peer->received;
  EXPECT_TRUE(dns.questions().empty());
}

}  // namespace
}  // namespace ekiden::inbound
