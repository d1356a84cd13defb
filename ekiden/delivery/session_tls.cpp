// What a session does about TLS: the handshake, how it is described, who is told of it.
#include <algorithm>
#include <utility>

#include "ekiden/delivery/session.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

/// Of one connection; the mail of others goes uncounted into TLS reports.
constexpr std::size_t kObservedDomainsMax = 100;

}  // namespace

using smtp::ClientEvent;
namespace client_event = smtp::client_event;

base::Task<bool> Session::handshake() {
  TlsRequest request;
  request.server_name = parts_.target.host;
  const Protection& protection = parts_.protection;
  request.verify = protection.tls == TlsPolicy::Verified;
  request.level = level_;
  request.dane = protection.dane;
  request.session_key = parts_.target.host + ":" + std::to_string(parts_.target.port) + " " +
                        std::string(tls_policy_name(protection.tls)) + " " + protection.asked_by +
                        (level_ == TlsLevel::Compatible ? " compatible" : "");
  const base::Steady deadline =
      parts_.context.worker.clock.steady() + parts_.context.options.handshake_timeout;
  Result<std::unique_ptr<net::Stream>> secured = co_await parts_.context.start_tls(
      std::move(stream_), std::move(request), deadline, tls_error_);
  if (!secured) {
    const Error error = secured.error();
    is_tls_lost_ = error == net::Errc::TimedOut || error == net::Errc::Reset ||
                   error == net::Errc::EndOfStream || error == net::Errc::Closed;
    if (tls_error_.empty()) tls_error_ = error.message();
    co_return false;
  }
  tls_error_.clear();
  stream_ = std::move(*secured);
  if (is_closing_) stream_->close();
  co_return true;
}

base::Task<void> Session::start_tls() {
  ClientEvent event = client_event::TlsStarted{};
  if (!co_await handshake()) {
    client_event::Lost lost;
    lost.why = tls_error_;
    event = std::move(lost);
  }
  action_ = dialogue_.resume(event);
}

void Session::describe_tls() {
  const net::TlsInfo* tls = stream_->tls();
  if (tls == nullptr) {
    peer_.tls_verification = "none";
    if (dialogue_.starttls_refusal()) {
      peer_.tls_verification =
          "fallback: STARTTLS refused: " + dialogue_.starttls_refusal()->text();
    }
  } else {
    peer_.tls_version = tls->version;
    peer_.tls_cipher = tls->cipher;
    peer_.tls_verification = describe_verification(*tls, parts_.protection);
  }
  if (level_ != TlsLevel::Modern && !fallback_reason_.empty()) {
    peer_.tls_verification = "fallback: " + fallback_reason_;
  }
}

/// RFC 8460: a connection counts once for each domain whose mail it carries.
void Session::observe(const Job& job) {
  const policy::TlsObserver& tell = parts_.context.observe_tls;
  if (!tell || parts_.observed.empty() || job.is_probe) return;
  std::string domain =
      smtp::domain_of(job.meta->envelope.recipients[job.recipients.front()].address);
  if (observed_domains_.size() >= kObservedDomainsMax ||
      std::find(observed_domains_.begin(), observed_domains_.end(), domain) !=
          observed_domains_.end())
    return;
  for (const policy::TlsSession& session : parts_.observed) tell(domain, session);
  observed_domains_.push_back(std::move(domain));
}

}  // namespace ekiden::delivery
