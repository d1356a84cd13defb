// AUTH from the mechanism's octets to the verdict, with passwords really hashed and time faked.
#include "ekiden/account/sasl_server.hpp"

#include <gtest/gtest.h>

#include "ekiden/account/scram.hpp"
#include "ekiden/account/stored_snapshot.hpp"
#include "ekiden/account/test_worker.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::account {
namespace {

using Kind = smtp::SaslStep::Kind;
using std::chrono::seconds;

constexpr PasswordCost kCheap{1, 8192};

struct FakeSource final : SnapshotSource {
  std::shared_ptr<const Snapshot> current() const override { return snapshot; }
  std::shared_ptr<const Snapshot> snapshot = std::make_shared<StoredSnapshot>();
};

struct SaslServerTest : testing::Test {
  SaslServerTest() {
    Credential alice;
    alice.id = 1;
    alice.version = 1;
    alice.name = "alice";
    alice.argon2id = *hash_password("correct horse", kCheap);
    alice.certificate_sha256 = std::string(64, 'a');
    Credential robot;
    robot.id = 2;
    robot.name = "robot";
    robot.key_hash = hash_api_key(shared.node_key, api_key);
    robot.networks = {*net::parse_address_block("192.0.2.0/24")};
    Credential carol;
    carol.id = 3;
    carol.name = "carol";
    const ScramKeys keys = make_scram_keys("tea for two", std::string(16, 's'), 4096);
    carol.scram_stored_key = keys.stored_key;
    carol.scram_server_key = keys.server_key;
    carol.scram_salt = keys.salt;
    carol.scram_iterations = keys.iterations;
    publish({alice, robot, carol});
    context.is_tls = true;
    context.client_address = "192.0.2.1";
  }

  void publish(std::vector<Credential> users) {
    credentials = users;
    source.snapshot = std::make_shared<StoredSnapshot>(std::move(users));
  }
  static std::string plain(std::string_view name, std::string_view password,
                           std::string_view authzid = {}) {
    return std::string(authzid) + '\0' + std::string(name) + '\0' + std::string(password);
  }
  smtp::SaslStep auth_plain(std::string_view name, std::string_view password,
                            base::Duration* waited = nullptr) {
    const auto session = server.begin("PLAIN", context);
    EXPECT_NE(session, nullptr);
    return test.run(session->step(plain(name, password)), waited);
  }
  std::uint64_t cached() { return metrics.counter("ekiden_auth_cached_total", "").value(); }

