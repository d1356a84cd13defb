// Goal: what was said to a peer is told to people, bounded, and never a secret.
// Method: the dialogue is fed replies as text.
#include <gtest/gtest.h>

#include "tests/support/dialogue_client.hpp"

namespace ekiden::smtp {
namespace {

using namespace client_event;

TEST(ClientTranscript, TellsTheOpeningAndEachRecipientsShare) {
  Client client;
  const ClientTransaction transaction = transaction_to({"b@example.net", "c@example.net"});
  client.got("220 mx.example ESMTP\r\n").got(kFullEhlo);
  EXPECT_TRUE(client.dialogue.opening().starts_with(
      "S: 220 mx.example ESMTP\nC: EHLO relay.example\nS: 250-mx.example\nS: 250-PIPELINING\n"))
      << client.dialogue.opening();
  client.begin(transaction).got("250 2.1.0 ok\r\n250 2.1.5 ok\r\n550 5.1.1 who?\r\n354 go\r\n");
  client.step(BodySent{});
  client.got("451 4.3.0 disk\r\n");
  EXPECT_EQ(client.dialogue.transcript(0),
            "C: MAIL FROM:<a@example.org>\nS: 250 2.1.0 ok\n"
            "C: RCPT TO:<b@example.net>\nS: 250 2.1.5 ok\n"
            "C: DATA\nS: 354 go\n#: the message, and a dot\nS: 451 4.3.0 disk\n");
  EXPECT_EQ(client.dialogue.transcript(1),
            "C: MAIL FROM:<a@example.org>\nS: 250 2.1.0 ok\n"
            "C: RCPT TO:<c@example.net>\nS: 550 5.1.1 who?\n");
}

TEST(ClientTranscript, TellsWhereAConnectionWasLost) {
  const ClientTransaction transaction = transaction_to({"b@x"});
  Client client;
  client.ready(kPlainEhlo).begin(transaction).got("250 ok\r\n");
  Lost lost;
  lost.is_timeout = true;
  client.step(lost);
  EXPECT_EQ(client.dialogue.transcript(0),
            "C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@x>\n"
            "#: 451 4.4.2 time-out waiting for the reply to RCPT\n");
  Client body;
  body.ready().begin(transaction).got("250 ok\r\n250 ok\r\n354 go\r\n");
  body.step(lost);
  const std::string told = body.dialogue.transcript(0);
  EXPECT_TRUE(
      told.ends_with("C: DATA\nS: 354 go\n"
                     "#: 451 4.4.2 time-out while sending the message\n"))
      << told;
}

TEST(ClientTranscript, RefusalsOfMailAndDataAreTold) {
  const ClientTransaction transaction = transaction_to({"b@x"});
  Client mail;
  mail.ready(kPlainEhlo).begin(transaction).got("550 5.7.1 not you\r\n");
  EXPECT_EQ(mail.dialogue.transcript(0), "C: MAIL FROM:<a@example.org>\nS: 550 5.7.1 not you\n");
  Client data;
  data.ready(kPlainEhlo).begin(transaction).got("250 ok\r\n").got("250 ok\r\n").got("554 no\r\n");
  EXPECT_EQ(data.dialogue.transcript(0),
            "C: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@x>\nS: 250 ok\n"
            "C: DATA\nS: 554 no\n");
}

TEST(ClientTranscript, HasNoPasswordsAndNoChallenges) {
  ClientOptions options;
  options.wants_auth = true;
  options.may_send_password_in_clear = true;
  Client client(options);
  client.got("220 mx\r\n").got("250-mx\r\n250 AUTH LOGIN\r\n");
  AuthResponse empty;
  empty.is_complete = false;
  client.step(empty);
  client.got("334 VXNlcm5hbWU6\r\n");
  AuthResponse name;
  name.octets = "hanako";
  client.step(name);
  client.got("535 5.7.8 wrong\r\n");
  const std::string& told = client.dialogue.opening();
  EXPECT_TRUE(told.ends_with("C: AUTH LOGIN ***\nS: 334 ***\nC: ***\nS: 535 5.7.8 wrong\n"))
      << told;
  EXPECT_EQ(told.find("aGFuYWtv"), std::string::npos);
  EXPECT_EQ(told.find("VXNl"), std::string::npos);
}

TEST(ClientTranscript, IsBoundedAndPrintable) {
  Client client;
  std::string greeting;
  for (int i = 0; i < 60; ++i) greeting += "220-" + std::string(400, 'x') + "\x1b[2J\r\n";
  client.got(greeting + "220 mx\r\n").got(kFullEhlo);
  const std::string& told = client.dialogue.opening();
  EXPECT_LE(told.size(), ClientDialogue::kTranscriptOctetsMax);
  EXPECT_NE(told.find("\n#: …\nC: EHLO"), std::string::npos) << told;
  EXPECT_EQ(told.find('\x1b'), std::string::npos);
}

TEST(ClientTranscript, NothingIsKeptWhereNothingIsWanted) {
  ClientOptions options;
  options.keeps_transcript = false;
  Client client(options);
  const ClientTransaction transaction = transaction_to({"b@x"});
  client.ready(kPlainEhlo).begin(transaction).got("550 no\r\n");
  EXPECT_EQ(client.dialogue.opening(), "");
  EXPECT_EQ(client.dialogue.transcript(0), "");
}

}  // namespace
}  // namespace ekiden::smtp
