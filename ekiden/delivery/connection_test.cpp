// Goal: what a connection does with hosts that behave, misbehave and disappear.
// Method: servers in memory that follow a script, a clock moved by hand.
#include "ekiden/delivery/connection.hpp"

#include <gtest/gtest.h>

#include "tests/support/delivery_rig.hpp"

namespace ekiden::delivery {
namespace {

// ---- transactions

TEST(Connection, DeliversAMessage) {
  Rig rig;
  rig.host();
  rig.add();
  const ConnectionEnd& end = rig.run();
  EXPECT_FALSE(end.is_failure);
  EXPECT_EQ(end.transactions, 1U);
  EXPECT_EQ(end.peer.host, "mx.example");
  EXPECT_EQ(end.peer.address, "8.8.8.8");
  ASSERT_EQ(rig.feed.results.size(), 1U);
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.feed.result(0).phase, Phase::Eod);
  EXPECT_EQ(rig.feed.result(0).reply.lines.front(), "queued");
  EXPECT_EQ(rig.feed.results[0].peer.tls_verification, "none");
  ASSERT_EQ(rig.server().mails.size(), 1U);
  EXPECT_EQ(rig.server().mails[0].octets, "Subject: x\r\n\r\nhello\r\n");
  EXPECT_EQ(rig.server().mails[0].from, "MAIL FROM:<a@example.org> SIZE=21");
  EXPECT_EQ(rig.server().commands.front(), "EHLO relay.example");
  EXPECT_EQ(rig.server().commands.back(), "QUIT");
}

TEST(Connection, SendsCommandsInOneWriteAndTheNextOnesBehindTheBody) {
  Rig rig;
  rig.host();
  for (int i = 0; i < 3; ++i) rig.add();
  rig.run();
  ASSERT_EQ(rig.feed.results.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(rig.feed.result(i).outcome, Outcome::Delivered);
    EXPECT_EQ(rig.feed.results[i].id.low, i + 1);
  }
  // EHLO, commands, body + commands, body + commands, body, QUIT.
  EXPECT_EQ(rig.server().writes.size(), 6U);
  EXPECT_EQ(rig.server().mails.size(), 3U);
}

TEST(Connection, DoesNotRideWhenToldNotTo) {
  Rig rig;
  rig.context.options.may_ride = false;
  rig.host();
  for (int i = 0; i < 3; ++i) rig.add();
  rig.run();
  EXPECT_EQ(rig.server().mails.size(), 3U);
  EXPECT_EQ(rig.server().writes.size(), 8U);
}

TEST(Connection, WorksOctetByOctet) {
  Rig rig;
  rig.host().read_max = 1;
  for (int i = 0; i < 3; ++i) rig.add({"b@x.example", "c@x.example"});
  rig.run();
  ASSERT_EQ(rig.feed.results.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(rig.feed.result(i, 1).outcome, Outcome::Delivered);
}

TEST(Connection, WorksWithoutPipelining) {
  Rig rig;
  rig.host().script.ehlo = "250 mx.example\r\n";
  rig.add({"b@x.example", "c@x.example"});
  rig.add();
  rig.run();
  ASSERT_EQ(rig.feed.results.size(), 2U);
  EXPECT_EQ(rig.feed.result(0, 1).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.feed.result(1).outcome, Outcome::Delivered);
}

TEST(Connection, DoublesDotsAndEndsTheLastLine) {
  Rig rig;
  rig.host();
  rig.add({"b@x.example"}, "a: b\r\n\r\n.\r\n..x\r\nend");
  rig.run();
  EXPECT_EQ(rig.server().mails.at(0).octets, "a: b\r\n\r\n..\r\n...x\r\nend\r\n");
}

TEST(Connection, TellsRecipientsApart) {
  Rig rig;
  rig.host().script.replies = {{"RCPT TO:<bad@", "550 5.1.1 who\r\n"},
                               {"RCPT TO:<later@", "450 4.2.1 later\r\n"}};
  rig.add({"good@x.example", "bad@x.example", "later@x.example"});
  rig.run();
  EXPECT_EQ(rig.feed.result(0, 0).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.feed.result(0, 1).outcome, Outcome::Bounced);
  EXPECT_EQ(rig.feed.result(0, 1).phase, Phase::Rcpt);
  EXPECT_FALSE(rig.feed.result(0, 1).is_local);
  EXPECT_EQ(rig.feed.result(0, 2).outcome, Outcome::Deferred);
  EXPECT_EQ(rig.server().mails.at(0).to.size(), 1U);
}

TEST(Connection, LeavesRecipientsBeyondThePeersLimitForANewTransaction) {
  Rig rig;
  rig.host().script.replies = {{"RCPT TO:<c@", "452 4.5.3 too many\r\n"}};
  rig.add({"b@x.example", "c@x.example"});
  rig.run();
  EXPECT_EQ(rig.feed.result(0, 0).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.feed.result(0, 1).outcome, Outcome::NotTried);
}

TEST(Connection, KeepsTheConnectionAfterARefusedMessage) {
  Rig rig;
  rig.host().script.once = {{"END", "554 5.7.1 spam\r\n"}, {"MAIL", "451 4.1.8 no\r\n"}};
  for (int i = 0; i < 3; ++i) rig.add();
  rig.run();
  // The first is refused at MAIL, the second at its end, the third goes.
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Deferred);
  EXPECT_EQ(rig.feed.result(0).phase, Phase::Mail);
  EXPECT_EQ(rig.feed.result(1).outcome, Outcome::Bounced);
  EXPECT_EQ(rig.feed.result(1).phase, Phase::Eod);
  EXPECT_EQ(rig.feed.result(2).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.network.servers.size(), 1U);
}

TEST(Connection, SaysQuitWhenNoWorkComesOrTheLimitIsReached) {
  Rig rig;
  rig.plan.messages_per_connection_max = 2;
  rig.host();
  for (int i = 0; i < 3; ++i) rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.results.size(), 2U);
  EXPECT_EQ(rig.feed.jobs.size(), 1U);
  EXPECT_EQ(rig.server().commands.back(), "QUIT");

