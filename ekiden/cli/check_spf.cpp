#include "ekiden/auth/spf_check.hpp"
#include "ekiden/cli/check.hpp"
#include "ekiden/cli/check_identity.hpp"

namespace ekiden::cli {

namespace json = boost::json;

std::optional<auth::SpfQuery> read_spf_query(const CheckRequest& request, base::Time now,
                                             std::string& problem) {
  const auto ip = find_text(request, "ip");
  const auto from = find_text(request, "from");
  const auto helo = find_text(request, "helo");
  if (!ip || (!from && !helo)) {
    problem = "--ip and one of --from and --helo are needed";
    return std::nullopt;
  }
  const auto address = net::parse_address(*ip);
  if (!address) {
    problem = "--ip takes an address, not '" + *ip + "'";
    return std::nullopt;
  }
  auth::SpfQuery query;
  query.ip = *address;
  query.sender = from.value_or("");
  if (query.sender.starts_with('<') && query.sender.ends_with('>')) {
    query.sender = query.sender.substr(1, query.sender.size() - 2);
  }
  query.helo = helo.value_or("");
  query.receiver = find_text(request, "receiver").value_or("");
  query.now = now;
  query.default_explanation = find_text(request, "default-explanation").value_or("");
  return query;
}

std::vector<CheckFlag> spf_flags() {
  return {
      {"ip", "ADDRESS", "The client's address"},
      {"from", "ADDRESS", "The reverse-path; \"\" is the null one"},
      {"helo", "NAME", "The name given in EHLO or HELO"},
  };
}

namespace {

base::Task<CheckAnswer> check_sender(CheckPlace& place, CheckRequest request) {
  std::string problem;
  std::optional<auth::SpfQuery> query = read_spf_query(request, place.now(), problem);
  if (!query) co_return CheckAnswer::usage(std::move(problem));
  dns::Resolver* const resolver = place.find_resolver();
  if (resolver == nullptr) co_return place.no_resolver();
  const auth::SpfResult result =
      co_await auth::check_spf(*resolver, place.worker().clock, std::move(*query));
  json::object object;
  object["result"] = auth::verdict_name(result.verdict);
  object["explanation"] = result.explanation;
  object["domain"] = result.domain;
  object["identity"] = result.is_helo ? "helo" : "mailfrom";
  object["mechanism"] = result.mechanism;
  object["lookups"] = result.lookups;
  object["void_lookups"] = result.void_lookups;
  if (!result.problem.empty()) object["problem"] = result.problem;
  co_return CheckAnswer::done(std::move(object));
}

}  // namespace

void add_check_spf(CLI::App& group, Context& context) {
  CheckCommand command;
  command.name = "spf";
  command.description = "May this address send for this sender? (RFC 7208)";
  command.footer =
      "\nExample:\n"
      "  ekiden check spf --ip 192.0.2.1 --from a@example.jp --helo mx.example.jp\n";
  command.flags = spf_flags();
  command.flags.push_back(
      {"default-explanation", "TEXT", "What a failure says whose domain explains nothing"});
  command.flags.push_back({"receiver", "NAME", "Our name in explanations; \"unknown\" without"});
  command.evaluate = check_sender;
  add_check_command(group, context, std::move(command));
}

}  // namespace ekiden::cli
