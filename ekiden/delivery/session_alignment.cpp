// Mail whose alignment the DNS had not told when it was accepted is decided before it leaves, where
// its tenant wants more than a warning.
#include "ekiden/auth/alignment_desk.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/delivery/local_reply.hpp"
#include "ekiden/delivery/session.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::delivery {
namespace {

constexpr std::string_view kPending = "pending";

std::vector<std::string> brought_domains(std::string_view alignment) {
  std::vector<std::string> domains;
  alignment.remove_prefix(kPending.size());
  while (!alignment.empty()) {
    const std::size_t space = std::min(alignment.find(' '), alignment.size());
    if (space > 0) domains.emplace_back(alignment.substr(0, space));
    alignment.remove_prefix(std::min(space + 1, alignment.size()));
  }
  return domains;
}

bool is_bad(const auth::AlignmentVerdict& verdict) {
  return verdict.alignment == auth::Alignment::Unaligned;
}

}  // namespace

/// True: it may leave. False: everybody has been told.
base::Task<bool> Session::align(Flight& flight) {
  const message::Meta& meta = *flight.job.meta;
  auth::AlignmentDesk* const desk = parts_.context.alignment;
  const bool is_pending = meta.details.alignment.starts_with(kPending);
  if (desk == nullptr || !is_pending || flight.job.is_probe || flight.job.is_alignment_judged) {
    co_return true;
  }
  const auth::AlignmentMode mode = desk->mode_of(meta.details.tenant);
  if (mode == auth::AlignmentMode::Off || mode == auth::AlignmentMode::Warn) co_return true;

  const Preparation& preparation = flight.preparation;
  const std::string& return_path =
      preparation.reverse_path ? *preparation.reverse_path : meta.envelope.reverse_path;
  auth::AlignmentCase what =
      desk->make_case(meta, return_path, brought_domains(meta.details.alignment));
  const std::uint32_t first = flight.job.recipients.front();
  what.is_for_carrier =
      auth::is_strict_carrier(smtp::domain_of(meta.envelope.recipients[first].address));
  const auth::AlignmentRuling ruling = co_await desk->decide(std::move(what));

  const bool is_unfit = is_bad(ruling.all) || is_bad(ruling.carrier);
  const bool is_open = ruling.all.alignment == auth::Alignment::Pending ||
                       ruling.carrier.alignment == auth::Alignment::Pending;
  if (!is_unfit && !is_open) co_return true;
  const std::string problems = auth::problems_text(ruling);
  for (const std::uint32_t recipient : preparation.recipients) {
    RecipientResult result;
    result.recipient = recipient;
    result.phase = Phase::Mail;
    result.is_local = true;
    // RFC 7372 §3.3. What cannot be found out now waits, as it would with the receiver.
    result.outcome = is_unfit ? Outcome::Held : Outcome::Deferred;
    result.reply = is_unfit ? local_reply(550, {5, 7, 26}, "will not align: " + problems)
                            : local_reply(451, {4, 4, 3}, "alignment is not known: " + problems);
    flight.result.recipients.push_back(std::move(result));
  }
  co_return false;
}

}  // namespace ekiden::delivery
