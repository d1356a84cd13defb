#include "ekiden/delivery/route_finder.hpp"

#include <utility>

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

RouteFinder::RouteFinder(std::shared_ptr<const RouteSet> routes, dns::Resolver& resolver)
    : resolver_(resolver) {
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
    if (routed->kind == Routed::Kind::Direct) routed->plan = finished(plan_for_hosts(route));
    routed_.push_back(std::move(routed));
  }
}

std::shared_ptr<const Plan> RouteFinder::finished(Plan plan) const {
  plan.ehlo_name = routes_->ehlo_name;
  plan.source_name = routes_->source_name;
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

base::Task<MxPlanned> RouteFinder::plan_mx(std::string domain, std::size_t route) {
  // Held across the wait: a reload may replace the set.
  const std::shared_ptr<const RouteSet> routes = routes_;
  MxOptions options = routes->mx;
  MxFound found = co_await find_mx_plan(resolver_, routes->table.routes()[route],
                                        std::move(options), std::move(domain));
  MxPlanned planned;
  planned.failure = std::move(found.failure);
  planned.valid_for = found.valid_for;
  if (found.plan) planned.plan = finished(std::move(*found.plan));
  co_return planned;
}

}  // namespace ekiden::delivery
