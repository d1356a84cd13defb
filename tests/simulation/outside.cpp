#include "tests/simulation/outside.hpp"

#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {

const std::vector<Place>& places() {
  static const std::vector<Place> kPlaces = {
      {"mx.one.example", kReceiver},
      {"mx.sender.example", kSenders},
      {"mx2.two.example", kOther},
      {"mx.two.example", endpoint("20.0.0.4")},
      {"mx.three.example", endpoint("20.0.0.5")},
      {"mx.home.example", endpoint("20.0.0.6")},
      {"mx.six.example", endpoint("20.0.0.8")},
      {"mx.six.example", endpoint("2600::8")},
  };
  return kPlaces;
}

void write_zones(test::FakeResolver& dns) {
  dns.mx("one.example", 10, "mx.one.example").a("mx.one.example", "20.0.0.1");
  dns.mx("alias.example", 10, "mx.one.example");
  dns.mx("two.example", 10, "mx.two.example").a("mx.two.example", "20.0.0.4");
  dns.mx("two.example", 20, "mx2.two.example").a("mx2.two.example", "20.0.0.3");
  dns.mx("six.example", 10, "mx.six.example").a("mx.six.example", "20.0.0.8");
  dns.aaaa("mx.six.example", "2600::8");
  dns.mx("sender.example", 10, "mx.sender.example").a("mx.sender.example", "20.0.0.2");
  dns.mx("dead.example", 10, "mx.dead.example").a("mx.dead.example", "20.0.0.66");
  dns.a("mx.three.example", "20.0.0.5");
  dns.null_mx("null.example");
  // Domains that lead nowhere, each in its own way.
  dns.mx("loop.example", 10, "relay.example").a("relay.example", "10.0.0.1");
  dns.mx("private.example", 10, "mx.private.example").a("mx.private.example", "192.168.0.1");
  dns.mx("bare.example", 10, "mx.bare.example");
}

Outside::Outside(World& world, SimulatedInternet& internet, Secrecy* secrecy,
                 std::map<std::string, Site>& sites)
    : worker(world, 0), clients(worker.worker()) {
  for (const Place& place : places())
    receivers.emplace_back(internet, worker.worker(), place.where, sites[place.name], secrecy);
}

}  // namespace ekiden::simulation
