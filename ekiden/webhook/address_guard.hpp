#pragma once

#include <string>
#include <vector>

#include "ekiden/net/address_block.hpp"

namespace ekiden::webhook {

/// Which addresses a tenant's URL may lead to: it must be no way into our own networks (SSRF).
///
/// An address is looked at when a connection is made, and the connection goes to that address: what
/// the name means a moment later does not matter.
class AddressGuard {
 public:
  AddressGuard() = default;
  /// `allowed`: webhooks.allow_networks.
  explicit AddressGuard(std::vector<net::AddressBlock> allowed) : allowed_(std::move(allowed)) {}

  enum class Verdict {
    Public,   ///< anybody's
    Allowed,  ///< not public, but the operator has listed it; http is good enough there
    Refused,
  };
  Verdict judge(const net::Address& address) const;

 private:
  bool is_listed(const net::Address& address) const;
  std::vector<net::AddressBlock> allowed_;
};

}  // namespace ekiden::webhook
