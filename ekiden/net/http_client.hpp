#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ekiden/base/result.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/net/network.hpp"
#include "ekiden/net/stream.hpp"

namespace ekiden::net {

/// Begins TLS as a client on a connected stream, and verifies chain and name. A failure is worded
/// in the last argument.
using BeginTls = std::function<base::Task<Result<std::unique_ptr<Stream>>>(
    std::unique_ptr<Stream>, std::string server_name, base::Steady, std::string&)>;

struct HttpRequest {
  std::string method = "GET";
  bool is_secure = true;  ///< https
  std::string host;       ///< also verified
  std::uint16_t port = 443;
  std::string path;                                          ///< "/…", with its query
  std::vector<std::pair<std::string, std::string>> headers;  ///< besides Host and the length
  std::string body;
  std::vector<Endpoint> servers;  ///< tried in this order, four at most
  std::size_t body_octets_max = 64 * 1024;
  bool keep_open = false;   ///< asks the server to keep the connection
  base::Steady deadline{};  ///< for everything together
};

struct HttpReply {
  bool is_whole = false;  ///< otherwise `problem` says why not
  /// Status and fields are there; the body was past body_octets_max and is not.
  bool is_cut = false;
  bool may_stay_open = false;  ///< another request may follow on the same connection
  unsigned status = 0;
  std::string content_type;  ///< without its parameters, lower case
  std::string retry_after;   ///< as sent
  std::string body;
  std::string problem;
};

/// One request over a connection of its own; follows no redirect, keeps no connection and no
/// session. The next server is asked when one gives no whole reply. `cancel` breaks it off.
/// Everything that a server may send is bounded.
base::Task<HttpReply> fetch_http(Network& network, BeginTls secure, HttpRequest request,
                                 std::shared_ptr<Cancellation> cancel);

/// Sends requests to one server, over one connection as long as the server keeps it. The next
/// server is asked only when a connection cannot be made: a request that was sent may have done
/// what it asks for. One that a kept connection lost before any octet of a reply is sent again,
/// once, over a new one. A request without servers goes to those of the one before it.
///
/// Sharing: one worker, one request at a time. The network outlives it.
class HttpChannel {
 public:
  HttpChannel(Network& network, BeginTls secure) : network_(network), secure_(std::move(secure)) {}
  ~HttpChannel() { close(); }
  HttpChannel(const HttpChannel&) = delete;
  HttpChannel& operator=(const HttpChannel&) = delete;

  base::Task<HttpReply> exchange(HttpRequest request, std::shared_ptr<Cancellation> cancel);
  void close();
  bool is_open() const { return stream_ != nullptr; }

 private:
  Network& network_;
  BeginTls secure_;
  std::vector<Endpoint> servers_;  ///< of the request that opened it
  std::unique_ptr<Stream> stream_;
};

/// Reads one whole reply as its octets come.
class HttpReplyReader {
 public:
  explicit HttpReplyReader(std::size_t body_octets_max);
  ~HttpReplyReader();
  /// True when nothing more is needed.
  bool feed(std::string_view octets);
  /// The reply, or what is wrong with it, when nothing more comes.
  HttpReply finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ekiden::net
