// Goal: transactions of the client's dialogue, one, many and riding, with every kind of reply.
// Method: the dialogue is fed replies as text and tells what it would write.
#include <gtest/gtest.h>

#include "tests/support/dialogue_client.hpp"

namespace ekiden::smtp {
namespace {

using namespace client_event;
using Kind = ClientAction::Kind;
using VerdictKind = ClientVerdict::Kind;

// ---- one transaction

TEST(ClientDialogue, SendsOneGroupWithPipelining) {
  Client client;
  ClientTransaction transaction = transaction_to({"b@example.net", "c@example.net"});
  transaction.size = 1234;
  transaction.body = "8BITMIME";
  transaction.smtputf8 = true;
  transaction.ret = "HDRS";
  transaction.envid = "id";
  transaction.recipients[0].notify = "SUCCESS,FAILURE";
  transaction.recipients[0].orcpt = "rfc822;b@example.net";
  client.ready().begin(transaction);
  EXPECT_EQ(client.written,
            "MAIL FROM:<a@example.org> SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=id\r\n"
            "RCPT TO:<b@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@example.net\r\n"
            "RCPT TO:<c@example.net>\r\nDATA\r\n");
  client.got("250 ok\r\n250 ok\r\n550 5.1.1 who?\r\n354 go\r\n");
  EXPECT_EQ(client.action.kind, Kind::SendBody);
  client.step(BodySent{});
  EXPECT_EQ(client.action.timeout, std::chrono::minutes(10));
  client.got("250 2.0.0 queued\r\n");
  EXPECT_EQ(client.action.kind, Kind::Finished);
  EXPECT_EQ(client.kind(0), VerdictKind::Accepted);
  EXPECT_EQ(client.dialogue.outcome()[0].phase, ClientPhase::Eod);
  EXPECT_EQ(client.dialogue.outcome()[0].reply.lines.front(), "queued");
  EXPECT_EQ(client.kind(1), VerdictKind::Refused);
  EXPECT_EQ(client.dialogue.outcome()[1].phase, ClientPhase::Rcpt);
  client.step(Continue{});
  EXPECT_EQ(client.action.kind, Kind::Ready);
  client.step(Quit{});
  EXPECT_EQ(client.written, "QUIT\r\n");
  client.got("221 bye\r\n");
  EXPECT_EQ(client.action.kind, Kind::Close);
  EXPECT_FALSE(client.dialogue.failure());
}

TEST(ClientDialogue, LeavesOutParametersThatWereNotOffered) {
  Client client;
  ClientTransaction transaction = transaction_to({"b@example.net"});
  transaction.size = 1234;
  transaction.ret = "FULL";
  transaction.envid = "id";
  transaction.recipients[0].notify = "NEVER";
  transaction.reverse_path = "";
  client.ready(kPlainEhlo).begin(transaction);
  EXPECT_EQ(client.written, "MAIL FROM:<>\r\n");
  client.got("250 ok\r\n");
  EXPECT_EQ(client.written, "RCPT TO:<b@example.net>\r\n");
}

TEST(ClientDialogue, WaitsForEachReplyWithoutPipelining) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x", "c@x"});
  client.ready(kPlainEhlo).begin(transaction);
  EXPECT_EQ(client.written, "MAIL FROM:<a@example.org>\r\n");
  client.got("250 ok\r\n");
  EXPECT_EQ(client.written, "RCPT TO:<b@x>\r\n");
  client.got("450 4.2.1 later\r\n");
  EXPECT_EQ(client.written, "RCPT TO:<c@x>\r\n");
  client.got("251 forwards\r\n");
  EXPECT_EQ(client.written, "DATA\r\n");
  client.got("354 go\r\n");
  EXPECT_EQ(client.action.kind, Kind::SendBody);
  EXPECT_FALSE(client.dialogue.may_ride());
  client.step(BodySent{});
  client.got("250 ok\r\n");
  EXPECT_EQ(client.kind(0), VerdictKind::Refused);
  EXPECT_EQ(client.kind(1), VerdictKind::Accepted);
}

TEST(ClientDialogue, DoesNotSayDataWhenNobodyWasAccepted) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x"});
  client.ready(kPlainEhlo).begin(transaction);
  client.got("250 ok\r\n").got("550 no\r\n");
  EXPECT_EQ(client.action.kind, Kind::Finished);
  // What MAIL opened is closed before the next transaction.
  client.step(Continue{});
  client.begin(transaction);
  EXPECT_EQ(client.written, "RSET\r\n");
  client.got("250 ok\r\n");
  EXPECT_EQ(client.written, "MAIL FROM:<a@example.org>\r\n");
}

