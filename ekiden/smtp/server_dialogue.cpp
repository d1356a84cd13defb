#include "ekiden/smtp/server_dialogue.hpp"

#include <algorithm>
#include <cstring>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/smtp/extensions.hpp"

// Invariants:
// - Between two calls of resume(), view_ lies in pending_ or is empty.
// - in_transaction_ is true from the 250 to MAIL until the message's own reply, RSET, EHLO or
//   STARTTLS; recipients_ counts those that got 250.
// - pending_commands_ is bounded by the limits on recipients and on the message's size.
// - refusal_ is set while the rest of a message or of a chunk is read only to be dropped.
// - body_ never holds more than chunk_octets and one input.

namespace ekiden::smtp {
namespace {

// A line longer than any command is dropped as it comes; past this the client is not speaking SMTP
// and the connection closes.
constexpr std::uint64_t kSkippedOctetsMax = 1u << 20;
// Replies of a pipelined group gather up to here, then leave.
constexpr std::size_t kOutputOctetsMax = 16 * 1024;
// RFC 5321 §4.5.3.1.2. What is longer is cut: HELO is only for the trace.
constexpr std::size_t kHeloOctetsMax = 255;

bool has_control(std::string_view line) {
  for (const char c : line) {
    const auto octet = static_cast<unsigned char>(c);
    if ((octet < 0x20 && octet != '\t') || octet == 0x7f) return true;
  }
  return false;
}

/// The first line of an HTTP request: somebody makes a browser or a proxy speak to us.
bool is_http(std::string_view line) {
  for (const std::string_view verb : {"GET ", "POST ", "PUT ", "CONNECT ", "OPTIONS ", "HEAD "}) {
    if (line.substr(0, verb.size()) == verb) return true;
  }
  return false;
}

/// RFC 5321 §4.1.1.1, RFC 6531 §3.7.1: a domain in ASCII, or an address literal.
bool is_hello_name(std::string_view name) {
  const auto is_ascii = [](char c) { return (static_cast<unsigned char>(c) & 0x80) == 0; };
  return std::all_of(name.begin(), name.end(), is_ascii) && is_strict_domain(name);
}

}  // namespace

ServerDialogue::ServerDialogue(ServerOptions options) : options_(std::move(options)) {
  if (options_.commands_max == 0) options_.commands_max = 1000 + 4 * options_.recipients_max;
}

// --- input and output ---

void ServerDialogue::add_input(std::string_view octets) {
  if (view_.empty()) {
    view_ = octets;
    scanned_ = 0;
    return;
  }
  const std::size_t offset = static_cast<std::size_t>(view_.data() - pending_.data());
  if (offset > pending_.size() / 2) {
    pending_.erase(0, offset);
    pending_.append(octets);
    view_ = pending_;
  } else {
    pending_.append(octets);
    view_ = std::string_view(pending_).substr(offset);
  }
}

/// Makes the rest of the input our own before the caller's buffer goes away.
Action ServerDialogue::settle(Action action) {
  if (view_.empty()) {
    if (pending_.capacity() > 64) std::string().swap(pending_);
    view_ = {};
    return action;
  }
  const bool is_ours =
      view_.data() >= pending_.data() && view_.data() < pending_.data() + pending_.size();
  if (!is_ours) {
    pending_.assign(view_);
    view_ = pending_;
  }
  return action;
}

/// The next line, without its line end. An overlong one is dropped as it comes and answered here.
std::optional<ServerDialogue::Line> ServerDialogue::take_line() {
  const void* found = view_.size() > scanned_
                          ? std::memchr(view_.data() + scanned_, '\n', view_.size() - scanned_)
                          : nullptr;
  if (found == nullptr) {
    if (view_.size() > kAuthLineOctetsMax || is_skipping_) {
      is_skipping_ = true;
      skipped_ += view_.size();
      view_ = {};
      scanned_ = 0;
    } else {
      scanned_ = view_.size();
    }
    return std::nullopt;
  }
  const std::size_t length =
      static_cast<std::size_t>(static_cast<const char*>(found) - view_.data());
  std::string_view line = view_.substr(0, length);
  consume(length + 1);
  scanned_ = 0;
  const bool is_answer = state_ == State::AuthAnswer;
  const std::size_t limit = is_answer || base::starts_with_ignoring_case(line, "AUTH ")
                                ? kAuthLineOctetsMax
                                : kCommandOctetsMax;
  if (is_skipping_ || line.size() > limit) {
    is_skipping_ = false;
    skipped_ = 0;
    state_ = State::Command;
    if (is_answer) {
      refuse(500, {5, 5, 6}, "Authentication exchange line is too long");  // RFC 4954 §4
    } else {
      refuse(500, {5, 5, 2}, "Line too long");
    }
    return Line{{}, true};
  }
  if (!line.empty() && line.back() == '\r') {
    line.remove_suffix(1);
    return Line{line, false};
  }
  // RFC 5321 §2.3.8: a bare LF ends no line.
  if (options_.bare_newlines == BareNewlines::Fix) return Line{line, false};
  state_ = State::Command;
  refuse(500, {5, 5, 2}, "Lines end with CR LF");
  return Line{{}, true};
}

void ServerDialogue::reply(std::uint16_t code, EnhancedCode enhanced, std::string_view text) {
  append_reply(output_, Reply{code, enhanced, {std::string(text)}});
}

void ServerDialogue::reply(const Reply& reply) {
  append_reply(output_, reply);
}

void ServerDialogue::refuse(std::uint16_t code, EnhancedCode enhanced, std::string_view text) {
  ++errors_;
  reply(code, enhanced, text);
}

Action ServerDialogue::close(std::string_view reason) {
  state_ = State::Closed;
  view_ = {};
  reset_transaction();
  return Close{reason};
}

/// The command was one of those that an accepted message needs.
void ServerDialogue::note_progress() {
  --idle_commands_;
  ++pending_commands_;
}

void ServerDialogue::reset_transaction() {
  idle_commands_ += std::exchange(pending_commands_, 0);
  in_transaction_ = false;
  smtputf8_ = false;
  body_kind_ = BodyKind::SevenBit;
  declared_size_ = 0;
  recipients_ = 0;
  bdat_has_begun_ = false;
  message_octets_ = 0;
  std::string().swap(body_);
}

// --- the loop ---

Action ServerDialogue::resume(Event event) {
  EKIDEN_ASSERT(state_ != State::Closed, "a dialogue that said Close is over");
  if (const auto* input = std::get_if<Input>(&event)) {
    add_input(input->octets);
  } else if (auto* verdict = std::get_if<Verdict>(&event)) {
    if (auto action = on_verdict(std::move(*verdict))) return settle(std::move(*action));
  } else if (const auto* stored = std::get_if<Stored>(&event)) {
    on_stored(stored->reply);
  } else if (auto* answer = std::get_if<SaslAnswer>(&event)) {
    on_sasl(std::move(answer->step));
  } else if (std::holds_alternative<SaslUnknown>(event)) {
    state_ = State::Command;
    refuse(504, {5, 5, 4}, "Unrecognized authentication mechanism");
  } else if (std::holds_alternative<Connected>(event)) {
    reply(220, {}, options_.hostname + " " + options_.greeting);
    state_ = State::Command;
  } else if (std::holds_alternative<EarlyTalk>(event)) {
    // RFC 5321 §3.1, §4.3.1: the client waits for the greeting.
    reply(554, {5, 5, 1}, options_.hostname + " You spoke before the greeting");
    return close("early talker");
  } else if (const auto* away = std::get_if<TurnedAway>(&event)) {
    reply(away->reply);
    return close("turned away");
  } else if (std::holds_alternative<TlsStarted>(event)) {
    // RFC 3207 §4.2: everything learned in the clear is forgotten.
    reset_transaction();
    is_tls_ = true;
    is_esmtp_ = false;
    helo_.clear();
    identity_.clear();
    state_ = State::Command;
  } else if (std::holds_alternative<TimedOut>(event)) {
    reply(421, {4, 4, 2}, options_.hostname + " Too slow; closing");
    return close("timeout");
  } else if (std::holds_alternative<ShuttingDown>(event)) {
    reply(421, {4, 3, 2}, options_.hostname + " Shutting down; try again soon");
    return close("shutdown");
  }
  return settle(advance());
}

Action ServerDialogue::advance() {
  while (true) {
    if (idle_commands_ > options_.commands_max) {
      reply(421, {4, 7, 0}, options_.hostname + " Too many commands");
      return close("too many commands");
    }
    std::optional<Action> action;
    switch (state_) {
      case State::Command:
      case State::AuthAnswer: {
        // Between commands only: a chunk that was refused has its answer first.
        if (errors_ > options_.errors_max) {
          reply(421, {4, 7, 0}, options_.hostname + " Too many errors");
          return close("too many errors");
        }
        if (output_.size() > kOutputOctetsMax) return Flush{};
        const bool is_answer = state_ == State::AuthAnswer;
        const std::optional<Line> line = take_line();
        if (!line) {
          if (skipped_ > kSkippedOctetsMax) {
            reply(421, {4, 5, 2}, options_.hostname + " This line does not end");
            return close("endless line");
          }
          return NeedInput{Wait::Command};
        }
        ++commands_;
        ++idle_commands_;
        if (line->is_refused) break;
        action = is_answer ? on_auth_answer(line->text) : on_line(line->text);
        break;
      }
      case State::Data:
        action = read_data();
        break;
      case State::Bdat:
        action = read_bdat();
        break;
      default:
        EKIDEN_ASSERT(false, "an action was given and its event has not come");
    }
    if (action) return std::move(*action);
  }
}

std::optional<Action> ServerDialogue::on_line(std::string_view line) {
  if (has_control(line)) {
    last_verb_ = Verb::Unknown;
    refuse(500, {5, 5, 2}, "Control characters in a command");
    return std::nullopt;
  }
  const Command command = parse_command(line);
  last_verb_ = command.verb;
  if (options_.syntax == Syntax::Strict && command.has_extra_space) {
    refuse(501, {5, 5, 4}, "One space stands before an argument");
    return std::nullopt;
  }
  switch (command.verb) {
    case Verb::Ehlo:
    case Verb::Helo:
      on_hello(command);
      return std::nullopt;
    case Verb::StartTls:
      return on_starttls(command);
    case Verb::Auth:
      return on_auth(command);
    case Verb::Mail:
      return on_mail(command);
    case Verb::Rcpt:
      return on_rcpt(command);
    case Verb::Data:
      return on_data(command);
    case Verb::Bdat:
      return on_bdat(command);
    case Verb::Rset:
      if (!command.argument.empty()) {
        refuse(501, {5, 5, 4}, "Syntax: RSET");
        return std::nullopt;
      }
      reset_transaction();
      reply(250, {2, 0, 0}, "Ok");
      return std::nullopt;
    case Verb::Noop:
      reply(250, {2, 0, 0}, "Ok");
      return std::nullopt;
    case Verb::Quit:
      // RFC 5321 §4.1.1.10 (lenient): words behind it change nothing.
      if (options_.syntax == Syntax::Strict && !command.argument.empty()) {
        refuse(501, {5, 5, 4}, "Syntax: QUIT");
        return std::nullopt;
      }
      reply(221, {2, 0, 0}, options_.hostname + " Bye");
      return close("quit");
    case Verb::Vrfy:
      // RFC 5321 §3.5.3, §7.3: 252 tells nothing about who exists.
      if (command.argument.empty()) {
        refuse(501, {5, 5, 4}, "Syntax: VRFY address");
      } else {
        reply(252, {2, 5, 0}, "Cannot verify; send the message and see");
      }
      return std::nullopt;
    case Verb::Expn:
      refuse(502, {5, 5, 1}, "EXPN is not offered");
      return std::nullopt;
    case Verb::Help:
      reply(Reply{214,
                  {2, 0, 0},
                  {"EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS AUTH",
                   "RFC 5321 says what they do"}});
      return std::nullopt;
    case Verb::Unknown:
      break;
  }
  if (is_http(line)) {
    reply(554, {5, 5, 1}, "This is SMTP, not HTTP");
    return close("http");
  }
  refuse(500, {5, 5, 1}, "Command not recognized");
  return std::nullopt;
}

// --- greeting, TLS, AUTH ---

void ServerDialogue::on_hello(const Command& command) {
  // RFC 5321 §4.1.4 (lenient): what stands behind EHLO is not judged; clients greet with file
  // names, "localhost" and bracketed addresses. Only nothing at all is refused.
  if (command.argument.empty() ||
      (options_.syntax == Syntax::Strict && !is_hello_name(command.argument))) {
    refuse(501, {5, 5, 4}, "Syntax: EHLO your.name");
    return;
  }
  reset_transaction();
  helo_ = base::printable(command.argument, kHeloOctetsMax);
  is_esmtp_ = command.verb == Verb::Ehlo;
  if (!is_esmtp_) {
    reply(250, {}, options_.hostname);
    return;
  }
  Extensions extensions;
  extensions.starttls = options_.offers_starttls && !is_tls_;
  extensions.requiretls = is_tls_;
  extensions.size_max = options_.size_max;
  if (!(options_.requires_tls && !is_tls_)) extensions.mechanisms = mechanisms_;
  extensions.recipients_max = options_.recipients_max;
  extensions.messages_max = options_.messages_max;
  reply(format_ehlo(options_.hostname, "greets you", extensions));
}

Offered ServerDialogue::offered() const {
  Offered offered;
  offered.auth = !mechanisms_.empty();
  offered.requiretls = is_tls_;
  return offered;
}

bool ServerDialogue::needs_tls_first() {
  if (!options_.requires_tls || is_tls_) return false;
  // RFC 3207 §4.
  refuse(530, {5, 7, 0}, "Must issue a STARTTLS command first");
  return true;
}

std::optional<Action> ServerDialogue::on_starttls(const Command& command) {
  if (!options_.offers_starttls) {
    refuse(502, {5, 5, 1}, "STARTTLS is not offered");
  } else if (is_tls_) {
    refuse(503, {5, 5, 1}, "TLS is already in use");
  } else if (!command.argument.empty()) {
    refuse(501, {5, 5, 4}, "Syntax: STARTTLS");
  } else if (!view_.empty()) {
    // RFC 3207 §4.2, CVE-2011-0411: whoever sits between us could have put commands behind
    // STARTTLS for us to obey under TLS.
    reply(554, {5, 5, 1}, "Nothing may follow STARTTLS before the handshake");
    return close("commands behind STARTTLS");
  } else {
    reply(220, {2, 0, 0}, "Ready to start TLS");
    state_ = State::AwaitTls;
    return StartTls{};
  }
  return std::nullopt;
}

std::optional<Action> ServerDialogue::on_auth(const Command& command) {
  // RFC 4954 §4.
  if (needs_tls_first()) return std::nullopt;
  if (mechanisms_.empty() && options_.requires_auth && options_.offers_starttls && !is_tls_) {
    refuse(530, {5, 7, 0}, "Must issue a STARTTLS command first");
    return std::nullopt;
  }
  if (mechanisms_.empty()) {
    refuse(502, {5, 5, 1}, "AUTH is not offered");
    return std::nullopt;
  }
  if (!is_esmtp_) {
    refuse(503, {5, 5, 1}, "Send EHLO first");
    return std::nullopt;
  }
  if (!identity_.empty()) {
    refuse(503, {5, 5, 1}, "Already authenticated");
    return std::nullopt;
  }
  if (in_transaction_) {
    refuse(503, {5, 5, 1}, "Not during a mail transaction");
    return std::nullopt;
  }
  const std::size_t space = command.argument.find(' ');
  BeginAuth begin;
  begin.mechanism = command.argument.substr(0, space);
  for (char& c : begin.mechanism) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  if (begin.mechanism.empty()) {
    refuse(501, {5, 5, 4}, "Syntax: AUTH mechanism [initial-response]");
    return std::nullopt;
  }
  if (space != std::string_view::npos) {
    const std::string_view encoded = base::trimmed(command.argument.substr(space));
    std::optional<std::string> decoded =
        encoded == "=" ? std::string() : base::decode_base64(encoded);
    if (!decoded) {
      refuse(501, {5, 5, 2}, "Cannot decode the response");
      return std::nullopt;
    }
    begin.initial_response = std::move(*decoded);
  }
  state_ = State::AwaitSasl;
  return begin;
}

std::optional<Action> ServerDialogue::on_auth_answer(std::string_view line) {
  if (line == "*") {
    state_ = State::Command;
    refuse(501, {5, 7, 0}, "Authentication cancelled");
    return AbortAuth{};
  }
  std::optional<std::string> decoded = base::decode_base64(line);
  if (!decoded) {
    state_ = State::Command;
    refuse(501, {5, 5, 2}, "Cannot decode the response");
    return AbortAuth{};
  }
  state_ = State::AwaitSasl;
  return StepAuth{std::move(*decoded)};
}

void ServerDialogue::on_sasl(SaslStep step) {
  state_ = State::Command;
  switch (step.kind) {
    case SaslStep::Kind::Challenge:
      reply(334, {}, base::encode_base64(step.data));
      state_ = State::AuthAnswer;
      break;
    case SaslStep::Kind::Success:
      identity_ = std::move(step.identity);
      is_trusted_ = true;
      reply(235, {2, 7, 0}, "Authentication successful");
      break;
    case SaslStep::Kind::Failure:
      refuse(535, {5, 7, 8}, "Authentication failed");
      break;
    case SaslStep::Kind::TemporaryFailure:
      refuse(454, {4, 7, 0}, "Cannot authenticate now; try again later");
      break;
  }
}

}  // namespace ekiden::smtp
