#include "ekiden/delivery/route.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/checksum.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

constexpr std::uint16_t kSmtpPort = 25;
constexpr std::uint16_t kSubmissionsPort = 465;

std::optional<Target> parse_host(std::string_view text, std::string& why) {
  const auto refuse = [&](std::string_view reason) {
    why.assign("\"").append(text).append("\": ").append(reason);
    return std::nullopt;
  };
  Target target;
  target.port = kSmtpPort;
  std::string_view host = text;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return refuse("the bracket is not closed");
    host = text.substr(1, end - 1);
    if (base::starts_with_ignoring_case(host, "IPv6:")) host.remove_prefix(5);
    port = text.substr(end + 1);
    if (!port.empty() && port.front() != ':') return refuse("only a port may follow the bracket");
  } else {
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos) {
      return refuse("an IPv6 address is written in brackets");
    }
    host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (!port.empty()) {
    const auto number = base::parse_u64(port.substr(1));
    if (!number || *number == 0 || *number > 65535) return refuse("no such port");
    target.port = static_cast<std::uint16_t>(*number);
  }
  boost::system::error_code error;
  const net::Address address = boost::asio::ip::make_address(std::string(host), error);
  if (!error) {
    target.host = address.to_string();
  } else {
    const auto name = smtp::canonical_domain(host);
    if (host.empty() || !name) return refuse("neither a host name nor an address");
    target.host = *name;
  }
  target.has_implicit_tls = target.port == kSubmissionsPort;
  return target;
}

std::string route_name(const RouteOptions& options) {
  std::string name;
  for (const std::string& hop : options.next_hop) name.append(name.empty() ? "" : ",").append(hop);
  return name.empty() ? "mx" : name;
}

std::optional<Route> make_route(RouteOptions options, std::size_t index, std::string& why) {
  Route route;
  const auto next_hop = parse_next_hop(options.next_hop, why);
  if (!next_hop) return std::nullopt;
  if (next_hop->kind != NextHop::Kind::Hosts && !options.username.empty()) {
    why = "a username needs a next hop to log in to";
    return std::nullopt;
  }
  route.name = route_name(options);
  route.next_hop = *next_hop;
  for (Target& target : route.next_hop.hosts) {
    if (options.tls == TlsPolicy::Off) target.has_implicit_tls = false;
  }
  route.options = std::move(options);
  route.index = index;
  return route;
}

}  // namespace

std::string_view tls_policy_name(TlsPolicy policy) {
  switch (policy) {
    case TlsPolicy::Off:
      return "off";
    case TlsPolicy::Opportunistic:
      return "opportunistic";
    case TlsPolicy::Required:
      return "required";
    case TlsPolicy::Verified:
      return "verified";
    case TlsPolicy::Dane:
      return "dane";
  }
  return "";
}

std::optional<NextHop> parse_next_hop(std::span<const std::string> texts, std::string& why) {
  NextHop next_hop;
  if (texts.size() <= 1) {
    const std::string_view text = texts.empty() ? std::string_view("mx") : texts.front();
    if (text == "mx") return next_hop;
    if (text == "hold" || text == "discard") {
      next_hop.kind = text == "hold" ? NextHop::Kind::Hold : NextHop::Kind::Discard;
      return next_hop;
    }
  }
  next_hop.kind = NextHop::Kind::Hosts;
  for (const std::string& text : texts) {
    if (text == "mx" || text == "hold" || text == "discard") {
      why = "\"" + text + "\" stands alone, not in a list of hosts";
      return std::nullopt;
    }
    auto target = parse_host(text, why);
    if (!target) return std::nullopt;
    target->preference = static_cast<std::uint16_t>(next_hop.hosts.size());
    next_hop.hosts.push_back(std::move(*target));
  }
  return next_hop;
}

std::optional<RouteTable> RouteTable::make(std::vector<RouteOptions> routes, RouteOptions fallback,
                                           std::string& why) {
  RouteTable table;
  table.any_ = routes.size();
  for (std::size_t i = 0; i < routes.size(); ++i) {
    auto route = make_route(std::move(routes[i]), i, why);
    if (!route) return std::nullopt;
    for (const std::string& pattern : route->options.domains) {
      if (pattern == "*") {
        table.any_ = std::min(table.any_, i);
        continue;
      }
      const bool is_below = pattern.starts_with("*.");
      const auto domain =
          smtp::canonical_domain(std::string_view(pattern).substr(is_below ? 2 : 0));
      if (!domain || domain->find('*') != std::string::npos) {
        why = "\"" + pattern + "\" is no domain, \"*.domain\" or \"*\"";
        return std::nullopt;
      }
      (is_below ? table.below_ : table.exact_).emplace(*domain, i);
    }
    table.routes_.push_back(std::move(*route));
  }
  auto last = make_route(std::move(fallback), table.routes_.size(), why);
  if (!last) return std::nullopt;
  table.routes_.push_back(std::move(*last));
  return table;
}

const Route& RouteTable::find(std::string_view domain) const {
  std::size_t best = any_;
  if (const auto found = exact_.find(domain); found != exact_.end()) {
    best = std::min(best, found->second);
  }
  for (std::size_t dot = domain.find('.'); dot != std::string_view::npos && !below_.empty();
       dot = domain.find('.', dot + 1)) {
    if (const auto found = below_.find(domain.substr(dot + 1)); found != below_.end()) {
      best = std::min(best, found->second);
    }
  }
  return routes_[best];
}

std::string site_prefix(const Route& route) {
  std::string site = route.next_hop.kind == NextHop::Kind::Mx ? "mx" : route.name;
  site.append(" ").append(tls_policy_name(route.options.tls));
  // Routes that log in differently, or speak differently, never share a connection.
  if (!route.options.username.empty()) {
    site.append(" as ").append(route.options.username);
    site.append("#").append(std::to_string(base::hash64(route.options.password) & 0xffff'ffffU));
  }
  if (route.options.prefers_bdat) site += " bdat";
  if (route.options.may_use_private) site += " private";
  // Limits are no part of it: a reload that changes one must not open a second set of connections
  // beside the first.
  return site;
}

Plan plan_for_hosts(const Route& route) {
  Plan plan;
  plan.site = site_prefix(route);
  plan.route = route.name;
  plan.targets = route.next_hop.hosts;
  plan.tls = route.options.tls;
  plan.username = route.options.username;
  plan.password = route.options.password;
  plan.may_use_private = true;
  plan.prefers_bdat = route.options.prefers_bdat;
  plan.recipients_per_transaction_max = route.options.recipients_per_transaction_max;
  plan.messages_per_connection_max = route.options.messages_per_connection_max;
  return plan;
}

std::optional<Plan> plan_for_next_hop(const std::string& next_hop, const Route& fallback) {
  std::string why;
  Route route;
  std::vector<std::string> hosts;
  for (std::size_t begin = 0; begin <= next_hop.size();) {
    const std::size_t end = std::min(next_hop.find(',', begin), next_hop.size());
    hosts.push_back(next_hop.substr(begin, end - begin));
    begin = end + 1;
  }
  const auto parsed = parse_next_hop(hosts, why);
  if (!parsed || parsed->kind != NextHop::Kind::Hosts) return std::nullopt;
  route.name = next_hop;
  route.next_hop = *parsed;
  route.options = fallback.options;
  // Credentials belong to the route that named them, not to wherever a message is sent.
  route.options.username.clear();
  route.options.password.clear();
  route.index = fallback.index;
  return plan_for_hosts(route);
}

}  // namespace ekiden::delivery
