// Invariants:
// - While open, not paused and not backing off, exactly one asio wait is outstanding.
// - The accepted callback runs only while the listener is open and not paused.
#include "ekiden/net/tcp_listener.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <utility>

#include "ekiden/base/log.hpp"
#include "ekiden/net/native_address.hpp"
#include "ekiden/net/socket_error.hpp"
#include "ekiden/net/tcp_options.hpp"
#include "ekiden/net/tcp_stream.hpp"

namespace ekiden::net {
namespace {

namespace asio = boost::asio;
using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, base::IoExecutor>;

// Connections taken in one turn of the loop; then the sessions that are open get theirs.
constexpr int kAcceptsPerTurn = 32;

// How long accepting rests when the system has nothing left to give.
constexpr base::Duration kBackOff = std::chrono::milliseconds(100);

Result<int> open_socket(const Endpoint& on, const ListenOptions& options) {
  const bool is_v6 = on.address.is_v6();
  const int fd =
      ::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return error_of_errno(errno);
  const int yes = 1;
  const NativeAddress native = native_of(on);
  bool is_fine = ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0;
  if (options.is_shared) {
    is_fine = is_fine && ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) == 0;
  }
  if (is_v6) {
    // "[::]:25" and "0.0.0.0:25" are two listeners, on every system alike.
    is_fine = is_fine && ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes) == 0;
  }
  // Accepted connections inherit these.
  set_stream_options(fd);
  is_fine =
      is_fine && ::bind(fd, native.data(), native.size) == 0 && ::listen(fd, options.backlog) == 0;
  if (is_fine) return fd;
  const int number = errno;
  ::close(fd);
  return error_of_errno(number);
}

}  // namespace

struct TcpListener::State : std::enable_shared_from_this<State> {
  State(base::Worker& worker, Accepted accepted)
      : worker_(worker), acceptor_(worker.io), accepted_(std::move(accepted)) {}

  void wait() {
    if (is_waiting_ || is_closed_ || is_paused_ || timer_ != base::TimerId::None) return;
    is_waiting_ = true;
    acceptor_.async_wait(asio::socket_base::wait_read,
                         [self = shared_from_this()](const Error& error) {
                           self->is_waiting_ = false;
                           if (!error) self->accept_waiting();
                           self->wait();
                         });
  }

  void accept_waiting() {
    for (int i = 0; i < kAcceptsPerTurn && !is_closed_ && !is_paused_; ++i) {
      NativeAddress peer;
      const int fd = ::accept4(acceptor_.native_handle(), peer.data(), &peer.size,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        const Error error = error_of_errno(errno);
        if (error == Errc::WouldBlock) return;
        // accept(2) passes on errors of the connection itself, which ended before it was taken.
        // The next one may be fine.
        if (error != Errc::OutOfResources && errno != EINVAL && errno != EBADF) continue;
        back_off(error);
        return;
      }
      const Endpoint local = local_.address.is_unspecified() ? local_endpoint_of(fd) : local_;
      auto stream = TcpStream::adopt(worker_, fd, local, endpoint_of(peer));
      if (!stream) {
        back_off(stream.error());
        return;
      }
      was_backing_off_ = false;
      accepted_(std::move(*stream));
    }
  }

  void back_off(const Error& error) {
    if (!std::exchange(was_backing_off_, true)) {
      base::log::warning("accept_paused",
                         {{"listener", format_endpoint(local_)}, {"reason", error.message()}});
    }
    timer_ = worker_.clock.call_after(kBackOff, [this] {
      timer_ = base::TimerId::None;
      wait();
    });
  }

  void pause() {
    if (std::exchange(is_paused_, true) || is_closed_) return;
    Error ignored;
    acceptor_.cancel(ignored);
  }

  void resume() {
    is_paused_ = false;
    wait();
  }

  void close() {
    is_closed_ = true;
    worker_.clock.cancel(timer_);
    Error ignored;
    acceptor_.close(ignored);
  }

  base::Worker& worker_;
  Acceptor acceptor_;
  Accepted accepted_;
  Endpoint local_;
  base::TimerId timer_ = base::TimerId::None;  ///< Set: backing off.
  bool is_waiting_ = false;
  bool is_paused_ = false;
  bool is_closed_ = false;
  bool was_backing_off_ = false;
};

Result<std::unique_ptr<TcpListener>> TcpListener::open(base::Worker& worker, Endpoint on,
                                                       ListenOptions options, Accepted accepted) {
  const Result<int> fd = open_socket(on, options);
  if (!fd) return fd.error();
  auto state = std::make_shared<State>(worker, std::move(accepted));
  Error error;
  state->acceptor_.assign(on.address.is_v6() ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), *fd,
                          error);
  if (error) {
    ::close(*fd);
    return error_of_errno(error.value());
  }
  state->local_ = local_endpoint_of(*fd);
  state->wait();
  return std::unique_ptr<TcpListener>(new TcpListener(std::move(state)));
}

TcpListener::TcpListener(std::shared_ptr<State> state) : state_(std::move(state)) {}

TcpListener::~TcpListener() {
  state_->close();
}

const Endpoint& TcpListener::local() const {
  return state_->local_;
}

void TcpListener::pause() {
  state_->pause();
}

void TcpListener::resume() {
  state_->resume();
}

}  // namespace ekiden::net
