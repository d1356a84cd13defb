#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/peers.hpp"
#include "tests/simulation/secrecy.hpp"

namespace ekiden::simulation {

/// A message as a client tried to hand it over, and what it was told.
struct Submission {
  std::string token;  ///< unique, in the subject
  std::string reverse_path;
  std::string given_path;  ///< what MAIL says where rules make another reverse_path of it; or empty
  std::vector<std::string> wanted;
  std::vector<std::string> recipients;  ///< answered 250 at RCPT, or who stands for them
  /// Who stands for an address of `wanted`, by rules of the relay.
  std::map<std::string, std::vector<std::string>> stand_ins;
  /// X-SMTPAPI names others than the envelope does; empty: it does not.
  std::vector<std::string> named_instead;
  /// Each gets a message of their own, with this word in it; empty: all get the same.
  std::map<std::string, std::string> words;
  std::string subject_more;     ///< behind the token
  std::string notify;           ///< NOTIFY= of each recipient; empty: none
  std::string mail_parameters;  ///< of MAIL, each with a space in front
  std::string rcpt_parameters;
  std::string header;       ///< further fields
  std::string header_from;  ///< where it is not the sender's; or empty
  std::string body;         ///< behind the header, as the client has it
  bool is_eight_bit = false;
  bool is_binary = false;         ///< BODY=BINARYMIME, in chunks
  bool has_long_line = false;     ///< longer than RFC 5321 §4.5.3.1.6 allows
  bool has_bare_newline = false;  ///< in its body
  bool is_changed = false;        ///< the relay may give its body another form
  bool is_bulk = false;
  bool is_strangers = false;
  std::size_t taken_rcpts = 0;   ///< answered 250
  bool is_http = false;          ///< its sender reads events, and is sent no reports
  bool is_row = false;           ///< of a job: its own time begins when it becomes a message
  bool needs_tls = false;        ///< REQUIRETLS
  bool is_tls_optional = false;  ///< "TLS-Required: No"
  base::Duration delay{};        ///< it asked to leave so much later
  bool is_accepted = false;      ///< 250 after the dot reached the client
  bool was_sent_whole = false;   ///< the dot left: without a 250 it may have been taken
  base::Steady begun{}, taken{};
  /// Of the message; "" when none came.
  std::string reply;
};

/// What a job's row becomes.
std::string job_body(const std::string& token);

/// `count` lines that name the token, some of them with a dot in front.
std::string make_body(World& world, const std::string& token, std::size_t octets);

/// Sessions that were greeted and have not said good-bye.
struct Crowd {
  unsigned now = 0, most = 0;
};

/// How a client begins.
enum class Cover : std::uint8_t { None, StartTls, Implicit };
enum class Login : std::uint8_t { Plain, PlainWithoutInitial, Word };

/// How a client behaves.
struct Manner {
  bool pipelines = false;
  bool chunks = false;       ///< BDAT
  bool talks_early = false;  ///< before the greeting
  bool forgets_quit = false;
  /// Hangs up at this step, commands and parts of the body counted; 0: never.
  unsigned hangs_up_at = 0;
  base::Duration pause{};      ///< before each step
  std::size_t slice = 0;       ///< octets of the body written at once; 0: all
  Crowd* crowd = nullptr;      ///< where it counts itself
  bool says_helo = false;      ///< no ESMTP
  bool chats = false;          ///< NOOP, VRFY, HELP and the like before its mail
  bool says_nonsense = false;  ///< and what is no SMTP
  std::string proxy_header;    ///< what a proxy in front of it says first
  Secrecy* secrecy = nullptr;  ///< null: it speaks no TLS
  Cover cover = Cover::None;
  bool breaks_handshake = false;
  std::string user, password;  ///< empty: no AUTH
  Login login = Login::Plain;
};

using Submissions = std::vector<std::shared_ptr<Submission>>;

/// Hands messages over in one session, one after the other, and notes what the relay promised.
/// `accepted` is called at each 250 after a message.
base::Task<void> hand_over(SimulatedInternet& internet, net::Endpoint from, net::Endpoint relay,
                           Submissions messages, Manner manner, std::function<void()> accepted);

}  // namespace ekiden::simulation
