// The only translation unit that sees Boost.Beast.
//
// Invariants:
// - A connection holds one request and one response at a time, both bounded by the options.
// - After an error of the parser the connection is closed: where the next request begins is
//   unknown, and guessing would be request smuggling (RFC 9112 §11.2).
#include "ekiden/api/http_server.hpp"

#include <array>
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

constexpr std::size_t kReadOctets = 4096;

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

HttpRequest request_of(const Parser& parser, const net::Endpoint& remote) {
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
  request.body = message.body();
  request.remote = remote;
  return request;
}

std::string format_response(const HttpResponse& response, bool keeps_alive, bool is_head) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(response.status));
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " " + view(reason) + "\r\n";
  if (!response.content_type.empty()) text += "Content-Type: " + response.content_type + "\r\n";
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

HttpServer::HttpServer(base::Worker& worker, HttpOptions options)
    : worker_(worker), options_(options), tasks_(worker) {}

HttpServer::~HttpServer() = default;

void HttpServer::route(std::string method, std::string path, HttpHandler handler) {
  routes_[std::move(path)][std::move(method)] = std::move(handler);
}

Result<net::Endpoint> HttpServer::listen(net::Network& network, const net::Endpoint& on,
                                         Secure secure) {
  net::ListenOptions options;
  options.is_shared = false;
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
    bool is_started = false, is_in_body = false, is_continue_due = true;
    while (!parser->is_done()) {
      if (!input.empty()) {
        if (!is_started) deadline = worker_.clock.steady() + options_.header_max;
        is_started = true;
        const std::size_t used =
            parser->put(boost::asio::const_buffer(input.data(), input.size()), error);
        input.erase(0, used);
        if (error == http::error::need_more) error = {};
        // The parser judges the header only as a whole, so an endless one is bounded here.
        if (!error && !parser->is_header_done() && input.size() > options_.header_octets_max) {
          error = http::error::header_limit;
        }
        if (error) {
          const HttpResponse refusal = response_for(error);
          const std::string text = format_response(refusal, false, false);
          (void)co_await net::write_all(stream, text, worker_.clock.steady() + options_.write_max);
          co_return;
        }
        if (parser->is_done()) break;
        if (parser->is_header_done() && !is_in_body) {
          is_in_body = true;
          deadline = worker_.clock.steady() + options_.body_max;
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
      std::array<char, kReadOctets> chunk;
      const std::span<char> into(chunk);
      const Result<std::size_t> octets = co_await net::read_some(stream, into, deadline);
      if (!octets) {
        if (octets.error() == net::Errc::TimedOut && is_started) {
          const HttpResponse late = problem(408, "the request took too long");
          const std::string text = format_response(late, false, false);
          (void)co_await net::write_all(stream, text, worker_.clock.steady() + options_.write_max);
        }
        co_return;
      }
      input.append(chunk.data(), *octets);
    }
    const bool keeps_alive = parser->get().keep_alive() && !tasks_.is_closed() &&
                             count + 1 < options_.requests_per_connection_max;
    HttpRequest request = request_of(*parser, stream.remote());
    parser.reset();
    const bool is_head = request.method == "HEAD";
    const HttpResponse response = co_await answer(std::move(request));
    const std::string text = format_response(response, keeps_alive, is_head);
    const Result<void> written =
        co_await net::write_all(stream, text, worker_.clock.steady() + options_.write_max);
    if (!written) co_return;
    if (!keeps_alive) {
      stream.shutdown_write();
      co_return;
    }
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
  const auto handler = found->second.find(method);
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
