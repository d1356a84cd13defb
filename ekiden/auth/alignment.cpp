#include "ekiden/auth/alignment.hpp"

#include <algorithm>

#include "ekiden/auth/tag_list.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::auth {
namespace {

enum class Answer { No, Maybe, Yes };

/// RFC 9989 §4.4.1, §4.4.2.
Answer aligns(std::string_view domain, const DomainFacts& from, bool is_strict,
              const FindFacts& find) {
  if (domain == from.domain) return Answer::Yes;
  if (is_strict) return Answer::No;
  const DomainFacts* const facts = find(domain);
  if (facts == nullptr || !facts->trouble.empty()) return Answer::Maybe;
  return facts->organizational_domain == from.organizational_domain ? Answer::Yes : Answer::No;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all.append(all.empty() ? "" : ", ").append(text);
  return all;
}

/// What to publish so that SPF of `facts` passes for us.
std::string spf_advice(const DomainFacts& facts, const SendingPlace& place) {
  switch (facts.spf) {
    case SpfCoverage::NoRecord:
      return facts.domain + " has no SPF record: publish TXT \"" +
             suggest_spf_record(place.addresses) + "\" there";
    case SpfCoverage::Misses: {
      std::string terms;
      for (const std::string& address : facts.spf_missing)
        terms += (address.find(':') == std::string::npos ? " ip4:" : " ip6:") + address;
      return "the SPF record of " + facts.domain + " does not pass for " +
             joined(facts.spf_missing) + ": add" + terms;
    }
    case SpfCoverage::Broken:
      return "the SPF record of " + facts.domain + " is broken: " + facts.spf_problem;
    case SpfCoverage::Unknown:
      return "SPF of " + facts.domain + " is unknown: no [[source]] names our public addresses";
    case SpfCoverage::Covers:
      break;
  }
  return {};
}

class Judgement {
 public:
  Judgement(const AlignmentQuestion& question, const SendingPlace& place, const FindFacts& find)
      : question_(question), place_(place), find_(find) {}

  AlignmentVerdict run() {
    const DomainFacts* const from = find_(question_.from_domain);
    // A signature of the very domain aligns whatever the DNS says.
    for (const auto* domains : {&question_.signing_domains, &question_.brought_domains}) {
      for (const std::string& domain : *domains)
        if (domain == question_.from_domain) return aligned("DKIM d=" + domain);
    }
    if (from == nullptr || !from->trouble.empty()) {
      verdict_.problems.push_back(from == nullptr ? question_.from_domain + " is being looked up"
                                                  : from->trouble);
      return std::move(verdict_);
    }
    if (look_at_signatures(*from)) return std::move(verdict_);
    if (look_at_return_path(*from)) return std::move(verdict_);
    verdict_.alignment = is_pending_   ? Alignment::Pending
                         : is_unknown_ ? Alignment::Unknown
                                       : Alignment::Unaligned;
    return std::move(verdict_);
  }

 private:
  AlignmentVerdict aligned(std::string because) {
    verdict_.alignment = Alignment::Aligned;
    verdict_.because = std::move(because);
    verdict_.problems.clear();
    return std::move(verdict_);
  }

  bool look_at_signatures(const DomainFacts& from) {
    std::vector<std::string> others;
    for (const auto* domains : {&question_.signing_domains, &question_.brought_domains}) {
      for (const std::string& domain : *domains) {
        const Answer answer = aligns(domain, from, from.is_dkim_strict, find_);
        if (answer == Answer::Yes) {
          verdict_ = aligned("DKIM d=" + domain);
          return true;
        }
        if (answer == Answer::Maybe) is_pending_ = true;
        others.push_back(domain);
      }
    }
    std::string problem = others.empty()
                              ? "no DKIM signature"
                              : "the DKIM signature of " + joined(others) + " does not align";
    verdict_.problems.push_back(problem + ": make a key (ekiden dkim keygen " + from.domain +
                                ") and publish its record");
    return false;
  }

  bool look_at_return_path(const DomainFacts& from) {
    const std::string& domain = question_.return_domain;
    const Answer answer = aligns(domain, from, from.is_spf_strict, find_);
    if (answer == Answer::No) {
      verdict_.problems.push_back(
          "SPF counts for the return path's domain " + domain + ", which does not align with " +
          (from.is_spf_strict ? from.domain + " (aspf=s)" : from.organizational_domain) +
          ": give it a return_path there");
      return false;
    }
    const DomainFacts* const facts = find_(domain);
    if (answer == Answer::Maybe || facts == nullptr || !facts->trouble.empty()) {
      is_pending_ = true;
      verdict_.problems.push_back(domain + " is being looked up");
      return false;
    }
    if (facts->spf == SpfCoverage::Covers) {
      verdict_ = aligned("SPF of " + domain);
      return true;
    }
    if (facts->spf == SpfCoverage::Unknown) is_unknown_ = true;
    verdict_.problems.push_back(spf_advice(*facts, place_));
    return false;
  }

