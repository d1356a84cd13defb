#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/dns/resolver.hpp"

namespace ekiden::dns {

/// Of one answer; what comes after is ignored. Real answers hold a dozen.
inline constexpr std::size_t kRecordsMax = 1000;

/// rdata as on the wire, for scripted zones and test servers. Nothing when `text` is none.
std::optional<std::string> rdata_of_address(std::string_view text);
std::optional<std::string> rdata_of_name(std::string_view name);
std::optional<std::string> rdata_of_mx(std::uint16_t preference, std::string_view host);
/// Split into strings of 255 octets.
std::string rdata_of_text(std::string_view text);
std::string rdata_of_tlsa(const Tlsa& tlsa);
/// "3 1 1 HEX" as in zone files: spaces within the hex are fine. Nothing when it is none.
std::optional<Tlsa> parse_tlsa(std::string_view text);

/// "MX", "AAAA"; "TYPE257" for one without a name.
std::string type_name(Type type);
/// "ok", "no-data", "no-domain", "failed", "bogus".
std::string_view status_name(Status status);

}  // namespace ekiden::dns
