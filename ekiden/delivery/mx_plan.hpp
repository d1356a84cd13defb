#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/time.hpp"
#include "ekiden/delivery/job.hpp"
#include "ekiden/delivery/route.hpp"
#include "ekiden/dns/resolver.hpp"

namespace ekiden::delivery {

struct MxOptions {
  std::string hostname;     ///< ours, canonical: an MX of that name is ourselves
  std::uint16_t port = 25;  ///< delivery.port
  bool uses_dane = false;   ///< delivery.dane
};

/// What the answer to an MX question means: targets, a failure, or a second question.
struct MxTargets {
  std::vector<Target> targets;  ///< by preference
  /// RFC 5321 §5.1: no MX, so the domain itself is the only target, if it has an address.
  bool is_implicit = false;
  bool is_secure = false;              ///< the answer was DNSSEC-validated
  std::optional<smtp::Reply> failure;  ///< ours; 5xx is permanent
};

/// Hosts of one domain that are tried at all; those of the worst preference are left out.
inline constexpr std::size_t kMxHostsMax = 20;

/// Reads the answer for `domain` (canonical, no literal). Pure.
///
/// Null MX (RFC 7505) and a domain that does not exist are permanent; a failing or bogus answer is
/// not. Hosts of the same preference as ourselves, or a worse one, are dropped (RFC 5321 §5.1).
MxTargets read_mx(std::string_view domain, const dns::Answer& answer, const MxOptions& options);

/// For an implicit MX: nothing when the domain has an address, else the failure. Pure.
std::optional<smtp::Reply> check_implicit_mx(std::string_view domain, const dns::Answer& a,
                                             const dns::Answer& aaaa);

/// For "[192.0.2.1]" and "[IPv6:2001:db8::1]".
MxTargets read_literal(std::string_view domain, const MxOptions& options);

/// The plan of `route` for these targets. Domains with the same hosts in the same order, the same
/// route and the same policies get the same site.
Plan plan_for_targets(const Route& route, const MxTargets& targets);

/// A plan, or why there is none.
struct MxFound {
  std::optional<Plan> plan;
  smtp::Reply failure;
  base::Duration valid_for{};
};

/// How long an answer is believed at least and at most: plans are not remade for every message,
/// nor kept for ever.
inline constexpr base::Duration kPlanAgeMin = std::chrono::seconds(30);
inline constexpr base::Duration kPlanAgeMax = std::chrono::hours(1);

/// Asks what there is to ask about `domain` (canonical or a literal) and plans.
base::Task<MxFound> find_mx_plan(dns::Resolver& resolver, const Route& route, MxOptions options,
                                 std::string domain);

}  // namespace ekiden::delivery
