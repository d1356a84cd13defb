#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ekiden/smtp/command.hpp"
#include "ekiden/smtp/data_reader.hpp"
#include "ekiden/smtp/reply.hpp"
#include "ekiden/smtp/sasl.hpp"

namespace ekiden::smtp {

struct ServerOptions {
  std::string hostname;
  std::string greeting = "ESMTP ekiden";  ///< follows our name
  bool offers_starttls = false;           ///< while the connection is in the clear
  bool requires_tls = false;              ///< for AUTH and MAIL: 530 5.7.0
  bool requires_auth = false;             ///< for MAIL: 530 5.7.0
  BareNewlines bare_newlines = BareNewlines::Refuse;
  Syntax syntax = Syntax::Lenient;
  TakesOddLocalParts takes_odd_local_parts;  ///< under strict syntax, by the recipient's domain
  std::uint64_t size_max = 50ull << 20;      ///< octets of a message; zero: none
  std::uint32_t recipients_max = 1000;       ///< of one message; more get 452 4.5.3
  std::uint32_t messages_max = 0;            ///< of one connection, then 421; zero: none
  /// Of one connection, those that led to an accepted message left out; then 421. Zero: 1000 and
  /// four for each recipient allowed.
  std::uint32_t commands_max = 0;
  std::uint32_t errors_max = 20;        ///< refused commands, then 421
  std::size_t chunk_octets = 1u << 20;  ///< a body that grows past it leaves in parts
};

// --- what happened ---

/// The connection stands and the client is silent: greet it.
struct Connected {};
/// Octets came before our greeting (RFC 5321 §3.1).
struct EarlyTalk {};
/// Greet with a refusal and close: too many connections, a client that is not welcome.
struct TurnedAway {
  Reply reply;
};
/// Valid during the call; what is needed later is copied.
struct Input {
  std::string_view octets;
};
/// Nothing to report: the action was done.
struct Continue {};
struct TlsStarted {};
struct SaslAnswer {
  SaslStep step;
};
/// The mechanism is not one of those offered.
struct SaslUnknown {};
/// Admission's answer to MAIL, RCPT, DATA: 250, 354 or a refusal.
struct Verdict {
  Reply reply;
  bool counts_as_error = false;
};
/// The spool's answer to the whole message; also a refusal of a part that has arrived.
struct Stored {
  Reply reply;
};
struct TimedOut {};
struct ShuttingDown {};

using Event = std::variant<Connected, EarlyTalk, TurnedAway, Input, Continue, TlsStarted,
                           SaslAnswer, SaslUnknown, Verdict, Stored, TimedOut, ShuttingDown>;

// --- what to do; each is answered by the event named ---

enum class Wait : std::uint8_t {
  Command,  ///< RFC 5321 §4.5.3.2.7: 5 minutes
  Data,     ///< RFC 5321 §4.5.3.2.5: 3 minutes for each part
};
/// Send the output, then read. → Input, TimedOut, ShuttingDown
struct NeedInput {
  Wait wait = Wait::Command;
};
/// Send the output, because it grows. → Continue
struct Flush {};
/// Send the output, then the TLS handshake. → TlsStarted
struct StartTls {};
/// → SaslAnswer, SaslUnknown
struct BeginAuth {
  std::string mechanism;  ///< in upper case
  std::optional<std::string> initial_response;
};
/// → SaslAnswer
struct StepAuth {
  std::string response;
};
/// The client gave the exchange up. → Continue
struct AbortAuth {};
/// A new transaction. → Verdict
struct AdmitMail {
  MailCommand mail;
};
/// → Verdict
struct AdmitRcpt {
  RcptCommand rcpt;
};
/// The message comes next: is there room? → Verdict with 354, or a refusal
struct AdmitData {};
/// take_body() holds a part of a large body. → Continue, or Stored with a refusal
struct BodyPart {};
/// The message is whole; take_body() holds (the rest of) it. → Stored
struct BodyComplete {};
/// Send the output, then close. The dialogue is over.
struct Close {
  std::string_view reason;  ///< for the log: "quit", "timeout", "too many errors", …
};

using Action = std::variant<NeedInput, Flush, StartTls, BeginAuth, StepAuth, AbortAuth, AdmitMail,
                            AdmitRcpt, AdmitData, BodyPart, BodyComplete, Close>;

/// The server's half of SMTP (RFC 5321), deciding only: never a socket, a clock or a disk.
///
/// Every complete command in the input is eaten before more input is asked for, and the replies of
/// a pipelined group gather in one output (RFC 2920 §3.2).
///
/// Sharing: one session owns one.
class ServerDialogue {
 public:
  explicit ServerDialogue(ServerOptions options);

  [[nodiscard]] Action resume(Event event);

  /// Octets for the peer, taken away.
  std::string take_output() { return std::exchange(output_, {}); }
  bool has_output() const { return !output_.empty(); }
  std::string take_body() { return std::exchange(body_, {}); }

