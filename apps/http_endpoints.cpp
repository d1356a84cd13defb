#include "apps/http_endpoints.hpp"

#include <algorithm>
#include <atomic>
#include <memory>

#include "apps/place.hpp"
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

std::unique_ptr<dns::Resolver> fresh_resolver(base::Worker& worker,
                                              const config::Settings& settings) {
  auto made = dns::UnboundResolver::create(worker, resolver_options(settings));
  if (!made) return nullptr;
  return std::move(*made);
}

bool serves(const config::Http& http, config::HttpService service) {
  return std::find(http.services.begin(), http.services.end(), service) != http.services.end();
}

api::HttpOptions server_options(const config::Http& http, const config::Settings& settings) {
  api::HttpOptions options;
  if (serves(http, config::HttpService::Public)) {
    // For strangers: what they may send is a few words.
    options.connections_max = 1024;
    options.idle_max = std::chrono::seconds(15);
    options.body_octets_max = 16 * 1024;
  }
  if (!serves(http, config::HttpService::Api)) return options;
  options.is_shared = true;
  options.trusted_proxies = http.trusted_proxies;
  options.connections_max = 2048;
  options.body_octets_max = api::body_octets_max(settings.limits.message_size);
  return options;
}

}  // namespace

struct HttpEndpoints::Part {
  RelayWorker& place;
  std::unique_ptr<api::Api> api;
  struct Served {
    const config::Http* http;
    std::unique_ptr<api::HttpServer> server;
  };
  std::vector<Served> servers;
};

HttpEndpoints::HttpEndpoints(Parts parts)
    : parts_(std::move(parts)),
      settings_(parts_.relay.settings()),
      balance_(parts_.metrics),
      shared_({parts_.pool, settings_->node.data_dir, parts_.workers.front().worker.clock,
               parts_.accounts, parts_.node_key, parts_.webhooks, parts_.workers.front().worker,
               [this] { return parts_.relay.settings(); }, parts_.jobs, parts_.templates,
               settings_->retention.idempotency}) {
  for (RelayWorker& place : parts_.workers) {
    auto part = std::make_unique<Part>(Part{place, nullptr, {}});
    const unsigned index = place.worker.index;
    for (const config::Http& http : settings_->http) {
      const bool has_api = serves(http, config::HttpService::Api);
      const bool has_public = serves(http, config::HttpService::Public);
      if ((!has_api || has_public) && index != 0) continue;
      auto server =
          std::make_unique<api::HttpServer>(place.worker, server_options(http, *settings_));
      api::add_health_route(*server, [this] { return health(); });
      if (serves(http, config::HttpService::Metrics))
        api::add_metrics_route(*server, parts_.metrics, [this] { refresh(); });
      if (has_public) parts_.unsubscribing.serve_from(*server);
      if (has_api) {
        inbound::Services& services = parts_.relay.inbound_services(index);
        if (!part->api) {
          part->api = std::make_unique<api::Api>(api::Api::Parts{
              place.worker, parts_.pool,
              [this, &place] { return fresh_resolver(place.worker, *settings_); }, services,
              [this, index] { return parts_.relay.http_submission(index); }, parts_.accounts,
              parts_.node_key, parts_.metrics, shared_});
        }
        part->api->serve_from(*server);
      }
      part->servers.push_back({&http, std::move(server)});
    }
    on_workers_.push_back(std::move(part));
  }
}

HttpEndpoints::~HttpEndpoints() = default;

void HttpEndpoints::use(control::NodeControl& node) {
  shared_.set_node(node);
}

void HttpEndpoints::refresh() {
  const std::lock_guard lock(refreshing_);
  base::Metrics& metrics = parts_.metrics;
  const spool::Status status = parts_.relay.spool().status();
  const auto set = [&](const char* name, const char* help, std::uint64_t value) {
    metrics.gauge(name, help).set(static_cast<std::int64_t>(value));
  };
  set("ekiden_spool_messages", "Live messages in the spool", status.messages);
  set("ekiden_spool_recipients", "Recipients in the spool without a disposition",
      status.recipients);
  set("ekiden_spool_quarantined", "Messages set aside because they cannot be read",
      status.quarantined);
  set("ekiden_spool_disk_octets", "Octets that the spool takes", status.disk_octets);
  set("ekiden_spool_syncs", "Syncs of the journal since start", status.syncs);
  set("ekiden_spool_batches", "Batches written since start", status.batches);
  set("ekiden_events_waiting", "Events that are not in the event store yet", status.events_waiting);
  balance_.refresh();
}

api::Health HttpEndpoints::health() const {
  const spool::Status status = parts_.relay.spool().status();
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

/// On the part's worker.
std::string HttpEndpoints::listen_on(Part& part) {
  for (Part::Served& served : part.servers) {
    const config::Http& http = *served.http;
    api::Secure wrap;
    if (http.tls == config::HttpTls::Implicit)
      wrap = [this, &part](std::unique_ptr<net::Stream> stream) {
        return secure(parts_.tls, part.place.worker.clock, std::move(stream));
      };
    const Result<net::Endpoint> local =
        served.server->listen(part.place.network, http.address, std::move(wrap));
    if (local) continue;
    return "cannot listen on http.address " + net::format_endpoint(http.address) + ": " +
           local.error().message();
  }
  return {};
}

void HttpEndpoints::listen(base::Function<void(std::string problem)> done) {
  struct Gathered {
    std::atomic<unsigned> left;
    std::mutex mutex;
    std::string problem;  ///< of the first that failed
    base::Function<void(std::string)> done;
  };
  auto gathered = std::make_shared<Gathered>();
  gathered->left = static_cast<unsigned>(on_workers_.size());
  gathered->done = std::move(done);
  for (const auto& owned : on_workers_) {
    Part& part = *owned;
    part.place.worker.executor.post([this, &part, gathered] {
      std::string problem = listen_on(part);
      {
        const std::lock_guard lock(gathered->mutex);
        if (gathered->problem.empty()) gathered->problem = std::move(problem);
      }
      if (--gathered->left > 0) return;
      on_workers_.front()->place.worker.executor.post(
          [gathered] { gathered->done(std::move(gathered->problem)); });
    });
  }
}

void HttpEndpoints::stop(base::Work done) {
  struct Stopping {
    std::atomic<unsigned> left = 1;
    base::Work done;
  };
  auto stopping = std::make_shared<Stopping>();
  stopping->done = std::move(done);
  const auto one_done = [this, stopping] {
    if (--stopping->left > 0) return;
    on_workers_.front()->place.worker.executor.post([stopping] { stopping->done(); });
  };
  shared_.stop();
  for (const auto& owned : on_workers_) {
    Part& part = *owned;
    stopping->left += static_cast<unsigned>(part.servers.size());
    part.place.worker.executor.post([&part, one_done] {
      for (Part::Served& served : part.servers) served.server->stop(one_done);
    });
  }
  one_done();
}

}  // namespace ekiden::apps
