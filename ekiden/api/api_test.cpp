#include <gtest/gtest.h>

#include "ekiden/api/http_server.hpp"
#include "ekiden/api/monitoring.hpp"
#include "ekiden/net/tcp_network.hpp"
#include "ekiden/net/test_loop.hpp"

namespace ekiden::api {
namespace {

base::Task<HttpResponse> echo(HttpRequest request) {
  HttpResponse response;
  response.body = request.method + " " + request.path + " " + request.query + " " +
                  std::string(request.header("x-word")) + " " + request.body;
  co_return response;
}

/// A server on loopback, and what a client says to it.
class Http : public testing::Test {
 protected:
  Http() {
    options_.connections_max = 2;
    options_.body_octets_max = 1000;
  }
  void begin() {
    server_.emplace(loop_.worker(), options_);
    server_->route("GET", "/echo", echo);
    server_->route("POST", "/echo", echo);
    server_->route("GET", "/below/*", echo);
    const net::Endpoint any{boost::asio::ip::make_address("127.0.0.1"), 0};
    const auto local = server_->listen(network_, any);
    ASSERT_TRUE(local);
    endpoint_ = *local;
  }
  void TearDown() override {
    bool is_stopped = false;
    if (server_) server_->stop([&] { is_stopped = true; });
    if (server_) loop_.run_until([&] { return is_stopped; });
  }

  /// Says `text` and hears everything until the server closes, or until `enough` has come.
  static base::Task<void> speak(Http& test, std::string text, std::string enough,
                                std::string& heard) {
    net::ConnectOptions options;
    auto stream = co_await test.network_.connect(test.endpoint_, options, test.loop_.soon());
    if (!stream) co_return;
    (void)co_await net::write_all(**stream, text, test.loop_.soon());
    char chunk[4096];
    const std::span<char> into(chunk);
    while (enough.empty() || heard.find(enough) == std::string::npos) {
      const auto octets = co_await net::read_some(**stream, into, test.loop_.soon());
      if (!octets) break;
      heard.append(chunk, *octets);
    }
  }
  /// Says `head`, then an octet whenever five seconds have brought no answer.
  static base::Task<void> drip(Http& test, std::string head, std::string& heard) {
    net::ConnectOptions options;
    auto stream = co_await test.network_.connect(test.endpoint_, options, test.loop_.soon());
    if (!stream) co_return;
    (void)co_await net::write_all(**stream, head, test.loop_.soon());
    char chunk[4096];
    const std::span<char> into(chunk);
    while (true) {
      const base::Steady until = test.loop_.worker().clock.steady() + std::chrono::seconds(5);
      const auto octets = co_await net::read_some(**stream, into, until);
      if (octets) {
        heard.append(chunk, *octets);
      } else if (octets.error() == net::Errc::TimedOut) {
        (void)co_await net::write_all(**stream, "x", test.loop_.soon());
      } else {
        co_return;
      }
    }
  }
  /// Nothing happens for so many times five seconds, once the client waits.
  void wait_out(int times) {
    loop_.run_until([&] { return loop_.clock().size() > 0; });
    for (int i = 0; i < times; ++i) {
      loop_.settle();
      loop_.clock().advance(std::chrono::seconds(5));
    }
    loop_.run();
  }
  std::string say(std::string text, std::string enough = {}) {
    std::string heard;
    loop_.spawn(speak(*this, std::move(text), std::move(enough), heard));
    loop_.run();
    return heard;
  }

