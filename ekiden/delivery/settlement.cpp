// Invariants:
// - A recipient that is being settled is in Place::Settling, so nothing else happens to it.
// - It leaves the scheduler only after its final state is durable; a deferral goes back to
//   waiting at once, because losing its record costs at most an early retry.
// - A disposition is counted when its recipient leaves the scheduler, so that what came, what went
//   and what is queued agree whenever nothing is under way.
// - A batch that the spool refused is kept and submitted again until it is taken.
#include "ekiden/delivery/settlement.hpp"

#include <algorithm>
#include <optional>

#include "ekiden/base/log.hpp"
#include "ekiden/events/message_event.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

constexpr base::Duration kRefusedPause = std::chrono::seconds(1);
/// Events that one turn gathers into one transaction; a batch of the spool has room for many.
constexpr std::size_t kGatheredMax = 512;
/// Reports that one worker makes at once, and what they hold of their originals. Each waits for the
/// disk.
constexpr std::size_t kReportsMax = 128;
constexpr std::uint64_t kReportOctetsMax = 16u << 20;
/// Set in the worker part of ids that settlements give, so that they differ from inbound's.
constexpr std::uint8_t kGeneratedIds = 0x80;

events::Kind kind_of(spool::State state) {
  switch (state) {
    case spool::State::Queued:
      return events::Kind::Deferred;
    case spool::State::Delivered:
    case spool::State::Expanded:
      return events::Kind::Delivered;
    case spool::State::Bounced:
      return events::Kind::Bounced;
    case spool::State::Expired:
      return events::Kind::Expired;
    case spool::State::Suppressed:
      return events::Kind::Suppressed;
    case spool::State::Cancelled:
      return events::Kind::Cancelled;
  }
  return events::Kind::Cancelled;
}

}  // namespace

Settlement::Settlement(Parts parts, SettlementOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      ids_(options_.node, static_cast<std::uint8_t>(parts_.worker.index | kGeneratedIds),
           parts_.worker.random),
      reports_(kReportsMax, kReportOctetsMax),
      delivered_(parts_.metrics.counter("ekiden_recipients_delivered_total",
                                        "Recipients that a next hop took over")),
      deferred_(parts_.metrics.counter("ekiden_attempts_deferred_total",
                                       "Attempts that ended in a later retry")),
      bounced_(
          parts_.metrics.counter("ekiden_recipients_bounced_total", "Recipients refused for good")),
      expired_(parts_.metrics.counter("ekiden_recipients_expired_total",
                                      "Recipients given up after their time")),
      cancelled_(parts_.metrics.counter("ekiden_recipients_cancelled_total",
                                        "Recipients discarded by route or operator")),
      expanded_(parts_.metrics.counter("ekiden_recipients_expanded_total",
                                       "Recipients that other recipients stand for now")),
      added_(parts_.metrics.counter("ekiden_recipients_added_total",
                                    "Recipients that stand for expanded ones")),
      quarantined_(parts_.metrics.counter("ekiden_recipients_quarantined_total",
                                          "Recipients of messages that could not be read back")),
      generated_(parts_.metrics.counter("ekiden_recipients_generated_total",
                                        "Recipients of DSNs and notices of our own")),
      queued_(parts_.metrics.histogram("ekiden_delivery_seconds", "From 250 to delivery")) {}

events::Event Settlement::event_of(const Context& context, const Verdict& verdict,
                                   events::Kind kind, const queue::RecipientEntry& entry) {
  const message::Meta& meta = *context.meta;
  const base::Time now = parts_.worker.clock.now();
  events::Event event = events::message_event(context.id, meta, verdict.recipient);
  // An operator may hold and release the same recipient many times between two attempts. All
  // others have the usual id.
  const bool is_repeatable = kind == events::Kind::Held || kind == events::Kind::Released;
  if (is_repeatable) {
    event.id = events::event_id(context.id, verdict.recipient, kind,
                                static_cast<std::uint32_t>(base::to_unix_us(now) / 1000));
  }
  event.time = now;
  event.kind = kind;
  event.route = context.route;
  event.source = context.source;
  event.provider = context.provider;
  event.remote_host = context.peer.host;
  event.remote_address = context.peer.address;
  event.tls_version = context.peer.tls_version;
  event.tls_cipher = context.peer.tls_cipher;
  event.tls_verification = context.peer.tls_verification;
  event.reply_code = verdict.reply.code;
  if (verdict.reply.enhanced)
    event.enhanced_code = smtp::format_enhanced_code(verdict.reply.enhanced);
  if (verdict.reply.code != 0) event.reply = verdict.reply.text();
  if (verdict.is_attempt) event.phase = phase_name(verdict.phase);
  event.attempt = entry.attempts;
  event.queued_us = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, base::to_unix_us(now) - base::to_unix_us(meta.details.received)));
  event.attempt_us = static_cast<std::uint64_t>(context.duration.count());
  event.may_be_duplicate = verdict.may_be_duplicate || (entry.flags & queue::kMayBeDuplicate) != 0;
  event.detail = verdict.detail;
  // A failed connection has an opening only; of a delivery without a transcript nothing is wanted.
  const bool is_opening_wanted =
      !verdict.transcript.empty() || (verdict.is_attempt && kind != events::Kind::Delivered);
  if (is_opening_wanted && context.peer.opening != nullptr)
    event.transcript = *context.peer.opening;
  event.transcript += verdict.transcript;
  event.reason = verdict.reason;
  event.fault = verdict.fault;
  return event;
}

