// Goal: the client's dialogue when the peer leaves or the connection fails, at each step; probes.
// Method: the dialogue is fed replies as text and tells what it would write.
#include <gtest/gtest.h>

#include "tests/support/dialogue_client.hpp"

namespace ekiden::smtp {
namespace {

using namespace client_event;
using Kind = ClientAction::Kind;
using VerdictKind = ClientVerdict::Kind;

// ---- 421 and lost connections

TEST(ClientDialogue, A421BetweenTwoTransactionsUsesUpNoAttempt) {
  for (const bool is_lost : {true, false}) {
    Client client;
    const ClientTransaction transaction = transaction_to({"b@x"});
    client.ready().begin(transaction);
    client.got("250 ok\r\n250 ok\r\n354 go\r\n");
    client.step(BodySent{});
    client.got("250 ok\r\n");
    client.step(Continue{});
    client.begin(transaction);
    if (is_lost) {
      client.step(Lost{});
    } else {
      client.got("421 4.4.2 idle\r\n");
    }
    ASSERT_EQ(client.action.kind, Kind::Finished);
    EXPECT_EQ(client.kind(0), VerdictKind::NotTried);
    client.step(Continue{});
    EXPECT_EQ(client.action.kind, Kind::Close);
  }
}

TEST(ClientDialogue, A421ToTheFirstMailUsesUpAnAttempt) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x"});
  client.ready().begin(transaction);
  client.got("421 4.7.0 slow down\r\n");
  EXPECT_EQ(client.kind(0), VerdictKind::Lost);
  EXPECT_EQ(client.dialogue.outcome()[0].reply.code, 421);
  EXPECT_FALSE(client.dialogue.outcome()[0].is_local);
}

TEST(ClientDialogue, SaysGoodByeToA421ThatFollowsAMessage) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x"});
  client.ready().begin(transaction);
  client.got("250 ok\r\n250 ok\r\n354 go\r\n");
  client.step(BodySent{});
  client.got("250 ok\r\n421 enough\r\n");
  EXPECT_EQ(client.kind(0), VerdictKind::Accepted);
  client.step(Continue{});
  EXPECT_EQ(client.action.kind, Kind::Close);
  EXPECT_EQ(client.dialogue.failure()->reply.code, 421);
}

/// The happy dialogue, step by step: each test below lets it fail after `steps` replies.
struct Step {
  std::string_view reply;
  ClientPhase awaited;
};
constexpr Step kScript[] = {
    {"220 x\r\n", ClientPhase::Greeting},    {kFullEhlo, ClientPhase::Ehlo},
    {"250 ok\r\n", ClientPhase::Mail},       {"250 ok\r\n", ClientPhase::Rcpt},
    {"550 5.1.1 no\r\n", ClientPhase::Rcpt}, {"354 go\r\n", ClientPhase::Data},
    {"250 ok\r\n", ClientPhase::Eod}};

void expect_one_outcome(const ClientEvent& failure, bool may_be_duplicate_at_end) {
  for (std::size_t steps = 0; steps < std::size(kScript); ++steps) {
    const ClientTransaction transaction = transaction_to({"b@x", "c@x"});
    Client client;
    for (std::size_t i = 0; i < steps; ++i) {
      client.got(kScript[i].reply);
      if (client.action.kind == Kind::Ready) client.begin(transaction);
      if (client.action.kind == Kind::SendBody) client.step(BodySent{});
    }
    client.step(failure);
    const ClientPhase phase = kScript[steps].awaited;
    int outcomes = 0;
    while (client.action.kind == Kind::Finished) {
      ++outcomes;
      for (std::size_t i = 0; i < 2; ++i) {
        const ClientVerdict& verdict = client.dialogue.outcome()[i];
        if (i == 1 && steps > 4) {
          EXPECT_EQ(verdict.reply.code, 550);
          continue;
        }
        EXPECT_NE(verdict.kind, VerdictKind::NotTried) << steps;
        EXPECT_NE(verdict.kind, VerdictKind::Accepted) << steps;
        EXPECT_EQ(verdict.phase, phase) << steps;
        EXPECT_TRUE(verdict.reply.is_transient()) << steps;
        EXPECT_EQ(verdict.may_be_duplicate, may_be_duplicate_at_end && phase == ClientPhase::Eod);
      }
      client.step(Continue{});
    }
    EXPECT_EQ(client.action.kind, Kind::Close) << steps;
    EXPECT_EQ(outcomes, steps >= 2 ? 1 : 0);
    ASSERT_TRUE(client.dialogue.failure());
    EXPECT_EQ(client.dialogue.failure()->phase, phase) << steps;
  }
}

