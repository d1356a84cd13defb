#include "ekiden/delivery/protection.hpp"

#include <algorithm>

#include "ekiden/delivery/local_reply.hpp"
#include "ekiden/policy/dane_finder.hpp"
#include "ekiden/queue/domain_key.hpp"

namespace ekiden::delivery {
namespace {

using policy::MtaStsMode;

constexpr const char* kDane = "dane";
constexpr const char* kMtaSts = "mta-sts";
constexpr const char* kRequireTls = "requiretls";

/// In words that a postmaster searches for.
std::string_view title_of(const std::string& asked_by) {
  if (asked_by == kRequireTls) return "REQUIRETLS";
  return asked_by == kDane ? "DANE" : "MTA-STS";
}

TlsPolicy stronger(TlsPolicy a, TlsPolicy b) {
  return std::max(a, b);
}

/// RFC 7672 §6: DANE is the only thing that counts, so a host without it is not used.
void refuse_without_dane(const Target& target, policy::TlsResult fault, const char* why,
                         Protection& protection) {
  protection = {};
  protection.tls = TlsPolicy::Required;
  protection.asked_by = kDane;
  protection.fault = fault;
  protection.refusal = local_reply(
      451, {4, 7, 5}, target.host + ": DANE: the route requires it, and " + std::string(why));
}

/// RFC 8689 §2, §4.2.1: the name is proven, the certificate verifies; the dialogue sees to the
/// rest.
void hold_to_requiretls(const Plan& plan, const Target& target, Protection& protection) {
  if (plan.tls == TlsPolicy::Off) {
    protection.refusal =
        local_reply(550, {5, 7, 10}, target.host + ": REQUIRETLS: the route does not use TLS");
  } else if (!protection.refusal && !is_name_proven(plan, target)) {
    protection.refusal =
        plan.is_mta_sts_pending
            ? local_reply(451, {4, 7, 5},
                          target.host + ": REQUIRETLS: the domain's policy is being fetched")
            : local_reply(550, {5, 7, 30},
                          target.host + ": REQUIRETLS: neither DNSSEC nor MTA-STS vouches for it");
  }
  if (protection.refusal || protection.dane) return;
  protection.tls = TlsPolicy::Verified;
  if (protection.asked_by != kMtaSts) protection.asked_by = kRequireTls;
}

}  // namespace

bool is_name_proven(const Plan& plan, const Target& target) {
  if (!target.is_from_mx || target.is_mx_secure) return true;
  // RFC 8689 §4.2.1: without an MX record the certificate bears the domain's own name, which no
  // answer of the DNS has chosen.
  if (target.is_domain_itself) return true;
  return plan.mta_sts != MtaStsMode::None && target.is_mta_sts_named;
}

message::TlsDemand demand_of_key(std::string_view key) {
  const std::string_view tls = queue::tls_of_key(key);
  if (tls == queue::kTlsRequired) return message::TlsDemand::Required;
  if (tls == queue::kTlsOptional) return message::TlsDemand::Optional;
  return message::TlsDemand::Usual;
}

std::shared_ptr<const Plan> with_demand(std::shared_ptr<const Plan> plan,
                                        message::TlsDemand demand) {
  if (demand == message::TlsDemand::Usual) return plan;
  auto held = std::make_shared<Plan>(*plan);
  held->tls_demand = demand;
  held->site += demand == message::TlsDemand::Required ? " requiretls" : " tls-optional";
  // A host that one domain's MX names may be another domain itself.
  for (const Target& target : held->targets)
    if (demand == message::TlsDemand::Required && target.is_domain_itself) held->site += " itself";
  return held;
}

smtp::Reply unmet(smtp::Reply reply, const Plan& plan, bool lasts) {
  if (plan.tls_demand != message::TlsDemand::Required || !lasts) return reply;
  // RFC 8689 §4.2.1: no protected session to be had.
  reply.code = 550;
  reply.enhanced = {5, 7, 10};
  return reply;
}

Protection protection_of(const Plan& plan, const Target& target) {
  Protection protection;
  protection.tls = plan.tls;
  // An operator who turned TLS off for a route has said what is to be done.
  if (plan.tls == TlsPolicy::Off) return protection;
  // MTA-STS neither rescues nor refuses where the route insists on DANE.
  if (plan.tls == TlsPolicy::Dane) return protection;
  // RFC 8689 §4.2.2: the one place where a sender's "TLS-Required: No" sets what recipient domains
  // publish aside. What the route wants is the operator's wish, and stays.
  if (plan.tls_demand == message::TlsDemand::Optional) {
    protection.remark = "tls-required: no";
    return protection;
  }
  if (plan.mta_sts == MtaStsMode::None) return protection;
  if (plan.mta_sts == MtaStsMode::Testing) {
    if (!target.is_mta_sts_named) {
      protection.remark = "mta-sts testing: the policy does not name the host";
    } else {
      protection.remark = "mta-sts testing";
    }
    return protection;
  }
  protection.asked_by = kMtaSts;
  protection.tls = TlsPolicy::Verified;
  if (!target.is_mta_sts_named) {
    // RFC 8461 §4.1, §5: such a host is passed over; RFC 3463 §3.8: X.7.1 is a policy's refusal.
    protection.refusal = local_reply(
        451, {4, 7, 1},
        target.host + ": MTA-STS: the recipient domain's policy does not name this host");
  }
  return protection;
}

base::Task<Protection> find_protection(dns::Resolver& resolver, bool uses_dane, const Plan& plan,
                                       const Target& target) {
  Protection protection = protection_of(plan, target);
  const bool is_mandatory = plan.tls == TlsPolicy::Dane;
  // RFC 7672 §2.2.1: only a validated MX (or its validated absence) names a host securely.
  const bool is_found_securely = target.is_from_mx && target.is_mx_secure;
  const bool is_wanted =
      uses_dane && plan.tls != TlsPolicy::Off && plan.tls_demand != message::TlsDemand::Optional;
  const bool may_ask =
      is_mandatory ? is_found_securely || !target.is_from_mx : is_wanted && is_found_securely;
  const bool is_required = plan.tls_demand == message::TlsDemand::Required;
  if (!may_ask) {
    if (is_mandatory)
      refuse_without_dane(target, policy::TlsResult::DaneRequired,
                          "DNSSEC does not vouch for the domain's MX", protection);
    if (is_required) hold_to_requiretls(plan, target, protection);
    co_return protection;
  }
  policy::DaneQuestion question{target.host, target.port, plan.dane_domain};
  const policy::DaneFound found = co_await policy::find_dane(resolver, std::move(question));
  switch (found.kind) {
    case policy::DaneFound::Kind::None:
      if (is_mandatory)
        refuse_without_dane(target, policy::TlsResult::DaneRequired,
                            "the host has no TLSA record that DNSSEC vouches for", protection);
      break;
    case policy::DaneFound::Kind::Usable:
      protection = {};
      protection.tls = TlsPolicy::Required;
      protection.dane = found.dane;
      protection.asked_by = kDane;
      break;
    case policy::DaneFound::Kind::Unusable:
      if (is_mandatory) {
        refuse_without_dane(target, policy::TlsResult::TlsaInvalid,
                            "none of the host's TLSA records is usable", protection);
        break;
      }
      protection.fault = policy::TlsResult::TlsaInvalid;
      // RFC 7672 §2.2: TLS, whoever it is. A policy or a route that wants more gets it.
      if (protection.asked_by.empty()) protection.asked_by = kDane;
      protection.tls = stronger(protection.tls, TlsPolicy::Required);
      if (protection.remark.empty()) protection.remark = "dane: no usable record";
      break;
    case policy::DaneFound::Kind::Failed:
      protection = {};
      protection.tls = stronger(plan.tls, TlsPolicy::Required);
      protection.asked_by = kDane;
      protection.fault = policy::TlsResult::DnssecInvalid;
      protection.refusal = local_reply(451, {4, 7, 5}, target.host + ": DANE: " + found.reason);
      break;
  }
  if (is_required) hold_to_requiretls(plan, target, protection);
  co_return protection;
}

void apply_mta_sts(const policy::MtaStsPolicy& policy, Plan& plan) {
  if (policy.mode == MtaStsMode::None || plan.tls == TlsPolicy::Off) return;
  plan.mta_sts = policy.mode;
  plan.site += " mta-sts=" + std::string(policy::mta_sts_mode_name(policy.mode));
  for (Target& target : plan.targets) {
    target.is_mta_sts_named = policy::is_named(policy, target.host);
    if (!target.is_mta_sts_named) plan.site += " not " + target.host;
  }
}

base::Task<bool> may_bear_domain(dns::Resolver& resolver, const Plan& plan, std::string domain) {
  for (const Target& target : plan.targets) {
    if (!target.is_from_mx || !target.is_mx_secure) continue;
    policy::DaneQuestion question{target.host, target.port, domain};
    const policy::DaneFound found = co_await policy::find_dane(resolver, std::move(question));
    if (!found.dane) continue;
    const auto& records = found.dane->records;
    if (std::any_of(records.begin(), records.end(),
                    [](const dns::Tlsa& tlsa) { return tlsa.usage == 2; })) {
      co_return true;
    }
  }
  co_return false;
}

smtp::Reply explained(smtp::Reply reply, const Protection& protection, const Target& target) {
  if (protection.asked_by.empty() || reply.lines.empty()) return reply;
  std::string text = target.host + ": " + std::string(title_of(protection.asked_by)) + ": ";
  reply.lines.front().insert(0, text);
  return reply;
}

std::string describe_verification(const net::TlsInfo& tls, const Protection& protection) {
  std::string text = tls.is_verified ? "verified" : "unverified";
  if (!tls.is_verified && !tls.verify_error.empty()) text += ": " + tls.verify_error;
  if (protection.dane) {
    text += " (" + tls.verified_by + ")";
  } else if (protection.asked_by == kMtaSts || protection.asked_by == kRequireTls) {
    text += " (" + protection.asked_by + ")";
  } else if (!protection.remark.empty()) {
    text += " (" + protection.remark + ")";
  }
  return text;
}

}  // namespace ekiden::delivery