  Rig limited;
  limited.host().script.ehlo = "250-x\r\n250-PIPELINING\r\n250 LIMITS MAILMAX=1\r\n";
  for (int i = 0; i < 2; ++i) limited.add();
  limited.run();
  EXPECT_EQ(limited.feed.results.size(), 1U);
}

// ---- failures in a transaction

TEST(Connection, ALostConnectionAfterTheDotMayBeADuplicate) {
  Rig rig;
  rig.host().script.end = "DROP";
  rig.add();
  rig.add();
  const ConnectionEnd& end = rig.run();
  ASSERT_EQ(rig.feed.results.size(), 2U);
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Deferred);
  EXPECT_TRUE(rig.feed.result(0).may_be_duplicate);
  EXPECT_TRUE(rig.feed.result(0).is_local);
  EXPECT_EQ(rig.feed.result(1).outcome, Outcome::NotTried);
  EXPECT_TRUE(end.is_failure);
}

TEST(Connection, WaitsTenMinutesForTheReplyToAMessage) {
  Rig rig;
  rig.host().script.end = "";
  rig.add();
  rig.start();
  rig.pass(std::chrono::minutes(10) - std::chrono::seconds(1));
  EXPECT_TRUE(rig.feed.results.empty());
  rig.pass(std::chrono::seconds(2));
  ASSERT_EQ(rig.feed.results.size(), 1U);
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Deferred);
  EXPECT_TRUE(rig.feed.result(0).may_be_duplicate);
}

