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

delivery::StartTls client_tls(TlsContexts& contexts) {
  return [&contexts](std::unique_ptr<net::Stream> stream, delivery::TlsRequest request,
                     base::Steady deadline, std::string& why) {
    // Each handshake by the context that is in force when it begins.
    const delivery::StartTls start = delivery::tls_starter(contexts.client.load());
    return start(std::move(stream), std::move(request), deadline, why);
  };
}

net::BeginTls verified_tls(TlsContexts& contexts) {
  return
      [start = client_tls(contexts)](std::unique_ptr<net::Stream> stream, std::string server_name,
                                     base::Steady deadline, std::string& why) {
        delivery::TlsRequest request;
        request.server_name = std::move(server_name);
        request.verify = true;
        return start(std::move(stream), std::move(request), deadline, why);
      };
}

}  // namespace ekiden::apps
