#pragma once

#include <sys/socket.h>

#include "ekiden/net/endpoint.hpp"

namespace ekiden::net {

/// An endpoint in the kernel's form, and back.
struct NativeAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* data() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

NativeAddress native_of(const Endpoint& endpoint);
/// An IPv4-mapped IPv6 address becomes the IPv4 address in it.
Endpoint endpoint_of(const NativeAddress& native);
/// The unspecified endpoint where the socket has none.
Endpoint local_endpoint_of(int descriptor);

}  // namespace ekiden::net