TEST(Connection, KeepsTheDeadlineOfAReplyThatDripsIn) {
  Rig rig;
  rig.host().script.greeting = "220-a\r\n";
  rig.start();
  for (int i = 0; i < 5; ++i) {
    rig.pass(std::chrono::minutes(1));
    if (!rig.server().is_ended()) rig.server().say("220-more\r\n");
  }
  rig.settle();
  ASSERT_TRUE(rig.end);
  EXPECT_EQ(rig.end->phase, Phase::Greeting);
}

TEST(Connection, SurvivesALossAtEveryCommand) {
  const struct {
    const char* command;
    Phase phase;
    bool may_be_duplicate;
  } kCases[] = {{"MAIL", Phase::Mail, false},
                {"RCPT", Phase::Rcpt, false},
                {"DATA", Phase::Data, false},
                {"END", Phase::Eod, true}};
  for (const auto& at : kCases) {
    for (const char* how : {"DROP", "", "nonsense\r\n", "421 4.3.2 bye\r\n", "DROP:421 bye\r\n"}) {
      Rig rig;
      rig.host().script.ehlo = "250 no pipelining\r\n";
      rig.host().script.replies = {{at.command, how}};
      rig.add();
      const ConnectionEnd& end = rig.run();
      ASSERT_EQ(rig.feed.results.size(), 1U) << at.command << " " << how;
      const RecipientResult& result = rig.feed.result(0);
      EXPECT_EQ(result.outcome, Outcome::Deferred) << at.command << " " << how;
      EXPECT_EQ(result.phase, at.phase) << at.command << " " << how;
      EXPECT_TRUE(result.reply.is_transient());
      const bool is_said = std::string_view(how).find("421") != std::string_view::npos;
      EXPECT_EQ(result.is_local, !is_said);
      EXPECT_EQ(result.may_be_duplicate, at.may_be_duplicate && !is_said);
      EXPECT_TRUE(end.is_failure);
      EXPECT_FALSE(end.is_permanent);
    }
  }
}

TEST(Connection, AReusedConnectionThatThePeerClosedUsesUpNoAttempt) {
  Rig rig;
  rig.host().script.once = {{"MAIL", "250 ok\r\n"}, {"MAIL", "DROP:421 4.4.2 idle\r\n"}};
  rig.context.options.may_ride = false;
  rig.add();
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.feed.result(1).outcome, Outcome::NotTried);
}

TEST(Connection, ReadsWhatThePeerSaidBeforeItStoppedReading) {
  Rig rig;
  rig.host().script.once = {{"DATA", "DROP:354 go\r\n"}};
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Deferred);
  EXPECT_FALSE(rig.feed.result(0).may_be_duplicate);
}

TEST(Connection, NeverShowsAMessageToAPeerThatAnswers250ToData) {
  Rig rig;
  rig.host().script.data = "250 ok\r\n";
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Deferred);
  for (const std::string& command : rig.server().commands) EXPECT_NE(command, "hello");
}

TEST(Connection, SendsALoneDotWhenEverybodyIsRefusedButDataIsTaken) {
  Rig rig;
  rig.host().script.replies = {{"RCPT", "550 5.1.1 no\r\n"}, {"DATA", "354 go\r\n"}};
  rig.host().script.end = "554 nobody\r\n";
  rig.add();
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Bounced);
  EXPECT_EQ(rig.feed.result(1).outcome, Outcome::Bounced);
  EXPECT_EQ(rig.network.servers.size(), 1U);
  EXPECT_TRUE(rig.server().mails.empty());
}

TEST(Connection, EndsWhenItsGroupCloses) {
  Rig rig;
  rig.host().script.end = "";
  rig.add();
  rig.start();
  rig.tasks.close();
  rig.settle();
  ASSERT_TRUE(rig.end);
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Deferred);
  EXPECT_TRUE(rig.feed.result(0).may_be_duplicate);
}

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

// ---- forms of the message

