#include "tests/simulation/stage.hpp"

#include <cstdio>

#include "tests/simulation/faults.hpp"
#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::milliseconds;

/// Headers that the relay puts in front.
constexpr std::uint64_t kHeaderMax = 2000;

}  // namespace

Stage::Stage(std::uint64_t seed, Trace trace, Fault fault)
    : trace(trace),
      fault(fault),
      world(seed),
      conditions(world.random()),
      internet(world),
      names(world),
      disk(world.random().next()),
      sink(world),
      // Whatever the budget, one message may be read back alone.
      ledger(world, [this] { return largest + kHeaderMax; }),
      relay(ground()) {
  for (const Place& place : places()) sites[place.name].name = place.name;
  write_zones(names.script);
  disk.set_sync_lies(fault == Fault::DiskLies);
  disk.on_cut([this] {
    say("the power goes in a disk operation");
    must_end = true;
    world.stop();
  });
  // Such disks do not live long, and what the next sync would still save is lost right away.
  disk.on_failed_sync([this] {
    if (conditions.lives > 1 && chance(700)) ambush(milliseconds(chance(500) ? 4 : 150));
  });
  settings = conditions.settings;
  history.is_paced = conditions.is_paced;
  history.has_bad_network = conditions.has(Plague::BadNetwork);
  history.has_bad_peers = conditions.has(Plague::BadPeers);
  history.has_bad_clients = conditions.has(Plague::BadClients);
  history.has_operators = conditions.has(Plague::Operators);
  history.has_storms = conditions.has(Plague::Storms) || conditions.has(Plague::BadDns) ||
                       conditions.has(Plague::Reloads) || conditions.has(Plague::Tls) ||
                       conditions.has(Plague::OddPeers);
}

Stage::~Stage() {
  // Coroutines go before what they refer to.
  if (relay.is_running()) relay.crash(SimulatedRelay::Crash::Kill);
}

RelayGround Stage::ground() {
  if (conditions.has(Plague::Tls)) secrecy.emplace(world);
  RelayGround ground{world, internet, disk, sink, names};
  ground.workers = conditions.workers;
  ground.segment_octets = conditions.segment_octets;
  ground.post_delay_max = conditions.post_delay_max;
  ground.secrecy = secrecy ? &*secrecy : nullptr;
  ground.accounts = &accounts;
  if (conditions.is_paced) ground.providers = carrier();
  ground.wrappers.push_back(wrappers_for(fault, world));
  Wrappers watching;
  watching.spool = ledger.wrap();
  ground.wrappers.push_back(std::move(watching));
  return ground;
}

void Stage::say(const std::string& text) const {
  if (trace == Trace::Off) return;
  std::printf("%s %s\n", base::format_rfc3339(world.now()).c_str(), text.c_str());
}

void Stage::find(std::string finding) {
  say("FINDING " + finding);
  report.findings.push_back(std::move(finding));
}

bool Stage::run_for(base::Duration time) {
  if (world.run_for(time)) return true;
  find("the relay does not come to rest: it spins");
  return false;
}

void Stage::ambush(base::Duration within) {
  if (is_last) return;
  world.after(up_to(within), [this] {
    if (is_calm) return;
    say("an ambush");
    must_end = true;
    world.stop();
  });
}

}  // namespace ekiden::simulation
