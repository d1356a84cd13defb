#include "ekiden/net/address_block.hpp"

#include <array>
#include <span>

#include "ekiden/base/text.hpp"

namespace ekiden::net {
namespace {

// Sixteen octets for every address: IPv4 in its mapped form (RFC 4291 §2.5.5.2), so that one
// comparison serves both.
using Octets = std::array<unsigned char, 16>;
constexpr unsigned kMappedBits = 96;

bool is_ipv4(const Address& address) {
  return address.is_v4() || address.to_v6().is_v4_mapped();
}

Octets octets_of(const Address& address) {
  if (address.is_v6()) return address.to_v6().to_bytes();
  Octets octets{};
  octets[10] = octets[11] = 0xff;
  const auto v4 = address.to_v4().to_bytes();
  std::copy(v4.begin(), v4.end(), octets.begin() + 12);
  return octets;
}

bool is_same_prefix(const Octets& a, const Octets& b, unsigned bits) {
  const unsigned whole = bits / 8;
  for (unsigned i = 0; i < whole; ++i) {
    if (a[i] != b[i]) return false;
  }
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool has_host_bits(const Octets& octets, unsigned bits) {
  for (unsigned i = bits; i < 128; ++i) {
    if ((octets[i / 8] & (0x80 >> (i % 8))) != 0) return true;
  }
  return false;
}

struct Special {
  AddressBlock block;
  Scope scope;
};

Special special(const char* text, Scope scope) {
  return {*parse_address_block(text), scope};
}

// RFC 6890 §2.2.2 and the IANA IPv4 special-purpose registry; the first match counts, so a
// narrower block stands before the one around it.
std::span<const Special> specials_v4() {
  static const std::array kSpecials = {
      special("127.0.0.0/8", Scope::Loopback),
      special("10.0.0.0/8", Scope::Private),
      special("172.16.0.0/12", Scope::Private),
      special("192.168.0.0/16", Scope::Private),
      special("100.64.0.0/10", Scope::Private),  // Shared by carriers, RFC 6598.
      special("169.254.0.0/16", Scope::LinkLocal),
      special("0.0.0.0/8", Scope::Reserved),
      special("192.0.0.9/32", Scope::Public),   // Anycast, RFC 7723.
      special("192.0.0.10/32", Scope::Public),  // Anycast, RFC 8155.
      special("192.0.0.0/24", Scope::Reserved),
      special("192.0.2.0/24", Scope::Reserved),     // Documentation, RFC 5737.
      special("198.51.100.0/24", Scope::Reserved),  // Documentation.
      special("203.0.113.0/24", Scope::Reserved),   // Documentation.
      special("192.88.99.0/24", Scope::Reserved),   // 6to4 relays, RFC 7526.
      special("198.18.0.0/15", Scope::Reserved),    // Benchmarks, RFC 2544.
      special("224.0.0.0/4", Scope::Reserved),      // Multicast.
      special("240.0.0.0/4", Scope::Reserved),      // With the broadcast address.
  };
  return kSpecials;
}

// RFC 6890 §2.2.3 and the IANA IPv6 special-purpose registry.
std::span<const Special> specials_v6() {
  static const std::array kSpecials = {
      special("::1/128", Scope::Loopback),
      special("fc00::/7", Scope::Private),
      special("fe80::/10", Scope::LinkLocal),
      special("fec0::/10", Scope::Private),  // Site-local, deprecated by RFC 3879, still seen.
      special("64:ff9b:1::/48", Scope::Reserved),
      special("100::/64", Scope::Reserved),
      special("2001:1::1/128", Scope::Public),
      special("2001:1::2/128", Scope::Public),
      special("2001:3::/32", Scope::Public),
      special("2001:4:112::/48", Scope::Public),
      special("2001:20::/28", Scope::Public),
      special("2001::/23", Scope::Reserved),  // With Teredo and benchmarks.
      special("2001:db8::/32", Scope::Reserved),
      special("3fff::/20", Scope::Reserved),  // Documentation, RFC 9637.
      special("2000::/3", Scope::Public),     // All of global unicast that is given out.
      special("::/0", Scope::Reserved),       // The unspecified address, multicast, the rest.
  };
  return kSpecials;
}

/// The IPv4 address that an IPv6 address stands for, where packets to it end up there.
std::optional<Address> embedded_ipv4(const boost::asio::ip::address_v6& address) {
  const auto octets = address.to_bytes();
  const auto at = [&](std::size_t i) {
    return Address(
        boost::asio::ip::address_v4({octets[i], octets[i + 1], octets[i + 2], octets[i + 3]}));
  };
  static const AddressBlock kNat64 = *parse_address_block("64:ff9b::/96");  // RFC 6052 §2.1.
  static const AddressBlock k6to4 = *parse_address_block("2002::/16");      // RFC 3056 §2.
  if (address.is_v4_mapped() || kNat64.contains(address)) return at(12);
  if (k6to4.contains(address)) return at(2);
  return std::nullopt;
}

}  // namespace

bool AddressBlock::contains(const Address& candidate) const {
  const bool is_v4 = is_ipv4(address);
  if (is_v4 != is_ipv4(candidate)) return false;
  const unsigned bits = address.is_v4() ? prefix + kMappedBits : prefix;
  return is_same_prefix(octets_of(address), octets_of(candidate), bits);
}

std::string AddressBlock::text() const {
  return address.to_string() + '/' + std::to_string(prefix);
}

std::optional<AddressBlock> parse_address_block(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<Address> parsed = parse_address(text.substr(0, slash));
  if (!parsed) return std::nullopt;
  Address address = *parsed;

  unsigned width = address.is_v4() ? 32 : 128;
  unsigned prefix = width;
  if (slash != std::string_view::npos) {
    const auto number = base::parse_u64(text.substr(slash + 1));
    if (!number || *number > width) return std::nullopt;
    prefix = static_cast<unsigned>(*number);
  }
  const unsigned bits = prefix + 128 - width;
  if (has_host_bits(octets_of(address), bits)) return std::nullopt;
  // A mapped block becomes the IPv4 block that it is, where all of it is mapped.
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    if (prefix < kMappedBits) return std::nullopt;
    address = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6());
    prefix -= kMappedBits;
  }
  return AddressBlock{address, prefix};
}

Scope scope_of(const Address& address) {
  if (address.is_v6()) {
    // A tunnel or a translator must not be the way around the check of what lies behind it.
    if (const auto inner = embedded_ipv4(address.to_v6())) return scope_of(*inner);
  }
  for (const Special& each : address.is_v4() ? specials_v4() : specials_v6()) {
    if (each.block.contains(address)) return each.scope;
  }
  return Scope::Public;
}

}  // namespace ekiden::net
