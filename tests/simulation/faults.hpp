#pragma once

#include <cstdint>
#include <ostream>
#include <string_view>
#include <vector>

#include "tests/simulation/world.hpp"
#include "tests/simulation/wrappers.hpp"

namespace ekiden::simulation {

/// A mistake made on purpose, to show that the oracle sees it. Release code has no switch for any
/// of them: what stands between the relay and its ground misbehaves instead (wrappers.hpp).
enum class Fault : std::uint8_t {
  None,
  AckBeforeSync,
  AnswerLost,
  BodiesMixed,
  BulkFirst,
  CertificatesUnchecked,
  DiskLies,
  DoubleCompletion,
  DsnTwice,
  EventLost,
  ExpiryIgnored,
  JobChunkTwice,
  JobRowLost,
  LateTimer,
  LimitOffByOne,
  LostUpdate,
  MemoryKept,
  OperationSkips,
  PaceIgnored,
  PeerForgets,
  QuotaForgotten,
  RecoverySkips,
  RequireTlsUnheard,
  RetryWithoutState,
  SegmentComesBack,
  SidecarUnchecked,
  SuppressionIgnored,
  SyncFailureIgnored,
  WrongHost,
};

struct FaultName {
  Fault fault;
  std::string_view name, what;
};
/// GoogleTest's name for it: without one a failing test would show the addresses of its text.
inline void PrintTo(const FaultName& fault, std::ostream* out) {
  *out << fault.name;
}
/// Every fault but None.
const std::vector<FaultName>& fault_names();

/// What makes the relay behave as if it had the mistake. Empty for faults of the world: DiskLies,
/// PeerForgets, QuotaForgotten, SuppressionIgnored.
Wrappers wrappers_for(Fault fault, World& world);

}  // namespace ekiden::simulation
