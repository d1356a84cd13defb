#include "apps/tls_layers.hpp"

#include "ekiden/base/log.hpp"
#include "ekiden/delivery/tls_starter.hpp"
#include "ekiden/net/proxy_protocol.hpp"

namespace ekiden::apps {

base::Task<Result<std::unique_ptr<net::Stream>>> ServerTlsLayer::wrap(
    std::unique_ptr<net::Stream> stream, base::Steady deadline) {
  const std::shared_ptr<tls::ServerContext> context = contexts_.server.load();
  if (!context) co_return make_error_code(net::Errc::Tls);
  const std::string client = net::format_endpoint(stream->remote());
  std::string why;
  Result<std::unique_ptr<net::Stream>> wrapped =
      co_await tls::accept(*context, std::move(stream), deadline, &why);
  if (!wrapped) base::log::info("tls_handshake_failed", {{"client", client}, {"why", why}});
  co_return wrapped;
}

base::Task<Result<std::unique_ptr<net::Stream>>> ProxyLayer::wrap(
    std::unique_ptr<net::Stream> stream, base::Steady deadline) {
  const Result<net::Endpoint> announced = co_await net::read_proxy_header(*stream, deadline);
  if (!announced) co_return announced.error();
  co_return net::with_remote(std::move(stream), *announced);
}

namespace {

base::Task<Result<std::unique_ptr<net::Stream>>> connect_tls(
    std::shared_ptr<tls::ClientContext> context, std::unique_ptr<net::Stream> stream,
    delivery::TlsRequest request, base::Steady deadline, std::string& why) {
  tls::ClientOptions options = delivery::client_options(std::move(request));
  co_return co_await tls::connect(*context, std::move(stream), std::move(options), deadline, &why);
}

}  // namespace

delivery::StartTls client_tls(TlsContexts& contexts) {
  return [&contexts](std::unique_ptr<net::Stream> stream, delivery::TlsRequest request,
                     base::Steady deadline, std::string& why) {
    return connect_tls(contexts.client.load(), std::move(stream), std::move(request), deadline,
                       why);
  };
}

}  // namespace ekiden::apps
