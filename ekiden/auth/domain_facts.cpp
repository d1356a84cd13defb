#include "ekiden/auth/domain_facts.hpp"

#include <algorithm>
#include <utility>

#include "ekiden/auth/deadline_resolver.hpp"
#include "ekiden/auth/dns_budget.hpp"
#include "ekiden/auth/organizational_domain.hpp"
#include "ekiden/auth/spf_check.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

/// A walk of eight names, MX, A and AAAA.
constexpr unsigned kQuestionsMax = 16;

bool has_failed(const dns::Answer& answer) {
  return answer.status == dns::Status::Failed || answer.status == dns::Status::Bogus;
}

/// The record in force for the domain, and what it asks for (RFC 9989 §4.10.1, §4.7).
void take_policy(const TreeWalk& walk, DomainFacts& facts) {
  const DmarcRecord* const own = walk.find(facts.domain);
  const DmarcRecord* const record = own != nullptr ? own : walk.find(walk.organizational_domain);
  if (record == nullptr) return;
  facts.policy_domain = own != nullptr ? facts.domain : walk.organizational_domain;
  facts.is_spf_strict = record->is_spf_strict;
  facts.is_dkim_strict = record->is_dkim_strict;
  facts.policy = record->policy.value_or(DmarcPolicy::None);
  if (own == nullptr && record->subdomain_policy) facts.policy = record->subdomain_policy;
}

base::Task<void> find_policy(DnsBudget& dns, const PublicSuffixList* suffixes, DomainFacts& facts) {
  DmarcRecords records(dns);
  std::string name = facts.domain;
  const TreeWalk walk = co_await records.walk(std::move(name));
  if (walk.has_failed) facts.trouble = walk.problem;
  take_policy(walk, facts);
  facts.organizational_domain = walk.organizational_domain;
  if (walk.findings.empty() && suffixes != nullptr) {
    facts.organizational_domain =
        suffixes->organizational_domain(facts.domain).value_or(facts.domain);
  }
}

base::Task<void> find_hosts(DnsBudget& dns, DomainFacts& facts) {
  for (const dns::Type type : {dns::Type::MX, dns::Type::A, dns::Type::AAAA}) {
    std::string name = facts.domain;
    const dns::Answer answer = co_await dns.ask(std::move(name), type);
    if (has_failed(answer)) {
      facts.trouble = "DNS: " + facts.domain + ": " + base::printable(answer.reason);
      co_return;
    }
    if (answer.status == dns::Status::NoDomain) facts.exists = false;
    if (type == dns::Type::MX) {
      const std::vector<dns::Mx> hosts = dns::mx_of(answer);
      // RFC 7505 §3: a null MX says that the domain takes no mail, whatever its addresses.
      if (hosts.size() == 1 && hosts.front().host.empty()) co_return;
    }
    if (!answer.rdata.empty()) {
      facts.has_host = true;
      co_return;
    }
  }
}

base::Task<void> find_coverage(dns::Resolver& resolver, base::Clock& clock,
                               const SendingPlace& place, DomainFacts& facts) {
  const std::size_t count = std::min(place.addresses.size(), kPublicAddressesMax);
  for (std::size_t i = 0; i < count; ++i) {
    SpfQuery query;
    query.ip = place.addresses[i];
    query.sender = "postmaster@" + facts.domain;
    query.helo = place.hostname;
    query.now = clock.now();
    const SpfResult result = co_await check_spf(resolver, clock, std::move(query));
    switch (result.verdict) {
      case Verdict::Pass:
        if (facts.spf == SpfCoverage::Unknown) facts.spf = SpfCoverage::Covers;
        continue;
      case Verdict::None:
        facts.spf = SpfCoverage::NoRecord;
        co_return;
      case Verdict::TemporaryError:
        facts.spf = SpfCoverage::Unknown;
        facts.trouble = "DNS: SPF of " + facts.domain + ": " + result.problem;
        co_return;
      case Verdict::PermanentError:
        facts.spf = SpfCoverage::Broken;
        facts.spf_problem = result.problem;
        co_return;
      default:
        break;
    }
    facts.spf = SpfCoverage::Misses;
    if (facts.spf_missing.size() < kAddressesNamedMax) {
      facts.spf_missing.push_back(place.addresses[i].to_string());
    }
  }
}

}  // namespace

base::Task<DomainFacts> find_domain_facts(dns::Resolver& resolver, base::Clock& clock,
                                          std::string domain, SendingPlace place,
                                          const PublicSuffixList* suffixes) {
  DomainFacts facts;
  facts.domain = std::move(domain);
  facts.organizational_domain = facts.domain;
  DeadlineResolver timed(resolver, clock, clock.steady() + kDomainFactsTimeMax);
  DnsBudget dns(timed, clock, kQuestionsMax, kDomainFactsTimeMax);
  co_await find_policy(dns, suffixes, facts);
  if (facts.trouble.empty()) co_await find_hosts(dns, facts);
  if (facts.trouble.empty()) co_await find_coverage(timed, clock, place, facts);
  co_return facts;
}

std::string suggest_spf_record(const std::vector<net::Address>& addresses) {
  std::string record = "v=spf1";
  for (std::size_t i = 0; i < std::min(addresses.size(), kAddressesNamedMax); ++i) {
    record += addresses[i].is_v4() ? " ip4:" : " ip6:";
    record += addresses[i].to_string();
  }
  return record + " -all";
}

}  // namespace ekiden::auth
