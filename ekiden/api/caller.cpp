#include "ekiden/api/caller.hpp"

#include "ekiden/account/password.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api {
namespace {

/// base64 of 64 hexadecimal digits: blastengine's token.
constexpr std::size_t kBlastengineTokenOctets = 88;
/// No secret that we give out is longer.
constexpr std::size_t kSecretOctetsMax = 512;

const account::ApiKey* find_key(const account::Snapshot& accounts, const account::HashKey& node_key,
                                std::string_view secret) {
  if (account::has_api_key_form(secret))
    return accounts.find_api_key(account::hash_api_key(node_key, secret));
  if (secret.size() == kBlastengineTokenOctets)
    return accounts.find_blastengine_token(account::hash_blastengine_token(node_key, secret));
  return nullptr;
}

}  // namespace

const std::string& Caller::tenant() const {
  static const std::string kNobody;
  return key == nullptr ? kNobody : key->credential.tenant;
}

account::Author Caller::author(base::Time now) const {
  std::string name = "nobody";
  if (key != nullptr) name = "api key " + key->name + " (" + std::to_string(key->id) + ")";
  return {name, now, address.to_string()};
}

bool Caller::is_operator() const {
  return key != nullptr && key->is_operator();
}

inbound::Client Caller::client() const {
  inbound::Client client;
  client.address = address;
  client.accounts = accounts;
  client.credential = key == nullptr ? nullptr : &key->credential;
  return client;
}

std::string secret_of(const HttpRequest& request) {
  const std::string_view authorization = request.header("authorization");
  if (base::starts_with_ignoring_case(authorization, "bearer "))
    return std::string(base::trimmed(authorization.substr(7)));
  if (base::starts_with_ignoring_case(authorization, "basic ")) {
    const auto pair = base::decode_base64(base::trimmed(authorization.substr(6)));
    // RFC 7617 §2: the user name has no colon. Whatever it is, the key says who calls.
    const std::size_t colon = pair ? pair->find(':') : std::string::npos;
    if (colon != std::string::npos) return pair->substr(colon + 1);
    return {};
  }
  return std::string(request.header("x-postmark-server-token"));
}

Authentication authenticate(std::string_view secret, const net::Address& address,
                            std::shared_ptr<const account::Snapshot> accounts,
                            const account::HashKey& node_key, base::Time now) {
  Authentication done;
  done.caller.address = address;
  done.caller.accounts = std::move(accounts);
  if (secret.empty()) {
    done.problem = make_problem(401, "unauthorized",
                                {"Give an API key: Authorization: Bearer ek_…",
                                 "APIキーを指定してください: Authorization: Bearer ek_…"});
    return done;
  }
  const account::ApiKey* const key = secret.size() > kSecretOctetsMax
                                         ? nullptr
                                         : find_key(*done.caller.accounts, node_key, secret);
  // Whoever has the key may know that it is over; nobody guesses one.
  if (key == nullptr || key->is_expired(now)) {
    done.problem = make_problem(401, "unauthorized",
                                {"The API key is invalid, expired or revoked.",
                                 "APIキーが無効、期限切れ、または失効しています。"});
    return done;
  }
  if (!inbound::Admission::may_log_in(key->credential, address)) {
    done.problem = make_problem(403, "forbidden",
                                {"This API key may not be used from " + address.to_string() + ".",
                                 "このAPIキーは " + address.to_string() + " からは使えません。"});
    return done;
  }
  done.caller.key = key;
  return done;
}

std::optional<Problem> check_scope(const Caller& caller, std::string_view scope) {
  if (scope.empty() || (caller.key != nullptr && caller.key->allows(scope))) return std::nullopt;
  const std::string name(scope);
  return make_problem(403, "forbidden",
                      {"This API key does not have the scope " + name + ".",
                       "このAPIキーにはスコープ " + name + " がありません。"});
}

std::optional<Problem> check_operator(const Caller& caller) {
  if (caller.is_operator()) return std::nullopt;
  return make_problem(403, "forbidden",
                      {"This is for operators: a key with the scope admin.",
                       "運用者（スコープadminのキー）だけが使えます。"});
}

}  // namespace ekiden::api
