#include "ekiden/archive/seal.hpp"

#include <openssl/evp.h>

#include <cstring>
#include <memory>
#include <span>

#include "ekiden/events/error.hpp"

namespace ekiden::archive {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kNonceOctets = 12;
constexpr std::size_t kTagOctets = 16;

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

const unsigned char* raw(std::string_view octets) {
  return reinterpret_cast<const unsigned char*>(octets.data());
}
unsigned char* raw(std::string& octets, std::size_t at) {
  return reinterpret_cast<unsigned char*>(octets.data() + at);
}

/// What is authenticated with the octets: whose they are.
std::string bound(base::MessageId id) {
  std::string octets(16, '\0');
  std::memcpy(octets.data(), &id.high, 8);
  std::memcpy(octets.data() + 8, &id.low, 8);
  return octets;
}

}  // namespace

Seal::Seal(const account::HashKey& node_key, std::string_view day)
    : key_(node_key.hash("archive", day)) {}

Result<std::string> Seal::close(base::MessageId id, std::string_view octets,
                                base::Random& random) const {
  std::string sealed(1 + kNonceOctets + octets.size() + kTagOctets, '\0');
  sealed[0] = kVersion;
  random.fill(std::as_writable_bytes(std::span(sealed).subspan(1, kNonceOctets)));
  const Context context(EVP_CIPHER_CTX_new());
  const std::string about = bound(id);
  int size = 0;
  const std::size_t at = 1 + kNonceOctets;
  const bool is_done =
      context != nullptr &&
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(key_.view()),
                         raw(sealed, 1)) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &size, raw(about),
                        static_cast<int>(about.size())) == 1 &&
      EVP_EncryptUpdate(context.get(), raw(sealed, at), &size, raw(octets),
                        static_cast<int>(octets.size())) == 1 &&
      EVP_EncryptFinal_ex(context.get(), raw(sealed, at + octets.size()), &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagOctets,
                          raw(sealed, at + octets.size())) == 1;
  if (!is_done) return make_error_code(events::Errc::Io);
  return sealed;
}

Result<std::string> Seal::open(base::MessageId id, std::string_view sealed) const {
  constexpr std::size_t kAround = 1 + kNonceOctets + kTagOctets;
  if (sealed.size() < kAround || sealed[0] != kVersion)
    return make_error_code(events::Errc::Corrupt);
  const std::string_view nonce = sealed.substr(1, kNonceOctets);
  const std::string_view closed = sealed.substr(1 + kNonceOctets, sealed.size() - kAround);
  std::string tag(sealed.substr(sealed.size() - kTagOctets));
  std::string octets(closed.size(), '\0');
  const Context context(EVP_CIPHER_CTX_new());
  const std::string about = bound(id);
  int size = 0;
  unsigned char rest[16];
  const bool is_done =
      context != nullptr &&
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(key_.view()), raw(nonce)) ==
          1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &size, raw(about),
                        static_cast<int>(about.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), raw(octets, 0), &size, raw(closed),
                        static_cast<int>(closed.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagOctets, raw(tag, 0)) == 1 &&
      EVP_DecryptFinal_ex(context.get(), rest, &size) == 1;
  if (!is_done) return make_error_code(events::Errc::Corrupt);
  return octets;
}

}  // namespace ekiden::archive
