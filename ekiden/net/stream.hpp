#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ekiden/base/result.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/time.hpp"
#include "ekiden/net/endpoint.hpp"
#include "ekiden/net/error.hpp"

namespace ekiden::net {

/// What is known of the TLS layer of a stream.
struct TlsInfo {
  std::string version;  ///< "TLSv1.3"
  std::string cipher;   ///< "TLS_AES_256_GCM_SHA384"
  std::string server_name;
  bool is_resumed = false;
  bool is_verified = false;             ///< the chain and the name, as the policy asked
  std::string verified_by;              ///< "authority", "dane", "dane-ta", "dane-ee"; or empty
  std::string verify_error;             ///< why not, in words; empty when verified or not asked
  std::string peer_certificate_sha256;  ///< lower-case hex of the leaf, or empty
  std::string peer_certificate_subject;
};

enum class Direction { Read, Write };

/// An ordered stream of octets with a peer: TCP, TLS over one, or simulated.
///
/// `try_read` and `try_write` never block; `wait` suspends until they may succeed. A session that
/// is idle therefore owns no buffer.
///
/// Sharing: one worker owns a stream, one coroutine waits on it at a time.
class Stream {
 public:
  virtual ~Stream() = default;

  /// Reads what is there, up to the size of `into`. Never zero octets.
  /// Errors: WouldBlock, EndOfStream, Reset, Closed, Tls.
  virtual Result<std::size_t> try_read(std::span<char> into) = 0;

  /// Writes a prefix of the concatenated `pieces`. Errors: WouldBlock, Reset, Closed, Tls.
  /// After WouldBlock the next call offers the same octets first (TLS has sealed them already), or
  /// the stream is closed.
  virtual Result<std::size_t> try_write(std::span<const std::string_view> pieces) = 0;

  /// Suspends until `direction` may make progress. Errors: TimedOut, Closed.
  virtual base::Task<Result<void>> wait(Direction direction, base::Steady deadline) = 0;

  /// Ends both directions now; a waiting coroutine resumes with Closed. Idempotent.
  virtual void close() = 0;

  /// Tells the peer that nothing more comes, politely where the layer can (TLS close_notify, FIN).
  virtual void shutdown_write() = 0;

  virtual bool is_open() const = 0;
  /// The peer, as the transport says; a PROXY header's address where one was taken.
  virtual const Endpoint& remote() const = 0;
  virtual const Endpoint& local() const = 0;
  /// Null in the clear.
  virtual const TlsInfo* tls() const { return nullptr; }
  /// Channel binding for SCRAM -PLUS (RFC 5929 tls-server-end-point, RFC 9266 tls-exporter), raw
  /// octets; nothing when the layer has none.
  virtual std::optional<std::string> channel_binding(std::string_view type) const {
    (void)type;
    return std::nullopt;
  }
};

/// Reads at least one octet.
base::Task<Result<std::size_t>> read_some(Stream& stream, std::span<char> into,
                                          base::Steady deadline);

/// Writes everything. `deadline` covers the whole write.
base::Task<Result<void>> write_all(Stream& stream, std::string_view octets, base::Steady deadline);

/// Writes everything of several pieces without joining them. The span's memory must live until
/// the end.
base::Task<Result<void>> write_all(Stream& stream, std::span<const std::string_view> pieces,
                                   base::Steady deadline);

}  // namespace ekiden::net
