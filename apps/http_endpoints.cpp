#include "apps/http_endpoints.hpp"

#include <algorithm>
#include <memory>

#include "ekiden/api/monitoring.hpp"

namespace ekiden::apps {
namespace {

base::Task<Result<std::unique_ptr<net::Stream>>> secure(TlsContexts& tls, base::Clock& clock,
                                                        std::unique_ptr<net::Stream> stream) {
  constexpr base::Duration kHandshakeMax = std::chrono::seconds(30);
  const std::shared_ptr<tls::ServerContext> context = tls.server.load();
  if (!context) co_return make_error_code(net::Errc::Tls);
  co_return co_await tls::accept(*context, std::move(stream), clock.steady() + kHandshakeMax);
}

// Bits of the index of `servers_`.
constexpr std::size_t kMetrics = 1, kPublic = 2;

/// For strangers: what they may send is a few words.
api::HttpOptions public_options() {
  api::HttpOptions options;
  options.connections_max = 1024;
  options.body_octets_max = 16 * 1024;
  options.idle_max = std::chrono::seconds(15);
  return options;
}

}  // namespace

HttpEndpoints::HttpEndpoints(base::Worker& worker, net::Network& network, TlsContexts& tls,
                             Relay& relay, base::Metrics& metrics,
                             api::Unsubscribing& unsubscribing)
    : network_(network),
      tls_(tls),
      relay_(relay),
      balance_(metrics),
      unsubscribing_(unsubscribing),
      servers_{api::HttpServer(worker), api::HttpServer(worker),
               api::HttpServer(worker, public_options()), api::HttpServer(worker)} {
  base::Gauge& messages = metrics.gauge("ekiden_spool_messages", "Live messages in the spool");
  base::Gauge& recipients =
      metrics.gauge("ekiden_spool_recipients", "Recipients in the spool without a disposition");
  base::Gauge& quarantined =
      metrics.gauge("ekiden_spool_quarantined", "Messages set aside because they cannot be read");
  base::Gauge& disk = metrics.gauge("ekiden_spool_disk_octets", "Octets that the spool takes");
  base::Gauge& syncs = metrics.gauge("ekiden_spool_syncs", "Syncs of the journal since start");
  base::Gauge& batches = metrics.gauge("ekiden_spool_batches", "Batches written since start");
  base::Gauge& waiting =
      metrics.gauge("ekiden_events_waiting", "Events that are not in the event store yet");
  const auto refresh = [this, &messages, &recipients, &quarantined, &disk, &syncs, &batches,
                        &waiting] {
    const spool::Status status = relay_.spool().status();
    messages.set(static_cast<std::int64_t>(status.messages));
    recipients.set(static_cast<std::int64_t>(status.recipients));
    quarantined.set(static_cast<std::int64_t>(status.quarantined));
    disk.set(static_cast<std::int64_t>(status.disk_octets));
    syncs.set(static_cast<std::int64_t>(status.syncs));
    batches.set(static_cast<std::int64_t>(status.batches));
    waiting.set(static_cast<std::int64_t>(status.events_waiting));
    balance_.refresh();
  };
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    api::add_health_route(servers_[i], [this] { return health(); });
    if ((i & kMetrics) != 0) api::add_metrics_route(servers_[i], metrics, refresh);
    if ((i & kPublic) != 0) unsubscribing_.serve_from(servers_[i]);
  }
}

void HttpEndpoints::stop(base::Work done) {
  auto last = std::make_shared<base::Work>(std::move(done));
  auto left = std::make_shared<std::size_t>(servers_.size());
  for (api::HttpServer& server : servers_) {
    server.stop([last, left] {
      if (--*left == 0) (*last)();
    });
  }
}

api::Health HttpEndpoints::health() const {
  const spool::Status status = relay_.spool().status();
  api::Health health;
  if (!status.accepts_updates)
    health.problems.push_back("The spool cannot be written: no mail is taken, none delivered.");
  else if (!status.accepts_messages)
    health.problems.push_back("The disk is full but for its reserve: no mail is taken.");
  if (status.quarantined > 0)
    health.warnings.push_back(std::to_string(status.quarantined) +
                              " messages are in quarantine: see `ekiden spool quarantine list`.");
  return health;
}

bool HttpEndpoints::listen(const config::Settings& settings, std::string& problem) {
  for (const config::Http& http : settings.http) {
    const auto serves = [&http](config::HttpService service) {
      return std::find(http.services.begin(), http.services.end(), service) != http.services.end();
    };
    api::Secure wrap;
    if (http.tls == config::HttpTls::Implicit)
      wrap = [this](std::unique_ptr<net::Stream> stream) {
        return secure(tls_, relay_.clock(), std::move(stream));
      };
    api::HttpServer& server = servers_[(serves(config::HttpService::Metrics) ? kMetrics : 0) |
                                       (serves(config::HttpService::Public) ? kPublic : 0)];
    const Result<net::Endpoint> local = server.listen(network_, http.address, std::move(wrap));
    if (local) continue;
    problem = "cannot listen on http.address " + net::format_endpoint(http.address) + ": " +
              local.error().message();
    return false;
  }
  return true;
}

}  // namespace ekiden::apps