  /// The mechanisms to offer from now on; empty: AUTH is unknown.
  void set_mechanisms(std::vector<std::string> mechanisms) { mechanisms_ = std::move(mechanisms); }
  /// The connection began with a TLS handshake.
  void set_tls() { is_tls_ = true; }
  /// A client we trust: unknown recipients do not count as its errors.
  void set_trusted() { is_trusted_ = true; }

  bool is_tls() const { return is_tls_; }
  bool is_esmtp() const { return is_esmtp_; }
  const std::string& identity() const { return identity_; }
  const std::string& helo() const { return helo_; }
  bool is_in_transaction() const { return in_transaction_; }
  bool is_in_body() const { return state_ == State::Data || state_ == State::Bdat; }
  std::uint32_t recipients() const { return recipients_; }
  std::uint32_t commands() const { return commands_; }
  std::uint32_t errors() const { return errors_; }
  std::uint32_t messages() const { return messages_; }
  std::string_view last_verb() const { return verb_name(last_verb_); }

  /// Of the message that is whole or on its way.
  std::uint64_t message_octets() const { return message_octets_; }
  std::size_t longest_line() const { return reader_.longest_line(); }
  bool is_eight_bit() const { return reader_.is_eight_bit(); }

 private:
  enum class State : std::uint8_t {
    Greeting,
    Command,
    AuthAnswer,  ///< the next line answers a challenge
    Data,
    Bdat,          ///< inside a chunk
    AwaitVerdict,  ///< of MAIL, RCPT, DATA
    AwaitSasl,
    AwaitTls,
    AwaitStore,
    Closed,
  };

  Action advance();
  Action settle(Action action);
  void add_input(std::string_view octets);
  void consume(std::size_t octets) { view_.remove_prefix(octets); }
  struct Line {
    std::string_view text;
    bool is_refused = false;  ///< the reply is given already
  };
  std::optional<Line> take_line();

  void reply(std::uint16_t code, EnhancedCode enhanced, std::string_view text);
  void reply(const Reply& reply);
  void refuse(std::uint16_t code, EnhancedCode enhanced, std::string_view text);
  Action close(std::string_view reason);
  void reset_transaction();
  void note_progress();

  std::optional<Action> on_line(std::string_view line);
  void on_hello(const Command& command);
  std::optional<Action> on_starttls(const Command& command);
  std::optional<Action> on_auth(const Command& command);
  std::optional<Action> on_auth_answer(std::string_view line);
  std::optional<Action> on_mail(const Command& command);
  std::optional<Action> on_rcpt(const Command& command);
  std::optional<Action> on_data(const Command& command);
  std::optional<Action> on_bdat(const Command& command);
  bool needs_tls_first();
  std::optional<Action> read_data();
  std::optional<Action> read_bdat();
  void end_bdat_chunk_refused();
  std::optional<Action> complete_body();
  void on_sasl(SaslStep step);
  std::optional<Action> on_verdict(Verdict verdict);
  void on_stored(const Reply& reply);
  Offered offered() const;

  ServerOptions options_;
  State state_ = State::Greeting;

  std::string pending_;        ///< input that outlives its caller's buffer
  std::string_view view_;      ///< what is not yet eaten, in pending_ or in the caller's buffer
  std::size_t scanned_ = 0;    ///< of view_, known to hold no line end
  std::uint64_t skipped_ = 0;  ///< octets of an overlong line that were dropped
  bool is_skipping_ = false;
  std::string output_;

  bool is_tls_ = false;
  bool is_esmtp_ = false;
  bool is_trusted_ = false;
  std::string helo_;
  std::string identity_;
  std::vector<std::string> mechanisms_;

  Verb last_verb_ = Verb::Unknown;
  Verb awaited_ = Verb::Unknown;  ///< whose verdict is awaited
  std::uint32_t commands_ = 0;
  /// Commands that no accepted message needed. Those that the open transaction took wait in
  /// pending_commands_: they are forgotten when its message is accepted, counted when it is not.
  std::uint32_t idle_commands_ = 0;
  std::uint32_t pending_commands_ = 0;
  std::uint32_t errors_ = 0;
  std::uint32_t messages_ = 0;

  bool in_transaction_ = false;
  bool smtputf8_ = false;
  BodyKind body_kind_ = BodyKind::SevenBit;
  std::uint64_t declared_size_ = 0;
  std::uint32_t recipients_ = 0;

  DataReader reader_;
  std::string body_;
  std::uint64_t message_octets_ = 0;
  std::uint64_t bdat_left_ = 0;
  bool bdat_is_last_ = false;
  bool bdat_has_begun_ = false;
  /// The rest of the message, or chunk, is read and dropped; then this is said.
  std::optional<Reply> refusal_;
};

}  // namespace ekiden::smtp