  HttpOptions options_;
  net::TestLoop loop_;
  net::TcpNetwork network_{loop_.worker()};
  std::optional<HttpServer> server_;
  net::Endpoint endpoint_;
};

bool starts(const std::string& text, std::string_view with) {
  return text.starts_with(with);
}

TEST_F(Http, AnswersByPathAndMethod) {
  begin();
  const std::string heard =
      say("GET /echo?a=b HTTP/1.1\r\nHost: x\r\nX-Word: hey\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(starts(heard, "HTTP/1.1 200 OK\r\n")) << heard;
  EXPECT_NE(heard.find("\r\n\r\nGET /echo a=b hey "), std::string::npos) << heard;
  const std::string nowhere = say("GET /nowhere HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(starts(nowhere, "HTTP/1.1 404 Not Found\r\n")) << nowhere;
  EXPECT_NE(nowhere.find("Content-Type: application/problem+json\r\n"), std::string::npos);
  EXPECT_TRUE(
      nowhere.ends_with("\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                        "\"detail\":\"there is nothing at this path\"}\n"))
      << nowhere;
  const std::string wrong = say("DELETE /echo HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(starts(wrong, "HTTP/1.1 405 "));
  EXPECT_NE(wrong.find("Allow: GET, POST\r\n"), std::string::npos) << wrong;
  EXPECT_NE(say("GET /below/a/b HTTP/1.0\r\n\r\n").find("GET /below/a/b"), std::string::npos);
  EXPECT_TRUE(starts(say("GET /belo HTTP/1.0\r\n\r\n"), "HTTP/1.1 404 "));
}

TEST_F(Http, HeadHasNoBody) {
  begin();
  const std::string heard = say("HEAD /echo HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(starts(heard, "HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(heard.ends_with("\r\n\r\n")) << heard;
}

TEST_F(Http, KeepsAliveAndTakesPipelinedRequests) {
  begin();
  const std::string heard = say(
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none"
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
      "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_NE(heard.find(" one"), std::string::npos) << heard;
  EXPECT_NE(heard.find(" two"), std::string::npos) << heard;
  EXPECT_NE(heard.find("Connection: close\r\n\r\nGET /echo"), std::string::npos) << heard;
}

TEST_F(Http, GivesLeaveToSendABody) {
  begin();
  const std::string heard =
      say("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
          "100 Continue\r\n\r\n");
  EXPECT_EQ(heard, "HTTP/1.1 100 Continue\r\n\r\n");
}

TEST_F(Http, RefusesWhatIsTooLongOrNoHttp) {
  begin();
  EXPECT_TRUE(starts(say("nonsense\r\n\r\n"), "HTTP/1.1 400 "));
  EXPECT_TRUE(starts(say("GET / HTTP/9.9\r\n\r\n"), "HTTP/1.1 505 "));
  EXPECT_TRUE(starts(say("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'a')), "HTTP/1.1 431 "));
  EXPECT_TRUE(starts(say("POST /echo HTTP/1.1\r\nContent-Length: 1001\r\n\r\n"), "HTTP/1.1 413 "));
  EXPECT_TRUE(starts(say("POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
                     "HTTP/1.1 400 "));
}

// RFC 9112 §6.3: what follows such a header is never read as a request.
TEST_F(Http, RefusesATransferCodingThatDoesNotEndTheBody) {
  begin();
  const std::string smuggled = "0\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const char* const coding : {"chunked, identity", "identity", "gzip", "xchunked",
                                   "chunked\r\nTransfer-Encoding: gzip"}) {
    const std::string heard =
        say("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + std::string(coding) +
            "\r\n\r\n" + smuggled);
    EXPECT_TRUE(starts(heard, "HTTP/1.1 501 ")) << coding << heard;
    EXPECT_EQ(heard.find("HTTP/1.1", 1), std::string::npos) << coding << heard;
  }
  EXPECT_TRUE(starts(say("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled),
                     "HTTP/1.1 501 "));
}

TEST_F(Http, DropsASlowClientAndSaysSo) {
  begin();
  std::string heard;
  loop_.spawn(speak(*this, "GET /echo HTT", {}, heard));
  wait_out(20);
  EXPECT_TRUE(starts(heard, "HTTP/1.1 408 ")) << heard;
}

TEST_F(Http, ABodyThatDripsIsRefusedInTheFormOfItsPath) {
  begin();
  server_->set_refusal([](const HttpRequest& head, HttpResponse plain) {
    plain.body = "refused " + head.path;
    return plain;
  });
  std::string heard;
  loop_.spawn(drip(*this, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", heard));
  wait_out(30);
  EXPECT_TRUE(starts(heard, "HTTP/1.1 408 ")) << heard;
  EXPECT_TRUE(heard.ends_with("refused /echo")) << heard;
  const std::string large = say("POST /echo HTTP/1.1\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_TRUE(starts(large, "HTTP/1.1 413 ")) << large;
  EXPECT_TRUE(large.ends_with("refused /echo")) << large;
}

TEST_F(Http, TurnsAwayConnectionsPastItsLimit) {
  begin();
  std::string first, second, third;
  loop_.spawn(speak(*this, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", {}, first));
  loop_.spawn(speak(*this, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", {}, second));
  loop_.run_until([&] { return !first.empty() && !second.empty(); });
  loop_.spawn(speak(*this, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n", {}, third));
  loop_.run_until([&] { return loop_.running() == 2; });
  EXPECT_TRUE(starts(third, "HTTP/1.1 503 ")) << third;
}

TEST_F(Http, RefusesABodyUnreadWhereTheHeaderSaysEnough) {
  int judged = 0;
  begin();
  server_->set_gate([&](const HttpRequest& head) -> std::optional<HttpResponse> {
    ++judged;
    if (!head.header("x-word").empty()) return std::nullopt;
    HttpResponse response;
    response.status = 401;
    return response;
  });
  const std::string head = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n";
  EXPECT_TRUE(starts(say(head + "\r\n"), "HTTP/1.1 401 "));
  const std::string good =
      say(head + "X-Word: hey\r\nConnection: close\r\n\r\n" + std::string(500, 'a'));
  EXPECT_TRUE(starts(good, "HTTP/1.1 200 ")) << good;
  EXPECT_GE(judged, 1);
}

TEST_F(Http, CountsBodiesAgainstTheBudget) {
  options_.body_octets_max = 1 << 20;
  std::uint64_t reserved = 0, most = 0;
  begin();
  server_->set_body_budget({[&](std::uint64_t octets) {
                              if (reserved + octets > 200'000) return false;
                              reserved += octets;
                              most = std::max(most, reserved);
                              return true;
                            },
                            [&](std::uint64_t octets) { reserved -= octets; }});
  const std::string full = say("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" +
                               std::string(10, 'a'));
  EXPECT_TRUE(starts(full, "HTTP/1.1 503 ")) << full;
  EXPECT_NE(full.find("Retry-After: 5\r\n"), std::string::npos);
  const std::string good =
      say("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked"
          "\r\n\r\n1d4c0\r\n" +
          std::string(120'000, 'a') + "\r\n0\r\n\r\n");
  EXPECT_TRUE(starts(good, "HTTP/1.1 200 ")) << good.substr(0, 100);
  EXPECT_EQ(reserved, 0u);
  EXPECT_GE(most, 100'000u);
}

base::Task<HttpResponse> tell_client(HttpRequest request) {
  HttpResponse response;
  response.body = request.client.to_string();
  co_return response;
}

TEST_F(Http, BelievesTrustedProxiesOnly) {
  const auto client = [&](const std::string& chain) {
    const std::string heard = say("GET /client HTTP/1.0\r\nX-Forwarded-For: " + chain + "\r\n\r\n");
    return heard.substr(heard.find("\r\n\r\n") + 4);
  };
  begin();
  server_->route("GET", "/client", tell_client);
  EXPECT_EQ(client("192.0.2.7"), "127.0.0.1");
  TearDown();
  options_.trusted_proxies = {*net::parse_address_block("127.0.0.0/8"),
                              *net::parse_address_block("198.51.100.0/24")};
  begin();
  server_->route("GET", "/client", tell_client);
  EXPECT_EQ(client("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(client("203.0.113.1, 192.0.2.7, 198.51.100.3"), "192.0.2.7");
  EXPECT_EQ(client("nonsense"), "127.0.0.1");
  EXPECT_EQ(client("nonsense, 198.51.100.3"), "198.51.100.3");
}

TEST_F(Http, ServesMetricsAndHealth) {
  begin();
  base::Metrics metrics;
  metrics.counter("ekiden_b_total", "Bees.").add(3);
  Health health;
  add_metrics_route(*server_, metrics);
  add_health_route(*server_, [&] { return health; });
  EXPECT_NE(say("GET /metrics HTTP/1.0\r\n\r\n").find("ekiden_b_total 3\n"), std::string::npos);
  EXPECT_TRUE(starts(say("GET /healthz HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 "));
  health.problems = {"the disk is full"};
  const std::string sick = say("GET /healthz HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(starts(sick, "HTTP/1.1 503 "));
  EXPECT_NE(sick.find(R"({"status":"failing","problems":["the disk is full"],"warnings":[]})"),
            std::string::npos);
}

TEST(Prometheus, GroupsFamiliesAndEscapesLabels) {
  base::Metrics metrics;
  metrics.counter("a_total", "Line\none.", {{"host", "x\"y\\z\n"}}).add(1);
  metrics.gauge("b", "A gauge.").set(-4);
  metrics.counter("a_total", "Line\none.", {{"host", "other"}}).add(2);
  metrics.histogram("c_seconds", "Times.").observe_us(3);
  const std::string text = format_prometheus(metrics);
  EXPECT_TRUE(
      text.starts_with("# HELP a_total Line\\none.\n# TYPE a_total counter\n"
                       "a_total{host=\"x\\\"y\\\\z\\n\"} 1\n"
                       "a_total{host=\"other\"} 2\n"
                       "# HELP b A gauge.\n# TYPE b gauge\nb -4\n"))
      << text;
  EXPECT_NE(text.find("c_seconds_bucket{le=\"1e-06\"} 0\nc_seconds_bucket{le=\"2e-06\"} 0\n"
                      "c_seconds_bucket{le=\"4e-06\"} 1\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("c_seconds_bucket{le=\"+Inf\"} 1\nc_seconds_sum 3e-06\nc_seconds_count 1\n"),
            std::string::npos)
      << text;
}

}  // namespace
}  // namespace ekiden::api
