#include "ekiden/account/domain_key.hpp"

#include <sodium.h>

#include <array>
#include <span>

#include "ekiden/base/assert.hpp"

namespace ekiden::account {
namespace {

constexpr std::array<std::string_view, 4> kStates = {"pending", "active", "retiring", "retired"};

static_assert(kHashOctets == crypto_secretbox_KEYBYTES, "a keyed hash is a secretbox key");

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* octets_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

Secret key_for(const HashKey& node_key, std::string_view purpose) {
  return Secret(node_key.hash("secretbox", purpose));
}

}  // namespace

std::string_view domain_key_state_name(DomainKeyState state) {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<DomainKeyState> parse_domain_key_state(std::string_view name) {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (kStates[i] == name) return static_cast<DomainKeyState>(i);
  }
  return std::nullopt;
}

std::string seal(const HashKey& node_key, std::string_view purpose, std::string_view octets,
                 base::Random& random) {
  const Secret key = key_for(node_key, purpose);
  std::string out(crypto_secretbox_NONCEBYTES, '\0');
  random.fill(std::as_writable_bytes(std::span(out)));
  const std::string nonce = out;
  out.resize(nonce.size() + crypto_secretbox_MACBYTES + octets.size());
  const int done = crypto_secretbox_easy(octets_of(out) + nonce.size(), octets_of(octets),
                                         octets.size(), octets_of(nonce), octets_of(key.view()));
  EKIDEN_ASSERT(done == 0, "sealing does not fail");
  return out;
}

std::optional<Secret> unseal(const HashKey& node_key, std::string_view purpose,
                             std::string_view sealed) {
  constexpr std::size_t kOverhead = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
  if (sealed.size() < kOverhead) return std::nullopt;
  const Secret key = key_for(node_key, purpose);
  std::string out(sealed.size() - kOverhead, '\0');
  const std::string_view box = sealed.substr(crypto_secretbox_NONCEBYTES);
  if (crypto_secretbox_open_easy(octets_of(out), octets_of(box), box.size(), octets_of(sealed),
                                 octets_of(key.view())) != 0) {
    return std::nullopt;
  }
  return Secret(std::move(out));
}

}  // namespace ekiden::account
