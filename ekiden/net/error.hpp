#pragma once

#include "ekiden/base/result.hpp"

namespace ekiden::net {

enum class Errc {
  /// Nothing to read, or no room to write, right now: wait() and try again.
  WouldBlock = 1,
  /// The deadline passed. Inbound answers 421 4.4.2; delivery tries the next address.
  TimedOut,
  /// The peer ended the stream; nothing more arrives.
  EndOfStream,
  /// The peer reset the connection, or the path to it broke.
  Reset,
  /// We closed it, usually to shut down.
  Closed,
  /// Nobody listens there.
  Refused,
  /// No route to the address, or its family is not available.
  Unreachable,
  /// The local address cannot be used as a source, or is taken by another listener.
  AddressInUse,
  AddressUnavailable,
  PermissionDenied,
  /// No descriptor or no memory left; accepting pauses for a moment.
  OutOfResources,
  /// The TLS handshake or a record failed; tls::Stream tells more.
  Tls,
  /// A PROXY header was due and what came is not one.
  BadProxyHeader,
  /// A proxy of ours cannot be reached or does not do what it is asked: the source rests.
  ProxyFailed,
  ProxyLoginRefused,
  /// A proxy of ours works, and did not connect to this destination: its rules, or no reason given.
  ProxyDenied,
  Other,
};

Error make_error_code(Errc value);

}  // namespace ekiden::net

template <>
struct boost::system::is_error_code_enum<ekiden::net::Errc> : std::true_type {};
