#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/world.hpp"
#include "tests/simulation/wrappers.hpp"

namespace ekiden::simulation {

/// Counts the octets of messages that the relay keeps in memory, without asking the relay: it
/// stands at the spool's door, sees each body that goes in or out, and looks which of them still
/// live.
class Ledger {
 public:
  /// `excused` says how many octets may live now besides those that are to be counted. What has
  /// come in the last seconds is not counted: it is being stored, or read back for a report.
  Ledger(World& world, std::function<std::uint64_t()> excused)
      : world_(world), excused_(std::move(excused)) {}

  /// The wrapper that sees them. The ledger outlives it.
  Wrappers::Wrap<spool::Spool> wrap();

  void saw(const base::Octets& octets);
  /// The most that lived at once, beyond what was excused then, since the last call.
  std::uint64_t take_most();

 private:
  void count();

  struct Seen {
    std::weak_ptr<const std::string> octets;
    base::Steady when;
  };
  World& world_;
  std::function<std::uint64_t()> excused_;
  std::vector<Seen> seen_;
  std::uint64_t most_ = 0;
  std::uint64_t since_count_ = 0;
};

}  // namespace ekiden::simulation
