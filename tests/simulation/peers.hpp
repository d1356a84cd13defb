#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/task_group.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/secrecy.hpp"

namespace ekiden::simulation {

/// Lines in, octets out, over a simulated stream. Written apart from the relay's own SMTP, so
/// that a misreading there does not hide itself here.
class LineStream {
 public:
  explicit LineStream(std::unique_ptr<net::Stream> stream)
      : stream_(std::move(stream)), raw_(stream_.get()) {}
  /// A line without its CRLF; nothing at the end of the stream or past the deadline.
  base::Task<std::optional<std::string>> line(base::Steady deadline);
  /// A whole reply's code, continuation lines eaten; nothing at the end.
  base::Task<std::optional<std::string>> reply(base::Steady deadline);
  /// A message up to its lone dot, which is not part of it, dots unstuffed.
  base::Task<std::optional<std::string>> message(base::Duration patience, World& world);
  base::Task<std::optional<std::string>> exactly(std::size_t octets, base::Steady deadline);
  base::Task<bool> write(std::string octets, base::Steady deadline);
  /// The other end has read all that was written.
  void when_read(std::function<void()> seen) { simulation::when_read(*raw_, std::move(seen)); }
  void close() { stream_->close(); }
  void reset() { simulation::reset(*raw_); }

  /// The stream is taken out, to be put under TLS, and comes back so. Nothing may be read ahead.
  std::unique_ptr<net::Stream> release() { return std::move(stream_); }
  void cover(std::unique_ptr<net::Stream> secured) { stream_ = std::move(secured); }
  bool is_covered() const { return stream_->tls() != nullptr; }

 private:
  base::Task<bool> more(base::Steady deadline);

  std::unique_ptr<net::Stream> stream_;
  net::Stream* raw_;  ///< of the network, beneath TLS
  std::string buffer_;
  std::size_t taken_ = 0;
};

/// What lay over a connection.
enum class Veil : std::uint8_t { Clear, Strange, Proven };

/// One transaction that a receiver answered 250 for, or may have: it stored, and the reply was
/// lost on the way.
struct Receipt {
  base::Time time;
  base::Steady instant;
  base::Steady begun;  ///< MAIL
  std::string reverse_path;
  std::vector<std::string> recipients;
  std::string octets;
  Veil veil = Veil::Clear;
  bool has_requiretls = false;  ///< MAIL said so
  /// When the sender had read the 250. Nothing: it never did, so it may send again.
  std::optional<base::Steady> confirmed;
};

/// What one receiver saw, across the lives of the relay and of the world around it.
struct Site {
  std::string name;
  std::vector<Receipt> receipts;
  struct Start {
    base::Steady instant;
    std::string reverse_path;
    net::Address client;
  };
  std::vector<Start> starts;               ///< of transactions
  std::size_t recipients_most = 0;         ///< in one transaction
  std::size_t messages_most = 0;           ///< in one connection
  std::vector<std::string> broken_limits;  ///< of those that it announced, a sentence each
};

/// How a receiver treats its senders. Probabilities in thousandths.
struct Temper {
  unsigned defers_connection = 0;   ///< greets with 421
  unsigned refuses_connection = 0;  ///< greets with 554
  unsigned defers_recipient = 0;    ///< 450 to RCPT
  unsigned defers_message = 0;      ///< 451 after the dot
  unsigned refuses_message = 0;     ///< 554 after the dot
  unsigned drops_in_data = 0;
  unsigned drops_after_dot = 0;      ///< stores, then closes without a reply
  unsigned leaves = 0;               ///< 421 instead of any reply, and closes
  unsigned half_replies = 0;         ///< of replies: the first part, then the end
  unsigned stalls = 0;               ///< of replies: never comes
  unsigned forgets = 0;              ///< answers 250 and stores nothing: a broken peer
  base::Duration slowness{};         ///< before each reply
  bool is_down = false;              ///< refuses connections
  unsigned breaks_tls = 0;           ///< of handshakes: nonsense comes instead
  unsigned refuses_tls = 0;          ///< 454 to STARTTLS
  unsigned says_nonsense = 0;        ///< of replies: no SMTP
  bool refuses_ehlo = false;         ///< knows only HELO
  std::size_t recipients_taken = 0;  ///< 452 4.5.3 to all behind so many; 0: takes all
  unsigned words = 0;                ///< how refusals are put
  unsigned logs_in_oddly = 0;        ///< of logins: challenges that no client can answer
  unsigned fails_proof = 0;          ///< of logins by SCRAM: its own proof is none
  unsigned has_policies = 0;         ///< of recipients: what a provider's rules are about

  // What it offers.
  bool has_pipelining = true, has_eight_bit = true, has_chunking = false, has_dsn = false;
  bool has_utf8 = false, has_binary = false, has_starttls = false;
  bool has_plain = false, has_scram = false;  ///< AUTH
  bool has_login = false;                     ///< the oldest of them, alone
  bool has_requiretls = false;                ///< under TLS
  bool is_strange = false;                    ///< its certificate is somebody else's
  std::uint64_t size_max = 0;                 ///< RFC 1870; 0: not announced
  std::size_t recipients_max = 0;             ///< RFC 9422 RCPTMAX; 0: not announced
  std::size_t messages_max = 0;               ///< RFC 9422 MAILMAX
};

/// A mail server somewhere in the simulated internet. Recipients that begin with "bad" do not
/// exist (550 5.1.1), those that begin with "full" are deferred for ever (452 4.2.2).
class Receiver {
 public:
  /// `site` outlives it: what a server has stored survives a crash of the world around it.
  Receiver(SimulatedInternet& internet, base::Worker& worker, net::Endpoint where, Site& site,
           Secrecy* secrecy = nullptr);
  Temper temper;
  /// Who may log in.
  static constexpr const char* kUser = "relay,at=home";
  static constexpr const char* kPassword = "tea for two";

 private:
  base::Task<void> serve(std::unique_ptr<net::Stream> stream);
  base::Task<bool> say(LineStream& stream, std::string reply);
  base::Task<bool> store(LineStream& stream, Receipt receipt, bool has_announced);
  base::Task<bool> start_tls(LineStream& stream, Veil& veil);
  base::Task<bool> handshake(LineStream& stream, Veil& veil);
  base::Task<std::string> log_in(LineStream& stream, std::string line);
  std::string extensions(Veil veil) const;
  std::string refusal() const;
  std::string policy();
  bool happens(unsigned thousandths) {
    return thousandths > 0 && internet_.world().random().below(1000) < thousandths;
  }

  SimulatedInternet& internet_;
  base::TaskGroup tasks_;
  SimulatedNetwork network_;
  std::unique_ptr<net::Listener> listener_;
  std::uint16_t port_;
  Site& site_;
  Secrecy* secrecy_;
};

}  // namespace ekiden::simulation