TEST(ClientDialogue, GivesEachRecipientOneOutcomeWhereverTheConnectionIsLost) {
  expect_one_outcome(Lost{false, "reset by peer"}, true);
  expect_one_outcome(Lost{true, ""}, true);
}

TEST(ClientDialogue, GivesEachRecipientOneOutcomeWherever421Comes) {
  expect_one_outcome(Received{"421 4.3.2 shutting down\r\n"}, false);
}

TEST(ClientDialogue, GivesEachRecipientOneOutcomeWhereverNonsenseComes) {
  std::string million;
  for (int i = 0; i < 100'000; ++i) million += "250-x\r\n";
  expect_one_outcome(Received{million}, true);
  expect_one_outcome(Received{"no code at all\r\n"}, true);
  expect_one_outcome(Received{"250-a\r\n550 b\r\n"}, true);
  expect_one_outcome(Received{std::string_view("\0\r\n", 3)}, true);
}

TEST(ClientDialogue, ALossWhileTheBodyIsWrittenIsNoDuplicate) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@x"});
  client.ready().begin(transaction);
  client.got("250 ok\r\n250 ok\r\n354 go\r\n");
  client.step(Lost{false, "reset"});
  EXPECT_EQ(client.kind(0), VerdictKind::Lost);
  EXPECT_FALSE(client.dialogue.outcome()[0].may_be_duplicate);
}

TEST(ClientDialogue, QuitEndsWhateverThePeerSays) {
  for (const std::string_view reply : {"221 bye\r\n", "500 what\r\n", "nonsense\r\n"}) {
    Client client;
    client.ready();
    client.step(Quit{});
    EXPECT_EQ(client.action.timeout, kQuitTimeout);
    client.got(reply);
    EXPECT_EQ(client.action.kind, Kind::Close);
    EXPECT_FALSE(client.dialogue.failure());
  }
  Client lost;
  lost.ready();
  lost.step(Quit{});
  lost.step(Lost{});
  EXPECT_EQ(lost.action.kind, Kind::Close);
  EXPECT_FALSE(lost.dialogue.failure());
}

// ---- asking about recipients

TEST(ClientDialogue, AProbeEndsBeforeDataAndIsResetBeforeTheNext) {
  for (const std::string_view ehlo : {kFullEhlo, kPlainEhlo}) {
    Client client;
    client.ready(ehlo);
    ClientTransaction probe = transaction_to({"b@x.example", "c@x.example"});
    probe.reverse_path = "";
    probe.is_probe = true;
    client.begin(probe);
    if (ehlo == kFullEhlo) {
      EXPECT_EQ(client.written,
                "MAIL FROM:<>\r\nRCPT TO:<b@x.example>\r\nRCPT TO:<c@x.example>\r\n");
      client.got("250 ok\r\n250 ok\r\n550 5.1.1 who\r\n");
    } else {
      EXPECT_EQ(client.written, "MAIL FROM:<>\r\n");
      EXPECT_EQ(client.got("250 ok\r\n").written, "RCPT TO:<b@x.example>\r\n");
      EXPECT_EQ(client.got("250 ok\r\n").written, "RCPT TO:<c@x.example>\r\n");
      client.got("550 5.1.1 who\r\n");
    }
    ASSERT_EQ(client.action.kind, Kind::Finished);
    EXPECT_EQ(client.written, "");
    EXPECT_EQ(client.kind(0), VerdictKind::Accepted);
    EXPECT_EQ(client.dialogue.outcome()[0].phase, ClientPhase::Rcpt);
    EXPECT_EQ(client.kind(1), VerdictKind::Refused);
    client.step(Continue{});
    ASSERT_EQ(client.action.kind, Kind::Ready);
    client.begin(probe);
    EXPECT_TRUE(client.written.starts_with("RSET\r\n"));
  }
}

TEST(ClientDialogue, AProbeThatIsLostSaysNothingAboutItsRecipient) {
  Client client;
  client.ready();
  ClientTransaction probe = transaction_to({"b@x.example"});
  probe.is_probe = true;
  client.begin(probe).got("250 ok\r\n");
  client.step(Lost{});
  ASSERT_EQ(client.action.kind, Kind::Finished);
  EXPECT_EQ(client.kind(0), VerdictKind::Lost);
  EXPECT_FALSE(client.dialogue.outcome()[0].may_be_duplicate);
}

}  // namespace
}  // namespace ekiden::smtp
