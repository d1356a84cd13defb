#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/net/stream.hpp"

namespace ekiden::net {

/// What a proxy says of the connection that it passes on; nothing where it says nothing
/// (v1 UNKNOWN, v2 LOCAL, UNSPEC and UNIX): then the proxy's own connection counts.
struct ProxyHeader {
  std::optional<Endpoint> source;
  std::optional<Endpoint> destination;
};

/// Reads a PROXY header, version 1 or 2, from octets that come in pieces of any size
/// (haproxy.org, proxy-protocol.txt of 2020-03-05).
///
/// Limits: 107 octets in version 1 (§2.1), kV2OctetsMax in version 2. TLVs are skipped.
/// Errors:  BadProxyHeader, at the first octet that cannot be right; the reader is spent then.
class ProxyHeaderReader {
 public:
  /// The specification allows 64 KiB; real TLVs (ALPN, SSL, a CRC) take a few hundred octets.
  static constexpr std::size_t kV2OctetsMax = 4096;

  /// How many octets are certain to belong to the header still: who reads no more than that at a
  /// time never takes an octet of what follows. 0: the header is complete.
  std::size_t wanted() const { return wanted_; }

  /// Takes at most `wanted` octets.
  Result<void> feed(std::string_view octets);

  const ProxyHeader& header() const { return header_; }

 private:
  Result<void> look();
  Result<void> read_v1();
  Result<void> read_v2();

  static constexpr std::size_t kShortest = 15;  // "PROXY UNKNOWN\r\n"
  std::string octets_;
  std::size_t wanted_ = kShortest;
  ProxyHeader header_;
};

/// Reads the header that must come first on `stream`, and not an octet more. Gives the announced
/// client, or `stream.remote()` where the proxy announced none.
/// Errors: BadProxyHeader, TimedOut, EndOfStream, Reset, Closed.
base::Task<Result<Endpoint>> read_proxy_header(Stream& stream, base::Steady deadline);

/// The header of version 2 (§2.2) that asks a proxy to connect to `destination` from `source`'s
/// address. Both are of one family.
std::string format_proxy_header(const Endpoint& source, const Endpoint& destination);

/// The same stream, with the announced client as `remote()`.
std::unique_ptr<Stream> with_remote(std::unique_ptr<Stream> stream, Endpoint remote);

}  // namespace ekiden::net
