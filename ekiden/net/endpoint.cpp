#include "ekiden/net/endpoint.hpp"

#include <boost/asio/ip/address.hpp>

#include "ekiden/base/text.hpp"

namespace ekiden::net {

std::optional<Address> parse_address(std::string_view text) {
  if (text.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) {
    return std::nullopt;
  }
  boost::system::error_code error;
  const Address address = boost::asio::ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return address;
}

std::string format_endpoint(const Endpoint& endpoint) {
  std::string text;
  if (endpoint.address.is_v6()) {
    text = '[' + endpoint.address.to_string() + ']';
  } else {
    text = endpoint.address.to_string();
  }
  return text + ':' + std::to_string(endpoint.port);
}

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = base::parse_u64(text.substr(colon + 1));
  if (!port || *port > 65535) return std::nullopt;

  std::string_view host = text.substr(0, colon);
  const bool is_bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  // A zone ("fe80::1%eth0") is fine here; the system's parser stops at a NUL.
  if (host.find('\0') != std::string_view::npos) return std::nullopt;
  boost::system::error_code error;
  const Address address = boost::asio::ip::make_address(std::string(host), error);
  // Brackets and only brackets say IPv6: "::1:25" could be read in two ways.
  if (error || address.is_v6() != is_bracketed) return std::nullopt;
  return Endpoint{address, static_cast<std::uint16_t>(*port)};
}

}  // namespace ekiden::net
