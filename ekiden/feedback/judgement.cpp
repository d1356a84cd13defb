#include "ekiden/feedback/judgement.hpp"

#include "ekiden/smtp/address.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::feedback {
namespace {

using account::SuppressionReason;
using Kind = Judgement::Kind;

shaping::Classification classified(const events::Event& event, const shaping::Providers& providers,
                                   smtp::EnhancedCode& enhanced) {
  shaping::ReplyFacts facts;
  if (const auto phase = shaping::parse_phase(event.phase)) facts.phase = *phase;
  facts.code = event.reply_code;
  facts.text = event.reply;
  facts = shaping::normalized(facts);
  enhanced = facts.enhanced;
  return providers.classify(facts, event.remote_host, smtp::domain_of(event.recipient));
}

Judgement of_bounce(const events::Event& event, const shaping::Providers& providers) {
  // Without a host the reply is ours: no such domain, an operator's `queue bounce`. A mail without
  // a sender is a report, and reports go where the sender of another mail said.
  if (event.remote_host.empty() || event.reply_code < 500 || event.sender.empty()) return {};
  smtp::EnhancedCode enhanced;
  const shaping::Classification made = classified(event, providers, enhanced);
  if (made.fault != shaping::Fault::Recipient) return {};
  if (enhanced.klass == 5 && enhanced.subject == 7) return {};
  if (made.is_hard) return {Kind::Suppress, SuppressionReason::Bounce, {}};
  return {Kind::SoftFailure, SuppressionReason::Soft, {}};
}

/// What never arrived in all its time, if the last host that was asked blames the address.
Judgement of_expiry(const events::Event& event, const shaping::Providers& providers) {
  if (event.remote_host.empty() || event.reply_code < 400 || event.sender.empty()) return {};
  smtp::EnhancedCode enhanced;
  const shaping::Classification made = classified(event, providers, enhanced);
  if (made.fault != shaping::Fault::Recipient) return {};
  return {Kind::SoftFailure, SuppressionReason::Soft, {}};
}

}  // namespace

Judgement judge(const events::Event& event, const shaping::Providers& providers) {
  switch (event.kind) {
    case events::Kind::Bounced:
      return of_bounce(event, providers);
    case events::Kind::Expired:
      return of_expiry(event, providers);
    case events::Kind::Delivered:
      return {Kind::Delivered, {}, {}};
    case events::Kind::Complained:
      return {Kind::Suppress, SuppressionReason::Complaint, std::string(account::kBulkStreams)};
    case events::Kind::Unsubscribed:
      // Without a stream there is nothing to leave.
      if (event.stream.empty()) return {};
      return {Kind::Suppress, SuppressionReason::Unsubscribe, event.stream};
    default:
      return {};
  }
}

bool may_count(events::Kind kind, bool counts_successes) {
  switch (kind) {
    case events::Kind::Bounced:
    case events::Kind::Expired:
    case events::Kind::Complained:
    case events::Kind::Unsubscribed:
      return true;
    case events::Kind::Delivered:
      return counts_successes;
    default:
      return false;
  }
}

}  // namespace ekiden::feedback
