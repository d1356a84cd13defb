#pragma once

#include <cstdint>
#include <optional>

#include "ekiden/auth/canonical.hpp"
#include "ekiden/auth/sha256.hpp"

namespace ekiden::auth {

/// Hashes a body as it streams by: the value of bh= (RFC 6376 §3.7).
///
/// Sharing: one body, one object.
class BodyHash final : private OctetSink {
 public:
  /// `octets_max` is the value of l=: what the canonical body has past it is counted, not hashed.
  explicit BodyHash(Canonicalization canonicalization,
                    std::optional<std::uint64_t> octets_max = std::nullopt)
      : kind_(canonicalization), octets_max_(octets_max), body_(canonicalization, *this) {}

  void update(std::string_view octets) { body_.update(octets); }
  /// Once, when the body has ended.
  const Sha256Digest& finish();

  Canonicalization canonicalization() const { return kind_; }
  const std::optional<std::uint64_t>& octets_max() const { return octets_max_; }
  /// After finish.
  const Sha256Digest& digest() const { return digest_; }
  /// Octets of the whole canonical body.
  std::uint64_t octets() const { return octets_; }

 private:
  void take(std::string_view octets) override;

  const Canonicalization kind_;
  const std::optional<std::uint64_t> octets_max_;
  std::uint64_t octets_ = 0;
  Sha256 hash_;
  Sha256Digest digest_{};
  BodyCanonicalizer body_;
};

}  // namespace ekiden::auth
