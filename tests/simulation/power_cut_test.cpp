// Goal: nothing that was answered 250 is lost, whatever instant the power goes at.
// Method: run_scenario (scenario.hpp), one seed a test; `script/simulate --seed N --trace` replays
// one. What is broken on purpose must be found, or the oracle is blind.
#include <gtest/gtest.h>

#include "tests/simulation/scenario.hpp"

namespace ekiden::simulation {
namespace {

class PowerCut : public testing::TestWithParam<std::uint64_t> {};

TEST_P(PowerCut, EveryPromiseIsKept) {
  const Report report = run_scenario(GetParam());
  for (const std::string& finding : report.findings) ADD_FAILURE() << finding;
  RecordProperty("accepted", static_cast<int>(report.accepted));
}

INSTANTIATE_TEST_SUITE_P(Seeds, PowerCut, testing::Range<std::uint64_t>(1, 51));

TEST(Simulation, TheSameSeedGivesTheSameRun) {
  const Report first = run_scenario(7), second = run_scenario(7);
  EXPECT_EQ(first.simulated, second.simulated);
  EXPECT_EQ(first.messages, second.messages);
  EXPECT_EQ(first.accepted, second.accepted);
  EXPECT_EQ(first.crashes, second.crashes);
}

class Oracle : public testing::TestWithParam<FaultName> {};

TEST_P(Oracle, FindsWhatIsBrokenOnPurpose) {
  constexpr std::uint64_t kSeedsMax = 30;
  for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed)
    if (!run_scenario(seed, Trace::Off, GetParam().fault).findings.empty()) return;
  FAIL() << GetParam().what << ", and nothing was found in " << kSeedsMax << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Faults, Oracle, testing::ValuesIn(fault_names()),
                         [](const testing::TestParamInfo<FaultName>& info) {
                           return info.param.fault == Fault::DiskLies ? "DiskLies" : "PeerForgets";
                         });

}  // namespace
}  // namespace ekiden::simulation
