#include "ekiden/smtp/server_dialogue.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/random.hpp"

namespace ekiden::smtp {
namespace {

/// Performs the actions as a friendly session would.
class Peer {
 public:
  explicit Peer(ServerOptions options = default_options()) : dialogue(std::move(options)) {
    dialogue.set_mechanisms({"PLAIN", "LOGIN"});
    handle(dialogue.resume(Connected{}));
    said.clear();
  }

  static ServerOptions default_options() {
    ServerOptions options;
    options.hostname = "relay.test";
    options.offers_starttls = true;
    return options;
  }

  /// Everything we say to `octets`.
  std::string say(std::string_view octets) {
    said.clear();
    if (!is_closed) {
      const std::string own(octets);  // so that a view kept too long is found by the sanitizer
      handle(dialogue.resume(Input{own}));
    }
    return said;
  }

  void flush() {
    if (dialogue.has_output()) ++writes;
    said += dialogue.take_output();
  }

  void handle(Action action) {
    while (true) {
      Event next = Continue{};
      if (std::holds_alternative<NeedInput>(action)) {
        flush();
        return;
      }
      if (const auto* close = std::get_if<Close>(&action)) {
        flush();
        is_closed = true;
        reason = close->reason;
        return;
      }
      if (std::holds_alternative<Flush>(action) || std::holds_alternative<StartTls>(action))
        flush();
      if (std::holds_alternative<StartTls>(action)) next = TlsStarted{};
      if (auto* begin = std::get_if<BeginAuth>(&action)) {
        if (begin->mechanism != "PLAIN") {
          next = SaslUnknown{};
        } else if (!begin->initial_response) {
          next = SaslAnswer{{SaslStep::Kind::Challenge, "", ""}};
        } else {
          next = SaslAnswer{check(*begin->initial_response)};
        }
      }
      if (auto* step = std::get_if<StepAuth>(&action)) next = SaslAnswer{check(step->response)};
      if (auto* mail = std::get_if<AdmitMail>(&action)) {
        last_mail = mail->mail;
        next = Verdict{{250, {2, 1, 0}, {"Ok"}}};
      }
      if (auto* rcpt = std::get_if<AdmitRcpt>(&action)) {
        last_rcpt = rcpt->rcpt;
        next = rcpt->rcpt.recipient.local == "nobody"
                   ? Verdict{{550, {5, 1, 1}, {"No such user"}}, true}
                   : Verdict{{250, {2, 1, 5}, {"Ok"}}};
      }
      if (std::holds_alternative<AdmitData>(action)) next = Verdict{{354, {}, {"Go ahead"}}};
      if (std::holds_alternative<BodyPart>(action)) {
        ++parts;
        body += dialogue.take_body();
      }
      if (std::holds_alternative<BodyComplete>(action)) {
        body += dialogue.take_body();
        bodies.push_back(std::exchange(body, {}));
        next = Stored{{250, {2, 0, 0}, {"Ok: queued"}}};
      }
      action = dialogue.resume(std::move(next));
    }
  }

  static SaslStep check(const std::string& response) {
    if (response == std::string("\0user\0secret", 12)) {
      return {SaslStep::Kind::Success, "", "user"};
    }
    return {SaslStep::Kind::Failure, "", ""};
  }

