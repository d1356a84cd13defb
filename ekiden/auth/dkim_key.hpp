#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/auth/sha256.hpp"
#include "ekiden/auth/verdict.hpp"
#include "ekiden/base/result.hpp"
#include "ekiden/dns/resolver.hpp"

struct evp_pkey_st;

namespace ekiden::auth {

enum class KeyType : std::uint8_t { Rsa, Ed25519 };

/// RFC 8301 §3.2: "Verifiers MUST NOT consider signatures using RSA keys of less than 1024 bits as
/// valid signatures", and signers use at least 2048.
inline constexpr unsigned kRsaBitsMin = 1024;
/// RFC 8301 §3.2 asks for 4096; past this a key costs more to use than a message is worth.
inline constexpr unsigned kRsaBitsMax = 8192;
/// A public exponent longer than this makes verifying as slow as signing. Real ones have 17 bits.
inline constexpr unsigned kRsaExponentBitsMax = 64;
/// Of one p= tag: 8192 bits need 1.1 KiB.
inline constexpr std::size_t kKeyOctetsMax = 2048;
/// Key records of one name that are tried; RFC 6376 §3.6.2.2 says that there is one.
inline constexpr std::size_t kKeyRecordsMax = 4;

/// A public key as a key record holds it. Copies share it.
///
/// Sharing: any thread.
class PublicKey {
 public:
  PublicKey() = default;

  /// `octets` is p= decoded: RSA as SubjectPublicKeyInfo or RSAPublicKey (RFC 6376 §3.6.1), Ed25519
  /// as 32 octets (RFC 8463 §4). Errors: Errc::BadKey.
  static Result<PublicKey> read(KeyType type, std::string_view octets);

  explicit operator bool() const { return key_ != nullptr; }
  KeyType type() const { return type_; }
  unsigned bits() const { return bits_; }
  /// Of an RSA key's public exponent.
  unsigned exponent_bits() const { return exponent_bits_; }

  /// True when `signature` is this key's over `digest`.
  bool verifies(const Sha256Digest& digest, std::string_view signature) const;

 private:
  friend class PrivateKey;
  std::shared_ptr<evp_pkey_st> key_;
  KeyType type_ = KeyType::Rsa;
  unsigned bits_ = 0;
  unsigned exponent_bits_ = 0;
};

/// A private key in the memory of OpenSSL. Copies share it.
///
/// Sharing: any thread; signing with RSA takes about a millisecond, so not on a worker.
class PrivateKey {
 public:
  PrivateKey() = default;

  /// A PEM file's text: PKCS#8 or RSA's own form, not encrypted. RSA of 1024 to kRsaBitsMax bits,
  /// or Ed25519. Errors: Errc::BadKey.
  static Result<PrivateKey> read_pem(std::string_view text);
  /// RFC 8463 §A.2 gives them so: the 32 octets of an Ed25519 seed. Errors: Errc::BadKey.
  static Result<PrivateKey> read_ed25519_seed(std::string_view seed);
  /// RSA takes seconds at times. Errors: Errc::BadKey (`bits`), CryptoFailed.
  static Result<PrivateKey> make(KeyType type, unsigned bits = 2048);

  explicit operator bool() const { return key_ != nullptr; }
  KeyType type() const { return type_; }
  unsigned bits() const { return bits_; }
  /// The value of a=: "rsa-sha256", "ed25519-sha256".
  std::string_view algorithm() const;

  /// Raw octets. Errors: Errc::CryptoFailed.
  Result<std::string> sign(const Sha256Digest& digest) const;

  /// PKCS#8 PEM, for whoever keeps it encrypted. Errors: Errc::CryptoFailed.
  Result<std::string> to_pem() const;
  /// The key record's text, "v=DKIM1; k=rsa; p=…". Errors: Errc::CryptoFailed.
  Result<std::string> to_record() const;

 private:
  static Result<PrivateKey> adopt(std::shared_ptr<evp_pkey_st> key);
  std::shared_ptr<evp_pkey_st> key_;
  KeyType type_ = KeyType::Rsa;
  unsigned bits_ = 0;
};

/// One key record (RFC 6376 §3.6.1), read once and used for any number of signatures.
struct KeyRecord {
  PublicKey key;
  /// Not Pass: the record is of no use, `reason` says why.
  Verdict verdict = Verdict::Pass;
  std::string reason;
  bool is_testing = false;          ///< t=y
  bool needs_exact_domain = false;  ///< t=s: i= may not be below d=
};

/// Every text gives a record; what is wrong is inside.
KeyRecord read_key_record(std::string_view text);

/// What the DNS said about one selector. Immutable: callers may keep it as long as its TTL.
struct KeyAnswer {
  std::vector<KeyRecord> records;
  /// Without records: PermanentError (no key) or TemporaryError (try later).
  Verdict verdict = Verdict::PermanentError;
  std::string reason;
  std::uint32_t ttl_s = 0;
};
KeyAnswer read_key_answer(const dns::Answer& answer);

/// Whether an answer holds a usable record with the key of `record`, a text that we made. Notes and
/// flags that somebody added do not matter.
bool publishes(const dns::Answer& answer, std::string_view record);

}  // namespace ekiden::auth
