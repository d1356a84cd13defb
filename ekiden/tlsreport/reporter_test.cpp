// A reporter on a clock moved by the test, a scripted DNS, endpoints in memory.
#include "ekiden/tlsreport/reporter.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "ekiden/base/random.hpp"
#include "ekiden/feedback/report.hpp"
#include "ekiden/net/memory_pair.hpp"
#include "ekiden/tlsreport/mail.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::tlsreport {
namespace {

using namespace std::chrono_literals;

constexpr const char* kRecord = "v=TLSRPTv1; rua=mailto:r@a.test";

/// Takes every post, and answers with the next status, then with the last one again.
class Endpoints final : public net::Network {
 public:
  Endpoints(base::Worker& worker, base::TaskGroup& tasks) : worker_(worker), tasks_(tasks) {}

  base::Task<Result<std::unique_ptr<net::Stream>>> connect(net::Endpoint to, net::ConnectOptions,
                                                           base::Steady) override {
    tried.push_back(net::format_endpoint(to));
    std::string status = statuses.front();
    if (statuses.size() > 1) statuses.pop_front();
    net::MemoryPair pair = net::make_memory_pair(worker_, 1 << 20);
    base::Task<void> task = serve(std::move(pair.second), std::move(status));
    tasks_.spawn(std::move(task));
    co_return std::move(pair.first);
  }
  Result<std::unique_ptr<net::Listener>> listen(
      net::Endpoint, net::ListenOptions,
      base::Function<void(std::unique_ptr<net::Stream>)>) override {
    return Error(net::Errc::Other);
  }

  std::deque<std::string> statuses{"201 Created"};
  std::vector<std::string> tried, requests;

 private:
  base::Task<void> serve(std::unique_ptr<net::Stream> stream, std::string status) {
    const base::Steady deadline = worker_.clock.steady() + 1h;
    std::string request;
    char buffer[4096];
    for (;;) {
      const std::size_t end = request.find("\r\n\r\n");
      const std::size_t at = request.find("Content-Length: ");
      if (end != std::string::npos && at != std::string::npos &&
          request.size() >= end + 4 + std::stoul(request.substr(at + 16)))
        break;
      const Result<std::size_t> read = co_await net::read_some(*stream, buffer, deadline);
      if (!read) co_return;
      request.append(buffer, *read);
    }
    requests.push_back(request);
    const std::string reply = "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n";
    (void)co_await net::write_all(*stream, reply, deadline);
  }

  base::Worker& worker_;
  base::TaskGroup& tasks_;
};

base::Task<Result<std::unique_ptr<net::Stream>>> pass(std::unique_ptr<net::Stream> stream) {
  co_return stream;
}

struct Rig {
  base::IoContext io{1};
  test::FakeClock clock;
  test::FakeExecutor executor;
  base::SeededRandom random{1};
  base::Worker worker{0, io.get_executor(), executor, clock, random};
  base::TaskGroup tasks{worker};
  test::FakeResolver dns{clock};
  Endpoints network{worker, tasks};
  base::Metrics metrics;
  Book book;
  std::vector<OwnMail> mails;
  std::optional<Reporter> reporter;
  base::Time day = day_of(clock.now());

