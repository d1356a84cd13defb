#pragma once

#include <memory>

#include "ekiden/base/task.hpp"
#include "ekiden/net/stream.hpp"

namespace ekiden::inbound {

/// Puts something between us and a new connection: the TLS handshake as server, or the reading of
/// a PROXY header, after which `remote()` is the announced address.
///
/// Sharing: one per worker.
class Layer {
 public:
  virtual ~Layer() = default;
  /// Errors: those of net::Stream; the connection is closed then.
  virtual base::Task<Result<std::unique_ptr<net::Stream>>> wrap(std::unique_ptr<net::Stream> stream,
                                                                base::Steady deadline) = 0;
};

}  // namespace ekiden::inbound