TEST(Connection, SendsBinaryInOneChunk) {
  Rig rig;
  rig.host().script.ehlo = "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME\r\n";
  auto meta = Rig::meta({"b@x.example"});
  meta->envelope.body = message::BodyType::BinaryMime;
  const std::string body = std::string("a: b\r\n\r\n\0\n.\r\n.\r\nend", 19);
  rig.feed.jobs.push_back(rig.job(meta, body));
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  EXPECT_TRUE(rig.server().mails.at(0).by_bdat);
  EXPECT_EQ(rig.server().mails[0].octets, body);
  EXPECT_NE(rig.server().mails[0].from.find("BODY=BINARYMIME"), std::string::npos);
}

TEST(Connection, ConvertsEightBitForAPeerWithout8Bitmime) {
  Rig rig;
  rig.host().script.ehlo = "250-x\r\n250 PIPELINING\r\n";
  auto meta = Rig::meta({"b@x.example"});
  meta->details.is_eight_bit = true;
  rig.feed.jobs.push_back(rig.job(meta,
                                  "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                                  "Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9\r\n"));
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  EXPECT_NE(rig.server().mails.at(0).octets.find("=C3=A9"), std::string::npos);
  EXPECT_EQ(rig.server().mails[0].from.find("BODY="), std::string::npos);
}

TEST(Connection, BouncesWhatCannotBeConverted) {
  Rig rig;
  rig.host().script.ehlo = "250-x\r\n250 PIPELINING\r\n";
  auto meta = Rig::meta({"b@x.example"});
  meta->details.is_eight_bit = true;
  const std::string body =
      "MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=x; protocol=p; "
      "micalg=m\r\n\r\n"
      "--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xa9\r\n"
      "--x\r\nContent-Type: application/pgp-signature\r\n\r\nsig\r\n--x--\r\n";
  rig.feed.jobs.push_back(rig.job(meta, body));
  rig.add();
  rig.run();
  ASSERT_EQ(rig.feed.results.size(), 2U);
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Bounced);
  EXPECT_EQ(rig.feed.result(0).reply.enhanced, (smtp::EnhancedCode{5, 6, 3}));
  EXPECT_EQ(rig.feed.result(1).outcome, Outcome::Delivered);
}

TEST(Connection, StreamsALargeBodyFromItsFile) {
  Rig rig;
  rig.host().room = 100'000;
  std::string body = "Subject: big\r\n\r\n";
  std::string expected = body;
  while (body.size() < 3'000'000) {
    body += ".line " + std::to_string(body.size()) + "\r\n";
    expected += "..line " + body.substr(body.rfind("line ") + 5);
  }
  rig.spool.files["large/1"] = body;
  Job job = rig.job(Rig::meta({"b@x.example"}), "");
  job.body.file = "large/1";
  job.body.size = body.size();
  rig.feed.jobs.push_back(std::move(job));
  rig.add();
  rig.run();
  EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Delivered);
  EXPECT_EQ(rig.feed.result(1).outcome, Outcome::Delivered);
  ASSERT_EQ(rig.server().mails.size(), 2U);
  EXPECT_TRUE(rig.server().mails[0].octets == expected);
  EXPECT_LE(rig.spool.largest, 256U * 1024);
}

TEST(Connection, AFileThatCannotBeReadEndsTheConnectionAndDefers) {
  for (const bool is_short : {true, false}) {
    Rig rig;
    rig.host();
    if (is_short) rig.spool.files["large/1"] = "Subject: short\r\n\r\n";
    Job job = rig.job(Rig::meta({"b@x.example"}), "");
    job.body.file = "large/1";
    job.body.size = 1000;
    rig.feed.jobs.push_back(std::move(job));
    rig.run();
    EXPECT_EQ(rig.feed.result(0).outcome, Outcome::Deferred);
    EXPECT_EQ(rig.feed.result(0).reply.enhanced, (smtp::EnhancedCode{4, 3, 0}));
    EXPECT_TRUE(rig.server().mails.empty()) << "half a message never ends in a dot";
  }
}

}  // namespace
}  // namespace ekiden::delivery
