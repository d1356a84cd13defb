#pragma once

#include "ekiden/dns/caching_resolver.hpp"
#include "tests/simulation/world.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::simulation {

/// The simulated DNS: one for all workers and all lives of a relay, so that what changes there
/// changes for everybody. Probabilities in thousandths of questions that reach it.
class Names {
 public:
  explicit Names(World& world) : world_(world), clock_(world), script(clock_) {}
  World& world() { return world_; }

  unsigned fails = 0;      ///< SERVFAIL
  unsigned times_out = 0;  ///< no answer until the resolver gives up
  base::Duration delay_max = std::chrono::milliseconds(30);

 private:
  World& world_;
  SimulatedClock clock_;

 public:
  test::FakeResolver script;
};

/// One worker's way to the DNS, without a cache: release code puts one in front.
class SimulatedResolver final : public dns::Resolver {
 public:
  SimulatedResolver(Names& names, base::Clock& clock) : names_(names), clock_(clock) {}
  void resolve(std::string name, dns::Type type, base::Completion<dns::Answer> done) override;

 private:
  Names& names_;
  base::Clock& clock_;
};

}  // namespace ekiden::simulation
