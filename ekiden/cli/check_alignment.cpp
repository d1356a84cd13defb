// `ekiden check alignment`: what receivers will make of mail from a domain that leaves from here.
#include <boost/json/array.hpp>
#include <filesystem>
#include <map>

#include "ekiden/auth/alignment.hpp"
#include "ekiden/cli/check.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

std::string_view coverage_name(auth::SpfCoverage coverage) {
  switch (coverage) {
    case auth::SpfCoverage::Unknown:
      return "unknown";
    case auth::SpfCoverage::Covers:
      return "covers";
    case auth::SpfCoverage::Misses:
      return "misses";
    case auth::SpfCoverage::NoRecord:
      return "no record";
    case auth::SpfCoverage::Broken:
      return "broken";
  }
  return "unknown";
}

json::object describe(const auth::DomainFacts& facts) {
  json::object object;
  object["domain"] = facts.domain;
  object["org_domain"] = facts.organizational_domain;
  object["policy"] = nullptr;
  if (facts.policy) object["policy"] = auth::policy_name(*facts.policy);
  if (!facts.policy_domain.empty()) object["record_domain"] = facts.policy_domain;
  object["spf"] = coverage_name(facts.spf);
  if (!facts.spf_missing.empty())
    object["spf_missing"] = json::array(facts.spf_missing.begin(), facts.spf_missing.end());
  object["has_host"] = facts.has_host;
  if (!facts.trouble.empty()) object["trouble"] = facts.trouble;
  return object;
}

json::object describe(const auth::AlignmentVerdict& verdict) {
  json::object object;
  object["result"] = auth::alignment_name(verdict.alignment);
  if (!verdict.because.empty()) object["because"] = verdict.because;
  json::array problems;
  for (const std::string& problem : verdict.problems) problems.push_back(json::string(problem));
  object["problems"] = std::move(problems);
  return object;
}

/// The public addresses of the settings' sources.
std::vector<net::Address> addresses_of(const config::Settings& settings) {
  std::vector<net::Address> all;
  for (const config::Source& source : settings.source) {
    const auto& four = source.public_ipv4 ? source.public_ipv4 : source.ipv4;
    const auto& six = source.public_ipv6 ? source.public_ipv6 : source.ipv6;
    if (four) all.push_back(*four);
    if (six) all.push_back(*six);
  }
  return all;
}

/// "news@example.jp" and "example.jp" are both about example.jp; empty when it is none.
std::string domain_in(const std::string& text) {
  const Result<std::string> domain = smtp::canonical_domain(
      text.substr(text.find('@') == std::string::npos ? 0 : text.rfind('@') + 1));
  return domain ? *domain : std::string();
}

base::Task<CheckAnswer> check_alignment(auth::SendingPlace place_of_ours, CheckPlace& place,
                                        CheckRequest request) {
  const auto from = find_text(request, "header-from");
  if (!from) co_return CheckAnswer::usage("--header-from is needed");
  auth::AlignmentQuestion question;
  question.from_domain = domain_in(*from);
  question.return_domain = domain_in(find_text(request, "return-path").value_or(*from));
  if (question.from_domain.empty() || question.return_domain.empty())
    co_return CheckAnswer::usage("--header-from and --return-path take domains or addresses");
  for (const std::string& domain : texts_of(request, "dkim"))
    question.signing_domains.push_back(domain_in(domain));
  const std::vector<std::string> ips = texts_of(request, "ip");
  if (!ips.empty()) place_of_ours.addresses.clear();
  for (const std::string& text : ips) {
    const auto address = net::parse_address(text);
    if (!address) co_return CheckAnswer::usage("--ip takes an address, not '" + text + "'");
    place_of_ours.addresses.push_back(*address);
  }

  dns::Resolver* const resolver = place.find_resolver();
  if (resolver == nullptr) co_return place.no_resolver();
  const Result<auth::PublicSuffixList> suffixes = auth::PublicSuffixList::load_newest();
  std::map<std::string, auth::DomainFacts, std::less<>> known;
  for (const std::string& domain : auth::domains_of(question)) {
    std::string asked = domain;
    auth::SendingPlace ours = place_of_ours;
    auth::DomainFacts facts =
        co_await auth::find_domain_facts(*resolver, place.worker().clock, std::move(asked),
                                         std::move(ours), suffixes ? &*suffixes : nullptr);
    known.emplace(domain, std::move(facts));
  }
  const auth::FindFacts find = [&](std::string_view domain) -> const auth::DomainFacts* {
    const auto at = known.find(domain);
    return at == known.end() ? nullptr : &at->second;
  };
  json::object answer = describe(auth::judge_alignment(question, place_of_ours, find));
  answer["carriers"] = describe(auth::judge_for_carrier(question, true, place_of_ours, find));
  if (const auth::DomainFacts* facts = find(question.from_domain);
      facts != nullptr && !facts->policy) {
    answer["problems"].as_array().push_back(
        json::string("no DMARC record, which Gmail, Yahoo and Outlook want of bulk mail: publish "
                     "TXT \"v=DMARC1; "
                     "p=none\" at _dmarc." +
                     facts->organizational_domain));
  }
  json::array domains;
  for (const auto& [name, facts] : known) domains.push_back(describe(facts));
  answer["domains"] = std::move(domains);
  co_return CheckAnswer::done(std::move(answer));
}

}  // namespace

void add_check_alignment(CLI::App& group, Context& context) {
  CheckCommand command;
  command.name = "alignment";
  command.description = "Will mail from this domain align when it leaves from here? (RFC 9989)";
  command.footer =
      "\nWithout --ip the public addresses of the settings' [[source]] count.\n\nExample:\n"
      "  ekiden check alignment --header-from example.jp --return-path bounces.example.jp \\\n"
      "    --dkim example.jp --ip 192.0.2.1\n";
  command.flags = {
      {"header-from", "DOMAIN", "The domain of header From, or an address"},
      {"return-path", "DOMAIN", "That of the return path; without it the same"},
      {"dkim", "DOMAIN", "d= of a signature that we add; repeat it", CheckFlag::Kind::List},
      {"ip", "ADDRESS", "A public address of ours; repeat it", CheckFlag::Kind::List},
  };
  command.evaluate = [&context](CheckPlace& place, CheckRequest request) {
    auth::SendingPlace ours;
    std::error_code error;
    if (!request.contains("ip") && std::filesystem::exists(context.config_file, error)) {
      if (const auto loaded = context.load_config()) {
        ours.addresses = addresses_of(loaded->settings);
        ours.hostname = loaded->settings.node.hostname;
      }
    }
    return check_alignment(std::move(ours), place, std::move(request));
  };
  add_check_command(group, context, std::move(command));
}

}  // namespace ekiden::cli
