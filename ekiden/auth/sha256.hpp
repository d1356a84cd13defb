#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

struct evp_md_ctx_st;

namespace ekiden::auth {

inline constexpr std::size_t kSha256Octets = 32;
using Sha256Digest = std::array<unsigned char, kSha256Octets>;

inline std::string_view view_of(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// SHA-256 by OpenSSL.
class Sha256 {
 public:
  Sha256();

  void update(std::string_view octets);
  /// Once.
  Sha256Digest finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace ekiden::auth
