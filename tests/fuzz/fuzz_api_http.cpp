// HTTP requests: any octets, split anywhere, are the same requests and get the same answers, and
// those are well-formed; a handler sees only what is within the limits. Only how the connection is
// refused in the end may differ: what is no request is sooner seen in one piece.
#include <memory>
#include <vector>

#include "ekiden/api/http_server.hpp"
#include "tests/fuzz/served.hpp"

namespace {

using namespace ekiden;
using namespace ekiden::api;

HttpOptions small() {
  HttpOptions options;
  options.header_octets_max = 2000;
  options.body_octets_max = 500;
  options.requests_per_connection_max = 8;
  return options;
}

std::vector<std::string>* seen = nullptr;

base::Task<HttpResponse> note(HttpRequest request) {
  FUZZ_CHECK(request.body.size() <= small().body_octets_max, "a body is bounded");
  FUZZ_CHECK(request.path.find('?') == std::string::npos, "a path has no query");
  std::size_t octets = request.path.size() + request.query.size();
  for (const auto& [name, value] : request.headers) {
    octets += name.size() + value.size();
    for (const char c : name + value) {
      FUZZ_CHECK(c != '\r' && c != '\n' && c != '\0', "a field is one line");
    }
  }
  FUZZ_CHECK(octets <= small().header_octets_max + 200, "a header is bounded");
  seen->push_back(request.method + " " + request.path + "?" + request.query + " " + request.body);
  HttpResponse response;
  response.body = "noted";
  co_return response;
}

struct Heard {
  std::string said;
  std::vector<std::string> requests;
};

Heard converse(std::string_view octets, std::uint8_t split) {
  Heard heard;
  seen = &heard.requests;
  const auto make = [](base::Worker& worker, base::Clock&) {
    auto server = std::make_unique<HttpServer>(worker, small());
    server->route("GET", "/a", note);
    server->route("POST", "/a", note);
    server->route("PUT", "/b/*", note);
    return server;
  };
  heard.said = fuzz::served(octets, split, make, [](const test::FakePeer& peer) {
    return !peer.is_closed && !peer.has_shut_down;
  });
  return heard;
}

/// Checks that the octets are whole responses and gives them without the interim ones, and without
/// a refusal that ends the connection.
std::string check_responses(std::string_view said) {
  std::string kept;
  std::size_t refusal = std::string::npos;
  while (!said.empty()) {
    const std::size_t end = said.find("\r\n\r\n");
    FUZZ_CHECK(end != std::string_view::npos && said.starts_with("HTTP/1.1 "), "a response");
    const std::string_view header = said.substr(0, end + 4);
    if (header == "HTTP/1.1 100 Continue\r\n\r\n") {
      said.remove_prefix(header.size());
      continue;
    }
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    const std::size_t at = header.find(kLength);
    FUZZ_CHECK(at != std::string_view::npos, "with a length");
    std::size_t length = 0;
    for (std::size_t i = at + kLength.size(); header[i] != '\r'; ++i) {
      length = length * 10 + static_cast<std::size_t>(header[i] - '0');
    }
    std::string_view response = said.substr(0, end + 4 + length);
    // The answer to HEAD tells a length and has no body.
    if (response.size() < end + 4 + length || said.substr(end + 4).starts_with("HTTP/1.1 ")) {
      response = header;
    }
    FUZZ_CHECK(refusal == std::string::npos, "nothing follows a refusal");
    const bool is_refusal = header.substr(9, 1) == "4" || header.substr(9, 1) == "5";
    if (is_refusal && header.find("\r\nConnection: close\r\n") != std::string_view::npos) {
      refusal = kept.size();
    }
    kept += response;
    said.remove_prefix(response.size());
  }
  return kept.substr(0, refusal);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t split = input.octet();
  const Heard whole = converse(input.rest(), 0);
  const Heard pieces = converse(input.rest(), split);
  FUZZ_CHECK(whole.requests == pieces.requests, "the same requests at every split");
  FUZZ_CHECK(check_responses(whole.said) == check_responses(pieces.said),
             "the same answers at every split");
  return 0;
}
