#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "ekiden/account/suppression.hpp"

namespace ekiden::account {

/// Whether a stream is transactional, which complaints and unsubscribes do not reach.
enum class StreamKind : std::uint8_t { Transactional, Bulk };

/// Every suppressed address as admission asks for it: 16 octets an entry, by a 64-bit hash of
/// tenant and address. Never changes; `SuppressionEditor` makes another one of it, which shares
/// the shards that are the same.
///
/// Nobody outside knows the seed, so nobody makes two addresses meet on purpose. By chance, of 10^9
/// recipients held against 10^6 entries one is taken for another with a probability of 0.00005.
///
/// Sharing: immutable; any thread.
class SuppressionSet {
 public:
  struct Entry {
    std::uint64_t key;
    std::uint32_t expires_s;  ///< since the epoch; 0: never
    std::uint32_t scope;      ///< see scope_of()
  };
  using Shard = std::vector<Entry>;  ///< by key

  explicit SuppressionSet(std::uint64_t seed) : seed_(seed) {}

  /// Why this recipient is to get nothing now. The strongest reason counts, in the order of the
  /// enumerators. What `bypass` passes over does not count.
  std::optional<SuppressionReason> find(std::string_view tenant, std::string_view address,
                                        std::string_view stream, StreamKind kind, base::Time now,
                                        const SuppressionBypass& bypass = {}) const;
  std::size_t size() const { return size_; }
  bool is_empty() const { return size_ == 0; }
  std::uint64_t seed() const { return seed_; }

 private:
  friend class SuppressionEditor;
  /// A change of one address copies a shard: at a million entries 4,000 of them.
  static constexpr std::size_t kShards = 256;

  std::uint64_t seed_;
  std::array<std::shared_ptr<const Shard>, kShards> shards_{};
  std::size_t size_ = 0;
};

/// Makes a new set of an old one.
class SuppressionEditor {
 public:
  explicit SuppressionEditor(const SuppressionSet& old) : set_(old) {}

  /// All entries of this address give way to these.
  void replace(std::string_view tenant, std::string_view address,
               const std::vector<Suppression>& with);
  /// For building one from nothing, followed by `finish`: entries in any order.
  void append(const Suppression& entry);
  SuppressionSet finish();

 private:
  SuppressionSet::Shard& shard(std::uint64_t key);

  SuppressionSet set_;
  std::array<std::unique_ptr<SuppressionSet::Shard>, SuppressionSet::kShards> changed_{};
  bool is_sorted_ = true;
};

}  // namespace ekiden::account