TEST(ClientDialogue, RefusedMailRefusesEveryRecipient) {
  for (const std::string_view ehlo : {kFullEhlo, kPlainEhlo}) {
    Client client;
    const ClientTransaction transaction = transaction_to({"b@x", "c@x"});
    client.ready(ehlo).begin(transaction);
    client.got("550 5.7.1 not you\r\n");
    if (ehlo == kFullEhlo) client.got("503 5.5.1 MAIL first\r\n503 x\r\n503 x\r\n");
    ASSERT_EQ(client.action.kind, Kind::Finished);
    for (const ClientVerdict& verdict : client.dialogue.outcome()) {
      EXPECT_EQ(verdict.kind, VerdictKind::Refused);
      EXPECT_EQ(verdict.phase, ClientPhase::Mail);
      EXPECT_EQ(verdict.reply.code, 550);
    }
    client.step(Continue{});
    EXPECT_EQ(client.action.kind, Kind::Ready);
  }
}

TEST(ClientDialogue, SendsALoneDotWhenDataIsTakenForNobody) {
  for (const std::string_view mail : {"250 ok\r\n", "451 4.1.8 no\r\n"}) {
    for (const std::string_view end : {"554 no recipients\r\n", "250 ok, empty\r\n", "354 ?\r\n"}) {
      Client client;
      const ClientTransaction transaction = transaction_to({"b@x"});
      client.ready().begin(transaction);
      client.got(mail).got("550 5.1.1 who\r\n").got("354 go\r\n");
      EXPECT_EQ(client.action.kind, Kind::Read);
      EXPECT_EQ(client.written, ".\r\n");
      client.got(end);
      ASSERT_EQ(client.action.kind, Kind::Finished);
      EXPECT_EQ(client.kind(0), VerdictKind::Refused);
      client.step(Continue{});
      ASSERT_EQ(client.action.kind, Kind::Ready);
      client.begin(transaction);
      EXPECT_EQ(client.written.substr(0, 10), "RSET\r\nMAIL");
    }
  }
}

TEST(ClientDialogue, NeverSendsOctetsAfterAnythingBut354) {
  for (const std::string_view reply : {"250 ok\r\n", "220 ?\r\n", "334 \r\n", "nonsense\r\n"}) {
    Client client;
    const ClientTransaction transaction = transaction_to({"b@x"});
    client.ready().begin(transaction);
    client.got("250 ok\r\n250 ok\r\n").got(reply);
    ASSERT_EQ(client.action.kind, Kind::Finished) << reply;
    EXPECT_EQ(client.kind(0), VerdictKind::Lost);
    EXPECT_TRUE(client.dialogue.outcome()[0].reply.is_transient());
    EXPECT_FALSE(client.dialogue.outcome()[0].may_be_duplicate);
    client.step(Continue{});
    EXPECT_EQ(client.action.kind, Kind::Close);
  }
}

TEST(ClientDialogue, WrongCodesInMailAndRcptEndTheConnection) {
  for (const std::string_view reply : {"354 go\r\n", "354 go\r\n250 ok\r\n", "x\r\n"}) {
    for (const std::string_view before : {"", "250 ok\r\n"}) {
      Client client;
      const ClientTransaction transaction = transaction_to({"b@x"});
      client.ready().begin(transaction);
      if (!before.empty()) client.got(before);
      client.got(reply);
      ASSERT_EQ(client.action.kind, Kind::Finished);
      EXPECT_EQ(client.kind(0), VerdictKind::Lost);
      client.step(Continue{});
      EXPECT_EQ(client.action.kind, Kind::Close);
    }
  }
}

TEST(ClientDialogue, RefusedDataRefusesThoseAccepted) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x", "c@x"});
  client.ready().begin(transaction);
  client.got("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n451 4.3.0 later\r\n");
  ASSERT_EQ(client.action.kind, Kind::Finished);
  EXPECT_EQ(client.dialogue.outcome()[0].phase, ClientPhase::Data);
  EXPECT_EQ(client.dialogue.outcome()[0].reply.code, 451);
  EXPECT_EQ(client.dialogue.outcome()[1].phase, ClientPhase::Rcpt);
  client.step(Continue{});
  client.begin(transaction);
  EXPECT_EQ(client.written.substr(0, 6), "RSET\r\n");
}

