#include "ekiden/account/stored_snapshot.hpp"

#include <utility>

namespace ekiden::account {

StoredSnapshot::StoredSnapshot(std::vector<Credential> credentials, std::vector<ApiKey> api_keys,
                               Rules rules)
    : credentials_(std::move(credentials)),
      api_keys_(std::move(api_keys)),
      rules_(std::move(rules)) {
  by_name_.reserve(credentials_.size() + api_keys_.size());
  // First, so that no user of an old store takes a key's identity.
  for (const ApiKey& key : api_keys_) {
    by_name_.emplace(key.credential.name, &key.credential);
    by_key_.emplace(key.credential.key_hash, &key);
    by_token_.emplace(key.blastengine_hash, &key);
  }
  for (const Credential& credential : credentials_) {
    by_name_.emplace(credential.name, &credential);
    if (!credential.certificate_sha256.empty()) {
      by_certificate_.emplace(credential.certificate_sha256, &credential);
    }
    has_scram_ = has_scram_ || !credential.scram_stored_key.empty();
  }
}

const Credential* StoredSnapshot::find_by_name(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const Credential* StoredSnapshot::find_by_certificate(std::string_view sha256_hex) const {
  const auto found = by_certificate_.find(sha256_hex);
  return found == by_certificate_.end() ? nullptr : found->second;
}

const TenantRules* StoredSnapshot::find_tenant(std::string_view name) const {
  const auto found = rules_.tenants.find(name);
  return found == rules_.tenants.end() ? nullptr : &found->second;
}

const CredentialRules* StoredSnapshot::find_limits(std::string_view name) const {
  const auto found = rules_.credentials.find(name);
  return found == rules_.credentials.end() ? nullptr : &found->second;
}

const ApiKey* StoredSnapshot::find_api_key(std::string_view key_hash) const {
  const auto found = by_key_.find(key_hash);
  return found == by_key_.end() ? nullptr : found->second;
}

const ApiKey* StoredSnapshot::find_blastengine_token(std::string_view token_hash) const {
  const auto found = by_token_.find(token_hash);
  return found == by_token_.end() ? nullptr : found->second;
}

}  // namespace ekiden::account