void Settlement::log_disposition(const Context& context, const Verdict& verdict, events::Kind kind,
                                 const queue::RecipientEntry& entry) {
  if (!options_.logs_dispositions || !base::log::is_enabled(base::log::Level::Info)) return;
  const message::Meta& meta = *context.meta;
  base::log::info("disposition",
                  {{"message", base::format_message_id(context.id)},
                   {"kind", events::kind_name(kind)},
                   {"recipient", meta.envelope.recipients[verdict.recipient].address},
                   {"sender", meta.envelope.reverse_path},
                   {"tenant", meta.details.tenant},
                   {"attempt", entry.attempts},
                   {"host", context.peer.host},
                   {"address", context.peer.address},
                   {"tls", context.peer.tls_version},
                   {"reply", verdict.reply.code != 0 ? verdict.reply.text() : std::string()}});
}

void Settlement::record(const Context& context, const Verdict& verdict, events::Kind kind,
                        const queue::RecipientEntry& entry, std::vector<std::string>& out) {
  out.push_back(events::encode_event(event_of(context, verdict, kind, entry)));
  log_disposition(context, verdict, kind, entry);
}

bool Settlement::wants_report(const Context& context, std::uint32_t recipient,
                              message::DsnKind kind) const {
  const message::Meta& meta = *context.meta;
  if (kind == message::DsnKind::Failed) {
    const bool is_http = meta.details.protocol == "HTTP";
    if (!(is_http ? options_.sends_failure_dsn_for_http : options_.sends_failure_dsn)) return false;
  }
  return message::may_notify(meta.envelope.recipients[recipient], kind, meta.envelope.reverse_path);
}

