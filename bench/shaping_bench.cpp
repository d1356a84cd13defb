// What a reply costs to classify, and a limit to ask.
#include <benchmark/benchmark.h>

#include <string>

#include "ekiden/shaping/providers.hpp"
#include "ekiden/shaping/window_limit.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::shaping;

const Providers& providers() {
  static const LoadedProviders kLoaded = load_providers("");
  return *kLoaded.providers;
}

void classify(benchmark::State& state, const char* text, Phase phase, const char* host) {
  const ReplyFacts facts = parse_reply_facts(text, phase);
  for (auto _ : state) {
    benchmark::DoNotOptimize(providers().classify(facts, host, "example.jp"));
  }
}

BENCHMARK_CAPTURE(classify, unknown,
                  "550 5.1.1 <a@example.jp>: Recipient address rejected: User unknown", Phase::Rcpt,
                  "mx.example.jp");
BENCHMARK_CAPTURE(classify, docomo, "550 Unknown user a@docomo.ne.jp", Phase::Eod,
                  "mfsmax.docomo.ne.jp");
BENCHMARK_CAPTURE(
    classify, yahoo,
    "421 4.7.0 [TSS04] Messages from 192.0.2.25 temporarily deferred due to unexpected "
    "volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
    Phase::Mail, "mta5.am0.yahoodns.net");
BENCHMARK_CAPTURE(classify, no_rule, "550 5.9.9 xyzzy", Phase::Rcpt, "mx.example.jp");

/// 4 KiB of words that rules look for, in a new order each time: the automaton knows none of it.
void classify_nonsense(benchmark::State& state) {
  constexpr const char* kWords[] = {"user ",    "mailbox ", "not ",     "message ",
                                    "exceeds ", "domain ",  "rejected", "address ",
                                    "spam-",    "sender ",  "has ",     "rate "};
  std::uint32_t random = 1;
  for (auto _ : state) {
    state.PauseTiming();
    std::string text = "550 ";
    while (text.size() < 4096) {
      random = random * 1664525 + 1013904223;
      text += kWords[(random >> 16) % std::size(kWords)];
    }
    const ReplyFacts facts = parse_reply_facts(text, Phase::Rcpt);
    state.ResumeTiming();
    benchmark::DoNotOptimize(providers().classify(facts, "aspmx.l.google.com", ""));
  }
}
BENCHMARK(classify_nonsense);

void load(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(load_providers(""));
}
BENCHMARK(load)->Unit(benchmark::kMillisecond);

void take_from_limit(benchmark::State& state) {
  WindowLimit limit(10'000, std::chrono::seconds(1));
  base::Steady now(std::chrono::hours(1));
  for (auto _ : state) {
    now = limit.next_free(now);
    limit.take(now);
  }
}
BENCHMARK(take_from_limit);

}  // namespace

BENCHMARK_MAIN();
