#include "ekiden/auth/dmarc_check.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/dns/name.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/mailbox.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::auth {
namespace {

/// A-labels, lower case, no trailing dot; empty when it is no domain name of the DNS.
std::string canonical(std::string_view domain) {
  const Result<std::string> name = smtp::canonical_domain(domain);
  if (!name || name->empty() || name->front() == '[' || !dns::may_be_asked(*name)) return {};
  return *name;
}

DmarcPolicy one_step_less(DmarcPolicy policy) {
  return policy == DmarcPolicy::Reject ? DmarcPolicy::Quarantine : DmarcPolicy::None;
}

std::string_view last_label(std::string_view domain) {
  const std::size_t dot = domain.rfind('.');
  return dot == std::string_view::npos ? domain : domain.substr(dot + 1);
}

class Evaluation {
 public:
  Evaluation(dns::Resolver& resolver, base::Clock& clock, DmarcQuery query)
      : query_(std::move(query)),
        dns_(resolver, clock, kDmarcQuestionsMax, kDmarcTimeMax),
        records_(dns_) {}

  base::Task<DmarcResult> run();

 private:
  enum class Alignment { No, Yes, Unknown };

  base::Task<void> discover();
  base::Task<void> discover_by_suffix();
  base::Task<void> discover_by_walk();
  /// Takes the record found at `domain`.
  base::Task<void> use(std::string domain, DmarcRecord record);
  base::Task<Alignment> align(std::string domain, bool is_strict);
  base::Task<std::string> organizational_domain(std::string domain, bool& has_failed);

