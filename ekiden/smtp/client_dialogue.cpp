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
    note_opening('#', "TLS begins");
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
  if (state_ != State::Transaction) note_opening(reply);
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
  note_opening('C', std::string(verb) + options_.ehlo_name);
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
      note_opening('C', "STARTTLS");
      state_ = State::StartTls;
      return read();
    }
    if (options_.tls == ClientTls::Required) {
      return fail(ClientPhase::StartTls,
                  local_reply(451, {4, 7, 4}, "TLS is required and the next hop does not offer it"),
                  true);
    }
  }
  if (options_.needs_requiretls && !peer_.requiretls) {
    return fail(ClientPhase::Ehlo, local_reply(550, {5, 7, 30}, "the next hop does not offer it"),
                true);
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
    note_opening('C', "AUTH " + std::string(mechanism_) + " ***");
    if (!response.octets.empty()) out_.append(" ").append(base::encode_base64(response.octets));
  } else {
    out_ = base::encode_base64(response.octets);
    note_opening('C', "***");
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
  if (reply.is_completion()) {
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
  if (is_local) note_opening('#', reply.text());
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
