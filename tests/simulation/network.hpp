#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "ekiden/net/network.hpp"
#include "tests/simulation/world.hpp"

namespace ekiden::simulation {

/// How badly the simulated network behaves. Probabilities in thousandths.
struct Weather {
  base::Duration latency_max = std::chrono::milliseconds(20);
  unsigned connect_refused = 0;  ///< of connects
  unsigned connect_lost = 0;     ///< of connects: never answered
  unsigned reset = 0;            ///< of writes: the connection breaks instead
  unsigned split = 200;          ///< of writes: arrives in pieces
  /// Of connections: they end at one of their first writes, which arrives in part. How, the seed
  /// says: reset, closed, or silent for ever.
  unsigned broken = 0;
};

/// What the two ends of a connection share.
struct Pipe;

/// The simulated internet: who listens where, and streams between them. Every worker and every
/// simulated peer shares one.
class SimulatedInternet {
 public:
  explicit SimulatedInternet(World& world) : world_(world) {}
  World& world() { return world_; }
  Weather weather;
  /// An address of the relay's that its machine does not have now.
  std::optional<net::Address> missing;

  struct Place {
    std::vector<std::function<void(std::unique_ptr<net::Stream>)>*> accept;
    std::size_t next = 0;
  };
  std::map<net::Endpoint, Place> places;
  struct Count {
    unsigned now = 0, most = 0;
  };
  std::map<net::Endpoint, Count> open;

  /// A client outside the relay connects at once. Null when nobody listens.
  std::unique_ptr<net::Stream> dial(net::Endpoint from, net::Endpoint to);
  /// What a proxy does once it knows where to: whoever listens at `to` has the other end of the
  /// connection that `stream` was accepted with, as if `from` had dialled. False: nobody listens.
  bool hand_on(std::unique_ptr<net::Stream> stream, net::Endpoint from, net::Endpoint to);

  /// Connections to an endpoint that whoever opened them has not closed.
  unsigned open_to(const net::Endpoint& to) const;
  /// The most there were at once since the last call.
  unsigned take_most_open_to(const net::Endpoint& to);

  /// Destroys every coroutine that waits on a connection: part of the end of the world.
  void drop_waiting();

 private:
  World& world_;
  std::vector<std::weak_ptr<Pipe>> pipes_;
};

/// Calls `seen` once the other end has read all that was written to `stream` so far: what the
/// network knows and neither end can. Never called when it does not.
void when_read(net::Stream& stream, std::function<void()> seen);

/// Breaks the connection as a TCP reset does: at once, and both ends lose what they have not read.
void reset(net::Stream& stream);

/// One host's view: its outgoing connections come from `address`.
class SimulatedNetwork final : public net::Network {
 public:
  SimulatedNetwork(SimulatedInternet& internet, net::Address address)
      : internet_(internet), address_(std::move(address)) {}

  base::Task<Result<std::unique_ptr<net::Stream>>> connect(net::Endpoint to,
                                                           net::ConnectOptions options,
                                                           base::Steady deadline) override;
  Result<std::unique_ptr<net::Listener>> listen(
      net::Endpoint on, net::ListenOptions options,
      base::Function<void(std::unique_ptr<net::Stream>)> accepted) override;

 private:
  SimulatedInternet& internet_;
  net::Address address_;
  std::uint16_t next_port_ = 10000;
};

}  // namespace ekiden::simulation
