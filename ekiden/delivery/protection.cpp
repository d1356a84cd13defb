#include "ekiden/delivery/protection.hpp"

#include <algorithm>

#include "ekiden/delivery/local_reply.hpp"
#include "ekiden/policy/dane_finder.hpp"

namespace ekiden::delivery {
namespace {

using policy::MtaStsMode;

constexpr const char* kDane = "dane";
constexpr const char* kMtaSts = "mta-sts";

/// In words that a postmaster searches for.
std::string_view title_of(const std::string& asked_by) {
  return asked_by == kDane ? "DANE" : "MTA-STS";
}

TlsPolicy stronger(TlsPolicy a, TlsPolicy b) {
  return std::max(a, b);
}

}  // namespace

Protection protection_of(const Plan& plan, const Target& target) {
  Protection protection;
  protection.tls = plan.tls;
  // An operator who turned TLS off for a route has said what is to be done.
  if (plan.tls == TlsPolicy::Off || plan.mta_sts == MtaStsMode::None) return protection;
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
  // RFC 7672 §2.2.1: only a validated MX (or its validated absence) names a host securely.
  const bool may_ask =
      uses_dane && plan.tls != TlsPolicy::Off && target.is_from_mx && target.is_mx_secure;
  if (!may_ask) co_return protection;
  policy::DaneQuestion question{target.host, target.port, plan.dane_domain};
  const policy::DaneFound found = co_await policy::find_dane(resolver, std::move(question));
  switch (found.kind) {
    case policy::DaneFound::Kind::None:
      break;
    case policy::DaneFound::Kind::Usable:
      protection = {};
      protection.tls = TlsPolicy::Required;
      protection.dane = found.dane;
      protection.asked_by = kDane;
      break;
    case policy::DaneFound::Kind::Unusable:
      // RFC 7672 §2.2: TLS, whoever it is. A policy or a route that wants more gets it.
      if (protection.asked_by.empty()) protection.asked_by = kDane;
      protection.tls = stronger(protection.tls, TlsPolicy::Required);
      if (protection.remark.empty()) protection.remark = "dane: no usable record";
      break;
    case policy::DaneFound::Kind::Failed:
      protection = {};
      protection.tls = stronger(plan.tls, TlsPolicy::Required);
      protection.asked_by = kDane;
      protection.refusal = local_reply(451, {4, 7, 5}, target.host + ": DANE: " + found.reason);
      break;
  }
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
  } else if (protection.asked_by == kMtaSts) {
    text += " (mta-sts)";
  } else if (!protection.remark.empty()) {
    text += " (" + protection.remark + ")";
  }
  return text;
}

}  // namespace ekiden::delivery
