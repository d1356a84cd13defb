#include "ekiden/inbound/recipient_expansion.hpp"

#include <algorithm>

#include "ekiden/smtp/xtext.hpp"

namespace ekiden::inbound {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

/// RFC 3461 §5.2.7.3: of several, none reports success; the alias does.
std::uint8_t notify_of_member(std::uint8_t notify) {
  if ((notify & message::kNotifySuccess) == 0) return notify;
  const auto rest = static_cast<std::uint8_t>(notify & ~message::kNotifySuccess);
  return rest == 0 ? message::kNotifyNever : rest;
}

}  // namespace

std::string original_recipient(const smtp::RcptCommand& rcpt) {
  const std::string text = rcpt.recipient.text();
  if (!rcpt.orcpt.empty() || !is_ascii(text)) return rcpt.orcpt;
  return "rfc822;" + smtp::encode_xtext(text);
}

std::string own_next_hop(const ListenerOptions& options, const smtp::Address& address) {
  if (options.domains.empty()) return {};
  const Result<std::string> domain = smtp::canonical_domain(address.domain);
  const auto own = domain ? options.domains.find(*domain) : options.domains.end();
  return own == options.domains.end() ? std::string() : own->second.next_hop;
}

std::optional<smtp::Reply> expand_recipient(Arrival& arrival, const Admission& admission,
                                            const ListenerOptions& options, const Client& client,
                                            smtp::RcptCommand& rcpt) {
  const bool has_credential = client.credential != nullptr;
  const rewrite::Circumstances at{options.name,
                                  has_credential ? client.credential->tenant : options.tenant,
                                  has_credential ? client.credential->stream : options.stream,
                                  {}};
  rewrite::Expansion made = options.rewriting->expand(rcpt.recipient, at);
  if (made.recipients.empty() && made.problem == rewrite::Expansion::Problem::None)
    return std::nullopt;
  // What is not ours to take is refused first: nobody learns of our aliases by asking elsewhere.
  RecipientVerdict verdict = admission.admit_rcpt(client, rcpt, Existence::Known);
  if (!verdict.reply.is_positive()) return std::move(verdict.reply);
  if (made.problem == rewrite::Expansion::Problem::Loop)
    return smtp::Reply{550, {5, 4, 6}, {"The aliases of this address lead in a circle"}};
  const std::size_t room =
      std::max<std::size_t>(options.limits.recipients_per_message, rewrite::kExpansionMax);
  if (made.problem == rewrite::Expansion::Problem::TooMany)
    return smtp::Reply{451, {4, 3, 5}, {"The aliases of this address are too many"}};
  if (arrival.envelope().recipients.size() + made.recipients.size() > room) {
    // RFC 5321 §4.5.3.1.10: the client sends the others in another transaction.
    return smtp::Reply{452, {4, 5, 3}, {"Too many recipients"}};
  }
  const bool is_own = !own_next_hop(options, made.recipients.front()).empty();
  if (!made.is_alias && is_own) {
    // A mapped address of an own domain exists or not, as any other.
    rcpt.orcpt = original_recipient(rcpt);
    rcpt.recipient = std::move(made.recipients.front());
    arrival.note_acts(std::move(made.acts));
    return std::nullopt;
  }
  const bool is_several = made.recipients.size() > 1;
  smtp::RcptCommand member = rcpt;
  member.orcpt = original_recipient(rcpt);
  if (is_several) member.notify = notify_of_member(rcpt.notify);
  const std::size_t count = made.recipients.size();
  for (smtp::Address& address : made.recipients) {
    member.recipient = std::move(address);
    arrival.add(member, own_next_hop(options, member.recipient));
  }
  if (made.is_alias) arrival.note_alias(rcpt, count);
  arrival.note_acts(std::move(made.acts));
  return smtp::Reply{250, {2, 1, 5}, {"Ok"}};
}

}  // namespace ekiden::inbound
