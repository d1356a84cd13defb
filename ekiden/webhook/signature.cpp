#include "ekiden/webhook/signature.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <memory>

#include "ekiden/base/text.hpp"

namespace ekiden::webhook {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::size_t kSecretOctetsMin = 24, kSecretOctetsMax = 64, kSecretOctetsMade = 32;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Bio = std::unique_ptr<BIO, Free>;

/// OpenSSL keeps a queue of errors for each thread; whoever looks next should find none of ours.
struct ErrorQueue {
  ~ErrorQueue() { ERR_clear_error(); }
};

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

Key read_key(std::string_view pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (key && EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_EC) key.reset();
  return key;
}

std::optional<std::string> octets_of_secret(std::string_view secret) {
  if (!secret.starts_with(kSecretPrefix)) return std::nullopt;
  auto octets = base::decode_base64(secret.substr(kSecretPrefix.size()));
  if (!octets || octets->size() < kSecretOctetsMin || octets->size() > kSecretOctetsMax) {
    return std::nullopt;
  }
  return octets;
}

}  // namespace

std::string make_standard_secret(base::Random& random) {
  std::string octets(kSecretOctetsMade, '\0');
  random.fill(std::as_writable_bytes(std::span(octets)));
  return std::string(kSecretPrefix) + base::encode_base64(octets);
}

bool is_standard_secret(std::string_view secret) {
  return octets_of_secret(secret).has_value();
}

std::optional<std::string> sign_standard(std::string_view secret, std::string_view id,
                                         std::int64_t timestamp_s, std::string_view body) {
  const auto key = octets_of_secret(secret);
  if (!key) return std::nullopt;
  std::string signed_octets(id);
  signed_octets += '.';
  signed_octets += std::to_string(timestamp_s);
  signed_octets += '.';
  signed_octets += body;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key->data(), static_cast<int>(key->size()), octets_of(signed_octets),
           signed_octets.size(), digest.data(), &size) == nullptr) {
    return std::nullopt;
  }
  return "v1," +
         base::encode_base64(std::string_view(reinterpret_cast<const char*>(digest.data()), size));
}

std::optional<std::string> make_sendgrid_key() {
  const ErrorQueue errors;
  const Key key(EVP_EC_gen("P-256"));
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!key ||
      PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return std::nullopt;
  }
  return text_of(bio.get());
}

std::optional<std::string> sendgrid_public_key(std::string_view pem) {
  const ErrorQueue errors;
  const Key key = read_key(pem);
  if (!key) return std::nullopt;
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key.get(), &der);
  if (size <= 0) return std::nullopt;
  std::string text = base::encode_base64(
      std::string_view(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return text;
}

std::optional<std::string> sign_sendgrid(std::string_view pem, std::string_view timestamp,
                                         std::string_view body) {
  const ErrorQueue errors;
  const Key key = read_key(pem);
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  if (!key || !context ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSignUpdate(context.get(), timestamp.data(), timestamp.size()) != 1 ||
      EVP_DigestSignUpdate(context.get(), body.data(), body.size()) != 1) {
    return std::nullopt;
  }
  std::size_t size = 0;
  if (EVP_DigestSignFinal(context.get(), nullptr, &size) != 1) return std::nullopt;
  std::string signature(size, '\0');
  if (EVP_DigestSignFinal(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                          &size) != 1) {
    return std::nullopt;
  }
  signature.resize(size);
  return base::encode_base64(signature);
}

std::string batch_id(const std::vector<std::string_view>& event_ids) {
  if (event_ids.size() == 1) return std::string(event_ids.front());
  std::string joined;
  for (const std::string_view id : event_ids) {
    joined += id;
    joined += '\n';
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(joined.data(), joined.size(), digest.data(), &size, EVP_sha256(), nullptr);
  constexpr std::size_t kOctets = 16;
  return "batch-" +
         base::encode_hex(std::string_view(reinterpret_cast<const char*>(digest.data()), kOctets));
}

}  // namespace ekiden::webhook
