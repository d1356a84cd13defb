#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ekiden/account/secret.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/result.hpp"

namespace ekiden::account {

/// What argon2id costs. 19 MiB and 2 passes is OWASP's recommendation for interactive logins;
/// about 20 ms here. Hashes carry their cost, so that old ones stay valid when it changes.
struct PasswordCost {
  std::uint64_t passes = 2;
  std::size_t memory = std::size_t{19} << 20;  ///< octets
};

inline constexpr std::size_t kPasswordOctetsMin = 8;
inline constexpr std::size_t kPasswordOctetsMax = 1024;

/// Whether somebody may choose this password; Errc::BadPassword says no.
Result<void> check_password(std::string_view password);

/// "$argon2id$v=19$m=19456,t=2,p=1$salt$hash". Takes tens of milliseconds and `cost.memory`: never
/// on a worker. Errors: Errc::OutOfMemory.
Result<std::string> hash_password(std::string_view password, const PasswordCost& cost = {});

/// As slow as hash_password was. False for anything that is no argon2id string.
bool verify_password(std::string_view encoded, std::string_view password);

/// A hash nobody knows the password of: checked for users that do not exist, so that they take
/// the time of those that do.
std::string unmatchable_hash(const PasswordCost& cost = {});

/// "ek_" and 43 characters of base 62: 256 random bits, shown once. Nothing slow guards it,
/// because nobody guesses 256 bits.
std::string make_api_key(base::Random& random);
bool has_api_key_form(std::string_view text);
/// What the store keeps of an API key, in hexadecimal.
std::string hash_api_key(const HashKey& node_key, std::string_view api_key);

/// What a server keeps for SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): raw octets.
struct ScramKeys {
  std::string stored_key, server_key, salt;
  std::uint32_t iterations = 0;
};

/// RFC 7677 §4 asks for 4096 at least. The client pays this at each login (about 20 ms), so it
/// is less than OWASP's 600,000: whoever wants more against a stolen store leaves --scram out.
inline constexpr std::uint32_t kScramIterations = 65536;
inline constexpr std::uint32_t kScramIterationsMin = 4096;
inline constexpr std::size_t kScramSaltOctets = 16;

ScramKeys make_scram_keys(std::string_view password, std::string salt, std::uint32_t iterations);
ScramKeys make_scram_keys(std::string_view password, base::Random& random,
                          std::uint32_t iterations = kScramIterations);

/// SHA-256 and HMAC-SHA-256 as SCRAM names them: raw octets.
std::string sha256(std::string_view octets);
std::string hmac_sha256(std::string_view key, std::string_view octets);

}  // namespace ekiden::account
