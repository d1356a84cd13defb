#pragma once

#include <map>
#include <optional>
#include <string>

#include "tests/simulation/conditions.hpp"
#include "tests/simulation/desk.hpp"
#include "tests/simulation/ledger.hpp"
#include "tests/simulation/oracle.hpp"
#include "tests/simulation/outside.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/simulation/web.hpp"

namespace ekiden::simulation {

/// All that one seed's scenario consists of, and what has been noted of it so far. Who changes
/// what: mailbag.hpp lets clients write, strikes.hpp lets plagues strike, scenario.cpp lets the
/// relay live and die.
struct Stage {
  Stage(std::uint64_t seed, Trace trace, Fault fault);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  base::Random& random() { return world.random(); }
  bool chance(unsigned thousandths) { return simulation::chance(random(), thousandths); }
  base::Duration up_to(base::Duration most) { return simulation::up_to(random(), most); }
  bool chance_aside(unsigned thousandths) { return simulation::chance(aside, thousandths); }

  /// For the trace.
  void say(const std::string& text) const;
  /// A promise is broken.
  void find(std::string finding);
  /// False, and a finding, when the relay never comes to rest.
  bool run_for(base::Duration time);
  /// The disk as one that looks at it from beside the relay finds it: its reads may fail.
  std::unique_ptr<spool::Disk> worn_disk();
  /// The power goes right behind what has just happened.
  void ambush(base::Duration within);

  Trace trace;
  Fault fault;
  World world;
  /// What came to the scenarios later is drawn from here, so that nothing else is drawn otherwise.
  base::SeededRandom aside;
  Conditions conditions;
  SimulatedInternet internet;
  Names names;
  spool::testing::SimulatedDisk disk;
  unsigned reads_fail = 0;  ///< of reads, in thousandths
  MemorySink sink;
  Accounts accounts;
  std::optional<Secrecy> secrecy;  ///< where somebody speaks TLS
  std::uint64_t largest = 0;       ///< octets of the largest message that may lie in memory
  Ledger ledger;
  Crowd crowd;
  std::map<std::string, Site> sites;
  policy::MtaStsBook policies;
  std::vector<delivery::ChannelRecord> learnt;
  SimulatedRelay relay;
  DeskFiles desk_files;
  std::optional<Desk> desk;
  JobWishes job_wishes;
  std::optional<Web> web;
  std::optional<Outside> outside;
  Submissions submissions;
  config::Settings settings;  ///< in force
  History history;
  bool must_end = false;  ///< this life, by a power cut
  bool is_calm = false;   ///< nothing goes wrong any more
  bool is_last = false;   ///< of the relay's lives
  Report report;

 private:
  RelayGround ground();
};

}  // namespace ekiden::simulation