void Settlement::settle(const Context& context, std::vector<Verdict> verdicts) {
  const base::Time now = parts_.worker.clock.now();
  std::optional<Report> failed, relayed;
  spool::Update update{context.id, {}};

  for (Verdict& verdict : verdicts) {
    const std::uint32_t slot = parts_.scheduler.find(context.id, verdict.recipient);
    // Gone: an operator cancelled it and its record said so.
    if (slot == queue::kNone) continue;
    if (verdict.state == spool::State::Queued &&
        base::to_unix_us(now) >= parts_.scheduler.recipient(slot).expires_us)
      verdict.state = spool::State::Expired;

    queue::RecipientEntry entry = parts_.scheduler.recipient(slot);
    if (verdict.is_attempt) entry.attempts = static_cast<std::uint16_t>(entry.attempts + 1);
    if (verdict.may_be_duplicate) entry.flags |= queue::kMayBeDuplicate;
    const events::Kind kind = kind_of(verdict.state);
    spool::Progress progress{verdict.recipient,
                             verdict.state,
                             entry.flags,
                             entry.attempts,
                             base::from_unix_us(entry.due_us),
                             verdict.reply.code != 0 ? verdict.reply.text() : std::string()};

    if (verdict.state == spool::State::Queued) {
      progress.due =
          now + queue::retry_interval(context.retry, entry.attempts, parts_.worker.random);
      parts_.scheduler.set_flags(slot, entry.flags);
      parts_.scheduler.defer(slot, progress.due, now, entry.attempts, verdict.reply.code);
      deferred_.add();
      record(context, verdict, kind, entry, gathering_.transaction.events);
      update.changes.push_back(std::move(progress));
      continue;
    }

    parts_.scheduler.settle(slot);
    if (verdict.state == spool::State::Delivered)
      queued_.observe_us(static_cast<std::uint64_t>(std::max<std::int64_t>(
          0, base::to_unix_us(now) - base::to_unix_us(context.meta->details.received))));
    std::optional<Report>* report = nullptr;
    if ((verdict.state == spool::State::Bounced || verdict.state == spool::State::Expired) &&
        wants_report(context, verdict.recipient, message::DsnKind::Failed))
      report = &failed;
    if (verdict.state == spool::State::Delivered && verdict.needs_relayed_dsn &&
        wants_report(context, verdict.recipient, message::DsnKind::Relayed))
      report = &relayed;

    const Done done{context.id, verdict.recipient, verdict.state};
    if (report == nullptr) {
      record(context, verdict, kind, entry, gathering_.transaction.events);
      update.changes.push_back(std::move(progress));
      gathering_.done.push_back(done);
    } else {
      if (!*report) {
        const auto told = report == &failed ? message::DsnKind::Failed : message::DsnKind::Relayed;
        report->emplace(Report{context, told, {}, {}, {}, {}});
      }
      record(context, verdict, kind, entry, (*report)->events);
      (*report)->changes.push_back(std::move(progress));
      (*report)->done.push_back(done);
      (*report)->verdicts.push_back(std::move(verdict));
    }
  }

  if (!update.changes.empty()) {
    gathering_.transaction.updates.push_back(std::move(update));
    if (context.until_durable) gathering_.until_durable.push_back(context.until_durable);
    flush_if_full();
  }
  if (failed) begin_report(std::move(*failed));
  if (relayed) begin_report(std::move(*relayed));
  parts_.wake();
}

void Settlement::notify_delay(const Context& context, std::uint32_t recipient, smtp::Reply last) {
  const std::uint32_t slot = parts_.scheduler.find(context.id, recipient);
  if (slot == queue::kNone || !wants_report(context, recipient, message::DsnKind::Delayed)) return;
  const queue::RecipientEntry& entry = parts_.scheduler.recipient(slot);
  const auto flags = static_cast<std::uint8_t>(entry.flags | queue::kDelayNoticeSent);
  parts_.scheduler.set_flags(slot, flags);
  Report delayed{context, message::DsnKind::Delayed, {}, {}, {}, {}};
  Verdict verdict{.recipient = recipient, .reply = std::move(last), .is_attempt = false};
  delayed.changes.push_back({recipient, spool::State::Queued, flags, entry.attempts,
                             base::from_unix_us(entry.due_us),
                             verdict.reply.code != 0 ? verdict.reply.text() : std::string()});
  record(context, verdict, events::Kind::Warned, entry, delayed.events);
  delayed.verdicts.push_back(std::move(verdict));
  begin_report(std::move(delayed));
}