TEST(ClientDialogue, RefusedMessageIsRefusedAndTheConnectionLives) {
  for (const std::string_view reply : {"554 5.7.1 spam\r\n", "452 4.3.1 full\r\n"}) {
    Client client;
    const ClientTransaction transaction = transaction_to({"b@x"});
    client.ready().begin(transaction);
    client.got("250 ok\r\n250 ok\r\n354 go\r\n");
    client.step(BodySent{});
    client.got(reply);
    ASSERT_EQ(client.action.kind, Kind::Finished);
    EXPECT_EQ(client.kind(0), VerdictKind::Refused);
    EXPECT_EQ(client.dialogue.outcome()[0].phase, ClientPhase::Eod);
    client.step(Continue{});
    EXPECT_EQ(client.action.kind, Kind::Ready);
    client.begin(transaction);
    EXPECT_EQ(client.written.substr(0, 4), "MAIL");
  }
}

TEST(ClientDialogue, A3xxAfterTheDotMayBeADuplicate) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x"});
  client.ready().begin(transaction);
  client.got("250 ok\r\n250 ok\r\n354 go\r\n");
  client.step(BodySent{});
  client.got("354 more\r\n");
  EXPECT_EQ(client.kind(0), VerdictKind::Lost);
  EXPECT_TRUE(client.dialogue.outcome()[0].may_be_duplicate);
}

TEST(ClientDialogue, TakesARefusalInTheMiddleOfTheBody) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x"});
  client.ready().begin(transaction);
  client.got("250 ok\r\n250 ok\r\n354 go\r\n");
  client.got("552 5.3.4 too big\r\n");
  ASSERT_EQ(client.action.kind, Kind::Finished);
  EXPECT_EQ(client.kind(0), VerdictKind::Refused);
  EXPECT_EQ(client.dialogue.outcome()[0].reply.code, 552);
  client.step(Continue{});
  EXPECT_EQ(client.action.kind, Kind::Close);
}

TEST(ClientDialogue, DistrustsTheReplyToAMessageBeforeTheMessage) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x"});
  client.ready().begin(transaction);
  client.got("250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n");
  ASSERT_EQ(client.action.kind, Kind::Finished);
  EXPECT_EQ(client.kind(0), VerdictKind::Lost);
}

// ---- too many recipients

TEST(ClientDialogue, LeavesTheRestForANewTransactionAfter452) {
  for (const std::string_view enough :
       {"452 4.5.3 too many\r\n", "552 too many\r\n", "452 x\r\n"}) {
    Client client;
    const ClientTransaction transaction = transaction_to({"b@x", "c@x", "d@x"});
    client.ready().begin(transaction);
    client.got("250 ok\r\n250 ok\r\n").got(enough).got(enough).got("354 go\r\n");
    client.step(BodySent{});
    client.got("250 ok\r\n");
    EXPECT_EQ(client.kind(0), VerdictKind::Accepted);
    EXPECT_EQ(client.kind(1), VerdictKind::NotTried);
    EXPECT_EQ(client.kind(2), VerdictKind::NotTried);
  }
}

TEST(ClientDialogue, A452ToTheFirstRecipientIsARefusal) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x"});
  client.ready().begin(transaction);
  client.got("250 ok\r\n452 4.5.3 too many\r\n503 no\r\n");
  EXPECT_EQ(client.kind(0), VerdictKind::Refused);
}

TEST(ClientDialogue, AFullMailboxIsTheRecipientsOwn) {
  for (const std::string_view reply : {"552 5.2.2 full\r\n", "452 4.2.2 full\r\n"}) {
    Client client;
    const ClientTransaction transaction = transaction_to({"b@x", "c@x"});
    client.ready().begin(transaction);
    client.got("250 ok\r\n250 ok\r\n").got(reply).got("354 go\r\n");
    client.step(BodySent{});
    client.got("250 ok\r\n");
    EXPECT_EQ(client.kind(1), VerdictKind::Refused);
  }
}

TEST(ClientDialogue, StopsAtRcptmaxAndMailmax) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x", "c@x", "d@x"});
  client.ready("250-x\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2 MAILMAX=1\r\n");
  EXPECT_TRUE(client.dialogue.may_begin());
  client.begin(transaction);
  EXPECT_EQ(client.written.find("d@x"), std::string::npos);
  client.got("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
  EXPECT_FALSE(client.dialogue.may_ride());
  client.step(BodySent{});
  client.got("250 ok\r\n");
  EXPECT_EQ(client.kind(1), VerdictKind::Accepted);
  EXPECT_EQ(client.kind(2), VerdictKind::NotTried);
  EXPECT_FALSE(client.dialogue.may_begin());
}

