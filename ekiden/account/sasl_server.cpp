#include "ekiden/account/sasl_server.hpp"

#include <algorithm>
#include <boost/system/error_code.hpp>
#include <span>
#include <utility>

#include "ekiden/account/scram.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::account {
namespace {

using smtp::SaslStep;

// Long enough for 256 random bits; the exchange is over before a birthday matters.
constexpr std::size_t kNonceOctets = 24;

SaslStep failure() {
  return {SaslStep::Kind::Failure, {}, {}};
}

SaslStep step_for(Verdict verdict, std::string name) {
  switch (verdict) {
    case Verdict::Accepted:
      return {SaslStep::Kind::Success, {}, std::move(name)};
    case Verdict::Busy:
      return {SaslStep::Kind::TemporaryFailure, {}, {}};
    case Verdict::Refused:
      break;
  }
  return failure();
}

net::Address address_of(const smtp::SaslContext& context) {
  // What is no address becomes "::", which no network of a credential contains.
  boost::system::error_code ignored;
  return boost::asio::ip::make_address(context.client_address, ignored);
}

bool has_channel_binding(const smtp::SaslContext& context) {
  return context.is_tls && context.channel_binding &&
         (context.channel_binding("tls-exporter") ||
          context.channel_binding("tls-server-end-point"));
}

/// RFC 4616: [authzid] NUL authcid NUL passwd.
class PlainSession final : public smtp::SaslSession {
 public:
  PlainSession(Authenticator& authenticator, net::Address client)
      : authenticator_(authenticator), client_(client) {}

  base::Task<SaslStep> step(std::string response) override {
    const Secret message(std::move(response));
    const std::string_view octets = message.view();
    const std::size_t first = octets.find('\0');
    const std::size_t second =
        first == std::string_view::npos ? first : octets.find('\0', first + 1);
    if (second == std::string_view::npos ||
        octets.find('\0', second + 1) != std::string_view::npos) {
      co_return failure();
    }
    const std::string_view authzid = octets.substr(0, first);
    std::string name(octets.substr(first + 1, second - first - 1));
    Secret password{std::string(octets.substr(second + 1))};
    if (name.empty() || name.size() > 255 || password.view().empty() ||
        password.view().size() > kPasswordOctetsMax || (!authzid.empty() && authzid != name)) {
      co_return failure();
    }
    name = authenticator_.name_of(std::move(name), password);
    const Verdict verdict = co_await authenticator_.verify(name, std::move(password), client_);
    co_return step_for(verdict, std::move(name));
  }

 private:
  Authenticator& authenticator_;
  net::Address client_;
};

/// draft-murchison-sasl-login: two questions. Some clients answer the first one unasked.
class LoginSession final : public smtp::SaslSession {
 public:
  LoginSession(Authenticator& authenticator, net::Address client)
      : authenticator_(authenticator), client_(client) {}

  bool is_client_first() const override { return false; }

  base::Task<SaslStep> step(std::string response) override {
    Secret answer(std::move(response));
    if (name_.empty()) {
      if (answer.view().empty()) {
        if (std::exchange(has_asked_name_, true)) co_return failure();
        co_return SaslStep{SaslStep::Kind::Challenge, "Username:", {}};
      }
      if (answer.view().size() > 255) co_return failure();
      name_ = answer.view();
      co_return SaslStep{SaslStep::Kind::Challenge, "Password:", {}};
    }
    if (answer.view().empty() || answer.view().size() > kPasswordOctetsMax) co_return failure();
    name_ = authenticator_.name_of(std::move(name_), answer);
    const Verdict verdict = co_await authenticator_.verify(name_, std::move(answer), client_);
    co_return step_for(verdict, name_);
  }

 private:
  Authenticator& authenticator_;
  net::Address client_;
  bool has_asked_name_ = false;
  std::string name_;
};

/// RFC 4422 appendix A: the TLS layer has verified the certificate; who it belongs to is ours.
class ExternalSession final : public smtp::SaslSession {
 public:
  ExternalSession(Authenticator& authenticator, net::Address client, std::string certificate)
      : authenticator_(authenticator), client_(client), certificate_(std::move(certificate)) {}

  base::Task<SaslStep> step(std::string authzid) override {
    const auto snapshot = authenticator_.snapshot();
    const Credential* credential = snapshot->find_by_certificate(certificate_);
    if (credential == nullptr || (!authzid.empty() && authzid != credential->name)) {
      co_return failure();
    }
    // No password, nothing to guess: no turn is taken.
    co_return step_for(authenticator_.conclude(credential->name, client_, true), credential->name);
  }

 private:
  Authenticator& authenticator_;
  net::Address client_;
  std::string certificate_;
};

class ScramSession final : public smtp::SaslSession {
 public:
  ScramSession(Authenticator& authenticator, net::Address client, ScramExchange::Options options)
      : authenticator_(authenticator), client_(client), exchange_(std::move(options)) {}

