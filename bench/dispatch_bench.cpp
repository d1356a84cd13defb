// What it costs to decide: 10,000 sites, 1,000 tenants, 1,000,000 recipients through the real
// dispatcher, with its scheduler, sources and limits, settlement and events, on a clock that stands
// still while anything is to be done. Peers answer at once and the disk keeps nothing, so what is
// left is ours. 3 GB of memory.
#include <benchmark/benchmark.h>

#include <ctime>

#include "ekiden/base/event_loop.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/shaping/providers.hpp"
#include "tests/support/dispatch_rig.hpp"
#include "tests/support/fake_clock.hpp"

namespace {

using namespace ekiden;

constexpr std::uint32_t kSites = 10'000, kTenants = 1000;
/// Messages of one tenant to one site.
constexpr std::uint32_t kAlike = 10;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

enum class Ground : std::uint8_t {
  Plain,    ///< no limits but our own
  Limits,   ///< each site by the default profile
  Sources,  ///< and a pool of four sources
};

/// All of them queued, then delivered.
void deliver(benchmark::State& state, Ground ground) {
  const auto recipients = static_cast<std::uint32_t>(state.range(0));
  double taking = 0, delivering = 0;
  for (auto _ : state) {
    base::EventLoop loop;
    test::FakeClock clock;
    base::SeededRandom random(1);
    base::Worker worker{0, loop.io().get_executor(), loop.executor(), clock, random};
    delivery::DispatcherOptions options;
    const shaping::LoadedProviders loaded = shaping::load_providers("");
    std::shared_ptr<const shaping::Profile> profile;
    if (ground != Ground::Plain) {
      options.providers = loaded.providers;
      profile = {loaded.providers, &loaded.providers->fallback()};
    }
    if (ground == Ground::Sources) {
      std::vector<delivery::SourceOptions> sources;
      delivery::PoolOptions pool{.name = "all"};
      for (const char* name : {"a", "b", "c", "d"}) {
        sources.push_back({.name = name, .ehlo_name = "relay.example"});
        pool.members.push_back({name, 1});
      }
      options.sources = std::make_shared<const delivery::SourceSet>(
          std::move(sources), std::vector<delivery::PoolOptions>{pool});
    }
    {
      test::DispatchRig rig({&worker}, options, [&](std::string_view) { return profile; }, {});
      const auto poll = [&loop] {
        while (loop.io().poll() > 0) {
        }
        loop.io().restart();
      };
      std::vector<std::shared_ptr<const message::Meta>> metas;
      for (std::uint32_t i = 0; i < recipients / kAlike; ++i)
        metas.push_back(test::DispatchRig::meta("d" + std::to_string(i % kSites) + ".example",
                                                "tenant" + std::to_string(random.below(kTenants)),
                                                "bulk", clock.now()));
      double began = cpu_seconds();
      for (std::uint32_t i = 0; i < recipients; ++i) rig.take(0, metas[i % metas.size()]);
      taking += cpu_seconds() - began;
      began = cpu_seconds();
      while (rig.queued() > 0) {
        poll();
        if (rig.queued() == 0) break;
        if (clock.next_timer() == base::Steady::max()) {
          state.SkipWithError("nothing happens any more");
          return;
        }
        clock.advance(clock.next_timer() - clock.steady());
      }
      delivering += cpu_seconds() - began;
      state.counters["connections"] = static_cast<double>(rig.connections);
      rig.drop();
      loop.stop();
      loop.drop();
    }
  }
  const double n = static_cast<double>(state.iterations()) * recipients;
  state.counters["take_us"] = taking * 1e6 / n;
  state.counters["deliver_us"] = delivering * 1e6 / n;
}
BENCHMARK_CAPTURE(deliver, plain, Ground::Plain)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);
BENCHMARK_CAPTURE(deliver, limits, Ground::Limits)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);
BENCHMARK_CAPTURE(deliver, sources, Ground::Sources)
    ->Arg(1'000'000)
    ->Unit(benchmark::kMillisecond)
    ->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
