#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ekiden/base/time.hpp"
#include "ekiden/smtp/peer_extensions.hpp"
#include "ekiden/smtp/reply.hpp"
#include "ekiden/smtp/reply_parser.hpp"
#include "ekiden/smtp/time_outs.hpp"

namespace ekiden::smtp {

/// The command whose reply is awaited, or was.
enum class ClientPhase : std::uint8_t {
  Connect,
  Greeting,
  Ehlo,
  StartTls,
  Auth,
  Mail,
  Rcpt,
  Data,
  Eod,  ///< after the final dot, or after the octets of BDAT … LAST
};

enum class ClientTls : std::uint8_t {
  Off,            ///< do not look at STARTTLS
  Opportunistic,  ///< use STARTTLS when offered; a refusal leaves the connection in the clear
  Required,       ///< without STARTTLS the connection fails
  Established,    ///< TLS began with the connection
};

struct ClientOptions {
  std::string ehlo_name;
  ClientTls tls = ClientTls::Opportunistic;
  /// RFC 8689 §4.2.1: without REQUIRETLS under TLS the connection fails. Takes Required or
  /// Established.
  bool needs_requiretls = false;
  bool wants_auth = false;
  /// PLAIN and LOGIN show the password to whoever listens: under TLS only, unless set.
  bool may_send_password_in_clear = false;
  /// Commands sent before their replies are read. More wait for the next group, so that neither
  /// side blocks on a full window (RFC 2920 §3.1).
  std::size_t group_commands_max = 100;
  /// Keeps what was said, for opening() and transcript().
  bool keeps_transcript = true;
  ClientTimeOuts time_outs;
};

/// One recipient as the wire shows it. Views into the caller's memory.
struct ClientRecipient {
  std::string_view address;
  std::string_view notify;  ///< "SUCCESS,FAILURE" or empty
  std::string_view orcpt;   ///< "rfc822;xtext" or empty
};

/// One transaction, ready for this peer: what it does not offer is no longer asked of it, but for
/// DSN and SIZE parameters, which the dialogue leaves out by itself. Lives until its outcome.
struct ClientTransaction {
  std::string_view reverse_path;  ///< empty: "<>"
  std::string_view ret;           ///< "FULL", "HDRS" or empty
  std::string_view envid;         ///< xtext or empty
  std::string_view body;          ///< "8BITMIME", "BINARYMIME" or empty
  bool smtputf8 = false;
  bool requiretls = false;  ///< the peer offers it, and the session is as RFC 8689 §2 asks
  bool uses_bdat = false;
  /// Only asks whether the recipients are taken: ends before DATA, verdicts stay at RCPT.
  bool is_probe = false;
  std::uint64_t size = 0;  ///< octets of the body; exact with `uses_bdat`; 0: do not tell
  std::vector<ClientRecipient> recipients;
};

/// What became of one recipient of a transaction.
struct ClientVerdict {
  enum class Kind : std::uint8_t {
    NotTried,  ///< nothing the peer said was about this recipient: try again at once
    Accepted,
    Refused,  ///< the reply says whether for now or for ever
    Lost,     ///< the connection failed; `reply` is ours, or the peer's 421
  };
  Kind kind = Kind::NotTried;
  ClientPhase phase = ClientPhase::Mail;
  bool is_local = false;          ///< the reply is ours
  bool may_be_duplicate = false;  ///< lost when the peer may already have taken the message
  Reply reply;
};

/// Why the connection cannot be used (any more).
struct ClientFailure {
  ClientPhase phase = ClientPhase::Greeting;
  Reply reply;
  bool is_local = false;
};

namespace client_event {
/// The transport is connected (and TLS begun, with ClientTls::Established).
struct Connected {};
struct Received {
  std::string_view octets;
};
struct TlsStarted {};
/// What to answer the peer with. Not `ok`: the exchange cannot go on, or the peer failed to prove
/// that it knows the password too.
struct AuthResponse {
  bool ok = true;
  std::string octets;       ///< before base64
  bool is_complete = true;  ///< nothing more is expected of the peer but success
};
/// Starts a transaction, after Ready.
struct Begin {
  const ClientTransaction* transaction;
};
/// Everything that SendBody asked for is written.
struct BodySent {};
/// The outcome was taken.
struct Continue {};
/// No more work, after Ready.
struct Quit {};
/// The transport failed, or a deadline passed.
struct Lost {
  bool is_timeout = false;
  std::string why;
};
}  // namespace client_event

using ClientEvent =
    std::variant<client_event::Connected, client_event::Received, client_event::TlsStarted,
                 client_event::AuthResponse, client_event::Begin, client_event::BodySent,
                 client_event::Continue, client_event::Quit, client_event::Lost>;

/// What to do next: write `write`, then as `kind` says.
struct ClientAction {
  enum class Kind : std::uint8_t {
    Read,          ///< give back Received or Lost
    StartTls,      ///< begin TLS, give back TlsStarted
    Authenticate,  ///< give back AuthResponse to `challenge`
    SendBody,      ///< the octets, and the dot unless BDAT; then what ride() gave; then BodySent
    Finished,      ///< outcome() has the transaction's verdicts; give back Continue
    Ready,         ///< Begin or Quit
    Close,         ///< write what there is without waiting, close; failure() may say why
  };
  Kind kind = Kind::Close;
  std::string_view write;  ///< valid until the next resume
  base::Duration timeout{};
  /// Read: still the same reply as before; its deadline goes on.
  bool is_same_wait = false;
  std::string_view mechanism;  ///< Authenticate: "PLAIN", "LOGIN" or "SCRAM-SHA-256"
  std::string challenge;       ///< Authenticate: decoded
};

/// Nothing depends on the reply to QUIT.
inline constexpr base::Duration kQuitTimeout = std::chrono::seconds(2);

/// The client's side of SMTP: what to say, and what the replies mean. Never sees a socket.
///
/// Sharing: one connection owns one dialogue.
class ClientDialogue {
 public:
  explicit ClientDialogue(ClientOptions options);

