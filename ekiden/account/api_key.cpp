#include "ekiden/account/api_key.hpp"

#include <algorithm>

#include "ekiden/account/password.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::account {

std::string_view key_role_name(KeyRole role) {
  return role == KeyRole::ReadOnly ? "read-only" : "full";
}

const std::vector<std::string_view>& key_scopes() {
  static const std::vector<std::string_view> kScopes = {
      "messages:send",     "messages:read",     "messages:cancel",    "events:read",
      "stats:read",        "suppressions:read", "suppressions:write", "templates:read",
      "templates:write",   "webhooks:read",     "webhooks:write",     "domains:read",
      "domains:write",     "keys:read",         "keys:write",         "tenants:read",
      "tenants:write",     "queue:read",        "queue:write",        "credentials:read",
      "credentials:write", "audit:read",        kOperatorScope};
  return kScopes;
}

bool is_key_scope(std::string_view scope) {
  const auto& all = key_scopes();
  return std::find(all.begin(), all.end(), scope) != all.end();
}

bool may_have_scope(KeyRole role, std::string_view scope) {
  return role == KeyRole::Full || scope.ends_with(":read") || scope == kOperatorScope;
}

bool ApiKey::allows(std::string_view scope) const {
  if (!may_have_scope(role, scope)) return false;
  const auto has = [this](std::string_view one) {
    return std::find(scopes.begin(), scopes.end(), one) != scopes.end();
  };
  if (scope == kOperatorScope) return has(scope);
  const bool is_narrowed = scopes.size() > (has(kOperatorScope) ? 1U : 0U);
  return !is_narrowed || has(scope);
}

bool ApiKey::is_expired(base::Time now) const {
  return credential.expires != base::Time{} && credential.expires <= now;
}

std::string api_key_identity(std::int64_t id) {
  return std::string(kApiKeyUser) + ":" + std::to_string(id);
}

MadeApiKey make_api_key(std::string_view name, const HashKey& node_key, base::Random& random) {
  MadeApiKey made;
  made.secret = make_api_key(random);
  made.key_hash = hash_api_key(node_key, made.secret);
  made.blastengine_hash = hash_blastengine_token(node_key, blastengine_token(name, made.secret));
  return made;
}

std::string blastengine_token(std::string_view login, std::string_view key) {
  return base::encode_base64(base::encode_hex(sha256(std::string(login) + std::string(key))));
}

std::string hash_blastengine_token(const HashKey& node_key, std::string_view token) {
  return base::encode_hex(node_key.hash("blastengine token", token));
}

}  // namespace ekiden::account
