#pragma once

#include <deque>
#include <map>
#include <string>

#include "ekiden/policy/mta_sts_book.hpp"
#include "tests/simulation/clients.hpp"
#include "tests/simulation/hops.hpp"
#include "tests/simulation/names.hpp"
#include "tests/simulation/peers.hpp"

namespace ekiden::simulation {

/// A host of the simulated internet that takes mail.
struct Place {
  const char* name;
  net::Endpoint where;
};
const std::vector<Place>& places();

/// Who is in one set of mail hosts, alone.
inline constexpr const char* kSingleSites[] = {"mx.one.example", "mx.sender.example"};
/// The place of mx.sender.example, where reports go.
inline constexpr std::size_t kSendersPlace = 1;

/// What the DNS says of them, and of domains whose mail goes nowhere.
void write_zones(test::FakeResolver& dns);
/// DNSSEC and TLSA records of some of them.
void protect_zones(test::FakeResolver& dns);
/// The policies of some of them, as they were fetched once.
void know_policies(policy::MtaStsBook& book, base::Time now, policy::MtaStsMode mode);

/// Everybody but the relay. A crash takes the world's connections with it, so each life of the
/// relay has an outside of its own.
struct Outside {
  Outside(World& world, SimulatedInternet& internet, Secrecy* secrecy,
          std::map<std::string, Site>& sites);
  SimulatedWorker worker;
  std::deque<Receiver> receivers;  ///< in the order of places()
  HopProxy socks, haproxy;
  base::TaskGroup clients;
};

}  // namespace ekiden::simulation
