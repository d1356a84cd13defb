#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ekiden/net/network.hpp"
#include "ekiden/net/socks5.hpp"

namespace ekiden::delivery {

/// A proxy between a source and everybody else. The source's addresses are the proxy's: nothing is
/// bound here.
struct Hop {
  enum class Kind : std::uint8_t {
    Socks5,   ///< it is told the address to connect to
    HaProxy,  ///< it is told that and the address to leave from, by a PROXY header (version 2)
  };
  Kind kind = Kind::Socks5;
  net::Endpoint at;
  std::optional<net::Socks5Login> login;  ///< of SOCKS5

  /// "SOCKS5 proxy 192.0.2.1:1080".
  std::string text() const;
};

/// Connects to `to` through the hop; `remote()` of the stream is `to`.
///
/// With HAProxy `source` is the address it leaves from, of the same family. It never answers: a
/// peer that it cannot reach is one that ends the connection before its greeting.
/// Errors: ProxyFailed when the hop cannot be reached; those of net::open_socks5; Closed.
base::Task<Result<std::unique_ptr<net::Stream>>> connect_by_hop(
    net::Network& network, std::shared_ptr<const Hop> hop, net::Endpoint to,
    std::optional<net::Address> source, std::shared_ptr<net::Cancellation> cancel,
    base::Steady deadline);

/// Whether the error says that the hop itself is of no use, to whatever destination.
bool is_hop_failure(const Error& error);

}  // namespace ekiden::delivery
