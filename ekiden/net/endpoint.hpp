#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ekiden::net {

using Address = boost::asio::ip::address;

struct Endpoint {
  Address address;
  std::uint16_t port = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend bool operator<(const Endpoint& a, const Endpoint& b) {
    return a.address != b.address ? a.address < b.address : a.port < b.port;
  }
};

/// "192.0.2.1", "2001:db8::1", and nothing behind it: no zone, and no NUL, at which the system's
/// own parser stops reading. Nothing when it is no address.
std::optional<Address> parse_address(std::string_view text);

/// "192.0.2.1:25", "[2001:db8::1]:25".
std::string format_endpoint(const Endpoint& endpoint);
/// Numbers only; a port is required. Nothing when it is not one.
std::optional<Endpoint> parse_endpoint(std::string_view text);

}  // namespace ekiden::net