  const AlignmentQuestion& question_;
  const SendingPlace& place_;
  const FindFacts& find_;
  AlignmentVerdict verdict_;
  bool is_pending_ = false, is_unknown_ = false;
};

bool is_at_or_below(std::string_view domain, std::string_view top) {
  return domain == top || (domain.size() > top.size() && domain.ends_with(top) &&
                           domain[domain.size() - top.size() - 1] == '.');
}

}  // namespace

std::string_view alignment_name(Alignment alignment) {
  switch (alignment) {
    case Alignment::Aligned:
      return "aligned";
    case Alignment::Unaligned:
      return "unaligned";
    case Alignment::Pending:
      return "pending";
    case Alignment::Unknown:
      return "unknown";
  }
  return "unknown";
}

AlignmentVerdict judge_alignment(const AlignmentQuestion& question, const SendingPlace& place,
                                 const FindFacts& find) {
  return Judgement(question, place, find).run();
}

std::vector<std::string> domains_of(const AlignmentQuestion& question) {
  std::vector<std::string> all = {question.from_domain, question.return_domain};
  all.insert(all.end(), question.signing_domains.begin(), question.signing_domains.end());
  all.insert(all.end(), question.brought_domains.begin(), question.brought_domains.end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::erase(all, std::string());
  return all;
}

bool is_strict_carrier(std::string_view domain) {
  return is_at_or_below(domain, "docomo.ne.jp") || is_at_or_below(domain, "softbank.ne.jp") ||
         is_at_or_below(domain, "softbank.jp") || is_at_or_below(domain, "ymobile.ne.jp") ||
         is_at_or_below(domain, "vodafone.ne.jp");
}

AlignmentVerdict judge_for_carrier(const AlignmentQuestion& question, bool has_message_id,
                                   const SendingPlace& place, const FindFacts& find) {
  AlignmentVerdict verdict;
  if (!has_message_id) {
    verdict.alignment = Alignment::Unaligned;
    verdict.problems.push_back(
        "the Message-ID is missing or empty, which docomo and SoftBank "
        "refuse: write one");
  }
  const DomainFacts* const from = find(question.from_domain);
  if (from == nullptr || !from->trouble.empty()) {
    if (has_message_id)
      verdict.problems.push_back(from == nullptr ? question.from_domain + " is being looked up"
                                                 : from->trouble);
    return verdict;
  }
  if (!from->has_host) {
    verdict.problems.push_back(from->domain +
                               " has neither MX nor A record, which docomo and "
                               "SoftBank want of header From: publish one");
  }
  const bool is_bad_spf = from->spf != SpfCoverage::Covers && from->spf != SpfCoverage::Unknown;
  if (is_bad_spf) {
    verdict.problems.push_back("docomo and SoftBank check SPF of header From: " +
                               spf_advice(*from, place));
  }
  if (!verdict.problems.empty()) {
    verdict.alignment = Alignment::Unaligned;
  } else if (from->spf == SpfCoverage::Unknown) {
    verdict.alignment = Alignment::Unknown;
    verdict.problems.push_back(spf_advice(*from, place));
  } else {
    verdict.alignment = Alignment::Aligned;
    verdict.because = "SPF of " + from->domain;
  }
  return verdict;
}

std::vector<std::string> find_brought_domains(std::string_view header) {
  std::vector<std::string> domains;
  message::HeaderScanner scanner(header);
  message::Field field;
  std::size_t seen = 0;
  for (Result<bool> more = scanner.next(field); more && *more; more = scanner.next(field)) {
    if (!base::equals_ignoring_case(field.name, "DKIM-Signature")) continue;
    if (++seen > kBroughtSignaturesMax) break;
    std::string_view why;
    const std::optional<TagList> tags = TagList::parse(field.value, why);
    const auto domain = tags ? parse_sdid(tags->value("d")) : std::nullopt;
    if (domain && std::find(domains.begin(), domains.end(), *domain) == domains.end())
      domains.push_back(*domain);
  }
  return domains;
}

}  // namespace ekiden::auth
