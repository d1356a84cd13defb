#include "ekiden/delivery/route_finder.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/delivery/protection.hpp"

namespace ekiden::delivery {
namespace {

constexpr std::size_t kNextHopsMax = 10'000;

Routed::Kind kind_of(NextHop::Kind kind) {
  switch (kind) {
    case NextHop::Kind::Mx:
      return Routed::Kind::Mx;
    case NextHop::Kind::Hosts:
      return Routed::Kind::Direct;
    case NextHop::Kind::Hold:
      return Routed::Kind::Hold;
    case NextHop::Kind::Discard:
      return Routed::Kind::Discard;
  }
  return Routed::Kind::Hold;
}

}  // namespace

RouteFinder::RouteFinder(std::shared_ptr<const RouteSet> routes, dns::Resolver& resolver,
                         policy::MtaStsFinder* policies)
    : resolver_(resolver), policies_(policies) {
  replace(std::move(routes));
}

void RouteFinder::replace(std::shared_ptr<const RouteSet> routes) {
  routes_ = std::move(routes);
  by_next_hop_.clear();
  routed_.clear();
  for (const Route& route : routes_->table.routes()) {
    auto routed = std::make_shared<Routed>();
    routed->kind = kind_of(route.next_hop.kind);
    routed->retry = routes_->retry[routed_.size()];
    routed->name = route.name;
    routed->index = routed_.size();
    if (routed->kind == Routed::Kind::Direct) {
      Plan plan = plan_for_hosts(route);
      apply_profile(*routes_, route, {}, plan);
      routed->plan = finished(std::move(plan));
    }
    routed_.push_back(std::move(routed));
  }
}

std::shared_ptr<const Plan> RouteFinder::finished(Plan plan) const {
  plan.ehlo_name = routes_->ehlo_name;
  plan.source_name = routes_->source_name;
  plan.hosts = names_of(plan.targets);
  return std::make_shared<const Plan>(std::move(plan));
}

std::shared_ptr<const Routed> RouteFinder::route(std::string_view domain,
                                                 std::string_view next_hop) {
  if (next_hop.empty()) return routed_[routes_->table.find(domain).index];
  // An operator sends it where the DNS says, whatever the routes do.
  if (next_hop == "mx") return routed_.back();
  std::string key(next_hop);
  const auto known = by_next_hop_.find(key);
  if (known != by_next_hop_.end()) return known->second;
  const Route& fallback = routes_->table.routes().back();
  auto routed = std::make_shared<Routed>(*routed_[fallback.index]);
  std::optional<Plan> plan = plan_for_next_hop(key, fallback);
  // What cannot be read is held, not lost: an operator reroutes it.
  routed->kind = plan ? Routed::Kind::Direct : Routed::Kind::Hold;
  routed->name = key;
  routed->plan = plan ? finished(std::move(*plan)) : nullptr;
  if (by_next_hop_.size() >= kNextHopsMax) by_next_hop_.clear();
  by_next_hop_.emplace(std::move(key), routed);
  return routed;
}

/// The limits and wishes of whoever takes this mail. Hosts that a route names are one's own or a
/// partner's: only a route's `provider` gives them limits.
void RouteFinder::apply_profile(const RouteSet& routes, const Route& route, std::string_view domain,
                                Plan& plan) {
  const std::shared_ptr<const shaping::Providers>& providers = routes.providers;
  if (providers == nullptr) return;
  const shaping::Profile* profile = nullptr;
  if (!route.options.provider.empty()) {
    profile = providers->find_by_name(route.options.provider);
    plan.site += " as " + route.options.provider;
  } else if (route.next_hop.kind == NextHop::Kind::Mx) {
    std::string_view host;
    if (!plan.targets.empty()) host = plan.targets.front().host;
    profile = &providers->find(host, domain);
    // Domains of one site may be of several providers, when their hosts tell nothing.
    if (profile != &providers->find(host, {})) plan.site += " by " + profile->name;
  }
  if (profile == nullptr) return;
  plan.profile = std::shared_ptr<const shaping::Profile>(providers, profile);
  const shaping::Limits& limits = profile->limits;
  plan.recipients_per_transaction_max =
      std::min(plan.recipients_per_transaction_max, limits.recipients_per_transaction);
  plan.messages_per_connection_max =
      std::min(plan.messages_per_connection_max, limits.messages_per_connection);
  plan.families = profile->families;
  if (plan.tls != TlsPolicy::Opportunistic) return;  // the route says otherwise
  switch (profile->tls) {
    case shaping::TlsWish::Opportunistic:
      break;
    case shaping::TlsWish::Required:
      plan.tls = TlsPolicy::Required;
      break;
    case shaping::TlsWish::Verified:
      plan.tls = TlsPolicy::Verified;
      break;
    case shaping::TlsWish::Off:
      plan.tls = TlsPolicy::Off;
      break;
  }
}

/// What the recipient domain itself wishes: domains that share their hosts may wish differently.
base::Task<void> RouteFinder::add_policies(std::string domain, bool uses_dane, MxFound& found) {
  Plan& plan = *found.plan;
  if (plan.tls == TlsPolicy::Off) co_return;
  if (policies_ != nullptr) {
    std::string name = domain;
    const policy::MtaStsFound sts = co_await policies_->find(std::move(name));
    if (sts.entry) apply_mta_sts(sts.entry->policy, plan);
    // What is still being fetched is looked at again soon.
    if (sts.is_pending) found.valid_for = std::min(found.valid_for, kPlanAgeMin);
    plan.is_mta_sts_pending = sts.is_pending;
  }
  if (uses_dane) {
    // RFC 7672 §3.2.2: below an authority's record the certificate may bear the domain's name. That
    // proves the host for this domain only, so its connections are shared with no other.
    const bool may_bear = co_await may_bear_domain(resolver_, plan, domain);
    if (may_bear) {
      plan.site += " for " + domain;
      plan.dane_domain = std::move(domain);
    }
  }
}

base::Task<MxPlanned> RouteFinder::plan_mx(std::string domain, std::size_t route) {
  // Held across the wait: a reload may replace the set.
  const std::shared_ptr<const RouteSet> routes = routes_;
  MxOptions options = routes->mx;
  const bool uses_dane = options.uses_dane;
  std::string name = domain;
  MxFound found = co_await find_mx_plan(resolver_, routes->table.routes()[route],
                                        std::move(options), std::move(name));
  if (found.plan) apply_profile(*routes, routes->table.routes()[route], domain, *found.plan);
  if (found.plan && !domain.starts_with('[')) {
    co_await add_policies(std::move(domain), uses_dane, found);
  }
  MxPlanned planned;
  planned.failure = std::move(found.failure);
  planned.valid_for = found.valid_for;
  if (found.plan) planned.plan = finished(std::move(*found.plan));
  co_return planned;
}

}  // namespace ekiden::delivery
