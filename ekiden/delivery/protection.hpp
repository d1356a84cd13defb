#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ekiden/base/task.hpp"
#include "ekiden/delivery/job.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/stream.hpp"
#include "ekiden/policy/mta_sts_policy.hpp"
#include "ekiden/policy/tls_report.hpp"
#include "ekiden/tls/dane.hpp"

namespace ekiden::delivery {

/// What one host's connections are held to (docs/TRANSPORT.md).
struct Protection {
  TlsPolicy tls = TlsPolicy::Opportunistic;
  std::shared_ptr<const tls::Dane> dane;  ///< its records decide; `tls` is Required then
  /// Who asked for more than the route does: "dane", "mta-sts"; empty: nobody.
  std::string asked_by;
  /// For the verification in events: what a policy that only watches would have said.
  std::string remark;
  /// The host must not be used now; ours, 4.7.x.
  std::optional<smtp::Reply> refusal;
  /// What reports call the fault of the host's records (RFC 8460 §4.3).
  std::optional<policy::TlsResult> fault;
};

/// The protection of a host before the DNS is asked about DANE: the route's wish and MTA-STS. Pure.
Protection protection_of(const Plan& plan, const Target& target);

/// RFC 7672: asks for TLSA records where the host was found securely. Where they are usable they
/// decide; RFC 8461 §2: MTA-STS then neither helps nor harms. RFC 7672 §6: a route may insist on
/// them, also of hosts that it names; `uses_dane` is true then.
base::Task<Protection> find_protection(dns::Resolver& resolver, bool uses_dane, const Plan& plan,
                                       const Target& target);

/// The plan for mail whose senders ask so much of TLS: with a site, and so with connections, of its
/// own.
std::shared_ptr<const Plan> with_demand(std::shared_ptr<const Plan> plan,
                                        message::TlsDemand demand);
message::TlsDemand demand_of_key(std::string_view key);

/// RFC 8689 §2: DNSSEC or the domain's MTA-STS policy vouches for the host's name, or the operator
/// named it.
bool is_name_proven(const Plan& plan, const Target& target);

/// What a failure to begin TLS means to mail with REQUIRETLS: its sender is told (RFC 8689 §4.2.1).
/// `lasts`: nothing that the network alone explains.
smtp::Reply unmet(smtp::Reply reply, const Plan& plan, bool lasts);

/// Writes a domain's policy into its plan: which hosts it names, and into the site, because
/// domains with one set of hosts and different policies share no connection.
void apply_mta_sts(const policy::MtaStsPolicy& policy, Plan& plan);

/// Whether one of the plan's secure hosts has a record of usage 2 (RFC 7672 §3.2.2).
base::Task<bool> may_bear_domain(dns::Resolver& resolver, const Plan& plan, std::string domain);

/// A failure of ours while TLS began, with who asked for it.
smtp::Reply explained(smtp::Reply reply, const Protection& protection, const Target& target);

/// "verified (dane-ee)", "unverified: self-signed certificate": for events and logs.
std::string describe_verification(const net::TlsInfo& tls, const Protection& protection);

}  // namespace ekiden::delivery
