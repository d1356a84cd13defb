#include "ekiden/policy/dane_finder.hpp"

#include <algorithm>
#include <vector>

#include "ekiden/dns/records.hpp"

namespace ekiden::policy {
namespace {

using Kind = DaneFound::Kind;

bool is_broken(const dns::Answer& answer) {
  return answer.status == dns::Status::Failed || answer.status == dns::Status::Bogus;
}

DaneFound failed(const std::string& name, std::string_view what, const dns::Answer& answer) {
  DaneFound found;
  found.kind = Kind::Failed;
  found.reason =
      name + ": " + std::string(what) +
      (answer.status == dns::Status::Bogus ? " fails DNSSEC validation" : " cannot be asked for");
  if (!answer.reason.empty()) found.reason += ": " + answer.reason;
  return found;
}

/// The host's address, of whichever family the DNS answers for.
base::Task<dns::Answer> find_address(dns::Resolver& resolver, std::string host) {
  std::string name = host;
  dns::Answer a = co_await dns::resolve(resolver, std::move(name), dns::Type::A);
  if (a.status == dns::Status::Ok) co_return a;
  dns::Answer aaaa = co_await dns::resolve(resolver, std::move(host), dns::Type::AAAA);
  // Of two that give no address the one that failed says more: it must not be taken for a denial.
  if (aaaa.status == dns::Status::Ok || is_broken(aaaa)) co_return aaaa;
  co_return a;
}

/// What the TLSA records at one base domain amount to.
DaneFound read_records(const dns::Answer& answer, std::string base_name) {
  DaneFound found;
  // RFC 7672 §2.1.1: records that nobody signed are as good as none.
  if (answer.status != dns::Status::Ok || !answer.is_secure) return found;
  auto dane = std::make_shared<tls::Dane>();
  dane->records = dns::tlsa_of(answer);
  std::erase_if(dane->records, [](const dns::Tlsa& tlsa) { return !tls::is_usable(tlsa); });
  dane->base_name = std::move(base_name);
  found.kind = dane->records.empty() ? Kind::Unusable : Kind::Usable;
  if (found.kind == Kind::Usable) found.dane = std::move(dane);
  return found;
}

std::string tlsa_name(const DaneQuestion& question, const std::string& base_name) {
  return "_" + std::to_string(question.port) + "._tcp." + base_name;
}

}  // namespace

base::Task<DaneFound> find_dane(dns::Resolver& resolver, DaneQuestion question) {
  std::string host = question.host;
  const dns::Answer address = co_await find_address(resolver, std::move(host));
  if (is_broken(address)) co_return failed(question.host, "its address", address);
  // RFC 7672 §2.2.2, §2.2.3: the end of the aliases where all of them are secure, then the host's
  // own name, which needs only its own zone to be.
  std::vector<std::string> bases;
  if (address.is_secure) bases.push_back(address.canonical_name);
  if (address.canonical_name != question.host) {
    if (address.is_secure) {
      bases.push_back(question.host);
    } else {
      std::string name = question.host;
      const dns::Answer alias = co_await dns::resolve(resolver, std::move(name), dns::Type::CNAME);
      if (is_broken(alias)) co_return failed(question.host, "its alias", alias);
      if (alias.status == dns::Status::Ok && alias.is_secure) bases.push_back(question.host);
    }
  }
  for (const std::string& base_name : bases) {
    std::string name = tlsa_name(question, base_name);
    const std::string asked = name;
    const dns::Answer answer = co_await dns::resolve(resolver, std::move(name), dns::Type::TLSA);
    if (is_broken(answer)) co_return failed(asked, "its TLSA record", answer);
    DaneFound found = read_records(answer, base_name);
    if (found.kind == Kind::None) continue;
    if (found.dane) {
      // RFC 7672 §3.2.2: the base domain itself comes first and is not repeated.
      auto dane = std::make_shared<tls::Dane>(*found.dane);
      for (const std::string& also : {question.host, question.domain}) {
        if (also.empty() || also == dane->base_name) continue;
        if (std::find(dane->names.begin(), dane->names.end(), also) != dane->names.end()) continue;
        dane->names.push_back(also);
      }
      found.dane = std::move(dane);
    }
    co_return found;
  }
  co_return DaneFound{};
}

}  // namespace ekiden::policy
