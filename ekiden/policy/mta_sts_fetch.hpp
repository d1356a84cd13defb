#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ekiden/base/worker.hpp"
#include "ekiden/dns/resolver.hpp"
#include "ekiden/net/http_client.hpp"
#include "ekiden/policy/mta_sts_policy.hpp"
#include "ekiden/policy/tls_report.hpp"

namespace ekiden::policy {

/// How policies are fetched; a reload's changes count from the next fetch on.
struct MtaStsOptions {
  bool is_on = true;         ///< delivery.mta_sts
  std::uint16_t port = 443;  ///< delivery.mta_sts_port
  /// delivery.connect_map: "mta-sts.example.jp:443" -> where to connect instead.
  std::map<std::string, net::Endpoint> connect_map;
  bool may_use_private = false;  ///< delivery.private_next_hops
  /// RFC 8461 §3.3 suggests a minute.
  base::Duration fetch_max = std::chrono::seconds(60);
  /// How long mail to a domain that is met for the first time waits for its policy.
  base::Duration wait_max = std::chrono::seconds(10);
};

struct MtaStsFetched {
  std::optional<MtaStsPolicy> policy;
  std::string problem;  ///< why there is none
  /// The same as reports on TLS name it.
  TlsResult result = TlsResult::StsPolicyFetchError;
};

/// Fetches the policy of `domain` from its server. RFC 8461 §3.3: a verified certificate for
/// "mta-sts.DOMAIN", status 200, text/plain, no redirect, 64 KiB at most.
base::Task<MtaStsFetched> fetch_mta_sts(base::Worker& worker, dns::Resolver& resolver,
                                        net::Network& network, net::BeginTls secure,
                                        MtaStsOptions options, std::string domain,
                                        std::shared_ptr<net::Cancellation> cancel);

}  // namespace ekiden::policy
