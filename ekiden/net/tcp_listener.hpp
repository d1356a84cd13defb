#pragma once

#include <memory>

#include "ekiden/base/function.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/net/network.hpp"

namespace ekiden::net {

/// Listens on the worker's event loop.
///
/// When descriptors or memory run out it stops taking connections for a tenth of a second, then
/// tries again; they wait in the kernel's backlog meanwhile. It may be destroyed inside
/// `accepted`.
class TcpListener final : public Listener {
 public:
  using Accepted = base::Function<void(std::unique_ptr<Stream>)>;

  /// Errors: AddressInUse, AddressUnavailable, PermissionDenied, Unreachable (no such address
  /// family), OutOfResources.
  static Result<std::unique_ptr<TcpListener>> open(base::Worker& worker, Endpoint on,
                                                   ListenOptions options, Accepted accepted);
  ~TcpListener() override;

  const Endpoint& local() const override;
  void pause() override;
  void resume() override;

 private:
  struct State;
  explicit TcpListener(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::net
