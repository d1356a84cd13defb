#include "ekiden/delivery/tls_starter.hpp"

#include <utility>

namespace ekiden::delivery {
namespace {

base::Task<Result<std::unique_ptr<net::Stream>>> start(std::shared_ptr<tls::ClientContext> context,
                                                       std::unique_ptr<net::Stream> stream,
                                                       TlsRequest request, base::Steady deadline,
                                                       std::string* why) {
  tls::ClientOptions options = client_options(std::move(request));
  co_return co_await tls::connect(*context, std::move(stream), std::move(options), deadline, why);
}

}  // namespace

tls::ClientOptions client_options(TlsRequest request) {
  tls::ClientOptions options;
  options.server_name = std::move(request.server_name);
  options.verify = request.verify;
  options.session_key = std::move(request.session_key);
  options.level =
      request.level == TlsLevel::Compatible ? tls::Level::Compatible : tls::Level::Modern;
  options.dane = std::move(request.dane);
  return options;
}

StartTls tls_starter(std::shared_ptr<tls::ClientContext> context) {
  return [context](std::unique_ptr<net::Stream> stream, TlsRequest request, base::Steady deadline,
                   std::string& why) {
    return start(context, std::move(stream), std::move(request), deadline, &why);
  };
}

}  // namespace ekiden::delivery
