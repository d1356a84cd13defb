// Goal: what a connection does with messages, and with hosts that fail in the middle of them.
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
