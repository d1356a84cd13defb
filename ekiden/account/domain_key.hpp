#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/secret.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// The life of a signing key. It only goes on, never back.
enum class DomainKeyState : std::uint8_t {
  Pending,   ///< made; signs nothing until its record is seen in the DNS
  Active,    ///< signs
  Retiring,  ///< signs no more; its record stays, because mail that it signed is on its way
  Retired,   ///< its record may go
};

/// "pending", "active", "retiring", "retired".
std::string_view domain_key_state_name(DomainKeyState state);
std::optional<DomainKeyState> parse_domain_key_state(std::string_view name);

/// How long a record stays published past the last signature made with its key: longer than any
/// queue keeps a message, ours and the next relay's.
inline constexpr base::Duration kDomainKeyStay = std::chrono::hours(24 * 7);

/// A signing key of a domain, as the control store keeps it.
struct DomainKey {
  std::int64_t id = 0;
  std::string domain;    ///< canonical
  std::string selector;  ///< lower case
  std::string type;      ///< "rsa", "ed25519"
  std::uint32_t bits = 0;
  std::string tenant;  ///< whose mail it signs; empty: every tenant's
  std::string record;  ///< the TXT record's text
  std::string sealed;  ///< the private key in PEM, sealed with the node's key
  DomainKeyState state = DomainKeyState::Pending;
  base::Time created{};
  base::Time changed{};      ///< when it came into its state
  base::Time last_signed{};  ///< the epoch: never

  friend bool operator==(const DomainKey&, const DomainKey&) = default;
  /// Where the record lies: "selector._domainkey.domain".
  std::string record_name() const { return selector + "._domainkey." + domain; }
};

/// Octets that only the holder of the node's key can read (libsodium's secretbox), and that nobody
/// can change unseen. `purpose` keeps the uses of the key apart.
std::string seal(const HashKey& node_key, std::string_view purpose, std::string_view octets,
                 base::Random& random);
/// Nothing when it was sealed with another key, for another purpose, or changed.
std::optional<Secret> unseal(const HashKey& node_key, std::string_view purpose,
                             std::string_view sealed);

/// The purpose under which private keys are sealed.
inline constexpr std::string_view kDomainKeyPurpose = "domain key";

}  // namespace ekiden::account
