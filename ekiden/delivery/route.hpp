#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ekiden/delivery/job.hpp"

namespace ekiden::delivery {

/// Where a route leads.
struct NextHop {
  enum class Kind : std::uint8_t {
    Mx,       ///< ask the DNS
    Hosts,    ///< these, in this order
    Hold,     ///< keep until an operator says otherwise
    Discard,  ///< throw away, counted as cancelled
  };
  Kind kind = Kind::Mx;
  std::vector<Target> hosts;
};

/// "mx", "hold", "discard", or hosts in the order to be tried: "host:port", "[v6]:port",
/// "192.0.2.1:port". Without a port: 25. Port 465 speaks TLS from its first octet (RFC 8314 §3.3).
/// Nothing when one cannot be read; `why` then says which and why.
std::optional<NextHop> parse_next_hop(std::span<const std::string> texts, std::string& why);

/// One [[route]] of the configuration.
struct RouteOptions {
  std::vector<std::string> domains;  ///< "example.org", "*.example.org" (without itself), "*"
  std::vector<std::string> next_hop;
  std::string username, password;
  TlsPolicy tls = TlsPolicy::Opportunistic;
  bool prefers_bdat = false;
  bool may_use_private = false;  ///< MX hosts in private space; named hosts always may
  std::uint32_t recipients_per_transaction_max = 100;
  std::uint32_t messages_per_connection_max = 1000;
  std::string provider;  ///< whose limits hold; empty: of the MX host, and none for named hosts
};

/// One route, ready for use.
struct Route {
  std::string name;  ///< for events: "mx", "hold", "smarthost.example:587", …
  NextHop next_hop;
  RouteOptions options;
  std::size_t index = 0;  ///< of the [[route]] in the configuration; the default route comes last
};

/// Finds the route of a domain: the first [[route]] that names it wins, MX without any.
///
/// Sharing: immutable, any thread.
class RouteTable {
 public:
  /// `fallback` is the route of every domain that none matches. Nothing when an option cannot be
  /// read; `why` then says which.
  static std::optional<RouteTable> make(std::vector<RouteOptions> routes, RouteOptions fallback,
                                        std::string& why);

  /// `domain` in canonical form (smtp::canonical_domain).
  const Route& find(std::string_view domain) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Index = std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>>;

  std::vector<Route> routes_;
  Index exact_, below_;  // pattern -> the first route that has it
  std::size_t any_ = 0;
};

/// The plan of a route to named hosts (Kind::Hosts): complete, but for the source's fields.
Plan plan_for_hosts(const Route& route);

/// The same for the next hop that a recipient brings along (`queue reroute`, our own domains):
/// hosts with commas between them, in the order to be tried. Nothing when it cannot be read.
std::optional<Plan> plan_for_next_hop(const std::string& next_hop, const Route& fallback);

/// What plans of one site have in common besides their hosts: "smarthost.example:587 verified".
std::string site_prefix(const Route& route);

std::string_view tls_policy_name(TlsPolicy policy);

}  // namespace ekiden::delivery