TEST(ClientDialogue, SplitsManyRecipientsIntoGroups) {
  ClientOptions options;
  options.group_commands_max = 3;
  Client client(options);
  const ClientTransaction transaction = transaction_to({"b@x", "c@x", "d@x", "e@x", "f@x"});
  client.ready().begin(transaction);
  EXPECT_EQ(client.written, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\n");
  client.got("250 ok\r\n250 ok\r\n250 ok\r\n");
  EXPECT_EQ(client.written, "RCPT TO:<d@x>\r\nRCPT TO:<e@x>\r\nRCPT TO:<f@x>\r\n");
  client.got("250 ok\r\n250 ok\r\n250 ok\r\n");
  EXPECT_EQ(client.written, "DATA\r\n");
  client.got("354 go\r\n");
  EXPECT_EQ(client.action.kind, Kind::SendBody);
}

// ---- BDAT

TEST(ClientDialogue, SendsOneChunkAfterTheRecipientsAreKnown) {
  Client client;
  ClientTransaction transaction = transaction_to({"b@x"});
  transaction.uses_bdat = true;
  transaction.body = "BINARYMIME";
  transaction.size = 77;
  client.ready().begin(transaction);
  EXPECT_EQ(client.written,
            "MAIL FROM:<a@example.org> SIZE=77 BODY=BINARYMIME\r\nRCPT TO:<b@x>\r\n");
  client.got("250 ok\r\n250 ok\r\n");
  EXPECT_EQ(client.action.kind, Kind::SendBody);
  EXPECT_EQ(client.written, "BDAT 77 LAST\r\n");
  EXPECT_FALSE(client.dialogue.may_ride());
  client.step(BodySent{});
  client.got("554 5.6.0 no\r\n");
  EXPECT_EQ(client.kind(0), VerdictKind::Refused);
  client.step(Continue{});
  client.begin(transaction);
  EXPECT_EQ(client.written.substr(0, 6), "RSET\r\n");
}

// ---- riding

TEST(ClientDialogue, NextTransactionRidesBehindTheBody) {
  Client client;
  const ClientTransaction one = transaction_to({"b@x"});
  const ClientTransaction two = transaction_to({"c@x"});
  client.ready().begin(one);
  client.got("250 ok\r\n250 ok\r\n354 go\r\n");
  ASSERT_TRUE(client.dialogue.may_ride());
  EXPECT_EQ(client.dialogue.ride(two), "MAIL FROM:<a@example.org>\r\nRCPT TO:<c@x>\r\nDATA\r\n");
  EXPECT_FALSE(client.dialogue.may_ride());
  client.step(BodySent{});
  client.got("250 one\r\n250 ok\r\n250 o");
  ASSERT_EQ(client.action.kind, Kind::Finished);
  EXPECT_EQ(client.dialogue.outcome_of(), &one);
  EXPECT_EQ(client.kind(0), VerdictKind::Accepted);
  client.step(Continue{});
  EXPECT_EQ(client.action.kind, Kind::Read);
  client.got("k\r\n354 go\r\n");
  EXPECT_EQ(client.action.kind, Kind::SendBody);
  EXPECT_EQ(client.dialogue.outcome_of(), &two);
  client.step(BodySent{});
  client.got("250 two\r\n");
  EXPECT_EQ(client.kind(0), VerdictKind::Accepted);
  client.step(Continue{});
  EXPECT_EQ(client.action.kind, Kind::Ready);
  EXPECT_EQ(client.dialogue.transactions(), 2U);
}

TEST(ClientDialogue, WhatRodeIsNotTriedWhenTheConnectionFails) {
  for (const bool is_lost : {true, false}) {
    Client client;
    const ClientTransaction one = transaction_to({"b@x"});
    const ClientTransaction two = transaction_to({"c@x"});
    client.ready().begin(one);
    client.got("250 ok\r\n250 ok\r\n354 go\r\n");
    (void)client.dialogue.ride(two);
    client.step(BodySent{});
    if (is_lost) {
      client.step(Lost{false, "reset"});
    } else {
      client.got("421 4.3.2 going down\r\n");
    }
    ASSERT_EQ(client.action.kind, Kind::Finished);
    EXPECT_EQ(client.kind(0), is_lost ? VerdictKind::Lost : VerdictKind::Refused);
    EXPECT_EQ(client.dialogue.outcome()[0].may_be_duplicate, is_lost);
    client.step(Continue{});
    ASSERT_EQ(client.action.kind, Kind::Finished);
    EXPECT_EQ(client.dialogue.outcome_of(), &two);
    EXPECT_EQ(client.kind(0), VerdictKind::NotTried);
    client.step(Continue{});
    EXPECT_EQ(client.action.kind, Kind::Close);
  }
}

}  // namespace
}  // namespace ekiden::smtp
