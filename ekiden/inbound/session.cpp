#include "ekiden/inbound/session.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/smtp/address.hpp"

// Invariants:
// - stream_ is null only inside wrap().
// - arrival_ exists from an admitted MAIL until the message is stored, refused or given up.
// - An Input event's view lies in the worker's scratch buffer and is eaten before the next wait.

namespace ekiden::inbound {
namespace {

// What a refused client may still send while it has not read our reply.
constexpr std::size_t kLingerOctetsMax = 1u << 20;

smtp::ServerOptions dialogue_options(const ListenerOptions& options, const Services& services) {
  smtp::ServerOptions server;
  const bool has_tls_layer = services.tls != nullptr;
  if (services.providers != nullptr) {
    server.takes_odd_local_parts = [providers = services.providers](std::string_view domain) {
      const Result<std::string> canonical = smtp::canonical_domain(domain);
      return canonical &&
             providers->find({}, *canonical).odd_local_parts != shaping::OddLocalParts::Strict;
    };
  }
  server.hostname = options.hostname;
  server.offers_starttls = options.tls == ListenerTls::StartTls && has_tls_layer;
  server.requires_auth = options.service == Service::Submission;
  server.bare_newlines = options.bare_newlines;
  server.syntax = options.syntax;
  server.size_max = options.limits.message_octets;
  server.recipients_max = options.limits.recipients_per_message;
  server.messages_max = options.limits.messages_per_connection;
  server.commands_max = options.limits.commands;
  server.errors_max = options.limits.errors;
  server.chunk_octets = options.large_octets;
  return server;
}

}  // namespace

Session::Session(Services& services, WorkerState& state,
                 std::shared_ptr<const ListenerOptions> options,
                 std::unique_ptr<net::Stream> stream)
    : services_(services),
      state_(state),
      options_(std::move(options)),
      admission_(*options_),
      stream_(std::move(stream)),
      dialogue_(dialogue_options(*options_, services)),
      started_(services.worker.clock.steady()) {
  services_.instruments.connections.add(1);
  services_.instruments.connections_total.add();
}

Session::~Session() {
  services_.instruments.connections.add(-1);
  if (is_counted_) services_.limits.disconnect(client_.address, is_exempt_);
}

void Session::stop() {
  is_stopping_ = true;
  if (!is_awaiting_command_ || stream_ == nullptr) return;
  // RFC 5321 §3.8: 421 before closing, as far as it can be written at once.
  const std::string text = "421 4.3.2 " + options_->hostname + " Shutting down; try again soon\r\n";
  const std::string_view piece = text;
  (void)stream_->try_write(std::span(&piece, 1));
  end("shutdown");
  stream_->close();
}

std::string Session::client_text() const {
  const net::Address& address = client_.address;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6())
        .to_string();
  }
  return address.to_string();
}

void Session::end(std::string_view reason) {
  end_reason_ = reason;
}

base::Task<void> Session::run() {
  const bool is_open = co_await open();
  if (is_open) {
    std::optional<smtp::Event> first = co_await greet();
    if (first) {
      event_ = std::move(*first);
      while (true) {
        smtp::Action action = dialogue_.resume(std::move(event_));
        event_ = smtp::Continue{};
        // What needs no waiting is done right here.
        if (auto* rcpt = std::get_if<smtp::AdmitRcpt>(&action)) {
          bool needs_verification = false;
          std::string next_hop;
          admit_rcpt(*rcpt, needs_verification, next_hop);
          if (!needs_verification) continue;
          const Next next = co_await verify_recipient(std::move(rcpt->rcpt), std::move(next_hop));
          if (next == Next::End) break;
          continue;
        }
        if (std::holds_alternative<smtp::AdmitData>(action)) {
          admit_data();
          continue;
        }
        if (std::holds_alternative<smtp::AbortAuth>(action)) {
          sasl_.reset();
          continue;
        }
        const Next next = co_await perform(action);
        if (next == Next::End) break;
      }
    }
  }
  arrival_.reset();
  sasl_.reset();
  if (stream_ != nullptr) stream_->close();
  log_end();
}

// --- before the dialogue ---

