#include "ekiden/inbound/arrival.hpp"

#include <utility>

#include "ekiden/auth/authentication_results.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/events/message_event.hpp"
#include "ekiden/message/convert.hpp"
#include "ekiden/message/error.hpp"
#include "ekiden/message/fixup.hpp"
#include "ekiden/message/trace.hpp"

// Invariants:
// - reserved_ octets are counted in the intake until this object dies.
// - writer_ exists once the first part, with the whole header section, has come.
// - shortener_ exists from the first octet of the file that writer_ writes, or never.

namespace ekiden::inbound {
namespace {

/// Read back at a time when a large message has to be written anew.
constexpr std::size_t kSliceOctets = 256 * 1024;

smtp::Reply taken() {
  return {250, {2, 0, 0}, {"Ok"}};
}

message::BodyType body_type(smtp::BodyKind kind) {
  switch (kind) {
    case smtp::BodyKind::SevenBit:
      return message::BodyType::SevenBit;
    case smtp::BodyKind::EightBitMime:
      return message::BodyType::EightBitMime;
    case smtp::BodyKind::BinaryMime:
      return message::BodyType::BinaryMime;
  }
  return message::BodyType::SevenBit;
}

message::Return return_type(smtp::ReturnKind kind) {
  switch (kind) {
    case smtp::ReturnKind::Default:
      return message::Return::Default;
    case smtp::ReturnKind::Full:
      return message::Return::Full;
    case smtp::ReturnKind::Headers:
      return message::Return::Headers;
  }
  return message::Return::Default;
}

smtp::Reply header_refusal(Error error) {
  if (error == message::Errc::HeaderTooLarge) {
    return {552, {5, 3, 4}, {"Header section too large"}};
  }
  if (error == message::Errc::TooManyFields) {
    return {554, {5, 6, 0}, {"Too many header fields"}};
  }
  return {554, {5, 6, 0}, {"Header section cannot be read"}};
}

smtp::Reply unshortened() {
  return {554, {5, 6, 0}, {"A line is longer than 998 octets"}};
}

base::Task<Result<void>> submit(spool::Port& port, spool::Transaction transaction) {
  auto begin = [&](base::Completion<Result<void>> done) {
    port.submit(std::move(transaction), std::move(done));
  };
  co_return co_await base::suspend<Result<void>>(std::move(begin));
}

base::Task<Result<void>> append(spool::LargeWriter& writer, std::string octets) {
  auto begin = [&](base::Completion<Result<void>> done) {
    writer.append(std::move(octets), std::move(done));
  };
  co_return co_await base::suspend<Result<void>>(std::move(begin));
}

base::Task<Result<base::Octets>> read(spool::LargeWriter& writer, std::uint64_t offset) {
  auto begin = [&](base::Completion<Result<base::Octets>> done) {
    writer.read(offset, kSliceOctets, std::move(done));
  };
  co_return co_await base::suspend<Result<base::Octets>>(std::move(begin));
}

base::Task<Result<spool::Body>> finish(spool::LargeWriter& writer) {
  auto begin = [&](base::Completion<Result<spool::Body>> done) { writer.finish(std::move(done)); };
  co_return co_await base::suspend<Result<spool::Body>>(std::move(begin));
}

}  // namespace

smtp::Reply no_memory() {
  return {452, {4, 3, 1}, {"No room for this message now; try again later"}};
}

smtp::Reply reply_for(Error error) {
  if (error == spool::Errc::NoSpace) return {452, {4, 3, 1}, {"No space left; try again later"}};
  if (error == spool::Errc::Closed) return {421, {4, 3, 2}, {"Shutting down; try again soon"}};
  return {451, {4, 3, 0}, {"Cannot store the message now; try again later"}};
}

Arrival::Arrival(Services& services, const ListenerOptions& options, smtp::MailCommand mail)
    : services_(services), options_(options), meta_(std::make_shared<message::Meta>()) {
  services_.port.expect(+1);
  message::Envelope& envelope = meta_->envelope;
  if (mail.reverse_path) envelope.reverse_path = mail.reverse_path->text();
  envelope.envid = std::move(mail.envid);
  envelope.auth = std::move(mail.auth);
  envelope.ret = return_type(mail.ret);
  envelope.body = body_type(mail.body);
  envelope.smtputf8 = mail.smtputf8;
  if (mail.requiretls) meta_->details.tls_demand = message::TlsDemand::Required;
}

Arrival::~Arrival() {
  stop_expecting();
  if (reserved_ != 0) services_.intake.release(reserved_);
}

void Arrival::stop_expecting() {
  if (std::exchange(is_expected_, false)) services_.port.expect(-1);
}

void Arrival::add(const smtp::RcptCommand& rcpt, const std::string& next_hop) {
  message::Recipient recipient;
  recipient.address = rcpt.recipient.text();
  recipient.orcpt = rcpt.orcpt;
  recipient.notify = rcpt.notify;
  recipient.next_hop = next_hop;
  meta_->envelope.recipients.push_back(std::move(recipient));
}

bool Arrival::reserve(std::uint64_t octets) {
  if (octets <= reserved_) return true;
  if (!services_.intake.reserve(octets - reserved_)) return false;
  reserved_ = octets;
  return true;
}

smtp::Reply Arrival::take_header(std::string_view octets, const Client& client,
                                 const Origin& origin, std::string& header,
                                 std::size_t& header_octets) {
  const base::Time now = services_.worker.clock.now();
  if (id_ == base::MessageId{}) id_ = services_.ids.next(now);
  message::Details& details = meta_->details;
  message::Envelope& envelope = meta_->envelope;
  const bool is_own = Admission(options_).is_own(client);

  details.received = now;
  details.client_address = origin.client_address;
  details.client_name = origin.helo;
  details.identity = origin.identity;
  details.protocol = origin.protocol;
  if (details.protocol.empty())
    details.protocol = message::smtp_protocol(origin.is_esmtp, origin.is_tls,
                                              !origin.identity.empty(), envelope.smtputf8);
  if (client.credential != nullptr) {
    details.tenant = client.credential->tenant;
    details.stream = client.credential->stream;
  } else {
    details.tenant = options_.tenant;
    details.stream = options_.stream;
  }

  message::Trace trace;
  trace.helo = details.client_name;
  trace.client_address = details.client_address;
  trace.host = options_.hostname;
  trace.protocol = details.protocol;
  trace.tls_version = origin.tls_version;
  trace.tls_cipher = origin.tls_cipher;
  if (envelope.recipients.size() == 1) trace.recipient = envelope.recipients.front().address;
  trace.id = id_;
  trace.now = now;
  trace.hides_submitter = is_own && options_.hides_submitter;

  // Octets of strangers' mail stay as they are, but for our trace and for the headers that would
  // give them a say at the next ekiden.
  message::FixupOptions fixup;
  fixup.add_missing_date = is_own;
  fixup.add_missing_message_id = is_own;
  fixup.remove_bcc = is_own;
  fixup.remove_return_path = is_own;
  fixup.remove_ekiden_headers = true;
  fixup.remove_smtpapi = is_own && takes_smtpapi(origin);
  fixup.received_field = message::format_received(trace);
  fixup.now = now;
  fixup.message_id_host = options_.hostname;
  fixup.id = id_;
  Result<message::FixupResult> fixed = message::fix_header(octets, fixup);
  if (!fixed) return header_refusal(fixed.error());

  // RFC 5321 §6.3.
  if (fixed->received_count > options_.limits.received_fields) {
    return {554, {5, 4, 6}, {"Too many hops; this message goes in a circle"}};
  }
  if (is_own) {
    smtp::Reply verdict = Admission(options_).admit_header_from(client, fixed->from_all);
    if (!verdict.is_positive()) return verdict;
    verdict = take_ekiden_headers(fixed->ekiden_headers, client);
    if (verdict.is_positive() && !fixed->smtpapi.empty())
      verdict = take_smtpapi(fixed->smtpapi, client);
    if (verdict.is_positive() && wishes_ != nullptr)
      verdict = take_wishes(std::move(*wishes_), client);
    if (verdict.is_positive() && !details.pool.empty())
      verdict = Admission(options_).admit_pool(details.tenant, details.stream, details.pool);
    if (!verdict.is_positive()) return verdict;
  }
  details.is_own = is_own;
  details.header_from = std::move(fixed->header_from);
  details.subject = std::move(fixed->subject);
  details.message_id = std::move(fixed->message_id);
  details.has_utf8_header = fixed->has_eight_bit_header;
  // RFC 8689 §4.1: where both are there, the field does not count.
  if (fixed->is_tls_optional && details.tls_demand == message::TlsDemand::Usual)
    details.tls_demand = message::TlsDemand::Optional;
  header = std::move(fixed->header);
  header_octets = fixed->header_octets;
  // RFC 8601 §5: nobody but us says what we found.
  details.is_authenticated = authentication_ != nullptr;
  if (authentication_ != nullptr) {
    header = auth::remove_forged_results(header, options_.hostname);
  }
  if (options_.rewriting != nullptr) {
    smtp::Reply verdict = rewrite_message(header);
    if (!verdict.is_positive()) return verdict;
  }
  return align(header);
}

smtp::Reply Arrival::take_ekiden_headers(
    const std::vector<std::pair<std::string, std::string>>& headers, const Client& client) {
  if (headers.empty()) return taken();
  std::string bad_name;
  Result<message::EkidenHeaders> parsed = message::parse_ekiden_headers(headers, &bad_name);
  if (!parsed) return {554, {5, 6, 0}, {"Bad value of " + bad_name}};
  message::Details& details = meta_->details;
  if (parsed->stream) {
    const smtp::Reply verdict = Admission(options_).admit_stream(client, *parsed->stream);
    if (!verdict.is_positive()) return verdict;
    details.stream = std::move(*parsed->stream);
  }
  details.tags = std::move(parsed->tags);
  details.metadata = std::move(parsed->metadata);
  if (parsed->send_at) details.send_at = *parsed->send_at;
  return taken();
}

base::Task<smtp::Reply> Arrival::part(std::string octets, Octets seen, Client client,
                                      Origin origin) {
  stop_expecting();  // its upload may take minutes
  if (writer_ != nullptr) {
    if (authentication_ != nullptr) co_await authentication_->update(octets);
  } else {
    if (must_authenticate(client)) co_await begin_authentication(octets, client, origin);
    std::string header;
    std::size_t header_octets = 0;
    smtp::Reply verdict = take_header(octets, client, origin, header, header_octets);
    if (!verdict.is_positive()) co_return verdict;
    writer_ = services_.port.create_large();
    if (writer_ == nullptr) co_return reply_for(spool::Errc::Io);
    octets.erase(0, header_octets);
    if (must_shorten(seen, client) && options_.long_lines == LongLines::Encode) {
      shortener_ = std::make_unique<message::Converter>(message::Conversion::ShortLines);
    }
    octets.insert(0, header);
  }
  co_return co_await write(std::move(octets));
}

/// Carriers answer 500 to lines past the limit, so our own clients' mail is mended, or refused,
/// before it is ours.
bool Arrival::must_shorten(const Octets& seen, const Client& client) const {
  return seen.longest_line > message::kLineOctetsMax &&
         meta_->envelope.body != message::BodyType::BinaryMime &&
         Admission(options_).is_own(client);
}

bool Arrival::must_authenticate(const Client& client) const {
  return options_.service == Service::Inbound && options_.authenticates &&
         services_.resolver != nullptr && !Admission(options_).is_own(client);
}

base::Task<void> Arrival::begin_authentication(std::string_view octets, const Client& client,
                                               const Origin& origin) {
  const std::size_t header_octets = std::min(message::find_header_end(octets), octets.size());
  Handover handover;
  handover.client = client.address;
  handover.helo = origin.helo;
  handover.reverse_path = meta_->envelope.reverse_path;
  handover.authserv_id = options_.hostname;
  handover.dmarc = options_.dmarc;
  handover.suffixes = services_.suffixes;
  authentication_ = std::make_unique<Authentication>(
      services_.worker, *services_.resolver, std::move(handover), services_.worker.clock.now());
  authentication_->begin(octets.substr(0, header_octets));
  co_await authentication_->update(octets.substr(header_octets));
}

base::Task<smtp::Reply> Arrival::write(std::string octets) {
  if (shortener_ != nullptr) {
    std::string shorter;
    if (!shortener_->feed(octets, shorter)) co_return unshortened();
    octets = std::move(shorter);
    shortened_.feed(octets);
  }
  if (octets.empty()) co_return taken();
  written_ += octets.size();
  const Result<void> done = co_await append(*writer_, std::move(octets));
  if (!done) co_return reply_for(done.error());
  co_return taken();
}

/// The first overlong line came when the parts before it were written as they are: a second file
/// is made of the first, which goes with its writer.
base::Task<smtp::Reply> Arrival::rewrite_shorter() {
  const std::unique_ptr<spool::LargeWriter> first =
      std::exchange(writer_, services_.port.create_large());
  if (writer_ == nullptr) co_return reply_for(spool::Errc::Io);
  shortener_ = std::make_unique<message::Converter>(message::Conversion::ShortLines);
  const std::uint64_t size = std::exchange(written_, 0);
  co_return co_await copy(*first, size);
}

base::Task<smtp::Reply> Arrival::rewrite_behind(std::string field) {
  const std::unique_ptr<spool::LargeWriter> first =
      std::exchange(writer_, services_.port.create_large());
  if (writer_ == nullptr) co_return reply_for(spool::Errc::Io);
  const std::uint64_t size = std::exchange(written_, 0);
  smtp::Reply verdict = co_await write(std::move(field));
  if (!verdict.is_positive()) co_return verdict;
  co_return co_await copy(*first, size);
}

base::Task<smtp::Reply> Arrival::copy(spool::LargeWriter& first, std::uint64_t size) {
  for (std::uint64_t at = 0; at < size;) {
    const Result<base::Octets> slice = co_await read(first, at);
    if (!slice) co_return reply_for(slice.error());
    if (slice->empty()) co_return reply_for(spool::Errc::Io);
    at += slice->size();
    std::string octets(slice->view());
    smtp::Reply verdict = co_await write(std::move(octets));
    if (!verdict.is_positive()) co_return verdict;
  }
  co_return taken();
}

base::Task<smtp::Reply> Arrival::end_shortening() {
  std::string last;
  if (!shortener_->finish(last)) co_return unshortened();
  shortened_.feed(last);
  // A header field may offer no place to fold.
  if (shortened_.result().has_long_line()) co_return unshortened();
  written_ += last.size();
  if (last.empty()) co_return taken();
  const Result<void> done = co_await append(*writer_, std::move(last));
  if (!done) co_return reply_for(done.error());
  co_return taken();
}

base::Task<smtp::Reply> Arrival::make(std::string octets, Octets seen, Client client,
                                      Origin origin) {
  meta_->details.is_eight_bit = seen.is_eight_bit;
  const bool shortens = must_shorten(seen, client);
  if (shortens && options_.long_lines == LongLines::Refuse) co_return unshortened();
  spool::Body body;
  if (writer_ != nullptr) {
    smtp::Reply verdict = co_await part(std::move(octets), seen, client, origin);
    if (verdict.is_positive() && shortens && shortener_ == nullptr)
      verdict = co_await rewrite_shorter();
    if (verdict.is_positive() && shortener_ != nullptr) verdict = co_await end_shortening();
    if (verdict.is_positive() && authentication_ != nullptr) {
      std::string field = co_await authentication_->finish();
      verdict = co_await rewrite_behind(std::move(field));
    }
    if (!verdict.is_positive()) co_return verdict;
    find_suppressed(client);
    if (mailed() > 0) {
      Result<spool::Body> finished = co_await finish(*writer_);
      if (!finished) co_return reply_for(finished.error());
      body = std::move(*finished);
    }
    body.size = written_;
  } else {
    if (!reserve(octets.size())) co_return reply_for(spool::Errc::NoSpace);
    if (must_authenticate(client)) co_await begin_authentication(octets, client, origin);
    std::string header;
    std::size_t header_octets = 0;
    smtp::Reply verdict = take_header(octets, client, origin, header, header_octets);
    if (!verdict.is_positive()) co_return verdict;
    std::string field;
    if (authentication_ != nullptr) {
      stop_expecting();  // the DNS may take seconds
      field = co_await authentication_->finish();
    }
    std::string whole;
    whole.reserve(field.size() + header.size() + octets.size() - header_octets);
    whole += field;
    whole += header;
    whole += std::string_view(octets).substr(header_octets);
    std::string().swap(octets);
    if (shortens) {
      Result<std::string> shorter = message::convert(whole, message::Conversion::ShortLines);
      // A header field may offer no place to fold.
      if (!shorter || message::scan_lines(*shorter).has_long_line()) co_return unshortened();
      whole = std::move(*shorter);
    }
    find_suppressed(client);
    body.size = whole.size();
    body.octets = base::Octets(std::move(whole));
  }
  meta_->details.size = body.size;
  if (rewriting_ != nullptr && !rewriting_->bounces.empty()) co_await read_bounce(body);

  const base::Time now = meta_->details.received;
  account::LimitedSender sender(client.tenant, client.limits);
  if (sender.is_limited()) {
    const account::LimitVerdict verdict =
        sender.take(mailed(), now, services_.worker.clock.steady());
    if (!verdict.is_fine()) co_return reply_for(verdict);
  }
  made_ = std::make_unique<Made>(Made{std::move(client), make_transaction(body), {}, {}});
  if (rewriting_ != nullptr) add_reports(made_->transaction, body);
  if (mailed() > 0) {
    if (alignment_ != nullptr) add_alignment(made_->transaction);
    made_->progress = made_->transaction.messages.front().progress;
  }
  made_->body = std::move(body);
  stop_expecting();
  co_return taken();
}

base::Task<smtp::Reply> Arrival::complete(std::string octets, Octets seen, Client client,
                                          Origin origin) {
  smtp::Reply verdict = co_await make(std::move(octets), seen, std::move(client), origin);
  if (!verdict.is_positive()) co_return verdict;
  co_return co_await store();
}

base::Task<smtp::Reply> Arrival::store() {
  const Result<void> stored = co_await submit(services_.port, take_transaction());
  if (!stored) {
    refuse();
    base::log::warning("message_not_stored", {{"reason", stored.error().message()},
                                              {"sender", meta_->envelope.reverse_path}});
    co_return reply_for(stored.error());
  }
  services_.instruments.messages.add();
  services_.instruments.message_octets.add(made_->body.size);
  services_.instruments.recipients.add(meta_->envelope.recipients.size());
  hand_over();
  smtp::Reply reply{250, {2, 0, 0}, {}};
  reply.lines.push_back("Ok: queued as " + base::format_message_id(id_));
  co_return reply;
}

void Arrival::refuse() {
  if (made_ == nullptr) return;
  account::LimitedSender sender(made_->client.tenant, made_->client.limits);
  if (sender.is_limited()) sender.give_back(mailed(), meta_->details.received);
}

/// From here the message is ours, whatever becomes of the connection.
void Arrival::hand_over() {
  Instruments& instruments = services_.instruments;
  instruments.suppressed.add(suppressed_.size());
  // What goes to nobody is over.
  if (mailed() > 0) {
    if (services_.keep_copy && account::is_archived(made_->client.tenant, meta_->details.stream))
      services_.keep_copy(services_.port, id_, *meta_, made_->body);
    queue::Accepted accepted{id_, meta_, std::move(made_->body), std::move(made_->progress)};
    services_.intake.take(std::move(accepted));
    if (alignment_ != nullptr && alignment_->later) decide_alignment_later();
  }
  if (rewriting_ == nullptr) return;
  for (queue::Accepted& report : rewriting_->reports) {
    instruments.generated.add();
    services_.intake.take(std::move(report));
  }
}

spool::Transaction Arrival::make_transaction(spool::Body body) {
  const message::Envelope& envelope = meta_->envelope;
  const message::Details& details = meta_->details;
  spool::Transaction transaction;
  // Of a message whose recipients are all suppressed nothing is kept but what happened to it.
  if (mailed() > 0) {
    spool::NewMessage message;
    message.id = id_;
    message.recipients = static_cast<std::uint32_t>(envelope.recipients.size());
    message.meta = message::encode_meta(*meta_);
    message.body = std::move(body);
    for (const auto& [recipient, reason] : suppressed_)
      message.progress.push_back({recipient, spool::State::Suppressed});
    transaction.messages.push_back(std::move(message));
  }

  events::Event event = events::message_event(id_, *meta_, 0);
  event.time = details.received;
  event.kind = events::Kind::Accepted;
  event.client_address = details.client_address;
  event.identity = details.identity;
  if (rewriting_ != nullptr) event.detail = rewrite::summary(rewriting_->acts);
  transaction.events.reserve(envelope.recipients.size());
  const std::string detail = event.detail;
  auto passed = passed_over_.begin();
  for (std::uint32_t i = 0; i < envelope.recipients.size(); ++i) {
    event.recipient_index = i;
    event.recipient = envelope.recipients[i].address;
    event.detail = detail;
    if (passed != passed_over_.end() && passed->first == i) {
      event.detail += (detail.empty() ? "" : "; ") + std::string("suppression passed over: ");
      event.detail += account::name_of((passed++)->second);
    }
    event.id = events::event_id(id_, i, events::Kind::Accepted, 0);
    transaction.events.push_back(events::encode_event(event));
  }
  event.kind = events::Kind::Suppressed;
  for (const auto& [recipient, reason] : suppressed_) {
    event.recipient_index = recipient;
    event.recipient = envelope.recipients[recipient].address;
    event.reason = account::name_of(reason);
    event.detail = "on the suppression list";
    event.id = events::event_id(id_, recipient, events::Kind::Suppressed, 0);
    transaction.events.push_back(events::encode_event(event));
  }
  return transaction;
}

std::vector<std::string> Arrival::suppressed() const {
  std::vector<std::string> addresses;
  for (const auto& [recipient, reason] : suppressed_)
    addresses.push_back(meta_->envelope.recipients[recipient].address);
  return addresses;
}

/// Who does not want our clients' mail, or has no mailbox for it. What passes through here from
/// strangers is not ours to hold back.
void Arrival::find_suppressed(const Client& client) {
  if (!meta_->details.is_own) return;
  const std::shared_ptr<const account::SuppressionSet> set = services_.accounts.suppressions();
  if (set == nullptr || set->is_empty()) return;
  const message::Details& details = meta_->details;
  const account::StreamKind kind = account::stream_of(client.tenant, details.stream).kind;
  const auto& recipients = meta_->envelope.recipients;
  for (std::uint32_t i = 0; i < recipients.size(); ++i) {
    const std::optional<std::string> address = account::suppression_address(recipients[i].address);
    if (!address) continue;
    const auto find = [&](const account::SuppressionBypass& bypass) {
      return set->find(details.tenant, *address, details.stream, kind, details.received, bypass);
    };
    if (const auto reason = find(bypass_)) {
      suppressed_.emplace_back(i, *reason);
    } else if (bypass_.is_any()) {
      if (const auto passed = find({})) passed_over_.emplace_back(i, *passed);
    }
  }
}

}  // namespace ekiden::inbound
