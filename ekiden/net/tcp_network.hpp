#pragma once

#include "ekiden/base/worker.hpp"
#include "ekiden/net/network.hpp"

namespace ekiden::net {

/// TCP on one worker's event loop. Outlives the coroutines that connect through it.
class TcpNetwork final : public Network {
 public:
  explicit TcpNetwork(base::Worker& worker) : worker_(worker) {}

  /// Errors: TimedOut, Refused, Reset, Unreachable, AddressUnavailable (the source is not ours),
  /// PermissionDenied, OutOfResources.
  base::Task<Result<std::unique_ptr<Stream>>> connect(Endpoint to, ConnectOptions options,
                                                      base::Steady deadline) override;

  Result<std::unique_ptr<Listener>> listen(
      Endpoint on, ListenOptions options,
      base::Function<void(std::unique_ptr<Stream>)> accepted) override;

 private:
  base::Worker& worker_;
};

}  // namespace ekiden::net
