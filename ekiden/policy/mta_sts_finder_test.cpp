// A finder on a clock moved by the test, a scripted DNS and policy servers in memory.
#include "ekiden/policy/mta_sts_finder.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <deque>

#include "ekiden/base/random.hpp"
#include "ekiden/net/memory_pair.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::policy {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPolicy =
    "version: STSv1\r\nmode: enforce\r\nmx: mx.dest.test\r\nmax_age: 604800\r\n";

std::string reply_of(std::string_view body, std::string_view head = "HTTP/1.1 200 OK") {
  return std::string(head) +
         "\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

/// Servers of policies: each connection gets the next reply, then the last one again.
class PolicyNetwork final : public net::Network {
 public:
  PolicyNetwork(base::Worker& worker, base::TaskGroup& tasks) : worker_(worker), tasks_(tasks) {}

  base::Task<Result<std::unique_ptr<net::Stream>>> connect(net::Endpoint to, net::ConnectOptions,
                                                           base::Steady) override {
    tried.push_back(net::format_endpoint(to));
    if (replies.empty()) co_return Error(net::Errc::Refused);
    std::string reply = replies.front();
    if (replies.size() > 1) replies.pop_front();
    net::MemoryPair pair = net::make_memory_pair(worker_, 1 << 20);
    base::Task<void> task = serve(std::move(pair.second), std::move(reply));
    tasks_.spawn(std::move(task));
    co_return std::move(pair.first);
  }
  Result<std::unique_ptr<net::Listener>> listen(
      net::Endpoint, net::ListenOptions,
      base::Function<void(std::unique_ptr<net::Stream>)>) override {
    return Error(net::Errc::Other);
  }

  std::deque<std::string> replies;
  std::vector<std::string> tried, requests;

 private:
  base::Task<void> serve(std::unique_ptr<net::Stream> stream, std::string reply) {
    const base::Steady deadline = worker_.clock.steady() + 1h;
    std::string request;
    char buffer[512];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const Result<std::size_t> read = co_await net::read_some(*stream, buffer, deadline);
      if (!read) co_return;
      request.append(buffer, *read);
    }
    requests.push_back(request);
    if (reply == "HANG") {
      (void)co_await net::read_some(*stream, buffer, deadline);
      co_return;
    }
    (void)co_await net::write_all(*stream, reply, deadline);
  }

  base::Worker& worker_;
  base::TaskGroup& tasks_;
};

base::Task<Result<std::unique_ptr<net::Stream>>> pass(std::unique_ptr<net::Stream> stream,
                                                      std::string name, bool is_trusted,
                                                      std::vector<std::string>& names,
                                                      std::string& why) {
  names.push_back(std::move(name));
  if (is_trusted) co_return stream;
  why = "self-signed certificate";
  co_return Error(net::Errc::Tls);
}

struct Rig {
  base::IoContext io{1};
  test::FakeClock clock;
  test::FakeExecutor executor;
  base::SeededRandom random{1};
  base::Worker worker{0, io.get_executor(), executor, clock, random};
  base::TaskGroup tasks{worker};
  test::FakeResolver dns{clock};
  PolicyNetwork network{worker, tasks};
  std::vector<std::string> names;  ///< that certificates were verified for
  bool is_trusted = true;
  MtaStsBook book;
  int changes = 0;
  std::unique_ptr<MtaStsFinder> finder;

  Rig() {
    book.on_change([this] { ++changes; });
    dns.txt("_mta-sts.dest.test", "v=STSv1; id=1;").a("mta-sts.dest.test", "8.8.8.8");
    network.replies = {reply_of(kPolicy)};
    restart();
  }
  ~Rig() {
    finder->close();
    tasks.close();
    settle(2h);
  }

  void restart(MtaStsOptions options = {}) {
    net::BeginTls secure = [this](std::unique_ptr<net::Stream> stream, std::string name,
                                  base::Steady, std::string& why) {
      return pass(std::move(stream), std::move(name), is_trusted, names, why);
    };
    finder = std::make_unique<MtaStsFinder>(
        MtaStsFinder::Parts{worker, dns, network, std::move(secure), book}, std::move(options));
  }
  void poll() {
    for (int i = 0; i < 50; ++i) {
      io.restart();
      io.poll();
      executor.run();
    }
  }
  void settle(base::Duration by) {
    poll();
    clock.advance(by);
    poll();
  }
  /// Lets questions and fetches that begin meanwhile have their answers.
  void let_pass(base::Duration by) {
    settle(by);
    for (int i = 0; i < 5; ++i) settle(10ms);
  }
  /// Asks, and gives what is said after `within`; nothing when nothing is.
  std::optional<MtaStsFound> ask(std::string domain = "dest.test", base::Duration within = 1s) {
    auto answer = std::make_shared<std::optional<MtaStsFound>>();
    boost::asio::co_spawn(io.get_executor(), finder->find(std::move(domain)),
                          [answer](std::exception_ptr error, MtaStsFound found) {
                            if (error) std::rethrow_exception(error);
                            *answer = std::move(found);
                          });
    for (base::Duration passed{}; !*answer && passed <= within; passed += 10ms) settle(10ms);
    return *answer;
  }
};

