#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/secret.hpp"
#include "ekiden/account/snapshot.hpp"
#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// What a key's holder may do at all; its scopes narrow it further.
enum class KeyRole : std::uint8_t { Full, ReadOnly };
std::string_view key_role_name(KeyRole role);  ///< "full", "read-only"

/// Everything a key can be limited to. Those that end in ":read" change nothing.
const std::vector<std::string_view>& key_scopes();
bool is_key_scope(std::string_view scope);
/// Lifts a key out of its tenant: it sees and changes what all of them have. No key has it unless
/// it is named; alone, it leaves the others as if none were.
inline constexpr std::string_view kOperatorScope = "admin";
/// Whether a key of this role may have the scope at all.
bool may_have_scope(KeyRole role, std::string_view scope);

/// A random key by which a program uses the API, or logs in over SMTP as the user "apikey".
///
/// `credential` is what admission sees when the key submits mail: tenant, stream, streams, sender
/// domains and networks. Its name, "apikey:7", names the key in events and logs.
struct ApiKey {
  std::int64_t id = 0;
  std::string name;  ///< for people; no two keys share it
  Credential credential;
  std::vector<std::string> scopes;  ///< empty: whatever the role allows
  KeyRole role = KeyRole::Full;
  /// Keyed hash of the token that blastengine's clients make of a login and a key; the login is
  /// the key's name.
  std::string blastengine_hash;
  base::Time created{};

  bool allows(std::string_view scope) const;
  bool is_operator() const { return allows(kOperatorScope); }
  bool is_expired(base::Time now) const;
};

/// The user name under which SMTP clients log in with an API key as password.
inline constexpr std::string_view kApiKeyUser = "apikey";
/// "apikey:7".
std::string api_key_identity(std::int64_t id);

/// A new key's secret, shown once, and what is kept of it.
struct MadeApiKey {
  std::string secret;
  std::string key_hash, blastengine_hash;
};
MadeApiKey make_api_key(std::string_view name, const HashKey& node_key, base::Random& random);

/// base64(lower-case hex(SHA-256(login + key))): what blastengine's SDKs send as bearer token.
std::string blastengine_token(std::string_view login, std::string_view key);
std::string hash_blastengine_token(const HashKey& node_key, std::string_view token);

}  // namespace ekiden::account
