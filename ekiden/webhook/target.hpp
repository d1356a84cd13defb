#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/net/endpoint.hpp"

namespace ekiden::webhook {

inline constexpr std::size_t kUrlOctetsMax = 2048;

/// The URL of a webhook, taken apart. There is one reading of it: what other programs would read
/// otherwise is refused.
struct Target {
  bool is_secure = true;
  std::string host;  ///< canonical: lower case, A-labels; an address in its own form
  std::optional<net::Address> address;  ///< the host, when it is one
  std::uint16_t port = 443;
  std::string path = "/";     ///< with the query, without the fragment
  std::string authorization;  ///< of the URL's user and password: "Basic …"; or empty

  /// "https://hooks.example.jp:8443": what may be shown of it.
  std::string origin() const;
};

/// Nothing, with a sentence in `why`, for what is no URL of ours: other schemes than http and
/// https, hosts that are numbers in other forms than "192.0.2.1" and "[2001:db8::1]", ports below
/// 1024 besides 80 and 443, control characters, spaces, backslashes.
std::optional<Target> parse_target(std::string_view url, std::string& why);

}  // namespace ekiden::webhook
