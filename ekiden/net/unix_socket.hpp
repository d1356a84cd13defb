#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/base/function.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/net/stream.hpp"

/// Unix sockets: the control socket's both ends, and the word to the service manager. Everything
/// of theirs that touches a descriptor is here.
namespace ekiden::net {

/// Octets of a Unix socket's path (sockaddr_un, less its final NUL).
inline constexpr std::size_t kUnixPathOctetsMax = 107;

/// Takes connections on a path until it is destroyed, which removes the path.
class UnixListener {
 public:
  virtual ~UnixListener() = default;
  virtual const std::string& path() const = 0;
};

/// Listens on `path`, which only our own user may open (mode 0600). What a dead process left
/// there is replaced; a live one keeps it.
///
/// `accepted` is called on `worker` for each connection; streams have no addresses.
/// Errors: AddressUnavailable (the path is too long, or its directory is missing), AddressInUse
/// (somebody answers there), PermissionDenied, OutOfResources, Other.
Result<std::unique_ptr<UnixListener>> listen_unix(
    base::Worker& worker, const std::string& path,
    base::Function<void(std::unique_ptr<Stream>)> accepted);

/// The other end, for a command: blocks, and belongs to no worker.
class UnixClient {
 public:
  /// Errors: AddressUnavailable (too long, or nothing is there), Refused (nobody listens),
  /// PermissionDenied, Other.
  static Result<UnixClient> connect(const std::string& path);
  UnixClient(UnixClient&& other) noexcept;
  UnixClient& operator=(UnixClient&& other) noexcept;
  ~UnixClient();

  /// Errors: Reset, Other.
  Result<void> send(std::string_view octets);
  /// The next line without its end. Errors: EndOfStream, TimedOut when nothing comes for
  /// `patience`, Reset, Other when a line is longer than `octets_max`.
  Result<std::string> read_line(base::Duration patience, std::size_t octets_max);

 private:
  explicit UnixClient(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
  std::string buffer_;
  std::size_t taken_ = 0;  ///< octets at its front that were given out
};

/// Tells the service manager about us, where one listens ($NOTIFY_SOCKET, sd_notify(3)): "READY=1",
/// "RELOADING=1", "STOPPING=1", "STATUS=…". False when none does.
bool notify_service_manager(std::string_view state);

}  // namespace ekiden::net
