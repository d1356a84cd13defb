#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/delivery/connection.hpp"
#include "ekiden/delivery/message_signer.hpp"
#include "ekiden/delivery/preparation.hpp"
#include "ekiden/delivery/protection.hpp"
#include "ekiden/delivery/route.hpp"
#include "ekiden/delivery/sasl_client.hpp"
#include "ekiden/message/convert.hpp"
#include "ekiden/smtp/client_dialogue.hpp"

namespace ekiden::delivery {

/// One connected stream: performs what its dialogue decides, from the greeting to QUIT.
///
/// Sharing: one coroutine; `close` from anywhere on its worker.
class Session {
 public:
  struct Parts {
    ConnectionContext& context;
    const Plan& plan;
    const Target& target;
    const Protection& protection;
    Feed& feed;
    /// What came of TLS so far; with the first message for a domain it is told.
    const std::vector<policy::TlsSession>& observed;
  };
  Session(Parts parts, std::unique_ptr<net::Stream> stream, TlsLevel level,
          std::string fallback_reason);

  /// Greeting, EHLO, TLS, AUTH. True: ready for transactions; otherwise `failure()` says why.
  base::Task<bool> open();

  /// Transactions until no work comes, a limit is reached or the connection fails.
  base::Task<void> work();

  /// Ends everything now. What waits is woken.
  void close();

  const std::optional<smtp::ClientFailure>& failure() const { return dialogue_.failure(); }
  /// The TLS handshake failed, in words; empty otherwise.
  const std::string& tls_error() const { return tls_error_; }
  /// It failed because the connection did.
  bool is_tls_lost() const { return is_tls_lost_; }
  const Peer& peer() const { return peer_; }
  const net::TlsInfo* tls() const { return stream_ == nullptr ? nullptr : stream_->tls(); }
  const std::string& local_address() const { return local_address_; }
  bool has_peer_starttls() const { return dialogue_.peer().starttls; }
  std::uint32_t transactions() const { return dialogue_.transactions(); }

 private:
  /// A job on its way through this connection.
  struct Flight {
    explicit Flight(Job taken) : job(std::move(taken)) {}
    Job job;
    Preparation preparation;
    std::string head;       ///< of a body in a file, when rules want to see its header
    std::string converted;  ///< the body in 7-bit form, when it had to be and fits in memory
    JobResult result;
    base::Steady started{};
    /// What is wrong with the message itself, found while its octets were on their way.
    std::optional<smtp::Reply> own_failure;
  };
  enum class Taken { Ready, Done };

  static smtp::ClientOptions client_options(const Parts& parts, TlsLevel level);

  base::Task<void> advance(smtp::ClientEvent event);
  base::Task<void> read_reply();
  base::Task<bool> write_action();
  base::Task<void> start_tls();
  base::Task<bool> handshake();
  base::Task<void> authenticate();
  smtp::ClientEvent what_is_left(const Error& error);

  Taken take_off(Flight& flight);
  shaping::OddLocalParts odd_wish() const {
    const shaping::Profile* const profile = parts_.plan.profile.get();
    return profile == nullptr ? shaping::OddLocalParts::Strict : profile->odd_local_parts;
  }
  bool wants_head(const Job& job) const;
  base::Task<void> load_head(Flight& flight);
  void rewrite(Flight& flight);
  bool convert(Flight& flight);
  base::Task<bool> align(Flight& flight);
  base::Task<bool> sign(Flight& flight);
  base::Task<Result<std::string>> make_signature(const Flight& flight,
                                                 std::shared_ptr<Signing> signing);
  bool may_begin() const;
  base::Task<void> send_body();
  base::Task<Result<void>> send_file(Flight& flight, std::string_view prefix);
  base::Task<std::string_view> find_rider();
  void land();
  void finish(Flight& flight);
  void describe_tls();
  void observe(const Job& job);
  void keep_opening();
  bool wants_transcript(const Flight& flight, const smtp::ClientVerdict& verdict) const;

  Parts parts_;
  std::unique_ptr<net::Stream> stream_;
  smtp::ClientDialogue dialogue_;
  TlsLevel level_;
  std::string fallback_reason_;
  std::string tls_error_;
  bool is_tls_lost_ = false;
  Peer peer_;
  std::string local_address_;
  std::vector<std::string> observed_domains_;  ///< that have been told
  smtp::ClientAction action_;
  base::Steady deadline_{};
  std::unique_ptr<SaslClient> sasl_;
  std::unique_ptr<Flight> current_, behind_, waiting_;
  std::vector<std::string_view> pieces_;
  std::uint32_t begun_ = 0;
  bool is_closing_ = false;
  /// A greeting needs little; a lively connection reads several replies at once.
  static constexpr std::size_t kReadOctets = 2048;
  char buffer_[kReadOctets];
};

}  // namespace ekiden::delivery
