// What will come of SPF, DKIM and DMARC when an own client's message leaves: judged by what is
// known, since nobody waits for the DNS before 250.
#include <algorithm>

#include "ekiden/auth/alignment_desk.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/events/message_event.hpp"
#include "ekiden/inbound/arrival.hpp"
#include "ekiden/queue/entries.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::inbound {
namespace {

/// RFC 5321 §4.5.3.1.5: 512 octets with code, enhanced code and CRLF.
constexpr std::size_t kReplyLineMax = 480;
constexpr std::size_t kReplyLinesMax = 4;
/// Of what is kept beside the envelope.
constexpr std::size_t kAlignmentTextMax = 1000;

smtp::Reply taken() {
  return {250, {2, 0, 0}, {"Ok"}};
}

/// RFC 7372 §3.3: X.7.26, no check will pass that has to.
smtp::Reply refusal(const auth::AlignmentCase& what, const auth::AlignmentRuling& ruling) {
  smtp::Reply reply{550, {5, 7, 26}, {}};
  reply.lines.push_back("Not taken: mail from " + what.question.from_domain +
                        " would fail the checks of those who receive it");
  for (const auth::AlignmentVerdict* verdict : {&ruling.all, &ruling.carrier}) {
    if (verdict->alignment != auth::Alignment::Unaligned) continue;
    for (const std::string& problem : verdict->problems) {
      if (reply.lines.size() > kReplyLinesMax) break;
      reply.lines.push_back(problem.substr(0, kReplyLineMax));
    }
  }
  return reply;
}

std::string text_of(const auth::AlignmentRuling& ruling) {
  const bool is_carrier = ruling.all.alignment == auth::Alignment::Aligned &&
                          ruling.carrier.alignment != auth::Alignment::Aligned;
  const auth::AlignmentVerdict& verdict = is_carrier ? ruling.carrier : ruling.all;
  std::string text(auth::alignment_name(verdict.alignment));
  text += ": ";
  text +=
      verdict.alignment == auth::Alignment::Aligned ? verdict.because : auth::problems_text(ruling);
  if (text.size() > kAlignmentTextMax) text.resize(kAlignmentTextMax);
  return text;
}

bool is_bad(const auth::AlignmentVerdict& verdict) {
  return verdict.alignment == auth::Alignment::Unaligned;
}

bool is_pending(const auth::AlignmentRuling& ruling) {
  return ruling.all.alignment == auth::Alignment::Pending ||
         ruling.carrier.alignment == auth::Alignment::Pending;
}

events::Event warning(base::MessageId id, const message::Meta& meta,
                      const auth::AlignmentRuling& ruling, base::Time now) {
  events::Event event = events::message_event(id, meta, 0);
  event.time = now;
  event.kind = events::Kind::Warned;
  event.recipient.clear();  // it is about the message
  event.id = events::event_id(id, 0, event.kind, 0);
  event.detail = "will not align: " + auth::problems_text(ruling);
  return event;
}

}  // namespace

smtp::Reply Arrival::align(std::string_view header) {
  message::Details& details = meta_->details;
  auth::AlignmentDesk* const desk = services_.alignment;
  if (desk == nullptr || !details.is_own || details.header_from.empty()) return taken();
  const auth::AlignmentMode mode = desk->mode_of(details.tenant);
  if (mode == auth::AlignmentMode::Off) return taken();

  std::string return_path = meta_->envelope.reverse_path;
  if (options_.rewriting != nullptr && options_.rewriting->acts_on_departure()) {
    // Without a header only the return path is made; rules of a route have their say later.
    const rewrite::Departing departing{id_, meta_.get(), 0, {}, {}};
    rewrite::Departed departed = options_.rewriting->depart(departing);
    if (departed.reverse_path) return_path = std::move(*departed.reverse_path);
  }
  auth::AlignmentCase what = desk->make_case(*meta_, return_path, {});
  const std::vector<std::string>& ours = what.question.signing_domains;
  if (std::find(ours.begin(), ours.end(), what.question.from_domain) == ours.end())
    what.question.brought_domains = auth::find_brought_domains(header);
  auth::AlignmentRuling ruling = desk->judge(what);
  const bool is_for_some = !is_bad(ruling.all) && is_bad(ruling.carrier);

  std::vector<std::uint32_t> concerned;
  for (std::uint32_t i = 0; i < meta_->envelope.recipients.size(); ++i) {
    const std::string& address = meta_->envelope.recipients[i].address;
    if (!is_for_some || auth::is_strict_carrier(smtp::domain_of(address))) concerned.push_back(i);
  }
  const bool is_wrong = is_bad(ruling.all) || is_bad(ruling.carrier);
  const bool is_for_all = concerned.size() == meta_->envelope.recipients.size();
  if (is_wrong && is_for_all && mode == auth::AlignmentMode::Refuse) return refusal(what, ruling);

  const bool decides = mode == auth::AlignmentMode::Hold || mode == auth::AlignmentMode::Refuse;
  details.alignment = text_of(ruling);
  if (is_pending(ruling) && decides) {
    details.alignment = "pending";
    for (const std::string& domain : what.question.brought_domains)
      details.alignment.append(" ").append(domain);
  }
  if (!is_wrong && !is_pending(ruling)) return taken();

  alignment_ = std::make_unique<AlignmentNote>();
  alignment_->ruling = std::move(ruling);
  if (is_wrong && decides) alignment_->held = std::move(concerned);
  alignment_->warns = is_wrong && !decides;
  if (!is_wrong && !decides) alignment_->later = std::move(what);
  return taken();
}

void Arrival::add_alignment(spool::Transaction& transaction) {
  const message::Details& details = meta_->details;
  if (alignment_->warns) {
    const events::Event event = warning(id_, *meta_, alignment_->ruling, details.received);
    transaction.events.push_back(events::encode_event(event));
  }
  const std::string why = "will not align: " + auth::problems_text(alignment_->ruling);
  for (const std::uint32_t recipient : alignment_->held) {
    if (is_suppressed(recipient)) continue;
    spool::Progress progress;
    progress.recipient = recipient;
    progress.flags = queue::kHeld | queue::kAlignmentJudged;
    progress.due = std::max(details.received, details.send_at);
    transaction.messages.front().progress.push_back(progress);
    events::Event event = events::message_event(id_, *meta_, recipient);
    event.time = details.received;
    event.kind = events::Kind::Held;
    event.detail = why;
    event.id = events::event_id(id_, recipient, event.kind, 0);
    transaction.events.push_back(events::encode_event(event));
  }
}

/// The message is ours, and its tenant is only warned: what the DNS says is told when it does.
void Arrival::decide_alignment_later() {
  auto tell = [id = id_, meta = meta_, &port = services_.port,
               &clock = services_.worker.clock](auth::AlignmentRuling ruling) {
    if (!is_bad(ruling.all) && !is_bad(ruling.carrier)) return;
    const events::Event event = warning(id, *meta, ruling, clock.now());
    spool::Transaction transaction;
    transaction.may_wait = true;
    transaction.events.push_back(events::encode_event(event));
    port.submit(std::move(transaction), [](Result<void>) {});
  };
  services_.alignment->decide_later(std::move(*alignment_->later), std::move(tell));
}

}  // namespace ekiden::inbound
