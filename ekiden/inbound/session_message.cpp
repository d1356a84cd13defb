// What a session does about a message: admission of MAIL, RCPT and DATA, its octets, refusals.
#include <algorithm>
#include <utility>

#include "ekiden/base/assert.hpp"
#include "ekiden/events/event.hpp"
#include "ekiden/inbound/session.hpp"

namespace ekiden::inbound {
namespace {

base::Task<void> sleep(base::Clock& clock, base::Duration duration) {
  auto begin = [&](base::Completion<int> done) {
    clock.call_after(duration, [d = std::move(done)]() mutable { d(0); });
  };
  co_await base::suspend<int>(std::move(begin));
}

}  // namespace

void Session::become(std::shared_ptr<const account::Snapshot> accounts,
                     const account::Credential* credential) {
  client_.credential = credential;
  client_.accounts = std::move(accounts);
  find_rules(client_, options_->tenant);
}

/// False: the credential is gone, or may not be used from here any more.
bool Session::look_up_client() {
  if (!admission_.is_own(client_)) return true;
  // What was true at AUTH, or at the last message, may have been changed since.
  std::shared_ptr<const account::Snapshot> accounts = services_.accounts.current();
  if (accounts == client_.accounts) return true;
  const account::Credential* fresh = nullptr;
  if (client_.credential != nullptr) {
    fresh = accounts == nullptr ? nullptr : accounts->find_by_name(dialogue_.identity());
    if (fresh == nullptr || !Admission::may_log_in(*fresh, client_.address)) return false;
  }
  become(std::move(accounts), fresh);
  return true;
}

base::Task<Session::Next> Session::admit_mail(smtp::AdmitMail& action) {
  arrival_.reset();
  // Delivery falls behind: this client waits a moment instead of being refused.
  const base::Duration delay = services_.intake.delay();
  if (delay.count() > 0) co_await sleep(services_.worker.clock, delay);

  smtp::Verdict verdict;
  if (!look_up_client()) {
    verdict.reply = {421, {4, 7, 0}, {options_->hostname + " Log in again"}};
    event_ = std::move(verdict);
    co_return Next::Resume;
  }
  verdict.reply = admission_.admit_mail(client_, action.mail);
  if (client_.credential != nullptr &&
      !account::may_submit(*client_.credential, services_.worker.clock.now())) {
    verdict.reply = {535, {5, 7, 8}, {"This API key has expired"}};
  }
  if (verdict.reply.is_positive()) {
    verdict.reply = admission_.admit_volume(client_, services_.worker.clock.now(), now());
  }
  if (verdict.reply.is_positive() && !is_exempt_ &&
      !services_.limits.message(client_.address, options_->limits, now())) {
    verdict.reply = {450, {4, 7, 1}, {"Too many messages from you; slow down"}};
  }
  // Refused before it is touched (docs/SPOOL.md).
  if (verdict.reply.is_positive() && !services_.spool.status().accepts_messages) {
    verdict.reply = reply_for(spool::Errc::NoSpace);
  }
  const std::string sender =
      action.mail.reverse_path ? action.mail.reverse_path->text() : std::string();
  if (verdict.reply.is_positive()) {
    const std::uint64_t size = std::min<std::uint64_t>(action.mail.size, options_->large_octets);
    arrival_ = std::make_unique<Arrival>(services_, *options_, std::move(action.mail));
    if (!arrival_->reserve(size)) {
      arrival_.reset();
      verdict.reply = no_memory();
    }
  }
  if (!verdict.reply.is_positive()) {
    verdict.counts_as_error = verdict.reply.is_permanent();
    reject("mail", {}, verdict.reply);
  }
  event_ = std::move(verdict);
  co_return Next::Resume;
}

void Session::admit_rcpt(smtp::AdmitRcpt& action, bool& needs_verification, std::string& next_hop) {
  smtp::RcptCommand& rcpt = action.rcpt;
  if (rcpt.recipient.domain.empty()) {
    // RFC 5321 §4.1.1.3, §4.5.1: "<postmaster>" alone is ours.
    const auto own = options_->domains.find(options_->hostname);
    rcpt.recipient.domain = own == options_->domains.end() && !options_->domains.empty()
                                ? options_->domains.begin()->first
                                : options_->hostname;
  }
  if (options_->rewriting != nullptr && options_->rewriting->acts_on_recipients() &&
      rewrite_recipient(rcpt))
    return;
  RecipientVerdict verdict = admission_.admit_rcpt(client_, rcpt);
  if (!verdict.reply.is_positive()) {
    refuse_recipient(rcpt, std::move(verdict.reply));
    return;
  }
  if (verdict.needs_verification) {
    needs_verification = true;
    next_hop = std::move(verdict.next_hop);
    return;
  }
  take_recipient(rcpt, verdict.next_hop);
}

base::Task<Session::Next> Session::verify_recipient(smtp::RcptCommand rcpt, std::string next_hop) {
  RecipientStatus status = RecipientStatus::CannotTell;
  if (services_.verifier != nullptr) {
    std::string address = rcpt.recipient.text();
    std::string asked = next_hop;
    const base::Steady deadline = now() + options_->time_outs.verify;
    status = co_await services_.verifier->verify(std::move(address), std::move(asked), deadline);
  }
  switch (status) {
    case RecipientStatus::Exists:
      take_recipient(rcpt, next_hop);
      break;
    case RecipientStatus::Unknown:
      refuse_recipient(rcpt, {550, {5, 1, 1}, {"No such user here"}});
      break;
    case RecipientStatus::CannotTell:
      refuse_recipient(rcpt, {451, {4, 4, 3}, {"Cannot verify this user now; try again later"}});
      break;
  }
  co_return Next::Resume;
}

void Session::take_recipient(const smtp::RcptCommand& rcpt, const std::string& next_hop) {
  arrival_->add(rcpt, next_hop);
  smtp::Verdict verdict;
  verdict.reply = {250, {2, 1, 5}, {"Ok"}};
  event_ = std::move(verdict);
}

void Session::refuse_recipient(const smtp::RcptCommand& rcpt, smtp::Reply reply) {
  services_.instruments.recipients_refused.add();
  reject("rcpt", rcpt.recipient.text(), reply);
  smtp::Verdict verdict;
  // Own clients send to lists with dead addresses; strangers who guess are cut off.
  verdict.counts_as_error = reply.is_permanent() && !admission_.is_own(client_);
  verdict.reply = std::move(reply);
  event_ = std::move(verdict);
}

void Session::admit_data() {
  smtp::Verdict verdict;
  verdict.reply = services_.spool.status().accepts_messages
                      ? smtp::Reply{354, {}, {"Go ahead; end with a dot on a line of its own"}}
                      : reply_for(spool::Errc::NoSpace);
  if (!verdict.reply.is_positive()) reject("data", {}, verdict.reply);
  event_ = std::move(verdict);
}

base::Task<Session::Next> Session::body_part() {
  std::string octets = dialogue_.take_body();
  if (arrival_ == nullptr) co_return Next::Resume;
  Octets seen;
  seen.longest_line = dialogue_.longest_line();
  seen.is_eight_bit = dialogue_.is_eight_bit();
  Client client = client_;
  Origin from = origin();
  smtp::Reply reply =
      co_await arrival_->part(std::move(octets), seen, std::move(client), std::move(from));
  if (!reply.is_positive()) {
    reject("eod", {}, reply);
    services_.instruments.messages_refused.add();
    arrival_.reset();
    smtp::Stored refused;
    refused.reply = std::move(reply);
    event_ = std::move(refused);
  }
  co_return Next::Resume;
}

/// The message that MAIL and RCPT began, as one that becomes many.
PersonalMail Session::personal_mail(SmtpApi api, std::string octets) const {
  const message::Envelope& envelope = arrival_->envelope();
  PersonalMail personal;
  personal.api = std::move(api);
  personal.octets = std::move(octets);
  smtp::MailCommand& mail = personal.mail;
  if (auto sender = smtp::parse_address(envelope.reverse_path)) mail.reverse_path = *sender;
  mail.body = static_cast<smtp::BodyKind>(envelope.body);
  mail.smtputf8 = envelope.smtputf8;
  mail.requiretls = arrival_->wants_tls();
  mail.ret = static_cast<smtp::ReturnKind>(envelope.ret);
  mail.envid = envelope.envid;
  mail.auth = envelope.auth;
  for (const message::Recipient& recipient : envelope.recipients) {
    auto address = smtp::parse_address(recipient.address);
    if (!address) continue;
    smtp::RcptCommand rcpt;
    rcpt.recipient = std::move(*address);
    rcpt.notify = recipient.notify;
    rcpt.orcpt = recipient.orcpt;
    personal.recipients.push_back(std::move(rcpt));
  }
  return personal;
}

base::Task<Session::Next> Session::body_complete() {
  EKIDEN_ASSERT(arrival_ != nullptr, "a message that lost its arrival is refused, not completed");
  const base::Steady begun = now();
  is_in_body_ = false;
  std::string octets = dialogue_.take_body();
  Octets seen;
  seen.longest_line = dialogue_.longest_line();
  seen.is_eight_bit = dialogue_.is_eight_bit();
  Client client = client_;
  Origin from = origin();
  const std::size_t recipients = arrival_->envelope().recipients.size();
  smtp::Stored stored;
  std::optional<SmtpApi> personal;
  if (!arrival_->has_file()) personal = find_personal(from, octets);
  if (personal) {
    PersonalMail mail = personal_mail(std::move(*personal), std::move(octets));
    mail.client = std::move(client);
    mail.origin = std::move(from);
    std::shared_ptr<const ListenerOptions> options = options_;
    stored.reply = co_await submit_personal(services_, std::move(options), std::move(mail));
  } else {
    stored.reply =
        co_await arrival_->complete(std::move(octets), seen, std::move(client), std::move(from));
  }
  if (stored.reply.is_positive()) {
    ++messages_;
    recipients_ += static_cast<std::uint32_t>(recipients);
    services_.instruments.time_to_250.observe_us(
        static_cast<std::uint64_t>((now() - begun).count()));
  } else {
    services_.instruments.messages_refused.add();
    reject("eod", {}, stored.reply);
  }
  arrival_.reset();
  event_ = std::move(stored);
  co_return Next::Resume;
}

/// Writes a `rejected` event: nobody waits for it, and a flood of refusals costs a bounded amount.
void Session::reject(std::string_view phase, const std::string& recipient,
                     const smtp::Reply& reply) {
  const base::Steady instant = now();
  if (instant - state_.second >= std::chrono::seconds(1)) {
    state_.second = instant;
    state_.rejected_events = options_->limits.rejected_events_per_second;
  }
  if (state_.rejected_events == 0) return;
  --state_.rejected_events;

  events::Event event;
  event.time = services_.worker.clock.now();
  event.kind = events::Kind::Rejected;
  event.message = services_.ids.next(event.time);  // only to name the event
  event.id = events::event_id(event.message, 0, event.kind, 0);
  event.recipient = recipient;
  if (arrival_ != nullptr) event.sender = arrival_->envelope().reverse_path;
  event.tenant = client_.credential != nullptr ? client_.credential->tenant : options_->tenant;
  event.reply_code = reply.code;
  if (reply.enhanced) event.enhanced_code = smtp::format_enhanced_code(reply.enhanced);
  event.reply = reply.text();
  event.phase = phase;
  event.client_address = client_text();
  event.identity = dialogue_.identity();
  spool::Transaction transaction;
  transaction.may_wait = true;
  transaction.events.push_back(events::encode_event(event));
  services_.port.submit(std::move(transaction), [](Result<void>) {});
}

}  // namespace ekiden::inbound