/// PROXY header, limits, implicit TLS. False: the connection is over.
base::Task<bool> Session::open() {
  if (contains(options_->proxy_networks, stream_->remote().address)) {
    if (services_.proxy == nullptr) co_return false;
    const bool is_fine = co_await wrap(*services_.proxy);
    if (!is_fine) {
      end("bad PROXY header");
      co_return false;
    }
  }
  client_.address = stream_->remote().address;
  is_exempt_ =
      client_.address.is_loopback() || contains(options_->trusted_networks, client_.address);
  const ClientLimits::Answer answer =
      services_.limits.connect(client_.address, is_exempt_, options_->limits, now());
  is_counted_ = answer == ClientLimits::Answer::Welcome;
  if (!is_counted_) {
    // Without TLS: what we refuse for lack of room gets no handshake.
    services_.instruments.connections_refused.add();
    smtp::TurnedAway away;
    away.reply =
        answer == ClientLimits::Answer::TooMany
            ? smtp::Reply{421, {4, 3, 2}, {options_->hostname + " Too many connections"}}
            : smtp::Reply{421, {4, 7, 0}, {options_->hostname + " Too many connections from you"}};
    if (options_->tls != ListenerTls::Implicit) {
      (void)dialogue_.resume(std::move(away));
      co_await flush();
    }
    end("turned away");
    co_return false;
  }
  if (options_->tls == ListenerTls::Implicit) {
    if (services_.tls == nullptr) co_return false;
    const bool is_fine = co_await wrap(*services_.tls);
    if (!is_fine) {
      end("handshake failed");
      co_return false;
    }
    dialogue_.set_tls();
  }
  if (admission_.is_own(client_)) dialogue_.set_trusted();
  offer_mechanisms();
  co_return true;
}

base::Task<bool> Session::wrap(Layer& layer) {
  const base::Steady deadline = now() + options_->time_outs.handshake;
  Result<std::unique_ptr<net::Stream>> wrapped = co_await layer.wrap(std::move(stream_), deadline);
  if (!wrapped) {
    services_.instruments.handshakes_failed.add();
    co_return false;
  }
  stream_ = std::move(*wrapped);
  co_return true;
}

/// RFC 5321 §3.1, §4.3.1: who speaks first is no mail client.
base::Task<std::optional<smtp::Event>> Session::greet() {
  if (is_stopping_)
    co_return smtp::TurnedAway{
        smtp::Reply{421, {4, 3, 2}, {options_->hostname + " Shutting down; try again soon"}}};
  if (options_->greeting_delay.count() > 0) {
    const base::Steady until = now() + options_->greeting_delay;
    const Result<void> ready = co_await stream_->wait(net::Direction::Read, until);
    if (!ready && ready.error() != net::Errc::TimedOut) co_return std::nullopt;
  }
  const Result<std::size_t> early = stream_->try_read(state_.scratch);
  if (early) co_return smtp::EarlyTalk{};
  if (early.error() != net::Errc::WouldBlock) co_return std::nullopt;
  co_return smtp::Connected{};
}

smtp::SaslContext Session::sasl_context() const {
  smtp::SaslContext context;
  context.client_address = client_text();
  const net::TlsInfo* tls = stream_->tls();
  context.is_tls = tls != nullptr;
  if (tls != nullptr && tls->is_verified) context.certificate_sha256 = tls->peer_certificate_sha256;
  const net::Stream* stream = stream_.get();
  context.channel_binding = [stream](std::string_view type) {
    return stream->channel_binding(type);
  };
  return context;
}

void Session::offer_mechanisms() {
  if (services_.sasl == nullptr || options_->service == Service::Inbound) return;
  dialogue_.set_mechanisms(services_.sasl->mechanisms(sasl_context()));
}

Origin Session::origin() const {
  Origin origin;
  origin.client_address = client_text();
  origin.helo = dialogue_.helo();
  origin.identity = dialogue_.identity();
  origin.is_esmtp = dialogue_.is_esmtp();
  if (const net::TlsInfo* tls = stream_->tls()) {
    origin.is_tls = true;
    origin.tls_version = tls->version;
    origin.tls_cipher = tls->cipher;
  }
  return origin;
}

// --- actions ---

