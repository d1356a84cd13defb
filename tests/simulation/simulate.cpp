// Runs scenarios on simulated ground, each from its seed, and says what it found.
// Usage: simulate [--seeds N] [--from S] [--jobs J] | --seed S [--trace] | --list-faults; with
// --fault NAME something is broken on purpose, and then a finding is what is hoped for.
// Exit status: 0 nothing found, 1 a finding, 2 usage.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <vector>

#include "ekiden/base/log.hpp"
#include "tests/simulation/scenario.hpp"

using namespace ekiden;

namespace {

using Number = unsigned long long;

struct Totals {
  Number seeds = 0, found = 0, messages = 0, accepted = 0, duplicates = 0, crashes = 0;
  base::Duration simulated{};

  void add(const Totals& other) {
    seeds += other.seeds;
    found += other.found;
    messages += other.messages;
    accepted += other.accepted;
    duplicates += other.duplicates;
    crashes += other.crashes;
    simulated += other.simulated;
  }
};

/// What is to be run.
struct Run {
  std::uint64_t seeds = 50, from = 1;
  unsigned jobs = 1;
  bool is_traced = false;
  simulation::Fault fault = simulation::Fault::None;
};

Totals run_seed(const Run& run, std::uint64_t seed) {
  const simulation::Report report = simulation::run_scenario(
      seed, run.is_traced ? simulation::Trace::On : simulation::Trace::Off, run.fault);
  for (const std::string& finding : report.findings)
    std::printf("seed %llu: %s\n", static_cast<Number>(seed), finding.c_str());
  std::fflush(stdout);
  return {1,
          report.findings.size(),
          report.messages,
          report.accepted,
          report.duplicates,
          report.crashes,
          report.simulated};
}

Totals run_here(const Run& run) {
  if (!run.is_traced) simulation::prepare_process();
  Totals totals;
  for (std::uint64_t i = 0; i < run.seeds; ++i) totals.add(run_seed(run, run.from + i));
  base::log::stop();
  return totals;
}

/// A process that runs every `run.jobs`-th seed and tells of each when it is done.
struct Child {
  pid_t process = -1;
  int totals = -1;  ///< to be read
  std::uint64_t done = 0;
};

Child begin_child(const Run& run, unsigned number) {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  Child child;
  child.process = ::fork();
  child.totals = ends[0];
  if (child.process != 0) {
    ::close(ends[1]);
    return child;
  }
  ::close(ends[0]);
  if (!run.is_traced) simulation::prepare_process();
  for (std::uint64_t i = number; i < run.seeds; i += run.jobs) {
    const Totals totals = run_seed(run, run.from + i);
    if (::write(ends[1], &totals, sizeof totals) != sizeof totals) ::_exit(1);
  }
  base::log::stop();
  // With leaks found, where that is asked for.
  std::exit(0);
}

Totals run_side_by_side(const Run& run) {
  std::vector<Child> children;
  for (unsigned i = 0; i < run.jobs; ++i) children.push_back(begin_child(run, i));
  Totals totals;
  std::vector<pollfd> open;
  for (const Child& child : children) open.push_back({child.totals, POLLIN, 0});
  for (std::size_t left = children.size(); left > 0;) {
    if (::poll(open.data(), open.size(), -1) < 0) break;
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (open[i].revents == 0) continue;
      Totals one;
      if (::read(open[i].fd, &one, sizeof one) == sizeof one) {
        totals.add(one);
        ++children[i].done;
        continue;
      }
      ::close(open[i].fd);
      open[i].fd = -1;
      --left;
    }
  }
  for (unsigned i = 0; i < run.jobs; ++i) {
    int status = 0;
    if (::waitpid(children[i].process, &status, 0) < 0 || status == 0) continue;
    const std::uint64_t at = i + children[i].done * run.jobs;
    if (at < run.seeds)
      std::printf("seed %llu: the process died of it\n", static_cast<Number>(run.from + at));
    ++totals.found;
  }
  return totals;
}

int list_faults() {
  for (const simulation::FaultName& known : simulation::fault_names())
    std::printf("%-22s %s\n", std::string(known.name).c_str(), std::string(known.what).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Run run;
  std::uint64_t seed = 0;
  bool lists_faults = false;
  std::string fault_name;
  CLI::App app("Whole relays on a simulated clock, network and disk, each from a seed");
  app.add_option("--seeds", run.seeds, "How many, one after the other")->capture_default_str();
  app.add_option("--from,--first", run.from, "The first of them")->capture_default_str();
  app.add_option("--jobs", run.jobs, "Processes that share them")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  CLI::Option* one = app.add_option("--seed", seed, "Only this one");
  app.add_flag("--trace", run.is_traced, "Print each step, and what the relay logs");
  app.add_option("--fault", fault_name, "Break something on purpose: findings are expected");
  app.add_flag("--list-faults", lists_faults, "What --fault takes");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (lists_faults) return list_faults();
  for (const simulation::FaultName& known : simulation::fault_names())
    if (known.name == fault_name) run.fault = known.fault;
  if (!fault_name.empty() && run.fault == simulation::Fault::None) {
    std::fprintf(stderr, "simulate: no fault is called %s; --list-faults shows them\n",
                 fault_name.c_str());
    return 2;
  }
  if (one->count() > 0) run.from = seed, run.seeds = 1;

  const Totals totals = run.jobs > 1 ? run_side_by_side(run) : run_here(run);
  const double days = std::chrono::duration<double, std::ratio<86'400>>(totals.simulated).count();
  std::printf("recipients accepted %llu, arrived twice where that is allowed %llu, crashes %llu\n",
              totals.accepted, totals.duplicates, totals.crashes);
  std::printf("seeds %llu findings %llu sim_days %.1f messages %llu\n", totals.seeds, totals.found,
              days, totals.messages);
  return totals.found == 0 && totals.seeds == run.seeds ? 0 : 1;
}
