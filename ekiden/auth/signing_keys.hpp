#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ekiden/account/store.hpp"
#include "ekiden/base/random.hpp"

/// What operators and tenants do about signing keys, in the control store.
namespace ekiden::auth {

/// RFC 8301 §3.2: "Signers SHOULD use RSA keys of at least 2048 bits"; 4096 is what every verifier
/// takes.
inline constexpr std::uint32_t kMadeRsaBitsMin = 2048;
inline constexpr std::uint32_t kMadeRsaBitsMax = 4096;

enum class KeyRefusal : std::uint8_t {
  None,
  UsedSelector,  ///< the domain has or had it; one is never used again
  TooManyToday,  ///< no selector of the day is left
  IsPending,     ///< a key waits for its record to be seen
  NothingSigns,  ///< there is none to take the place of
  NoSuchSelector,
  IsOver,        ///< retiring or retired already
  IsLast,        ///< without it mail leaves unsigned
  CannotBeMade,  ///< OpenSSL said no
  StoreFailed,   ///< see `error`
};

struct KeysDone {
  std::vector<account::DomainKey> keys;  ///< as they are now
  KeyRefusal refusal = KeyRefusal::None;
  std::string selector;  ///< that the refusal is about
  Error error;

  bool ok() const { return refusal == KeyRefusal::None; }
};

/// Makes keys and keeps them. Blocks: making an RSA key takes a tenth of a second.
class SigningKeys {
 public:
  SigningKeys(account::Store& store, const account::HashKey& node_key, base::Random& random,
              account::Author author)
      : store_(store), node_key_(node_key), random_(random), author_(std::move(author)) {}

  /// `wanted` with domain, type ("rsa", "ed25519"), bits and tenant; an empty selector means the
  /// first free one of the day, "s20261122". The key is pending until its record is seen.
  KeysDone make(account::DomainKey wanted);
  /// A new key for each kind of key that signs for the domain now; with a `tenant`, only for its
  /// own. They sign once their records are seen in the DNS; then the old ones stop.
  KeysDone rotate(const std::string& domain, std::string_view tenant = {});
  /// The last key that signs only with `is_forced`.
  KeysDone retire(const std::string& domain, std::string_view selector, bool is_forced,
                  std::string_view tenant = {});

 private:
  account::Store& store_;
  const account::HashKey& node_key_;
  base::Random& random_;
  account::Author author_;
};

/// The domain in the form that keys are kept under; nothing for what mail cannot be signed for.
std::optional<std::string> signing_domain(std::string_view given);

}  // namespace ekiden::auth
