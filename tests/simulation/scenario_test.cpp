// Goal: nothing that was answered 250 is lost, nothing else arrives, whatever happens meanwhile.
// Method: run_scenario (scenario.hpp), some seeds a test; `script/simulate --seed N --trace`
// replays one.
#include <gtest/gtest.h>

#include "tests/simulation/scenario.hpp"

namespace ekiden::simulation {
namespace {

constexpr std::uint64_t kSeedsATest = 20;

class Seeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Seeds, KeepEveryPromise) {
  for (std::uint64_t seed = GetParam(); seed < GetParam() + kSeedsATest; ++seed) {
    const Report report = run_scenario(seed);
    for (const std::string& finding : report.findings)
      ADD_FAILURE() << "seed " << seed << ": " << finding;
  }
}

INSTANTIATE_TEST_SUITE_P(From, Seeds, testing::Range<std::uint64_t>(1, 301, kSeedsATest));

TEST(Simulation, TheSameSeedGivesTheSameRun) {
  for (std::uint64_t seed = 1; seed < 10; ++seed) {
    const Report first = run_scenario(seed), second = run_scenario(seed);
    EXPECT_EQ(first.simulated, second.simulated);
    EXPECT_EQ(first.messages, second.messages);
    EXPECT_EQ(first.accepted, second.accepted);
    EXPECT_EQ(first.crashes, second.crashes);
    EXPECT_EQ(first.steps, second.steps);
  }
}

}  // namespace
}  // namespace ekiden::simulation
