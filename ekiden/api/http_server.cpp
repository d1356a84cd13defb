// The only translation unit that sees Boost.Beast.
//
// Invariants:
// - A connection holds one request and one response at a time, both bounded by the options; of an
//   answer that goes on (HttpStream) it holds what is being written.
// - After an error of the parser the connection is closed: where the next request begins is
//   unknown, and guessing would be request smuggling (RFC 9112 §11.2).
#include "ekiden/api/http_server.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <span>

#include "ekiden/base/text.hpp"

namespace ekiden::api {

namespace http = boost::beast::http;

namespace {

using Parser = http::request_parser<http::string_body>;

constexpr std::size_t kReadOctets = 64 * 1024;
/// The body budget is asked for so much at a time where no Content-Length tells.
constexpr std::uint64_t kReserveStep = 64 * 1024;

std::string view(boost::string_view text) {
  return std::string(text.data(), text.size());
}

/// RFC 9457: what is wrong, for programs as for people.
HttpResponse problem(unsigned status, std::string_view detail) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/problem+json";
  const auto title = http::obsolete_reason(static_cast<http::status>(status));
  response.body = boost::json::serialize(boost::json::object{{"type", "about:blank"},
                                                             {"title", view(title)},
                                                             {"status", status},
                                                             {"detail", detail}}) +
                  "\n";
  return response;
}

/// What to say about octets that are no request we take.
HttpResponse response_for(const boost::system::error_code& error) {
  if (error == http::error::header_limit) return problem(431, "the request header is too long");
  if (error == http::error::body_limit) return problem(413, "the request body is too long");
  if (error == http::error::bad_version) return problem(505, "only HTTP/1.0 and 1.1 are spoken");
  if (error == http::error::bad_transfer_encoding) return problem(501, "unknown transfer coding");
  return problem(400, "this is no HTTP request");
}

/// RFC 9112 §6.1, §6.3: a request whose last transfer coding is not "chunked", or that has one in
/// HTTP/1.0, ends nowhere that two readers agree upon.
bool is_endless(const Parser& parser) {
  const auto& message = parser.get();
  if (message.count(http::field::transfer_encoding) == 0) return false;
  return !parser.chunked() || message.version() < 11;
}

/// The client behind our proxies: the last address of X-Forwarded-For that is none of them.
net::Address client_of(const HttpRequest& request, const std::vector<net::AddressBlock>& proxies) {
  const auto is_proxy = [&](const net::Address& address) {
    for (const net::AddressBlock& block : proxies) {
      if (block.contains(address)) return true;
    }
    return false;
  };
  net::Address client = request.remote.address;
  if (proxies.empty() || !is_proxy(client)) return client;
  std::string_view chain = request.header("x-forwarded-for");
  while (!chain.empty()) {
    const std::size_t comma = chain.rfind(',');
    const std::size_t begin = comma == std::string_view::npos ? 0 : comma + 1;
    const auto address = net::parse_address(base::trimmed(chain.substr(begin)));
    if (!address) break;
    client = *address;
    if (!is_proxy(client) || comma == std::string_view::npos) break;
    chain = chain.substr(0, comma);
  }
  return client;
}

/// The header of a request; `take_body` adds what follows it.
HttpRequest request_of(const Parser& parser, const net::Endpoint& remote,
                       const std::vector<net::AddressBlock>& proxies) {
  const auto& message = parser.get();
  HttpRequest request;
  request.method = view(message.method_string());
  const std::string target = view(message.target());
  const std::size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string::npos) request.query = target.substr(mark + 1);
  for (const auto& field : message) {
    request.headers.emplace_back(
        base::lowered(std::string_view(field.name_string().data(), field.name_string().size())),
        view(field.value()));
  }
  request.remote = remote;
  request.client = client_of(request, proxies);
  return request;
}

std::string format_response(const HttpResponse& response, bool keeps_alive, bool is_head) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " + view(reason) + "\r\n";
  if (!response.content_type.empty()) text += "Content-Type: " + response.content_type + "\r\n";
  // A body that goes on ends with its connection (RFC 9112 §6.3).
  if (!response.streamer)
    text += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  // Nothing that is served here is for a browser to guess about or to keep.
  text += "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";
  for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
  text += keeps_alive ? "\r\n" : "Connection: close\r\n\r\n";
  if (!is_head) text += response.body;
  return text;
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

/// A request's share of the body budget, given back when it ends.
class HttpServer::Reserved {
 public:
  explicit Reserved(BodyBudget& budget) : budget_(budget) {}
  ~Reserved() {
    if (octets_ != 0) budget_.release(octets_);
  }
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;

  /// Holds so many in all; false when there is no room.
  bool hold(std::uint64_t octets) {
    if (!budget_.reserve || octets <= octets_) return true;
    const std::uint64_t more = std::max(octets - octets_, kReserveStep);
    if (!budget_.reserve(more)) return false;
    octets_ += more;
    return true;
  }

