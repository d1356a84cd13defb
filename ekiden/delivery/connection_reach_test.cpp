// Goal: which hosts and addresses a connection tries, and what it makes of their refusals.
// Method: servers in memory that follow a script, a clock moved by hand.
#include "ekiden/delivery/connection.hpp"

#include <gtest/gtest.h>

#include "tests/support/delivery_rig.hpp"

namespace ekiden::delivery {
namespace {

// ---- refusals before the first transaction

TEST(Connection, TakesEveryRefusalBeforeReadyAsTheConnectionsAndTriesTheNextMx) {
  for (const char* greeting : {"554 5.7.1 go away\r\n", "421 busy\r\n", "nonsense\r\n", "DROP",
                               "250 odd\r\n", "220-a\r\n250 b\r\n"}) {
    Rig rig;
    rig.host().script.greeting = greeting;
    rig.target("mx2.example", 20);
    rig.dns.a("mx2.example", "8.8.4.4");
    rig.host("8.8.4.4:25");
    rig.add();
    const ConnectionEnd& end = rig.run();
    EXPECT_FALSE(end.is_failure) << greeting;
    EXPECT_EQ(end.peer.host, "mx2.example");
    EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  }
}

TEST(Connection, KeepsTheReplyOfTheLastRefusalAndTakesNoJob) {
  Rig rig;
  rig.host().script.greeting = "554 5.7.1 blocked, see https://example\r\n";
  rig.add();
  const ConnectionEnd& end = rig.run();
  EXPECT_TRUE(end.is_failure);
  EXPECT_FALSE(end.is_permanent);
  EXPECT_EQ(end.phase, Phase::Greeting);
  EXPECT_EQ(end.reply.code, 554);
  EXPECT_EQ(end.transactions, 0U);
  EXPECT_EQ(rig.feed.taken, 0U);
}

TEST(Connection, APeersWordCountsForMoreThanALaterNetworkFailure) {
  Rig rig;
  rig.host().script.greeting = "554 blocked\r\n";
  rig.target("mx2.example", 20);
  rig.dns.a("mx2.example", "8.8.4.4");  // refuses
  rig.add();
  const ConnectionEnd& end = rig.run();
  EXPECT_EQ(end.reply.code, 554);
  EXPECT_EQ(end.peer.host, "mx.example");
}

TEST(Connection, Only556IsPermanent) {
  Rig rig;
  rig.host().script.greeting = "556 5.1.10 no mail here\r\n";
  rig.target("mx2.example", 20);
  rig.add();
  const ConnectionEnd& end = rig.run();
  EXPECT_TRUE(end.is_failure);
  EXPECT_TRUE(end.is_permanent);
  EXPECT_EQ(rig.network.tried.size(), 1U);
}

TEST(Connection, MalformedRepliesBeforeReadyNeverTakeAJob) {
  std::string million;
  for (int i = 0; i < 1'000'000; ++i) million += "220-x\r\n";
  for (const std::string& reply :
       {million, std::string(1'000'000, 'a'), std::string("\0\1\2\r\n", 5), std::string("\r\n"),
        std::string("220 x\r\n250 early\r\n")}) {
    Rig rig;
    rig.host().script.greeting = reply;
    rig.add();
    const ConnectionEnd& end = rig.run();
    EXPECT_TRUE(end.is_failure);
    EXPECT_TRUE(end.reply.is_transient());
    EXPECT_EQ(rig.feed.taken, 0U);
  }
}

TEST(Connection, StopsAfterAFewSessions) {
  Rig rig;
  rig.plan.targets.clear();
  for (int i = 1; i <= 20; ++i) {
    const std::string name = "mx" + std::to_string(i) + ".example";
    rig.target(name, static_cast<std::uint16_t>(i));
    rig.dns.a(name, "8.8.8." + std::to_string(i));
    rig.host("8.8.8." + std::to_string(i) + ":25").script.greeting = "421 busy\r\n";
  }
  rig.run();
  EXPECT_EQ(rig.network.servers.size(), kSessionsMax);
}

// ---- addresses

TEST(Connection, TriesIpv6FirstAndIpv4AQuarterSecondLater) {
  Rig rig;
  rig.dns.aaaa("mx.example", "2001:4860::1");
  rig.host("[2001:4860::1]:25").is_silent = true;
  rig.host();
  rig.add();
  rig.start();
  EXPECT_EQ(rig.network.tried, std::vector<std::string>{"[2001:4860::1]:25"});
  rig.pass(std::chrono::milliseconds(249));
  EXPECT_EQ(rig.network.tried.size(), 1U);
  rig.pass(std::chrono::milliseconds(2));
  ASSERT_EQ(rig.network.tried.size(), 2U);
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.end->peer.address, "8.8.8.8");
  EXPECT_EQ(rig.network.waiting, 0U) << "the slow one is given up with the race";
  EXPECT_EQ(rig.tasks.size(), 0U) << "and holds nobody up who stops";
}

TEST(Connection, GivesUpConnectingWhenItsGroupCloses) {
  for (const bool has_two_addresses : {false, true}) {
    Rig rig;
    rig.host().is_silent = true;
    if (has_two_addresses) {
      rig.dns.aaaa("mx.example", "2001:4860::1");
      rig.host("[2001:4860::1]:25").is_silent = true;
    }
    rig.add();
    rig.start();
    rig.pass(std::chrono::seconds(1));
    EXPECT_EQ(rig.network.waiting, has_two_addresses ? 2U : 1U);
    rig.tasks.close();
    rig.settle();
    EXPECT_TRUE(rig.end) << "without waiting for the deadline";
    EXPECT_EQ(rig.network.waiting, 0U);
    EXPECT_EQ(rig.tasks.size(), 0U);
  }
}

TEST(Connection, TriesTheNextAddressAtOnceWhenOneRefuses) {
  Rig rig;
  rig.dns.aaaa("mx.example", "2001:4860::1").a("mx.example", "8.8.8.9");
  rig.host("8.8.8.9:25");
  rig.add();
  rig.start();
  ASSERT_EQ(rig.feed.results.size(), 1U);
  EXPECT_EQ(rig.network.tried.size(), 3U);
}

TEST(Connection, TriesTheOtherAddressAfterARefusingGreeting) {
  Rig rig;
  rig.dns.a("mx.example", "8.8.8.9");
  rig.host().script.greeting = rig.host("8.8.8.9:25").script.greeting = "421 busy\r\n";
  rig.add();
  rig.run();
  EXPECT_EQ(rig.network.servers.size(), 2U);
}

TEST(Connection, ReportsWhyNobodyCouldBeReached) {
  Rig rig;
  rig.add();
  const ConnectionEnd& refused = rig.run();
  EXPECT_EQ(refused.phase, Phase::Connect);
  EXPECT_EQ(refused.reply.enhanced, (smtp::EnhancedCode{4, 4, 1}));
  EXPECT_NE(refused.reply.text().find("mx.example"), std::string::npos);

  Rig silent;
  silent.host().is_silent = true;
  EXPECT_TRUE(silent.run().is_failure);

  Rig unknown;
  unknown.plan.targets[0].host = "nowhere.example";
  EXPECT_EQ(unknown.run().reply.enhanced, (smtp::EnhancedCode{4, 4, 4}));

  Rig broken;
  broken.plan.targets[0].host = "broken.example";
  broken.dns.fail("broken.example");
  EXPECT_EQ(broken.run().reply.enhanced, (smtp::EnhancedCode{4, 4, 3}));
}

TEST(Connection, NeverUsesABogusAddress) {
  Rig rig;
  rig.dns.fail("mx.example", dns::Status::Bogus);
  rig.host();
  EXPECT_TRUE(rig.run().is_failure);
  EXPECT_TRUE(rig.network.tried.empty());
}

TEST(Connection, RefusesAnMxInPrivateOrLoopbackSpace) {
  for (const char* address : {"127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.1.1", "0.0.0.0"}) {
    Rig rig;
    rig.plan.targets[0].host = "inside.example";
    rig.dns.a("inside.example", address);
    rig.host(std::string(address) + ":25");
    const ConnectionEnd& end = rig.run();
    EXPECT_TRUE(end.is_failure);
    EXPECT_FALSE(end.is_permanent);
    EXPECT_TRUE(rig.network.tried.empty()) << address;

    rig.plan.may_use_private = true;
    rig.add();
    rig.run();
    EXPECT_EQ(rig.network.tried.size(), 1U) << address;
  }
}

TEST(Connection, ASmartHostMayBePrivate) {
  Rig rig;
  rig.plan.targets[0].host = "10.0.0.5";
  rig.plan.targets[0].is_from_mx = false;
  rig.host("10.0.0.5:25");
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
}

TEST(Connection, RefusesToDeliverToItself) {
  Rig rig;
  rig.context.options.own_endpoints = {*net::parse_endpoint("8.8.8.8:25")};
  rig.host();
  rig.target("mx2.example", 20);
  rig.add();
  const ConnectionEnd& end = rig.run();
  EXPECT_TRUE(end.is_permanent);
  EXPECT_EQ(end.reply.enhanced, (smtp::EnhancedCode{5, 4, 6}));
  EXPECT_TRUE(rig.network.tried.empty());
}

TEST(Connection, ABackupMxTriesOnlyBetterOnes) {
  Rig rig;
  rig.context.options.own_endpoints = {*net::parse_endpoint("8.8.4.4:25")};
  rig.target("backup.example", 20);
  rig.dns.a("backup.example", "8.8.4.4");
  rig.target("worse.example", 30);
  rig.dns.a("worse.example", "1.1.1.1");
  const ConnectionEnd& end = rig.run();
  EXPECT_FALSE(end.is_permanent);
  EXPECT_EQ(rig.network.tried, std::vector<std::string>{"8.8.8.8:25"});
}

TEST(Connection, FollowsTheConnectMap) {
  Rig rig;
  rig.context.options.connect_map = {{"mx.example:25", *net::parse_endpoint("127.0.0.1:2600")}};
  rig.host("127.0.0.1:2600");
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
}

TEST(Connection, UsesTheSourceOfTheFamily) {
  Rig rig;
  rig.plan.source4 = boost::asio::ip::make_address("203.0.113.9");
  rig.dns.aaaa("mx.example", "2001:4860::1");
  rig.host();
  rig.add();
  rig.run();
  EXPECT_EQ(rig.network.tried, std::vector<std::string>{"8.8.8.8:25"});
  EXPECT_EQ(rig.network.sources, std::vector<std::string>{"203.0.113.9"});
}

}  // namespace
}  // namespace ekiden::delivery
