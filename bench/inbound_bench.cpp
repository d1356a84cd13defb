// What the limits by address cost a message: a token bucket, found by address, under its lock.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "ekiden/inbound/client_limits.hpp"

namespace {

using namespace ekiden;

/// Arguments: addresses that take turns.
void token_bucket(benchmark::State& state) {
  inbound::Limits limits;
  limits.message_rate = {1'000'000, std::chrono::seconds(1)};
  std::vector<net::Address> addresses;
  for (std::int64_t i = 0; i < state.range(0); ++i)
    addresses.push_back(boost::asio::ip::make_address_v4(0x0A000000U + static_cast<unsigned>(i)));
  inbound::ClientLimits clients;
  base::Steady now{};
  std::size_t at = 0;
  for (auto _ : state) {
    now += std::chrono::microseconds(1);
    benchmark::DoNotOptimize(clients.message(addresses[at], limits, now));
    if (++at == addresses.size()) at = 0;
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(token_bucket)->ArgName("addresses")->Arg(1)->Arg(10'000);

}  // namespace

BENCHMARK_MAIN();
