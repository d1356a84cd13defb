#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "ekiden/base/random.hpp"
#include "ekiden/base/result.hpp"

namespace ekiden::account {

/// Overwrites octets so that the compiler may not leave it out.
void wipe(std::string& octets);

/// True when equal; takes the same time wherever they differ. The lengths are no secret.
bool equals_in_constant_time(std::string_view a, std::string_view b);

/// Octets that are overwritten when they die. Moves, never copies.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string octets) : octets_(std::make_unique<std::string>(std::move(octets))) {}
  Secret(Secret&&) = default;
  Secret& operator=(Secret&& other) noexcept {
    reset();
    octets_ = std::move(other.octets_);
    return *this;
  }
  ~Secret() { reset(); }

  std::string_view view() const { return octets_ ? std::string_view(*octets_) : ""; }

 private:
  void reset() {
    if (octets_) wipe(*octets_);
    octets_.reset();
  }
  /// Behind a pointer, because moving a short std::string leaves its octets behind.
  std::unique_ptr<std::string> octets_;
};

inline constexpr std::size_t kHashOctets = 32;

/// 256 bits that turn values into keyed hashes (BLAKE2b), which tell nothing without the key.
class HashKey {
 public:
  explicit HashKey(base::Random& random);
  explicit HashKey(std::string_view octets);  ///< exactly kHashOctets
  HashKey(const HashKey&) = default;
  HashKey& operator=(const HashKey&) = default;
  ~HashKey();

  /// kHashOctets raw octets. `purpose` keeps the uses of one key apart.
  std::string hash(std::string_view purpose, std::string_view value) const;

 private:
  std::array<unsigned char, kHashOctets> octets_;
};

/// The node's own key: data_dir/secret.key, made at first use. It hashes API keys and makes the
/// salts of users that do not exist; losing it ends every API key. Blocks on the disk.
/// Errors: Errc::BadSecretKey.
Result<HashKey> load_node_key(const std::string& data_dir, base::Random& random);

}  // namespace ekiden::account
