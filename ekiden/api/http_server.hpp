#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ekiden/base/task_group.hpp"
#include "ekiden/base/worker.hpp"
#include "ekiden/net/address_block.hpp"
#include "ekiden/net/network.hpp"

namespace ekiden::api {

struct HttpRequest {
  std::string method;  ///< "GET"
  std::string path;    ///< percent-encoded as received, without the query
  std::string query;   ///< without the "?"
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string body;
  net::Endpoint remote;
  net::Address client;  ///< who asks: the remote one, or whom a trusted proxy names

  /// Empty when it is absent.
  std::string_view header(std::string_view lower_case_name) const;
};

/// The body of an answer that goes on: what is written goes out at once, until the coroutine ends;
/// then the connection does too.
///
/// Sharing: the server's worker, within the coroutine that it was given to.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  /// False: the client has gone, or did not take it in `patience`, or the server stops.
  virtual base::Task<bool> write(std::string octets, base::Duration patience) = 0;
  /// Lets the time pass. False at once when the client has gone or the server stops.
  virtual base::Task<bool> pause(base::Duration duration) = 0;
};
using HttpStreamer = std::function<base::Task<void>(HttpStream& stream)>;

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  HttpStreamer streamer = nullptr;  ///< in place of `body`, unless empty
};

/// Answers one request, on the server's worker.
using HttpHandler = std::function<base::Task<HttpResponse>(HttpRequest request)>;

/// A request whose header is whole and whose body is to come: an answer refuses it unread, and the
/// connection ends.
using HttpGate = std::function<std::optional<HttpResponse>(const HttpRequest& head)>;

/// Gives a refusal that the server makes by itself the form of the path's API: 408, 413, 503, or
/// 400 for a body that cannot be framed.
using HttpRefusal = std::function<HttpResponse(const HttpRequest& head, HttpResponse plain)>;

/// Counts octets of bodies that are being read against a budget of somebody else. Every success
/// of `reserve` is given back by `release`.
struct BodyBudget {
  std::function<bool(std::uint64_t octets)> reserve;
  std::function<void(std::uint64_t octets)> release;
};

/// In place of a method, takes every one; a route with the method itself comes first.
inline constexpr const char* kAnyMethod = "*";

/// Puts TLS around an accepted connection; an error closes it.
using Secure = std::function<base::Task<Result<std::unique_ptr<net::Stream>>>(
    std::unique_ptr<net::Stream> stream)>;

struct HttpOptions {
  std::size_t connections_max = 256;  ///< more get 503 and are closed
  std::uint32_t header_octets_max = 16 * 1024;
  std::uint64_t body_octets_max = 1024 * 1024;
  base::Duration header_max = std::chrono::seconds(10);  ///< from the first octet to the last
  base::Duration body_max = std::chrono::seconds(60);
  base::Duration idle_max = std::chrono::seconds(60);  ///< between requests
  base::Duration write_max = std::chrono::seconds(30);
  /// What a refused client still sends is read for so long, and so far.
  base::Duration linger_max = std::chrono::seconds(2);
  std::size_t linger_octets_max = 1024 * 1024;
  std::uint32_t requests_per_connection_max = 10'000;
  /// Whose X-Forwarded-For counts.
  std::vector<net::AddressBlock> trusted_proxies;
  /// Several workers listen on the same address.
  bool is_shared = false;
};

/// HTTP/1.1 on one worker: routes by method and path, keep-alive, everything bounded.
///
/// Bad requests are answered (400, 404, 405, 413, 431, 501, 505), with a problem in JSON (RFC
/// 9457), and, where the octets that follow mean nothing any more, the connection is closed. Octets
/// in, octets out: the transport is a net::Stream, so TLS and simulation need nothing of this
/// class.
///
/// Sharing: its worker only.
class HttpServer {
 public:
  HttpServer(base::Worker& worker, HttpOptions options = {});
  ~HttpServer();

  /// A path that ends in "/*" takes everything below it; the longest match wins. GET also serves
  /// HEAD. Before the first connection.
  void route(std::string method, std::string path, HttpHandler handler);
  void set_gate(HttpGate gate) { gate_ = std::move(gate); }
  void set_refusal(HttpRefusal refusal) { refusal_ = std::move(refusal); }
  void set_body_budget(BodyBudget budget) { budget_ = std::move(budget); }

  /// May be called for several addresses. Errors: of net::Network::listen.
  Result<net::Endpoint> listen(net::Network& network, const net::Endpoint& on,
                               Secure secure = nullptr);
  /// Serves one connection, from wherever it came.
  void serve(std::unique_ptr<net::Stream> stream);

  /// Takes no more connections and ends the open ones; `done` when the last has ended.
  void stop(base::Work done);

 private:
  class Reserved;
  class Stream;
  base::Task<void> run(std::unique_ptr<net::Stream> stream, Secure secure);
  base::Task<void> converse(net::Stream& stream);
  base::Task<HttpResponse> answer(HttpRequest request);
  base::Task<void> refuse(net::Stream& stream, HttpResponse refusal);

  base::Worker& worker_;
  HttpOptions options_;
  /// By path, then by method.
  std::map<std::string, std::map<std::string, HttpHandler>, std::less<>> routes_;
  base::TaskGroup tasks_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  HttpGate gate_;
  HttpRefusal refusal_;
  BodyBudget budget_;
  /// Every connection reads into it and eats it before it waits.
  std::vector<char> scratch_;
};

}  // namespace ekiden::api