void Settlement::record_hold(const Context& context, std::uint32_t recipient, bool is_held,
                             std::string detail, std::string reply) {
  const std::uint32_t slot = parts_.scheduler.find(context.id, recipient);
  if (slot == queue::kNone) return;
  const queue::RecipientEntry& entry = parts_.scheduler.recipient(slot);
  const Verdict verdict{.recipient = recipient, .is_attempt = false, .detail = std::move(detail)};
  record(context, verdict, is_held ? events::Kind::Held : events::Kind::Released, entry,
         gathering_.transaction.events);
  gathering_.transaction.updates.push_back(
      {context.id,
       {{recipient, spool::State::Queued, entry.flags, entry.attempts,
         base::from_unix_us(entry.due_us), std::move(reply)}}});
  if (context.until_durable) gathering_.until_durable.push_back(context.until_durable);
  flush_if_full();
  parts_.wake();
}

/// What of the message still lies in memory tells whom it was for.
void Settlement::record_quarantined(base::MessageId id, const message::Meta* meta,
                                    const std::vector<std::uint32_t>& recipients,
                                    const std::string& why) {
  for (const std::uint32_t recipient : recipients) {
    events::Event event;
    if (meta != nullptr) {
      event = events::message_event(id, *meta, recipient);
    } else {
      event.message = id;
      event.recipient_index = recipient;
    }
    event.kind = events::Kind::Held;
    event.time = parts_.worker.clock.now();
    event.detail = std::string(events::kInQuarantine) + "it cannot be read back: " + why;
    gathering_.transaction.events.push_back(events::encode_event(event));
  }
  quarantined_.add(recipients.size());
}

/// A domain of which nothing is known may have a hundred thousand recipients.
void Settlement::flush_if_full() {
  if (gathering_.transaction.events.size() >= kGatheredMax) flush();
}

void Settlement::flush() {
  if (gathering_.transaction.updates.empty() && gathering_.transaction.events.empty()) return;
  auto batch = std::make_shared<Batch>(std::exchange(gathering_, {}));
  batch->transaction.may_wait = true;
  submit(std::move(batch));
}

void Settlement::submit(std::shared_ptr<Batch> batch) {
  // A copy: when the spool refuses, the batch must still be whole.
  spool::Transaction copy = batch->transaction;
  ++batches_;
  parts_.port.submit(std::move(copy), [this, batch](Result<void> result) mutable {
    --batches_;
    if (result) {
      finished(*batch);
      return;
    }
    // Shut down: these recipients are found as queued at the next start.
    if (result.error() == make_error_code(spool::Errc::Closed)) return;
    parts_.worker.clock.call_after(
        kRefusedPause, [this, batch = std::move(batch)]() mutable { submit(std::move(batch)); });
  });
}

void Settlement::finished(const Batch& batch) {
  for (const Done& done : batch.done) {
    const std::uint32_t slot = parts_.scheduler.find(done.id, done.recipient);
    if (slot == queue::kNone) continue;
    parts_.scheduler.remove(slot);
    count(done.state);
  }
  if (batch.report_octets) {
    reports_.ended(*batch.report_octets);
    begin_reports();
  }
  if (batch.told && *batch.told) std::exchange(*batch.told, {})(Result<void>());
  for (const queue::Accepted& message : batch.generated) {
    generated_.add(message.meta->envelope.recipients.size());
    parts_.enqueue(message);
  }
  parts_.wake();
}

void Settlement::count(spool::State state) {
  switch (state) {
    case spool::State::Queued:
      break;
    case spool::State::Delivered:
      delivered_.add();
      break;
    case spool::State::Bounced:
      bounced_.add();
      break;
    case spool::State::Expired:
      expired_.add();
      break;
    case spool::State::Expanded:
      expanded_.add();
      break;
    case spool::State::Suppressed:
    case spool::State::Cancelled:
      cancelled_.add();
      break;
  }
}

}  // namespace ekiden::delivery