TEST(MtaStsFinder, FetchesOnceAndKeeps) {
  Rig rig;
  const auto first = rig.ask();
  ASSERT_TRUE(first && first->entry);
  EXPECT_EQ(first->entry->policy.mode, MtaStsMode::Enforce);
  EXPECT_EQ(first->entry->id, "1");
  EXPECT_EQ(rig.names, std::vector<std::string>{"mta-sts.dest.test"});
  EXPECT_EQ(rig.network.tried, std::vector<std::string>{"8.8.8.8:443"});
  ASSERT_EQ(rig.network.requests.size(), 1U);
  EXPECT_TRUE(
      rig.network.requests[0].starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"
                                          "Host: mta-sts.dest.test\r\n"));
  EXPECT_TRUE(rig.ask()->entry);
  EXPECT_EQ(rig.network.requests.size(), 1U);
  EXPECT_EQ(rig.changes, 1);
}

TEST(MtaStsFinder, WithoutARecordNothingIsFetched) {
  Rig rig;
  EXPECT_FALSE(rig.ask("other.test")->entry);
  rig.dns.txt("_mta-sts.dest.test", "v=STSv1; id=2;");  // a second one: none
  EXPECT_FALSE(rig.ask()->entry);
  rig.dns.fail("_mta-sts.third.test");
  EXPECT_FALSE(rig.ask("third.test")->entry);
  EXPECT_TRUE(rig.network.tried.empty());
}

TEST(MtaStsFinder, ANewIdIsFetchedBehindTheCallersBack) {
  Rig rig;
  ASSERT_TRUE(rig.ask()->entry);
  rig.dns.remove("_mta-sts.dest.test").txt("_mta-sts.dest.test", "v=STSv1; id=2;");
  rig.network.replies = {reply_of("version: STSv1\nmode: testing\nmx: mx.dest.test\nmax_age: 9\n")};
  EXPECT_EQ(rig.ask()->entry->id, "1") << "what is in force is given at once";
  rig.settle(1s);
  EXPECT_EQ(rig.ask()->entry->id, "2");
  EXPECT_EQ(rig.ask()->entry->policy.mode, MtaStsMode::Testing);
}

TEST(MtaStsFinder, AFailedFetchKeepsThePolicyAndIsNotRepeatedSoon) {
  Rig rig;
  ASSERT_TRUE(rig.ask()->entry);
  rig.dns.remove("_mta-sts.dest.test").txt("_mta-sts.dest.test", "v=STSv1; id=2;");
  rig.is_trusted = false;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(rig.ask()->entry->id, "1");
  EXPECT_EQ(rig.network.tried.size(), 2U);
  rig.settle(5min);
  EXPECT_EQ(rig.ask()->entry->id, "1");
  rig.settle(1s);
  EXPECT_EQ(rig.network.tried.size(), 3U);
}

TEST(MtaStsFinder, APolicyInForceOutlivesItsRecordUntilItsAgeIsOver) {
  Rig rig;
  ASSERT_TRUE(rig.ask()->entry);
  rig.dns.remove("_mta-sts.dest.test");
  rig.settle(24h * 6);
  EXPECT_TRUE(rig.ask()->entry);
  rig.settle(24h + 1s);
  EXPECT_FALSE(rig.ask()->entry);
}

TEST(MtaStsFinder, LooksAgainEveryDay) {
  Rig rig;
  ASSERT_TRUE(rig.ask()->entry);
  rig.finder->start_renewing();
  for (int i = 0; i < 6 * 23; ++i) rig.let_pass(10min);
  EXPECT_EQ(rig.network.requests.size(), 1U);
  for (int i = 0; i < 6 * 24 * 8; ++i) rig.let_pass(10min);
  // Without any mail, and past the age of the first.
  EXPECT_GE(rig.network.requests.size(), 8U);
  EXPECT_LE(rig.network.requests.size(), 10U);
  EXPECT_TRUE(rig.book.find("dest.test", rig.clock.now()));
}

