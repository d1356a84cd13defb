#include "ekiden/policy/mta_sts_fetch.hpp"

#include "ekiden/net/address_block.hpp"

namespace ekiden::policy {
namespace {

constexpr unsigned kStatusOk = 200;
constexpr std::string_view kPath = "/.well-known/mta-sts.txt";

MtaStsFetched failed(std::string problem) {
  return {std::nullopt, std::move(problem)};
}

MtaStsFetched read(const net::HttpReply& reply) {
  if (!reply.is_whole) {
    MtaStsFetched fetched = failed(reply.problem);
    if (reply.problem.starts_with("TLS: ")) fetched.result = TlsResult::StsWebpkiInvalid;
    return fetched;
  }
  // RFC 8461 §3.3: redirects are not followed, and nothing but 200 counts.
  if (reply.status != kStatusOk) {
    return failed("the server answered " + std::to_string(reply.status) + ", not 200");
  }
  if (reply.content_type != "text/plain") {
    return failed("the policy is \"" + reply.content_type + "\", not text/plain");
  }
  MtaStsFetched fetched;
  fetched.result = TlsResult::StsPolicyInvalid;
  fetched.policy = parse_mta_sts_policy(reply.body, fetched.problem);
  return fetched;
}

base::Task<std::vector<net::Endpoint>> find_servers(dns::Resolver& resolver,
                                                    const MtaStsOptions& options,
                                                    std::string host) {
  std::vector<net::Endpoint> servers;
  const std::string key = host + ":" + std::to_string(options.port);
  if (const auto mapped = options.connect_map.find(key); mapped != options.connect_map.end()) {
    servers.push_back(mapped->second);
    co_return servers;
  }
  for (const dns::Type type : {dns::Type::A, dns::Type::AAAA}) {
    std::string name = host;
    const dns::Answer answer = co_await dns::resolve(resolver, std::move(name), type);
    if (answer.status == dns::Status::Bogus) continue;
    for (const net::Address& address : dns::addresses_of(answer)) {
      // A stranger's policy is no way into our own network.
      if (!options.may_use_private && net::scope_of(address) != net::Scope::Public) continue;
      servers.push_back({address, options.port});
    }
  }
  co_return servers;
}

}  // namespace

base::Task<MtaStsFetched> fetch_mta_sts(base::Worker& worker, dns::Resolver& resolver,
                                        net::Network& network, net::BeginTls secure,
                                        MtaStsOptions options, std::string domain,
                                        std::shared_ptr<net::Cancellation> cancel) {
  net::HttpRequest request;
  request.host = "mta-sts." + domain;
  request.port = options.port;
  request.path = kPath;
  request.headers = {{"Accept", "text/plain"}};
  request.body_octets_max = kMtaStsPolicyOctetsMax;
  request.deadline = worker.clock.steady() + options.fetch_max;
  std::string host = request.host;
  request.servers = co_await find_servers(resolver, options, std::move(host));
  if (request.servers.empty()) co_return failed(request.host + " has no address to connect to");
  const net::HttpReply reply =
      co_await net::fetch_http(network, std::move(secure), std::move(request), std::move(cancel));
  co_return read(reply);
}

}  // namespace ekiden::policy
