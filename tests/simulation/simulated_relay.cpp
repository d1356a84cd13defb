#include "tests/simulation/simulated_relay.hpp"

#include "ekiden/account/stored_snapshot.hpp"

namespace ekiden::simulation {
namespace {

constexpr base::Duration kDiskDelayMax = std::chrono::milliseconds(3);
constexpr std::uint32_t kSegmentOctets = 1 << 20;
constexpr base::Duration kPoolDelayMax = std::chrono::milliseconds(5);

}  // namespace

Result<void> MemorySink::write(const std::vector<std::string>& encoded) {
  for (const std::string& octets : encoded) {
    Result<events::Event> event = events::decode_event(octets);
    if (event && ids_.insert(event->id).second) events_.push_back(std::move(*event));
  }
  return {};
}

std::shared_ptr<const account::Snapshot> NoAccounts::current() const {
  static const auto kNone = std::make_shared<const account::StoredSnapshot>();
  return kNone;
}

struct SimulatedRelay::Running {
  struct Place {
    Place(World& world, SimulatedInternet& internet, unsigned index, const net::Address& address,
          const std::function<void(test::FakeResolver&)>& zones)
        : worker(world, index), network(internet, address), resolver(worker.worker().clock) {
      zones(resolver);
    }
    SimulatedWorker worker;
    SimulatedNetwork network;
    test::FakeResolver resolver;
  };

  explicit Running(World& world)
      : committer(world, Order::Kept, kDiskDelayMax),
        pool(world, Order::Any, kPoolDelayMax),
        events(world, Order::Kept, kDiskDelayMax),
        clock(world),
        random(world.random().next()) {}

  SimulatedExecutor committer, pool, events;
  SimulatedClock clock;
  base::SeededRandom random;
  base::Metrics metrics;
  std::vector<std::unique_ptr<Place>> places;
  std::unique_ptr<apps::Relay> relay;
  std::string problem;
};

SimulatedRelay::SimulatedRelay(World& world, SimulatedInternet& internet,
                               spool::testing::SimulatedDisk& disk, MemorySink& sink,
                               std::shared_ptr<const config::Settings> settings,
                               std::function<void(test::FakeResolver&)> zones, unsigned workers)
    : world_(world),
      internet_(internet),
      disk_(disk),
      sink_(sink),
      settings_(std::move(settings)),
      zones_(std::move(zones)),
      workers_(workers) {}

SimulatedRelay::~SimulatedRelay() {
  if (running_) crash(Crash::Kill);
}

bool SimulatedRelay::start(std::string& problem) {
  running_ = std::make_unique<Running>(world_);
  Running& r = *running_;
  std::vector<apps::RelayWorker> workers;
  for (unsigned i = 0; i < workers_; ++i) {
    r.places.push_back(std::make_unique<Running::Place>(
        world_, internet_, i, settings_->listener.front().address.address, zones_));
    Running::Place& place = *r.places.back();
    workers.push_back({place.worker.worker(), place.network, place.resolver});
  }
  r.relay = std::make_unique<apps::Relay>(
      apps::Surroundings{std::move(workers), disk_, r.committer, r.clock, r.pool, r.events, r.clock,
                         sink_, accounts_, r.random, r.metrics, kSegmentOctets},
      settings_);
  if (!r.relay->open(problem)) return false;
  r.relay->start([&r](std::string said) { r.problem = std::move(said); });
  return true;
}

void SimulatedRelay::crash(Crash how) {
  // First the coroutines, while what they refer to still stands.
  running_->relay->abandon();
  internet_.drop_waiting();
  world_.drop_everything();
  running_.reset();
  world_.drop_everything();
  if (how == Crash::PowerCut) {
    disk_.power_cut();
  } else {
    disk_.kill();
  }
}

apps::Relay& SimulatedRelay::relay() {
  return *running_->relay;
}

base::Worker& SimulatedRelay::worker(unsigned index) {
  return running_->places[index]->worker.worker();
}

base::Executor& SimulatedRelay::pool() {
  return running_->pool;
}

base::Metrics& SimulatedRelay::metrics() {
  return running_->metrics;
}

}  // namespace ekiden::simulation
