// Goal: greeting, EHLO, STARTTLS and AUTH of the client's dialogue, with every kind of reply.
// Method: the dialogue is fed replies as text and tells what it would write.
#include "ekiden/smtp/client_dialogue.hpp"

#include <gtest/gtest.h>

#include "tests/support/dialogue_client.hpp"

namespace ekiden::smtp {
namespace {

using namespace client_event;
using Kind = ClientAction::Kind;
using VerdictKind = ClientVerdict::Kind;

// ---- reaching Ready

TEST(ClientDialogue, GreetsWithEhloAndReadsExtensions) {
  Client client;
  EXPECT_EQ(client.action.kind, Kind::Read);
  EXPECT_EQ(client.action.timeout, std::chrono::minutes(5));
  client.got("220 mx.example ESMTP\r\n");
  EXPECT_EQ(client.written, "EHLO relay.example\r\n");
  client.got(
      "250-mx.example greets you\r\n250-pipelining\r\n250-SIZE 52428800\r\n250-AUTH PLAIN login "
      "SCRAM-SHA-256 GSSAPI\r\n250-LIMITS MAILMAX=10 RCPTMAX=20 RCPTDOMAINMAX=1 X=y\r\n"
      "250-X-UNKNOWN\r\n250-\r\n250 8BITMIME\r\n");
  EXPECT_EQ(client.action.kind, Kind::Ready);
  const PeerExtensions& peer = client.dialogue.peer();
  EXPECT_TRUE(peer.pipelining && peer.has_size && peer.eight_bit_mime && peer.auth_plain &&
              peer.auth_login && peer.auth_scram_sha256);
  EXPECT_FALSE(peer.dsn || peer.starttls || peer.chunking);
  EXPECT_EQ(peer.size_max, 52428800U);
  EXPECT_EQ(peer.mail_max, 10U);
  EXPECT_EQ(peer.recipients_max, 20U);
  EXPECT_EQ(peer.recipient_domains_max, 1U);
}

TEST(ClientDialogue, ReadsTheOldSpellingOfAuthAndIgnoresNonsense) {
  Client client;
  client.ready(
      "250-x\r\n250-AUTH=LOGIN PLAIN\r\n250-SIZE many\r\n250 LIMITS RCPTMAX=0 MAILMAX=x\r\n");
  EXPECT_TRUE(client.dialogue.peer().auth_login && client.dialogue.peer().auth_plain);
  EXPECT_EQ(client.dialogue.peer().size_max, 0U);
  EXPECT_EQ(client.dialogue.peer().recipients_max, 0U);
  EXPECT_EQ(client.dialogue.peer().mail_max, 0U);
}

TEST(ClientDialogue, FallsBackToHeloOnlyWhenEhloIsPermanentlyRefused) {
  Client client;
  client.got("220 x\r\n").got("502 5.5.1 what?\r\n");
  EXPECT_EQ(client.written, "HELO relay.example\r\n");
  client.got("250-x\r\n250 PIPELINING\r\n");
  EXPECT_EQ(client.action.kind, Kind::Ready);
  EXPECT_FALSE(client.dialogue.peer().pipelining);

  Client deferred;
  deferred.got("220 x\r\n").got("451 4.3.0 later\r\n");
  EXPECT_EQ(deferred.action.kind, Kind::Close);
  EXPECT_EQ(deferred.dialogue.failure()->phase, ClientPhase::Ehlo);
  EXPECT_EQ(deferred.dialogue.failure()->reply.code, 451);
}

TEST(ClientDialogue, KeepsTheReplyOfARefusingGreeting) {
  for (const std::string_view greeting :
       {"554 5.7.1 go away\r\n", "421 4.3.2 busy\r\n", "521 no mail here\r\n", "556 never\r\n"}) {
    Client client;
    client.got(greeting);
    EXPECT_EQ(client.action.kind, Kind::Close);
    EXPECT_EQ(client.written, "QUIT\r\n");
    ASSERT_TRUE(client.dialogue.failure());
    EXPECT_EQ(client.dialogue.failure()->phase, ClientPhase::Greeting);
    EXPECT_FALSE(client.dialogue.failure()->is_local);
    EXPECT_EQ(std::to_string(client.dialogue.failure()->reply.code), greeting.substr(0, 3));
  }
}

TEST(ClientDialogue, TakesNonsenseBeforeReadyForAFailingConnection) {
  const std::vector<std::vector<std::string_view>> scripts = {
      {"hello\r\n"},
      {"250 odd greeting\r\n"},
      {"354 go\r\n"},
      {"220-a\r\n250 b\r\n"},
      {"220 x\r\n", "354 go\r\n"},
      {"220 x\r\n", "220 again\r\n"},
      {"220 x\r\n", "500 no\r\n", "354 go\r\n"},
      {"220 x\r\n250 early\r\n"},
      {"220 x\r\n", "250 x\r\n250 twice\r\n"},
      {"220 x\r\n", std::string_view("\0\0\0\r\n", 5)},
  };
  for (const auto& script : scripts) {
    Client client;
    for (const std::string_view octets : script) client.got(octets);
    EXPECT_EQ(client.action.kind, Kind::Close) << script.back();
    ASSERT_TRUE(client.dialogue.failure()) << script.back();
    EXPECT_TRUE(client.dialogue.failure()->reply.is_transient());
    EXPECT_TRUE(client.dialogue.failure()->is_local);
  }
}

TEST(ClientDialogue, KeepsTheDeadlineOfAReplyThatDripsIn) {
  Client client;
  client.got("22");
  EXPECT_TRUE(client.action.is_same_wait);
  client.got("0-a\r\n");
  EXPECT_TRUE(client.action.is_same_wait);
  client.got("220 b\r\n");
  EXPECT_FALSE(client.action.is_same_wait);
}

// ---- STARTTLS

constexpr std::string_view kTlsEhlo = "250-mx.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n";

TEST(ClientDialogue, StartsTlsAndForgetsWhatItLearntInTheClear) {
  Client client;
  client.got("220 x\r\n").got(kTlsEhlo);
  EXPECT_EQ(client.written, "STARTTLS\r\n");
  client.got("220 go\r\n");
  EXPECT_EQ(client.action.kind, Kind::StartTls);
  client.step(TlsStarted{});
  EXPECT_EQ(client.written, "EHLO relay.example\r\n");
  EXPECT_FALSE(client.dialogue.peer().pipelining);
  client.got("250-x\r\n250 STARTTLS\r\n");
  EXPECT_EQ(client.action.kind, Kind::Ready);
  EXPECT_TRUE(client.dialogue.is_encrypted());
}

TEST(ClientDialogue, RefusesOctetsInjectedBehindTheReplyToStarttls) {
  for (const std::string_view injected :
       {"220 go\r\n250 injected\r\n", "220 go\r\n2", "220 go\r\n\x16\x03\x01"}) {
    Client client;
    client.got("220 x\r\n").got(kTlsEhlo).got(injected);
    EXPECT_EQ(client.action.kind, Kind::Close);
    EXPECT_EQ(client.dialogue.failure()->phase, ClientPhase::StartTls);
  }
}

TEST(ClientDialogue, GoesOnInTheClearWhenTlsIsOpportunisticAndRefused) {
  Client client;
  client.got("220 x\r\n").got(kTlsEhlo).got("454 4.7.0 not now\r\n");
  EXPECT_EQ(client.action.kind, Kind::Ready);
  EXPECT_FALSE(client.dialogue.is_encrypted());
  EXPECT_EQ(client.dialogue.starttls_refusal()->code, 454);
}

TEST(ClientDialogue, NeverGoesOnInTheClearWhenTlsIsRequired) {
  ClientOptions options;
  options.tls = ClientTls::Required;
  for (const std::string_view reply :
       {"454 4.7.0 no\r\n", "502 no\r\n", "250 ok\r\n", "354 x\r\n"}) {
    Client client(options);
    client.got("220 x\r\n").got(kTlsEhlo).got(reply);
    EXPECT_EQ(client.action.kind, Kind::Close) << reply;
    EXPECT_EQ(client.dialogue.failure()->phase, ClientPhase::StartTls);
  }
  Client not_offered(options);
  not_offered.got("220 x\r\n").got(kPlainEhlo);
  EXPECT_EQ(not_offered.action.kind, Kind::Close);
  EXPECT_EQ(not_offered.dialogue.failure()->reply.enhanced, (EnhancedCode{4, 7, 4}));
  Client old_server(options);
  old_server.got("220 x\r\n").got("500 EHLO?\r\n").got("250 x\r\n");
  EXPECT_EQ(old_server.action.kind, Kind::Close);
}

// RFC 8689 §4.2.1: step 5.
TEST(ClientDialogue, NeedsRequiretlsUnderTls) {
  ClientOptions options;
  options.tls = ClientTls::Required;
  options.needs_requiretls = true;
  Client client(options);
  client.got("220 x\r\n").got(kTlsEhlo).got("220 go\r\n");
  client.step(client_event::TlsStarted{});
  client.got("250-x\r\n250 PIPELINING\r\n");
  EXPECT_EQ(client.action.kind, Kind::Close);
  EXPECT_EQ(client.dialogue.failure()->reply.code, 550);
  EXPECT_EQ(client.dialogue.failure()->reply.enhanced, (EnhancedCode{5, 7, 30}));

  Client good(options);
  // What is offered in the clear does not count.
  good.got("220 x\r\n").got("250-x\r\n250-REQUIRETLS\r\n250 STARTTLS\r\n").got("220 go\r\n");
  good.step(client_event::TlsStarted{});
  good.got("250-x\r\n250 REQUIRETLS\r\n");
  EXPECT_EQ(good.action.kind, Kind::Ready);
  ClientTransaction transaction;
  transaction.reverse_path = "a@example.org";
  transaction.requiretls = true;
  transaction.recipients.push_back({"b@example.net", {}, {}});
  good.step(client_event::Begin{&transaction});
  EXPECT_EQ(good.written, "MAIL FROM:<a@example.org> REQUIRETLS\r\n");
}

TEST(ClientDialogue, LeavesStarttlsAloneWhenTlsIsOffOrEstablished) {
  for (const ClientTls tls : {ClientTls::Off, ClientTls::Established}) {
    ClientOptions options;
    options.tls = tls;
    Client client(options);
    client.got("220 x\r\n").got(kTlsEhlo);
    EXPECT_EQ(client.action.kind, Kind::Ready);
    EXPECT_EQ(client.dialogue.is_encrypted(), tls == ClientTls::Established);
  }
}

TEST(ClientDialogue, ReportsAFailedHandshake) {
  Client client;
  client.got("220 x\r\n").got(kTlsEhlo).got("220 go\r\n");
  client.step(Lost{false, "wrong version number"});
  EXPECT_EQ(client.action.kind, Kind::Close);
  EXPECT_EQ(client.dialogue.failure()->phase, ClientPhase::StartTls);
  EXPECT_EQ(client.dialogue.failure()->reply.lines.front(),
            "TLS handshake failed: wrong version number");
}

// ---- AUTH

ClientOptions with_auth(bool in_clear) {
  ClientOptions options;
  options.wants_auth = true;
  options.may_send_password_in_clear = in_clear;
  return options;
}

TEST(ClientDialogue, AuthenticatesWithPlain) {
  Client client(with_auth(true));
  client.got("220 x\r\n").got("250-x\r\n250 AUTH LOGIN PLAIN\r\n");
  EXPECT_EQ(client.action.kind, Kind::Authenticate);
  EXPECT_EQ(client.action.mechanism, "PLAIN");
  client.step(AuthResponse{true, std::string("\0u\0p", 4), true});
  EXPECT_EQ(client.written, "AUTH PLAIN AHUAcA==\r\n");
  client.got("235 2.7.0 welcome\r\n");
  EXPECT_EQ(client.action.kind, Kind::Ready);
}

TEST(ClientDialogue, AuthenticatesWithLoginWhateverThePromptsSay) {
  Client client(with_auth(true));
  client.got("220 x\r\n").got("250-x\r\n250 AUTH LOGIN\r\n");
  client.step(AuthResponse{true, "", false});
  EXPECT_EQ(client.written, "AUTH LOGIN\r\n");
  client.got("334 who are you?\r\n");
  EXPECT_EQ(client.action.kind, Kind::Authenticate);
  client.step(AuthResponse{true, "u", false});
  EXPECT_EQ(client.written, "dQ==\r\n");
  client.got("334 UGFzc3dvcmQ6\r\n");
  client.step(AuthResponse{true, "p", true});
  EXPECT_EQ(client.written, "cA==\r\n");
  client.got("235 ok\r\n");
  EXPECT_EQ(client.action.kind, Kind::Ready);
}

TEST(ClientDialogue, KeepsThePasswordWhenTheConnectionIsInTheClear) {
  Client client(with_auth(false));
  client.got("220 x\r\n").got("250-x\r\n250 AUTH LOGIN PLAIN\r\n");
  EXPECT_EQ(client.action.kind, Kind::Close);
  EXPECT_EQ(client.dialogue.failure()->phase, ClientPhase::Auth);
  EXPECT_TRUE(client.dialogue.failure()->reply.is_transient());
  Client scram(with_auth(false));
  scram.got("220 x\r\n").got("250-x\r\n250 AUTH SCRAM-SHA-256 PLAIN\r\n");
  EXPECT_EQ(scram.action.mechanism, "SCRAM-SHA-256");
}

TEST(ClientDialogue, FailsTheConnectionWhenAuthFails) {
  for (const std::string_view reply :
       {"535 5.7.8 bad\r\n", "454 4.7.0 later\r\n", "334 !!!\r\n", "354 go\r\n", "421 bye\r\n"}) {
    Client client(with_auth(true));
    client.got("220 x\r\n").got("250-x\r\n250 AUTH PLAIN\r\n");
    client.step(AuthResponse{true, "x", true});
    client.got(reply);
    EXPECT_EQ(client.action.kind, Kind::Close) << reply;
    EXPECT_EQ(client.dialogue.failure()->phase, ClientPhase::Auth);
  }
}

TEST(ClientDialogue, DoesNotTrustASuccessBeforeThePeerHasProvedItself) {
  Client client(with_auth(true));
  client.got("220 x\r\n").got("250-x\r\n250 AUTH SCRAM-SHA-256\r\n");
  client.step(AuthResponse{true, "n,,n=u,r=x", false});
  client.got("235 come in\r\n");
  EXPECT_EQ(client.action.kind, Kind::Close);
}

TEST(ClientDialogue, StopsAnEndlessAuthExchange) {
  Client client(with_auth(true));
  client.got("220 x\r\n").got("250-x\r\n250 AUTH LOGIN\r\n");
  client.step(AuthResponse{true, "", false});
  int rounds = 0;
  while (client.got("334 \r\n").action.kind == Kind::Authenticate) {
    client.step(AuthResponse{true, "u", false});
    ASSERT_LT(++rounds, 10);
  }
  EXPECT_EQ(client.action.kind, Kind::Close);
}

}  // namespace
}  // namespace ekiden::smtp
