#include "ekiden/delivery/session.hpp"

#include <utility>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/delivery/local_reply.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/smtp/dot_writer.hpp"

// Invariants:
// - `action_` is what the dialogue asked for last and nobody has done yet.
// - `current_` is the dialogue's transaction, `behind_` the one that rides behind its body.
// - Each flight is finished once, in finish(); none is left when work() returns.

namespace ekiden::delivery {
namespace {

using Kind = smtp::ClientAction::Kind;
using smtp::ClientEvent;
namespace client_event = smtp::client_event;

std::string random_nonce(base::Random& random) {
  constexpr std::size_t kNonceOctets = 24;
  std::string raw(kNonceOctets, '\0');
  random.fill(std::as_writable_bytes(std::span(raw)));
  return base::encode_base64(raw);
}

}  // namespace

smtp::ClientOptions Session::client_options(const Parts& parts, TlsLevel level) {
  smtp::ClientOptions options;
  options.ehlo_name = parts.plan.ehlo_name;
  options.needs_requiretls = parts.plan.tls_demand == message::TlsDemand::Required;
  options.wants_auth = !parts.plan.username.empty();
  options.may_send_password_in_clear = parts.context.options.may_send_password_in_clear;
  options.time_outs = parts.context.options.time_outs;
  options.keeps_transcript = parts.context.options.transcripts != Transcripts::None;
  switch (parts.protection.tls) {
    case TlsPolicy::Off:
      options.tls = smtp::ClientTls::Off;
      break;
    case TlsPolicy::Opportunistic:
      options.tls =
          level == TlsLevel::Plain ? smtp::ClientTls::Off : smtp::ClientTls::Opportunistic;
      break;
    case TlsPolicy::Required:
    case TlsPolicy::Verified:
    case TlsPolicy::Dane:
      options.tls = smtp::ClientTls::Required;
      break;
  }
  if (parts.target.has_implicit_tls) options.tls = smtp::ClientTls::Established;
  return options;
}

Session::Session(Parts parts, std::unique_ptr<net::Stream> stream, TlsLevel level,
                 std::string fallback_reason)
    : parts_(parts),
      stream_(std::move(stream)),
      dialogue_(client_options(parts, level)),
      level_(level),
      fallback_reason_(std::move(fallback_reason)) {
  peer_.host = parts_.target.host;
  peer_.address = stream_->remote().address.to_string();
  local_address_ = stream_->local().address.to_string();
  peer_.tls_verification = "none";
}

void Session::close() {
  is_closing_ = true;
  if (stream_ != nullptr) stream_->close();
}

base::Task<bool> Session::open() {
  if (parts_.target.has_implicit_tls && !co_await handshake()) {
    client_event::Lost lost;
    lost.why = "TLS handshake failed: " + tls_error_;
    ClientEvent event = std::move(lost);
    action_ = dialogue_.resume(event);
    keep_opening();
    co_return false;
  }
  ClientEvent event = client_event::Connected{};
  co_await advance(std::move(event));
  keep_opening();
  if (action_.kind == Kind::Ready) {
    describe_tls();
    co_return true;
  }
  (void)co_await write_action();
  if (stream_ != nullptr) stream_->close();
  co_return false;
}

void Session::keep_opening() {
  if (!dialogue_.opening().empty())
    peer_.opening = std::make_shared<const std::string>(dialogue_.opening());
}

bool Session::wants_transcript(const Flight& flight, const smtp::ClientVerdict& verdict) const {
  if (verdict.kind == smtp::ClientVerdict::Kind::NotTried || flight.job.is_probe) return false;
  const Transcripts wanted = parts_.context.options.transcripts;
  const bool is_failure = verdict.kind != smtp::ClientVerdict::Kind::Accepted;
  return wanted == Transcripts::All ||
         (wanted == Transcripts::Failures && (is_failure || flight.job.was_tried));
}

// ---- performing actions

/// Resumes the dialogue and does what it asks, until it needs a decision: Ready, SendBody,
/// Finished or Close.
base::Task<void> Session::advance(ClientEvent event) {
  action_ = dialogue_.resume(event);
  for (;;) {
    switch (action_.kind) {
      case Kind::Read:
        co_await read_reply();
        break;
      case Kind::StartTls:
        co_await start_tls();
        break;
      case Kind::Authenticate:
        co_await authenticate();
        break;
      case Kind::SendBody:
      case Kind::Finished:
      case Kind::Ready:
      case Kind::Close:
        co_return;
    }
  }
}

/// Writes what the action wants written. False: it could not, and `action_` is a new one.
base::Task<bool> Session::write_action() {
  if (action_.write.empty()) co_return true;
  Error error = net::Errc::Closed;
  if (stream_ != nullptr) {
    const base::Steady deadline =
        parts_.context.worker.clock.steady() + parts_.context.options.time_outs.data;
    if (action_.kind == Kind::Close) {
      // A last word that nobody waits for.
      const std::string_view word = action_.write;
      (void)stream_->try_write(std::span(&word, 1));
      co_return true;
    }
    const Result<void> written = co_await net::write_all(*stream_, action_.write, deadline);
    if (written) co_return true;
    error = written.error();
  }
  const ClientEvent event = what_is_left(error);
  action_ = dialogue_.resume(event);
  co_return false;
}

/// A peer that refuses and leaves without reading has often said why: that counts for more than
/// our failing to write.
ClientEvent Session::what_is_left(const Error& error) {
  if (stream_ != nullptr) {
    const Result<std::size_t> read = stream_->try_read(buffer_);
    if (read) return client_event::Received{std::string_view(buffer_, *read)};
    stream_->close();
  }
  client_event::Lost lost;
  lost.is_timeout = error == net::Errc::TimedOut;
  if (!lost.is_timeout && error != net::Errc::EndOfStream) lost.why = error.message();
  return lost;
}

base::Task<void> Session::read_reply() {
  if (!co_await write_action()) co_return;
  if (!action_.is_same_wait) {
    deadline_ = parts_.context.worker.clock.steady() + action_.timeout;
  }
  const Result<std::size_t> read = co_await net::read_some(*stream_, buffer_, deadline_);
  if (read) {
    const ClientEvent event = client_event::Received{std::string_view(buffer_, *read)};
    action_ = dialogue_.resume(event);
    co_return;
  }
  client_event::Lost lost;
  lost.is_timeout = read.error() == net::Errc::TimedOut;
  if (!lost.is_timeout && read.error() != net::Errc::EndOfStream) lost.why = read.error().message();
  const ClientEvent event = std::move(lost);
  action_ = dialogue_.resume(event);
}

base::Task<void> Session::authenticate() {
  if (sasl_ == nullptr) {
    sasl_ =
        std::make_unique<SaslClient>(action_.mechanism, parts_.plan.username, parts_.plan.password,
                                     random_nonce(parts_.context.worker.random));
  }
  SaslClient::Step step = sasl_->step(action_.challenge);
  if (step.kind == SaslClient::Step::Kind::NeedsKey) {
    base::Executor& pool = parts_.context.pool;
    base::Executor& home = parts_.context.worker.executor;
    auto begin = [&](base::Completion<std::string> done) {
      pool.post([request = sasl_->key_request(), done = std::move(done), &home]() mutable {
        std::string key = SaslClient::derive_key(request);
        home.post(
            [key = std::move(key), done = std::move(done)]() mutable { done(std::move(key)); });
      });
    };
    std::string key = co_await base::suspend<std::string>(std::move(begin));
    step = sasl_->set_key(std::move(key));
  }
  client_event::AuthResponse response;
  response.ok = step.kind == SaslClient::Step::Kind::Respond;
  response.octets = std::move(step.octets);
  response.is_complete = step.is_complete;
  const ClientEvent event = std::move(response);
  action_ = dialogue_.resume(event);
}

// ---- transactions

bool Session::may_begin() const {
  return begun_ < parts_.plan.messages_per_connection_max && dialogue_.may_begin() && !is_closing_;
}

base::Task<void> Session::work() {
  for (;;) {
    switch (action_.kind) {
      case Kind::Ready: {
        std::optional<Job> job;
        if (waiting_ == nullptr && may_begin()) {
          const base::Steady deadline =
              parts_.context.worker.clock.steady() + parts_.context.options.idle_timeout;
          job = co_await parts_.feed.next(deadline);
          if (job) waiting_ = std::make_unique<Flight>(std::move(*job));
        }
        if (waiting_ == nullptr) {
          ClientEvent event = client_event::Quit{};
          co_await advance(std::move(event));
          break;
        }
        current_ = std::move(waiting_);
        if (wants_head(current_->job)) co_await load_head(*current_);
        bool is_ready = take_off(*current_) == Taken::Ready;
        if (is_ready) is_ready = co_await align(*current_);
        if (is_ready) is_ready = co_await sign(*current_);
        if (!is_ready) {
          finish(*std::exchange(current_, nullptr));
          break;
        }
        ++begun_;
        observe(current_->job);
        ClientEvent event = client_event::Begin{&current_->preparation.transaction};
        co_await advance(std::move(event));
        break;
      }
      case Kind::SendBody:
        co_await send_body();
        break;
      case Kind::Finished: {
        land();
        ClientEvent event = client_event::Continue{};
        co_await advance(std::move(event));
        break;
      }
      case Kind::Close:
        (void)co_await write_action();
        stream_->shutdown_write();
        stream_->close();
        EKIDEN_ASSERT(current_ == nullptr && behind_ == nullptr, "every transaction has finished");
        // A job that was taken early and never begun goes back.
        if (waiting_ != nullptr) finish(*std::exchange(waiting_, nullptr));
        co_return;
      case Kind::Read:
      case Kind::StartTls:
      case Kind::Authenticate:
        EKIDEN_ASSERT(false, "advance performs these");
    }
  }
}

/// Prepares a job for this peer. Done: nothing is left to ask the peer.
Session::Taken Session::take_off(Flight& flight) {
  flight.started = parts_.context.worker.clock.steady();
  flight.result.id = flight.job.id;
  rewrite(flight);
  FormOfAddress form_of;
  if (odd_wish() != shaping::OddLocalParts::Strict) {
    form_of = [this](const std::string& address) {
      return parts_.context.odd_addresses.form_of(address, odd_wish());
    };
  }
  prepare(flight.job, dialogue_.peer(), parts_.plan.prefers_bdat, flight.preparation, form_of);
  if (flight.job.meta->details.tls_demand == message::TlsDemand::Required) {
    // Ever true on a connection for such mail; a bounce of it takes what there is (RFC 8689 §5).
    const net::TlsInfo* const tls = stream_->tls();
    flight.preparation.transaction.requiretls = dialogue_.peer().requiretls && tls != nullptr &&
                                                tls->is_verified &&
                                                is_name_proven(parts_.plan, parts_.target);
  }
  for (RecipientResult& refused : flight.preparation.refused)
    flight.result.recipients.push_back(std::move(refused));
  if (flight.preparation.recipients.empty() || !convert(flight)) return Taken::Done;
  return Taken::Ready;
}

/// Rules want to see the header, and it lies in a file.
bool Session::wants_head(const Job& job) const {
  const rewrite::RuleSet* rules = parts_.context.options.rewriting.get();
  return rules != nullptr && !job.is_probe && !job.body.is_in_memory() &&
         rules->needs_header(*job.meta, parts_.plan.route);
}

base::Task<void> Session::load_head(Flight& flight) {
  auto begin = [&](base::Completion<Result<base::Octets>> done) {
    parts_.context.spool.read(flight.job.body, 0, message::kHeaderOctetsMax + 4, std::move(done));
  };
  const Result<base::Octets> head = co_await base::suspend<Result<base::Octets>>(std::move(begin));
  // What cannot be read now fails below, as any body does.
  if (head) flight.head = head->view();
}

/// The message as rules want it to leave. One recipient at most where it names one: the others
/// wait for transactions of their own.
void Session::rewrite(Flight& flight) {
  const rewrite::RuleSet* rules = parts_.context.options.rewriting.get();
  Job& job = flight.job;
  if (rules == nullptr || !rules->acts_on_departure() || job.is_probe) return;
  const message::Details& details = job.meta->details;
  if (job.recipients.size() > 1 &&
      rules->wants_single(details.tenant, details.stream, parts_.plan.route)) {
    // Seldom: the scheduler picks single ones by the same rules, unless they have just changed.
    for (std::size_t i = 1; i < job.recipients.size(); ++i)
      flight.result.recipients.push_back({.recipient = job.recipients[i]});
    job.recipients.resize(1);
  }
  const std::string_view octets =
      job.body.is_in_memory() ? job.body.octets.view() : std::string_view(flight.head);
  const std::size_t end = message::find_header_end(octets);
  rewrite::Departing departing;
  departing.id = job.id;
  departing.meta = job.meta.get();
  departing.recipient = job.recipients.front();
  departing.route = parts_.plan.route;
  // A file whose header section does not end within its limit has none to be rewritten.
  if (end != std::string_view::npos) {
    departing.header = octets.substr(0, end);
  } else if (job.body.is_in_memory()) {
    departing.header = octets;
  }
  rewrite::Departed made = rules->depart(departing);
  flight.preparation.reverse_path = std::move(made.reverse_path);
  if (made.header.is_empty()) return;
  flight.preparation.header = made.header.apply(departing.header);
  flight.preparation.header_octets = departing.header.size();
}

/// Re-encodes a body in memory. False: it cannot be, and everybody has been told.
bool Session::convert(Flight& flight) {
  if (!flight.preparation.needs_seven_bit || !flight.job.body.is_in_memory()) return true;
  std::string rewritten;
  std::string_view octets = flight.job.body.octets.view();
  if (flight.preparation.header) {
    rewritten = *flight.preparation.header;
    rewritten += octets.substr(flight.preparation.header_octets);
    octets = rewritten;
  }
  auto converted = message::convert(octets, message::Conversion::SevenBit);
  if (converted) {
    flight.converted = std::move(*converted);
    flight.preparation.transaction.size = flight.converted.size();
    return true;
  }
  for (const std::uint32_t recipient : flight.preparation.recipients) {
    RecipientResult result;
    result.recipient = recipient;
    result.outcome = Outcome::Bounced;
    result.phase = Phase::Mail;
    result.is_local = true;
    // RFC 3463 §3.7: conversion required but not supported.
    result.reply = local_reply(554, {5, 6, 3},
                               "the next hop takes 7-bit mail only and this message cannot be "
                               "converted: " +
                                   converted.error().message());
    flight.result.recipients.push_back(std::move(result));
  }
  return false;
}

/// Takes a job that already waits and lets its commands follow the body. Empty when there is none.
base::Task<std::string_view> Session::find_rider() {
  if (!parts_.context.options.may_ride || !dialogue_.may_ride() || !may_begin()) {
    co_return std::string_view();
  }
  std::optional<Job> job = co_await parts_.feed.next(parts_.context.worker.clock.steady());
  if (!job) co_return std::string_view();
  auto flight = std::make_unique<Flight>(std::move(*job));
  if (wants_head(flight->job)) co_await load_head(*flight);
  bool is_ready = take_off(*flight) == Taken::Ready;
  if (is_ready) is_ready = co_await align(*flight);
  if (is_ready) is_ready = co_await sign(*flight);
  if (!is_ready) {
    finish(*flight);
    co_return std::string_view();
  }
  ++begun_;
  observe(flight->job);
  behind_ = std::move(flight);
  co_return dialogue_.ride(behind_->preparation.transaction);
}

base::Task<void> Session::send_body() {
  Flight& flight = *current_;
  // The rider's job may come through a suspension, which leaves action_.write valid.
  const std::string_view ride = co_await find_rider();
  Result<void> sent;
  if (!flight.job.body.is_in_memory()) {
    sent = co_await send_file(flight, ride);
  } else {
    const Preparation& preparation = flight.preparation;
    std::string_view body =
        preparation.needs_seven_bit ? flight.converted : flight.job.body.octets.view();
    std::string_view header;
    if (preparation.header && !preparation.needs_seven_bit) {
      header = *preparation.header;
      body.remove_prefix(preparation.header_octets);
    }
    pieces_.clear();
    if (!action_.write.empty()) pieces_.push_back(action_.write);
    const std::string_view signature = preparation.signature;
    if (preparation.transaction.uses_bdat) {
      if (!signature.empty()) pieces_.push_back(signature);
      if (!header.empty()) pieces_.push_back(header);
      pieces_.push_back(body);
    } else {
      smtp::DotWriter dots;
      if (!signature.empty()) dots.append(signature, pieces_);
      if (!header.empty()) dots.append(header, pieces_);
      dots.append(body, pieces_);
      dots.finish(pieces_);
    }
    if (!ride.empty()) pieces_.push_back(ride);
    const base::Steady deadline =
        parts_.context.worker.clock.steady() + parts_.context.options.time_outs.data;
    sent = co_await net::write_all(*stream_, std::span<const std::string_view>(pieces_), deadline);
  }
  ClientEvent event = client_event::BodySent{};
  if (!sent) {
    event = what_is_left(sent.error());
    // Whatever the peer said, a body cut short can only end with the connection.
    action_ = dialogue_.resume(event);
    if (action_.kind != Kind::Read) co_return;
    client_event::Lost lost;
    lost.why = sent.error().message();
    event = std::move(lost);
  }
  co_await advance(std::move(event));
}

/// Streams a body that lies in a file, slice by slice.
base::Task<Result<void>> Session::send_file(Flight& flight, std::string_view ride) {
  constexpr std::size_t kSliceOctets = 256 * 1024;
  const spool::Body& body = flight.job.body;
  const bool uses_bdat = flight.preparation.transaction.uses_bdat;
  std::unique_ptr<message::Converter> converter;
  if (flight.preparation.needs_seven_bit) {
    converter = std::make_unique<message::Converter>(message::Conversion::SevenBit);
  }
  smtp::DotWriter dots;
  std::string converted, beginning;
  std::uint64_t offset = flight.preparation.header_octets;
  std::string_view prefix = action_.write;
  std::string_view signature = flight.preparation.signature;
  for (bool is_last = false; !is_last;) {
    auto begin = [&](base::Completion<Result<base::Octets>> done) {
      parts_.context.spool.read(body, offset, kSliceOctets, std::move(done));
    };
    const Result<base::Octets> slice =
        co_await base::suspend<Result<base::Octets>>(std::move(begin));
    if (!slice || (slice->empty() && offset < body.size)) {
      flight.own_failure =
          local_reply(451, {4, 3, 0},
                      "the message could not be read back: " +
                          (slice ? std::string("its file is too short") : slice.error().message()));
      co_return Error(net::Errc::Closed);
    }
    offset += slice->size();
    is_last = offset >= body.size;
    std::string_view octets = slice->view();
    if (flight.preparation.header && beginning.empty()) {
      beginning = *flight.preparation.header;
      beginning += octets;
      octets = beginning;
    }
    if (converter != nullptr) {
      converted.clear();
      Result<void> done = converter->feed(octets, converted);
      if (done && is_last) done = converter->finish(converted);
      if (!done) {
        flight.own_failure = local_reply(
            554, {5, 6, 3},
            "the next hop takes 7-bit mail only and this message cannot be converted: " +
                done.error().message());
        co_return Error(net::Errc::Closed);
      }
      octets = converted;
    }
    pieces_.clear();
    if (!prefix.empty()) pieces_.push_back(std::exchange(prefix, {}));
    const std::string_view front = std::exchange(signature, {});
    if (uses_bdat) {
      if (!front.empty()) pieces_.push_back(front);
      pieces_.push_back(octets);
    } else {
      if (!front.empty()) dots.append(front, pieces_);
      dots.append(octets, pieces_);
      if (is_last) dots.finish(pieces_);
    }
    if (is_last && !ride.empty()) pieces_.push_back(ride);
    const base::Steady deadline =
        parts_.context.worker.clock.steady() + parts_.context.options.time_outs.data;
    const Result<void> written =
        co_await net::write_all(*stream_, std::span<const std::string_view>(pieces_), deadline);
    if (!written) co_return written;
  }
  co_return Result<void>();
}

/// The dialogue has verdicts for `current_`.
void Session::land() {
  Flight& flight = *current_;
  EKIDEN_ASSERT(dialogue_.outcome_of() == &flight.preparation.transaction,
                "transactions finish in the order they began");
  std::vector<smtp::ClientVerdict>& verdicts = dialogue_.outcome();
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const std::uint32_t index = flight.preparation.recipients[i];
    std::string transcript;
    if (wants_transcript(flight, verdicts[i])) transcript = dialogue_.transcript(i);
    RecipientResult result =
        result_of(index, std::move(verdicts[i]), flight.job.meta->envelope.recipients[index],
                  dialogue_.peer());
    if (result.outcome == Outcome::Bounced && result.phase == Phase::Rcpt && !result.is_local &&
        parts_.context.odd_addresses.may_retry(flight.job.meta->envelope.recipients[index].address,
                                               odd_wish(), result.reply)) {
      result.outcome = Outcome::NotTried;
    }
    result.transcript = std::move(transcript);
    if (flight.own_failure && result.outcome == Outcome::Deferred && result.is_local) {
      result.reply = *flight.own_failure;
      if (result.reply.is_permanent()) result.outcome = Outcome::Bounced;
    }
    flight.result.recipients.push_back(std::move(result));
  }
  finish(flight);
  current_ = std::move(behind_);
}

void Session::finish(Flight& flight) {
  JobResult& result = flight.result;
  result.id = flight.job.id;
  if (result.recipients.empty()) {
    // Taken and never begun.
    for (const std::uint32_t recipient : flight.job.recipients) {
      result.recipients.push_back({.recipient = recipient});
    }
  }
  result.peer = peer_;
  if (flight.started != base::Steady{}) {
    result.duration = parts_.context.worker.clock.steady() - flight.started;
  }
  parts_.feed.finish(std::move(result));
}

}  // namespace ekiden::delivery
