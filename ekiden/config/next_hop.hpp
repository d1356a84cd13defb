#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/result.hpp"

namespace ekiden::config {

/// A host by name or by address, and where it listens.
struct HostPort {
  std::string host;        ///< lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;  ///< 0: none was written, `delivery.port` is meant

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

/// Where a route leads.
struct NextHop {
  enum class Kind : std::uint8_t {
    Mx,       ///< "mx": as the DNS says
    Hosts,    ///< the named hosts, tried in order
    Hold,     ///< "hold": queued until an operator releases or reroutes it
    Discard,  ///< "discard": cancelled at once, with its event
  };
  Kind kind = Kind::Mx;
  std::vector<HostPort> hosts;  ///< for Kind::Hosts; at most kHostsMax
  static constexpr std::size_t kHostsMax = 32;

  friend bool operator==(const NextHop&, const NextHop&) = default;
};

/// "host", "host:port", "192.0.2.1:25", "[2001:db8::1]:25". Nothing when it is none of them.
std::optional<HostPort> parse_host_port(std::string_view text);
std::string format_host_port(const HostPort& host);

/// Letters, digits and inner hyphens, labels of 1 to 63 octets, 253 in all (RFC 1123 §2.1), with
/// underscores and UTF-8 let through because both exist.
bool is_host_name(std::string_view text);

}  // namespace ekiden::config