TEST(MtaStsFinder, WhatIsNoPolicyIsNone) {
  const std::vector<std::string> replies = {
      reply_of("", "HTTP/1.1 404 Not Found"),
      reply_of(kPolicy, "HTTP/1.1 301 Moved\r\nLocation: https://mta-sts.dest.test/x"),
      reply_of(kPolicy, "HTTP/1.1 203 Maybe"),
      reply_of("version: STSv1\nmode: enforce\n"),
      reply_of(std::string(kPolicy) + std::string(64 * 1024, '\n')),
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nx: y",
      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nx: y",
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 400\r\n\r\n" +
          std::string(kPolicy),
      "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x'),
      "220 mx.dest.test ESMTP\r\n",
      ""};
  for (const std::string& reply : replies) {
    Rig rig;
    rig.network.replies = {reply};
    const auto found = rig.ask();
    ASSERT_TRUE(found) << reply;
    EXPECT_FALSE(found->entry) << reply;
    EXPECT_FALSE(found->is_pending);
    EXPECT_EQ(rig.network.tried.size(), 1U) << "nothing is followed";
  }
}

TEST(MtaStsFinder, TakesEveryFormOfABody) {
  const std::string type = "HTTP/1.1 200 OK\r\nContent-Type: Text/Plain; charset=utf-8\r\n";
  for (const std::string& reply :
       {"HTTP/1.0" + type.substr(8) + "\r\n" + kPolicy,
        type + "Transfer-Encoding: chunked\r\n\r\n" + "10\r\nversion: STSv1\r\n\r\n" +
            "32\r\nmode: testing\r\nmx: mx.dest.test\r\nmax_age: 604800\r\n\r\n0\r\n\r\n"}) {
    Rig rig;
    rig.network.replies = {reply};
    EXPECT_TRUE(rig.ask()->entry) << reply;
  }
}

TEST(MtaStsFinder, MailWaitsALittleForTheFirstFetchOnly) {
  Rig rig;
  rig.network.replies = {"HANG"};
  EXPECT_FALSE(rig.ask("dest.test", 9s)) << "ten seconds";
  const auto late = rig.ask("dest.test", 11s);
  // Somebody fetches already, so a second caller does not wait at all.
  ASSERT_TRUE(late);
  EXPECT_FALSE(late->entry);
  Rig other;
  other.network.replies = {"HANG"};
  const auto pending = other.ask("dest.test", 11s);
  ASSERT_TRUE(pending);
  EXPECT_FALSE(pending->entry);
  EXPECT_TRUE(pending->is_pending);
  // RFC 8461 §3.3: a minute, then it has failed.
  other.settle(60s);
  EXPECT_TRUE(other.book.begin_fetch("dest.test", other.clock.now() + 6min));
}

TEST(MtaStsFinder, ClosingReleasesWhoWaits) {
  Rig rig;
  rig.network.replies = {"HANG"};
  EXPECT_FALSE(rig.ask("dest.test", 1s));
  rig.finder->close();
  rig.settle(1ms);
  EXPECT_FALSE(rig.ask()->entry);
}

TEST(MtaStsFinder, AddressesFollowTheMapAndStayOutOfPrivateSpace) {
  Rig rig;
  rig.dns.remove("mta-sts.dest.test").a("mta-sts.dest.test", "127.0.0.1");
  EXPECT_FALSE(rig.ask()->entry);
  EXPECT_TRUE(rig.network.tried.empty());
  MtaStsOptions options;
  options.port = 8443;
  options.connect_map = {{"mta-sts.dest.test:8443", *net::parse_endpoint("127.0.0.1:999")}};
  rig.settle(5min);
  rig.restart(options);
  EXPECT_TRUE(rig.ask()->entry);
  EXPECT_EQ(rig.network.tried, std::vector<std::string>{"127.0.0.1:999"});
  EXPECT_NE(rig.network.requests.at(0).find("Host: mta-sts.dest.test:8443\r\n"), std::string::npos);
}

TEST(MtaStsFinder, OffAsksNothing) {
  Rig rig;
  MtaStsOptions options;
  options.is_on = false;
  rig.restart(options);
  EXPECT_FALSE(rig.ask()->entry);
  EXPECT_TRUE(rig.dns.questions().empty());
}

}  // namespace
}  // namespace ekiden::policy
