#include "ekiden/account/secret.hpp"

#include <sodium.h>

#include <algorithm>
#include <span>

#include "ekiden/account/error.hpp"
#include "ekiden/base/assert.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/base/private_file.hpp"

namespace ekiden::account {
namespace {

const unsigned char* octets_of(std::string_view v) {
  return reinterpret_cast<const unsigned char*>(v.data());
}

}  // namespace

void wipe(std::string& octets) {
  octets.resize(octets.capacity());
  sodium_memzero(octets.data(), octets.size());
  octets.clear();
}

bool equals_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

HashKey::HashKey(base::Random& random) {
  random.fill(std::as_writable_bytes(std::span(octets_)));
}

HashKey::HashKey(std::string_view octets) {
  EKIDEN_ASSERT(octets.size() == octets_.size(), "whoever loads a key checks its length");
  std::copy(octets.begin(), octets.end(), octets_.begin());
}

HashKey::~HashKey() {
  sodium_memzero(octets_.data(), octets_.size());
}

std::string HashKey::hash(std::string_view purpose, std::string_view value) const {
  crypto_generichash_state state;
  crypto_generichash_init(&state, octets_.data(), octets_.size(), kHashOctets);
  // The length in front: "ab"+"c" and "a"+"bc" differ.
  const auto length = static_cast<unsigned char>(purpose.size());
  EKIDEN_ASSERT(purpose.size() < 256, "a purpose is a word");
  crypto_generichash_update(&state, &length, 1);
  crypto_generichash_update(&state, octets_of(purpose), purpose.size());
  crypto_generichash_update(&state, octets_of(value), value.size());
  std::string out(kHashOctets, '\0');
  crypto_generichash_final(&state, reinterpret_cast<unsigned char*>(out.data()), out.size());
  sodium_memzero(&state, sizeof state);
  return out;
}

Result<HashKey> load_node_key(const std::string& data_dir, base::Random& random) {
  const std::string path = data_dir + "/secret.key";
  auto octets = base::load_or_create_private_file(path, [&random] {
    std::string fresh(kHashOctets, '\0');
    random.fill(std::as_writable_bytes(std::span(fresh)));
    return fresh;
  });
  if (!octets || octets->size() != kHashOctets) {
    base::log::error(
        "secret_key_unreadable",
        {{"file", path}, {"reason", octets ? "not 32 octets" : octets.error().message()}});
    return make_error_code(Errc::BadSecretKey);
  }
  HashKey key(*octets);
  wipe(*octets);
  return key;
}

}  // namespace ekiden::account
