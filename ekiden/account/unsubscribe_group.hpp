#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/text.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// SendGrid's clients know them by number, and a tenant there has 200.
inline constexpr std::size_t kUnsubscribeGroupsMax = 200;

/// A kind of mail that a recipient leaves alone, by the number that SendGrid's clients give it.
struct UnsubscribeGroup {
  std::int64_t id = 0;
  std::string tenant;
  std::string name;
  std::string description;
  bool is_default = false;
  base::Time created{};

  /// The stream that its mail is sent on, and that who leaves it is suppressed for.
  std::string stream() const { return std::string(kStreamPrefix) + std::to_string(id); }
  static constexpr std::string_view kStreamPrefix = "group-";

  friend bool operator==(const UnsubscribeGroup&, const UnsubscribeGroup&) = default;
};

/// The group's number, when the stream is a group's.
inline std::optional<std::int64_t> unsubscribe_group_of(std::string_view stream) {
  if (!stream.starts_with(UnsubscribeGroup::kStreamPrefix)) return std::nullopt;
  const auto id = base::parse_u64(stream.substr(UnsubscribeGroup::kStreamPrefix.size()));
  if (!id || *id == 0 || *id > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*id);
}

}  // namespace ekiden::account
