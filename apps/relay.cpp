#include "apps/relay.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "apps/next_hop_verifier.hpp"
#include "ekiden/account/tenant.hpp"
#include "ekiden/base/log.hpp"
#include "ekiden/delivery/reverse_watch.hpp"
#include "ekiden/delivery/tls_memory.hpp"
#include "ekiden/inbound/admission.hpp"
#include "ekiden/inbound/client_limits.hpp"
#include "ekiden/inbound/listener_service.hpp"

namespace ekiden::apps {

/// What one worker has of the relay. Built before the workers run; touched only by its own
/// afterwards.
struct Relay::Part {
  static std::unique_ptr<policy::MtaStsFinder> policies_of(RelayWorker& at, Relay& relay);
  static std::unique_ptr<auth::AlignmentDesk> alignment_of(RelayWorker& at, Relay& relay);
  static std::unique_ptr<delivery::ReverseWatch> reverse_names_of(RelayWorker& at, Relay& relay);

  Part(RelayWorker& at, Relay& relay, std::shared_ptr<const delivery::RouteSet> routes,
       inbound::ClientLimits& limits, inbound::Instruments& instruments,
       delivery::ProbeMemory& probe_memory)
      : place(at),
        port(relay.attach(at.worker.executor)),
        policies(policies_of(at, relay)),
        alignment(alignment_of(at, relay)),
        reverse_names(reverse_names_of(at, relay)),
        routing(std::move(routes), at.resolver, policies.get()),
        connection_tasks(at.worker),
        connection{at.worker,
                   connection_tasks,
                   relay.surroundings_.pool,
                   at.resolver,
                   at.network,
                   *port,
                   tls_memory,
                   at.start_tls,
                   connection_options(*relay.settings_, relay.rewriting_),
                   relay.surroundings_.signer,
                   alignment.get(),
                   relay.surroundings_.observe_tls},
        probe(connection, routing, probe_memory),
        verifier(probe),
        dispatcher(
            {at.worker, *relay.mail_, *port, relay.budget_, routing, *relay.neighbours_,
             relay.surroundings_.metrics,
             [this](std::shared_ptr<const delivery::Plan> plan, delivery::Feed& feed) {
               return delivery::run_connection(connection, std::move(plan), feed);
             },
             relay.surroundings_.observe_tls, &relay.surroundings_.accounts},
            dispatcher_options(*relay.settings_, relay.rewriting_, relay.surroundings_.providers),
            settlement_options(*relay.settings_)),
        ids(node_id(*relay.settings_), static_cast<std::uint8_t>(at.worker.index),
            at.worker.random),
        listeners({at.worker, *relay.mail_, *port, dispatcher, ids, relay.surroundings_.accounts,
                   limits, instruments, at.sasl, &verifier, at.tls, at.proxy, &at.resolver,
                   relay.surroundings_.suffixes, alignment.get(), &relay.surroundings_.pool,
                   relay.surroundings_.providers, relay.surroundings_.find_accepted,
                   relay.surroundings_.keep_copy}),
        http_submission(http_submission_options(*relay.settings_, relay.rewriting_)) {}

  /// A reload's share of this worker.
  void apply(const std::shared_ptr<const delivery::RouteSet>& routes,
             const std::vector<std::shared_ptr<const inbound::ListenerOptions>>& options,
             const config::Settings& settings, const config::Settings& old,
             const Rewriting& rewriting, const std::shared_ptr<const shaping::Providers>& providers,
             std::vector<std::string>& failures);

