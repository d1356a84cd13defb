// Goal: the oracle is not blind.
// Method: each fault of faults.hpp, put in on purpose, is found within 200 seeds.
#include <gtest/gtest.h>

#include <cctype>

#include "tests/simulation/scenario.hpp"

namespace ekiden::simulation {
namespace {

constexpr std::uint64_t kSeedsMax = 200;

class Oracle : public testing::TestWithParam<FaultName> {};

TEST_P(Oracle, FindsWhatIsBrokenOnPurpose) {
  for (std::uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    const Report report = run_scenario(seed, Trace::Off, GetParam().fault);
    if (report.findings.empty()) continue;
    RecordProperty("seed", static_cast<int>(seed));
    return;
  }
  FAIL() << GetParam().what << ", and nothing was found in " << kSeedsMax << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Faults, Oracle, testing::ValuesIn(fault_names()),
                         [](const testing::TestParamInfo<FaultName>& info) {
                           std::string name;
                           bool is_start = true;
                           for (const char letter : info.param.name) {
                             if (letter != '-')
                               name += is_start ? static_cast<char>(std::toupper(letter)) : letter;
                             is_start = letter == '-';
                           }
                           return name;
                         });

}  // namespace
}  // namespace ekiden::simulation
