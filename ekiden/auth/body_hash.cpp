#include "ekiden/auth/body_hash.hpp"

#include <algorithm>

namespace ekiden::auth {

const Sha256Digest& BodyHash::finish() {
  body_.finish();
  digest_ = hash_.finish();
  return digest_;
}

void BodyHash::take(std::string_view octets) {
  const std::uint64_t before = octets_;
  octets_ += octets.size();
  if (octets_max_) {
    const std::uint64_t room = *octets_max_ > before ? *octets_max_ - before : 0;
    octets = octets.substr(0, std::min<std::uint64_t>(room, octets.size()));
    if (octets.empty()) return;
  }
  hash_.update(octets);
}

}  // namespace ekiden::auth