  ServerDialogue dialogue;
  std::string said, body, reason;
  std::vector<std::string> bodies;
  MailCommand last_mail;
  RcptCommand last_rcpt;
  bool is_closed = false;
  int writes = 0, parts = 0;
};

constexpr std::string_view kHello = "EHLO c.test\r\n";
constexpr std::string_view kEnvelope = "MAIL FROM:<a@c.test>\r\nRCPT TO:<b@d.test>\r\n";

TEST(ServerDialogue, AnswersAPipelinedGroupInOneWrite) {
  Peer peer;
  peer.say(kHello);
  const int before = peer.writes;
  EXPECT_EQ(
      peer.say("MAIL FROM:<a@c.test>\r\nRCPT TO:<nobody@d.test>\r\nRCPT TO:<b@d.test>\r\nDATA\r\n"),
      "250 2.1.0 Ok\r\n550 5.1.1 No such user\r\n250 2.1.5 Ok\r\n354 Go ahead\r\n");
  EXPECT_EQ(peer.writes, before + 1);
  EXPECT_EQ(peer.say("Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n"),
            "250 2.0.0 Ok: queued\r\n221 2.0.0 relay.test Bye\r\n");
  ASSERT_EQ(peer.bodies.size(), 1u);
  EXPECT_EQ(peer.bodies[0], "Subject: x\r\n\r\nhi\r\n");
  EXPECT_TRUE(peer.is_closed);
}

TEST(ServerDialogue, SaysTheSameHoweverTheInputIsSplit) {
  const std::string script = std::string(kHello) + std::string(kEnvelope) +
                             "BDAT 5\r\nab\r\ncBDAT 3 LAST\r\nd\r\n"
                             "RSET\r\nNOOP\r\nWHAT\r\n" +
                             std::string(kEnvelope) + "BDAT 2 LAST\r\n\r\nHELP\r\nQUIT\r\n";
  std::string whole;
  {
    Peer peer;
    whole = peer.say(script);
    ASSERT_TRUE(peer.is_closed);
    EXPECT_EQ(peer.bodies.size(), 2u);
  }
  for (const std::size_t piece : {1u, 2u, 5u, 11u, 64u}) {
    Peer peer;
    std::string said;
    for (std::size_t i = 0; i < script.size(); i += piece) {
      said += peer.say(std::string_view(script).substr(i, piece));
    }
    EXPECT_EQ(said, whole) << piece;
    EXPECT_EQ(peer.bodies[0], "ab\r\ncd\r\n");
  }
}

TEST(ServerDialogue, OffersOnlyWhatIsTrue) {
  Peer peer;
  const std::string clear = peer.say(kHello);
  EXPECT_NE(clear.find("250-STARTTLS\r\n"), std::string::npos);
  EXPECT_NE(clear.find("250-AUTH PLAIN LOGIN\r\n"), std::string::npos);
  EXPECT_NE(clear.find("250-LIMITS RCPTMAX=1000\r\n"), std::string::npos);
  EXPECT_EQ(peer.say("STARTTLS\r\n"), "220 2.0.0 Ready to start TLS\r\n");
  EXPECT_EQ(peer.say("MAIL FROM:<>\r\n"), "503 5.5.1 Send EHLO first\r\n");
  EXPECT_EQ(peer.say(kHello).find("STARTTLS"), std::string::npos);
  EXPECT_EQ(peer.say("STARTTLS\r\n").substr(0, 3), "503");
}

TEST(ServerDialogue, RefusesCommandsGluedBehindStarttls) {
  Peer peer;
  peer.say(kHello);
  EXPECT_EQ(peer.say("STARTTLS\r\nMAIL FROM:<x@y>\r\n").substr(0, 9), "554 5.5.1");
  EXPECT_TRUE(peer.is_closed);
}

TEST(ServerDialogue, RefusesAMessageBeforeTheGoAhead) {
  Peer peer;
  peer.say(kHello);
  peer.say(kEnvelope);
  EXPECT_EQ(peer.say("DATA\r\nSubject: x\r\n").substr(0, 9), "554 5.5.1");
  EXPECT_TRUE(peer.is_closed);
}

TEST(ServerDialogue, RunsAuthWithAndWithoutInitialResponse) {
  Peer peer;
  peer.say(kHello);
  EXPECT_EQ(peer.say("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"), "235 2.7.0 Authentication successful\r\n");
  EXPECT_EQ(peer.dialogue.identity(), "user");
  EXPECT_EQ(peer.say("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").substr(0, 3), "503");
  Peer second;
  second.say(kHello);
  EXPECT_EQ(second.say("AUTH PLAIN\r\n"), "334 \r\n");
  EXPECT_EQ(second.say("AHVzZXIAc2VjcmV0\r\n").substr(0, 3), "235");
  Peer third;
  third.say(kHello);
  EXPECT_EQ(third.say("auth plain\r\n"), "334 \r\n");
  EXPECT_EQ(third.say("*\r\n").substr(0, 3), "501");
  EXPECT_EQ(third.say("AUTH PLAIN\r\n"), "334 \r\n");
  EXPECT_EQ(third.say("\r\n").substr(0, 3), "535");
  EXPECT_EQ(third.say("AUTH X\r\n").substr(0, 3), "504");
  EXPECT_EQ(third.say("AUTH PLAIN !!!\r\n").substr(0, 3), "501");
  EXPECT_EQ(third.say("AUTH PLAIN\r\n"), "334 \r\n");
  EXPECT_EQ(third.say(std::string(20000, 'A') + "\r\n").substr(0, 9), "500 5.5.6");
}

TEST(ServerDialogue, AsksForTlsAndAuthWhereTheyAreDue) {
  ServerOptions options = Peer::default_options();
  options.requires_tls = true;
  options.requires_auth = true;
  Peer peer(options);
  EXPECT_EQ(peer.say(kHello).find("AUTH"), std::string::npos);
  EXPECT_EQ(peer.say("MAIL FROM:<a@b>\r\n").substr(0, 9), "530 5.7.0");
  EXPECT_EQ(peer.say("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n").substr(0, 9), "530 5.7.0");
  peer.say("STARTTLS\r\n");
  peer.say(kHello);
  EXPECT_EQ(peer.say("MAIL FROM:<a@b>\r\n"), "530 5.7.0 Authentication required\r\n");
  peer.say("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
  EXPECT_EQ(peer.say("MAIL FROM:<a@b>\r\n").substr(0, 3), "250");
}

TEST(ServerDialogue, ReadsEveryParameter) {
  Peer peer;
  peer.say(kHello);
  EXPECT_EQ(
      peer.say("mail from:<a@b> size=100 BODY=8BITMIME RET=HDRS ENVID=x+2B SMTPUTF8 AUTH=<>\r\n")
          .substr(0, 3),
      "250");
  EXPECT_EQ(peer.last_mail.size, 100u);
  EXPECT_EQ(peer.last_mail.body, BodyKind::EightBitMime);
  EXPECT_EQ(peer.last_mail.ret, ReturnKind::Headers);
  EXPECT_EQ(peer.last_mail.envid, "x+2B");
  EXPECT_EQ(peer.last_mail.auth, "<>");
  EXPECT_TRUE(peer.last_mail.smtputf8);
  EXPECT_EQ(
      peer.say("RCPT TO:<b@例え.jp> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@x\r\n").substr(0, 3),
      "250");
  EXPECT_EQ(peer.last_rcpt.notify, kNotifyBitSuccess | kNotifyBitFailure);
  EXPECT_EQ(peer.last_rcpt.orcpt, "rfc822;b@x");
}

TEST(ServerDialogue, RefusesBadParametersClearly) {
  struct Case {
    const char* command;
    const char* reply;
  };
  for (const Case& c : std::vector<Case>{
           {"MAIL FROM:<a@b> SIZE=x", "501 5.5.4"},
           {"MAIL FROM:<a@b> SIZE=99999999999999999999", "552 5.3.4"},
           {"MAIL FROM:<a@b> BODY=9BIT", "501 5.5.4"},
           {"MAIL FROM:<a@b> RET=FULL RET=FULL", "501 5.5.4"},
           {"MAIL FROM:<a@b> FOO=1", "555 5.5.4"},
           {"MAIL FROM:<a@b>SIZE=1", "501 5.5.4"},
           {"MAIL FROM:<\xc3\xa9@b>", "553 5.6.7"},
           {"MAIL FROM:a@b", "501 5.1.7"},
           {"MAIL FROM:<a@-b>", "501 5.1.8"},
           {"MAIL", "501 5.5.4"},
           {"RCPT TO:<a@b>", "503 5.5.1"},
           {"DATA", "503 5.5.1"},
           {"VRFY", "501 5.5.4"},
           {"EXPN list", "502 5.5.1"},
           {"", "500 5.5.1"},
           {"NO\x01OP", "500 5.5.2"},
           {"X", "500 5.5.1"},
       }) {
    Peer peer;
    peer.say(kHello);
    EXPECT_EQ(peer.say(std::string(c.command) + "\r\n").substr(0, 9), c.reply) << c.command;
    EXPECT_FALSE(peer.is_closed);
  }
  for (const Case& c : std::vector<Case>{
           {"RCPT TO:<x@y> NOTIFY=NEVER,SUCCESS", "501 5.5.4"},
           {"RCPT TO:<x@y> NOTIFY=", "501 5.5.4"},
           {"RCPT TO:<x@y> ORCPT=foo", "501 5.5.4"},
           {"RCPT TO:<x@y> FOO", "555 5.5.4"},
           {"RCPT TO:<>", "501 5.1.3"},
           {"RCPT TO:<x@\xe4\xbe\x8b.jp>", "553 5.6.7"},
           {"MAIL FROM:<b@c>", "503 5.5.1"},
           {"DATA", "554 5.5.1"},
       }) {
    Peer peer;
    peer.say(kHello);
    peer.say("MAIL FROM:<a@b>\r\n");
    EXPECT_EQ(peer.say(std::string(c.command) + "\r\n").substr(0, 9), c.reply) << c.command;
  }
}

TEST(ServerDialogue, DropsAnOverlongLineAndGoesOn) {
  Peer peer;
  EXPECT_EQ(peer.say("EHLO " + std::string(65536, 'x')), "");
  EXPECT_EQ(peer.say("\r\nNOOP\r\n"), "500 5.5.2 Line too long\r\n250 2.0.0 Ok\r\n");
}

TEST(ServerDialogue, ClosesOnALineThatNeverEnds) {
  Peer peer;
  for (int i = 0; i < 40 && !peer.is_closed; ++i) peer.say(std::string(65536, 'x'));
  EXPECT_TRUE(peer.is_closed);
  EXPECT_EQ(peer.said.substr(0, 9), "421 4.5.2");
}

TEST(ServerDialogue, ClosesAfterTooManyErrors) {
  Peer peer;
  std::string all;
  for (int i = 0; i < 50 && !peer.is_closed; ++i) all = peer.say("FOO\r\n");
  EXPECT_TRUE(peer.is_closed);
  EXPECT_NE(all.find("421 4.7.0"), std::string::npos);
}

TEST(ServerDialogue, AChunkThatIsTheLastErrorHasItsAnswerBeforeTheEnd) {
  Peer peer;
  peer.say(std::string(kHello) + std::string(kEnvelope));
  for (int i = 0; i < 20; ++i) peer.say("FOO\r\n");
  peer.say("BDAT 8\r\na\nb");  // refused for what came so far
  EXPECT_FALSE(peer.is_closed);
  const std::string all = peer.say("cdefg");
  EXPECT_TRUE(all.starts_with("554 5.5.2 ")) << all;
  EXPECT_NE(all.find("\r\n421 4.7.0 "), std::string::npos) << all;
  EXPECT_TRUE(peer.is_closed);
}

TEST(ServerDialogue, StopsAHundredThousandRecipients) {
  ServerOptions options = Peer::default_options();
  options.recipients_max = 100;
  Peer peer(options);
  peer.say(kHello);
  peer.say("MAIL FROM:<a@b>\r\n");
  int taken = 0, put_off = 0, sent = 0;
  for (; sent < 100000 && !peer.is_closed; ++sent) {
    const std::string said = peer.say("RCPT TO:<x" + std::to_string(sent) + "@y>\r\n");
    taken += said.substr(0, 3) == "250";
    put_off += said.substr(0, 9) == "452 4.5.3";
  }
  EXPECT_EQ(taken, 100);
  EXPECT_GT(put_off, 200);
  EXPECT_TRUE(peer.is_closed);
  EXPECT_LT(sent, 2000);
}

TEST(ServerDialogue, RefusesATooBigMessageAtItsEndAndStaysUsable) {
  ServerOptions options = Peer::default_options();
  options.size_max = 1000;
  Peer peer(options);
  peer.say(kHello);
  peer.say(kEnvelope);
  peer.say("DATA\r\n");
  EXPECT_EQ(peer.say(std::string(2000, 'x') + "\r\n.\r\n").substr(0, 9), "552 5.3.4");
  EXPECT_EQ(peer.say("NOOP\r\n"), "250 2.0.0 Ok\r\n");
  peer.say(kEnvelope);
  peer.say("DATA\r\n");
  for (int i = 0; i < 100 && !peer.is_closed; ++i) peer.say(std::string(100, 'x') + "\r\n");
  EXPECT_EQ(peer.reason, "message far too big");
}

TEST(ServerDialogue, HandsALargeBodyOverInParts) {
  ServerOptions options = Peer::default_options();
  options.chunk_octets = 1000;
  Peer peer(options);
  peer.say(kHello);
  peer.say(kEnvelope);
  peer.say("DATA\r\n");
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    const std::string line = std::string(98, static_cast<char>('a' + i % 26)) + "\r\n";
    expected += line;
    peer.say(line);
  }
  EXPECT_EQ(peer.say(".\r\n").substr(0, 3), "250");
  EXPECT_EQ(peer.parts, 5);
  EXPECT_EQ(peer.bodies.at(0), expected);
}

TEST(ServerDialogue, SwallowsRefusedChunks) {
  Peer peer;
  peer.say(kHello);
  EXPECT_EQ(peer.say("BDAT 6\r\nQUIT\r\nNOOP\r\n"),
            "503 5.5.1 Send MAIL first\r\n250 2.0.0 Ok\r\n");
  peer.say(kEnvelope);
  EXPECT_EQ(peer.say("BDAT 3\r\na\nbBDAT 2 LAST\r\nxx"),
            "554 5.5.2 Bare CR or LF in the message; lines end with CR LF\r\n"
            "503 5.5.1 Send MAIL first\r\n");
  EXPECT_FALSE(peer.is_closed);
}

TEST(ServerDialogue, TakesBinaryChunksAsTheyAre) {
  Peer peer;
  peer.say(kHello);
  peer.say("MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n");
  EXPECT_EQ(peer.say("DATA\r\n").substr(0, 9), "503 5.5.1");
  peer.say(std::string("BDAT 4\r\n\0\n\r.", 12));
  EXPECT_EQ(peer.say("BDAT 0 LAST\r\n").substr(0, 3), "250");
  EXPECT_EQ(peer.bodies.at(0), std::string("\0\n\r.", 4));
}

TEST(ServerDialogue, RefusesAbsurdChunks) {
  for (const char* bdat :
       {"BDAT 18446744073709551615 LAST\r\n", "BDAT 9999999999999\r\n",
        "BDAT 99999999999999999999999\r\n", "BDAT -1\r\n", "BDAT\r\n", "BDAT 1 FIRST\r\n"}) {
    Peer peer;
    peer.say(kHello);
    peer.say(kEnvelope);
    EXPECT_EQ(peer.say(bdat).substr(0, 1), "5") << bdat;
    EXPECT_TRUE(peer.is_closed);
  }
}

TEST(ServerDialogue, SurvivesRandomOctets) {
  base::SeededRandom random(7);
  const std::vector<std::string> words = {"EHLO a\r\n",
                                          "MAIL FROM:<a@b>\r\n",
                                          "RCPT TO:<c@d>\r\n",
                                          "DATA\r\n",
                                          "BDAT 10\r\n",
                                          "BDAT 3 LAST\r\n",
                                          ".\r\n",
                                          "\r\n",
                                          "\n",
                                          "STARTTLS\r\n",
                                          "AUTH PLAIN\r\n",
                                          "RSET\r\n",
                                          "x"};
  for (int round = 0; round < 2000; ++round) {
    Peer peer;
    for (int i = 0; i < 30 && !peer.is_closed; ++i) {
      std::string octets;
      if (random.below(3) == 0) {
        for (std::uint64_t n = random.below(40); n != 0; --n) {
          octets += static_cast<char>(random.below(256));
        }
      } else {
        octets = words[random.below(words.size())];
      }
      peer.say(octets);
    }
  }
}

TEST(ServerDialogue, AnIdleDialogueOwnsNoBuffer) {
  EXPECT_LE(sizeof(ServerDialogue), 1024u);
}

}  // namespace
}  // namespace ekiden::smtp