  DmarcQuery query_;
  DnsBudget dns_;
  DmarcRecords records_;
  std::optional<DmarcRecord> record_;
  bool is_organization_known_ = true;  ///< the author's walk came to its end
  DmarcResult result_;
};

base::Task<DmarcResult> Evaluation::run() {
  result_.author_domain = canonical(query_.author_domain);
  if (result_.author_domain.empty()) {
    result_.problem = "'" + base::printable(query_.author_domain) + "' is no domain name";
    co_return std::move(result_);
  }
  co_await discover();
  if (result_.verdict == Verdict::TemporaryError || result_.verdict == Verdict::PermanentError) {
    co_return std::move(result_);
  }

  // Without a record the default, relaxed, tells what would align.
  const bool is_spf_strict = record_ && record_->is_spf_strict;
  const bool is_dkim_strict = record_ && record_->is_dkim_strict;
  bool is_temporary = false;
  const auto counts = [](Verdict verdict) {
    return verdict == Verdict::Pass || verdict == Verdict::TemporaryError;
  };
  if (query_.spf && counts(query_.spf->verdict)) {
    const Alignment alignment = co_await align(query_.spf->domain, is_spf_strict);
    const bool is_pass = query_.spf->verdict == Verdict::Pass;
    result_.is_spf_aligned = is_pass && alignment == Alignment::Yes;
    is_temporary |= alignment == Alignment::Unknown || (!is_pass && alignment == Alignment::Yes);
  }
  if (query_.dkim.size() > kDmarcSignaturesMax) query_.dkim.resize(kDmarcSignaturesMax);
  for (const DmarcIdentifier& signature : query_.dkim) {
    if (!counts(signature.verdict) || result_.is_dkim_aligned) continue;
    const Alignment alignment = co_await align(signature.domain, is_dkim_strict);
    const bool is_pass = signature.verdict == Verdict::Pass;
    result_.is_dkim_aligned = is_pass && alignment == Alignment::Yes;
    is_temporary |= alignment == Alignment::Unknown || (!is_pass && alignment == Alignment::Yes);
  }
  if (!record_) co_return std::move(result_);

  if (result_.is_spf_aligned || result_.is_dkim_aligned) {
    result_.verdict = Verdict::Pass;
  } else if (is_temporary) {
    result_.verdict = Verdict::TemporaryError;
    if (result_.problem.empty()) result_.problem = "what would align could not be evaluated";
  } else {
    result_.verdict = Verdict::Fail;
    result_.applied = *result_.policy;
    // RFC 9989 §4.7: with t=y the policy applied is one level below.
    // RFC 7489 §6.6.4: mail outside of the sample gets the next lower policy.
    const bool is_reduced =
        query_.mode == DmarcMode::Rfc9989 ? record_->is_test : query_.sample >= record_->percent;
    if (is_reduced) result_.applied = one_step_less(result_.applied);
  }
  co_return std::move(result_);
}

base::Task<void> Evaluation::discover() {
  if (query_.mode == DmarcMode::Rfc7489) {
    co_await discover_by_suffix();
  } else {
    co_await discover_by_walk();
  }
}

/// RFC 7489 §6.6.3.
base::Task<void> Evaluation::discover_by_suffix() {
  const std::string author = result_.author_domain;
  result_.organizational_domain = author;
  if (query_.suffixes != nullptr) {
    result_.organizational_domain = query_.suffixes->organizational_domain(author).value_or(author);
  }
  const std::vector<std::string> domains = {author, result_.organizational_domain};
  for (const std::string& domain : domains) {
    std::string name = domain;
    DmarcAnswer answer = co_await records_.ask(std::move(name));
    if (answer.kind == DmarcAnswer::Kind::Found) {
      std::string found = domain;
      co_await use(std::move(found), std::move(answer.record));
      co_return;
    }
    if (answer.kind == DmarcAnswer::Kind::None) continue;
    result_.problem = std::move(answer.problem);
    if (answer.kind == DmarcAnswer::Kind::Failed) result_.verdict = Verdict::TemporaryError;
    if (answer.kind == DmarcAnswer::Kind::Bad) result_.verdict = Verdict::PermanentError;
    co_return;  // Several: "DMARC processing is not applied".
  }
}

/// RFC 9989 §4.10.1, §4.10.2.
base::Task<void> Evaluation::discover_by_walk() {
  const std::string author = result_.author_domain;
  std::string start = author;
  TreeWalk walk = co_await records_.walk(std::move(start));
  result_.organizational_domain = walk.organizational_domain;
  is_organization_known_ = !walk.has_failed;
  const DmarcRecord* record = walk.find(author);
  std::string domain = author;
  if (record == nullptr) {
    // What a name that could not be asked about holds might come first.
    if (walk.has_failed) {
      result_.verdict = Verdict::TemporaryError;
      result_.problem = walk.problem;
      co_return;
    }
    domain = walk.organizational_domain;
    record = walk.find(domain);
  }
  // Else the record of the public suffix above, which is where such a walk ends.
  if (record == nullptr && !walk.findings.empty() &&
      walk.findings.back().record.psd == DmarcPsd::Yes) {
    domain = walk.findings.back().domain;
    record = &walk.findings.back().record;
  }
  if (record == nullptr) {
    std::string again = author;
    const DmarcAnswer answer = co_await records_.ask(std::move(again));
    result_.problem = answer.problem;
    if (answer.kind == DmarcAnswer::Kind::Bad) result_.verdict = Verdict::PermanentError;
    co_return;
  }
  DmarcRecord found = *record;
  co_await use(std::move(domain), std::move(found));
}

base::Task<void> Evaluation::use(std::string domain, DmarcRecord record) {
  result_.record_domain = domain;
  const bool is_new = query_.mode == DmarcMode::Rfc9989;
  const bool is_bad = !record.policy || record.has_bad_subdomain_policy ||
                      (is_new && record.has_bad_nonexistent_policy);
  if (is_bad) {
    // RFC 7489 §6.6.3, RFC 9989 §4.10.1: whoever wants reports gets p=none, others nothing.
    if (record.aggregate_reports.empty()) {
      result_.verdict = Verdict::PermanentError;
      result_.problem = "_dmarc." + base::printable(domain) + " has no valid policy";
      co_return;
    }
    record.policy = DmarcPolicy::None;
    record.subdomain_policy.reset();
    record.nonexistent_policy.reset();
  }
  DmarcPolicy policy = *record.policy;
  if (domain != result_.author_domain) {
    policy = record.subdomain_policy.value_or(policy);
    if (is_new && record.nonexistent_policy) {
      // RFC 9989 §3.2: a name does not exist when the DNS says NXDOMAIN (RFC 8020).
      std::string name = result_.author_domain;
      const dns::Answer answer = co_await dns_.ask(std::move(name), dns::Type::A);
      if (answer.status == dns::Status::NoDomain) policy = *record.nonexistent_policy;
    }
  }
  result_.policy = policy;
  record_ = std::move(record);
}

base::Task<std::string> Evaluation::organizational_domain(std::string domain, bool& has_failed) {
  if (query_.mode == DmarcMode::Rfc7489) {
    if (query_.suffixes == nullptr) co_return domain;
    co_return query_.suffixes->organizational_domain(domain).value_or(domain);
  }
  TreeWalk walk = co_await records_.walk(std::move(domain));
  has_failed = walk.has_failed;
  if (has_failed && result_.problem.empty()) result_.problem = walk.problem;
  co_return std::move(walk.organizational_domain);
}

/// RFC 7489 §3.1, RFC 9989 §4.4.
base::Task<Evaluation::Alignment> Evaluation::align(std::string domain, bool is_strict) {
  const std::string name = canonical(domain);
  if (name.empty()) co_return Alignment::No;
  if (name == result_.author_domain) co_return Alignment::Yes;
  // Names under different top labels have no organization in common: nothing to ask.
  if (is_strict || last_label(name) != last_label(result_.author_domain)) co_return Alignment::No;
  if (!is_organization_known_) co_return Alignment::Unknown;
  bool has_failed = false;
  std::string start = name;
  const std::string found = co_await organizational_domain(std::move(start), has_failed);
  if (has_failed) co_return Alignment::Unknown;
  co_return found == result_.organizational_domain ? Alignment::Yes : Alignment::No;
}

}  // namespace

