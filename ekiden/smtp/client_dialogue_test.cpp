// Goal: every phase of the client's dialogue, with every kind of reply, and the connection failing
// at each step. Method: the dialogue is fed replies as text and tells what it would write.
#include "ekiden/smtp/client_dialogue.hpp"

#include <gtest/gtest.h>

namespace ekiden::smtp {
namespace {

using namespace client_event;
using Kind = ClientAction::Kind;
using VerdictKind = ClientVerdict::Kind;

constexpr std::string_view kFullEhlo =
    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-DSN\r\n"
    "250-CHUNKING\r\n250-BINARYMIME\r\n250 SMTPUTF8\r\n";
constexpr std::string_view kPlainEhlo = "250 mx.example\r\n";

ClientTransaction transaction_to(std::initializer_list<std::string_view> recipients) {
  ClientTransaction transaction;
  transaction.reverse_path = "a@example.org";
  for (const std::string_view recipient : recipients) {
    transaction.recipients.push_back({recipient, {}, {}});
  }
  return transaction;
}

/// A dialogue and the last action it asked for.
struct Client {
  ClientDialogue dialogue;
  ClientAction action;
  std::string written;  // by the last step

  explicit Client(ClientOptions options = {}) : dialogue(named(std::move(options))) {
    step(Connected{});
  }
  static ClientOptions named(ClientOptions options) {
    options.ehlo_name = "relay.example";
    return options;
  }
  void step(const ClientEvent& event) {
    action = dialogue.resume(event);
    written = action.write;
  }
  /// Gives octets; what is written meanwhile is kept.
  Client& got(std::string_view octets) {
    step(Received{octets});
    return *this;
  }
  Client& ready(std::string_view ehlo = kFullEhlo) {
    got("220 mx.example\r\n").got(ehlo);
    EXPECT_EQ(action.kind, Kind::Ready);
    return *this;
  }
  Client& begin(const ClientTransaction& transaction) {
    step(Begin{&transaction});
    return *this;
  }
  VerdictKind kind(std::size_t i) { return dialogue.outcome().at(i).kind; }
};

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