  TestWorker test;
  base::Metrics metrics;
  FakeSource source;
  Throttle throttle{{}, test.random};
  PasswordPool pool{test.blocking, {2, 4}};
  AuthenticatorShared shared{source, throttle, pool, HashKey(std::string(32, 'k')), metrics};
  Authenticator authenticator{test.worker, shared, {kCheap}};
  SaslServer server{authenticator};
  smtp::SaslContext context;
  std::string api_key = "ek_" + std::string(43, 'Q');
  std::vector<Credential> credentials;
};

TEST_F(SaslServerTest, TheUserApikeyIsWhoseKeyTheClientGives) {
  ApiKey key;
  key.id = 7;
  key.name = "shop";
  const MadeApiKey made = make_api_key(key.name, shared.node_key, test.random);
  key.credential.name = api_key_identity(key.id);
  key.credential.key_hash = made.key_hash;
  key.credential.networks = {*net::parse_address_block("192.0.2.0/24")};
  const auto use = [&] {
    source.snapshot =
        std::make_shared<StoredSnapshot>(std::vector<Credential>{}, std::vector<ApiKey>{key});
  };
  use();
  EXPECT_EQ(auth_plain("apikey", made.secret).kind, Kind::Success);
  EXPECT_EQ(auth_plain("apikey", made.secret).identity, "apikey:7");
  const auto login = server.begin("LOGIN", context);
  ASSERT_NE(login, nullptr);
  (void)test.run(login->step(""));
  (void)test.run(login->step("apikey"));
  EXPECT_EQ(test.run(login->step(made.secret)).identity, "apikey:7");
  EXPECT_EQ(auth_plain("apikey", "ek_" + std::string(43, 'x')).kind, Kind::Failure);
  EXPECT_EQ(auth_plain("somebody", made.secret).kind, Kind::Failure);
  key.credential.expires = test.clock.now();
  use();
  EXPECT_EQ(auth_plain("apikey", made.secret).kind, Kind::Failure);
  key.credential.expires = {};
  key.credential.may_submit = false;
  use();
  EXPECT_EQ(auth_plain("apikey", made.secret).kind, Kind::Failure);
  key.credential.may_submit = true;
  use();
  context.client_address = "198.51.100.1";
  EXPECT_EQ(auth_plain("apikey", made.secret).kind, Kind::Failure);
}

TEST_F(SaslServerTest, OffersPlainTextOnlyUnderTls) {
  using List = std::vector<std::string>;
  EXPECT_EQ(server.mechanisms(context), (List{"SCRAM-SHA-256", "PLAIN", "LOGIN"}));
  context.is_tls = false;
  EXPECT_EQ(server.mechanisms(context), (List{"SCRAM-SHA-256"}));
  EXPECT_EQ(server.begin("PLAIN", context), nullptr);
  EXPECT_EQ(server.begin("LOGIN", context), nullptr);
  publish({credentials[0]});
  EXPECT_EQ(server.mechanisms(context), List{});
  EXPECT_EQ(server.begin("SCRAM-SHA-256", context), nullptr);
  EXPECT_EQ(server.begin("CRAM-MD5", context), nullptr);
  EXPECT_EQ(server.begin("", context), nullptr);
}

TEST_F(SaslServerTest, PlainTellsWhoItIs) {
  const auto step = auth_plain("alice", "correct horse");
  EXPECT_EQ(step.kind, Kind::Success);
  EXPECT_EQ(step.identity, "alice");
  EXPECT_EQ(auth_plain("alice", "correct horsf").kind, Kind::Failure);
  EXPECT_EQ(auth_plain("Alice", "correct horse").kind, Kind::Failure);
  EXPECT_EQ(auth_plain("nobody", "correct horse").kind, Kind::Failure);
  EXPECT_EQ(auth_plain("carol", "tea for two").kind, Kind::Failure) << "SCRAM keys alone";
}

TEST_F(SaslServerTest, PlainMayActOnlyAsItself) {
  for (const auto& [authzid, kind] :
       {std::pair{"alice", Kind::Success}, std::pair{"bob", Kind::Failure}}) {
    const auto session = server.begin("plain", context);
    EXPECT_EQ(test.run(session->step(plain("alice", "correct horse", authzid))).kind, kind);
  }
}

TEST_F(SaslServerTest, MalformedPlainIsAFailure) {
  for (const std::string& message :
       {std::string(), std::string("alice"), std::string("\0alice", 6), plain("", "x"),
        plain("alice", ""), plain("alice", std::string("a\0b", 3)),
        plain(std::string(256, 'a'), "x"), plain("alice", std::string(1025, 'x')),
        std::string(3, '\0'), std::string(100000, 'x')}) {
    const auto session = server.begin("PLAIN", context);
    EXPECT_EQ(test.run(session->step(message)).kind, Kind::Failure);
  }
}

TEST_F(SaslServerTest, RandomOctetsNeverLogIn) {
  for (const char* mechanism : {"PLAIN", "LOGIN", "SCRAM-SHA-256"}) {
    for (int i = 0; i < 200; ++i) {
      const auto session = server.begin(mechanism, context);
      for (int k = 0; k < 4; ++k) {
        std::string octets;
        for (auto n = test.random.below(30); n > 0; --n) {
          octets += static_cast<char>(test.random.below(256));
        }
        const auto step = test.run(session->step(octets));
        EXPECT_NE(step.kind, Kind::Success);
        if (step.kind != Kind::Challenge) break;
      }
    }
  }
}

TEST_F(SaslServerTest, LoginAsksTwice) {
  const auto session = server.begin("LOGIN", context);
  EXPECT_FALSE(session->is_client_first());
  EXPECT_EQ(test.run(session->step("")).data, "Username:");
  EXPECT_EQ(test.run(session->step("alice")).data, "Password:");
  const auto step = test.run(session->step("correct horse"));
  EXPECT_EQ(step.kind, Kind::Success);
  EXPECT_EQ(step.identity, "alice");
}

TEST_F(SaslServerTest, LoginMayBeginWithTheName) {
  const auto session = server.begin("LOGIN", context);
  EXPECT_EQ(test.run(session->step("alice")).data, "Password:");
  EXPECT_EQ(test.run(session->step("wrong one")).kind, Kind::Failure);
}

TEST_F(SaslServerTest, LoginWithoutANameFails) {
  const auto session = server.begin("LOGIN", context);
  EXPECT_EQ(test.run(session->step("")).kind, Kind::Challenge);
  EXPECT_EQ(test.run(session->step("")).kind, Kind::Failure);
}

TEST_F(SaslServerTest, ASuccessIsRememberedUntilTheCredentialChanges) {
  EXPECT_EQ(auth_plain("alice", "correct horse").kind, Kind::Success);
  EXPECT_EQ(cached(), 0u);
  EXPECT_EQ(auth_plain("alice", "correct horse").kind, Kind::Success);
  EXPECT_EQ(cached(), 1u);
  credentials[0].version = 2;
  credentials[0].argon2id = *hash_password("another one", kCheap);
  publish(credentials);
  EXPECT_EQ(auth_plain("alice", "correct horse").kind, Kind::Failure);
  EXPECT_EQ(auth_plain("alice", "another one").kind, Kind::Success);
  publish({});
  EXPECT_EQ(auth_plain("alice", "another one").kind, Kind::Failure);
}

TEST_F(SaslServerTest, APasswordThatChangesWhileItIsCheckedIsNotAccepted) {
  const auto session = server.begin("PLAIN", context);
  const auto end = test.start(session->step(plain("alice", "correct horse")));
  test.poll();
  credentials[0].version = 2;
  publish(credentials);
  test.settle();
  EXPECT_EQ(end->value().kind, Kind::TemporaryFailure);
}

TEST_F(SaslServerTest, AnApiKeyNeedsNoSlowHash) {
  const auto session = server.begin("PLAIN", context);
  const auto end = test.start(session->step(plain("robot", api_key)));
  test.poll();
  ASSERT_TRUE(*end) << "without the blocking pool";
  EXPECT_EQ((*end)->kind, Kind::Success);
  std::string other = api_key;
  other.back() = 'R';
  EXPECT_EQ(auth_plain("robot", other).kind, Kind::Failure);
  EXPECT_EQ(auth_plain("alice", api_key).kind, Kind::Failure);
  EXPECT_EQ(auth_plain("nobody", api_key).kind, Kind::Failure);
}

TEST_F(SaslServerTest, ACredentialWorksOnlyFromItsNetworks) {
  context.client_address = "198.51.100.1";
  EXPECT_EQ(auth_plain("robot", api_key).kind, Kind::Failure);
  context.client_address = "";
  EXPECT_EQ(auth_plain("robot", api_key).kind, Kind::Failure);
  context.client_address = "192.0.2.200";
  EXPECT_EQ(auth_plain("robot", api_key).kind, Kind::Success);
}

TEST_F(SaslServerTest, UnknownUsersAreHashedLikeKnownOnes) {
  for (const char* name : {"alice", "nobody", "robot"}) {
    const auto session = server.begin("PLAIN", context);
    const auto end = test.start(session->step(plain(name, "not the one")));
    test.poll();
    EXPECT_EQ(test.blocking.size(), 1u) << name;
    test.settle();
    EXPECT_EQ(end->value().kind, Kind::Failure);
  }
}

TEST_F(SaslServerTest, AFullQueueIsATemporaryFailure) {
  std::vector<std::unique_ptr<smtp::SaslSession>> sessions;
  std::vector<std::shared_ptr<std::optional<smtp::SaslStep>>> ends;
  for (int i = 0; i < 8; ++i) {
    sessions.push_back(server.begin("PLAIN", context));
    ends.push_back(test.start(sessions.back()->step(plain("alice", "correct horse"))));
  }
  test.poll();
  EXPECT_EQ(test.blocking.size(), 2u) << "never more than `parallel` at once";
  test.settle();
  int accepted = 0, busy = 0;
  for (const auto& end : ends) {
    accepted += end->value().kind == Kind::Success;
    busy += end->value().kind == Kind::TemporaryFailure;
  }
  EXPECT_EQ(accepted, 4);
  EXPECT_EQ(busy, 4);
  EXPECT_EQ(auth_plain("alice", "correct horse").kind, Kind::Success);
}

TEST_F(SaslServerTest, GuessingIsSlowAndTheCachedOwnerIsNot) {
  context.client_address = "198.51.100.1";
  EXPECT_EQ(auth_plain("alice", "correct horse").kind, Kind::Success);
  context.client_address = "203.0.113.9";
  base::Duration waited{0};
  for (int i = 0; i < 12; ++i) auth_plain("alice", "guess" + std::to_string(i), &waited);
  EXPECT_EQ(waited, seconds(10));
  context.client_address = "198.51.100.1";
  EXPECT_EQ(auth_plain("alice", "correct horse", &waited).kind, Kind::Success);
  EXPECT_EQ(waited, seconds(0));
}

TEST_F(SaslServerTest, EveryWorkerKnowsWhatOneHasLearnt) {
  EXPECT_EQ(auth_plain("alice", "correct horse").kind, Kind::Success);
  for (int i = 0; i < 12; ++i) auth_plain("alice", "guess" + std::to_string(i));
  Authenticator other(test.worker, shared, {kCheap});
  base::Duration waited{0};
  std::string name = "alice";
  Secret password{std::string("correct horse")};
  net::Address client = boost::asio::ip::make_address("192.0.2.1");
  EXPECT_EQ(test.run(other.verify(std::move(name), std::move(password), client), &waited),
            Verdict::Accepted);
  EXPECT_EQ(waited, seconds(0)) << "though somebody guesses behind the same address";
}

TEST_F(SaslServerTest, ExternalIsTheOwnerOfTheCertificate) {
  context.certificate_sha256 = std::string(64, 'b');
  EXPECT_EQ(server.begin("EXTERNAL", context), nullptr);
  context.certificate_sha256 = std::string(64, 'a');
  for (const auto& [authzid, kind] :
       {std::pair{"", Kind::Success}, std::pair{"alice", Kind::Success},
        std::pair{"robot", Kind::Failure}}) {
    const auto session = server.begin("EXTERNAL", context);
    ASSERT_NE(session, nullptr);
    const auto step = test.run(session->step(authzid));
    EXPECT_EQ(step.kind, kind);
    EXPECT_EQ(step.identity, kind == Kind::Success ? "alice" : "");
  }
}

/// What an honest client answers to server-first; iterations as the challenge says.
std::string scram_answer(std::string_view password, const std::string& gs2_and_binding,
                         const std::string& first_bare, const std::string& server_first) {
  const std::string nonce = server_first.substr(0, server_first.find(','));
  const auto salt_at = server_first.find(",s=") + 3;
  const auto salt_end = server_first.find(",i=");
  const std::string salt = *base::decode_base64(server_first.substr(salt_at, salt_end - salt_at));
  const int iterations = std::stoi(server_first.substr(salt_end + 3));
  std::string u = hmac_sha256(password, salt + std::string("\0\0\0\1", 4)), salted = u;
  for (int i = 1; i < iterations; ++i) {
    u = hmac_sha256(password, u);
    for (std::size_t k = 0; k < u.size(); ++k) salted[k] = static_cast<char>(salted[k] ^ u[k]);
  }
  std::string proof = hmac_sha256(salted, "Client Key");
  const std::string without_proof = "c=" + base::encode_base64(gs2_and_binding) + "," + nonce;
  const std::string signature =
      hmac_sha256(sha256(proof), first_bare + "," + server_first + "," + without_proof);
  for (std::size_t k = 0; k < proof.size(); ++k) {
    proof[k] = static_cast<char>(proof[k] ^ signature[k]);
  }
  return without_proof + ",p=" + base::encode_base64(proof);
}

TEST_F(SaslServerTest, ScramEndsWithTheServersSignatureAndAnEmptyAnswer) {
  const auto session = server.begin("SCRAM-SHA-256", context);
  const auto first = test.run(session->step("n,,n=carol,r=abc"));
  ASSERT_EQ(first.kind, Kind::Challenge);
  const auto second =
      test.run(session->step(scram_answer("tea for two", "n,,", "n=carol,r=abc", first.data)));
  ASSERT_EQ(second.kind, Kind::Challenge);
  EXPECT_TRUE(second.data.starts_with("v="));
  const auto third = test.run(session->step(""));
  EXPECT_EQ(third.kind, Kind::Success);
  EXPECT_EQ(third.identity, "carol");
  EXPECT_EQ(test.run(session->step("")).kind, Kind::Failure) << "spent";
}

TEST_F(SaslServerTest, ScramRefusesAWrongPasswordAndSlowsGuessing) {
  base::Duration waited{0};
  for (int i = 0; i < 12; ++i) {
    const auto session = server.begin("SCRAM-SHA-256", context);
    const auto first = test.run(session->step("n,,n=carol,r=abc"));
    const auto second =
        test.run(session->step(scram_answer("wrong", "n,,", "n=carol,r=abc", first.data)), &waited);
    EXPECT_EQ(second.kind, Kind::Failure);
    EXPECT_EQ(test.run(session->step("")).kind, Kind::Failure);
  }
  EXPECT_EQ(waited, seconds(10));
}

TEST_F(SaslServerTest, ScramGivesUnknownUsersASaltThatStaysTheSame) {
  const auto salt_of = [&](const std::string& name) {
    const auto session = server.begin("SCRAM-SHA-256", context);
    const auto first = test.run(session->step("n,,n=" + name + ",r=abc"));
    EXPECT_EQ(first.kind, Kind::Challenge);
    return first.data.substr(first.data.find(",s="));
  };
  EXPECT_EQ(salt_of("nobody"), salt_of("nobody"));
  EXPECT_NE(salt_of("nobody"), salt_of("nobody2"));
  EXPECT_NE(salt_of("alice"), salt_of("nobody"));
  EXPECT_EQ(salt_of("alice").size(), salt_of("nobody").size());
}

TEST_F(SaslServerTest, ScramPlusIsOfferedWhereTheChannelCanBeBoundAndNoticesADowngrade) {
  context.channel_binding = [](std::string_view type) -> std::optional<std::string> {
    if (type == "tls-exporter") return "exported";
    return std::nullopt;
  };
  EXPECT_EQ(server.mechanisms(context).front(), "SCRAM-SHA-256-PLUS");
  const auto downgraded = server.begin("SCRAM-SHA-256", context);
  EXPECT_EQ(test.run(downgraded->step("y,,n=carol,r=abc")).kind, Kind::Failure);
  const auto session = server.begin("SCRAM-SHA-256-PLUS", context);
  const auto first = test.run(session->step("p=tls-exporter,,n=carol,r=abc"));
  ASSERT_EQ(first.kind, Kind::Challenge);
  const auto second = test.run(session->step(
      scram_answer("tea for two", "p=tls-exporter,,exported", "n=carol,r=abc", first.data)));
  EXPECT_EQ(second.kind, Kind::Challenge);
  EXPECT_EQ(test.run(session->step("")).kind, Kind::Success);
}

TEST(SuccessCache, ForgetsTheOldestAndKnowsVersions) {
  base::SeededRandom random(1);
  SuccessCache cache(random, 32);  // two in each of the 16 shards
  Credential c;
  c.id = 1;
  const auto tag = [&](std::string_view password) { return cache.tag(c, password); };
  cache.insert(tag("kept"));
  for (int i = 0; i < 1000; ++i) {
    cache.insert(tag(std::to_string(i)));
    EXPECT_TRUE(cache.find(tag("kept"))) << "what is asked for stays";
  }
  EXPECT_TRUE(cache.find(tag("999")));
  EXPECT_FALSE(cache.find(tag("0")));
  c.version = 2;
  EXPECT_FALSE(cache.find(tag("kept")));
}

}  // namespace
}  // namespace ekiden::account
