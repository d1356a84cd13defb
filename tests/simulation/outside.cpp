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
      {"mx2.two.example", endpoint("20.0.0.3", 465)},
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
  dns.mx("bogus.example", 10, "mx.one.example").fail("bogus.example", dns::Status::Bogus);
  dns.mx("lost.example", 10, "mx.lost.example").fail("mx.lost.example");
  dns.a("plain.example", "20.0.0.66");
  dns.mx("loop.example", 10, "relay.example").a("relay.example", "10.0.0.1");
  dns.mx("private.example", 10, "mx.private.example").a("mx.private.example", "192.168.0.1");
  dns.mx("bare.example", 10, "mx.bare.example");
  // Equals, and one of them twice.
  for (const char* host : {"mx.two.example", "mx2.two.example", "mx.three.example"})
    dns.mx("many.example", 10, host);
  dns.mx("many.example", 20, "mx.three.example");
  // RFC 5321 §5.1: nobody behind ourselves is asked.
  dns.mx("half.example", 5, "mx.dead.example").mx("half.example", 10, "relay.example");
  dns.mx("half.example", 20, "mx.one.example");
  // More hosts than anybody needs.
  for (int i = 0; i < 25; ++i)
    dns.mx("crowded.example", 10, "h" + std::to_string(i) + ".crowded.example");
  dns.record("malformed.example", dns::Type::MX, "x");
  dns.aaaa("v6.example", "2600::66");
  // No MX, and no answer to the questions behind it.
  dns.txt("mute.example", "here").fail("mute.example", dns::Status::Failed, dns::Type::A);
  dns.txt("mute6.example", "here").fail("mute6.example", dns::Status::Failed, dns::Type::AAAA);
  dns.mx("forged.example", 10, "mx.forged.example").a("mx.forged.example", "20.0.0.66");
  dns.fail("mx.forged.example", dns::Status::Bogus, dns::Type::AAAA);
  dns.mx("forged4.example", 10, "mx.forged4.example").aaaa("mx.forged4.example", "2600::66");
  dns.fail("mx.forged4.example", dns::Status::Bogus, dns::Type::A);
}

void protect_zones(test::FakeResolver& dns) {
  for (const char* name : {"one.example", "mx.one.example", "six.example", "mx.six.example",
                           "sender.example", "mx.sender.example", "home.example"})
    dns.secure(name);
  // RFC 7672: a record that fits, and one beside it that nobody can use.
  const std::string name = "_25._tcp.mx.six.example";
  dns.record(name, dns::Type::TLSA, dns::rdata_of_tlsa(Secrecy::tlsa())).secure(name);
  dns::Tlsa odd;
  odd.usage = 1;
  odd.data = "nobody's";
  dns.record(name, dns::Type::TLSA, dns::rdata_of_tlsa(odd));
  const std::string unusable = "_25._tcp.mx.sender.example";
  dns.record(unusable, dns::Type::TLSA, dns::rdata_of_tlsa(odd)).secure(unusable);
  // It announces a policy, and its server never answers.
  dns.txt("_mta-sts.alias.example", "v=STSv1; id=1");
}

void know_policies(policy::MtaStsBook& book, base::Time now, policy::MtaStsMode mode) {
  policy::MtaStsEntry entry;
  entry.id = "1";
  entry.policy = {mode, {"mx.two.example", "*.two.example"}, std::chrono::hours(24 * 300)};
  entry.fetched = entry.used = now;
  book.put("two.example", entry);
}

Outside::Outside(World& world, SimulatedInternet& internet, Secrecy* secrecy,
                 std::map<std::string, Site>& sites)
    : worker(world, 0),
      socks(internet, worker.worker(), kSocks, HopProxy::Kind::Socks5),
      haproxy(internet, worker.worker(), kHaProxy, HopProxy::Kind::HaProxy),
      clients(worker.worker()) {
  for (const Place& place : places())
    receivers.emplace_back(internet, worker.worker(), place.where, sites[place.name], secrecy);
}

}  // namespace ekiden::simulation