  [[nodiscard]] ClientAction resume(const ClientEvent& event);

  /// While SendBody is being done: the next transaction's commands, to be written right behind
  /// this one's body (RFC 2920 §3.1). Only when may_ride(); once per SendBody. Not behind BDAT,
  /// whose failure leaves a transaction open.
  bool may_ride() const;
  std::string_view ride(const ClientTransaction& transaction);

  /// After Finished: one verdict for each recipient of `outcome_of()`.
  std::vector<ClientVerdict>& outcome() { return current_.verdicts; }
  const ClientTransaction* outcome_of() const { return current_.transaction; }

  const PeerExtensions& peer() const { return peer_; }
  bool is_encrypted() const { return is_encrypted_; }
  /// STARTTLS was offered, tried and refused, with Opportunistic.
  const std::optional<Reply>& starttls_refusal() const { return starttls_refusal_; }
  const std::optional<ClientFailure>& failure() const { return failure_; }
  /// Transactions finished in which the peer has answered something.
  std::uint32_t transactions() const { return transactions_; }
  /// What was said up to the first transaction, a line each: "C: EHLO …", "S: 250 …"; ours "#: …".
  /// Never a password, nor anything that was made of one. At most kTranscriptOctetsMax octets.
  const std::string& opening() const { return opening_; }
  /// After Finished: what was said of the transaction to, and about, one recipient of
  /// `outcome_of()`. Made when it is asked for.
  std::string transcript(std::size_t recipient) const;
  static constexpr std::size_t kTranscriptOctetsMax = 4096;
  bool may_begin() const { return peer_.mail_max == 0 || begun_ < peer_.mail_max; }

 private:
  enum class State : std::uint8_t {
    Start,
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Handshake,
    AuthStep,  // somebody works on a challenge
    AuthReply,
    Idle,
    Transaction,
    Finished,  // verdicts wait to be taken
    QuitSent,
    Closed,
  };
  /// The reply awaited next in a transaction; Body: none, octets are being written.
  enum class Step : std::uint8_t { Rset, Mail, Rcpt, Data, Body, Eod, LoneDot };

  struct Running {
    const ClientTransaction* transaction = nullptr;
    Step step = Step::Mail;
    std::size_t count = 0;     // recipients that take part: RCPTMAX may leave some out
    std::size_t written = 0;   // RCPT commands
    std::size_t answered = 0;  // replies to them
    std::size_t accepted = 0;
    bool has_mail = false;       // MAIL was accepted
    bool has_any_reply = false;  // the peer has answered something
    bool is_rset_written = false;
    bool is_mail_written = false;
    bool is_data_written = false;
    bool is_full = false;  // 452 after some recipients: no more RCPT
    std::vector<ClientVerdict> verdicts;
    // Replies that no verdict has (any more), for the transcript.
    Reply mail_reply, data_reply;
    std::vector<Reply> rcpt_replies;
  };

  void note_opening(char who, std::string_view text);
  void note_opening(const Reply& reply);
  void append_rcpt(std::string& out, const ClientRecipient& recipient) const;
  void keep_rcpt_reply(Running& running, std::size_t recipient);
  ClientAction read_replies(std::string_view octets);
  ClientAction on_reply(Reply reply);
  ClientAction on_ehlo(Reply reply);
  ClientAction on_starttls(Reply reply);
  ClientAction on_auth(Reply reply);
  ClientAction on_auth_response(const client_event::AuthResponse& response);
  ClientAction on_mail(Reply reply);
  ClientAction on_rcpt(Reply reply);
  ClientAction on_data(Reply reply);
  ClientAction on_eod(Reply reply);
  ClientAction on_transaction(Reply reply);
  ClientAction on_lost(const client_event::Lost& lost);

  ClientAction say_ehlo(std::string_view verb, State state);
  ClientAction after_ehlo();
  ClientAction start_auth();
  ClientAction become_idle();

  void prepare(Running& running, const ClientTransaction& transaction);
  void write_group(Running& running, std::string& out);
  void append_mail(std::string& out, const ClientTransaction& transaction) const;
  ClientAction go_on();
  ClientAction end_transaction(Reply reply, bool is_local);
  ClientAction break_off(std::string what);
  ClientAction finish();
  ClientAction after_finish();

  ClientAction read();
  ClientAction act(ClientAction::Kind kind);
  ClientAction fail(ClientPhase phase, Reply reply, bool is_local);
  ClientAction drop(ClientPhase phase, Reply reply);
  ClientPhase phase() const;
  base::Duration timeout() const;
  /// Octets came that answer nothing we have said.
  bool has_unread() const { return !unread_.empty() || !parser_.is_between_replies(); }

  ClientOptions options_;
  State state_ = State::Start;
  ReplyParser parser_;
  std::string out_;       // what the last action asked to write
  std::string ride_out_;  // and what rides behind a body
  std::string opening_;
  std::string rest_;         // received, not yet parsed, between two calls
  std::string_view unread_;  // the same during a call
  PeerExtensions peer_;
  bool is_encrypted_ = false;
  bool is_auth_begun_ = false;
  bool is_auth_complete_ = false;
  bool needs_rset_ = false;
  unsigned auth_rounds_ = 0;
  std::string_view mechanism_;
  Running current_, behind_;
  std::uint32_t transactions_ = 0, begun_ = 0;
  std::optional<Reply> starttls_refusal_;
  std::optional<ClientFailure> failure_;
};

}  // namespace ekiden::smtp