  RelayWorker& place;
  std::unique_ptr<spool::Port> port;
  std::unique_ptr<policy::MtaStsFinder> policies;
  std::unique_ptr<auth::AlignmentDesk> alignment;
  std::unique_ptr<delivery::ReverseWatch> reverse_names;  ///< the first worker's; null on others
  delivery::RouteFinder routing;
  delivery::TlsMemory tls_memory;
  base::TaskGroup connection_tasks;
  delivery::ConnectionContext connection;
  delivery::RecipientProbe probe;
  NextHopVerifier verifier;
  delivery::Dispatcher dispatcher;
  base::MessageIdSource ids;
  inbound::ListenerService listeners;
  std::shared_ptr<const inbound::ListenerOptions> http_submission;
};

namespace {

/// By the newest picture of the control store, which it keeps.
queue::ShareOf shares_of(const account::SnapshotSource& accounts) {
  return [snapshot = accounts.current()](std::string_view tenant, std::string_view stream) {
    const account::TenantRules* rules =
        snapshot == nullptr ? nullptr : snapshot->find_tenant(tenant);
    const account::Stream found = account::stream_of(rules, stream);
    return queue::Klass{found.kind == account::StreamKind::Transactional ? queue::Level::High
                                                                         : queue::Level::Normal,
                        found.weight};
  };
}

/// A server of policies is verified like the hosts of a route that asks for it, and no session with
/// it is kept.
net::BeginTls verified_tls(const delivery::StartTls& start_tls) {
  return [&start_tls](std::unique_ptr<net::Stream> stream, std::string server_name,
                      base::Steady deadline, std::string& why) {
    delivery::TlsRequest request;
    request.server_name = std::move(server_name);
    request.verify = true;
    return start_tls(std::move(stream), std::move(request), deadline, why);
  };
}

}  // namespace

/// What the workers share.
struct Relay::Shared {
  explicit Shared(base::Metrics& metrics) : instruments(metrics) {}
  inbound::ClientLimits limits;
  inbound::Instruments instruments;
  delivery::ProbeMemory probe_memory;
};

std::unique_ptr<policy::MtaStsFinder> Relay::Part::policies_of(RelayWorker& at, Relay& relay) {
  policy::MtaStsBook* const book = relay.surroundings_.mta_sts;
  if (book == nullptr) return nullptr;
  policy::MtaStsFinder::Parts parts{at.worker,  at.resolver,
                                    at.network, verified_tls(at.start_tls),
                                    *book,      relay.surroundings_.observe_tls};
  return std::make_unique<policy::MtaStsFinder>(std::move(parts),
                                                mta_sts_options(*relay.settings_));
}

std::unique_ptr<auth::AlignmentDesk> Relay::Part::alignment_of(RelayWorker& at, Relay& relay) {
  const Surroundings& around = relay.surroundings_;
  if (around.domains == nullptr) return nullptr;
  auth::AlignmentDesk::Parts parts{at.worker, at.resolver, *around.domains, around.suffixes, {}};
  if (around.signer != nullptr) {
    parts.signing_domains = [signer = around.signer](const message::Meta& meta) {
      return signer->signing_domains(meta);
    };
  }
  return std::make_unique<auth::AlignmentDesk>(std::move(parts),
                                               alignment_options(*relay.settings_));
}

std::unique_ptr<delivery::ReverseWatch> Relay::Part::reverse_names_of(RelayWorker& at,
                                                                      Relay& relay) {
  if (at.worker.index != 0) return nullptr;
  auto tell = [&relay](const std::string& source, const std::string& why) {
    const delivery::Neighbours& all = *relay.neighbours_;
    for (unsigned i = 0; i < all.count(); ++i) {
      delivery::Dispatcher& there = all.at(i);
      all.send(i, [&there, source, why] { there.set_ipv6(source, why); });
    }
  };
  return std::make_unique<delivery::ReverseWatch>(at.worker, at.resolver, std::move(tell));
}

Relay::Relay(Surroundings surroundings, std::shared_ptr<const config::Settings> settings)
    : surroundings_(std::move(surroundings)),
      settings_(std::move(settings)),
      budget_(settings_->spool.memory_budget),
      shared_(std::make_unique<Shared>(surroundings_.metrics)) {
  spool::JournalOptions options = journal_options(*settings_);
  options.segment_octets = surroundings_.segment_octets;
  journal_ = std::make_unique<spool::Journal>(options, surroundings_.disk, surroundings_.committer,
                                              surroundings_.committer_clock, surroundings_.pool,
                                              surroundings_.random);
  if (surroundings_.wrap_spool) wrapper_ = surroundings_.wrap_spool(*journal_);
  mail_ = wrapper_ ? wrapper_.get() : journal_.get();
  if (surroundings_.signer != nullptr)
    surroundings_.signer->set_options(signing_options(*settings_));
  std::vector<base::Executor*> executors;
  for (const RelayWorker& place : surroundings_.workers)
    executors.push_back(&place.worker.executor);
  neighbours_ = std::make_unique<delivery::Neighbours>(std::move(executors));
}

Relay::~Relay() = default;

std::unique_ptr<spool::Port> Relay::attach(base::Executor& home) {
  std::unique_ptr<spool::Port> port = mail_->attach(home);
  return surroundings_.jobs == nullptr ? std::move(port)
                                       : surroundings_.jobs->watch(std::move(port));
}

/// Every listener's admission is asked with strangers' addresses.
bool Relay::is_closed_relay(const config::Settings& settings, std::string& problem) const {
  for (const auto& options : listener_options(settings, nullptr)) {
    std::string how;
    if (inbound::prove_no_open_relay(*options, &how)) continue;
    problem = "listener " + options->name + " would relay for strangers: " + how;
    return false;
  }
  return true;
}

Result<void> Relay::open(std::string& problem) {
  if (!is_closed_relay(*settings_, problem)) return make_error_code(spool::Errc::Closed);
  std::optional<Rewriting> rewriting = make_rewriting(*settings_, problem);
  if (!rewriting) return make_error_code(spool::Errc::Closed);
  rewriting_ = std::move(*rewriting);
  std::shared_ptr<const delivery::RouteSet> routes =
      route_set(*settings_, problem, surroundings_.providers);
  if (!routes) return make_error_code(spool::Errc::Closed);
  for (RelayWorker& place : surroundings_.workers)
    parts_.push_back(std::make_unique<Part>(place, *this, routes, shared_->limits,
                                            shared_->instruments, shared_->probe_memory));

  // What is recovered joins its class at once.
  for (const auto& part : parts_) part->dispatcher.set_shares(shares_of(surroundings_.accounts));
  std::uint64_t messages = 0;
  const Result<void> recovered = mail_->recover([&](const spool::Recovered& found) {
    ++messages;
    if (surroundings_.jobs != nullptr && surroundings_.jobs->recover(found)) return;
    delivery::Dispatcher::recover(*neighbours_, found);
  });
  if (!recovered) {
    problem = "the spool cannot be opened: " + recovered.error().message();
    return recovered;
  }
  base::log::info("recovered", {{"messages", messages}});
  writer_ = std::make_unique<events::StoreWriter>(*mail_, surroundings_.sink, surroundings_.events,
                                                  surroundings_.events_clock);
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
  const auto listeners = listener_options(*settings_, rewriting_);
  for (const auto& owned : parts_) {
    Part& part = *owned;
    part.place.worker.executor.post([this, &part, gathered, listeners] {
      part.dispatcher.start();
      if (part.reverse_names) part.reverse_names->set_sources(source_set(*settings_));
      if (part.policies && part.place.worker.index == 0) part.policies->start_renewing();
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

std::optional<Rewriting> Relay::make_rewriting(const config::Settings& settings,
                                               std::string& problem) const {
  return rewriting_of(settings, surroundings_.secret, problem);
}

bool Relay::reload(std::shared_ptr<const config::Settings> settings, std::string& problem,
                   base::Function<void(std::vector<std::string> failures)> done,
                   std::optional<Rewriting> rewriting) {
  if (!is_closed_relay(*settings, problem)) return false;
  if (!rewriting) rewriting = make_rewriting(*settings, problem);
  if (!rewriting) return false;
  std::shared_ptr<const delivery::RouteSet> routes =
      route_set(*settings, problem, surroundings_.providers);
  if (!routes) return false;
  const std::shared_ptr<const config::Settings> old = std::exchange(settings_, settings);
  rewriting_ = std::move(*rewriting);
  budget_.set(settings->spool.memory_budget);
  if (surroundings_.signer != nullptr)
    surroundings_.signer->set_options(signing_options(*settings));
  // What is known depends on our addresses.
  if (surroundings_.domains != nullptr) surroundings_.domains->clear();
  const auto listeners = listener_options(*settings, rewriting_);
  struct Gathered {
    std::mutex mutex;
    unsigned left;
    std::vector<std::string> failures;
    base::Function<void(std::vector<std::string>)> done;
  };
  auto gathered = std::make_shared<Gathered>();
  gathered->left = static_cast<unsigned>(parts_.size());
  gathered->done = std::move(done);
  for (const auto& owned : parts_) {
    Part& part = *owned;
    part.place.worker.executor.post([this, &part, gathered, routes, listeners, settings, old,
                                     rules = rewriting_, providers = surroundings_.providers] {
      std::vector<std::string> failures;
      part.apply(routes, listeners, *settings, *old, rules, providers, failures);
      const std::lock_guard lock(gathered->mutex);
      // Each worker has a socket of its own for each address: one sentence is enough.
      for (std::string& failure : failures)
        if (std::find(gathered->failures.begin(), gathered->failures.end(), failure) ==
            gathered->failures.end())
          gathered->failures.push_back(std::move(failure));
      if (--gathered->left > 0) return;
      surroundings_.workers.front().worker.executor.post(
          [gathered] { gathered->done(std::move(gathered->failures)); });
    });
  }
  return true;
}

void Relay::Part::apply(const std::shared_ptr<const delivery::RouteSet>& routes,
                        const std::vector<std::shared_ptr<const inbound::ListenerOptions>>& options,
                        const config::Settings& settings, const config::Settings& old,
                        const Rewriting& rewriting,
                        const std::shared_ptr<const shaping::Providers>& providers,
                        std::vector<std::string>& failures) {
  routing.replace(routes);
  connection.options = connection_options(settings, rewriting);
  if (policies) policies->set_options(mta_sts_options(settings));
  if (alignment) alignment->set_options(alignment_options(settings));
  probe.set_options(connection.options);
  dispatcher.set_options(dispatcher_options(settings, rewriting, providers),
                         settlement_options(settings));
  dispatcher.forget_routes();
  if (reverse_names) reverse_names->set_sources(source_set(settings));
  http_submission = http_submission_options(settings, rewriting);
  for (const config::Listener& before : old.listener) {
    const std::string name = net::format_endpoint(before.address);
    bool is_kept = false;
    for (const auto& one : options) is_kept = is_kept || one->name == name;
    if (!is_kept) listeners.remove(name);
  }
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (listeners.set_options(options[i])) continue;
    const Result<net::Endpoint> local =
        listeners.listen(place.network, settings.listener[i].address, options[i]);
    if (local) continue;
    failures.push_back("cannot listen on " + options[i]->name + ": " + local.error().message());
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
    mail_->close([stopping] { stopping->done(); });
  };
  for (const auto& owned : parts_) {
    Part& part = *owned;
    part.place.worker.executor.post([&part, budget, one_done] {
      // A session that is not over in time has not been answered 250: it is broken off.
      auto are_sessions_over = std::make_shared<bool>(false);
      const auto sessions_over = [one_done, are_sessions_over] {
        if (!std::exchange(*are_sessions_over, true)) one_done();
      };
      if (part.policies) part.policies->close();
      if (part.alignment) part.alignment->close();
      if (part.reverse_names) part.reverse_names->close();
      part.listeners.close();
      part.listeners.when_empty(sessions_over);
      part.dispatcher.stop(one_done);
      part.probe.stop(one_done);
      part.place.worker.clock.call_after(budget, [&part, sessions_over] {
        part.connection_tasks.close();
        part.dispatcher.abort();
        sessions_over();
      });
    });
  }
}

void Relay::abandon() {
  if (surroundings_.signer != nullptr) surroundings_.signer->abandon();
  for (const auto& part : parts_) {
    part->dispatcher.drop_waiting();
    part->connection_tasks.abandon();
    part->probe.abandon();
    part->place.resolver.abandon();
    if (part->policies) part->policies->abandon();
    if (part->alignment) part->alignment->abandon();
    if (part->reverse_names) part->reverse_names->abandon();
    part->port->abandon();
  }
  writer_.reset();
  wrapper_.reset();
  journal_.reset();
}

void Relay::refresh_streams() {
  for (const auto& owned : parts_) {
    Part& part = *owned;
    part.place.worker.executor.post([&part, shares = shares_of(surroundings_.accounts)]() mutable {
      part.dispatcher.set_shares(std::move(shares));
    });
  }
}

void Relay::record(std::string encoded_event, base::Completion<Result<void>> done) {
  spool::Transaction transaction;
  transaction.events.push_back(std::move(encoded_event));
  parts_.front()->port->submit(std::move(transaction), std::move(done));
}

void Relay::send_own(message::Meta own, std::string octets, std::string detail,
                     base::Completion<Result<void>> done) {
  parts_.front()->dispatcher.settlement().send_own(std::move(own), std::move(octets),
                                                   std::move(detail), std::move(done));
}

inbound::Services& Relay::inbound_services(unsigned worker) {
  return parts_.at(worker)->listeners.services();
}

std::shared_ptr<const inbound::ListenerOptions> Relay::http_submission(unsigned worker) const {
  return parts_.at(worker)->http_submission;
}

std::uint64_t Relay::sessions() const {
  return shared_->limits.connections();
}

}  // namespace ekiden::apps
