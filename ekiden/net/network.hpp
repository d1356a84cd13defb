#pragma once

#include <memory>
#include <optional>

#include "ekiden/base/function.hpp"
#include "ekiden/net/cancellation.hpp"
#include "ekiden/net/stream.hpp"

namespace ekiden::net {

struct ConnectOptions {
  std::optional<Address> source;         ///< local address to bind; any when absent
  std::shared_ptr<Cancellation> cancel;  ///< gives up with Errc::Closed; null: only the deadline
};

struct ListenOptions {
  /// Several workers listen on the same endpoint, the kernel spreads connections over them.
  bool is_shared = true;
  int backlog = 1024;
};

/// Open while it lives.
class Listener {
 public:
  virtual ~Listener() = default;
  /// With the port that the system chose, when 0 was asked for.
  virtual const Endpoint& local() const = 0;
  /// Stops and resumes taking connections: the back-pressure of an overloaded relay.
  virtual void pause() = 0;
  virtual void resume() = 0;
};

/// One worker's way to other hosts: TCP, or simulated.
class Network {
 public:
  virtual ~Network() = default;

  virtual base::Task<Result<std::unique_ptr<Stream>>> connect(Endpoint to, ConnectOptions options,
                                                              base::Steady deadline) = 0;

  /// Calls `accepted` on this worker for each connection.
  virtual Result<std::unique_ptr<Listener>> listen(
      Endpoint on, ListenOptions options,
      base::Function<void(std::unique_ptr<Stream>)> accepted) = 0;
};

}  // namespace ekiden::net
