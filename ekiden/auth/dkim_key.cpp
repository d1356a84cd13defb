#include "ekiden/auth/dkim_key.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>

#include "ekiden/auth/error.hpp"
#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

using Key = std::shared_ptr<EVP_PKEY>;

struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_PKEY_CTX, FreeContext>;
struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeDigest>;
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

constexpr std::size_t kEd25519Octets = 32;
constexpr std::size_t kPemOctetsMax = 64 * 1024;

Key own(EVP_PKEY* key) {
  return key == nullptr ? Key() : Key(key, EVP_PKEY_free);
}

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

/// OpenSSL keeps a queue of errors for each thread; whoever looks next should find none of ours.
struct ErrorQueue {
  ~ErrorQueue() { ERR_clear_error(); }
};

Key read_rsa(std::string_view octets) {
  const unsigned char* at = octets_of(octets);
  const auto size = static_cast<long>(octets.size());
  Key key = own(d2i_PUBKEY(nullptr, &at, size));
  if (key == nullptr) {
    at = octets_of(octets);
    key = own(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, size));
  }
  if (key == nullptr || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) return {};
  return key;
}

unsigned exponent_bits_of(EVP_PKEY* key) {
  BIGNUM* exponent = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1) return ~0U;
  const auto bits = static_cast<unsigned>(BN_num_bits(exponent));
  BN_free(exponent);
  return bits;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(std::max(size, 0L))};
}

/// PKCS #1 v1.5 over SHA-256 (RFC 6376 §3.3.1).
bool set_padding(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1 &&
         EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1;
}

bool contains(std::string_view list, std::string_view wanted, std::string_view any) {
  const auto items = split_trimmed(list, ':');
  return std::any_of(items.begin(), items.end(), [&](std::string_view item) {
    return item == wanted || (!any.empty() && item == any);
  });
}

KeyRecord useless(std::string reason, Verdict verdict = Verdict::PermanentError) {
  KeyRecord record;
  record.verdict = verdict;
  record.reason = std::move(reason);
  return record;
}

}  // namespace

Result<PublicKey> PublicKey::read(KeyType type, std::string_view octets) {
  const ErrorQueue errors;
  PublicKey key;
  key.type_ = type;
  if (octets.size() > kKeyOctetsMax) return make_error_code(Errc::BadKey);
  if (type == KeyType::Ed25519) {
    if (octets.size() != kEd25519Octets) return make_error_code(Errc::BadKey);
    key.key_ = own(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets_of(octets), octets.size()));
  } else {
    key.key_ = read_rsa(octets);
  }
  if (key.key_ == nullptr) return make_error_code(Errc::BadKey);
  key.bits_ = static_cast<unsigned>(std::max(EVP_PKEY_get_bits(key.key_.get()), 0));
  if (type == KeyType::Rsa) key.exponent_bits_ = exponent_bits_of(key.key_.get());
  return key;
}

bool PublicKey::verifies(const Sha256Digest& digest, std::string_view signature) const {
  const ErrorQueue errors;
  if (type_ == KeyType::Ed25519) {
    // RFC 8463 §3: PureEdDSA over the digest.
    const DigestContext context(EVP_MD_CTX_new());
    return context != nullptr &&
           EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context.get(), octets_of(signature), signature.size(), digest.data(),
                            digest.size()) == 1;
  }
  const Context context(EVP_PKEY_CTX_new(key_.get(), nullptr));
  return context != nullptr && EVP_PKEY_verify_init(context.get()) == 1 &&
         set_padding(context.get()) &&
         EVP_PKEY_verify(context.get(), octets_of(signature), signature.size(), digest.data(),
                         digest.size()) == 1;
}

