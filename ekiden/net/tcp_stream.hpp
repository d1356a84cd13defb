#pragma once

#include <memory>

#include "ekiden/base/worker.hpp"
#include "ekiden/net/stream.hpp"

namespace ekiden::net {

/// A TCP connection on the worker's event loop.
///
/// Idle it owns a few hundred octets and no timer of its own: one timer per stream is set when
/// the first wait begins and moved only when it fires before its time has come.
///
/// Destroying it while a coroutine waits closes it; the coroutine resumes with Errc::Closed and
/// must not touch the stream any more.
class TcpStream final : public Stream {
 public:
  /// Takes `descriptor`, a non-blocking socket, and closes it on failure.
  /// Errors: OutOfResources.
  static Result<std::unique_ptr<TcpStream>> adopt(base::Worker& worker, int descriptor,
                                                  Endpoint local, Endpoint remote);
  ~TcpStream() override;

  Result<std::size_t> try_read(std::span<char> into) override;
  Result<std::size_t> try_write(std::span<const std::string_view> pieces) override;
  base::Task<Result<void>> wait(Direction direction, base::Steady deadline) override;
  void close() override;
  void shutdown_write() override;
  bool is_open() const override;
  const Endpoint& remote() const override;
  const Endpoint& local() const override;

  /// After the first wait for writing of a socket that connects: how that ended. Learns `local`.
  Result<void> finish_connect();

 private:
  struct State;
  explicit TcpStream(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace ekiden::net
