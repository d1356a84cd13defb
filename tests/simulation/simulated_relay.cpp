#include "tests/simulation/simulated_relay.hpp"

#include "ekiden/account/authenticator.hpp"
#include "ekiden/account/sasl_server.hpp"
#include "ekiden/events/error.hpp"
#include "tests/simulation/web.hpp"

namespace ekiden::simulation {
namespace {

constexpr base::Duration kDiskDelayMax = std::chrono::milliseconds(3);
constexpr base::Duration kPoolDelayMax = std::chrono::milliseconds(5);
/// Past its budget a relay that stops has the spool to close.
constexpr base::Duration kCloses = std::chrono::minutes(2);

}  // namespace

Result<void> MemorySink::write(const std::vector<std::string>& encoded) {
  if (world_.steady() < fails_until_) return make_error_code(events::Errc::Io);
  for (const std::string& octets : encoded) {
    Result<events::Event> event = events::decode_event(octets);
    if (event && ids_.insert(event->id).second)
      events_.push_back({std::move(*event), world_.steady()});
  }
  return {};
}

std::optional<events::Event> MemorySink::find_accepted(base::MessageId message,
                                                       std::uint32_t recipient) const {
  for (const Kept& kept : events_)
    if (kept.event.kind == events::Kind::Accepted && kept.event.message == message &&
        kept.event.recipient_index == recipient)
      return kept.event;
  return std::nullopt;
}

namespace {

/// A table for few: each life makes one.
account::Throttle::Options throttle_options() {
  account::Throttle::Options options;
  options.entries_max = 256;
  return options;
}

}  // namespace

struct SimulatedRelay::Running {
  /// One worker and its surroundings.
  struct Place {
    Place(RelayGround& ground, const account::AuthenticatorShared& shared, unsigned index,
          const net::Address& address)
        : own_clock(ground.world),
          clock(own_clock),
          executor(ground.world, Order::Kept, ground.post_delay_max),
          random(ground.world.random().next()),
          own_network(ground.internet, address),
          network(own_network),
          own_resolver(ground.names, own_clock),
          resolver(own_resolver) {
      for (const Wrappers& wrappers : ground.wrappers) {
        clock.add(wrappers.clock);
        network.add(wrappers.network);
        resolver.add(wrappers.resolver);
      }
      worker = std::make_unique<base::Worker>(
          base::Worker{index, ground.world.io().get_executor(), executor, clock.top(), random});
      cache = std::make_unique<dns::CachingResolver>(resolver.top(), own_clock, executor);
      if (ground.secrecy != nullptr) {
        own_tls.emplace(ground.secrecy->relay());
        tls.emplace(*own_tls);
        for (const Wrappers& wrappers : ground.wrappers) tls->add(wrappers.tls);
      }
      authenticator.emplace(*worker, shared, account::AuthenticatorOptions{Accounts::kCost});
      sasl.emplace(*authenticator);
    }
    apps::RelayWorker relay_worker(RelayGround& ground) {
      apps::RelayWorker made{*worker, network.top(), *cache, &*sasl};
      made.proxy = &proxy;
      if (tls) {
        made.tls = &tls->top();
        made.start_tls = apps::client_tls(ground.secrecy->relay());
        for (const Wrappers& wrappers : ground.wrappers)
          if (wrappers.start_tls) made.start_tls = wrappers.start_tls(std::move(made.start_tls));
      }
      return made;
    }
    SimulatedClock own_clock;
    Layered<base::Clock> clock;
    SimulatedExecutor executor;
    base::SeededRandom random;
    SimulatedNetwork own_network;
    Layered<net::Network> network;
    SimulatedResolver own_resolver;
    Layered<dns::Resolver> resolver;
    std::unique_ptr<base::Worker> worker;
    std::unique_ptr<dns::CachingResolver> cache;
    std::optional<apps::ServerTlsLayer> own_tls;
    std::optional<Layered<inbound::Layer>> tls;
    apps::ProxyLayer proxy;
    std::optional<account::Authenticator> authenticator;
    std::optional<account::SaslServer> sasl;
  };

