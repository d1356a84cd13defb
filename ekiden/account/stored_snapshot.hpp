#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ekiden/account/api_key.hpp"
#include "ekiden/account/snapshot.hpp"
#include "ekiden/account/tenant.hpp"

namespace ekiden::account {

/// What is set of tenants and credentials, by name.
struct Rules {
  std::map<std::string, TenantRules, std::less<>> tenants;
  std::map<std::string, CredentialRules, std::less<>> credentials;
};

/// Every credential, found by name and by certificate, and every API key, found by its hash, its
/// credential by "apikey:7". Immutable once made.
///
/// Sharing: any thread.
class StoredSnapshot final : public Snapshot {
 public:
  StoredSnapshot() = default;
  explicit StoredSnapshot(std::vector<Credential> credentials, std::vector<ApiKey> api_keys = {},
                          Rules rules = {});
  StoredSnapshot(const StoredSnapshot&) = delete;
  StoredSnapshot& operator=(const StoredSnapshot&) = delete;

  const Credential* find_by_name(std::string_view name) const override;
  const Credential* find_by_certificate(std::string_view sha256_hex) const override;
  const TenantRules* find_tenant(std::string_view name) const override;
  const CredentialRules* find_limits(std::string_view name) const override;
  bool has_rules() const override { return !rules_.tenants.empty() || !rules_.credentials.empty(); }
  const ApiKey* find_api_key(std::string_view key_hash) const override;
  const ApiKey* find_blastengine_token(std::string_view token_hash) const override;
  bool has_scram() const override { return has_scram_; }

  /// Ordered by name.
  const std::vector<Credential>& credentials() const { return credentials_; }

 private:
  using Index = std::unordered_map<std::string_view, const Credential*>;
  std::vector<Credential> credentials_;
  std::vector<ApiKey> api_keys_;
  Rules rules_;
  Index by_name_, by_certificate_;
  std::unordered_map<std::string_view, const ApiKey*> by_key_, by_token_;
  bool has_scram_ = false;
};

}  // namespace ekiden::account
