#include "ekiden/shaping/reason.hpp"

#include "ekiden/base/assert.hpp"

namespace ekiden::shaping {

namespace {

struct Entry {
  Reason reason;
  const char* name;
  Meaning meaning;
};

using C = ReplyClass;
using F = Fault;
using A = Action;

// In the order of the enumerators. Only what speaks of the address itself is hard: suppressing an
// address because of somebody's reputation is how suppression lists go bad.
constexpr Entry kReasons[] = {
    {Reason::Delivered, "delivered", {C::Other, false, F::Provider, A::None}},
    {Reason::UserUnknown, "user_unknown", {C::BadAddress, true, F::Recipient, A::None}},
    {Reason::MailboxFull, "mailbox_full", {C::FullOrSuspended, false, F::Recipient, A::None}},
    {Reason::MailboxDisabled,
     "mailbox_disabled",
     {C::FullOrSuspended, false, F::Recipient, A::None}},
    {Reason::Moved, "moved", {C::BadAddress, true, F::Recipient, A::None}},
    {Reason::Filtered, "filtered", {C::BlockOrPolicy, false, F::Recipient, A::None}},
    {Reason::NotAccepting, "not_accepting", {C::BadAddress, true, F::Recipient, A::None}},
    {Reason::Dns, "dns", {C::BadAddress, true, F::Recipient, A::None}},
    {Reason::SpamContent, "spam_content", {C::BlockOrPolicy, false, F::Sender, A::None}},
    {Reason::Virus, "virus", {C::BlockOrPolicy, false, F::Sender, A::Alert}},
    {Reason::Content, "content", {C::BlockOrPolicy, false, F::Sender, A::None}},
    {Reason::Policy, "policy", {C::BlockOrPolicy, false, F::Sender, A::None}},
    {Reason::Authentication, "authentication", {C::BlockOrPolicy, false, F::Sender, A::Alert}},
    {Reason::AccessDenied, "access_denied", {C::BlockOrPolicy, false, F::Sender, A::None}},
    {Reason::SenderRejected, "sender_rejected", {C::BlockOrPolicy, false, F::Sender, A::None}},
    {Reason::ReputationIp,
     "reputation_ip",
     {C::BlockOrPolicy, false, F::Infrastructure, A::SlowDown}},
    {Reason::ReputationDomain,
     "reputation_domain",
     {C::BlockOrPolicy, false, F::Sender, A::SlowDown}},
    {Reason::ReverseDns, "reverse_dns", {C::BlockOrPolicy, false, F::Infrastructure, A::Alert}},
    {Reason::RelayDenied, "relay_denied", {C::BlockOrPolicy, false, F::Recipient, A::None}},
    {Reason::TlsRequired, "tls_required", {C::BlockOrPolicy, false, F::Infrastructure, A::Alert}},
    {Reason::RateLimited, "rate_limited", {C::Transient, false, F::Infrastructure, A::SlowDown}},
    {Reason::Greylisted, "greylisted", {C::Transient, false, F::Provider, A::Defer}},
    {Reason::OnHold, "on_hold", {C::Transient, false, F::Provider, A::None}},
    {Reason::System, "system", {C::Transient, false, F::Provider, A::None}},
    {Reason::SystemFull, "system_full", {C::Transient, false, F::Provider, A::None}},
    {Reason::Network, "network", {C::Transient, false, F::Provider, A::None}},
    {Reason::TooLarge, "too_large", {C::Other, false, F::Sender, A::None}},
    {Reason::Syntax, "syntax", {C::Other, false, F::Infrastructure, A::None}},
    {Reason::Undefined, "undefined", {C::Other, false, F::Provider, A::None}},
};

constexpr const char* kClasses[] = {"bad_address", "full_or_suspended", "block_or_policy",
                                    "transient", "other"};
constexpr const char* kFaults[] = {"recipient", "sender", "infrastructure", "provider"};
constexpr const char* kActions[] = {"none",          "slow_down", "suspend", "rest_source",
                                    "switch_source", "bounce",    "defer",   "alert"};

template <class Names>
std::vector<std::string> list_of(const Names& names) {
  std::vector<std::string> list;
  for (const char* const name : names) list.emplace_back(name);
  return list;
}

const Entry& entry_of(Reason reason) {
  const Entry& entry = kReasons[static_cast<std::size_t>(reason)];
  EKIDEN_ASSERT(entry.reason == reason, "the table is in the order of the enumerators");
  return entry;
}

}  // namespace

std::string_view name_of(Reason reason) {
  return entry_of(reason).name;
}
std::string_view name_of(ReplyClass klass) {
  return kClasses[static_cast<std::size_t>(klass)];
}
std::string_view name_of(Fault fault) {
  return kFaults[static_cast<std::size_t>(fault)];
}
std::string_view name_of(Action action) {
  return kActions[static_cast<std::size_t>(action)];
}

const std::vector<std::string>& reason_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> list;
    for (const Entry& entry : kReasons) list.emplace_back(entry.name);
    return list;
  }();
  return kNames;
}
const std::vector<std::string>& class_names() {
  static const std::vector<std::string> kNames = list_of(kClasses);
  return kNames;
}
const std::vector<std::string>& fault_names() {
  static const std::vector<std::string> kNames = list_of(kFaults);
  return kNames;
}
const std::vector<std::string>& action_names() {
  static const std::vector<std::string> kNames = list_of(kActions);
  return kNames;
}

Meaning meaning_of(Reason reason) {
  return entry_of(reason).meaning;
}

}  // namespace ekiden::shaping
