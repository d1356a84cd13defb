#pragma once

#include <memory>
#include <string>

#include "ekiden/net/stream.hpp"
#include "ekiden/tls/error.hpp"
#include "ekiden/tls/openssl.hpp"
#include "ekiden/tls/session_cache.hpp"
#include "ekiden/tls/stream_bio.hpp"

namespace ekiden::tls {

/// TLS over another stream.
///
/// Nothing is buffered while it is idle: OpenSSL gives its record buffers back
/// (SSL_MODE_RELEASE_BUFFERS) and the BIO has none. Made by `connect` and `accept`.
///
/// After try_write said WouldBlock, the next try_write offers the same octets, or more that begin
/// with them: OpenSSL has sealed them into a record already. Whoever gives up on them closes.
class Stream final : public net::Stream {
 public:
  /// Errors: Setup.
  static Result<std::unique_ptr<Stream>> make(SSL_CTX* context, std::unique_ptr<net::Stream> inner);
  ~Stream() override;

  Result<std::size_t> try_read(std::span<char> into) override;
  Result<std::size_t> try_write(std::span<const std::string_view> pieces) override;
  base::Task<Result<void>> wait(net::Direction direction, base::Steady deadline) override;
  void close() override;
  void shutdown_write() override;
  bool is_open() const override { return inner_->is_open(); }
  const net::Endpoint& remote() const override { return inner_->remote(); }
  const net::Endpoint& local() const override { return inner_->local(); }
  const net::TlsInfo* tls() const override { return &info_; }
  std::optional<std::string> channel_binding(std::string_view type) const override;

  /// Shakes hands in the role that was set on `ssl()`. Errors: Errc::Handshake, NotVerified, and
  /// those of the stream below. `failure()` has the words.
  base::Task<Result<void>> shake_hands(base::Steady deadline);

  SSL* ssl() { return ssl_.get(); }
  net::TlsInfo& info() { return info_; }
  const std::string& failure() const { return failure_; }
  /// New sessions that the peer grants go there. The cache outlives the stream.
  void keep_sessions(std::shared_ptr<SessionCache> cache, std::string key);
  /// The callback that contexts with a cache set (SSL_CTX_sess_set_new_cb).
  static int take_session(SSL* ssl, SSL_SESSION* session);

 private:
  explicit Stream(std::unique_ptr<net::Stream> inner);
  Error error_after(int result);
  void send_close_notify();

  std::unique_ptr<net::Stream> inner_;
  BioTarget target_;
  SslPtr ssl_;
  net::TlsInfo info_;
  std::string failure_;
  Error final_error_;  ///< once set, every call gives it
  std::shared_ptr<SessionCache> cache_;
  std::string session_key_;
  std::size_t sealed_ = 0;      ///< octets offered that wait in OpenSSL's record buffer
  bool may_read_more_ = false;  ///< OpenSSL holds octets
  bool is_read_to_end_ = false;
  bool read_waits_to_write_ = false;  ///< TLS itself has to answer before more can be read
  bool write_waits_to_read_ = false;
  bool is_established_ = false;
};

}  // namespace ekiden::tls
