// Invariants:
// - At most one asio operation is outstanding, and it alone owns the waiter's completion: when
//   the loop is destroyed, operation, completion, coroutine and stream go in that order and
//   nothing keeps itself alive.
// - The stash holds what the last wait for reading has read; it is empty while one waits.
// - The timer fires at timer_at_ or not at all; timer_at_ is not later than the deadline of the
//   wait that runs.
#include "ekiden/net/tcp_stream.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <cstring>

#include "ekiden/base/assert.hpp"
#include "ekiden/net/native_address.hpp"
#include "ekiden/net/socket_error.hpp"

namespace ekiden::net {
namespace {

namespace asio = boost::asio;
using Socket = asio::basic_stream_socket<asio::ip::tcp, base::IoExecutor>;

// Takes a group of commands or replies whole. What is longer costs one more recv, into the
// caller's buffer; 10,000 idle connections hold 5 MB of these.
constexpr std::size_t kStashOctets = 512;

// Pieces handed to one sendmsg; the rest goes with the next call.
constexpr std::size_t kPiecesPerCall = 16;

base::Task<Result<void>> ready(Result<void> result) {
  co_return result;
}

}  // namespace

struct TcpStream::State : std::enable_shared_from_this<State> {
  using Waiter = base::Completion<Result<void>>;

  State(base::Worker& worker, Endpoint local, Endpoint remote)
      : clock_(worker.clock), socket_(worker.io), local_(local), remote_(remote) {}

  void begin_wait(Direction direction, base::Steady deadline, Waiter waiter) {
    is_waiting_ = true;
    is_timed_out_ = false;
    deadline_ = deadline;
    arm();
    if (direction == Direction::Read) {
      // Reading a few octets instead of waiting for readiness: asio's async_wait re-arms epoll
      // with a system call each time, async_read_some does not.
      socket_.async_read_some(asio::buffer(stash_),
                              [self = shared_from_this(), waiter = std::move(waiter)](
                                  const Error& error, std::size_t octets) mutable {
                                self->stash_begin_ = 0;
                                self->stash_end_ = octets;
                                self->is_stash_full_ = octets == kStashOctets;
                                if (error == asio::error::eof) {
                                  self->read_error_ = Errc::EndOfStream;
                                } else if (error && error != asio::error::operation_aborted) {
                                  self->read_error_ = error_of_errno(error.value());
                                }
                                self->end_wait(error, std::move(waiter));
                              });
    } else {
      socket_.async_wait(
          asio::socket_base::wait_write,
          [self = shared_from_this(), waiter = std::move(waiter)](const Error& error) mutable {
            self->end_wait(error, std::move(waiter));
          });
    }
  }

  void end_wait(const Error& error, Waiter waiter) {
    is_waiting_ = false;
    Result<void> result;
    if (is_closed_) {
      result = Errc::Closed;
    } else if (is_timed_out_ && error == asio::error::operation_aborted) {
      result = Errc::TimedOut;
    }
    waiter(result);
  }

  void arm() {
    // A timer set for an earlier wait fires in time for this one and then looks again.
    if (timer_at_ <= deadline_) return;
    clock_.cancel(timer_);
    timer_at_ = deadline_;
    timer_ = clock_.call_at(deadline_, [this] { look_at_deadline(); });
  }

  void look_at_deadline() {
    timer_ = base::TimerId::None;
    timer_at_ = base::kNever;
    if (!is_waiting_) return;
    if (clock_.steady() < deadline_) {
      arm();
      return;
    }
    is_timed_out_ = true;
    Error ignored;
    socket_.cancel(ignored);
  }

  void close() {
    if (std::exchange(is_closed_, true)) return;
    clock_.cancel(timer_);
    timer_ = base::TimerId::None;
    Error ignored;
    socket_.close(ignored);
  }

  Result<std::size_t> try_read(std::span<char> into) {
    if (is_closed_) return Errc::Closed;
    EKIDEN_ASSERT(!is_waiting_ && !into.empty(), "one reader, and room for what it reads");
    const std::size_t stashed = std::min(into.size(), stash_end_ - stash_begin_);
    if (stashed > 0) {
      std::memcpy(into.data(), stash_.data() + stash_begin_, stashed);
      stash_begin_ += stashed;
      if (stashed == into.size() || !is_stash_full_) return stashed;
    }
    is_stash_full_ = false;
    if (!read_error_) {
      ssize_t octets;
      do {
        octets = ::recv(socket_.native_handle(), into.data() + stashed, into.size() - stashed,
                        MSG_DONTWAIT);
      } while (octets < 0 && errno == EINTR);
      if (octets > 0) return stashed + static_cast<std::size_t>(octets);
      if (octets == 0) {
        read_error_ = Errc::EndOfStream;
      } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        read_error_ = error_of_errno(errno);
      }
    }
    if (stashed > 0) return stashed;
    if (read_error_) return read_error_;
    return Errc::WouldBlock;
  }

