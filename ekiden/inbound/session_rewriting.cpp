// RCPT where rules rewrite recipients: maps, aliases, and return paths that come back.
#include "ekiden/inbound/recipient_expansion.hpp"
#include "ekiden/inbound/session.hpp"

namespace ekiden::inbound {
/// Admission's word on an address that exists because a rule says so. False: it is refused.
bool Session::may_take(const smtp::RcptCommand& rcpt) {
  RecipientVerdict verdict = admission_.admit_rcpt(client_, rcpt, Existence::Known);
  if (verdict.reply.is_positive()) return true;
  refuse_recipient(rcpt, std::move(verdict.reply));
  return false;
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
        take_recipient(rcpt, own_next_hop(*options_, rcpt.recipient));
        arrival_->note_bounce(bounce.token);
      }
      return true;
    case rewrite::Bounce::Kind::Srs:
      if (may_take(rcpt)) {
        smtp::RcptCommand onward = rcpt;
        onward.orcpt = original_recipient(rcpt);
        rewrite::Acts acts{{"srs", "recipient", rcpt.recipient.text(), bounce.original.text()}};
        onward.recipient = std::move(bounce.original);
        take_recipient(onward, own_next_hop(*options_, onward.recipient));
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
  std::optional<smtp::Reply> reply =
      expand_recipient(*arrival_, admission_, *options_, client_, rcpt);
  if (!reply) return false;
  if (!reply->is_positive()) {
    refuse_recipient(rcpt, std::move(*reply));
    return true;
  }
  smtp::Verdict verdict;
  verdict.reply = std::move(*reply);
  event_ = std::move(verdict);
  return true;
}

}  // namespace ekiden::inbound
