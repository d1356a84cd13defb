#include <boost/json/array.hpp>

#include "ekiden/auth/dkim_verifier.hpp"
#include "ekiden/auth/dmarc_check.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/cli/check.hpp"
#include "ekiden/cli/check_identity.hpp"
#include "ekiden/cli/mail_file.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(json::string(text));
}

/// "pass:example.jp", "pass:a@example.jp"; nothing when it is none.
std::optional<auth::DmarcIdentifier> parse_identifier(const std::string& text) {
  const std::size_t colon = text.find(':');
  const auto verdict = auth::parse_verdict(text.substr(0, colon));
  if (!verdict) return std::nullopt;
  auth::DmarcIdentifier identifier;
  identifier.verdict = *verdict;
  if (colon != std::string::npos) identifier.domain = text.substr(colon + 1);
  identifier.domain.erase(0, identifier.domain.rfind('@') + 1);
  return identifier;
}

std::optional<auth::DmarcMode> parse_mode(const CheckRequest& request) {
  const std::string mode = find_text(request, "mode").value_or("rfc9989");
  if (mode == "rfc7489") return auth::DmarcMode::Rfc7489;
  if (mode == "rfc9989") return auth::DmarcMode::Rfc9989;
  return std::nullopt;
}

constexpr const char* kBadMode = "--mode is rfc7489 or rfc9989";

Result<auth::PublicSuffixList> load_suffixes(const CheckRequest& request, std::string& problem) {
  const auto file = find_text(request, "psl");
  auto list = file ? auth::PublicSuffixList::load(*file) : auth::PublicSuffixList::load_newest();
  if (!list) problem = (file ? *file + ": " : std::string()) + list.error().message();
  return list;
}

json::object describe(const auth::DmarcResult& result) {
  json::object object;
  object["result"] = auth::verdict_name(result.verdict);
  object["policy"] = nullptr;
  if (result.policy) object["policy"] = auth::policy_name(*result.policy);
  object["applied"] = auth::policy_name(result.applied);
  object["header_from"] = text_or_null(result.author_domain);
  object["record_domain"] = text_or_null(result.record_domain);
  object["org_domain"] = text_or_null(result.organizational_domain);
  object["spf_aligned"] = result.is_spf_aligned;
  object["dkim_aligned"] = result.is_dkim_aligned;
  if (!result.problem.empty()) object["problem"] = result.problem;
  return object;
}

/// Evaluates each author of a message, and puts them together.
base::Task<auth::DmarcResult> check_authors(dns::Resolver& resolver, base::Clock& clock,
                                            auth::DmarcAuthors authors, auth::DmarcQuery query) {
  std::vector<auth::DmarcResult> results;
  for (const std::string& domain : authors.domains) {
    auth::DmarcQuery one = query;
    one.author_domain = domain;
    auth::DmarcResult result = co_await auth::check_dmarc(resolver, clock, std::move(one));
    results.push_back(std::move(result));
  }
  co_return auth::combine_authors(authors, std::move(results));
}

/// SPF and DKIM as the message has them, unless the request says what they found.
base::Task<CheckAnswer> check_message(CheckPlace& place, CheckRequest request,
                                      auth::DmarcQuery query) {
  std::string problem;
  const std::string file = find_text(request, "message").value_or("");
  std::optional<std::string> octets = read_check_file(file, problem);
  if (!octets) co_return CheckAnswer::failed(std::move(problem));
  const MailFile mail(std::move(*octets));
  dns::Resolver* const resolver = place.find_resolver();
  if (resolver == nullptr) co_return place.no_resolver();

  json::value spf_shown = nullptr;
  if (find_text(request, "ip")) {
    std::optional<auth::SpfQuery> spf = read_spf_query(request, place.now(), problem);
    if (!spf) co_return CheckAnswer::usage(std::move(problem));
    const auth::SpfResult result =
        co_await auth::check_spf(*resolver, place.worker().clock, std::move(*spf));
    query.spf = auth::DmarcIdentifier{result.verdict, result.domain};
    spf_shown =
        json::object{{"result", auth::verdict_name(result.verdict)}, {"domain", result.domain}};
  }
  // What the command line says of DKIM stands for the message's own signatures.
  json::array dkim_shown;
  if (query.dkim.empty()) {
    auth::DkimVerifierOptions options;
    options.now = place.now();
    auth::DkimVerifier verifier(options);
    verifier.begin(mail.header());
    verifier.update_body(mail.body());
    verifier.finish_body();
    std::vector<auth::DkimResult> results = co_await auth::verify_dkim(verifier, *resolver);
    for (auth::DkimResult& found : results) {
      dkim_shown.push_back(
          json::object{{"result", auth::verdict_name(found.verdict)}, {"domain", found.domain}});
      query.dkim.push_back({found.verdict, std::move(found.domain)});
    }
  }
  auth::DmarcAuthors authors = auth::find_authors(mail.header());
  const auth::DmarcResult result =
      co_await check_authors(*resolver, place.worker().clock, std::move(authors), std::move(query));
  json::object object = describe(result);
  object["spf"] = std::move(spf_shown);
  object["dkim"] = std::move(dkim_shown);
  co_return CheckAnswer::done(std::move(object));
}

