#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ekiden/delivery/mx_plan.hpp"
#include "ekiden/delivery/route.hpp"
#include "ekiden/delivery/routing.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/policy/mta_sts_finder.hpp"
#include "ekiden/shaping/providers.hpp"

namespace ekiden::delivery {

/// Routes and what they need, made whole from the configuration and replaced whole by a reload.
struct RouteSet {
  RouteTable table;
  /// One for each route of the table, in its order.
  std::vector<queue::RetryPolicy> retry;
  MxOptions mx;
  std::string ehlo_name;
  std::string source_name = "default";
  std::shared_ptr<const shaping::Providers> providers;  ///< null: nobody's limits hold
};

/// The configured routes and the DNS, as one worker asks them.
///
/// Sharing: one per worker.
class RouteFinder final : public Routing {
 public:
  /// Without `policies` no MTA-STS policy is looked for. It outlives the finder.
  RouteFinder(std::shared_ptr<const RouteSet> routes, dns::Resolver& resolver,
              policy::MtaStsFinder* policies = nullptr);

  void replace(std::shared_ptr<const RouteSet> routes);

  std::shared_ptr<const Routed> route(std::string_view domain, std::string_view next_hop) override;
  base::Task<MxPlanned> plan_mx(std::string domain, std::size_t route) override;

 private:
  std::shared_ptr<const Plan> finished(Plan plan) const;
  static void apply_profile(const RouteSet& routes, const Route& route, std::string_view domain,
                            Plan& plan);
  base::Task<void> add_policies(std::string domain, bool uses_dane, MxFound& found);

  std::shared_ptr<const RouteSet> routes_;
  dns::Resolver& resolver_;
  policy::MtaStsFinder* policies_;
  std::vector<std::shared_ptr<const Routed>> routed_;  ///< by index of the route
  /// Next hops that recipients brought along; forgotten when there are too many.
  std::unordered_map<std::string, std::shared_ptr<const Routed>> by_next_hop_;
};

}  // namespace ekiden::delivery
