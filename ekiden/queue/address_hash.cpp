#include "ekiden/queue/address_hash.hpp"

#include "ekiden/base/checksum.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::queue {
namespace {

/// True when the address is its own key: no quotes, a lower-case host name, not postmaster.
bool is_its_own_key(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos || at + 1 == address.size() || address.back() == '.')
    return false;
  const std::string_view local = address.substr(0, at);
  if (local.starts_with('"') || base::equals_ignoring_case(local, "postmaster")) return false;
  for (const char c : address.substr(at + 1))
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
      return false;
  return true;
}

}  // namespace

std::string address_key(std::string_view address) {
  if (is_its_own_key(address)) return std::string(address);
  const auto parsed = smtp::parse_address(address);
  return parsed ? smtp::comparison_key(*parsed) : std::string(address);
}

std::uint64_t address_hash(std::string_view address) {
  if (is_its_own_key(address)) return base::hash64(address);
  return base::hash64(address_key(address));
}

}  // namespace ekiden::queue