base::Task<Session::Next> Session::perform(smtp::Action& action) {
  if (const auto* need = std::get_if<smtp::NeedInput>(&action)) {
    const smtp::Wait wait = need->wait;
    co_return co_await need_input(wait);
  }
  if (auto* mail = std::get_if<smtp::AdmitMail>(&action)) co_return co_await admit_mail(*mail);
  if (std::holds_alternative<smtp::BodyComplete>(action)) co_return co_await body_complete();
  if (std::holds_alternative<smtp::BodyPart>(action)) co_return co_await body_part();
  if (std::holds_alternative<smtp::Flush>(action)) {
    const bool is_fine = co_await flush();
    co_return is_fine ? Next::Resume : Next::End;
  }
  if (std::holds_alternative<smtp::StartTls>(action)) co_return co_await start_tls();
  if (auto* begin = std::get_if<smtp::BeginAuth>(&action)) co_return co_await begin_auth(*begin);
  if (auto* step = std::get_if<smtp::StepAuth>(&action)) {
    co_return co_await step_auth(std::move(step->response));
  }
  if (const auto* close = std::get_if<smtp::Close>(&action)) {
    end(close->reason);
    const bool is_fine = co_await flush();
    // A client that is still sending would lose our reply to a reset.
    if (is_fine && close->reason != "quit" && close->reason != "shutdown") co_await linger();
  }
  co_return Next::End;
}

base::Task<bool> Session::flush() {
  if (!dialogue_.has_output()) co_return true;
  output_ = dialogue_.take_output();
  const base::Steady deadline = now() + options_->time_outs.write;
  const std::string_view octets = output_;
  const Result<void> written = co_await net::write_all(*stream_, octets, deadline);
  std::string().swap(output_);
  if (!written) end(written.error() == net::Errc::TimedOut ? "timeout" : "lost");
  co_return !written.has_error();
}

base::Task<void> Session::linger() {
  stream_->shutdown_write();
  const base::Steady deadline = now() + options_->time_outs.linger;
  std::size_t dropped = 0;
  while (dropped < kLingerOctetsMax && !is_stopping_) {
    const Result<void> ready = co_await stream_->wait(net::Direction::Read, deadline);
    if (!ready) co_return;
    const Result<std::size_t> read = stream_->try_read(state_.scratch);
    if (!read && read.error() != net::Errc::WouldBlock) co_return;
    if (read) dropped += *read;
  }
}

base::Steady Session::input_deadline(smtp::Wait wait) {
  const TimeOuts& time_outs = options_->time_outs;
  if (wait == smtp::Wait::Command) {
    // An unfinished line does not prolong its own wait.
    if (command_deadline_ == base::Steady{} || commands_seen_ != dialogue_.commands()) {
      commands_seen_ = dialogue_.commands();
      command_deadline_ = now() + time_outs.command;
    }
    is_in_body_ = false;
    return command_deadline_;
  }
  command_deadline_ = {};
  if (!is_in_body_) {
    is_in_body_ = true;
    body_started_ = now();
  }
  const std::uint64_t rate = std::max<std::uint32_t>(time_outs.octets_per_second_min, 1);
  const base::Duration earned(dialogue_.message_octets() * 1'000'000 / rate);
  return std::min(now() + time_outs.data_block, body_started_ + time_outs.data_grace + earned);
}

base::Task<Session::Next> Session::need_input(smtp::Wait wait) {
  const bool is_fine = co_await flush();
  if (!is_fine) co_return Next::End;
  if (!dialogue_.is_in_transaction()) arrival_.reset();
  if (is_stopping_ && wait == smtp::Wait::Command) {
    event_ = smtp::ShuttingDown{};
    co_return Next::Resume;
  }
  if (wait == smtp::Wait::Data && arrival_ != nullptr &&
      !arrival_->reserve(
          std::min<std::uint64_t>(dialogue_.message_octets(), options_->large_octets))) {
    arrival_.reset();
    smtp::Stored refused;
    refused.reply = no_memory();
    event_ = std::move(refused);
    co_return Next::Resume;
  }
  const base::Steady deadline = input_deadline(wait);
  while (true) {
    if (!may_hold_more_) {
      is_awaiting_command_ = wait == smtp::Wait::Command;
      const Result<void> ready = co_await stream_->wait(net::Direction::Read, deadline);
      is_awaiting_command_ = false;
      if (!ready && ready.error() == net::Errc::TimedOut) {
        event_ = smtp::TimedOut{};
        co_return Next::Resume;
      }
      if (!ready) co_return Next::End;
    }
    const Result<std::size_t> read = stream_->try_read(state_.scratch);
    may_hold_more_ = read && *read == state_.scratch.size();
    if (read) {
      octets_read_ += *read;
      event_ = smtp::Input{std::string_view(state_.scratch.data(), *read)};
      co_return Next::Resume;
    }
    if (read.error() != net::Errc::WouldBlock) co_return Next::End;
  }
}

