#include "apps/relay.hpp"

#include <atomic>

#include "apps/next_hop_verifier.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/delivery/tls_memory.hpp"
#include "ekiden/inbound/admission.hpp"
#include "ekiden/inbound/client_limits.hpp"
#include "ekiden/inbound/listener_service.hpp"

namespace ekiden::apps {

/// What one worker has of the relay. Built before the workers run; touched only by its own
/// afterwards.
struct Relay::Part {
  Part(RelayWorker& at, Relay& relay, std::shared_ptr<const delivery::RouteSet> routes,
       inbound::ClientLimits& limits, inbound::Instruments& instruments,
       delivery::ProbeMemory& probe_memory)
      : place(at),
        port(relay.journal_->attach(at.worker.executor)),
        routing(std::move(routes), at.resolver),
        connection_tasks(at.worker),
        connection{at.worker,   connection_tasks, relay.surroundings_.pool,
                   at.resolver, at.network,       *port,
                   tls_memory,  at.start_tls,     connection_options(*relay.settings_)},
        probe(connection, routing, probe_memory),
        verifier(probe),
        dispatcher({at.worker, *relay.journal_, *port, relay.budget_, routing, *relay.neighbours_,
                    relay.surroundings_.metrics,
                    [this](std::shared_ptr<const delivery::Plan> plan, delivery::Feed& feed) {
                      return delivery::run_connection(connection, std::move(plan), feed);
                    }},
                   dispatcher_options(*relay.settings_), settlement_options(*relay.settings_)),
        ids(0, static_cast<std::uint8_t>(at.worker.index), at.worker.random),
        listeners({at.worker, *relay.journal_, *port, dispatcher, ids, relay.surroundings_.accounts,
                   limits, instruments, at.sasl, &verifier, at.tls, at.proxy}) {}

