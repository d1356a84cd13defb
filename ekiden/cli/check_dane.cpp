#include "ekiden/cli/check.hpp"
#include "ekiden/dns/name.hpp"
#include "ekiden/dns/records.hpp"
#include "ekiden/tls/dane.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

base::Task<CheckAnswer> check_dane(CheckPlace& place, CheckRequest request) {
  const auto name = find_text(request, "name");
  if (!name) co_return CheckAnswer::usage("--name says whose records they are");
  tls::Dane dane;
  dane.base_name = dns::canonical_name(*name);
  for (const std::string& also : texts_of(request, "also-name")) {
    dane.names.push_back(dns::canonical_name(also));
  }
  for (const std::string& text : texts_of(request, "tlsa")) {
    std::optional<dns::Tlsa> tlsa = dns::parse_tlsa(text);
    std::string problem = "--tlsa takes \"USAGE SELECTOR MATCHING HEX\", not '" + text + "'";
    if (!tlsa) co_return CheckAnswer::usage(std::move(problem));
    dane.records.push_back(std::move(*tlsa));
  }
  const auto file = find_text(request, "chain");
  if (!file) co_return CheckAnswer::usage("--chain names a file with the server's certificates");
  std::string problem;
  const std::optional<std::string> chain = read_check_file(*file, problem);
  if (!chain) co_return CheckAnswer::failed(std::move(problem));
  const Result<tls::DaneResult> result = tls::verify_dane(dane, *chain, place.now());
  if (!result) {
    problem = *file + ": " + result.error().message();
    co_return CheckAnswer::failed(std::move(problem));
  }
  json::object object;
  object["result"] = tls::dane_verdict_name(result->verdict);
  object["depth"] = nullptr;
  if (result->depth >= 0) object["depth"] = result->depth;
  if (!result->reason.empty()) object["reason"] = result->reason;
  co_return CheckAnswer::done(std::move(object));
}

}  // namespace

void add_check_dane(CLI::App& group, Context& context) {
  CheckCommand command;
  command.name = "dane";
  command.description = "Does a chain of certificates match TLSA records? (RFC 7672)";
  command.footer =
      "\nThe answer says match, nomatch or unusable (TLS is required then, and proves nothing), "
      "and\n"
      "at which depth of the chain: 0 is the server's own certificate.\n"
      "\nExample:\n"
      "  ekiden check dane --name mx.example.jp --tlsa \"3 1 1 0123…\" --chain fullchain.pem\n";
  command.flags = {
      {"name", "HOST", "The TLSA base domain: the MX host, or what it is an alias of"},
      {"tlsa", "RECORD", "A record: \"3 1 1 HEX\"; repeat it", CheckFlag::Kind::List},
      {"chain", "FILE", "PEM, the server's certificate first; \"-\" is standard input"},
      {"also-name", "NAME", "A further name that counts under usage 2; repeat it",
       CheckFlag::Kind::List},
  };
  command.evaluate = check_dane;
  add_check_command(group, context, std::move(command));
}

}  // namespace ekiden::cli