  base::Task<SaslStep> step(std::string response) override {
    switch (std::exchange(state_, next(state_))) {
      case State::First:
        co_return first(response);
      case State::Final: {
        std::string name = exchange_.name();
        const bool has_turn = co_await authenticator_.take_turn(std::move(name), client_);
        co_return final(response, has_turn);
      }
      case State::Done:
        // RFC 4954 §4: server-final went out as a challenge; the client says yes with nothing.
        if (!response.empty()) co_return failure();
        co_return SaslStep{SaslStep::Kind::Success, {}, exchange_.name()};
      case State::Spent:
        break;
    }
    co_return failure();
  }

 private:
  enum class State { First, Final, Done, Spent };

  static State next(State state) {
    return state == State::First   ? State::Final
           : state == State::Final ? State::Done
                                   : State::Spent;
  }

  SaslStep first(const std::string& response) {
    if (!exchange_.read_first(response)) return fail();
    const auto snapshot = authenticator_.snapshot();
    const Credential* credential = snapshot->find_by_name(exchange_.name());
    if (credential != nullptr && !credential->scram_stored_key.empty()) {
      id_ = credential->id;
      version_ = credential->version;
      return {SaslStep::Kind::Challenge,
              exchange_.challenge({credential->scram_stored_key, credential->scram_server_key,
                                   credential->scram_salt, credential->scram_iterations}),
              {}};
    }
    // Unknown users get a salt too, always the same one (RFC 5802 §9 leaves it to us).
    const HashKey& key = authenticator_.node_key();
    ScramKeys keys;
    keys.stored_key = key.hash("scram stored key", exchange_.name());
    keys.server_key = key.hash("scram server key", exchange_.name());
    keys.salt = key.hash("scram salt", exchange_.name()).substr(0, kScramSaltOctets);
    keys.iterations = kScramIterations;
    return {SaslStep::Kind::Challenge, exchange_.challenge(keys), {}};
  }

  SaslStep final(const std::string& response, bool has_turn) {
    const auto server_final = exchange_.read_final(response);
    const auto snapshot = authenticator_.snapshot();
    const Credential* credential = snapshot->find_by_name(exchange_.name());
    const bool is_same =
        credential != nullptr && credential->id == id_ && credential->version == version_;
    // Without a turn a wrong proof is not told from an unchecked one: guessing gains nothing.
    if (!has_turn && !(server_final && is_same)) {
      state_ = State::Spent;
      return {SaslStep::Kind::TemporaryFailure, {}, {}};
    }
    const Verdict verdict =
        authenticator_.conclude(exchange_.name(), client_, server_final && is_same);
    if (verdict != Verdict::Accepted) return fail();
    return {SaslStep::Kind::Challenge, *server_final, {}};
  }

  SaslStep fail() {
    state_ = State::Spent;
    return failure();
  }

  Authenticator& authenticator_;
  net::Address client_;
  ScramExchange exchange_;
  State state_ = State::First;
  std::int64_t id_ = 0;
  std::uint64_t version_ = 0;
};

std::string make_nonce(base::Random& random) {
  std::string octets(kNonceOctets, '\0');
  random.fill(std::as_writable_bytes(std::span(octets)));
  return base::encode_base64(octets);
}

}  // namespace

std::vector<std::string> SaslServer::mechanisms(const smtp::SaslContext& context) {
  const auto snapshot = authenticator_.snapshot();
  std::vector<std::string> names;
  if (snapshot->has_scram()) {
    if (has_channel_binding(context)) names.emplace_back("SCRAM-SHA-256-PLUS");
    names.emplace_back("SCRAM-SHA-256");
  }
  if (!context.certificate_sha256.empty() && context.is_tls &&
      snapshot->find_by_certificate(context.certificate_sha256) != nullptr) {
    names.emplace_back("EXTERNAL");
  }
  if (context.is_tls) {
    names.emplace_back("PLAIN");
    names.emplace_back("LOGIN");
  }
  return names;
}

std::unique_ptr<smtp::SaslSession> SaslServer::begin(std::string_view mechanism,
                                                     const smtp::SaslContext& context) {
  const std::vector<std::string> offered = mechanisms(context);
  const auto found = std::find_if(offered.begin(), offered.end(), [&](const std::string& name) {
    return base::equals_ignoring_case(name, mechanism);
  });
  if (found == offered.end()) return nullptr;
  const net::Address client = address_of(context);
  if (*found == "PLAIN") return std::make_unique<PlainSession>(authenticator_, client);
  if (*found == "LOGIN") return std::make_unique<LoginSession>(authenticator_, client);
  if (*found == "EXTERNAL") {
    return std::make_unique<ExternalSession>(authenticator_, client, context.certificate_sha256);
  }
  ScramExchange::Options options;
  options.is_plus = found->ends_with("-PLUS");
  options.plus_was_offered = offered.front() == "SCRAM-SHA-256-PLUS";
  options.nonce = make_nonce(authenticator_.random());
  options.channel_binding = context.channel_binding;
  return std::make_unique<ScramSession>(authenticator_, client, std::move(options));
}

}  // namespace ekiden::account