  Result<std::size_t> try_write(std::span<const std::string_view> pieces) {
    if (is_closed_) return Errc::Closed;
    std::array<iovec, kPiecesPerCall> vectors;
    std::size_t count = 0;
    for (const std::string_view piece : pieces.first(std::min(pieces.size(), vectors.size()))) {
      if (!piece.empty()) vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
    }
    if (count == 0) return std::size_t{0};
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = count;
    ssize_t octets;
    do {
      octets = ::sendmsg(socket_.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (octets < 0 && errno == EINTR);
    if (octets < 0) return error_of_errno(errno);
    return static_cast<std::size_t>(octets);
  }

  base::Clock& clock_;
  Socket socket_;
  Endpoint local_;
  Endpoint remote_;

  base::TimerId timer_ = base::TimerId::None;
  base::Steady timer_at_ = base::kNever;
  base::Steady deadline_ = base::kNever;
  bool is_waiting_ = false;
  bool is_timed_out_ = false;
  bool is_closed_ = false;

  bool is_stash_full_ = false;  ///< The kernel may hold more behind it.
  std::size_t stash_begin_ = 0;
  std::size_t stash_end_ = 0;
  Error read_error_;  ///< What try_read says when the stash is empty; final.
  std::array<char, kStashOctets> stash_;
};

Result<std::unique_ptr<TcpStream>> TcpStream::adopt(base::Worker& worker, int descriptor,
                                                    Endpoint local, Endpoint remote) {
  auto state = std::make_shared<State>(worker, local, remote);
  Error error;
  state->socket_.assign(remote.address.is_v6() ? asio::ip::tcp::v6() : asio::ip::tcp::v4(),
                        descriptor, error);
  if (error) {
    ::close(descriptor);
    return error_of_errno(error.value());
  }
  return std::unique_ptr<TcpStream>(new TcpStream(std::move(state)));
}

TcpStream::TcpStream(std::shared_ptr<State> state) : state_(std::move(state)) {}

TcpStream::~TcpStream() {
  state_->close();
}

Result<std::size_t> TcpStream::try_read(std::span<char> into) {
  return state_->try_read(into);
}

Result<std::size_t> TcpStream::try_write(std::span<const std::string_view> pieces) {
  return state_->try_write(pieces);
}

base::Task<Result<void>> TcpStream::wait(Direction direction, base::Steady deadline) {
  State& state = *state_;
  EKIDEN_ASSERT(!state.is_waiting_, "one coroutine waits on a stream at a time");
  if (state.is_closed_) return ready(Errc::Closed);
  if (direction == Direction::Read && (state.stash_begin_ < state.stash_end_ || state.read_error_))
    return ready({});
  auto begin = [self = state_, direction, deadline](State::Waiter waiter) {
    self->begin_wait(direction, deadline, std::move(waiter));
  };
  return base::suspend<Result<void>>(std::move(begin));
}

void TcpStream::close() {
  state_->close();
}

void TcpStream::shutdown_write() {
  if (!state_->is_closed_) ::shutdown(state_->socket_.native_handle(), SHUT_WR);
}

bool TcpStream::is_open() const {
  return !state_->is_closed_;
}

const Endpoint& TcpStream::remote() const {
  return state_->remote_;
}

const Endpoint& TcpStream::local() const {
  return state_->local_;
}

Result<void> TcpStream::finish_connect() {
  int number = 0;
  socklen_t size = sizeof number;
  if (::getsockopt(state_->socket_.native_handle(), SOL_SOCKET, SO_ERROR, &number, &size) != 0) {
    return error_of_errno(errno);
  }
  // No local port is left towards that address: ours to mend, not the address's.
  if (number == EADDRNOTAVAIL) return Errc::OutOfResources;
  if (number != 0) return error_of_errno(number);
  state_->local_ = local_endpoint_of(state_->socket_.native_handle());
  return {};
}

}  // namespace ekiden::net
