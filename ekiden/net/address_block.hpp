#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ekiden/net/endpoint.hpp"

namespace ekiden::net {

/// "192.0.2.0/24", "2001:db8::/32" or a lone address. An IPv4-mapped IPv6 address counts as the
/// IPv4 address in it.
struct AddressBlock {
  Address address;  ///< host bits zero
  unsigned prefix = 0;

  bool contains(const Address& candidate) const;
  std::string text() const;
};

/// Nothing when the text is no block, or has host bits set.
std::optional<AddressBlock> parse_address_block(std::string_view text);

/// Where an address lies, for open-relay and SSRF checks (RFC 6890 and its registries).
enum class Scope { Loopback, Private, LinkLocal, Reserved, Public };
Scope scope_of(const Address& address);

}  // namespace ekiden::net
