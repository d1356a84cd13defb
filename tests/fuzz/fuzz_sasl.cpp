// AUTH exchanges. Nobody is let in who did not show what only the user knows; a client and a
// server that know the same password agree, and do not once a message between them is changed.
//
// The first octet chooses: PLAIN, LOGIN, SCRAM from messages (separated by LF), or an honest SCRAM
// client with somebody in between.
#include <optional>

#include "ekiden/account/sasl_server.hpp"
#include "ekiden/account/scram.hpp"
#include "ekiden/account/stored_snapshot.hpp"
#include "ekiden/account/test_worker.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/delivery/sasl_client.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::account;
using Kind = smtp::SaslStep::Kind;

constexpr PasswordCost kCheap{1, 8192};
constexpr std::string_view kPassword = "correct horse";
constexpr std::uint32_t kIterations = 4096;
const std::string kSalt(16, 's');

/// Hashes take their time on purpose, so these are made once.
struct Secrets {
  std::string argon2id = *hash_password(kPassword, kCheap);
  ScramKeys scram = make_scram_keys(kPassword, kSalt, kIterations);
  std::string salted =
      delivery::SaslClient::derive_key({std::string(kPassword), kSalt, kIterations});
};
const Secrets& secrets() {
  static const Secrets made;
  return made;
}

struct Source final : SnapshotSource {
  std::shared_ptr<const Snapshot> snapshot;
  Source() {
    Credential alice;
    alice.id = 1;
    alice.name = "alice";
    alice.argon2id = secrets().argon2id;
    alice.scram_stored_key = secrets().scram.stored_key;
    alice.scram_server_key = secrets().scram.server_key;
    alice.scram_salt = secrets().scram.salt;
    alice.scram_iterations = secrets().scram.iterations;
    std::vector<Credential> all{alice};
    snapshot = std::make_shared<StoredSnapshot>(std::move(all));
  }
  std::shared_ptr<const Snapshot> current() const override { return snapshot; }
};

/// A server of its own for each input, so that no failure is remembered from another.
struct Bench {
  TestWorker test;
  base::Metrics metrics;
  Source source;
  Throttle throttle{small(), test.random};
  PasswordPool pool{test.blocking, {2, 4, 16}};
  AuthenticatorShared shared{source, throttle, pool, HashKey(std::string(32, 'k')), metrics};
  Authenticator authenticator{test.worker, shared, {kCheap}};
  SaslServer server{authenticator};
  smtp::SaslContext context;

  Bench() {
    context.is_tls = true;
    context.client_address = "192.0.2.1";
  }
  static Throttle::Options small() {
    Throttle::Options options;
    options.entries_max = 64;
    return options;
  }
};

void check_server(std::string_view mechanism, fuzz::Input& input) {
  Bench bench;
  const auto session = bench.server.begin(mechanism, bench.context);
  FUZZ_CHECK(session != nullptr, "the mechanism is offered");
  std::string all;
  for (int steps = 0;; ++steps) {
    FUZZ_CHECK(steps < 5, "an exchange is short");
    const std::string message(input.until('\n'));
    all += message + '\n';
    const smtp::SaslStep step = bench.test.run(session->step(message));
    if (step.kind == Kind::Success) {
      FUZZ_CHECK(step.identity == "alice", "somebody whom we know");
      FUZZ_CHECK(mechanism == "PLAIN" || mechanism == "LOGIN", "no proof is guessed");
      FUZZ_CHECK(all.find(kPassword) != std::string::npos, "who knows the password");
    }
    if (step.kind != Kind::Challenge) return;
    FUZZ_CHECK(step.data.size() < 8192, "a challenge is bounded");
  }
}

/// The last octets of base 64 carry bits that nobody reads (RFC 4648 §3.5): this is the message
/// without them.
std::string meaning_of(const std::string& message) {
  const std::size_t proof = message.rfind(message.starts_with("v=") ? "v=" : ",p=");
  if (proof == std::string::npos) return message;
  const std::size_t begin = message.find('=', proof) + 1;
  const auto octets = base::decode_base64(std::string_view(message).substr(begin));
  return octets ? message.substr(0, begin) + base::encode_base64(*octets) : message;
}

/// Changes one octet of one message, perhaps.
void tamper(std::string& message, std::uint8_t number, std::uint8_t which, std::uint16_t at,
            std::uint8_t by, bool& is_changed) {
  if (number != which || by == 0 || message.empty()) return;
  const std::string before = meaning_of(message);
  char& c = message[at % message.size()];
  c = static_cast<char>(c ^ by);
  is_changed = meaning_of(message) != before;
}

