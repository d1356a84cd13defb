#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ekiden/base/time.hpp"

namespace ekiden::delivery {

/// What became of recipients since the start, and the last thing that a peer said against some.
struct Traffic {
  std::uint64_t delivered = 0, deferred = 0, bounced = 0;
  std::uint64_t throttled = 0;  ///< replies that asked for less
  std::string last_reply;       ///< no 2xx; empty: none
  base::Time last_reply_at{};
  base::Time touched{};

  Traffic& operator+=(const Traffic& more);
};

/// Traffic by site, provider, source and tenant: what `ekiden top` shows.
///
/// Sharing: its worker only.
class TrafficBook {
 public:
  enum class By : std::uint8_t { Site, Provider, Source, Tenant };
  static constexpr std::size_t kKinds = 4;
  /// Names of one kind; the quarter that was longest without mail makes room.
  static constexpr std::size_t kNamesMax = 20'000;
  static constexpr std::size_t kReplyOctetsMax = 300;

  struct NameHash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  /// In no order.
  using Rows = std::unordered_map<std::string, Traffic, NameHash, std::equal_to<>>;

  /// Counts under a name; an empty one counts nowhere.
  void count(By by, std::string_view name, const Traffic& more);
  const Rows& rows(By by) const { return rows_[static_cast<std::size_t>(by)]; }

 private:
  std::array<Rows, kKinds> rows_;
};

}  // namespace ekiden::delivery
