#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/task.hpp"

namespace ekiden::smtp {

/// What the server says next in an AUTH exchange (RFC 4954 §4).
struct SaslStep {
  enum class Kind {
    Challenge,         ///< 334 with `data`
    Success,           ///< 235; `identity` is who it is
    Failure,           ///< 535 5.7.8, whatever the reason was
    TemporaryFailure,  ///< 454 4.7.0
  };
  Kind kind = Kind::Failure;
  std::string data;      ///< raw; the dialogue encodes it in base 64
  std::string identity;  ///< the credential's name, on Success
};

/// One AUTH exchange. After anything but a Challenge it is spent.
///
/// Sharing: one SMTP session owns it, and outlives every step.
class SaslSession {
 public:
  virtual ~SaslSession() = default;

  /// Whether the client speaks first. When the client sent no initial response, the dialogue then
  /// sends an empty challenge by itself ("334 ") and steps with the answer; for the other
  /// mechanisms (LOGIN) it steps with nothing. An initial response of "=" is an empty one, and
  /// steps at once (RFC 4954 §4).
  virtual bool is_client_first() const { return true; }

  /// Takes what the client sent, decoded. It may wait: for the verifier, or because somebody
  /// guesses. "*" is the dialogue's business: it drops the session and answers 501.
  virtual base::Task<SaslStep> step(std::string client_response) = 0;
};

/// What a mechanism may know of the connection.
struct SaslContext {
  bool is_tls = false;
  std::string client_address;      ///< text of the peer's address, or the one a PROXY header gave
  std::string certificate_sha256;  ///< lower-case hex of a client certificate that the TLS layer
                                   ///< verified against the listener's client_ca; else empty
  /// RFC 5929 and RFC 9266 channel bindings; may be empty.
  std::function<std::optional<std::string>(std::string_view type)> channel_binding;
};

/// Gives the mechanisms that a connection may use, and begins exchanges.
///
/// Sharing: one worker owns one.
class SaslServer {
 public:
  virtual ~SaslServer() = default;

  /// In the order of preference; empty: AUTH is not offered.
  virtual std::vector<std::string> mechanisms(const SaslContext& context) = 0;

  /// Null when `mechanism` (any case) is not one of `mechanisms(context)`: 504 5.5.4.
  virtual std::unique_ptr<SaslSession> begin(std::string_view mechanism,
                                             const SaslContext& context) = 0;
};

}  // namespace ekiden::smtp
