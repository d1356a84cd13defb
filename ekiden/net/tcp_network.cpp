#include "ekiden/net/tcp_network.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "ekiden/net/native_address.hpp"
#include "ekiden/net/socket_error.hpp"
#include "ekiden/net/tcp_listener.hpp"
#include "ekiden/net/tcp_options.hpp"
#include "ekiden/net/tcp_stream.hpp"

namespace ekiden::net {
namespace {

constexpr int kKeepAliveIdleS = 120;
constexpr int kKeepAliveIntervalS = 30;
constexpr int kKeepAliveProbes = 5;

Result<int> begin_connect(const Endpoint& to, const ConnectOptions& options) {
  if (options.source && options.source->is_v4() != to.address.is_v4()) {
    return Errc::AddressUnavailable;
  }
  const int fd = ::socket(to.address.is_v6() ? AF_INET6 : AF_INET,
                          SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return error_of_errno(errno);
  set_stream_options(fd);

  int number = 0;
  if (options.source) {
    // The port is chosen at connect, where one port may serve many peers; without this a source
    // is limited to 28,000 connections in all (ip(7)).
    const int yes = 1;
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    const NativeAddress source = native_of({*options.source, 0});
    if (::bind(fd, source.data(), source.size) != 0) number = errno;
  }
  if (number == 0) {
    const NativeAddress native = native_of(to);
    if (::connect(fd, native.data(), native.size) == 0 || errno == EINPROGRESS) return fd;
    // Every port of the source is in use towards that address.
    number = errno == EADDRNOTAVAIL ? ENOBUFS : errno;
  }
  ::close(fd);
  return error_of_errno(number);
}

}  // namespace

void set_stream_options(int descriptor) {
  const auto set = [descriptor](int level, int name, int value) {
    ::setsockopt(descriptor, level, name, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdleS);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveIntervalS);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

base::Task<Result<std::unique_ptr<Stream>>> TcpNetwork::connect(Endpoint to, ConnectOptions options,
                                                                base::Steady deadline) {
  if (options.cancel && options.cancel->is_cancelled()) co_return Errc::Closed;
  const Result<int> fd = begin_connect(to, options);
  if (!fd) co_return fd.error();
  auto adopted = TcpStream::adopt(worker_, *fd, {}, to);
  if (!adopted) co_return adopted.error();
  std::unique_ptr<TcpStream> stream = std::move(*adopted);
  const Cancellation::Wait wait(options.cancel, [waiting = stream.get()] { waiting->close(); });
  const Result<void> ready = co_await stream->wait(Direction::Write, deadline);
  if (!ready) co_return ready.error();
  const Result<void> connected = stream->finish_connect();
  if (!connected) co_return connected.error();
  co_return std::unique_ptr<Stream>(std::move(stream));
}

Result<std::unique_ptr<Listener>> TcpNetwork::listen(
    Endpoint on, ListenOptions options, base::Function<void(std::unique_ptr<Stream>)> accepted) {
  auto listener = TcpListener::open(worker_, on, options, std::move(accepted));
  if (!listener) return listener.error();
  return std::unique_ptr<Listener>(std::move(*listener));
}

}  // namespace ekiden::net
