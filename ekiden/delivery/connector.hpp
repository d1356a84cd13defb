#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "ekiden/delivery/connection.hpp"

namespace ekiden::delivery {

/// Where a target's host is.
struct Addresses {
  std::vector<net::Endpoint> endpoints;  ///< in the order to be tried: families alternate, v6 first
  std::optional<smtp::Reply> failure;    ///< ours, when there are none
  bool is_ourselves = false;             ///< one of them is a listener of ours; there are none then
};

/// Looks the host up, drops addresses that the plan may not use.
base::Task<Addresses> find_addresses(ConnectionContext& context, const Plan& plan,
                                     const Target& target);

struct Connected {
  std::unique_ptr<net::Stream> stream;  ///< null: `error`
  net::Endpoint endpoint;
  Error error;
};

/// Connects to one endpoint, from the plan's source address of its family.
base::Task<Connected> connect_one(ConnectionContext& context, const Plan& plan,
                                  net::Endpoint endpoint);

/// Connects to the first that answers (RFC 8305 §5): each later one is tried beside the earlier
/// ones after `stagger`, at once when they have failed. Removes from `endpoints` the one that
/// answered and those that failed.
base::Task<Connected> connect_any(ConnectionContext& context, const Plan& plan,
                                  std::vector<net::Endpoint>& endpoints);

}  // namespace ekiden::delivery
