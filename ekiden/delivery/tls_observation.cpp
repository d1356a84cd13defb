#include "ekiden/delivery/tls_observation.hpp"

namespace ekiden::delivery {

using policy::TlsFailure;
using policy::TlsPolicyKind;
using policy::TlsResult;
using policy::TlsSession;

bool is_reported(const Plan& plan, const Target& target) {
  return target.is_from_mx && plan.tls != TlsPolicy::Off &&
         plan.tls_demand == message::TlsDemand::Usual;
}

TlsSession session_under(const Plan& plan, const Target& target, const Protection& protection) {
  TlsSession session;
  if (protection.dane || protection.asked_by == "dane") {
    session.policy = TlsPolicyKind::Tlsa;
    session.mx_hosts.push_back(target.host);
    if (protection.dane) {
      for (const dns::Tlsa& tlsa : protection.dane->records)
        session.policy_strings.push_back(policy::format_tlsa(tlsa));
    }
  } else if (plan.mta_sts != policy::MtaStsMode::None) {
    session.policy = TlsPolicyKind::Sts;
  }
  return session;
}

TlsSession refused_session(const Plan& plan, const Target& target, const Protection& protection) {
  TlsSession session = session_under(plan, target, protection);
  TlsFailure failure;
  failure.receiving_host = target.host;
  if (protection.fault) failure.result = *protection.fault;
  if (protection.refusal && !protection.refusal->lines.empty())
    failure.reason = protection.refusal->lines.front();
  session.failure = std::move(failure);
  return session;
}

TlsSession seen_session(const Plan& plan, const Target& target, const Protection& protection,
                        const net::TlsInfo* tls, std::string_view words) {
  TlsSession session = session_under(plan, target, protection);
  TlsFailure failure;
  failure.receiving_host = target.host;
  failure.reason = words;
  if (tls == nullptr) {
    failure.result = words.empty() ? TlsResult::StarttlsNotSupported : policy::tls_result_of(words);
    session.failure = std::move(failure);
    return session;
  }
  if (session.policy == TlsPolicyKind::Tlsa && protection.fault) {
    // RFC 7672 §2.2: TLS had to be, and authenticated nobody.
    failure.result = *protection.fault;
    failure.reason = "no TLSA record is usable";
    session.failure = std::move(failure);
  }
  // A policy that is only tested asks for as much as one that is enforced.
  if (session.policy != TlsPolicyKind::Sts) return session;
  if (!target.is_mta_sts_named) {
    failure.reason = "the policy does not name this host";
    session.failure = std::move(failure);
  } else if (!tls->is_verified) {
    failure.result = policy::tls_result_of(tls->verify_error);
    failure.reason = tls->verify_error;
    session.failure = std::move(failure);
  }
  return session;
}

}  // namespace ekiden::delivery
