#include "apps/http_endpoints.hpp"

#include <algorithm>

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

}  // namespace

HttpEndpoints::HttpEndpoints(base::Worker& worker, net::Network& network, TlsContexts& tls,
                             Relay& relay, base::Metrics& metrics)
    : network_(network),
      tls_(tls),
      relay_(relay),
      balance_(metrics),
      with_metrics_(worker),
      without_(worker) {
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
  api::add_metrics_route(
      with_metrics_, metrics,
      [this, &messages, &recipients, &quarantined, &disk, &syncs, &batches, &waiting] {
        const spool::Status status = relay_.spool().status();
        messages.set(static_cast<std::int64_t>(status.messages));
        recipients.set(static_cast<std::int64_t>(status.recipients));
        quarantined.set(static_cast<std::int64_t>(status.quarantined));
        disk.set(static_cast<std::int64_t>(status.disk_octets));
        syncs.set(static_cast<std::int64_t>(status.syncs));
        batches.set(static_cast<std::int64_t>(status.batches));
        waiting.set(static_cast<std::int64_t>(status.events_waiting));
        balance_.refresh();
      });
  for (api::HttpServer* server : {&with_metrics_, &without_})
    api::add_health_route(*server, [this] { return health(); });
}

void HttpEndpoints::stop(base::Work done) {
  with_metrics_.stop([this, done = std::move(done)]() mutable { without_.stop(std::move(done)); });
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
    const bool has_metrics = std::find(http.services.begin(), http.services.end(),
                                       config::HttpService::Metrics) != http.services.end();
    api::Secure wrap;
    if (http.tls == config::HttpTls::Implicit)
      wrap = [this](std::unique_ptr<net::Stream> stream) {
        return secure(tls_, relay_.clock(), std::move(stream));
      };
    api::HttpServer& server = has_metrics ? with_metrics_ : without_;
    const Result<net::Endpoint> local = server.listen(network_, http.address, std::move(wrap));
    if (local) continue;
    problem = "cannot listen on http.address " + net::format_endpoint(http.address) + ": " +
              local.error().message();
    return false;
  }
  return true;
}

}  // namespace ekiden::apps