base::Task<CheckAnswer> check_dmarc_request(CheckPlace& place, CheckRequest request) {
  auth::DmarcQuery query;
  std::string problem;
  const auto mode = parse_mode(request);
  if (!mode) co_return CheckAnswer::usage(kBadMode);
  query.mode = *mode;
  query.sample = static_cast<unsigned>(place.worker().random.below(100));
  if (const auto sample = find_text(request, "sample")) {
    const auto value = base::parse_u64(*sample);
    if (!value || *value > 99) co_return CheckAnswer::usage("--sample is 0 to 99");
    query.sample = static_cast<unsigned>(*value);
  }
  std::optional<auth::PublicSuffixList> suffixes;
  if (query.mode == auth::DmarcMode::Rfc7489) {
    auto list = load_suffixes(request, problem);
    if (!list) co_return CheckAnswer::failed(std::move(problem));
    suffixes = std::move(*list);
    query.suffixes = &*suffixes;
  }
  for (const char* key : {"spf", "dkim"}) {
    for (const std::string& text : texts_of(request, key)) {
      std::optional<auth::DmarcIdentifier> identifier = parse_identifier(text);
      if (!identifier) {
        problem = std::string("--") + key + " takes RESULT:DOMAIN, not '" + text + "'";
        co_return CheckAnswer::usage(std::move(problem));
      }
      if (std::string_view(key) == "spf")
        query.spf = std::move(identifier);
      else
        query.dkim.push_back(std::move(*identifier));
    }
  }
  if (request.contains("message")) {
    co_return co_await check_message(place, std::move(request), std::move(query));
  }
  const auto author = find_text(request, "header-from");
  if (!author) co_return CheckAnswer::usage("one of --header-from and --message is needed");
  query.author_domain = author->substr(author->rfind('@') + 1);
  dns::Resolver* const resolver = place.find_resolver();
  if (resolver == nullptr) co_return place.no_resolver();
  const auth::DmarcResult result =
      co_await auth::check_dmarc(*resolver, place.worker().clock, std::move(query));
  co_return CheckAnswer::done(describe(result));
}

base::Task<CheckAnswer> find_organizational_domain(CheckPlace& place, CheckRequest request) {
  if (!request.contains("name")) co_return CheckAnswer::usage("which name?");
  // null is no name, and has no organizational domain.
  const auto name = find_text(request, "name");
  std::string problem;
  json::object object;
  object["org"] = nullptr;
  if (!name) co_return CheckAnswer::done(std::move(object));
  if (find_text(request, "mode").value_or("rfc7489") == "rfc9989") {
    dns::Resolver* const resolver = place.find_resolver();
    if (resolver == nullptr) co_return place.no_resolver();
    auth::DmarcQuery query;
    query.author_domain = *name;
    const auth::DmarcResult result =
        co_await auth::check_dmarc(*resolver, place.worker().clock, std::move(query));
    object["org"] = text_or_null(result.organizational_domain);
    if (!result.problem.empty()) object["problem"] = result.problem;
    co_return CheckAnswer::done(std::move(object));
  }
  if (!parse_mode(request)) co_return CheckAnswer::usage(kBadMode);
  const auto list = load_suffixes(request, problem);
  if (!list) co_return CheckAnswer::failed(std::move(problem));
  object["org"] = text_or_null(list->organizational_domain(*name).value_or(""));
  co_return CheckAnswer::done(std::move(object));
}

}  // namespace

void add_check_organizational_domain(CLI::App& group, Context& context) {
  CheckCommand command;
  command.name = "orgdomain";
  command.description = "The organizational domain of a name";
  command.footer =
      "\nExample:\n"
      "  ekiden check orgdomain www.example.co.jp      {\"org\":\"example.co.jp\"}\n";
  command.flags = {
      {"name", "NAME", "The domain name", CheckFlag::Kind::Place},
      {"psl", "FILE", "A public suffix list, instead of Debian's"},
      {"mode", "MODE", "rfc7489: by the public suffix list (default); rfc9989: by the DNS"},
  };
  command.evaluate = find_organizational_domain;
  add_check_command(group, context, std::move(command));
}

void add_check_dmarc(CLI::App& group, Context& context) {
  CheckCommand command;
  command.name = "dmarc";
  command.description = "Does what SPF and DKIM found align with the header From? (RFC 9989)";
  command.footer =
      "\nExamples:\n"
      "  ekiden check dmarc --header-from example.jp --spf pass:bounce.example.jp\n"
      "  ekiden check dmarc --message mail.eml --ip 192.0.2.1 --from a@example.jp --helo mx\n";
  command.flags = spf_flags();
  command.flags.insert(
      command.flags.begin(),
      {{"message", "FILE", "Evaluate this message; \"-\" is standard input"},
       {"header-from", "DOMAIN", "The domain of the header From, instead of a message"},
       {"spf", "RESULT:DOMAIN", "What SPF found"},
       {"dkim", "RESULT:DOMAIN", "What DKIM found; repeat it", CheckFlag::Kind::List}});
  command.flags.push_back({"mode", "MODE", "rfc9989 (default) or rfc7489"});
  command.flags.push_back({"psl", "FILE", "A public suffix list for rfc7489"});
  command.flags.push_back({"sample", "N", "0 to 99, for pct in rfc7489; at random without"});
  command.evaluate = check_dmarc_request;
  add_check_command(group, context, std::move(command));
}

}  // namespace ekiden::cli
