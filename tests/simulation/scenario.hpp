#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"

namespace ekiden::simulation {

/// Something broken on purpose, to show that the oracle sees it. With one of these a scenario is
/// expected to end with findings.
enum class Fault : std::uint8_t {
  None,
  DiskLies,     ///< a sync succeeds and makes nothing durable
  PeerForgets,  ///< the receiver answers 250 and loses one message in ten
};

struct FaultName {
  Fault fault;
  std::string_view name, what;
};
/// Every fault but None.
const std::vector<FaultName>& fault_names();

enum class Trace : std::uint8_t { Off, On };

/// What one seed gave.
struct Report {
  std::vector<std::string> findings;  ///< promises that were broken, a sentence each
  base::Duration simulated{};
  std::size_t messages = 0;  ///< clients tried to hand over
  std::size_t accepted = 0;  ///< recipients of those that were answered 250
  unsigned crashes = 0;
};

/// Runs a whole relay on simulated ground from one seed: clients submit, the power is cut or the
/// process killed at instants that the seed chooses, the disk refuses now and then, receivers
/// refuse, defer and hang up; the relay starts again on the same disk. After days of simulated
/// time every promise is compared with what the receivers got.
///
/// The same seed gives the same run. `Trace::On` prints each step to standard output.
Report run_scenario(std::uint64_t seed, Trace trace = Trace::Off, Fault fault = Fault::None);

}  // namespace ekiden::simulation