  RelayWorker& place;
  std::unique_ptr<spool::Port> port;
  delivery::RouteFinder routing;
  delivery::TlsMemory tls_memory;
  base::TaskGroup connection_tasks;
  delivery::ConnectionContext connection;
  delivery::RecipientProbe probe;
  NextHopVerifier verifier;
  delivery::Dispatcher dispatcher;
  base::MessageIdSource ids;
  inbound::ListenerService listeners;
};

/// What the workers share.
struct Relay::Shared {
  explicit Shared(base::Metrics& metrics) : instruments(metrics) {}
  inbound::ClientLimits limits;
  inbound::Instruments instruments;
  delivery::ProbeMemory probe_memory;
};

Relay::Relay(Surroundings surroundings, std::shared_ptr<const config::Settings> settings)
    : surroundings_(std::move(surroundings)),
      settings_(std::move(settings)),
      budget_(settings_->spool.memory_budget),
      shared_(std::make_unique<Shared>(surroundings_.metrics)) {
  journal_ = std::make_unique<spool::Journal>(
      journal_options(*settings_), surroundings_.disk, surroundings_.committer,
      surroundings_.committer_clock, surroundings_.pool, surroundings_.random);
  std::vector<base::Executor*> executors;
  for (const RelayWorker& place : surroundings_.workers)
    executors.push_back(&place.worker.executor);
  neighbours_ = std::make_unique<delivery::Neighbours>(std::move(executors));
}

Relay::~Relay() = default;

Result<void> Relay::open(std::string& problem) {
  for (const auto& options : listener_options(*settings_)) {
    std::string how;
    const Result<void> proof = inbound::prove_no_open_relay(*options, &how);
    if (!proof) {
      problem = "listener " + options->name + " would relay for strangers: " + how;
      return proof;
    }
  }
  std::shared_ptr<const delivery::RouteSet> routes = route_set(*settings_, problem);
  if (!routes) return make_error_code(spool::Errc::Closed);
  for (RelayWorker& place : surroundings_.workers)
    parts_.push_back(std::make_unique<Part>(place, *this, routes, shared_->limits,
                                            shared_->instruments, shared_->probe_memory));

  std::uint64_t messages = 0;
  const Result<void> recovered = journal_->recover([&](const spool::Recovered& found) {
    ++messages;
    delivery::Dispatcher::recover(*neighbours_, found);
  });
  if (!recovered) {
    problem = "the spool cannot be opened: " + recovered.error().message();
    return recovered;
  }
  base::log::info("recovered", {{"messages", messages}});
  writer_ = std::make_unique<events::StoreWriter>(*journal_, surroundings_.sink,
                                                  surroundings_.events, surroundings_.events_clock);
  return {};
}

void Relay::start(base::Function<void(std::string problem)> done) {
  surroundings_.events.post([this] { writer_->start(); });
  struct Gathered {
    std::atomic<unsigned> left;
    std::atomic<bool> has_failed{false};
    std::string problem;  ///< of the first that failed
    base::Function<void(std::string)> done;
  };
  auto gathered = std::make_shared<Gathered>();
  gathered->left = static_cast<unsigned>(parts_.size());
  gathered->done = std::move(done);
  const auto listeners = listener_options(*settings_);
  for (const auto& owned : parts_) {
    Part& part = *owned;
    part.place.worker.executor.post([this, &part, gathered, listeners] {
      part.dispatcher.start();
      for (std::size_t i = 0; i < listeners.size(); ++i) {
        const Result<net::Endpoint> local =
            part.listeners.listen(part.place.network, settings_->listener[i].address, listeners[i]);
        if (local) continue;
        if (!gathered->has_failed.exchange(true))
          gathered->problem =
              "cannot listen on " + listeners[i]->name + ": " + local.error().message();
      }
      if (--gathered->left > 0) return;
      surroundings_.workers.front().worker.executor.post(
          [gathered] { gathered->done(gathered->problem); });
    });
  }
}

void Relay::reload(std::shared_ptr<const config::Settings> settings) {
  std::string problem;
  std::shared_ptr<const delivery::RouteSet> routes = route_set(*settings, problem);
  if (!routes) {
    base::log::error("reload_refused", {{"problem", problem}});
    return;
  }
  const std::shared_ptr<const config::Settings> old = std::exchange(settings_, settings);
  budget_.set(settings->spool.memory_budget);
  const auto listeners = listener_options(*settings);
  for (const auto& owned : parts_) {
    Part& part = *owned;
    part.place.worker.executor.post([&part, routes, listeners, settings, old] {
      part.routing.replace(routes);
      part.connection.options = connection_options(*settings);
      part.probe.set_options(part.connection.options);
      part.dispatcher.set_options(dispatcher_options(*settings), settlement_options(*settings));
      part.dispatcher.forget_routes();
      for (const config::Listener& before : old->listener) {
        const std::string name = net::format_endpoint(before.address);
        bool is_kept = false;
        for (const auto& options : listeners) is_kept = is_kept || options->name == name;
        if (!is_kept) part.listeners.remove(name);
      }
      for (std::size_t i = 0; i < listeners.size(); ++i) {
        if (part.listeners.set_options(listeners[i])) continue;
        const Result<net::Endpoint> local =
            part.listeners.listen(part.place.network, settings->listener[i].address, listeners[i]);
        if (!local)
          base::log::error("cannot_listen",
                           {{"listener", listeners[i]->name}, {"error", local.error().message()}});
      }
    });
  }
}

void Relay::stop(base::Duration budget, base::Work done) {
  struct Stopping {
    std::atomic<unsigned> left;
    base::Work done;
  };
  auto stopping = std::make_shared<Stopping>();
  stopping->left = static_cast<unsigned>(parts_.size()) * 3;
  stopping->done = std::move(done);
  const auto one_done = [this, stopping] {
    if (--stopping->left > 0) return;
    // The last outcomes are on their way to the committer; it writes them before it closes.
    journal_->close([stopping] { stopping->done(); });
  };
  for (const auto& owned : parts_) {
    Part& part = *owned;
    part.place.worker.executor.post([&part, budget, one_done] {
      part.listeners.close();
      part.listeners.when_empty(one_done);
      part.dispatcher.stop(one_done);
      part.probe.stop(one_done);
      part.place.worker.clock.call_after(budget, [&part] {
        part.connection_tasks.close();
        part.dispatcher.abort();
      });
    });
  }
}

void Relay::abandon() {
  for (const auto& part : parts_) part->dispatcher.drop_waiting();
  writer_.reset();
  journal_.reset();
}

std::uint64_t Relay::sessions() const {
  return shared_->limits.connections();
}

}  // namespace ekiden::apps
