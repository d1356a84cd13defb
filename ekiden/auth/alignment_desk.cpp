#include "ekiden/auth/alignment_desk.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "ekiden/smtp/address.hpp"

namespace ekiden::auth {
namespace {

/// Domains looked up at once; one more is looked up when mail asks again.
constexpr std::size_t kLooksMax = 64;

bool is_signed_by_author(const AlignmentQuestion& question) {
  const std::vector<std::string>& domains = question.signing_domains;
  return std::find(domains.begin(), domains.end(), question.from_domain) != domains.end();
}

}  // namespace

AlignmentDesk::AlignmentDesk(Parts parts, AlignmentOptions options)
    : parts_(std::move(parts)), options_(std::move(options)), tasks_(parts_.worker) {}

AlignmentMode AlignmentDesk::mode_of(std::string_view tenant) const {
  for (const auto& [name, mode] : options_.modes)
    if (name == tenant) return mode;
  return options_.mode;
}

AlignmentCase AlignmentDesk::make_case(const message::Meta& meta, std::string_view return_path,
                                       std::vector<std::string> brought_domains) const {
  AlignmentCase what;
  what.question.from_domain = smtp::domain_of(meta.details.header_from);
  what.question.return_domain = smtp::domain_of(return_path);
  // RFC 7208 §2.4: the null reverse-path is checked as postmaster@ the EHLO name.
  if (return_path.empty()) what.question.return_domain = options_.place.hostname;
  if (parts_.signing_domains) what.question.signing_domains = parts_.signing_domains(meta);
  what.question.brought_domains = std::move(brought_domains);
  what.has_message_id = meta.details.message_id.size() > 2;
  for (const message::Recipient& recipient : meta.envelope.recipients) {
    if (!is_strict_carrier(smtp::domain_of(recipient.address))) continue;
    what.is_for_carrier = true;
    break;
  }
  return what;
}

AlignmentRuling AlignmentDesk::rule(const AlignmentCase& what) const {
  const base::Steady now = parts_.worker.clock.steady();
  // Keeps what it refers to for as long as the judgement goes on.
  std::map<std::string, std::shared_ptr<const DomainFacts>, std::less<>> known;
  const FindFacts find = [&](std::string_view domain) -> const DomainFacts* {
    auto at = known.find(domain);
    if (at == known.end())
      at = known.emplace(std::string(domain), parts_.book.find(domain, now)).first;
    return at->second.get();
  };
  AlignmentRuling ruling;
  ruling.all = judge_alignment(what.question, options_.place, find);
  ruling.carrier.alignment = Alignment::Aligned;
  if (what.is_for_carrier)
    ruling.carrier = judge_for_carrier(what.question, what.has_message_id, options_.place, find);
  return ruling;
}

AlignmentRuling AlignmentDesk::judge(const AlignmentCase& what) {
  // Most mail: signed for its own domain, whatever the DNS says.
  if (is_signed_by_author(what.question) && !what.is_for_carrier) return rule(what);
  const base::Steady now = parts_.worker.clock.steady();
  for (std::string& domain : domains_of(what.question)) {
    if (tasks_.is_closed() || tasks_.size() >= kLooksMax) break;
    if (!parts_.book.begin_look(domain, now)) continue;
    base::Task<void> task = look(std::move(domain));
    tasks_.spawn(std::move(task));
  }
  return rule(what);
}

base::Task<void> AlignmentDesk::look(std::string domain) {
  SendingPlace place = options_.place;
  std::string asked = domain;
  DomainFacts facts = co_await find_domain_facts(
      parts_.resolver, parts_.worker.clock, std::move(asked), std::move(place), parts_.suffixes);
  parts_.book.put(std::move(facts), parts_.worker.clock.steady());
}

base::Task<AlignmentRuling> AlignmentDesk::decide(AlignmentCase what) {
  const base::Steady deadline = parts_.worker.clock.steady() + kDomainFactsTimeMax;
  for (const std::string& domain : domains_of(what.question)) {
    const base::Steady now = parts_.worker.clock.steady();
    const std::shared_ptr<const DomainFacts> known = parts_.book.find(domain, now);
    if (known != nullptr && known->trouble.empty()) continue;
    if (now >= deadline) break;
    // Somebody may be at it already: the resolver asks equal questions once.
    std::string asked = domain;
    co_await look(std::move(asked));
  }
  co_return rule(what);
}

void AlignmentDesk::decide_later(AlignmentCase what, base::Function<void(AlignmentRuling)> done) {
  if (tasks_.is_closed() || tasks_.size() >= kLooksMax) return;
  auto kept = std::make_shared<base::Function<void(AlignmentRuling)>>(std::move(done));
  base::Task<void> task = decide_and_tell(std::move(what), std::move(kept));
  tasks_.spawn(std::move(task));
}

base::Task<void> AlignmentDesk::decide_and_tell(
    AlignmentCase what, std::shared_ptr<base::Function<void(AlignmentRuling)>> done) {
  AlignmentRuling ruling = co_await decide(std::move(what));
  if (!tasks_.is_closed()) (*done)(std::move(ruling));
}

void AlignmentDesk::set_options(AlignmentOptions options) {
  options_ = std::move(options);
}

std::string problems_text(const AlignmentRuling& ruling) {
  std::string text;
  std::vector<std::string> seen;
  for (const AlignmentVerdict* verdict : {&ruling.all, &ruling.carrier}) {
    for (const std::string& problem : verdict->problems) {
      if (std::find(seen.begin(), seen.end(), problem) != seen.end()) continue;
      seen.push_back(problem);
      text.append(text.empty() ? "" : "; ").append(problem);
    }
  }
  return text;
}

}  // namespace ekiden::auth
