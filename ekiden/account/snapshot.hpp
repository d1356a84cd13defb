#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"
#include "ekiden/net/address_block.hpp"

namespace ekiden::account {

class SuppressionSet;
class ScheduledSends;
struct TenantRules;
struct CredentialRules;

/// Who may submit, for whom, from where.
struct Credential {
  std::int64_t id = 0;
  std::uint64_t version = 0;  ///< grows with each change; a cached success counts only for its own
  std::string name;           ///< the user name, exactly
  std::string tenant = "default";
  std::string stream = "transactional";
  std::vector<std::string> streams;         ///< that X-Ekiden-Stream may choose; empty: any
  std::vector<std::string> sender_domains;  ///< canonical; empty: any
  std::vector<net::AddressBlock> networks;  ///< empty: any
  std::string argon2id;                     ///< encoded, or empty
  std::string key_hash;                     ///< keyed hash of a random API key, or empty
  std::string scram_stored_key, scram_server_key, scram_salt;  ///< raw; empty without --scram
  std::uint32_t scram_iterations = 0;
  std::string certificate_sha256;  ///< lower-case hex, or empty
  base::Time expires{};            ///< of an API key's; zero: never
  bool may_submit = true;          ///< false for an API key without that scope
  bool may_release = false;  ///< an API key's that may take addresses off the suppression list
};

/// Whether a credential may submit mail now: an API key may have expired, or lack the scope.
inline bool may_submit(const Credential& credential, base::Time now) {
  return credential.may_submit && (credential.expires == base::Time{} || now < credential.expires);
}

struct ApiKey;

/// What admission reads of the control store: an immutable picture in memory, replaced whole when
/// the store changes.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual const Credential* find_by_name(std::string_view name) const = 0;
  virtual const Credential* find_by_certificate(std::string_view sha256_hex) const = 0;
  /// What is set of a tenant; null: nothing, and nothing limits it.
  virtual const TenantRules* find_tenant(std::string_view name) const {
    (void)name;
    return nullptr;
  }
  /// The limits of a credential; null: none.
  virtual const CredentialRules* find_limits(std::string_view name) const {
    (void)name;
    return nullptr;
  }
  /// Whether anything is set of any tenant or credential: without, nobody asks.
  virtual bool has_rules() const { return false; }
  /// By the keyed hash of the key itself, and of the token that blastengine's clients make of it.
  virtual const ApiKey* find_api_key(std::string_view) const { return nullptr; }
  virtual const ApiKey* find_blastengine_token(std::string_view) const { return nullptr; }
  /// Whether any credential has SCRAM keys; without one the mechanisms are not offered.
  virtual bool has_scram() const { return false; }
};

/// Gives the newest snapshot. Sharing: any thread.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  virtual std::shared_ptr<const Snapshot> current() const = 0;
  /// Who gets no mail; null: nobody.
  virtual std::shared_ptr<const SuppressionSet> suppressions() const { return nullptr; }
  /// Which batches of scheduled mail are stopped; null: none.
  virtual std::shared_ptr<const ScheduledSends> scheduled_sends() const { return nullptr; }
};

}  // namespace ekiden::account
