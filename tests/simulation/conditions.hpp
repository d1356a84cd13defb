#pragma once

#include <cstdint>
#include <string>

#include "ekiden/account/limits.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/config/settings.hpp"
#include "tests/simulation/names.hpp"
#include "tests/simulation/network.hpp"
#include "tests/simulation/peers.hpp"

namespace ekiden::simulation {

/// What may happen in a scenario. Each seed draws a mix.
enum class Plague : std::uint8_t {
  BadNetwork,     ///< connections refused, lost, reset, broken off at any step, silent
  BadPeers,       ///< half replies, 421 in the middle, stalls, lost after the dot
  Storms,         ///< 4xx for everybody, for hours
  SlowPeers,      ///< seconds before each reply
  BadDns,         ///< SERVFAIL, time-outs, MX that change
  FullDisk,       ///< for minutes
  FailingDisk,    ///< single writes and syncs fail, or everything for a while
  LyingDisk,      ///< syncs make nothing durable for a while
  ClockJumps,     ///< of the wall clock, both ways
  Reloads,        ///< of other settings
  Operators,      ///< hold, release, retry, bounce, delete, reroute, suspend
  FailingEvents,  ///< the event store refuses for a while
  LargeMail,      ///< over 1 MiB, in files
  Surges,         ///< bulk mail before and among transactional
  BadClients,     ///< hang up at any step, dawdle, talk early
  Strangers,      ///< mail for our own domain, and attempts to relay
  TightMemory,
  TightLimits,
  Crashes,   ///< power cuts and kills
  DiskCuts,  ///< the power goes in the middle of a disk operation
  Ambushes,  ///< the power goes right after a 250
  CleanRestarts,
  Tls,         ///< listeners and some peers speak it; some only pretend
  Logins,      ///< submission with AUTH, of users that come and go
  Proxies,     ///< clients behind one that sends PROXY headers, good and bad
  OddMail,     ///< what the RFCs let a client write and few do, and what they forbid
  OddPeers,    ///< HELO only, nonsense for replies, refusals worded in every way
  Rot,         ///< a bit of the disk flips between two lives
  Rewriting,   ///< aliases, maps, headers, return paths of our own that come back
  Protection,  ///< DANE, MTA-STS, REQUIRETLS; hosts with somebody else's certificate
  Signing,     ///< DKIM, ARC, and mail that would not align is held
  Tenants,     ///< quotas and rates, suppressed addresses
  Hops,        ///< SOCKS5 and HAProxy before the sources
  Jobs,        ///< one content for many recipients
  Http,        ///< mail that does not come over SMTP
  Schedules,   ///< mail that is to leave later
};
inline constexpr unsigned kPlagues = static_cast<unsigned>(Plague::Schedules) + 1;
static_assert(kPlagues <= 64, "they are bits");

/// One seed's mix and what follows from it.
struct Conditions {
  explicit Conditions(base::Random& random);
  bool has(Plague plague) const { return (plagues & bit(plague)) != 0; }

  std::uint64_t plagues = 0;
  unsigned workers = 2;
  unsigned lives = 1;
  std::uint32_t segment_octets = 1 << 20;
  base::Duration post_delay_max{};
  std::size_t body_octets_max = 20'000;
  /// Mail leaves from two sources, and one provider limits both.
  bool is_paced = false;
  /// What the tenant may send.
  account::Limits tenant_limits;
  /// Who gets no mail of our clients.
  std::vector<std::string> suppressed;
  config::Settings settings;

  /// Settings for a reload, or for another start: as drawn at first with some things changed.
  config::Settings changed(base::Random& random) const;
  Weather weather(base::Random& random) const;
  Temper temper(base::Random& random) const;
  void trouble(base::Random& random, Names& names) const;
  /// For a trace.
  std::string text() const;

 private:
  static std::uint64_t bit(Plague plague) {
    return std::uint64_t{1} << static_cast<unsigned>(plague);
  }
  void draw_limits(base::Random& random, config::Settings& drawn) const;
  void draw_listeners(base::Random& random);
  void draw_sources(base::Random& random);
  void draw_rewriting(base::Random& random);
  void draw_tenant(base::Random& random);
  void draw_routes(base::Random& random, config::Settings& drawn) const;
};

/// True with that many chances in a thousand.
inline bool chance(base::Random& random, unsigned thousandths) {
  return random.below(1000) < thousandths;
}
/// From 0 up to and with `most`.
base::Duration up_to(base::Random& random, base::Duration most);
inline base::Duration between(base::Random& random, base::Duration least, base::Duration most) {
  return least + up_to(random, most - least);
}

}  // namespace ekiden::simulation
