#include "ekiden/smtp/client_dialogue.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"

// Invariants:
// - Replies are matched to commands by order alone: in a transaction `step`, `answered` and
//   `written` tell which reply is due. Octets that answer nothing end the connection.
// - A message is given (SendBody) only after 354, or with BDAT, and only when a recipient was
//   accepted. Anything but 354 to DATA never lets octets of a message out.
// - Every transaction that was begun or ridden is finished exactly once, in order.
// - `behind_` holds a transaction only while `current_` is in Body, Eod or Finished.

namespace ekiden::smtp {
namespace {

using Kind = ClientAction::Kind;

/// SCRAM needs two challenges, LOGIN two; more is a server playing games.
constexpr unsigned kAuthRoundsMax = 4;

Reply local_reply(std::uint16_t code, EnhancedCode enhanced, std::string text) {
  Reply reply;
  reply.code = code;
  reply.enhanced = enhanced;
  reply.lines.push_back(std::move(text));
  return reply;
}

bool is_success(const Reply& reply) {
  return reply.code >= 200 && reply.code < 300;
}

/// RFC 5321 §4.5.3.1.10: 452, or 552 from older servers, after some recipients means "enough of
/// them". An enhanced code that speaks of a mailbox or a policy means what it says.
bool means_too_many_recipients(const Reply& reply) {
  if (reply.code != 452 && reply.code != 552) return false;
  if (!reply.enhanced) return true;
  if (reply.enhanced.subject == 5) return reply.enhanced.detail == 3;
  return reply.code == 452 && reply.enhanced.subject == 3;
}

std::string_view command_name(ClientPhase phase) {
  switch (phase) {
    case ClientPhase::Connect:
    case ClientPhase::Greeting:
      return "the greeting";
    case ClientPhase::Ehlo:
      return "the reply to EHLO";
    case ClientPhase::StartTls:
      return "the reply to STARTTLS";
    case ClientPhase::Auth:
      return "the reply to AUTH";
    case ClientPhase::Mail:
      return "the reply to MAIL";
    case ClientPhase::Rcpt:
      return "the reply to RCPT";
    case ClientPhase::Data:
      return "the reply to DATA";
    case ClientPhase::Eod:
      return "the reply to the message";
  }
  return "";
}

}  // namespace

ClientDialogue::ClientDialogue(ClientOptions options) : options_(std::move(options)) {
  is_encrypted_ = options_.tls == ClientTls::Established;
}

ClientAction ClientDialogue::resume(const ClientEvent& event) {
  using namespace client_event;
  if (const auto* received = std::get_if<Received>(&event)) return read_replies(received->octets);
  out_.clear();
  if (const auto* lost = std::get_if<Lost>(&event)) return on_lost(*lost);
  if (const auto* begin = std::get_if<Begin>(&event)) {
    EKIDEN_ASSERT(state_ == State::Idle, "a transaction begins after Ready");
    current_ = Running{};
    prepare(current_, *begin->transaction);
    write_group(current_, out_);
    state_ = State::Transaction;
    return read();
  }
  if (std::holds_alternative<BodySent>(event)) {
    EKIDEN_ASSERT(state_ == State::Transaction && current_.step == Step::Body,
                  "a body is sent after SendBody");
    current_.step = Step::Eod;
    return read();
  }
  if (std::holds_alternative<Continue>(event)) {
    EKIDEN_ASSERT(state_ == State::Finished, "Continue follows Finished");
    return after_finish();
  }
  if (std::holds_alternative<Connected>(event)) {
    state_ = State::Greeting;
    return read();
  }
  if (std::holds_alternative<TlsStarted>(event)) {
    EKIDEN_ASSERT(state_ == State::Handshake, "TLS starts after StartTls");
    is_encrypted_ = true;
    // RFC 3207 §4.2: everything learnt in the clear is forgotten.
    peer_ = PeerExtensions{};
    return say_ehlo("EHLO ", State::Ehlo);
  }
  if (const auto* response = std::get_if<AuthResponse>(&event)) return on_auth_response(*response);
  EKIDEN_ASSERT(state_ == State::Idle, "QUIT is said after Ready");
  out_ = "QUIT\r\n";
  state_ = State::QuitSent;
  return read();
}

// ---- replies

ClientAction ClientDialogue::read_replies(std::string_view octets) {
  out_.clear();
  std::string held;
  unread_ = octets;
  if (!rest_.empty()) {
    held = std::exchange(rest_, {});
    held.append(octets);
    unread_ = held;
  }
  bool is_same_wait = true;
  for (;;) {
    const ReplyStatus status = parser_.feed(unread_);
    if (status == ReplyStatus::Incomplete) {
      ClientAction action = read();
      action.is_same_wait = is_same_wait;
      return action;
    }
    if (status != ReplyStatus::Complete) {
      unread_ = {};
      return break_off(std::string(describe(status)));
    }
    is_same_wait = false;
    ClientAction action = on_reply(parser_.take());
    const bool has_spoken = !out_.empty() || action.kind == Kind::StartTls ||
                            action.kind == Kind::Authenticate || action.kind == Kind::SendBody;
    if (has_spoken && has_unread() && action.kind != Kind::Close) {
      // A reply before its command: the peer, or somebody between us, speaks out of turn. Before
      // TLS it is an injection (RFC 3207 §6); anywhere else replies would slip by one.
      out_.clear();
      if (parser_.feed(unread_) == ReplyStatus::Complete) {
        Reply early = parser_.take();
        if (early.code == 421) {
          unread_ = {};
          return state_ == State::Transaction ? end_transaction(std::move(early), false)
                                              : fail(phase(), std::move(early), false);
        }
      }
      unread_ = {};
      return break_off("a reply before its command");
    }
    if (action.kind == Kind::Read && !unread_.empty()) continue;
    rest_.assign(unread_);
    unread_ = {};
    return action;
  }
}

ClientAction ClientDialogue::on_reply(Reply reply) {
  switch (state_) {
    case State::Greeting:
      // RFC 5321 §3.1: another 2xx than 220 would be odd, and is not trusted.
      if (reply.code == 220) return say_ehlo("EHLO ", State::Ehlo);
      if (reply.is_transient() || reply.is_permanent()) {
        return fail(ClientPhase::Greeting, std::move(reply), false);
      }
      return break_off("code " + std::to_string(reply.code));
    case State::Ehlo:
    case State::Helo:
      return on_ehlo(std::move(reply));
    case State::StartTls:
      return on_starttls(std::move(reply));
    case State::AuthReply:
      return on_auth(std::move(reply));
    case State::Transaction:
      current_.has_any_reply = true;
      return on_transaction(std::move(reply));
    case State::QuitSent:
      state_ = State::Closed;
      return act(Kind::Close);
    case State::Start:
    case State::Handshake:
    case State::AuthStep:
    case State::Idle:
    case State::Finished:
    case State::Closed:
      break;
  }
  return break_off("a reply before its command");
}

ClientAction ClientDialogue::say_ehlo(std::string_view verb, State state) {
  out_.append(verb).append(options_.ehlo_name).append("\r\n");
  state_ = state;
  return read();
}

ClientAction ClientDialogue::on_ehlo(Reply reply) {
  if (reply.code == 250) {
    peer_ = state_ == State::Ehlo ? parse_peer_extensions(reply) : PeerExtensions{};
    return after_ehlo();
  }
  // RFC 5321 §3.2: a server that does not know EHLO may know HELO.
  if (state_ == State::Ehlo && reply.is_permanent()) return say_ehlo("HELO ", State::Helo);
  if (reply.is_transient() || reply.is_permanent()) {
    return fail(ClientPhase::Ehlo, std::move(reply), false);
  }
  return break_off("code " + std::to_string(reply.code));
}

ClientAction ClientDialogue::after_ehlo() {
  if (!is_encrypted_ && options_.tls != ClientTls::Off) {
    if (peer_.starttls && !starttls_refusal_) {
      out_ = "STARTTLS\r\n";
      state_ = State::StartTls;
      return read();
    }
    if (options_.tls == ClientTls::Required) {
      return fail(ClientPhase::StartTls,
                  local_reply(451, {4, 7, 4}, "TLS is required and the next hop does not offer it"),
                  true);
    }
  }
  return options_.wants_auth ? start_auth() : become_idle();
}

ClientAction ClientDialogue::on_starttls(Reply reply) {
  if (reply.code == 220) {
    state_ = State::Handshake;
    return act(Kind::StartTls);
  }
  if (!reply.is_transient() && !reply.is_permanent()) {
    return break_off("code " + std::to_string(reply.code));
  }
  if (options_.tls == ClientTls::Required || reply.code == 421) {
    return fail(ClientPhase::StartTls, std::move(reply), false);
  }
  starttls_refusal_ = std::move(reply);
  return after_ehlo();
}

// ---- AUTH (RFC 4954)

ClientAction ClientDialogue::start_auth() {
  const bool may_show_password = is_encrypted_ || options_.may_send_password_in_clear;
  if (peer_.auth_scram_sha256) {
    mechanism_ = "SCRAM-SHA-256";
  } else if (peer_.auth_plain && may_show_password) {
    mechanism_ = "PLAIN";
  } else if (peer_.auth_login && may_show_password) {
    mechanism_ = "LOGIN";
  } else {
    const bool is_clear = peer_.auth_plain || peer_.auth_login;
    return fail(ClientPhase::Auth,
                local_reply(454, {4, 7, 0},
                            is_clear ? "the next hop wants the password in the clear"
                                     : "the next hop offers no AUTH mechanism that we know"),
                true);
  }
  state_ = State::AuthStep;
  ClientAction action = act(Kind::Authenticate);
  action.mechanism = mechanism_;
  return action;
}

ClientAction ClientDialogue::on_auth_response(const client_event::AuthResponse& response) {
  EKIDEN_ASSERT(state_ == State::AuthStep, "an AUTH response follows Authenticate");
  if (!response.ok) {
    return fail(ClientPhase::Auth, local_reply(454, {4, 7, 0}, response.octets), true);
  }
  is_auth_complete_ = response.is_complete;
  if (!std::exchange(is_auth_begun_, true)) {
    out_.append("AUTH ").append(mechanism_);
    if (!response.octets.empty()) out_.append(" ").append(base::encode_base64(response.octets));
  } else {
    out_ = base::encode_base64(response.octets);
  }
  out_ += "\r\n";
  state_ = State::AuthReply;
  return read();
}

ClientAction ClientDialogue::on_auth(Reply reply) {
  if (reply.code == 334) {
    const auto challenge =
        base::decode_base64(reply.lines.empty() ? std::string_view() : reply.lines.front());
    // LOGIN's challenges are prompts for people; only their order counts.
    if ((!challenge && mechanism_ != "LOGIN") || ++auth_rounds_ > kAuthRoundsMax) {
      return break_off("a challenge that makes no sense");
    }
    state_ = State::AuthStep;
    ClientAction action = act(Kind::Authenticate);
    action.mechanism = mechanism_;
    action.challenge = challenge.value_or(std::string());
    return action;
  }
  if (is_success(reply)) {
    if (is_auth_complete_) return become_idle();
    return fail(
        ClientPhase::Auth,
        local_reply(454, {4, 7, 0}, "the next hop did not prove that it knows the password"), true);
  }
  if (!reply.is_transient() && !reply.is_permanent()) {
    return break_off("code " + std::to_string(reply.code));
  }
  return fail(ClientPhase::Auth, std::move(reply), false);
}

ClientAction ClientDialogue::become_idle() {
  state_ = State::Idle;
  if (!has_unread()) return act(Kind::Ready);
  // Usually a 421 that says good-bye between two transactions.
  if (parser_.feed(unread_) == ReplyStatus::Complete) {
    Reply reply = parser_.take();
    unread_ = {};
    if (reply.code == 421) return fail(ClientPhase::Mail, std::move(reply), false);
  }
  unread_ = {};
  return break_off("a reply before its command");
}

// ---- transactions

void ClientDialogue::append_mail(std::string& out, const ClientTransaction& transaction) const {
  out.append("MAIL FROM:<").append(transaction.reverse_path).append(">");
  if (peer_.has_size && transaction.size != 0) {
    out.append(" SIZE=").append(std::to_string(transaction.size));
  }
  if (!transaction.body.empty()) out.append(" BODY=").append(transaction.body);
  if (transaction.smtputf8) out.append(" SMTPUTF8");
  if (peer_.dsn) {
    if (!transaction.ret.empty()) out.append(" RET=").append(transaction.ret);
    if (!transaction.envid.empty()) out.append(" ENVID=").append(transaction.envid);
  }
  out.append("\r\n");
}

void ClientDialogue::prepare(Running& running, const ClientTransaction& transaction) {
  EKIDEN_ASSERT(!transaction.recipients.empty(), "a transaction has a recipient");
  ++begun_;
  running.transaction = &transaction;
  running.count = transaction.recipients.size();
  if (peer_.recipients_max != 0) {
    running.count = std::min<std::size_t>(running.count, peer_.recipients_max);
  }
  running.verdicts.resize(transaction.recipients.size());
  running.step = std::exchange(needs_rset_, false) ? Step::Rset : Step::Mail;
}

/// Appends what may be said now: with PIPELINING a whole group, otherwise one command.
void ClientDialogue::write_group(Running& running, std::string& out) {
  const ClientTransaction& transaction = *running.transaction;
  std::size_t room = peer_.pipelining ? options_.group_commands_max : 1;
  if (running.step == Step::Rset && !running.is_rset_written) {
    running.is_rset_written = true;
    out.append("RSET\r\n");
    --room;
  }
  if (room > 0 && !running.is_mail_written) {
    running.is_mail_written = true;
    append_mail(out, transaction);
    --room;
  }
  for (; room > 0 && running.written < running.count; --room, ++running.written) {
    const ClientRecipient& recipient = transaction.recipients[running.written];
    out.append("RCPT TO:<").append(recipient.address).append(">");
    if (peer_.dsn) {
      if (!recipient.notify.empty()) out.append(" NOTIFY=").append(recipient.notify);
      if (!recipient.orcpt.empty()) out.append(" ORCPT=").append(recipient.orcpt);
    }
    out.append("\r\n");
  }
  // RFC 2920 §3.1: DATA only as the last of its group. BDAT waits for the verdict on RCPT, lest a
  // large body travel for nobody.
  const bool has_data_command = !transaction.uses_bdat && !transaction.is_probe;
  if (room > 0 && has_data_command && running.written == running.count) {
    running.is_data_written = true;
    out.append("DATA\r\n");
  }
}

bool ClientDialogue::may_ride() const {
  return state_ == State::Transaction && current_.step == Step::Body && peer_.pipelining &&
         !current_.transaction->uses_bdat && behind_.transaction == nullptr && may_begin();
}

std::string_view ClientDialogue::ride(const ClientTransaction& transaction) {
  EKIDEN_ASSERT(may_ride(), "one transaction rides behind a body, with PIPELINING");
  behind_ = Running{};
  prepare(behind_, transaction);
  ride_out_.clear();
  write_group(behind_, ride_out_);
  return ride_out_;
}

ClientAction ClientDialogue::on_transaction(Reply reply) {
  switch (current_.step) {
    case Step::Rset:
      if (reply.code == 421) return end_transaction(std::move(reply), false);
      if (!is_success(reply)) return break_off("code " + std::to_string(reply.code));
      current_.step = Step::Mail;
      current_.has_any_reply = false;
      if (!current_.is_mail_written) write_group(current_, out_);
      return read();
    case Step::Mail:
      return on_mail(std::move(reply));
    case Step::Rcpt:
      return on_rcpt(std::move(reply));
    case Step::Data:
      return on_data(std::move(reply));
    case Step::Body:
      // Refused before its end; the rest of the octets was never sent, so the connection is done.
      if (reply.is_transient() || reply.is_permanent()) {
        failure_ = ClientFailure{ClientPhase::Eod, reply, false};
        return on_eod(std::move(reply));
      }
      return break_off("code " + std::to_string(reply.code) + " before the end of the message");
    case Step::Eod:
      return on_eod(std::move(reply));
    case Step::LoneDot:
      // Nobody was accepted, so nothing was sent, whatever the peer now thinks of it.
      needs_rset_ = true;
      if (reply.code == 421) failure_ = ClientFailure{ClientPhase::Eod, std::move(reply), false};
      return finish();
  }
  return break_off("a reply before its command");
}

ClientAction ClientDialogue::on_mail(Reply reply) {
  if (reply.code == 421) return end_transaction(std::move(reply), false);
  if (reply.code >= 300 && reply.code < 400) return break_off("code " + std::to_string(reply.code));
  current_.step = Step::Rcpt;
  current_.has_mail = is_success(reply);
  if (!current_.has_mail) {
    for (ClientVerdict& verdict : current_.verdicts) {
      verdict.kind = ClientVerdict::Kind::Refused;
      verdict.phase = ClientPhase::Mail;
      verdict.reply = reply;
    }
  }
  return current_.answered < current_.written ? read() : go_on();
}

ClientAction ClientDialogue::on_rcpt(Reply reply) {
  if (reply.code == 421) return end_transaction(std::move(reply), false);
  if (current_.has_mail) {
    if (reply.code >= 300 && reply.code < 400) {
      return break_off("code " + std::to_string(reply.code));
    }
    ClientVerdict& verdict = current_.verdicts[current_.answered];
    verdict.phase = ClientPhase::Rcpt;
    if (is_success(reply)) {
      verdict.kind = ClientVerdict::Kind::Accepted;
      ++current_.accepted;
    } else if (current_.accepted > 0 && means_too_many_recipients(reply)) {
      verdict.kind = ClientVerdict::Kind::NotTried;
      current_.is_full = true;
    } else {
      verdict.kind = ClientVerdict::Kind::Refused;
    }
    verdict.reply = std::move(reply);
  }
  ++current_.answered;
  if (current_.answered < current_.written) return read();
  if (current_.is_data_written) {
    current_.step = Step::Data;
    return read();
  }
  return go_on();
}

/// No reply is due: says the next command of the transaction.
ClientAction ClientDialogue::go_on() {
  if (current_.has_mail && current_.written < current_.count && !current_.is_full) {
    write_group(current_, out_);
    return read();
  }
  if (current_.accepted == 0 || current_.transaction->is_probe) {
    needs_rset_ = current_.has_mail;
    return finish();
  }
  if (current_.transaction->uses_bdat) {
    out_ = "BDAT " + std::to_string(current_.transaction->size) + " LAST\r\n";
    current_.step = Step::Body;
    return act(Kind::SendBody);
  }
  out_ = "DATA\r\n";
  current_.is_data_written = true;
  current_.step = Step::Data;
  return read();
}

ClientAction ClientDialogue::on_data(Reply reply) {
  if (reply.code == 421) return end_transaction(std::move(reply), false);
  if (reply.code == 354) {
    if (current_.accepted > 0) {
      current_.step = Step::Body;
      return act(Kind::SendBody);
    }
    // RFC 2920 §3.1: DATA was taken although nobody was accepted; a lone dot gets us out.
    out_ = ".\r\n";
    current_.step = Step::LoneDot;
    return read();
  }
  // After 250 to DATA nobody knows what the peer takes our next line for.
  if (reply.is_positive()) return break_off("code " + std::to_string(reply.code));
  for (ClientVerdict& verdict : current_.verdicts) {
    if (verdict.kind != ClientVerdict::Kind::Accepted) continue;
    verdict.kind = ClientVerdict::Kind::Refused;
    verdict.phase = ClientPhase::Data;
    verdict.reply = reply;
  }
  needs_rset_ = current_.has_mail;
  return finish();
}

ClientAction ClientDialogue::on_eod(Reply reply) {
  if (reply.code >= 300 && reply.code < 400) return break_off("code " + std::to_string(reply.code));
  if (reply.code == 421) failure_ = ClientFailure{ClientPhase::Eod, reply, false};
  const bool is_taken = is_success(reply);
  for (ClientVerdict& verdict : current_.verdicts) {
    if (verdict.kind != ClientVerdict::Kind::Accepted) continue;
    if (!is_taken) verdict.kind = ClientVerdict::Kind::Refused;
    verdict.phase = ClientPhase::Eod;
    verdict.reply = reply;
  }
  // RFC 3030 §2: after a failed BDAT the transaction is left open until RSET.
  needs_rset_ = !is_taken && current_.transaction->uses_bdat;
  return finish();
}

/// The connection is over while a transaction runs: whoever has no final verdict gets this one.
ClientAction ClientDialogue::end_transaction(Reply reply, bool is_local) {
  const ClientPhase at = phase();
  // A peer may end a reused connection between two transactions; the first command of the next
  // one only learns of it. On a fresh connection it counts as an attempt, or it would never end.
  const bool is_untouched =
      transactions_ > 0 && (current_.step == Step::Rset || current_.step == Step::Mail);
  const bool may_be_duplicate = current_.step == Step::Eod && is_local;
  for (std::size_t i = 0; i < current_.count && !is_untouched; ++i) {
    ClientVerdict& verdict = current_.verdicts[i];
    if (verdict.kind == ClientVerdict::Kind::Refused) continue;
    const bool is_left_over =
        verdict.kind == ClientVerdict::Kind::NotTried && verdict.reply.code != 0;
    if (is_left_over) continue;
    verdict.may_be_duplicate = may_be_duplicate;
    verdict.kind = ClientVerdict::Kind::Lost;
    verdict.phase = at;
    verdict.is_local = is_local;
    verdict.reply = reply;
  }
  failure_ = ClientFailure{at, std::move(reply), is_local};
  return finish();
}

/// The peer broke the protocol: nothing it says from here on can be trusted.
ClientAction ClientDialogue::break_off(std::string what) {
  const ClientPhase at = phase();
  std::string text = "the next hop broke the protocol: " + what;
  if (state_ != State::Idle) {
    text.append(" where ").append(command_name(at)).append(" was due");
  }
  Reply reply = local_reply(451, {4, 5, 0}, std::move(text));
  if (state_ == State::Transaction) return end_transaction(std::move(reply), true);
  if (state_ == State::Finished || state_ == State::QuitSent || state_ == State::Closed) {
    state_ = State::Closed;
    return act(Kind::Close);
  }
  return drop(at, std::move(reply));
}

ClientAction ClientDialogue::on_lost(const client_event::Lost& lost) {
  rest_.clear();
  std::string text = lost.is_timeout ? "time-out" : "connection lost";
  if (state_ == State::Transaction && current_.step == Step::Body) {
    text += " while sending the message";
  } else if (state_ == State::Handshake) {
    text = "TLS handshake failed";
  } else if (state_ != State::Idle) {
    text.append(" waiting for ").append(command_name(phase()));
  }
  if (!lost.why.empty()) text.append(": ").append(lost.why);
  Reply reply = local_reply(451,
                            {4, static_cast<std::uint16_t>(state_ == State::Handshake ? 7 : 4),
                             static_cast<std::uint16_t>(state_ == State::Handshake ? 5 : 2)},
                            std::move(text));
  if (state_ == State::Transaction) return end_transaction(std::move(reply), true);
  if (state_ == State::QuitSent || state_ == State::Closed) {
    state_ = State::Closed;
    return act(Kind::Close);
  }
  return drop(phase(), std::move(reply));
}

ClientAction ClientDialogue::finish() {
  if (current_.has_any_reply) ++transactions_;
  state_ = State::Finished;
  return act(Kind::Finished);
}

ClientAction ClientDialogue::after_finish() {
  const bool has_behind = behind_.transaction != nullptr;
  current_ = has_behind ? std::exchange(behind_, Running{}) : Running{};
  if (failure_) {
    if (has_behind) return act(Kind::Finished);  // all of it NotTried
    state_ = State::Closed;
    return act(Kind::Close);
  }
  if (!has_behind) {
    unread_ = rest_;
    ClientAction action = become_idle();
    rest_.clear();
    unread_ = {};
    return action;
  }
  state_ = State::Transaction;
  return rest_.empty() ? read() : read_replies({});
}

// ---- small things

ClientAction ClientDialogue::act(Kind kind) {
  ClientAction action;
  action.kind = kind;
  action.write = out_;
  return action;
}

ClientAction ClientDialogue::read() {
  ClientAction action = act(Kind::Read);
  action.timeout = timeout();
  return action;
}

ClientAction ClientDialogue::fail(ClientPhase phase, Reply reply, bool is_local) {
  failure_ = ClientFailure{phase, std::move(reply), is_local};
  // RFC 5321 §4.1.1.10: QUIT is said even then, by a client that still has a peer.
  out_ = "QUIT\r\n";
  state_ = State::Closed;
  return act(Kind::Close);
}

/// Fails without a word: the peer has left, or makes no sense.
ClientAction ClientDialogue::drop(ClientPhase phase, Reply reply) {
  (void)fail(phase, std::move(reply), true);
  out_.clear();
  return act(Kind::Close);
}

ClientPhase ClientDialogue::phase() const {
  switch (state_) {
    case State::Start:
      return ClientPhase::Connect;
    case State::Greeting:
      return ClientPhase::Greeting;
    case State::Ehlo:
    case State::Helo:
      return ClientPhase::Ehlo;
    case State::StartTls:
    case State::Handshake:
      return ClientPhase::StartTls;
    case State::AuthStep:
    case State::AuthReply:
      return ClientPhase::Auth;
    case State::Transaction:
      break;
    case State::Idle:
    case State::Finished:
    case State::QuitSent:
    case State::Closed:
      return ClientPhase::Mail;
  }
  switch (current_.step) {
    case Step::Rset:
    case Step::Mail:
      return ClientPhase::Mail;
    case Step::Rcpt:
      return ClientPhase::Rcpt;
    case Step::Data:
    case Step::Body:
      return ClientPhase::Data;
    case Step::Eod:
    case Step::LoneDot:
      break;
  }
  return ClientPhase::Eod;
}

base::Duration ClientDialogue::timeout() const {
  if (state_ == State::QuitSent) return kQuitTimeout;
  switch (phase()) {
    case ClientPhase::Data:
      return options_.time_outs.data;
    case ClientPhase::Eod:
      return options_.time_outs.final_dot;
    default:
      return options_.time_outs.command;
  }
}

}  // namespace ekiden::smtp
