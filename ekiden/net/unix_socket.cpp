#include "ekiden/net/unix_socket.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "ekiden/net/tcp_stream.hpp"

namespace ekiden::net {
namespace {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<Protocol, base::IoExecutor>;
using Socket = asio::basic_stream_socket<Protocol, base::IoExecutor>;

// Waiting after an accept that failed for want of descriptors.
constexpr base::Duration kAcceptPause = std::chrono::milliseconds(100);

Errc errc_of(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return Errc::AddressUnavailable;
    case ECONNREFUSED:
      return Errc::Refused;
    case EADDRINUSE:
      return Errc::AddressInUse;
    case EACCES:
    case EPERM:
      return Errc::PermissionDenied;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return Errc::OutOfResources;
    case EPIPE:
    case ECONNRESET:
      return Errc::Reset;
    default:
      return Errc::Other;
  }
}

/// A path as the kernel takes it; one that begins with '@' lies in the abstract namespace.
bool fill(sockaddr_un& to, socklen_t& length, std::string_view path) {
  to = {};
  to.sun_family = AF_UNIX;
  if (path.empty() || path.size() > kUnixPathOctetsMax) return false;
  std::memcpy(to.sun_path, path.data(), path.size());
  if (path.front() == '@') to.sun_path[0] = '\0';
  length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  return true;
}

class Listening final : public UnixListener {
 public:
  /// What an accept in flight refers to. Lives while one does.
  struct State : std::enable_shared_from_this<State> {
    State(base::Worker& worker, base::Function<void(std::unique_ptr<Stream>)> accepted)
        : worker_(worker), acceptor_(worker.io), accepted_(std::move(accepted)) {}

    void accept() {
      acceptor_.async_accept([self = shared_from_this()](const Error& error, Socket socket) {
        if (self->is_closed_) return;
        if (error) return self->pause();
        self->adopt(std::move(socket));
        if (!self->is_closed_) self->accept();
      });
    }

    void pause() {
      timer_ = worker_.clock.call_after(kAcceptPause, [this] {
        timer_ = base::TimerId::None;
        accept();
      });
    }

    void adopt(Socket socket) {
      Error error;
      socket.native_non_blocking(true, error);
      if (error) return;
      const int descriptor = socket.release(error);
      if (error) return;
      auto stream = TcpStream::adopt(worker_, descriptor, Endpoint{}, Endpoint{});
      if (stream) accepted_(std::move(*stream));
    }

    void close() {
      is_closed_ = true;
      worker_.clock.cancel(timer_);
      Error ignored;
      acceptor_.close(ignored);
    }

    base::Worker& worker_;
    Acceptor acceptor_;
    base::Function<void(std::unique_ptr<Stream>)> accepted_;
    base::TimerId timer_ = base::TimerId::None;
    bool is_closed_ = false;
  };

  Listening(std::shared_ptr<State> state, std::string path)
      : state_(std::move(state)), path_(std::move(path)) {}
  ~Listening() override {
    state_->close();
    ::unlink(path_.c_str());
  }
  const std::string& path() const override { return path_; }

 private:
  std::shared_ptr<State> state_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<UnixListener>> listen_unix(
    base::Worker& worker, const std::string& path,
    base::Function<void(std::unique_ptr<Stream>)> accepted) {
  sockaddr_un address;
  socklen_t length = 0;
  if (!fill(address, length, path)) return Errc::AddressUnavailable;
  if (UnixClient::connect(path)) return Errc::AddressInUse;

  auto state = std::make_shared<Listening::State>(worker, std::move(accepted));
  Error error;
  state->acceptor_.open(Protocol(), error);
  if (error) return errc_of(error.value());
  struct stat found;
  if (::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) ::unlink(path.c_str());
  const int descriptor = state->acceptor_.native_handle();
  if (::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    return errc_of(errno);
  }
  // Between bind and listen nobody can connect, so the mode holds from the first connection.
  if (::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0) {
    const Errc why = errc_of(errno);
    ::unlink(path.c_str());
    return why;
  }
  state->acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    ::unlink(path.c_str());
    return errc_of(error.value());
  }
  state->accept();
  return std::unique_ptr<UnixListener>(std::make_unique<Listening>(std::move(state), path));
}

Result<UnixClient> UnixClient::connect(const std::string& path) {
  sockaddr_un address;
  socklen_t length = 0;
  if (!fill(address, length, path)) return Errc::AddressUnavailable;
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return errc_of(errno);
  UnixClient client(descriptor);
  while (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    if (errno != EINTR) return errc_of(errno);
  }
  return client;
}

UnixClient::UnixClient(UnixClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      buffer_(std::move(other.buffer_)),
      taken_(other.taken_) {}

UnixClient& UnixClient::operator=(UnixClient&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(buffer_, other.buffer_);
  std::swap(taken_, other.taken_);
  return *this;
}

UnixClient::~UnixClient() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> UnixClient::send(std::string_view octets) {
  while (!octets.empty()) {
    const ssize_t sent = ::send(descriptor_, octets.data(), octets.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errc_of(errno);
    }
    octets.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<std::string> UnixClient::read_line(base::Duration patience, std::size_t octets_max) {
  std::size_t seen = taken_;
  for (;;) {
    const std::size_t end = buffer_.find('\n', seen);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(taken_, end - taken_);
      taken_ = end + 1;
      return line;
    }
    // What was taken goes when more is wanted: for each line it would be moved hundreds of times.
    buffer_.erase(0, std::exchange(taken_, 0));
    seen = buffer_.size();
    if (seen > octets_max) return Errc::Other;
    pollfd waiting{descriptor_, POLLIN, 0};
    const auto patience_ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
    const int ready = ::poll(&waiting, 1, static_cast<int>(patience_ms.count()));
    if (ready == 0) return Errc::TimedOut;
    if (ready < 0) {
      if (errno == EINTR) continue;
      return errc_of(errno);
    }
    char chunk[65536];
    const ssize_t octets = ::recv(descriptor_, chunk, sizeof chunk, 0);
    if (octets == 0) return Errc::EndOfStream;
    if (octets < 0) {
      if (errno == EINTR) continue;
      return errc_of(errno);
    }
    buffer_.append(chunk, static_cast<std::size_t>(octets));
  }
}

bool notify_service_manager(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address;
  socklen_t length = 0;
  if (path == nullptr || !fill(address, length, path)) return false;
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  std::string message(state);
  if (state.starts_with("RELOADING=1")) {
    // systemd 253 orders reloads by this; older ones ignore it.
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto us = static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
    message += "\nMONOTONIC_USEC=" + std::to_string(us);
  }
  const ssize_t sent = ::sendto(descriptor, message.data(), message.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&address), length);
  ::close(descriptor);
  return sent == static_cast<ssize_t>(message.size());
}

}  // namespace ekiden::net
