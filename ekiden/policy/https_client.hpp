#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/net/network.hpp"
#include "ekiden/net/stream.hpp"

namespace ekiden::policy {

/// Begins TLS as a client on a connected stream, and verifies chain and name. A failure is worded
/// in the last argument.
using Secure = std::function<base::Task<Result<std::unique_ptr<net::Stream>>>(
    std::unique_ptr<net::Stream>, std::string server_name, base::Steady, std::string&)>;

struct HttpsRequest {
  std::string host;  ///< also verified
  std::uint16_t port = 443;
  std::string path;                    ///< "/.well-known/…"
  std::vector<net::Endpoint> servers;  ///< tried in this order
  std::size_t body_octets_max = 64 * 1024;
  base::Steady deadline{};  ///< for everything together
};

struct HttpsReply {
  bool is_whole = false;  ///< otherwise `problem` says why not
  unsigned status = 0;
  std::string content_type;  ///< without its parameters, lower case
  std::string body;
  std::string problem;
};

/// Fetches with GET; follows no redirect, keeps no connection and no session. `cancel` breaks it
/// off. Everything that a server may send is bounded.
base::Task<HttpsReply> fetch_https(net::Network& network, Secure secure, HttpsRequest request,
                                   std::shared_ptr<net::Cancellation> cancel);

/// Reads one whole reply, for tests and fuzzing: `is_end` when the server has closed.
/// True when nothing more is needed; `reply` then says whether it is any good.
class HttpsReplyReader {
 public:
  explicit HttpsReplyReader(std::size_t body_octets_max);
  ~HttpsReplyReader();
  bool feed(std::string_view octets);
  HttpsReply finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ekiden::policy