  Rig() {
    Options options;
    options.from = "tls@relay.test";
    options.organization = "Relay";
    net::BeginTls secure = [](std::unique_ptr<net::Stream> stream, std::string, base::Steady,
                              std::string&) { return pass(std::move(stream)); };
    const SendMail send = [this](OwnMail mail, base::Completion<Result<void>> done) {
      mails.push_back(std::move(mail));
      done(Result<void>());
    };
    reporter.emplace(
        Reporter::Parts{worker, executor, network, dns, std::move(secure), book, send, metrics},
        std::move(options));
    book.on_new([this] { executor.post([this] { reporter->note_new(); }); });
    dns.txt("_smtp._tls.a.test", kRecord);
    reporter->start();
    settle();
  }
  ~Rig() {
    reporter->stop();
    tasks.close();
    pass_time(2h);
  }
  void settle() {
    for (int i = 0; i < 50; ++i) {
      executor.run();
      io.poll();
      io.restart();
      clock.advance(base::Duration(0));
    }
  }
  void pass_time(base::Duration time) {
    for (base::Duration left = time; left.count() > 0; left -= 5min) {
      clock.advance(std::min<base::Duration>(left, 5min));
      settle();
    }
  }
  void count(const std::string& domain, bool fails = false) {
    policy::TlsSession session;
    if (fails) session.failure = policy::TlsFailure{};
    book.add(domain, session, clock.now());
    settle();
    clock.advance(2s);
    settle();
  }
  Report one(const std::string& domain = "a.test") { return book.find(domain, std::nullopt).at(0); }
};

TEST(TlsReporter, AsksBehindDeliverysBackAndSendsWhenTheDayIsOver) {
  Rig rig;
  rig.count("a.test");
  rig.count("b.test");
  EXPECT_TRUE(rig.one("a.test").is_known_wanted);
  EXPECT_EQ(rig.one("b.test").state, State::Unwanted);
  rig.count("a.test", true);
  EXPECT_TRUE(rig.mails.empty());
  rig.clock.advance(rig.day + 24h - rig.clock.now());
  rig.settle();
  EXPECT_EQ(rig.one("a.test").state, State::Waiting);
  rig.pass_time(4h + 10min);
  ASSERT_EQ(rig.mails.size(), 1U);
  EXPECT_EQ(rig.mails[0].from, "tls@relay.test");
  EXPECT_EQ(rig.mails[0].to, "r@a.test");
  EXPECT_EQ(rig.one("a.test").state, State::Sent);
  // Our own reader of such mail understands it.
  const std::string& octets = rig.mails[0].octets;
  EXPECT_NE(octets.find("\r\nTLS-Required: No\r\n"), std::string::npos);
  EXPECT_NE(octets.find("\r\nTLS-Report-Domain: a.test\r\n"), std::string::npos);
  EXPECT_NE(octets.find("\r\nTLS-Report-Submitter: relay.test\r\n"), std::string::npos);
  const feedback::Report read = feedback::read_report(octets);
  const auto* const report = std::get_if<feedback::TlsReport>(&read);
  ASSERT_NE(report, nullptr) << octets;
  EXPECT_EQ(report->organization, "Relay");
  EXPECT_EQ(report->contact, "tls@relay.test");
  ASSERT_EQ(report->policies.size(), 1U);
  EXPECT_EQ(report->policies[0].domain, "a.test");
  EXPECT_EQ(report->policies[0].successes, 1U);
  EXPECT_EQ(report->policies[0].failures, 1U);
}

TEST(TlsReporter, PostsToHttpsAndTriesAgainForADay) {
  Rig rig;
  rig.dns.txt("_smtp._tls.c.test", "v=TLSRPTv1; rua=https://r.c.test/v1?x=1")
      .a("r.c.test", "8.8.8.8");
  rig.network.statuses = {"500 Oops", "302 Found", "201 Created"};
  rig.count("c.test");
  EXPECT_EQ(rig.reporter->send_day(rig.day), 1U);
  rig.settle();
  ASSERT_EQ(rig.network.requests.size(), 1U);
  EXPECT_TRUE(rig.network.requests[0].starts_with("POST /v1?x=1 HTTP/1.1\r\nHost: r.c.test\r\n"));
  EXPECT_NE(rig.network.requests[0].find("Content-Type: application/tlsrpt+gzip\r\n"),
            std::string::npos);
  EXPECT_EQ(rig.one("c.test").state, State::Waiting);
  EXPECT_EQ(rig.one("c.test").deliveries.at(0).problem, "the server answered 500");
  rig.pass_time(15min);
  EXPECT_EQ(rig.network.requests.size(), 2U) << "no redirect is followed";
  rig.pass_time(30min);
  EXPECT_EQ(rig.one("c.test").state, State::Sent);
  EXPECT_EQ(rig.network.requests.size(), 3U);

  rig.dns.txt("_smtp._tls.d.test", "v=TLSRPTv1; rua=https://r.c.test/d");
  rig.network.statuses = {"503 Never"};
  rig.count("d.test");
  rig.reporter->send_day(day_of(rig.clock.now()));
  rig.pass_time(30h);
  EXPECT_EQ(rig.one("d.test").state, State::Failed);
  const std::size_t tries = rig.one("d.test").tries;
  EXPECT_GT(tries, 5U);
  EXPECT_LT(tries, 20U);
  rig.pass_time(24h);
  EXPECT_EQ(rig.one("d.test").tries, tries);
}

TEST(TlsReporter, AStrangersUrlIsNoWayIntoOurNetworks) {
  Rig rig;
  int n = 0;
  for (const char* url : {"https://private.test/", "https://127.0.0.1/", "https://[::1]/",
                          "http://r.c.test/", "https://2130706433/", "https://r.c.test:25/"}) {
    const std::string domain = "u" + std::to_string(n++) + ".test";
    rig.dns.txt("_smtp._tls." + domain, std::string("v=TLSRPTv1; rua=") + url + ",mailto:r@x.test");
    rig.count(domain);
  }
  rig.dns.a("private.test", "10.0.0.1").a("r.c.test", "8.8.8.8");
  rig.reporter->send_day(rig.day);
  rig.settle();
  EXPECT_TRUE(rig.network.tried.empty());
  EXPECT_EQ(rig.mails.size(), 6U) << "the others are told all the same";
  for (const Report& report : rig.book.find("", std::nullopt)) {
    EXPECT_NE(report.state, State::Unwanted);
    EXPECT_TRUE(std::any_of(report.deliveries.begin(), report.deliveries.end(),
                            [](const Delivery& delivery) { return delivery.is_sent; }));
  }
}

TEST(TlsReporter, ADnsThatFailsIsAskedAgain) {
  Rig rig;
  rig.dns.fail("_smtp._tls.a.test");
  rig.count("a.test");
  EXPECT_EQ(rig.one().state, State::Collecting);
  EXPECT_FALSE(rig.one().is_known_wanted);
  rig.reporter->send_day(rig.day);
  rig.settle();
  EXPECT_EQ(rig.one().state, State::Waiting);
  rig.dns.heal("_smtp._tls.a.test");
  rig.pass_time(15min);
  EXPECT_EQ(rig.one().state, State::Sent);
}

TEST(TlsReporter, ARecordTakenAwayEndsIt) {
  Rig rig;
  rig.count("a.test");
  rig.dns.remove("_smtp._tls.a.test");
  rig.reporter->send_day(rig.day);
  rig.settle();
  EXPECT_EQ(rig.one().state, State::Unwanted);
  EXPECT_TRUE(rig.mails.empty());
}

TEST(TlsReportMail, TheFileIsNamedByTheRfc) {
  policy::TlsReportHead head;
  head.domain = "example.net";
  head.id = "2026-11-22.ab12@relay.test";
  head.begin = base::from_unix_us(1'795'305'600'000'000);
  EXPECT_EQ(file_name(head, "relay.test"),
            "relay.test!example.net!1795305600!1795391999!ab12.json.gz");
}

}  // namespace
}  // namespace ekiden::tlsreport
