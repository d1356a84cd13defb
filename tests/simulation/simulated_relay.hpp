#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "apps/relay.hpp"
#include "ekiden/bulk/expander.hpp"
#include "ekiden/delivery/channel_records.hpp"
#include "ekiden/spool/testing/simulated_disk.hpp"
#include "tests/simulation/accounts.hpp"
#include "tests/simulation/names.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/secrecy.hpp"
#include "tests/simulation/wrappers.hpp"

namespace ekiden::simulation {

/// Keeps events in memory: what the event store would have. It survives crashes, because a real
/// one has synced what it acknowledged.
class MemorySink final : public events::Sink {
 public:
  explicit MemorySink(World& world) : world_(world) {}
  Result<void> write(const std::vector<std::string>& encoded) override;

  struct Kept {
    events::Event event;
    base::Steady instant;  ///< of writing
  };
  /// In the order of first writing.
  const std::vector<Kept>& events() const { return events_; }
  std::optional<events::Event> find_accepted(base::MessageId message,
                                             std::uint32_t recipient) const;
  /// Until then every write fails.
  void fail_until(base::Steady when) { fails_until_ = when; }

 private:
  World& world_;
  std::set<std::string> ids_;
  std::vector<Kept> events_;
  base::Steady fails_until_{};
};

struct RelayGround {
  World& world;
  SimulatedInternet& internet;
  spool::testing::SimulatedDisk& disk;
  MemorySink& sink;
  Names& names;
  unsigned workers = 2;
  std::uint32_t segment_octets = 1 << 20;
  base::Duration post_delay_max = kPostDelayMax;
  Secrecy* secrecy = nullptr;          ///< null: no TLS
  const Accounts* accounts = nullptr;  ///< null: nobody may log in
  std::shared_ptr<const shaping::Providers> providers = nullptr;
  const account::HashKey* secret = nullptr;  ///< null: no return paths of our own
  const account::Store* keys = nullptr;      ///< null: nothing is signed
  policy::MtaStsBook* mta_sts = nullptr;     ///< null: no policies
  bool judges_alignment = false;
  bool has_jobs = false;
  policy::TlsObserver observe_tls = nullptr;
  inbound::KeepCopy keep_copy = nullptr;
  /// What sources have learnt of providers, as `egress.json` keeps it.
  std::vector<delivery::ChannelRecord>* learnt = nullptr;
  /// What becomes of that file between two lives.
  std::function<void(std::string& octets)> wear_learnt = nullptr;
  /// The first nearest to the ground.
  std::vector<Wrappers> wrappers;
};

/// A whole relay, release code on simulated ground: the real object graph of apps/relay.cpp, the
/// real journal. It can be started, killed and started again on the same disk.
class SimulatedRelay {
 public:
  explicit SimulatedRelay(RelayGround ground);
  ~SimulatedRelay();

  /// False, with the reason, when it refuses to start.
  bool start(const config::Settings& settings, std::string& problem);
  /// False, with the reason, when it refuses the settings.
  bool reload(const config::Settings& settings, std::string& problem);

  /// As SIGTERM does: sessions and transactions may end within `budget`. The process is gone
  /// then, in the way of `crash`. False when it had not come to its end by itself.
  bool stop(base::Duration budget);

  /// The process is gone, at once. Everything of the world that was waiting goes with it, peers'
  /// connections too; the disk keeps what `how` says.
  enum class Crash { PowerCut, Kill };
  void crash(Crash how);

  bool is_running() const { return running_ != nullptr; }
  apps::Relay& relay();
  base::Worker& worker(unsigned index);
  base::Metrics& metrics();
  base::Executor& pool();
  /// Where there are jobs.
  bulk::Expander& expander();
  /// Those of this start, once.
  std::vector<bulk::RecoveredJob> recovered_jobs();

 private:
  struct Running;

  void remember();
  void learn();
  std::shared_ptr<const config::Settings> wrapped(const config::Settings& settings) const;

  RelayGround ground_;
  Accounts nobody_;  ///< that we are told of
  std::unique_ptr<Running> running_;
};

}  // namespace ekiden::simulation