void check_agreement(fuzz::Input& input) {
  const std::uint8_t which = input.octet() & 3;
  const std::uint16_t at = input.u16();
  const std::uint8_t by = input.octet();
  bool is_changed = false;
  ScramExchange::Options options;
  options.nonce = "servernonce";
  ScramExchange server(options);
  delivery::SaslClient client("SCRAM-SHA-256", "alice", std::string(kPassword), "clientnonce");
  using Step = delivery::SaslClient::Step;

  Step step = client.step({});
  FUZZ_CHECK(step.kind == Step::Kind::Respond, "a client begins");
  tamper(step.octets, 0, which, at, by, is_changed);
  if (!server.read_first(step.octets)) return FUZZ_CHECK(is_changed, "a good message is read");
  std::string challenge = server.challenge(secrets().scram);
  tamper(challenge, 1, which, at, by, is_changed);
  step = client.step(challenge);
  if (step.kind == Step::Kind::Fail) return FUZZ_CHECK(is_changed, "a good challenge is read");
  FUZZ_CHECK(step.kind == Step::Kind::NeedsKey, "a challenge asks for the key");
  const auto& request = client.key_request();
  FUZZ_CHECK(request.iterations >= delivery::SaslClient::kIterationsMin &&
                 request.iterations <= delivery::SaslClient::kIterationsMax,
             "a server does not choose how long we work");
  // Another salt or count would need the slow hash; its result would be as wrong as this one.
  const bool is_known = request.salt == kSalt && request.iterations == kIterations;
  step = client.set_key(is_known ? secrets().salted : std::string(32, 'x'));
  tamper(step.octets, 2, which, at, by, is_changed);
  auto final = server.read_final(step.octets);
  FUZZ_CHECK(final.has_value() == !is_changed, "the server believes exactly the right proof");
  if (!final) return;
  tamper(*final, 3, which, at, by, is_changed);
  step = client.step(*final);
  FUZZ_CHECK((step.kind == Step::Kind::Respond && step.is_complete) == !is_changed,
             "the client believes exactly the right signature");
}

/// Messages of a client that never saw the server's.
void check_scram_alone(fuzz::Input& input) {
  ScramExchange::Options options;
  options.nonce = "servernonce";
  options.is_plus = input.flag();
  options.plus_was_offered = options.is_plus || input.flag();
  options.channel_binding = [](std::string_view type) -> std::optional<std::string> {
    if (type == "tls-exporter") return "binding";
    return std::nullopt;
  };
  ScramExchange server(options);
  if (!server.read_first(input.until('\n'))) return;
  FUZZ_CHECK(!server.name().empty(), "a name was said");
  (void)server.challenge(secrets().scram);
  FUZZ_CHECK(!server.read_final(input.rest()), "nobody guesses a proof");
}

void check_client(std::string_view mechanism, fuzz::Input& input) {
  delivery::SaslClient client(mechanism, "alice", std::string(kPassword), "clientnonce");
  using Step = delivery::SaslClient::Step;
  // A server may say the password itself, in its nonce, and get it back.
  const bool is_said = input.rest().find(kPassword) != std::string_view::npos;
  std::string challenge;
  for (int steps = 0; steps < 6; ++steps) {
    Step step = client.step(challenge);
    if (step.kind == Step::Kind::NeedsKey) step = client.set_key(secrets().salted);
    if (step.kind == Step::Kind::Fail) {
      FUZZ_CHECK(!step.octets.empty(), "a failure says why");
      return;
    }
    FUZZ_CHECK(
        is_said || mechanism != "SCRAM-SHA-256" || step.octets.find(kPassword) == std::string::npos,
        "SCRAM never tells the password");
    FUZZ_CHECK(mechanism != "SCRAM-SHA-256" || !step.is_complete, "no server guesses a signature");
    challenge = input.until('\n');
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.octet() % 8) {
    case 0:
      check_server("PLAIN", input);
      break;
    case 1:
      check_server("LOGIN", input);
      break;
    case 2:
      check_server("SCRAM-SHA-256", input);
      break;
    case 3:
      check_agreement(input);
      break;
    case 4:
      check_scram_alone(input);
      break;
    case 5:
      check_client("PLAIN", input);
      break;
    case 6:
      check_client("LOGIN", input);
      break;
    default:
      check_client("SCRAM-SHA-256", input);
      break;
  }
  return 0;
}
