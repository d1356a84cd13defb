// What rewriting makes of a message on its way in: sender, header, reports on aliases.
#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/events/message_event.hpp"
#include "ekiden/inbound/arrival.hpp"
#include "ekiden/message/dsn.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/smtp/reply.hpp"

namespace ekiden::inbound {
namespace {

/// Reports on aliases of one message; a client that asks for more gets no further ones.
constexpr std::size_t kReportsMax = 100;

void describe(const feedback::BouncedRecipient& who, events::Event& event) {
  event.recipient = who.recipient;
  event.remote_host = who.remote_host;
  event.reply_code = who.code;
  event.enhanced_code = who.status;
  event.reply = who.reply;
  if (who.kind != feedback::BounceKind::Failed) return;
  event.reason = shaping::name_of(who.why.reason);
  event.fault = shaping::name_of(who.why.fault);
}

}  // namespace

Arrival::Rewriting& Arrival::rewriting() {
  if (rewriting_ == nullptr) rewriting_ = std::make_unique<Rewriting>();
  return *rewriting_;
}

void Arrival::note_alias(const smtp::RcptCommand& rcpt, std::size_t recipients) {
  Rewriting& noted = rewriting();
  noted.aliases.push_back(rcpt.recipient.text());
  noted.alias_recipients += recipients;
  const bool wants_report = recipients > 1 && (rcpt.notify & message::kNotifySuccess) != 0 &&
                            !meta_->envelope.reverse_path.empty();
  if (wants_report && noted.expanded.size() < kReportsMax)
    noted.expanded.push_back({rcpt.recipient.text(), rcpt.orcpt, rcpt.notify, {}});
}

void Arrival::note_bounce(const rewrite::TokenContent& about) {
  rewriting().bounces.push_back(about);
}

void Arrival::note_acts(rewrite::Acts acts) {
  rewrite::Acts& all = rewriting().acts;
  for (rewrite::Act& act : acts) {
    if (all.size() < rewrite::kActsMax) all.push_back(std::move(act));
  }
}

smtp::Reply Arrival::rewrite_message(std::string& header) {
  const rewrite::RuleSet& rules = *options_.rewriting;
  message::Details& details = meta_->details;
  message::Envelope& envelope = meta_->envelope;
  if (rules.asks_for_listener()) details.listener = options_.name;
  if (!rules.acts_on_messages()) return {250, {2, 0, 0}, {"Ok"}};

  rewrite::Submitted message;
  message.at = {options_.name, details.tenant, details.stream, {}};
  message.id = id_;
  message.reverse_path = envelope.reverse_path;
  message.header = header;
  message.header_from = details.header_from;
  message.message_id = details.message_id;
  if (!details.tags.empty()) message.tag = details.tags.front();
  if (rewriting_ != nullptr) {
    message.aliases = rewriting_->aliases;
    // As the `for` of Received: one recipient may not learn of another's address.
    message.shows_alias =
        message.aliases.size() == 1 && rewriting_->alias_recipients == envelope.recipients.size();
  }
  rewrite::Rewritten made = rules.accept(message);
  if (made.is_loop) return {554, {5, 4, 6}, {"This message has been forwarded from here before"}};
  if (!made.header.is_empty()) {
    header = made.header.apply(header);
    if (header.size() > message::kHeaderOctetsMax)
      return {552, {5, 3, 4}, {"Header section too large"}};
  }
  if (made.reverse_path) envelope.reverse_path = std::move(*made.reverse_path);
  if (made.header_from) details.header_from = std::move(*made.header_from);
  if (!made.acts.empty()) note_acts(std::move(made.acts));
  return {250, {2, 0, 0}, {"Ok"}};
}

void Arrival::add_reports(spool::Transaction& transaction, const spool::Body& body) {
  const base::Time now = meta_->details.received;
  // RFC 3461 §5.2.7.3: an alias of several recipients has done its part; each of them gets NOTIFY
  // without SUCCESS.
  for (const message::Recipient& alias : rewriting_->expanded) {
    message::DsnRequest request;
    request.kind = message::DsnKind::Expanded;
    request.host = options_.hostname;
    request.id = services_.ids.next(now);
    request.now = now;
    request.meta = meta_.get();
    request.original_id = id_;
    request.original = body.is_in_memory() ? body.octets.view() : std::string_view();
    request.is_original_whole = body.is_in_memory();
    message::DsnRecipient described;
    described.address = alias.address;
    described.orcpt = alias.orcpt;
    described.status = {2, 1, 5};
    request.recipients.push_back(std::move(described));
    add_report(transaction, request, meta_->envelope.reverse_path, meta_->details.tenant);
  }
  for (const events::Event& original : rewriting_->originals)
    add_returned_report(transaction, original);
  // A bounce tells of mail that was delivered: an observation, no second disposition.
  for (const rewrite::TokenContent& about : rewriting_->bounces) {
    if (!meta_->envelope.reverse_path.empty()) break;
    const feedback::Bounce& said = rewriting_->said;
    events::Event event;
    event.kind = events::Kind::Returned;
    switch (said.kind) {
      case feedback::BounceKind::None:
      case feedback::BounceKind::Failed:
        break;
      case feedback::BounceKind::Complaint:
        event.kind = events::Kind::Complained;
        break;
      default:
        continue;  // a delay, a success, somebody who is away: nothing came back
    }
    event.message = about.id;
    event.recipient_index = about.recipient;
    if (!said.recipients.empty()) describe(said.recipients.front(), event);
    event.time = now;
    event.tenant = meta_->details.tenant;
    event.subject = meta_->details.subject;
    event.client_address = meta_->details.client_address;
    const bool is_complaint = event.kind == events::Kind::Complained;
    event.detail = is_complaint ? "complained of: message " : "bounced after delivery: message ";
    event.detail += base::format_message_id(id_);
    event.id = events::event_id(about.id, about.recipient, event.kind,
                                static_cast<std::uint32_t>(id_.low));
    transaction.events.push_back(events::encode_event(event));
  }
}

void Arrival::add_report(spool::Transaction& transaction, const message::DsnRequest& request,
                         const std::string& to, const std::string& tenant) {
  message::Dsn dsn = message::compose_dsn(request);
  message::Meta own;
  own.envelope.recipients.push_back({to, {}, message::kNotifyNever, {}});
  own.envelope.body = message::BodyType::EightBitMime;
  own.envelope.smtputf8 = dsn.needs_smtputf8;
  own.details.tenant = tenant;
  own.details.received = request.now;
  own.details.protocol = "DSN";
  own.details.header_from = "MAILER-DAEMON@" + options_.hostname;
  own.details.size = dsn.octets.size();
  own.details.is_eight_bit = true;
  own.details.has_utf8_header = dsn.needs_smtputf8;
  own.details.is_generated = true;
  // RFC 8689 §5, §6.
  own.details.tls_demand = request.meta->details.tls_demand;

  events::Event event = events::message_event(request.id, own, 0);
  event.time = request.now;
  event.kind = events::Kind::Accepted;
  event.detail = "report on " + base::format_message_id(request.original_id);
  transaction.events.push_back(events::encode_event(event));

  spool::NewMessage message;
  message.id = request.id;
  message.recipients = 1;
  message.meta = message::encode_meta(own);
  message.body.size = dsn.octets.size();
  message.body.octets = base::Octets(std::move(dsn.octets));
  rewriting_->reports.push_back(
      {request.id, std::make_shared<const message::Meta>(std::move(own)), message.body, {}});
  transaction.messages.push_back(std::move(message));
}

void Arrival::add_returned_report(spool::Transaction& transaction, const events::Event& original) {
  const feedback::BouncedRecipient& who = rewriting_->said.recipients.front();
  message::Meta about;
  about.envelope.reverse_path = original.sender;
  about.envelope.recipients.push_back({original.recipient, {}, message::kNotifyFailure, {}});
  about.details.tenant = original.tenant;
  about.details.received = original.time;
  // The octets have left with the delivery; what the event store knows of them goes along.
  std::string header;
  if (!original.internet_message_id.empty())
    header += "Message-ID: " + original.internet_message_id + "\r\n";
  if (!original.subject.empty()) header += "Subject: " + original.subject + "\r\n";
  header += "\r\n";

  message::DsnRequest request;
  request.kind = message::DsnKind::Failed;
  request.host = options_.hostname;
  request.now = meta_->details.received;
  request.id = services_.ids.next(request.now);
  request.meta = &about;
  request.original_id = original.message;
  request.original = header;
  message::DsnRecipient described;
  described.address = original.recipient;
  described.reply.code = who.code;
  if (who.code != 0) described.reply.lines.push_back(who.reply);
  described.remote_host = who.remote_host;
  described.status = {5, 0, 0};
  if (const auto status = smtp::parse_enhanced_code(who.status)) described.status = *status;
  request.recipients.push_back(std::move(described));
  add_report(transaction, request, original.sender, original.tenant);
}

/// A bounce in a file stays unread: what it says stands at its top, and its token tells the rest.
base::Task<void> Arrival::read_bounce(const spool::Body& body) {
  const bool can_be_read = services_.pool != nullptr && services_.providers != nullptr;
  if (!can_be_read || !body.is_in_memory() || !meta_->envelope.reverse_path.empty()) co_return;
  struct Read {
    feedback::Bounce said;
    std::vector<events::Event> originals;
  };
  base::Executor& home = services_.worker.executor;
  auto begin = [&](base::Completion<Read> done) {
    auto work = [octets = body.octets, providers = services_.providers,
                 find = services_.find_accepted, bounces = rewriting_->bounces, &home,
                 done = std::move(done)]() mutable {
      Read read;
      read.said = feedback::parse_bounce(octets.view(), *providers);
      const bool is_told = find && read.said.kind == feedback::BounceKind::Failed;
      for (const rewrite::TokenContent& about : bounces) {
        if (!is_told || !about.asks_failure || read.originals.size() >= kReportsMax) continue;
        std::optional<events::Event> original = find(about.id, about.recipient);
        if (original && !original->sender.empty()) read.originals.push_back(std::move(*original));
      }
      home.post(
          [read = std::move(read), done = std::move(done)]() mutable { done(std::move(read)); });
    };
    services_.pool->post(std::move(work));
  };
  Read read = co_await base::suspend<Read>(std::move(begin));
  rewriting_->said = std::move(read.said);
  rewriting_->originals = std::move(read.originals);
}

}  // namespace ekiden::inbound
