#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ekiden/base/time.hpp"
#include "tests/simulation/faults.hpp"

namespace ekiden::simulation {

enum class Trace : std::uint8_t { Off, On };

/// What one seed gave.
struct Report {
  std::vector<std::string> findings;  ///< promises that were broken, a sentence each
  base::Duration simulated{};
  std::size_t messages = 0;    ///< clients tried to hand over
  std::size_t accepted = 0;    ///< recipients of those that were answered 250
  std::size_t duplicates = 0;  ///< that are allowed
  unsigned crashes = 0;
  std::uint64_t steps = 0;
};

/// Once, before the first: the memory of segments, which come and go in thousands, is kept by the
/// process, and the relay logs errors alone.
void prepare_process();

/// Runs a whole relay on simulated ground from one seed: clients submit, the plagues that the seed
/// has drawn (conditions.hpp) come and go, the relay is killed, cut off, stopped and started
/// again on the same disk. In the end all is well for a while; then every promise is compared with
/// what the receivers got (oracle.hpp).
///
/// The same seed gives the same run. `Trace::On` prints each step to standard output.
Report run_scenario(std::uint64_t seed, Trace trace = Trace::Off, Fault fault = Fault::None);

}  // namespace ekiden::simulation