base::Task<Session::Next> Session::start_tls() {
  const bool is_fine = co_await flush();
  if (!is_fine) co_return Next::End;
  EKIDEN_ASSERT(services_.tls != nullptr, "STARTTLS is offered only with a TLS layer");
  const bool is_wrapped = co_await wrap(*services_.tls);
  if (!is_wrapped) {
    end("handshake failed");
    co_return Next::End;
  }
  // RFC 3207 §4.2: nothing learned in the clear counts any more.
  may_hold_more_ = false;
  arrival_.reset();
  sasl_.reset();
  client_.credential = nullptr;
  client_.tenant = nullptr;
  client_.limits = nullptr;
  client_.accounts.reset();
  offer_mechanisms();
  event_ = smtp::TlsStarted{};
  co_return Next::Resume;
}

base::Task<Session::Next> Session::begin_auth(smtp::BeginAuth& begin) {
  sasl_ =
      services_.sasl == nullptr ? nullptr : services_.sasl->begin(begin.mechanism, sasl_context());
  if (sasl_ == nullptr) {
    event_ = smtp::SaslUnknown{};
    co_return Next::Resume;
  }
  if (!begin.initial_response && sasl_->is_client_first()) {
    smtp::SaslStep challenge;
    challenge.kind = smtp::SaslStep::Kind::Challenge;
    event_ = smtp::SaslAnswer{std::move(challenge)};
    co_return Next::Resume;
  }
  std::string response = begin.initial_response ? std::move(*begin.initial_response) : "";
  co_return co_await step_auth(std::move(response));
}

base::Task<Session::Next> Session::step_auth(std::string response) {
  EKIDEN_ASSERT(sasl_ != nullptr, "an answer follows a challenge");
  smtp::SaslStep step = co_await sasl_->step(std::move(response));
  if (step.kind == smtp::SaslStep::Kind::Success) {
    std::shared_ptr<const account::Snapshot> accounts = services_.accounts.current();
    const account::Credential* credential =
        accounts == nullptr ? nullptr : accounts->find_by_name(step.identity);
    if (credential == nullptr || !Admission::may_log_in(*credential, client_.address)) {
      step = smtp::SaslStep{};
      step.kind = smtp::SaslStep::Kind::Failure;
    } else {
      become(std::move(accounts), credential);
    }
  }
  if (step.kind != smtp::SaslStep::Kind::Challenge) sasl_.reset();
  if (step.kind == smtp::SaslStep::Kind::Success) services_.instruments.logins.add();
  if (step.kind == smtp::SaslStep::Kind::Failure) {
    services_.instruments.logins_failed.add();
    base::log::info(
        "login_failed",
        {{"listener", options_->name}, {"client", client_text()}, {"helo", dialogue_.helo()}});
  }
  event_ = smtp::SaslAnswer{std::move(step)};
  co_return Next::Resume;
}

// --- what is told about it ---

void Session::log_end() {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now() - started_).count();
  base::log::info("session", {{"listener", options_->name},
                              {"client", client_text()},
                              {"helo", dialogue_.helo()},
                              {"identity", dialogue_.identity()},
                              {"tls", dialogue_.is_tls() ? "yes" : "no"},
                              {"commands", dialogue_.commands()},
                              {"errors", dialogue_.errors()},
                              {"messages", messages_},
                              {"recipients", recipients_},
                              {"octets", octets_read_},
                              {"end", end_reason_},
                              {"ms", milliseconds}});
}

}  // namespace ekiden::inbound
