#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/inbound/admission.hpp"
#include "ekiden/inbound/arrival.hpp"
#include "ekiden/inbound/options.hpp"
#include "ekiden/inbound/personal_mail.hpp"
#include "ekiden/inbound/services.hpp"
#include "ekiden/net/stream.hpp"
#include "ekiden/smtp/server_dialogue.hpp"

namespace ekiden::inbound {

/// One SMTP connection: performs what its dialogue decides, with a deadline for every wait.
///
/// Sharing: one coroutine of one worker. What AUTH found lives in here and nowhere else.
class Session {
 public:
  Session(Services& services, WorkerState& state, std::shared_ptr<const ListenerOptions> options,
          std::unique_ptr<net::Stream> stream);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Until the connection ends. The session outlives it.
  base::Task<void> run();

  /// Ends at the next point where nothing is lost: at once while a command is awaited, after the
  /// reply while a message is on its way.
  void stop();

 private:
  enum class Next { Resume, End };

  base::Task<bool> open();
  base::Task<std::optional<smtp::Event>> greet();
  base::Task<bool> wrap(Layer& layer);
  void offer_mechanisms();
  smtp::SaslContext sasl_context() const;

  /// Sets event_, the next for the dialogue, or ends.
  base::Task<Next> perform(smtp::Action& action);
  base::Task<Next> need_input(smtp::Wait wait);
  base::Task<Next> start_tls();
  base::Task<Next> begin_auth(smtp::BeginAuth& begin);
  base::Task<Next> step_auth(std::string response);
  base::Task<Next> admit_mail(smtp::AdmitMail& action);
  bool look_up_client();
  /// The client as this picture of the control store has it.
  void become(std::shared_ptr<const account::Snapshot> accounts,
              const account::Credential* credential);
  base::Task<Next> verify_recipient(smtp::RcptCommand rcpt, std::string next_hop);
  base::Task<Next> body_part();
  base::Task<Next> body_complete();
  PersonalMail personal_mail(SmtpApi api, std::string octets) const;
  void admit_rcpt(smtp::AdmitRcpt& action, bool& needs_verification, std::string& next_hop);
  void admit_data();

  /// Aliases, maps and return paths. True: RCPT has its answer; else it goes on with `rcpt`.
  bool rewrite_recipient(smtp::RcptCommand& rcpt);
  bool take_bounce(const smtp::RcptCommand& rcpt, bool& is_answered);
  bool may_take(const smtp::RcptCommand& rcpt);
  void take_recipient(const smtp::RcptCommand& rcpt, const std::string& next_hop);
  void refuse_recipient(const smtp::RcptCommand& rcpt, smtp::Reply reply);
  void reject(std::string_view phase, const std::string& recipient, const smtp::Reply& reply);

  base::Task<bool> flush();
  base::Task<void> linger();
  base::Steady input_deadline(smtp::Wait wait);
  Origin origin() const;
  std::string client_text() const;
  void end(std::string_view reason);
  void log_end();
  base::Steady now() const { return services_.worker.clock.steady(); }

  Services& services_;
  WorkerState& state_;
  const std::shared_ptr<const ListenerOptions> options_;
  const Admission admission_;
  std::unique_ptr<net::Stream> stream_;
  smtp::ServerDialogue dialogue_;
  smtp::Event event_;
  std::string output_;

  Client client_;
  std::unique_ptr<smtp::SaslSession> sasl_;
  std::unique_ptr<Arrival> arrival_;

  bool is_counted_ = false;  ///< in ClientLimits
  bool is_exempt_ = false;
  bool is_stopping_ = false;
  bool is_awaiting_command_ = false;
  bool may_hold_more_ = false;  ///< the last read filled the buffer
  base::Steady started_;
  base::Steady command_deadline_{};
  std::uint32_t commands_seen_ = 0;
  base::Steady body_started_{};
  bool is_in_body_ = false;
  std::uint64_t octets_read_ = 0;
  std::uint32_t messages_ = 0;
  std::uint32_t recipients_ = 0;
  std::string_view end_reason_ = "lost";
};

}  // namespace ekiden::inbound
