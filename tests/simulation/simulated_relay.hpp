#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "apps/relay.hpp"
#include "ekiden/spool/testing/simulated_disk.hpp"
#include "tests/simulation/network.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::simulation {

/// Keeps event ids in memory: what the event store would have. It survives crashes, because a
/// real one has synced what it acknowledged.
class MemorySink final : public events::Sink {
 public:
  Result<void> write(const std::vector<std::string>& encoded) override;
  /// In the order of first writing.
  const std::vector<events::Event>& events() const { return events_; }

 private:
  std::set<std::string> ids_;
  std::vector<events::Event> events_;
};

class NoAccounts final : public account::SnapshotSource {
 public:
  std::shared_ptr<const account::Snapshot> current() const override;
};

/// A whole relay, release code on simulated ground: the real object graph of apps/relay.cpp, the
/// real journal. It can be started, killed and started again on the same disk.
class SimulatedRelay {
 public:
  SimulatedRelay(World& world, SimulatedInternet& internet, spool::testing::SimulatedDisk& disk,
                 MemorySink& sink, std::shared_ptr<const config::Settings> settings,
                 std::function<void(test::FakeResolver&)> zones, unsigned workers = 2);
  ~SimulatedRelay();

  /// False, with the reason, when it refuses to start.
  bool start(std::string& problem);

  /// The process is gone, at once. Everything of the world that was waiting goes with it, peers'
  /// connections too; the disk keeps what `how` says.
  enum class Crash { PowerCut, Kill };
  void crash(Crash how);

  bool is_running() const { return running_ != nullptr; }
  apps::Relay& relay();
  base::Worker& worker(unsigned index);
  base::Metrics& metrics();
  base::Executor& pool();

 private:
  struct Running;

  World& world_;
  SimulatedInternet& internet_;
  spool::testing::SimulatedDisk& disk_;
  MemorySink& sink_;
  std::shared_ptr<const config::Settings> settings_;
  std::function<void(test::FakeResolver&)> zones_;
  unsigned workers_;
  NoAccounts accounts_;
  std::unique_ptr<Running> running_;
};

}  // namespace ekiden::simulation
