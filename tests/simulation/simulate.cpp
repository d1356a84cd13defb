// Runs scenarios on simulated ground, each from its seed, and says what it found.
// Usage: simulate [--seeds N] [--first S] | --seed S [--trace] | --list-faults; with --fault NAME
// something is broken on purpose, and then a finding is what is hoped for.
// Exit status: 0 nothing found, 1 a finding, 2 usage.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "ekiden/base/log.hpp"
#include "tests/simulation/scenario.hpp"

using namespace ekiden;

int main(int argc, char** argv) {
  std::uint64_t seeds = 50, first = 1, seed = 0;
  bool is_traced = false, lists_faults = false;
  std::string fault_name;
  CLI::App app("Whole relays on a simulated clock, network and disk, each from a seed");
  app.add_option("--seeds", seeds, "How many, one after the other")->capture_default_str();
  app.add_option("--first", first, "The first of them")->capture_default_str();
  CLI::Option* one = app.add_option("--seed", seed, "Only this one");
  app.add_flag("--trace", is_traced, "Print each step, and what the relay logs");
  app.add_option("--fault", fault_name, "Break something on purpose: findings are expected");
  app.add_flag("--list-faults", lists_faults, "What --fault takes");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (lists_faults) {
    for (const simulation::FaultName& known : simulation::fault_names())
      std::printf("%-22s %s\n", std::string(known.name).c_str(), std::string(known.what).c_str());
    return 0;
  }
  simulation::Fault fault = simulation::Fault::None;
  for (const simulation::FaultName& known : simulation::fault_names())
    if (known.name == fault_name) fault = known.fault;
  if (!fault_name.empty() && fault == simulation::Fault::None) {
    std::fprintf(stderr, "simulate: no fault is called %s; --list-faults shows them\n",
                 fault_name.c_str());
    return 2;
  }
  if (one->count() > 0) first = seed, seeds = 1;
  // Simulated segments come and go in thousands: their memory is kept, not given back each time.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (!is_traced) base::log::start(base::log::Level::Error, base::log::Format::Logfmt);

  std::uint64_t found = 0, messages = 0, accepted = 0, duplicates = 0, crashes = 0;
  base::Duration simulated{};
  for (std::uint64_t s = first; s < first + seeds; ++s) {
    const simulation::Report report = simulation::run_scenario(
        s, is_traced ? simulation::Trace::On : simulation::Trace::Off, fault);
    for (const std::string& finding : report.findings)
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(s), finding.c_str());
    found += report.findings.size();
    messages += report.messages;
    accepted += report.accepted;
    duplicates += report.duplicates;
    crashes += report.crashes;
    simulated += report.simulated;
    std::fflush(stdout);
  }
  base::log::stop();
  const double days = std::chrono::duration<double, std::ratio<86'400>>(simulated).count();
  std::printf("recipients accepted %llu, arrived twice where that is allowed %llu, crashes %llu\n",
              static_cast<unsigned long long>(accepted),
              static_cast<unsigned long long>(duplicates),
              static_cast<unsigned long long>(crashes));
  std::printf("seeds %llu findings %llu sim_days %.1f messages %llu\n",
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(found), days,
              static_cast<unsigned long long>(messages));
  return found == 0 ? 0 : 1;
}
