#pragma once

#include <memory>

#include "ekiden/base/task_group.hpp"
#include "tests/simulation/network.hpp"

namespace ekiden::simulation {

/// A proxy that a source's connections go through: SOCKS5 (RFC 1928) or HAProxy's PROXY header.
/// What it has connected it takes no further part in.
class HopProxy {
 public:
  enum class Kind : std::uint8_t { Socks5, HaProxy };
  HopProxy(SimulatedInternet& internet, base::Worker& worker, net::Endpoint where, Kind kind);

  /// Of connections, in thousandths: refused, or broken off in the middle of the handshake.
  unsigned fails = 0;
  /// Who may use the SOCKS5 proxy; anybody where it does not ask.
  static constexpr const char* kUser = "relay";
  static constexpr const char* kPassword = "open sesame";
  bool asks_login = false;

 private:
  base::Task<void> serve(std::unique_ptr<net::Stream> stream);
  base::Task<void> serve_socks(std::unique_ptr<net::Stream> stream);
  base::Task<void> serve_proxy(std::unique_ptr<net::Stream> stream);
  bool happens() { return fails > 0 && internet_.world().random().below(1000) < fails; }

  SimulatedInternet& internet_;
  base::TaskGroup tasks_;
  SimulatedNetwork network_;
  std::unique_ptr<net::Listener> listener_;
  net::Endpoint where_;
  Kind kind_;
};

}  // namespace ekiden::simulation
