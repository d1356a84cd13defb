// RCPT where rules rewrite recipients: maps, aliases, and return paths that come back.
#include <algorithm>

#include "ekiden/inbound/session.hpp"
#include "ekiden/smtp/xtext.hpp"

namespace ekiden::inbound {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

/// RFC 3461 §4.2: who rewrites a recipient tells what it was.
std::string original_recipient(const smtp::RcptCommand& rcpt) {
  const std::string text = rcpt.recipient.text();
  if (!rcpt.orcpt.empty() || !is_ascii(text)) return rcpt.orcpt;
  return "rfc822;" + smtp::encode_xtext(text);
}

/// RFC 3461 §5.2.7.3: of several, none reports success; the alias does.
std::uint8_t notify_of_member(std::uint8_t notify) {
  if ((notify & message::kNotifySuccess) == 0) return notify;
  const auto rest = static_cast<std::uint8_t>(notify & ~message::kNotifySuccess);
  return rest == 0 ? message::kNotifyNever : rest;
}

}  // namespace

/// Admission's word on an address that exists because a rule says so. False: it is refused.
bool Session::may_take(const smtp::RcptCommand& rcpt) {
  RecipientVerdict verdict = admission_.admit_rcpt(client_, rcpt, Existence::Known);
  if (verdict.reply.is_positive()) return true;
  refuse_recipient(rcpt, std::move(verdict.reply));
  return false;
}

std::string Session::own_next_hop(const smtp::Address& address) const {
  if (options_->domains.empty()) return {};
  const Result<std::string> domain = smtp::canonical_domain(address.domain);
  const auto own = domain ? options_->domains.find(*domain) : options_->domains.end();
  return own == options_->domains.end() ? std::string() : own->second.next_hop;
}

/// A return path that we gave out. True: it is one, and `is_answered` or it goes on as any other.
bool Session::take_bounce(const smtp::RcptCommand& rcpt, bool& is_answered) {
  is_answered = true;
  rewrite::Bounce bounce =
      options_->rewriting->read_bounce(rcpt.recipient, services_.worker.clock.now());
  switch (bounce.kind) {
    case rewrite::Bounce::Kind::NotOurs:
      return false;
    case rewrite::Bounce::Kind::Refused:
      if (may_take(rcpt)) refuse_recipient(rcpt, {550, {5, 1, 1}, {"No such user here"}});
      return true;
    case rewrite::Bounce::Kind::Verp:
      if (may_take(rcpt)) {
        take_recipient(rcpt, own_next_hop(rcpt.recipient));
        arrival_->note_bounce(bounce.token);
      }
      return true;
    case rewrite::Bounce::Kind::Srs:
      if (may_take(rcpt)) {
        smtp::RcptCommand onward = rcpt;
        onward.orcpt = original_recipient(rcpt);
        rewrite::Acts acts{{"srs", "recipient", rcpt.recipient.text(), bounce.original.text()}};
        onward.recipient = std::move(bounce.original);
        take_recipient(onward, own_next_hop(onward.recipient));
        arrival_->note_acts(std::move(acts));
      }
      return true;
  }
  return false;
}

bool Session::rewrite_recipient(smtp::RcptCommand& rcpt) {
  if (options_->service == Service::Inbound) {
    bool is_answered = false;
    if (take_bounce(rcpt, is_answered)) return is_answered;
  }
  const bool has_credential = client_.credential != nullptr;
  const rewrite::Circumstances at{options_->name,
                                  has_credential ? client_.credential->tenant : options_->tenant,
                                  has_credential ? client_.credential->stream : options_->stream,
                                  {}};
  rewrite::Expansion made = options_->rewriting->expand(rcpt.recipient, at);
  if (made.recipients.empty() && made.problem == rewrite::Expansion::Problem::None) return false;
  // What is not ours to take is refused first: nobody learns of our aliases by asking elsewhere.
  if (!may_take(rcpt)) return true;
  if (made.problem == rewrite::Expansion::Problem::Loop) {
    refuse_recipient(rcpt, {550, {5, 4, 6}, {"The aliases of this address lead in a circle"}});
    return true;
  }
  const std::size_t room =
      std::max<std::size_t>(options_->limits.recipients_per_message, rewrite::kExpansionMax);
  if (made.problem == rewrite::Expansion::Problem::TooMany) {
    refuse_recipient(rcpt, {451, {4, 3, 5}, {"The aliases of this address are too many"}});
    return true;
  }
  if (arrival_->envelope().recipients.size() + made.recipients.size() > room) {
    // RFC 5321 §4.5.3.1.10: the client sends the others in another transaction.
    refuse_recipient(rcpt, {452, {4, 5, 3}, {"Too many recipients"}});
    return true;
  }
  const bool is_own = !own_next_hop(made.recipients.front()).empty();
  if (!made.is_alias && is_own) {
    // A mapped address of an own domain exists or not, as any other.
    rcpt.orcpt = original_recipient(rcpt);
    rcpt.recipient = std::move(made.recipients.front());
    arrival_->note_acts(std::move(made.acts));
    return false;
  }
  const bool is_several = made.recipients.size() > 1;
  smtp::RcptCommand member = rcpt;
  member.orcpt = original_recipient(rcpt);
  if (is_several) member.notify = notify_of_member(rcpt.notify);
  const std::size_t count = made.recipients.size();
  for (smtp::Address& address : made.recipients) {
    member.recipient = std::move(address);
    arrival_->add(member, own_next_hop(member.recipient));
  }
  if (made.is_alias) arrival_->note_alias(rcpt, count);
  arrival_->note_acts(std::move(made.acts));
  smtp::Verdict verdict;
  verdict.reply = {250, {2, 1, 5}, {"Ok"}};
  event_ = std::move(verdict);
  return true;
}

}  // namespace ekiden::inbound
