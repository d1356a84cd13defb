// The scheduler beside a deep queue: what a recipient costs on its way through (added, picked,
// removed) while 0, 1 M or 10 M others wait, and what letting them all become due costs. The
// deepest needs 2 GB of memory.
#include <benchmark/benchmark.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/random.hpp"
#include "ekiden/queue/scheduler.hpp"

namespace {

using namespace ekiden;
using std::chrono::hours;

constexpr base::Time kNow = base::Time(std::chrono::seconds(1'800'000'000));
constexpr std::size_t kDomains = 1000;

/// Recipients wait for a retry in the next hours, spread over many domains.
struct Deep {
  queue::Scheduler scheduler{kNow};
  std::vector<std::string> domains;
  std::uint64_t count = 0;
  std::uint32_t lane;

  explicit Deep(std::uint64_t waiting) {
    for (std::size_t i = 0; i < kDomains; ++i)
      domains.push_back("d" + std::to_string(i) + ".example");
    lane = scheduler.lane("site", {.recipients_per_transaction_max = 1});
    base::SeededRandom random(1);
    for (std::uint64_t i = 0; i < waiting; ++i)
      add(domains[random.below(kDomains)],
          kNow + std::chrono::seconds(60 + random.below(4 * 3600)));
    // The domain of those that pass is known.
    add("busy.example", kNow);
    for (std::uint32_t d; (d = scheduler.next_unresolved()) != queue::kNone;)
      scheduler.assign_domain(d, lane, kNow + hours(100), kNow);
    take();
  }

  void add(std::string_view domain, base::Time due) {
    recipients.assign(1, {.index = 0, .domain = domain, .due = due, .expires = kNow + hours(120)});
    scheduler.add({.id = {1, ++count},
                   .received = kNow,
                   .size = 10'240,
                   .tenant = "default",
                   .stream = "bulk"},
                  recipients, kNow);
  }
  bool take() {
    const std::optional<queue::Pick> pick = scheduler.pick(lane, kNow);
    if (!pick) return false;
    scheduler.remove(scheduler.find(pick->id, pick->recipients.front()));
    return true;
  }

  std::vector<queue::Arrival> recipients;
};

/// Filling takes longer than measuring, and the same depth serves every repetition.
Deep& deep(std::uint64_t waiting) {
  static std::unique_ptr<Deep> held;
  static std::uint64_t held_waiting = 0;
  if (!held || held_waiting != waiting) {
    held.reset();
    held = std::make_unique<Deep>(waiting);
    held_waiting = waiting;
  }
  return *held;
}

void pass_through(benchmark::State& state) {
  Deep& queue = deep(static_cast<std::uint64_t>(state.range(0)));
  for (auto _ : state) {
    queue.add("busy.example", kNow);
    if (!queue.take()) {
      state.SkipWithError("nothing was ready");
      return;
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(pass_through)->ArgName("waiting")->Arg(0)->Arg(1'000'000)->Arg(10'000'000);

void insert(benchmark::State& state) {
  for (auto _ : state) {
    Deep queue(static_cast<std::uint64_t>(state.range(0)));
    benchmark::DoNotOptimize(queue.count);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(insert)
    ->ArgName("waiting")
    ->Arg(1'000'000)
    ->Arg(10'000'000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

/// All that wait are due, for one site: picked and removed until none is left.
void pop(benchmark::State& state) {
  const auto waiting = static_cast<std::uint64_t>(state.range(0));
  for (auto _ : state) {
    state.PauseTiming();
    Deep queue(0);
    for (std::uint64_t i = 0; i < waiting; ++i) queue.add("busy.example", kNow);
    std::uint64_t taken = 0;
    state.ResumeTiming();
    while (queue.take()) ++taken;
    if (taken != waiting) state.SkipWithError("somebody was left");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(pop)
    ->ArgName("waiting")
    ->Arg(1'000'000)
    ->Arg(10'000'000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

/// All of them become due, a simulated second at a time.
void become_due(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    Deep queue(static_cast<std::uint64_t>(state.range(0)));
    std::vector<queue::Alarm> alarms;
    state.ResumeTiming();
    for (base::Time now = kNow; now < kNow + hours(5); now += std::chrono::seconds(1))
      queue.scheduler.advance(now, alarms);
    benchmark::DoNotOptimize(alarms.size());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(become_due)
    ->ArgName("waiting")
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(2);

}  // namespace

BENCHMARK_MAIN();
