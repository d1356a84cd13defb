// The only translation unit of this module that sees Boost.Beast, and only its parser.
#include "ekiden/net/http_client.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "ekiden/base/text.hpp"

namespace ekiden::net {

namespace http = boost::beast::http;

namespace {

constexpr std::size_t kReadOctets = 4096;
constexpr std::size_t kHeaderOctetsMax = 16 * 1024;
/// Addresses of the server that are tried.
constexpr std::size_t kServersMax = 4;
constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

HttpReply failed(std::string problem) {
  HttpReply reply;
  reply.problem = std::move(problem);
  return reply;
}

std::string head_of(const HttpRequest& request) {
  // RFC 9112 §3.2: an address of IPv6 stands in brackets.
  const bool is_ipv6 = request.host.find(':') != std::string::npos;
  std::string text = request.method + " " + request.path + " HTTP/1.1\r\nHost: ";
  text += is_ipv6 ? "[" + request.host + "]" : request.host;
  if (request.port != (request.is_secure ? kHttpsPort : kHttpPort))
    text += ":" + std::to_string(request.port);
  text += "\r\nUser-Agent: ekiden\r\n";
  for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
  if (request.method != "GET")
    text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  text += request.keep_open ? "\r\n" : "Connection: close\r\n\r\n";
  return text;
}

/// One server. Its reply, or why there is none; `stream` stays where the caller can close it.
/// `has_begun` tells whether anything came back.
base::Task<HttpReply> converse(Stream& stream, const HttpRequest& request, bool& has_begun) {
  const std::string head = head_of(request);
  const std::array<std::string_view, 2> pieces{head, request.body};
  const std::span<const std::string_view> all(pieces.data(), request.body.empty() ? 1 : 2);
  const Result<void> written = co_await write_all(stream, all, request.deadline);
  if (!written) co_return failed("the request could not be sent: " + written.error().message());
  HttpReplyReader reader(request.body_octets_max);
  std::array<char, kReadOctets> buffer;
  for (;;) {
    const Result<std::size_t> read = co_await read_some(stream, buffer, request.deadline);
    if (!read) {
      if (read.error() == Errc::EndOfStream) break;
      co_return failed("the reply could not be read: " + read.error().message());
    }
    has_begun = true;
    if (reader.feed(std::string_view(buffer.data(), *read))) break;
  }
  co_return reader.finish();
}

/// A connection to the first server from `next` on that takes one; `next` then stands behind it.
base::Task<std::unique_ptr<Stream>> reach(Network& network, const BeginTls& secure,
                                          const HttpRequest& request, std::size_t& next,
                                          std::shared_ptr<Cancellation> cancel,
                                          std::string& problem) {
  while (next < std::min(request.servers.size(), kServersMax)) {
    if (cancel->is_cancelled()) {
      problem = "broken off";
      co_return nullptr;
    }
    const Endpoint server = request.servers[next++];
    ConnectOptions options;
    options.cancel = cancel;
    Result<std::unique_ptr<Stream>> connected =
        co_await network.connect(server, options, request.deadline);
    if (!connected) {
      problem = "connect to " + format_endpoint(server) + ": " + connected.error().message();
      continue;
    }
    if (!request.is_secure) co_return std::move(*connected);
    std::string why, name = request.host;
    Result<std::unique_ptr<Stream>> secured =
        co_await secure(std::move(*connected), std::move(name), request.deadline, why);
    if (secured) co_return std::move(*secured);
    problem = "TLS: " + (why.empty() ? secured.error().message() : why);
  }
  co_return nullptr;
}

base::Task<HttpReply> converse_or_break_off(Stream& stream, const HttpRequest& request,
                                            std::shared_ptr<Cancellation> cancel, bool& has_begun) {
  Stream* const open = &stream;
  const Cancellation::Wait wait(cancel, [open] { open->close(); });
  if (cancel->is_cancelled()) stream.close();
  co_return co_await converse(stream, request, has_begun);
}

}  // namespace

struct HttpReplyReader::State {
  http::response_parser<http::string_body> parser;
  std::string waiting;  ///< what the parser wants to see together with what comes next
  boost::system::error_code error;
};

HttpReplyReader::HttpReplyReader(std::size_t body_octets_max) : state_(std::make_unique<State>()) {
  state_->parser.eager(true);
  state_->parser.body_limit(body_octets_max);
  state_->parser.header_limit(kHeaderOctetsMax);
}

HttpReplyReader::~HttpReplyReader() = default;

bool HttpReplyReader::feed(std::string_view octets) {
  State& state = *state_;
  if (state.error || state.parser.is_done()) return true;
  state.waiting += octets;
  while (!state.waiting.empty() && !state.parser.is_done()) {
    boost::system::error_code error;
    const std::size_t used = state.parser.put(boost::asio::buffer(state.waiting), error);
    state.waiting.erase(0, used);
    if (error == http::error::need_more) break;
    if (error) {
      state.error = error;
      return true;
    }
    if (used == 0) break;
  }
  return state.parser.is_done();
}

HttpReply HttpReplyReader::finish() {
  State& state = *state_;
  if (!state.error && !state.parser.is_done()) {
    // RFC 9112 §6.3: a body without a length ends with the connection. Cut short on its way, it is
    // cut between TLS records, and whoever needs its end looks for it.
    if (state.parser.got_some()) {
      state.parser.put_eof(state.error);
    } else {
      state.error = http::error::end_of_stream;
    }
  }
  HttpReply reply;
  const bool is_too_long = state.error == http::error::body_limit;
  if (is_too_long)
    reply.problem = "the reply is too long";
  else if (state.error)
    return failed("no HTTP reply: " + state.error.message());
  const auto& message = state.parser.get();
  const auto text_of = [&message](http::field field) {
    const auto text = message[field];
    return std::string_view(text.data(), text.size());
  };
  reply.is_whole = !is_too_long;
  reply.is_cut = is_too_long;
  reply.may_stay_open =
      reply.is_whole && message.keep_alive() && !state.parser.need_eof() && state.waiting.empty();
  reply.status = message.result_int();
  const std::string_view type = text_of(http::field::content_type);
  reply.content_type = base::lowered(base::trimmed(type.substr(0, type.find(';'))));
  reply.retry_after = base::trimmed(text_of(http::field::retry_after));
  if (reply.is_whole) reply.body = message.body();
  return reply;
}

base::Task<HttpReply> fetch_http(Network& network, BeginTls secure, HttpRequest request,
                                 std::shared_ptr<Cancellation> cancel) {
  HttpReply reply = failed(request.host + " has no address");
  std::size_t next = 0;
  for (;;) {
    const std::unique_ptr<Stream> stream =
        co_await reach(network, secure, request, next, cancel, reply.problem);
    if (!stream) co_return reply;
    bool has_begun = false;
    reply = co_await converse_or_break_off(*stream, request, cancel, has_begun);
    stream->close();
    // Who has answered over verified TLS has answered, whatever it was.
    if (reply.is_whole) co_return reply;
  }
}

base::Task<HttpReply> HttpChannel::exchange(HttpRequest request,
                                            std::shared_ptr<Cancellation> cancel) {
  HttpReply reply = failed(request.host + " has no address");
  if (!request.servers.empty()) servers_ = request.servers;
  request.servers = servers_;
  for (bool is_kept = stream_ != nullptr;; is_kept = false) {
    std::size_t next = 0;
    if (!stream_) stream_ = co_await reach(network_, secure_, request, next, cancel, reply.problem);
    if (!stream_) co_return reply;
    bool has_begun = false;
    reply = co_await converse_or_break_off(*stream_, request, cancel, has_begun);
    if (!reply.may_stay_open || !request.keep_open) close();
    const bool was_closed_meanwhile = is_kept && !reply.is_whole && !reply.is_cut && !has_begun;
    if (!was_closed_meanwhile || cancel->is_cancelled()) co_return reply;
  }
}

void HttpChannel::close() {
  if (stream_) stream_->close();
  stream_.reset();
}

}  // namespace ekiden::net
