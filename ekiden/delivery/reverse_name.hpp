#pragma once

#include <string>
#include <vector>

#include "ekiden/dns/resolver.hpp"

namespace ekiden::delivery {

/// What the DNS says of an address that mail leaves from: whether its PTR record names the EHLO
/// name, and that name has the address (forward-confirmed reverse DNS, RFC 1912 §2.1).
struct ReverseName {
  enum class Verdict : std::uint8_t {
    Confirmed,
    NoPtr,       ///< the address has no PTR record
    OtherName,   ///< it names something else
    NotForward,  ///< it names the EHLO name, which has other addresses
    Unknown,     ///< the DNS did not say
  };
  Verdict verdict = Verdict::Unknown;
  std::vector<std::string> names;       ///< of the PTR record
  std::vector<net::Address> addresses;  ///< of the EHLO name, in the address's family
  base::Duration valid_for{};           ///< by the records' TTL; zero when unknown
  std::string why;                      ///< in words, of Unknown

  /// "the PTR record of 2001:db8::1 names other.example, not mail1.example.jp".
  std::string text(const net::Address& address, const std::string& hostname) const;
};

/// Names of one PTR record that are looked at.
inline constexpr std::size_t kPtrNamesMax = 20;

base::Task<ReverseName> find_reverse_name(dns::Resolver& resolver, net::Address address,
                                          std::string hostname);

}  // namespace ekiden::delivery
