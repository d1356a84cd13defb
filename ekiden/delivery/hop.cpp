#include "ekiden/delivery/hop.hpp"

#include <utility>

#include "ekiden/net/error.hpp"
#include "ekiden/net/proxy_protocol.hpp"

namespace ekiden::delivery {

std::string Hop::text() const {
  return (kind == Kind::Socks5 ? "SOCKS5 proxy " : "HAProxy ") + net::format_endpoint(at);
}

bool is_hop_failure(const Error& error) {
  return error == net::Errc::ProxyFailed || error == net::Errc::ProxyLoginRefused;
}

base::Task<Result<std::unique_ptr<net::Stream>>> connect_by_hop(
    net::Network& network, std::shared_ptr<const Hop> hop, net::Endpoint to,
    std::optional<net::Address> source, std::shared_ptr<net::Cancellation> cancel,
    base::Steady deadline) {
  net::ConnectOptions options;
  options.cancel = cancel;
  Result<std::unique_ptr<net::Stream>> connected =
      co_await network.connect(hop->at, std::move(options), deadline);
  if (!connected) {
    if (connected.error() == net::Errc::Closed) co_return connected.error();
    co_return net::Errc::ProxyFailed;
  }
  std::unique_ptr<net::Stream> stream = std::move(*connected);
  const net::Cancellation::Wait wait(cancel, [waiting = stream.get()] { waiting->close(); });
  Result<void> opened;
  if (hop->kind == Hop::Kind::Socks5) {
    std::optional<net::Socks5Login> login = hop->login;
    opened = co_await net::open_socks5(*stream, to, std::move(login), deadline);
  } else {
    if (!source || source->is_v4() != to.address.is_v4()) co_return net::Errc::Unreachable;
    const std::string header = net::format_proxy_header({*source, 0}, to);
    opened = co_await net::write_all(*stream, header, deadline);
    if (!opened && opened.error() != net::Errc::Closed) opened = net::Errc::ProxyFailed;
  }
  if (!opened) co_return opened.error();
  co_return net::with_remote(std::move(stream), std::move(to));
}

}  // namespace ekiden::delivery
