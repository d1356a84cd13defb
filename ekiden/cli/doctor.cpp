#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "ekiden/cli/check_runner.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/cli/egress_check.hpp"
#include "ekiden/cli/store_access.hpp"
#include "ekiden/config/next_hop.hpp"
#include "ekiden/net/address_block.hpp"
#include "ekiden/net/tcp_network.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// Large providers whose MX hosts everybody may connect to.
constexpr const char* kProbes[] = {"gmail-smtp-in.l.google.com:25",
                                   "outlook-com.olc.protection.outlook.com:25",
                                   "mfsmax.docomo.ne.jp:25"};

struct Options {
  std::vector<std::string> probes, domains, sources;
  std::string dns, lang;
  unsigned timeout_s = 10;
};

bool is_japanese(const std::string& wanted) {
  if (!wanted.empty()) return wanted == "ja";
  for (const char* name : {"LC_ALL", "LC_MESSAGES", "LANG"}) {
    const char* const value = std::getenv(name);
    if (value != nullptr && *value != '\0') return std::string_view(value).starts_with("ja");
  }
  return false;
}

ExaminedSource::Side side_of(const net::Address& local, const std::optional<net::Address>& seen,
                             bool needs_ptr) {
  ExaminedSource::Side side;
  side.local = local;
  side.needs_ptr = needs_ptr;
  if (seen) {
    side.seen = seen;
  } else if (net::scope_of(local) == net::Scope::Public) {
    side.seen = local;
  }
  return side;
}

std::vector<ExaminedSource> sources_of(const config::Settings& settings) {
  std::vector<ExaminedSource> all;
  for (const config::Source& from : settings.source) {
    ExaminedSource source;
    source.name = from.name;
    source.hostname = from.hostname;
    if (from.socks5 || from.haproxy) {
      auto hop = std::make_shared<delivery::Hop>();
      hop->kind = from.socks5 ? delivery::Hop::Kind::Socks5 : delivery::Hop::Kind::HaProxy;
      hop->at = from.socks5 ? *from.socks5 : *from.haproxy;
      if (!from.username.empty()) hop->login = {from.username, from.password};
      source.hop = std::move(hop);
    }
    if (from.ipv4) source.sides.push_back(side_of(*from.ipv4, from.public_ipv4, false));
    if (from.ipv6)
      source.sides.push_back(
          side_of(*from.ipv6, from.public_ipv6, from.ipv6_ptr == config::PtrNeed::Require));
    all.push_back(std::move(source));
  }
  if (all.empty()) all.push_back({"default", settings.node.hostname, {}, nullptr});
  return all;
}

json::object to_json(const Finding& finding) {
  json::object item{{"severity", severity_name(finding.severity)},
                    {"check", finding.check},
                    {"source", finding.source},
                    {"subject", finding.subject},
                    {"text", finding.what.en},
                    {"text_ja", finding.what.ja}};
  if (!finding.fix.en.empty()) {
    item["fix"] = finding.fix.en;
    item["fix_ja"] = finding.fix.ja;
  }
  return item;
}

std::string page(const std::vector<Finding>& findings, bool is_ja) {
  std::string out, source;
  const auto in_words = [&](const Text& text) { return is_ja ? text.ja : text.en; };
  for (const Finding& finding : findings) {
    if (finding.source != source) {
      source = finding.source;
      out += (out.empty() ? "" : "\n") + std::string(is_ja ? "送信元 " : "source ") + source + "\n";
    }
    std::string severity(severity_name(finding.severity));
    severity.resize(9, ' ');
    out += "  " + severity + in_words(finding.what) + "\n";
    if (!finding.fix.en.empty())
      out +=
          "           " + std::string(is_ja ? "対処: " : "to do: ") + in_words(finding.fix) + "\n";
  }
  return out;
}

base::Task<CheckAnswer> examine(Context& context, CheckPlace& place, EgressCheck check,
                                bool is_ja) {
  dns::Resolver* const resolver = place.find_resolver();
  if (resolver == nullptr) co_return place.no_resolver();
  net::TcpNetwork network(place.worker());
  check.now = place.now();
  const std::vector<Finding> findings =
      co_await examine_egress(place.worker(), *resolver, network, std::move(check));
  const bool has_any = std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.severity >= Severity::Warning;
  });
  if (has_any) context.exit_code = kRefused;
  if (!context.is_json) co_return CheckAnswer::text(page(findings, is_ja));
  json::array list;
  for (const Finding& finding : findings) list.push_back(to_json(finding));
  json::object object{{"ok", !has_any}, {"findings", std::move(list)}};
  co_return CheckAnswer::done(std::move(object));
}

