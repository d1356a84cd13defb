#include "ekiden/delivery/odd_addresses.hpp"

#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

/// The local part of an address that has two forms; empty: it has one.
std::string_view odd_local(std::string_view address, shaping::OddLocalParts wish) {
  if (wish == shaping::OddLocalParts::Strict) return {};
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {};
  const std::string_view local = address.substr(0, at);
  return smtp::is_odd_local_part(local) ? local : std::string_view();
}

}  // namespace

std::string OddAddresses::form_of(std::string_view address, shaping::OddLocalParts wish) const {
  const std::string_view local = odd_local(address, wish);
  if (local.empty()) return std::string(address);
  const bool is_quoted = (wish == shaping::OddLocalParts::Quoted) != turned_.contains(address);
  std::string form = is_quoted ? smtp::quoted_local_part(local) : smtp::bare_local_part(local);
  return form.append(address.substr(local.size()));
}

bool OddAddresses::may_retry(std::string_view address, shaping::OddLocalParts wish,
                             const smtp::Reply& reply) {
  if (reply.code != 501 && reply.code != 553) return false;
  if (odd_local(address, wish).empty()) return false;
  const auto known = turned_.find(address);
  if (known != turned_.end()) {
    turned_.erase(known);
    return false;
  }
  if (turned_.size() >= kMax) turned_.clear();
  turned_.emplace(address);
  return true;
}

}  // namespace ekiden::delivery
