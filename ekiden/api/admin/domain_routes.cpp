// /v1/domains: domains that tenants prove are their own, and what to publish for them.
#include <algorithm>
#include <array>

#include "ekiden/account/shapes.hpp"
#include "ekiden/api/admin/routes.hpp"
#include "ekiden/api/fields.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/policy/domain_records.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::api::admin {
namespace {

namespace json = boost::json;
using account::SenderDomain;
using Records = std::vector<policy::DomainRecord>;

/// What the store says of a domain, for a question to the DNS.
struct Found {
  SenderDomain domain;
  Records records;
};

json::object describe(const Found& found) {
  json::object object = account::to_json(found.domain);
  json::array records;
  for (const policy::DomainRecord& record : found.records)
    records.push_back(policy::to_json(record));
  object["records"] = std::move(records);
  return object;
}

Problem domain_problem(const Error& error, const std::string& name) {
  return problem_of(error, error == account::Errc::UnknownTenant ? "tenant" : "domain " + name);
}

/// "example.jp" as it is kept.
std::optional<std::string> canonical(std::string_view given) {
  const auto domain = smtp::canonical_domain(given);
  if (!domain || domain->find('.') == std::string::npos) return std::nullopt;
  return *domain;
}

Text no_domain() {
  return {"this is no domain", "ドメインではありません"};
}

Result<Records> records_of(StoreCall& on, const SenderDomain& domain) {
  policy::DomainFacts facts;
  facts.domain = domain.name;
  facts.tenant = domain.tenant;
  facts.token = domain.token;
  facts.hostname = on.settings->node.hostname;
  auto keys = on.store.domain_keys(domain.name);
  if (!keys) return keys.error();
  facts.keys = std::move(*keys);
  facts.bounce_domains = policy::bounce_domains_of(*on.settings);
  return policy::records_of(facts);
}

/// The domain of the path, of the tenant that is meant.
std::optional<Problem> find(StoreCall& on, Found& found) {
  const std::string_view given = on.call.path.get("domain");
  const auto name = canonical(given);
  if (!name) return bad_parameter("domain", no_domain());
  const Chosen chosen = on.tenant_to_see();
  if (chosen.problem) return chosen.problem;
  const auto domains = on.store.sender_domains(chosen.tenant);
  if (!domains) return domain_problem(domains.error(), *name);
  const auto one = std::find_if(domains->begin(), domains->end(),
                                [&](const SenderDomain& domain) { return domain.name == *name; });
  if (one == domains->end()) return no_such("domain " + *name);
  found.domain = *one;
  auto records = records_of(on, found.domain);
  if (!records) return domain_problem(records.error(), *name);
  found.records = std::move(*records);
  return std::nullopt;
}

Answer list(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant", "limit", "cursor"})) return *wrong;
  const Chosen chosen = on.tenant_to_see();
  if (chosen.problem) return *chosen.problem;
  const auto domains = on.store.sender_domains(chosen.tenant);
  if (!domains) return domain_problem(domains.error(), chosen.tenant);
  return list_page(
      on, "domains", *domains, [](const SenderDomain& one) { return one.tenant + " " + one.name; },
      [](const SenderDomain& one) { return account::to_json(one); });
}

/// What the routes of one worker ask the DNS with.
struct Dns {
  /// Questions of so many requests at once; further ones are 503.
  static constexpr int kLooksMax = 8;

