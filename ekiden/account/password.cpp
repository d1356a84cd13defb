#include "ekiden/account/password.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <span>

#include "ekiden/account/error.hpp"
#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/saslprep.hpp"

namespace ekiden::account {
namespace {

constexpr std::string_view kApiKeyPrefix = "ek_";
constexpr std::size_t kApiKeyDigits = 43;  // 62^43 is just over 2^256
constexpr std::string_view kBase62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void start_sodium() {
  // Idempotent; chooses the fastest implementation for this processor.
  EKIDEN_ASSERT(sodium_init() >= 0, "libsodium always starts where getrandom exists");
}

const unsigned char* octets_of(std::string_view v) {
  return reinterpret_cast<const unsigned char*>(v.data());
}

}  // namespace

Result<void> check_password(std::string_view password) {
  const bool has_control = std::any_of(password.begin(), password.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  if (password.size() < kPasswordOctetsMin || password.size() > kPasswordOctetsMax || has_control ||
      has_api_key_form(password) || !smtp::saslprep(password)) {
    return make_error_code(Errc::BadPassword);
  }
  return {};
}

Result<std::string> hash_password(std::string_view password, const PasswordCost& cost) {
  start_sodium();
  char encoded[crypto_pwhash_STRBYTES];
  const Secret prepared(smtp::saslprep_or_same(password));
  const std::string_view octets = prepared.view();
  if (crypto_pwhash_str_alg(encoded, octets.data(), octets.size(), cost.passes, cost.memory,
                            crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return make_error_code(Errc::OutOfMemory);
  }
  return std::string(encoded);
}

bool verify_password(std::string_view encoded, std::string_view password) {
  start_sodium();
  if (!encoded.starts_with("$argon2id$") || encoded.size() >= crypto_pwhash_STRBYTES) return false;
  const std::string terminated(encoded);
  // RFC 4616 §2: whoever types the letters in another form of Unicode is still right.
  const Secret prepared(smtp::saslprep_or_same(password));
  const std::string_view octets = prepared.view();
  return crypto_pwhash_str_verify(terminated.c_str(), octets.data(), octets.size()) == 0;
}

std::string unmatchable_hash(const PasswordCost& cost) {
  // Salt and hash of zeros: no password is known to give it, and finding one is a preimage.
  return "$argon2id$v=19$m=" + std::to_string(cost.memory / 1024) +
         ",t=" + std::to_string(cost.passes) + ",p=1$" + std::string(22, 'A') + "$" +
         std::string(43, 'A');
}

std::string make_api_key(base::Random& random) {
  std::string key(kApiKeyPrefix);
  for (std::size_t i = 0; i < kApiKeyDigits; ++i) key += kBase62[random.below(kBase62.size())];
  return key;
}

bool has_api_key_form(std::string_view text) {
  return text.size() == kApiKeyPrefix.size() + kApiKeyDigits && text.starts_with(kApiKeyPrefix) &&
         text.find_first_not_of(kBase62, kApiKeyPrefix.size()) == std::string_view::npos;
}

std::string hash_api_key(const HashKey& node_key, std::string_view api_key) {
  return base::encode_hex(node_key.hash("api key", api_key));
}

ScramKeys make_scram_keys(std::string_view password, std::string salt, std::uint32_t iterations) {
  EKIDEN_ASSERT(iterations >= kScramIterationsMin && password.size() <= kPasswordOctetsMax,
                "checked where they were read");
  // RFC 5802 §2.2: the password is prepared with SASLprep. What cannot be is taken as given.
  const Secret prepared(smtp::saslprep_or_same(password));
  const std::string_view octets = prepared.view();
  std::string salted(SHA256_DIGEST_LENGTH, '\0');
  const int done = PKCS5_PBKDF2_HMAC(
      octets.data(), static_cast<int>(octets.size()), octets_of(salt),
      static_cast<int>(salt.size()), static_cast<int>(iterations), EVP_sha256(),
      static_cast<int>(salted.size()), reinterpret_cast<unsigned char*>(salted.data()));
  EKIDEN_ASSERT(done == 1, "PBKDF2 fails only when memory is gone");
  ScramKeys keys;
  std::string client_key = hmac_sha256(salted, "Client Key");
  keys.stored_key = sha256(client_key);
  keys.server_key = hmac_sha256(salted, "Server Key");
  keys.salt = std::move(salt);
  keys.iterations = iterations;
  wipe(client_key);
  wipe(salted);
  return keys;
}

ScramKeys make_scram_keys(std::string_view password, base::Random& random,
                          std::uint32_t iterations) {
  std::string salt(kScramSaltOctets, '\0');
  random.fill(std::as_writable_bytes(std::span(salt)));
  return make_scram_keys(password, std::move(salt), iterations);
}

std::string sha256(std::string_view octets) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(octets_of(octets), octets.size(), reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string hmac_sha256(std::string_view key, std::string_view octets) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets_of(octets), octets.size(),
       reinterpret_cast<unsigned char*>(out.data()), nullptr);
  return out;
}

}  // namespace ekiden::account
