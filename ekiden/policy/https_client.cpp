// The only translation unit of this module that sees Boost.Beast, and only its parser.
#include "ekiden/policy/https_client.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "ekiden/base/text.hpp"

namespace ekiden::policy {

namespace http = boost::beast::http;

namespace {

constexpr std::size_t kReadOctets = 4096;
constexpr std::size_t kHeaderOctetsMax = 16 * 1024;
/// Addresses of the server that are tried.
constexpr std::size_t kServersMax = 4;
constexpr std::uint16_t kHttpsPort = 443;

HttpsReply failed(std::string problem) {
  HttpsReply reply;
  reply.problem = std::move(problem);
  return reply;
}

std::string request_text(const HttpsRequest& request) {
  std::string text = "GET " + request.path + " HTTP/1.1\r\nHost: " + request.host;
  if (request.port != kHttpsPort) text += ":" + std::to_string(request.port);
  return text + "\r\nUser-Agent: ekiden\r\nAccept: text/plain\r\nConnection: close\r\n\r\n";
}

/// One server. Its reply, or why there is none; `stream` stays where the caller can close it.
base::Task<HttpsReply> converse(net::Stream& stream, const HttpsRequest& request) {
  const std::string text = request_text(request);
  const Result<void> written = co_await net::write_all(stream, text, request.deadline);
  if (!written) co_return failed("the request could not be sent: " + written.error().message());
  HttpsReplyReader reader(request.body_octets_max);
  std::array<char, kReadOctets> buffer;
  for (;;) {
    const Result<std::size_t> read = co_await net::read_some(stream, buffer, request.deadline);
    if (!read) {
      if (read.error() == net::Errc::EndOfStream) break;
      co_return failed("the reply could not be read: " + read.error().message());
    }
    if (reader.feed(std::string_view(buffer.data(), *read))) break;
  }
  co_return reader.finish();
}

}  // namespace

struct HttpsReplyReader::State {
  http::response_parser<http::string_body> parser;
  std::string waiting;  ///< what the parser wants to see together with what comes next
  boost::system::error_code error;
};

HttpsReplyReader::HttpsReplyReader(std::size_t body_octets_max)
    : state_(std::make_unique<State>()) {
  state_->parser.eager(true);
  state_->parser.body_limit(body_octets_max);
  state_->parser.header_limit(kHeaderOctetsMax);
}

HttpsReplyReader::~HttpsReplyReader() = default;

bool HttpsReplyReader::feed(std::string_view octets) {
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

HttpsReply HttpsReplyReader::finish() {
  State& state = *state_;
  if (!state.error && !state.parser.is_done()) {
    // RFC 9112 §6.3: a body without a length ends with the connection. Cut short on its way, it is
    // cut between TLS records, and a policy without its end is malformed.
    if (state.parser.got_some()) {
      state.parser.put_eof(state.error);
    } else {
      state.error = http::error::end_of_stream;
    }
  }
  if (state.error == http::error::body_limit) return failed("the reply is too long");
  if (state.error) return failed("no HTTP reply: " + state.error.message());
  const auto& message = state.parser.get();
  HttpsReply reply;
  reply.is_whole = true;
  reply.status = message.result_int();
  const auto type = message[http::field::content_type];
  const std::string_view text(type.data(), type.size());
  reply.content_type = base::lowered(base::trimmed(text.substr(0, text.find(';'))));
  reply.body = message.body();
  return reply;
}

base::Task<HttpsReply> fetch_https(net::Network& network, Secure secure, HttpsRequest request,
                                   std::shared_ptr<net::Cancellation> cancel) {
  HttpsReply reply = failed(request.host + " has no address");
  for (std::size_t i = 0; i < std::min(request.servers.size(), kServersMax); ++i) {
    if (cancel->is_cancelled()) co_return failed("broken off");
    const net::Endpoint server = request.servers[i];
    net::ConnectOptions options;
    options.cancel = cancel;
    Result<std::unique_ptr<net::Stream>> connected =
        co_await network.connect(server, options, request.deadline);
    if (!connected) {
      reply =
          failed("connect to " + net::format_endpoint(server) + ": " + connected.error().message());
      continue;
    }
    std::string why, name = request.host;
    Result<std::unique_ptr<net::Stream>> secured =
        co_await secure(std::move(*connected), std::move(name), request.deadline, why);
    if (!secured) {
      reply = failed("TLS: " + (why.empty() ? secured.error().message() : why));
      continue;
    }
    const std::unique_ptr<net::Stream> stream = std::move(*secured);
    {
      net::Stream* const open = stream.get();
      const net::Cancellation::Wait wait(cancel, [open] { open->close(); });
      if (cancel->is_cancelled()) stream->close();
      reply = co_await converse(*stream, request);
    }
    stream->close();
    // Who has answered over verified TLS has answered, whatever it was.
    if (reply.is_whole) co_return reply;
  }
  co_return reply;
}

}  // namespace ekiden::policy
