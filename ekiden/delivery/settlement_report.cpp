// The DSNs that settlements send: composed from the stored message, stored in one transaction
// with the states that they tell of.
#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/delivery/settlement.hpp"
#include "ekiden/events/message_event.hpp"

namespace ekiden::delivery {
namespace {

/// What a report holds of its original, which is read back whole or lies in a file.
constexpr std::uint64_t kOriginalOctetsMax = 1u << 20;

}  // namespace

/// The beginning of the message's octets: from memory where they lie there, else from the spool.
base::Task<Settlement::Original> Settlement::original(base::MessageId id) {
  Original original;
  spool::Body body;
  const std::uint32_t at = parts_.scheduler.find_message(id);
  if (at != queue::kNone && parts_.scheduler.message(at).resident) {
    body = parts_.scheduler.message(at).resident->body;
  } else {
    auto begin = [this, id](base::Completion<Result<spool::Loaded>> done) {
      parts_.port.load(id, std::move(done));
    };
    Result<spool::Loaded> loaded = co_await base::suspend<Result<spool::Loaded>>(std::move(begin));
    // A report without the original still tells what happened.
    if (!loaded) co_return original;
    body = std::move(loaded->body);
  }
  if (body.is_in_memory()) {
    original.octets = body.octets;
    original.is_whole = true;
    co_return original;
  }
  auto begin = [this, &body](base::Completion<Result<base::Octets>> done) {
    parts_.port.read(body, 0, options_.returned_octets_max, std::move(done));
  };
  Result<base::Octets> head = co_await base::suspend<Result<base::Octets>>(std::move(begin));
  if (head) original.octets = std::move(*head);
  original.is_whole = original.octets.size() == body.size;
  co_return original;
}

/// Thousands may expire together, after an outage or a jump of the clock.
void Settlement::begin_report(Report report) {
  const std::uint64_t size = report.context.meta->details.size;
  reports_.push(std::move(report), std::min(size, kOriginalOctetsMax));
  begin_reports();
}

void Settlement::begin_reports() {
  while (auto next = reports_.begin())
    parts_.tasks.spawn(report(std::move(next->piece), next->octets));
}

base::Task<void> Settlement::report(Report report, std::uint64_t octets) {
  const base::MessageId about = report.context.id;
  const Original original = co_await this->original(about);
  const message::Meta& meta = *report.context.meta;
  const base::Time now = parts_.worker.clock.now();

  message::DsnRequest request;
  request.kind = report.kind;
  request.host = options_.hostname;
  request.id = ids_.next(now);
  request.now = now;
  request.meta = &meta;
  request.original_id = about;
  request.original = original.octets.view();
  request.is_original_whole = original.is_whole;
  for (const Verdict& verdict : report.verdicts) {
    const message::Recipient& recipient = meta.envelope.recipients[verdict.recipient];
    message::DsnRecipient described;
    described.address = recipient.address;
    described.orcpt = recipient.orcpt;
    described.reply = verdict.reply;
    described.is_local = verdict.is_local;
    described.remote_host = report.context.peer.host;
    described.remote_address = report.context.peer.address;
    // RFC 3463 §3.5: 4.4.7, delivery time expired; the report is final, so 5.4.7.
    if (verdict.state == spool::State::Expired) described.status = {5, 4, 7};
    described.last_attempt = verdict.is_attempt ? now : base::Time{};
    request.recipients.push_back(std::move(described));
    const std::uint32_t slot = parts_.scheduler.find(about, verdict.recipient);
    if (slot != queue::kNone)
      request.will_retry_until = base::from_unix_us(parts_.scheduler.recipient(slot).expires_us);
  }
  message::Dsn dsn = message::compose_dsn(request);

  message::Meta own;
  own.envelope.recipients.push_back({meta.envelope.reverse_path, {}, message::kNotifyNever});
  own.envelope.body = message::BodyType::EightBitMime;
  own.envelope.smtputf8 = dsn.needs_smtputf8;
  own.details.tenant = meta.details.tenant;
  own.details.received = now;
  own.details.protocol = "DSN";
  own.details.header_from = "MAILER-DAEMON@" + options_.hostname;
  own.details.size = dsn.octets.size();
  own.details.is_eight_bit = true;
  own.details.has_utf8_header = dsn.needs_smtputf8;
  own.details.is_generated = true;
  // RFC 8689 §5, §6: what is said of a message is protected as it was, or as little.
  own.details.tls_demand = meta.details.tls_demand;

  auto batch = std::make_shared<Batch>();
  batch->report_octets = octets;
  base::log::info("report", {{"message", base::format_message_id(request.id)},
                             {"about", base::format_message_id(about)},
                             {"recipient", meta.envelope.reverse_path}});
  generate(*batch, request.id, std::move(own), std::move(dsn.octets),
           "report on " + base::format_message_id(about));
  batch->transaction.updates.push_back({about, std::move(report.changes)});
  std::vector<std::string>& events = batch->transaction.events;
  events.insert(events.begin(), std::make_move_iterator(report.events.begin()),
                std::make_move_iterator(report.events.end()));
  batch->done = std::move(report.done);
  if (report.context.until_durable) batch->until_durable.push_back(report.context.until_durable);
  submit(std::move(batch));
}

/// Adds a message of our own, and the event of its acceptance, to what is submitted.
void Settlement::generate(Batch& batch, base::MessageId id, message::Meta own, std::string octets,
                          std::string detail) {
  events::Event event = events::message_event(id, own, 0);
  event.time = own.details.received;
  event.kind = events::Kind::Accepted;
  event.detail = std::move(detail);
  batch.transaction.events.push_back(events::encode_event(event));

  spool::NewMessage message;
  message.id = id;
  message.recipients = static_cast<std::uint32_t>(own.envelope.recipients.size());
  message.meta = message::encode_meta(own);
  message.body.size = octets.size();
  message.body.octets = base::Octets(std::move(octets));
  batch.generated.push_back(
      {id, std::make_shared<const message::Meta>(std::move(own)), message.body});
  batch.transaction.messages.push_back(std::move(message));
}

void Settlement::send_own(message::Meta own, std::string octets, std::string detail,
                          base::Completion<Result<void>> done) {
  own.details.size = octets.size();
  own.details.received = parts_.worker.clock.now();
  own.details.is_generated = true;
  auto batch = std::make_shared<Batch>();
  batch->told = std::make_shared<base::Completion<Result<void>>>(std::move(done));
  generate(*batch, next_id(), std::move(own), std::move(octets), std::move(detail));
  submit(std::move(batch));
}

}  // namespace ekiden::delivery