/// Of the control store and the flags, each once.
bool find_domains(Context& context, const Options& options, const std::string& data_dir,
                  std::vector<std::string>& domains) {
  std::set<std::string> all;
  for (const std::string& given : options.domains) {
    const Result<std::string> domain = smtp::canonical_domain(given);
    if (!domain) {
      context.fail(kUsage, "--domain takes a domain, not '" + given + "'");
      return false;
    }
    all.insert(*domain);
  }
  // A node that has never run has no store, and no domains.
  std::error_code error;
  if (options.domains.empty() && std::filesystem::exists(data_dir + "/control.db", error)) {
    with_store(context, [&all](UserContext& user) {
      const auto known = user.store.sender_domains();
      if (!known) return int{kFailed};
      for (const account::SenderDomain& domain : *known)
        if (domain.is_proven()) all.insert(domain.name);
      return int{kDone};
    });
    if (context.exit_code != kDone) return false;
  }
  if (all.size() > kExaminedDomainsMax) {
    context.fail(kUsage, "there are over 1000 domains; name some with --domain");
    return false;
  }
  domains.assign(all.begin(), all.end());
  return true;
}

void doctor(Context& context, const Options& options) {
  const auto loaded = context.load_config();
  if (!loaded) return;
  EgressCheck check;
  check.timeout = std::chrono::seconds(options.timeout_s);
  check.sources = sources_of(loaded->settings);
  if (!options.sources.empty()) {
    for (const std::string& name : options.sources) {
      const bool is_there =
          std::any_of(check.sources.begin(), check.sources.end(),
                      [&](const ExaminedSource& source) { return source.name == name; });
      if (!is_there) return context.fail(kUsage, "there is no source '" + name + "'");
    }
    std::erase_if(check.sources, [&](const ExaminedSource& source) {
      return std::find(options.sources.begin(), options.sources.end(), source.name) ==
             options.sources.end();
    });
  }
  std::vector<std::string> probes = options.probes;
  if (probes.empty()) probes.assign(std::begin(kProbes), std::end(kProbes));
  if (probes.size() > kProbesMax) return context.fail(kUsage, "at most 20 --probe are taken");
  for (const std::string& text : probes) {
    const auto parsed = config::parse_host_port(text);
    if (!parsed) return context.fail(kUsage, "--probe takes HOST:PORT, not '" + text + "'");
    check.probes.push_back({parsed->host, parsed->port == 0 ? std::uint16_t{25} : parsed->port});
  }
  if (!find_domains(context, options, loaded->settings.node.data_dir, check.domains)) return;
  CheckRequest request;
  if (!options.dns.empty()) request["dns"] = options.dns;
  const bool is_ja = is_japanese(options.lang);
  // No coroutine itself: it only calls one.
  CheckFunction evaluate = [&context, check, is_ja](CheckPlace& place, CheckRequest) {
    EgressCheck own = check;
    return examine(context, place, std::move(own), is_ja);
  };
  CheckRunner(context, std::move(evaluate), std::move(request)).run_one();
}

}  // namespace

void add_doctor(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("doctor", "Find out why mail would not get through");
  group->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* command =
      group->add_subcommand("egress", "Look at every source: port 25, PTR, EHLO name, SPF");
  command->add_option("--probe", options->probes,
                      "Connect to HOST:PORT instead of a few large providers; repeat it");
  command->add_option("--domain", options->domains,
                      "Check SPF of this domain instead of the proven ones; repeat it");
  command->add_option("--source", options->sources, "Only this source; repeat it");
  command->add_option("--dns", options->dns, "Ask this DNS server only: ADDRESS:PORT");
  command->add_option("--timeout", options->timeout_s, "Seconds for a connection and its greeting")
      ->check(CLI::Range(1, 300))
      ->capture_default_str();
  command->add_option("--lang", options->lang, "en or ja; without it as LANG says")
      ->check(CLI::IsMember({"en", "ja"}));
  command->footer(
      "\nWorks with and without a running node, and sends no mail.\n"
      "Exit codes: 0 nothing to do; 1 there are warnings or errors; 2 usage; 3 failure.\n");
  command->callback([&context, options] { doctor(context, *options); });
}

}  // namespace ekiden::cli
