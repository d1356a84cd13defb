#include "ekiden/net/native_address.hpp"

#include <netinet/in.h>

#include <boost/asio/ip/address.hpp>
#include <cstring>

namespace ekiden::net {
namespace ip = boost::asio::ip;

NativeAddress native_of(const Endpoint& endpoint) {
  NativeAddress native;
  if (endpoint.address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    v4.sin_addr.s_addr = htonl(endpoint.address.to_v4().to_uint());
    std::memcpy(&native.storage, &v4, sizeof v4);
    native.size = sizeof v4;
  } else {
    const ip::address_v6 address = endpoint.address.to_v6();
    const auto octets = address.to_bytes();
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    v6.sin6_scope_id = static_cast<std::uint32_t>(address.scope_id());
    std::memcpy(&v6.sin6_addr, octets.data(), octets.size());
    std::memcpy(&native.storage, &v6, sizeof v6);
    native.size = sizeof v6;
  }
  return native;
}

Endpoint endpoint_of(const NativeAddress& native) {
  if (native.storage.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &native.storage, sizeof v4);
    return {ip::address_v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port)};
  }
  if (native.storage.ss_family != AF_INET6) return {};
  sockaddr_in6 v6;
  std::memcpy(&v6, &native.storage, sizeof v6);
  ip::address_v6::bytes_type octets;
  std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
  const ip::address_v6 address(octets, v6.sin6_scope_id);
  if (address.is_v4_mapped()) {
    return {ip::make_address_v4(ip::v4_mapped, address), ntohs(v6.sin6_port)};
  }
  return {address, ntohs(v6.sin6_port)};
}

Endpoint local_endpoint_of(int descriptor) {
  NativeAddress native;
  if (::getsockname(descriptor, native.data(), &native.size) != 0) return {};
  return endpoint_of(native);
}

}  // namespace ekiden::net
