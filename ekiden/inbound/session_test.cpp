// Goal: what transcripts cannot show: memory, half-written replies, sessions side by side.
#include "ekiden/inbound/session.hpp"

#include <gtest/gtest.h>

#include "tests/support/inbound_bench.hpp"

namespace ekiden::inbound {
namespace {

constexpr std::string_view kMessage =
    "EHLO c.test\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<b@d.test>\r\nDATA\r\n";

test::InboundBench relay() {
  auto options = std::make_shared<ListenerOptions>();
  options->service = Service::Relay;
  options->tls = ListenerTls::Off;
  options->trusted_networks = {*net::parse_address_block("192.0.2.0/24")};
  return test::InboundBench(std::move(options));
}

TEST(Session, TakesTheMessageWhenTheConnectionIsLostBehindTheDot) {
  test::InboundBench bench = relay();
  const auto peer = bench.connect();
  peer->send(kMessage);
  bench.settle();
  bench.spool.is_holding = true;
  peer->send("a: b\r\n\r\nx\r\n.\r\n");
  bench.settle();
  peer->reset();
  bench.settle();
  EXPECT_TRUE(bench.intake.taken.empty());
  bench.spool.let_go();
  bench.settle();
  EXPECT_EQ(bench.intake.taken.size(), 1u);
  EXPECT_EQ(bench.service->sessions(), 0u);
}

TEST(Session, Says250OnlyWhenTheSpoolHasSaidDurable) {
  test::InboundBench bench = relay();
  const auto peer = bench.connect();
  peer->send(kMessage);
  bench.settle();
  bench.spool.is_holding = true;
  peer->send("a: b\r\n\r\nx\r\n.\r\n");
  bench.settle();
  EXPECT_EQ(peer->received.find("queued as"), std::string::npos);
  bench.spool.let_go();
  bench.settle();
  EXPECT_NE(
      peer->received.find("queued as " + base::format_message_id(bench.intake.taken.at(0).id)),
      std::string::npos);
}

TEST(Session, DropsAClientThatDoesNotReadItsReplies) {
  test::InboundBench bench = relay();
  const auto peer = bench.connect();
  peer->room = 0;
  peer->send("HELP\r\n");
  bench.settle();
  EXPECT_EQ(bench.service->sessions(), 1u);
  bench.advance(std::chrono::minutes(4));
  EXPECT_EQ(bench.service->sessions(), 0u);
  EXPECT_TRUE(peer->is_closed);
}

TEST(Session, AuthenticationIsNotSharedBetweenSessionsOfOneAddress) {
  auto options = std::make_shared<ListenerOptions>();
  options->service = Service::Submission;
  test::InboundBench bench(std::move(options));
  const auto first = bench.connect();
  first->send("EHLO c.test\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
  bench.settle();
  EXPECT_NE(first->received.find("235 2.7.0"), std::string::npos);
  const auto second = bench.connect();
  second->send("EHLO c.test\r\nMAIL FROM:<a@c.test>\r\n");
  bench.settle();
  EXPECT_NE(second->received.find("530 5.7.0"), std::string::npos);
}

TEST(Session, RefusedEventsAreBounded) {
  test::InboundBench bench = relay();
  bench.options->trusted_networks.clear();
  bench.options->limits.rejected_events_per_second = 5;
  bench.options->limits.errors = 1000;
  const auto peer = bench.connect();
  peer->send("EHLO c.test\r\nMAIL FROM:<a@c.test>\r\n");
  for (int i = 0; i < 100; ++i) peer->send("RCPT TO:<b@d.test>\r\n");
  bench.settle();
  EXPECT_EQ(bench.spool.events.size(), 5u);
}

TEST(Session, AnIdleSessionIsSmall) {
  EXPECT_LE(sizeof(Session), 2048u);
}

TEST(ListenerService, NewOptionsHoldForNewSessions) {
  test::InboundBench bench = relay();
  const auto before = bench.connect();
  auto changed = std::make_shared<ListenerOptions>(*bench.options);
  changed->hostname = "renamed.test";
  bench.options = changed;
  const auto after = bench.connect();
  before->send("HELO x\r\n");
  bench.settle();
  EXPECT_NE(before->received.find("250 relay.test"), std::string::npos);
  EXPECT_NE(after->received.find("220 renamed.test"), std::string::npos);
}

}  // namespace
}  // namespace ekiden::inbound