  Running(RelayGround& ground, const Accounts& accounts)
      : committer(ground.world, Order::Kept, kDiskDelayMax),
        own_pool(ground.world, Order::Any, kPoolDelayMax),
        pool(own_pool),
        events(ground.world, Order::Kept, kDiskDelayMax),
        clock(ground.world),
        random(ground.world.random().next()),
        disk(ground.disk),
        sink(ground.sink),
        throttle(throttle_options(), random),
        passwords(own_pool, {}),
        shared{accounts, throttle, passwords, Accounts::node_key(), metrics} {
    for (const Wrappers& wrappers : ground.wrappers) {
      pool.add(wrappers.pool);
      disk.add(wrappers.disk);
      sink.add(wrappers.sink);
    }
  }

  SimulatedExecutor committer, own_pool;
  Layered<base::Executor> pool;
  SimulatedExecutor events;
  SimulatedClock clock;
  base::SeededRandom random;
  Layered<spool::Disk> disk;
  Layered<events::Sink> sink;
  std::unique_ptr<Layered<spool::Spool>> spool;
  base::Metrics metrics;
  account::Throttle throttle;
  account::PasswordPool passwords;
  account::AuthenticatorShared shared;
  std::vector<std::unique_ptr<Place>> places;
  bulk::Watch watch;
  std::optional<delivery::MessageSigner> signer;
  auth::DomainBook domains;
  std::unique_ptr<apps::Relay> relay;
  std::optional<bulk::Expander> expander;
  std::string problem;
  bool is_open = false;
};

namespace {

/// Hands on to layers that somebody else keeps.
class Door final : public PassingSpool {
 public:
  using PassingSpool::PassingSpool;
};

}  // namespace

SimulatedRelay::SimulatedRelay(RelayGround ground) : ground_(std::move(ground)) {
  nobody_.remove();
}

SimulatedRelay::~SimulatedRelay() {
  if (running_) crash(Crash::Kill);
}

std::shared_ptr<const config::Settings> SimulatedRelay::wrapped(
    const config::Settings& settings) const {
  auto wrapped = std::make_shared<config::Settings>(settings);
  for (const Wrappers& wrappers : ground_.wrappers)
    if (wrappers.settings) wrappers.settings(*wrapped);
  return wrapped;
}

bool SimulatedRelay::start(const config::Settings& settings, std::string& problem) {
  const Accounts& accounts = ground_.accounts == nullptr ? nobody_ : *ground_.accounts;
  running_ = std::make_unique<Running>(ground_, accounts);
  Running& r = *running_;
  std::vector<apps::RelayWorker> workers;
  for (unsigned i = 0; i < ground_.workers; ++i) {
    r.places.push_back(std::make_unique<Running::Place>(ground_, r.shared, i,
                                                        settings.listener.front().address.address));
    Running::Place& place = *r.places.back();
    workers.push_back(place.relay_worker(ground_));
  }
  const auto wrap_spool = [this, &r](spool::Spool& journal) -> std::unique_ptr<spool::Spool> {
    r.spool = std::make_unique<Layered<spool::Spool>>(journal);
    for (const Wrappers& wrappers : ground_.wrappers) r.spool->add(wrappers.spool);
    return std::make_unique<Door>(r.spool->top());
  };
  apps::Surroundings surroundings{
      std::move(workers), r.disk.top(), r.committer,           r.clock,  r.pool.top(),
      r.events,           r.clock,      r.sink.top(),          accounts, r.random,
      r.metrics,          wrap_spool,   ground_.segment_octets};
  surroundings.providers = ground_.providers;
  surroundings.secret = ground_.secret;
  surroundings.mta_sts = ground_.mta_sts;
  surroundings.observe_tls = ground_.observe_tls;
  surroundings.keep_copy = ground_.keep_copy;
  if (ground_.keys != nullptr)
    surroundings.signer = &r.signer.emplace(*ground_.keys, Accounts::node_key());
  if (ground_.judges_alignment) surroundings.domains = &r.domains;
  if (ground_.has_jobs) surroundings.jobs = &r.watch;
  surroundings.find_accepted = [&sink = ground_.sink](base::MessageId message,
                                                      std::uint32_t recipient) {
    return sink.find_accepted(message, recipient);
  };
  r.relay = std::make_unique<apps::Relay>(std::move(surroundings), wrapped(settings));
  if (!r.relay->open(problem)) return false;
  r.is_open = true;
  if (ground_.has_jobs) {
    r.expander.emplace(bulk::Expander::Parts{
        *r.places.front()->worker, r.pool.top(), r.relay->inbound_services(0),
        [&relay = *r.relay] { return relay.http_submission(0); }, make_composer, r.watch, r.metrics,
        [](base::MessageId, std::string) {}, [](base::MessageId) {}});
    r.expander->note_untried(r.watch.take_untried());
  }
  if (ground_.learnt != nullptr) remember();
  r.relay->start([&r](std::string said) { r.problem = std::move(said); });
  return true;
}

bool SimulatedRelay::reload(const config::Settings& settings, std::string& problem) {
  return relay().reload(wrapped(settings), problem, [](std::vector<std::string>) {});
}

bool SimulatedRelay::stop(base::Duration budget) {
  auto is_over = std::make_shared<bool>(false);
  World& world = ground_.world;
  if (running_->expander) running_->expander->stop();
  relay().stop(budget, [is_over, &world] {
    *is_over = true;
    world.stop();
  });
  for (const base::Steady until = world.steady() + budget + kCloses;
       !*is_over && world.steady() < until && !ground_.disk.is_cut();) {
    if (!world.run_until(until)) break;
  }
  const bool is_cut = ground_.disk.is_cut();
  crash(is_cut ? Crash::PowerCut : Crash::Kill);
  return *is_over && !is_cut;
}

void SimulatedRelay::crash(Crash how) {
  if (ground_.learnt != nullptr && running_->is_open) learn();
  // First the coroutines, while what they refer to still stands.
  if (running_->expander) running_->expander->abandon();
  running_->relay->abandon();
  running_->passwords.abandon();
  ground_.internet.drop_waiting();
  ground_.world.drop_everything();
  running_.reset();
  ground_.world.drop_everything();
  if (how == Crash::PowerCut) {
    ground_.disk.power_cut();
  } else {
    ground_.disk.kill();
  }
}

apps::Relay& SimulatedRelay::relay() {
  return *running_->relay;
}

base::Worker& SimulatedRelay::worker(unsigned index) {
  return *running_->places[index]->worker;
}

/// As apps/egress_file.cpp does: each worker gets what it answers for.
void SimulatedRelay::remember() {
  const delivery::Neighbours& all = relay().neighbours();
  for (unsigned i = 0; i < all.count(); ++i) {
    auto own = std::make_shared<std::vector<delivery::ChannelRecord>>();
    for (const delivery::ChannelRecord& record : *ground_.learnt)
      if (all.owner_of(record.provider) == i) own->push_back(record);
    all.at(i).remember(std::move(own));
  }
}

void SimulatedRelay::learn() {
  std::vector<delivery::ChannelRecord> records;
  const delivery::Neighbours& all = relay().neighbours();
  for (unsigned i = 0; i < all.count(); ++i) all.at(i).egress().collect(records);
  if (records.empty()) return;
  std::string octets = delivery::encode_channels(std::move(records));
  if (ground_.wear_learnt) ground_.wear_learnt(octets);
  auto read = delivery::decode_channels(octets);
  *ground_.learnt = read ? std::move(*read) : std::vector<delivery::ChannelRecord>();
}

bulk::Expander& SimulatedRelay::expander() {
  return *running_->expander;
}

std::vector<bulk::RecoveredJob> SimulatedRelay::recovered_jobs() {
  return running_->watch.take_jobs();
}

base::Executor& SimulatedRelay::pool() {
  return running_->pool.top();
}

base::Metrics& SimulatedRelay::metrics() {
  return running_->metrics;
}

}  // namespace ekiden::simulation