 private:
  BodyBudget& budget_;
  std::uint64_t octets_ = 0;
};

/// A connection that an answer without an end is written to.
class HttpServer::Stream final : public HttpStream {
 public:
  Stream(HttpServer& server, net::Stream& stream) : server_(server), stream_(stream) {}

  base::Task<bool> write(std::string octets, base::Duration patience) override {
    const base::Steady deadline = server_.worker_.clock.steady() + patience;
    const Result<void> written = co_await net::write_all(stream_, octets, deadline);
    co_return written.has_value() && !server_.tasks_.is_closed();
  }

  base::Task<bool> pause(base::Duration duration) override {
    const base::Steady deadline = server_.worker_.clock.steady() + duration;
    // A client has nothing to say here; that it leaves is heard as the end of what it says.
    while (!server_.tasks_.is_closed() && unread_ < server_.options_.linger_octets_max) {
      const std::span<char> into(server_.scratch_);
      const Result<std::size_t> octets = co_await net::read_some(stream_, into, deadline);
      if (!octets) co_return octets.error() == net::Errc::TimedOut && !server_.tasks_.is_closed();
      unread_ += *octets;
    }
    co_return false;
  }

 private:
  HttpServer& server_;
  net::Stream& stream_;
  std::size_t unread_ = 0;
};

HttpServer::HttpServer(base::Worker& worker, HttpOptions options)
    : worker_(worker), options_(std::move(options)), tasks_(worker), scratch_(kReadOctets) {}

HttpServer::~HttpServer() = default;

void HttpServer::route(std::string method, std::string path, HttpHandler handler) {
  routes_[std::move(path)][std::move(method)] = std::move(handler);
}

Result<net::Endpoint> HttpServer::listen(net::Network& network, const net::Endpoint& on,
                                         Secure secure) {
  net::ListenOptions options;
  options.is_shared = options_.is_shared;
  auto listener = network.listen(on, options, [this, secure](std::unique_ptr<net::Stream> stream) {
    tasks_.spawn(run(std::move(stream), secure));
  });
  if (!listener) return listener.error();
  const net::Endpoint local = (*listener)->local();
  listeners_.push_back(std::move(*listener));
  return local;
}

void HttpServer::serve(std::unique_ptr<net::Stream> stream) {
  tasks_.spawn(run(std::move(stream), nullptr));
}

void HttpServer::stop(base::Work done) {
  listeners_.clear();
  tasks_.close();
  tasks_.when_empty(std::move(done));
}

base::Task<void> HttpServer::run(std::unique_ptr<net::Stream> stream, Secure secure) {
  if (tasks_.size() > options_.connections_max) {
    const HttpResponse busy = problem(503, "too many connections are open");
    const std::string text = format_response(busy, false, false);
    const std::string_view piece = text;
    // One try, no waiting: in the clear it is heard, under TLS the connection just ends.
    if (!secure) (void)stream->try_write(std::span(&piece, 1));
    co_return;
  }
  if (secure) {
    Result<std::unique_ptr<net::Stream>> secured = co_await secure(std::move(stream));
    if (!secured) co_return;
    stream = std::move(*secured);
  }
  const auto stop = tasks_.on_stop([&stream] { stream->close(); });
  co_await converse(*stream);
}

