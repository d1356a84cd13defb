#pragma once

#include "ekiden/base/result.hpp"

namespace ekiden::dns {

/// What can be wrong when a resolver is made; the log line before it says which setting. A
/// question never fails with an error: its answer is Status::Failed.
enum class Errc {
  /// `dns.forward` is empty in mode forward, or resolv.conf names no server in mode system.
  NoServer = 1,
  /// A stub zone is not a domain name, or has no server.
  BadStub,
  /// A trust anchor file cannot be read, or is not one.
  BadTrustAnchor,
  /// No memory, no descriptor or no thread for libunbound.
  OutOfResources,
};

Error make_error_code(Errc value);

}  // namespace ekiden::dns

template <>
struct boost::system::is_error_code_enum<ekiden::dns::Errc> : std::true_type {};