  base::Worker& worker;
  MakeResolver make_resolver;
  int looks = 0;
};

/// Fills in what the DNS says of the records of `found` now. False: it cannot be asked.
base::Task<bool> look(Dns& dns, std::shared_ptr<Found> found) {
  if (dns.looks >= Dns::kLooksMax) co_return false;
  std::shared_ptr<dns::Resolver> resolver = dns.make_resolver();
  if (resolver == nullptr) co_return false;
  ++dns.looks;
  Records records = std::move(found->records);
  found->records = co_await policy::look_up(*resolver, std::move(records));
  --dns.looks;
  // This runs inside its last answer, so it goes in a turn of its own.
  dns.worker.executor.post([resolver = std::move(resolver)] {});
  co_return true;
}

Problem no_dns() {
  return unavailable({"The DNS cannot be asked now.", "現在DNSに問い合わせられません。"}, 5);
}

base::Task<Answer> add(StoreDesk& desk, std::shared_ptr<Dns> dns, std::shared_ptr<Call> call) {
  auto found = std::make_shared<Found>();
  StoreWork work = [found](StoreCall& on) -> Answer {
    ReadBody body(on.call.request);
    if (body.problem) return *body.problem;
    const std::string given = body.fields.required("domain");
    const auto name = canonical(given);
    if (!name) body.fields.wrong("domain", "bad_value", no_domain());
    const std::string tenant = body.fields.text("tenant").value_or("");
    if (auto wrong = body.finish()) return *wrong;
    const Chosen chosen = on.tenant_to_change(tenant);
    if (chosen.problem) return *chosen.problem;
    SenderDomain& domain = found->domain;
    domain.tenant = chosen.tenant;
    domain.name = name.value_or("");
    domain.token = policy::make_proof_token(on.random);
    const auto added = on.store.add_sender_domain(domain, on.author);
    if (!added) return domain_problem(added.error(), domain.name);
    auto records = records_of(on, domain);
    if (!records) return domain_problem(records.error(), domain.name);
    found->records = std::move(*records);
    return json::object{};
  };
  Answer answer = co_await desk.ask(dns->worker, std::move(call), std::move(work));
  if (answer.problem) co_return answer;
  // It is added, whatever the DNS says.
  (void)co_await look(*dns, found);
  co_return created(describe(*found), "/v1/domains/" + found->domain.name);
}

/// The domain with its records as they are in the DNS now.
base::Task<Answer> look_at(StoreDesk& desk, std::shared_ptr<Dns> dns, std::shared_ptr<Call> call,
                           std::shared_ptr<Found> found) {
  StoreWork work = [found](StoreCall& on) -> Answer {
    if (auto wrong = check_query(on.call, {"tenant"})) return *wrong;
    if (auto problem = find(on, *found)) return *problem;
    return json::object{};
  };
  Answer answer = co_await desk.ask(dns->worker, std::move(call), std::move(work));
  if (answer.problem) co_return answer;
  const bool is_asked = co_await look(*dns, found);
  if (!is_asked) co_return Answer(no_dns());
  co_return Answer(describe(*found));
}

base::Task<Answer> show(StoreDesk& desk, std::shared_ptr<Dns> dns, std::shared_ptr<Call> call) {
  return look_at(desk, std::move(dns), std::move(call), std::make_shared<Found>());
}

/// Proven or not, by what the DNS says now; who has proven before loses nothing to a DNS that does
/// not answer.
base::Task<Answer> verify(StoreDesk& desk, std::shared_ptr<Dns> dns, std::shared_ptr<Call> call) {
  auto found = std::make_shared<Found>();
  Answer answer = co_await look_at(desk, dns, call, found);
  if (answer.problem) co_return answer;
  const std::string proof = policy::proof_of(found->records);
  if (proof.empty() && policy::is_undecided(found->records)) {
    Problem problem = unavailable({"The DNS did not answer; nothing was changed.",
                                   "DNSの応答がありません。何も変更していません。"},
                                  30);
    co_return Answer(std::move(problem));
  }
  if (proof == found->domain.proof) co_return answer;
  StoreWork work = [found, proof](StoreCall& on) -> Answer {
    SenderDomain& domain = found->domain;
    const auto set = on.store.set_domain_proof(domain.tenant, domain.name, proof, on.author);
    if (!set) return domain_problem(set.error(), domain.name);
    domain.proof = proof;
    domain.proven = proof.empty() ? base::Time{} : on.now();
    return describe(*found);
  };
  co_return co_await desk.ask(dns->worker, std::move(call), std::move(work));
}

Answer remove(StoreCall& on) {
  if (auto wrong = check_query(on.call, {"tenant"})) return *wrong;
  const auto name = canonical(on.call.path.get("domain"));
  if (!name) return bad_parameter("domain", no_domain());
  const Chosen chosen = on.tenant_to_change(on.call.query.get("tenant"));
  if (chosen.problem) return *chosen.problem;
  const auto removed = on.store.remove_sender_domain(chosen.tenant, *name, on.author);
  if (!removed) return domain_problem(removed.error(), *name);
  return no_content();
}

}  // namespace

void add_domain_routes(Frame& frame, StoreDesk& desk, MakeResolver make_resolver) {
  const Access read{"domains:read"}, write{"domains:write"};
  auto dns = std::make_shared<Dns>(Dns{frame.worker(), std::move(make_resolver)});
  using Asking = base::Task<Answer> (*)(StoreDesk&, std::shared_ptr<Dns>, std::shared_ptr<Call>);
  const auto asks = [&](Asking what) {
    return
        [&desk, dns, what](std::shared_ptr<Call> call) { return what(desk, dns, std::move(call)); };
  };
  desk.add(frame, "GET", "/v1/domains", read, list);
  desk.add_handler(frame, "POST", "/v1/domains", write, asks(add));
  desk.add_handler(frame, "GET", "/v1/domains/{domain}", read, asks(show));
  desk.add_handler(frame, "POST", "/v1/domains/{domain}/verify", write, asks(verify));
  desk.add(frame, "DELETE", "/v1/domains/{domain}", write, remove);
}

}  // namespace ekiden::api::admin
