#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/account/shapes.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/check_runner.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/cli/store_access.hpp"
#include "ekiden/cli/store_answers.hpp"
#include "ekiden/policy/domain_records.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace json = boost::json;
using policy::DomainRecord;

namespace {

struct DomainOptions {
  std::string name;
  std::string tenant = "default";
  std::string dns;
};

using Records = std::vector<DomainRecord>;

int report_domain(UserContext& user, std::string_view what, const Error& error) {
  using account::Errc;
  if (error == Errc::DuplicateName) return refuse(user, what, "the tenant has this domain already");
  if (error == Errc::NotFound) return refuse(user, what, "the tenant has no such domain");
  if (error == Errc::TooMany) return refuse(user, what, "a tenant has at most 1000 domains");
  return report(user, what, error);
}

bool canonical(DomainOptions& options, UserContext& user) {
  const auto domain = smtp::canonical_domain(options.name);
  if (!domain || domain->find('.') == std::string::npos) {
    refuse(user, options.name, "is no domain", kUsage);
    return false;
  }
  options.name = *domain;
  return true;
}

void print(const account::SenderDomain& domain, const Records& records, UserContext& user) {
  if (user.is_json) {
    json::array list;
    for (const DomainRecord& record : records) list.push_back(policy::to_json(record));
    json::object object{{"domain", domain.name},
                        {"tenant", domain.tenant},
                        {"proven", domain.is_proven()},
                        {"proof", domain.proof},
                        {"records", std::move(list)}};
    user.out << json::serialize(object) << '\n';
    return;
  }
  user.out << domain.name << " of tenant " << domain.tenant << " is "
           << (domain.is_proven() ? "proven (" + domain.proof + ")" : std::string("not proven yet"))
           << "\n";
  for (const DomainRecord& record : records) {
    user.out << "\n; " << policy::name_of(record.purpose) << ": " << policy::name_of(record.state);
    if (!record.found.empty()) user.out << ", found: " << base::printable(record.found, 300);
    user.out << '\n' << record.zone_line() << '\n';
  }
}

std::optional<account::SenderDomain> find(const DomainOptions& options, UserContext& user,
                                          int& status) {
  const auto domains = user.store.sender_domains(options.tenant);
  if (!domains) {
    status = report_domain(user, options.tenant, domains.error());
    return std::nullopt;
  }
  for (const account::SenderDomain& domain : *domains)
    if (domain.name == options.name) return domain;
  status = refuse(user, options.name, "the tenant has no such domain; `ekiden domain add` it");
  return std::nullopt;
}

base::Task<CheckAnswer> ask(CheckPlace& place, std::shared_ptr<Records> records) {
  dns::Resolver* const resolver = place.find_resolver();
  if (resolver == nullptr) co_return place.no_resolver();
  Records asked = *records;
  *records = co_await policy::look_up(*resolver, std::move(asked));
  co_return CheckAnswer::text({});
}

/// The domain's records with their live state; the exit code of the context tells of trouble.
std::shared_ptr<Records> look(const account::SenderDomain& domain, const DomainOptions& options,
                              Context& context, UserContext& user,
                              const config::Settings& settings) {
  policy::DomainFacts facts;
  facts.domain = domain.name;
  facts.tenant = domain.tenant;
  facts.token = domain.token;
  facts.hostname = settings.node.hostname;
  if (auto keys = user.store.domain_keys(domain.name)) facts.keys = std::move(*keys);
  facts.bounce_domains = policy::bounce_domains_of(settings);
  auto records = std::make_shared<Records>(policy::records_of(facts));
  CheckRequest request;
  if (!options.dns.empty()) request["dns"] = options.dns;
  CheckRunner runner(
      context, [records](CheckPlace& place, CheckRequest) { return ask(place, records); },
      std::move(request));
  runner.run_one();
  return records;
}

using Command = int (*)(DomainOptions&, Context&, UserContext&, const config::Settings&);

int add(DomainOptions& options, Context& context, UserContext& user,
        const config::Settings& settings) {
  account::SenderDomain domain;
  domain.tenant = options.tenant;
  domain.name = options.name;
  domain.token = policy::make_proof_token(user.random);
  const auto added = user.store.add_sender_domain(domain, user.author);
  if (!added) return report_domain(user, options.name, added.error());
  const auto records = look(domain, options, context, user, settings);
  print(domain, *records, user);
  if (!user.is_json) {
    user.out << "\nPublish the proof, then `ekiden domain verify " << domain.name << "`.\n";
  }
  return kDone;
}

int verify(DomainOptions& options, Context& context, UserContext& user,
           const config::Settings& settings) {
  int status = kDone;
  auto domain = find(options, user, status);
  if (!domain) return status;
  const auto records = look(*domain, options, context, user, settings);
  if (context.exit_code != kDone) return context.exit_code;
  const std::string proof = policy::proof_of(*records);
  // A DNS that does not answer takes nothing away from who has proven before.
  if (proof.empty() && policy::is_undecided(*records)) {
    print(*domain, *records, user);
    return refuse(user, domain->name, "the DNS did not answer; nothing was changed", kFailed);
  }
  if (proof != domain->proof) {
    const auto set = user.store.set_domain_proof(domain->tenant, domain->name, proof, user.author);
    if (!set) return report_domain(user, domain->name, set.error());
    domain->proof = proof;
    domain->proven = proof.empty() ? base::Time{} : user.author.now;
  }
  print(*domain, *records, user);
  return domain->is_proven() ? kDone : kRefused;
}

int remove(DomainOptions& options, Context&, UserContext& user, const config::Settings&) {
  const auto removed = user.store.remove_sender_domain(options.tenant, options.name, user.author);
  if (!removed) return report_domain(user, options.name, removed.error());
  if (user.is_json) {
    user.out << json::serialize(json::object{{"domain", options.name}, {"done", "removed"}})
             << '\n';
  } else {
    user.out << "domain " << options.name << " removed\n";
  }
  return kDone;
}

int list(const std::string& tenant, UserContext& user) {
  const auto domains = user.store.sender_domains(tenant);
  if (!domains) return report_domain(user, "domain list", domains.error());
  for (const account::SenderDomain& domain : *domains) {
    if (user.is_json) {
      const json::object object = account::to_json(domain);
      user.out << json::serialize(object) << '\n';
    } else {
      user.out << domain.name << "  tenant=" << domain.tenant << "  "
               << (domain.is_proven()
                       ? "proven (" + domain.proof + ") since " + base::format_day(domain.proven)
                       : std::string("not proven"))
               << '\n';
    }
  }
  if (domains->empty() && !user.is_json) user.out << "no domains\n";
  return kDone;
}

void add_command(CLI::App& group, Context& context, const char* name, const char* words,
                 Command command, bool asks) {
  auto options = std::make_shared<DomainOptions>();
  CLI::App* const made = group.add_subcommand(name, words);
  made->add_option("domain", options->name, "The domain")->required();
  made->add_option("--tenant", options->tenant, "Whose it is")->capture_default_str();
  if (asks) made->add_option("--dns", options->dns, "Ask this server only: ADDRESS:PORT");
  made->callback([&context, options, command] {
    const auto loaded = context.load_config();
    if (!loaded) return;
    with_store(context, [&](UserContext& user) {
      if (!canonical(*options, user)) return static_cast<int>(kUsage);
      return command(*options, context, user, loaded->settings);
    });
  });
}

}  // namespace

void add_domain(CLI::App& app, Context& context) {
  CLI::App* group =
      app.add_subcommand("domain", "Domains that tenants prove they own; no relay need run");
  group->require_subcommand(1);
  group->footer(
      "\nExamples:\n"
      "  ekiden domain add example.jp --tenant shop      the records to publish\n"
      "  ekiden domain verify example.jp --tenant shop   what the DNS says of them now\n"
      "  ekiden tenant set shop --proven-domains required\n");
  add_command(*group, context, "add", "Add a domain and show what to publish", add, true);
  add_command(*group, context, "verify", "Look whether it is proven, and at each record", verify,
              true);
  add_command(*group, context, "remove", "Remove a domain from a tenant", remove, false);
  auto tenant = std::make_shared<std::string>();
  CLI::App* listed = group->add_subcommand("list", "List domains");
  listed->add_option("--tenant", *tenant, "Only of this tenant");
  listed->callback([&context, tenant] {
    with_store(context, [&](UserContext& user) { return list(*tenant, user); });
  });
}

}  // namespace ekiden::cli