base::Task<DmarcResult> check_dmarc(dns::Resolver& resolver, base::Clock& clock, DmarcQuery query) {
  Evaluation evaluation(resolver, clock, std::move(query));
  co_return co_await evaluation.run();
}

DmarcAuthors find_authors(std::string_view message) {
  DmarcAuthors authors;
  message::HeaderScanner scanner(message);
  message::Field field;
  for (Result<bool> more = scanner.next(field); more && *more; more = scanner.next(field)) {
    if (!base::equals_ignoring_case(field.name, "From")) continue;
    ++authors.fields;
    const message::Mailboxes mailboxes = message::parse_mailboxes(field.value);
    authors.addresses += mailboxes.count;
    for (const std::string& address : mailboxes.addresses) {
      std::string domain = smtp::domain_of(address);
      if (domain.empty() || domain.front() == '[') continue;
      const auto known = std::find(authors.domains.begin(), authors.domains.end(), domain);
      if (known != authors.domains.end() || authors.domains.size() == kDmarcAuthorsMax) continue;
      authors.domains.push_back(std::move(domain));
    }
  }
  return authors;
}

DmarcResult combine_authors(const DmarcAuthors& authors, std::vector<DmarcResult> results) {
  if (authors.is_plain() && results.size() == 1) return std::move(results.front());
  DmarcResult combined;
  if (results.empty()) {
    combined.problem = authors.fields == 0 ? "the message has no From" : "From names no domain";
    return combined;
  }
  const auto rank = [](const DmarcResult& result) {
    switch (result.verdict) {
      case Verdict::Fail:
        return 10 + static_cast<int>(result.applied);
      case Verdict::TemporaryError:
        return 3;
      case Verdict::PermanentError:
        return 2;
      case Verdict::Pass:
        return 1;
      default:
        return 0;
    }
  };
  combined = *std::max_element(
      results.begin(), results.end(),
      [&rank](const DmarcResult& a, const DmarcResult& b) { return rank(a) < rank(b); });
  if (combined.verdict == Verdict::Pass) combined.verdict = Verdict::PermanentError;
  if (combined.problem.empty()) combined.problem = "From names several authors";
  return combined;
}

}  // namespace ekiden::auth
