#include "ekiden/webhook/address_guard.hpp"

#include <algorithm>
#include <optional>

namespace ekiden::webhook {
namespace {

/// The IPv4 address that an IPv6 address hands packets on to.
std::optional<net::Address> inner_of(const net::Address& address) {
  if (!address.is_v6()) return std::nullopt;
  static const net::AddressBlock kNat64 = *net::parse_address_block("64:ff9b::/96");  // RFC 6052
  static const net::AddressBlock k6to4 = *net::parse_address_block("2002::/16");      // RFC 3056
  const auto octets = address.to_v6().to_bytes();
  const auto at = [&](std::size_t i) {
    return net::Address(
        boost::asio::ip::address_v4({octets[i], octets[i + 1], octets[i + 2], octets[i + 3]}));
  };
  if (address.to_v6().is_v4_mapped() || kNat64.contains(address)) return at(12);
  if (k6to4.contains(address)) return at(2);
  return std::nullopt;
}

}  // namespace

bool AddressGuard::is_listed(const net::Address& address) const {
  return std::any_of(allowed_.begin(), allowed_.end(),
                     [&](const net::AddressBlock& block) { return block.contains(address); });
}

AddressGuard::Verdict AddressGuard::judge(const net::Address& address) const {
  if (const auto inner = inner_of(address)) {
    // Who lists a translator's block has a translator, and still means the Internet behind it.
    const bool is_good_inside = net::scope_of(*inner) == net::Scope::Public || is_listed(*inner);
    return is_listed(address) && is_good_inside ? Verdict::Allowed : Verdict::Refused;
  }
  if (is_listed(address)) return Verdict::Allowed;
  return net::scope_of(address) == net::Scope::Public ? Verdict::Public : Verdict::Refused;
}

}  // namespace ekiden::webhook
