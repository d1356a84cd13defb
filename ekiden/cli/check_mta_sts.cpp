#include <boost/json/array.hpp>
#include <memory>

#include "ekiden/cli/check.hpp"
#include "ekiden/dns/name.hpp"
#include "ekiden/net/endpoint.hpp"
#include "ekiden/net/tcp_network.hpp"
#include "ekiden/policy/mta_sts_fetch.hpp"
#include "ekiden/tls/client_context.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

constexpr const char* kDefaultStore = "/etc/ssl/certs/ca-certificates.crt";
constexpr const char* kConnectPort = "443";

base::Task<Result<std::unique_ptr<net::Stream>>> secure(std::shared_ptr<tls::ClientContext> context,
                                                        std::unique_ptr<net::Stream> stream,
                                                        std::string name, base::Time now,
                                                        base::Steady deadline, std::string& why) {
  tls::ClientOptions options;
  options.server_name = std::move(name);
  options.verify = true;
  options.verify_at = now;
  co_return co_await tls::connect(*context, std::move(stream), std::move(options), deadline, &why);
}

/// {"mode","match","error"}: what is known so far, and why no more is.
CheckAnswer answer(const std::optional<policy::MtaStsPolicy>& policy, const std::string& host,
                   const std::string& error, const std::string& id) {
  json::object object;
  object["mode"] = nullptr;
  object["match"] = nullptr;
  object["error"] = nullptr;
  if (!id.empty()) object["id"] = id;
  if (policy) {
    object["mode"] = policy::mta_sts_mode_name(policy->mode);
    if (!host.empty()) object["match"] = policy::is_named(*policy, host);
    object["max_age"] = std::chrono::duration_cast<std::chrono::seconds>(policy->max_age).count();
    json::array mx;
    for (const std::string& pattern : policy->mx) mx.push_back(json::string(pattern));
    object["mx"] = std::move(mx);
  }
  if (!error.empty()) object["error"] = error;
  return CheckAnswer::done(std::move(object));
}

base::Task<CheckAnswer> check_mta_sts(CheckPlace& place, CheckRequest request) {
  const auto given = find_text(request, "domain");
  if (!given) co_return CheckAnswer::usage("--domain says whose policy it is");
  const std::string domain = dns::canonical_name(*given);
  const std::string host = dns::canonical_name(find_text(request, "mx").value_or(""));
  policy::MtaStsOptions options;
  options.may_use_private = true;
  if (const auto connect = find_text(request, "https-connect")) {
    const auto endpoint = net::parse_endpoint(*connect);
    std::string problem = "--https-connect takes ADDRESS:PORT, not '" + *connect + "'";
    if (!endpoint) co_return CheckAnswer::usage(std::move(problem));
    options.connect_map["mta-sts." + domain + ":" + kConnectPort] = *endpoint;
  }
  const std::string store = find_text(request, "ca").value_or(kDefaultStore);
  std::string why;
  const auto context = tls::ClientContext::load(store, why);
  if (!context) co_return CheckAnswer::failed(std::move(why));
  dns::Resolver* const resolver = place.find_resolver();
  if (resolver == nullptr) co_return place.no_resolver();

  std::string name = "_mta-sts." + domain;
  const dns::Answer found = co_await dns::resolve(*resolver, std::move(name), dns::Type::TXT);
  if (found.status == dns::Status::Failed || found.status == dns::Status::Bogus) {
    co_return answer(std::nullopt, host, "the DNS gave no answer: " + found.reason, "");
  }
  const auto id = policy::find_mta_sts_id(dns::texts_of(found), why);
  if (!id) {
    co_return answer(std::nullopt, host, why.empty() ? "there is no TXT record" : why, "");
  }
  net::TcpNetwork network(place.worker());
  net::BeginTls begin_tls = [context = *context, now = place.now()](
                                std::unique_ptr<net::Stream> stream, std::string server_name,
                                base::Steady deadline, std::string& problem) {
    return secure(context, std::move(stream), std::move(server_name), now, deadline, problem);
  };
  auto cancel = std::make_shared<net::Cancellation>();
  std::string asked = domain;
  const policy::MtaStsFetched fetched =
      co_await policy::fetch_mta_sts(place.worker(), *resolver, network, std::move(begin_tls),
                                     std::move(options), std::move(asked), std::move(cancel));
  co_return answer(fetched.policy, host, fetched.problem, *id);
}

}  // namespace

void add_check_mta_sts(CLI::App& group, Context& context) {
  CheckCommand command;
  command.name = "mta-sts";
  command.description = "What is a domain's MTA-STS policy, and does it name a host? (RFC 8461)";
  command.footer =
      "\nThe answer's mode is none, testing, enforce, or null where there is no policy; error "
      "says\n"
      "why. match says whether the policy names the host, whatever its mode.\n"
      "\nExample:\n"
      "  ekiden check mta-sts --domain example.jp --mx mx1.example.jp\n";
  command.flags = {
      {"domain", "DOMAIN", "The recipients' domain"},
      {"mx", "HOST", "Does the policy name this host?"},
      {"https-connect", "ADDRESS:PORT", "Fetch the policy there, whatever the DNS says"},
  };
  command.evaluate = check_mta_sts;
  add_check_command(group, context, std::move(command));
}

}  // namespace ekiden::cli