Result<PrivateKey> PrivateKey::adopt(Key key) {
  PrivateKey out;
  if (key == nullptr) return make_error_code(Errc::BadKey);
  out.bits_ = static_cast<unsigned>(std::max(EVP_PKEY_get_bits(key.get()), 0));
  switch (EVP_PKEY_get_base_id(key.get())) {
    case EVP_PKEY_RSA:
      out.type_ = KeyType::Rsa;
      if (out.bits_ < kRsaBitsMin || out.bits_ > kRsaBitsMax) return make_error_code(Errc::BadKey);
      break;
    case EVP_PKEY_ED25519:
      out.type_ = KeyType::Ed25519;
      break;
    default:
      return make_error_code(Errc::BadKey);
  }
  out.key_ = std::move(key);
  return out;
}

Result<PrivateKey> PrivateKey::read_pem(std::string_view text) {
  const ErrorQueue errors;
  if (text.size() > kPemOctetsMax) return make_error_code(Errc::BadKey);
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (bio == nullptr) return make_error_code(Errc::CryptoFailed);
  // An encrypted file would make OpenSSL ask on the terminal; this answers with nothing.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  return adopt(own(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr)));
}

Result<PrivateKey> PrivateKey::read_ed25519_seed(std::string_view seed) {
  const ErrorQueue errors;
  if (seed.size() != kEd25519Octets) return make_error_code(Errc::BadKey);
  return adopt(
      own(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, octets_of(seed), seed.size())));
}

Result<PrivateKey> PrivateKey::make(KeyType type, unsigned bits) {
  const ErrorQueue errors;
  if (type == KeyType::Ed25519) {
    Key key = own(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    if (key == nullptr) return make_error_code(Errc::CryptoFailed);
    return adopt(std::move(key));
  }
  if (bits < kRsaBitsMin || bits > kRsaBitsMax) return make_error_code(Errc::BadKey);
  Key key = own(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits)));
  if (key == nullptr) return make_error_code(Errc::CryptoFailed);
  return adopt(std::move(key));
}

std::string_view PrivateKey::algorithm() const {
  return type_ == KeyType::Rsa ? "rsa-sha256" : "ed25519-sha256";
}

Result<std::string> PrivateKey::sign(const Sha256Digest& digest) const {
  const ErrorQueue errors;
  std::string signature(kKeyOctetsMax, '\0');
  std::size_t size = signature.size();
  auto* out = reinterpret_cast<unsigned char*>(signature.data());
  bool done = false;
  if (type_ == KeyType::Ed25519) {
    const DigestContext context(EVP_MD_CTX_new());
    done = context != nullptr &&
           EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
           EVP_DigestSign(context.get(), out, &size, digest.data(), digest.size()) == 1;
  } else {
    const Context context(EVP_PKEY_CTX_new(key_.get(), nullptr));
    done = context != nullptr && EVP_PKEY_sign_init(context.get()) == 1 &&
           set_padding(context.get()) &&
           EVP_PKEY_sign(context.get(), out, &size, digest.data(), digest.size()) == 1;
  }
  if (!done) return make_error_code(Errc::CryptoFailed);
  signature.resize(size);
  return signature;
}

Result<std::string> PrivateKey::to_pem() const {
  const ErrorQueue errors;
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return make_error_code(Errc::CryptoFailed);
  }
  return text_of(bio.get());
}

Result<std::string> PrivateKey::to_record() const {
  const ErrorQueue errors;
  std::string octets;
  if (type_ == KeyType::Ed25519) {
    octets.resize(kEd25519Octets);
    std::size_t size = octets.size();
    if (EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(octets.data()),
                                    &size) != 1) {
      return make_error_code(Errc::CryptoFailed);
    }
  } else {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key_.get(), &der);
    if (size <= 0) return make_error_code(Errc::CryptoFailed);
    octets.assign(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  return std::string("v=DKIM1; k=") + (type_ == KeyType::Rsa ? "rsa" : "ed25519") +
         "; p=" + base::encode_base64(octets);
}