base::Task<void> HttpServer::converse(net::Stream& stream) {
  std::string input;  // octets past the request before: pipelined ones
  for (std::uint32_t count = 0; count < options_.requests_per_connection_max; ++count) {
    std::optional<Parser> parser(std::in_place);
    parser->header_limit(options_.header_octets_max);
    parser->body_limit(options_.body_octets_max);
    parser->eager(true);
    boost::system::error_code error;
    base::Steady deadline = worker_.clock.steady() + options_.idle_max;
    bool is_started = false, is_in_body = false, is_continue_due = true, is_too_full = false;
    Reserved reserved(budget_);
    // Where the path is known, its API says how a refusal is told.
    const auto formed = [&](HttpResponse plain) {
      // Of a body that is announced as too long Beast has read the header, too.
      const bool is_known = parser->is_header_done() || error == http::error::body_limit;
      if (!refusal_ || !is_known) return plain;
      const HttpRequest head = request_of(*parser, stream.remote(), options_.trusted_proxies);
      return refusal_(head, std::move(plain));
    };
    while (!parser->is_done()) {
      if (!input.empty()) {
        if (!is_started) deadline = worker_.clock.steady() + options_.header_max;
        is_started = true;
        if (is_in_body && !reserved.hold(parser->get().body().size() + input.size()))
          is_too_full = true;
        const std::size_t used =
            parser->put(boost::asio::const_buffer(input.data(), input.size()), error);
        input.erase(0, used);
        if (error == http::error::need_more) error = {};
        // The parser judges the header only as a whole, so an endless one is bounded here.
        if (!error && !parser->is_header_done() && input.size() > options_.header_octets_max) {
          error = http::error::header_limit;
        }
        if (!error && !is_in_body && parser->is_header_done() && is_endless(*parser))
          error = http::error::bad_transfer_encoding;
        if (error) {
          HttpResponse refusal = formed(response_for(error));
          co_await refuse(stream, std::move(refusal));
          co_return;
        }
        if (parser->is_done() && !is_too_full) break;
        if (parser->is_header_done() && !is_in_body) {
          is_in_body = true;
          deadline = worker_.clock.steady() + options_.body_max;
          if (gate_) {
            const HttpRequest head = request_of(*parser, stream.remote(), options_.trusted_proxies);
            std::optional<HttpResponse> refusal = gate_(head);
            if (refusal) {
              co_await refuse(stream, std::move(*refusal));
              co_return;
            }
          }
          if (!reserved.hold(parser->content_length().value_or(0))) is_too_full = true;
        }
        if (is_too_full) {
          HttpResponse refusal = problem(503, "too many large requests are under way");
          refusal.headers.emplace_back("Retry-After", "5");
          refusal = formed(std::move(refusal));
          co_await refuse(stream, std::move(refusal));
          co_return;
        }
        // RFC 9110 §10.1.1: a client may wait for leave before it sends its body.
        if (is_in_body && is_continue_due) {
          is_continue_due = false;
          const auto expect = parser->get()[http::field::expect];
          if (base::equals_ignoring_case(std::string_view(expect.data(), expect.size()),
                                         "100-continue")) {
            static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
            const Result<void> written = co_await net::write_all(
                stream, kContinue, worker_.clock.steady() + options_.write_max);
            if (!written) co_return;
          }
        }
        if (used > 0 && !input.empty()) continue;
      }
      // The scratch is everybody's: what came is copied out before anything else runs.
      const std::span<char> into(scratch_);
      const Result<std::size_t> octets = co_await net::read_some(stream, into, deadline);
      if (!octets) {
        if (octets.error() == net::Errc::TimedOut && is_started) {
          HttpResponse late = formed(problem(408, "the request took too long"));
          co_await refuse(stream, std::move(late));
        }
        co_return;
      }
      input.append(scratch_.data(), *octets);
    }
    bool keeps_alive = parser->get().keep_alive() && !tasks_.is_closed() &&
                       count + 1 < options_.requests_per_connection_max;
    HttpRequest request = request_of(*parser, stream.remote(), options_.trusted_proxies);
    request.body = std::move(parser->get().body());
    parser.reset();
    const bool is_head = request.method == "HEAD";
    const HttpResponse response = co_await answer(std::move(request));
    if (response.streamer) keeps_alive = false;
    const std::string text = format_response(response, keeps_alive, is_head);
    const Result<void> written =
        co_await net::write_all(stream, text, worker_.clock.steady() + options_.write_max);
    if (!written) co_return;
    if (response.streamer && !is_head) {
      Stream body(*this, stream);
      co_await response.streamer(body);
    }
    if (!keeps_alive) {
      stream.shutdown_write();
      co_return;
    }
  }
}

/// The connection ends behind the answer. What the client still sends is read for a moment, so
/// that a reset does not take the answer from it (RFC 9112 §9.6).
base::Task<void> HttpServer::refuse(net::Stream& stream, HttpResponse refusal) {
  const std::string text = format_response(refusal, false, false);
  const base::Steady deadline = worker_.clock.steady() + options_.write_max;
  const Result<void> written = co_await net::write_all(stream, text, deadline);
  if (!written) co_return;
  stream.shutdown_write();
  const base::Steady until = worker_.clock.steady() + options_.linger_max;
  std::size_t left = options_.linger_octets_max;
  while (left > 0) {
    const std::span<char> into(scratch_);
    const Result<std::size_t> octets = co_await net::read_some(stream, into, until);
    if (!octets) co_return;
    left -= std::min(left, *octets);
  }
}

base::Task<HttpResponse> HttpServer::answer(HttpRequest request) {
  auto found = routes_.find(request.path);
  std::string prefix = request.path;
  while (found == routes_.end() && !prefix.empty()) {
    const std::size_t slash = prefix.rfind('/');
    if (slash == std::string::npos) break;
    prefix.resize(slash);
    found = routes_.find(prefix + "/*");
  }
  if (found == routes_.end()) co_return problem(404, "there is nothing at this path");
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  auto handler = found->second.find(method);
  if (handler == found->second.end()) handler = found->second.find(kAnyMethod);
  if (handler == found->second.end()) {
    HttpResponse response =
        problem(405, "this path does not take " + base::printable(request.method, 40));
    std::string allowed;
    for (const auto& [name, unused] : found->second) {
      allowed += (allowed.empty() ? "" : ", ") + name;
    }
    response.headers.emplace_back("Allow", std::move(allowed));
    co_return response;
  }
  co_return co_await handler->second(std::move(request));
}

}  // namespace ekiden::api