KeyRecord read_key_record(std::string_view text) {
  std::string_view why;
  const auto tags = TagList::parse(text, why);
  if (!tags) return useless("key record: " + std::string(why));

  // RFC 6376 §3.6.1: v= comes first when it is there, and has one value.
  if (const Tag* version = tags->find("v")) {
    if (version != &tags->tags().front() || version->value != "DKIM1") {
      return useless("key record: not of version DKIM1");
    }
  }
  KeyRecord record;
  KeyType type = KeyType::Rsa;
  if (const Tag* kind = tags->find("k")) {
    if (kind->value == "ed25519") {
      type = KeyType::Ed25519;
    } else if (kind->value != "rsa") {
      return useless("key record: unknown type of key");
    }
  }
  if (const Tag* hashes = tags->find("h"); hashes != nullptr) {
    if (!contains(hashes->value, "sha256", {})) return useless("key record: not for sha256");
  }
  if (const Tag* service = tags->find("s"); service != nullptr) {
    if (!contains(service->value, "email", "*")) return useless("key record: not for email");
  }
  const std::string_view flags = tags->value("t");
  record.is_testing = contains(flags, "y", {});
  record.needs_exact_domain = contains(flags, "s", {});

  // RFC 6376 §3.6.1: an empty p= says that the key has been revoked. g= is of RFC 4871 and ignored.
  const Tag* p = tags->find("p");
  if (p == nullptr) return useless("key record: no p=");
  if (p->value.empty()) return useless("key revoked");
  if (p->value.size() > 2 * kKeyOctetsMax) return useless("key too long", Verdict::Policy);
  const auto octets = decode_base64_value(p->value);
  if (!octets) return useless("key record: p= is not base64");
  const auto key = PublicKey::read(type, *octets);
  if (!key) return useless("key record: the key cannot be read");
  if (type == KeyType::Rsa) {
    const std::string bits = std::to_string(key->bits()) + "-bit key: ";
    if (key->bits() < kRsaBitsMin) return useless(bits + "too short", Verdict::Policy);
    if (key->bits() > kRsaBitsMax) return useless(bits + "too long", Verdict::Policy);
    if (key->exponent_bits() > kRsaExponentBitsMax) {
      return useless("the key's exponent is too long", Verdict::Policy);
    }
  }
  record.key = *key;
  return record;
}

KeyAnswer read_key_answer(const dns::Answer& answer) {
  KeyAnswer out;
  out.ttl_s = answer.ttl_s;
  switch (answer.status) {
    case dns::Status::Failed:
    case dns::Status::Bogus:
      // RFC 6376 §6.1.2.
      out.verdict = Verdict::TemporaryError;
      out.reason = "key unavailable: " + std::string(answer.status == dns::Status::Bogus
                                                         ? "DNSSEC validation failed"
                                                         : "the DNS did not answer");
      return out;
    case dns::Status::NoData:
    case dns::Status::NoDomain:
      out.reason = "no key for signature";
      return out;
    case dns::Status::Ok:
      break;
  }
  for (const std::string& text : dns::texts_of(answer)) {
    if (out.records.size() == kKeyRecordsMax) break;
    out.records.push_back(read_key_record(text));
  }
  if (out.records.empty()) out.reason = "no key for signature";
  return out;
}

bool publishes(const dns::Answer& answer, std::string_view record) {
  if (answer.status != dns::Status::Ok) return false;
  std::string_view why;
  const auto ours = TagList::parse(record, why);
  if (!ours) return false;
  const auto key = decode_base64_value(ours->value("p"));
  std::size_t seen = 0;
  for (const std::string& text : dns::texts_of(answer)) {
    if (++seen > kKeyRecordsMax) break;
    const auto theirs = TagList::parse(text, why);
    if (!theirs || !key || decode_base64_value(theirs->value("p")) != key) continue;
    if (read_key_record(text).verdict == Verdict::Pass) return true;
  }
  return false;
}

}  // namespace ekiden::auth
