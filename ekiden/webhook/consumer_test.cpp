// Goal: a webhook posts what happens, once when all goes well, again when it does not, at the times
// that the schedule says, and leads nowhere it may not. Method: the service, desk, ledger and event
// store themselves, a clock moved by the test, a scripted DNS, endpoints in memory.
#include "ekiden/webhook/consumer.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>

#include "ekiden/account/domain_key.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/task_group.hpp"
#include "ekiden/events/store.hpp"
#include "ekiden/net/memory_pair.hpp"
#include "ekiden/webhook/service.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::webhook {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// Endpoints: each request gets the next reply, then the last one again.
class HookNetwork final : public net::Network {
 public:
  HookNetwork(base::Worker& worker, base::TaskGroup& tasks) : worker_(worker), tasks_(tasks) {}

  base::Task<Result<std::unique_ptr<net::Stream>>> connect(net::Endpoint to, net::ConnectOptions,
                                                           base::Steady) override {
    connected.push_back(net::format_endpoint(to));
    if (is_down) co_return Error(net::Errc::Refused);
    net::MemoryPair pair = net::make_memory_pair(worker_, 1 << 20);
    base::Task<void> task = serve(std::move(pair.second));
    tasks_.spawn(std::move(task));
    co_return std::move(pair.first);
  }
  Result<std::unique_ptr<net::Listener>> listen(
      net::Endpoint, net::ListenOptions,
      base::Function<void(std::unique_ptr<net::Stream>)>) override {
    return Error(net::Errc::Other);
  }

  bool is_down = false;
  std::deque<std::string> replies{"HTTP/1.1 204 OK\r\n\r\n"};
  std::vector<std::string> connected, requests;

 private:
  base::Task<void> serve(std::unique_ptr<net::Stream> stream) {
    const base::Steady deadline = worker_.clock.steady() + 100h;
    char buffer[4096];
    std::string octets;
    for (;;) {
      std::size_t end;
      while ((end = end_of(octets)) == std::string::npos) {
        const Result<std::size_t> read = co_await net::read_some(*stream, buffer, deadline);
        if (!read) co_return;
        octets.append(buffer, *read);
      }
      requests.push_back(octets.substr(0, end));
      octets.erase(0, end);
      const std::string reply = replies.front();
      if (replies.size() > 1) replies.pop_front();
      if (reply == "CLOSE") co_return;
      if (reply == "HANG") {
        (void)co_await net::read_some(*stream, buffer, deadline);
        co_return;
      }
      const Result<void> written = co_await net::write_all(*stream, reply, deadline);
      if (!written) co_return;
    }
  }
  static std::size_t end_of(const std::string& octets) {
    const std::size_t head = octets.find("\r\n\r\n");
    const std::size_t length = octets.find("Content-Length: ");
    if (head == std::string::npos || length == std::string::npos) return std::string::npos;
    const std::size_t end = head + 4 + std::strtoul(octets.c_str() + length + 16, nullptr, 10);
    return octets.size() < end ? std::string::npos : end;
  }

  base::Worker& worker_;
  base::TaskGroup& tasks_;
};

base::Task<Result<std::unique_ptr<net::Stream>>> pass(std::unique_ptr<net::Stream> stream) {
  co_return stream;
}

struct ConsumerTest : testing::Test {
  base::IoContext io{1};
  test::FakeClock clock;
  test::FakeExecutor executor;
  base::SeededRandom random{1};
  base::Worker worker{0, io.get_executor(), executor, clock, random};
  base::TaskGroup tasks{worker};
  test::FakeResolver dns{clock};
  HookNetwork network{worker, tasks};
  base::Metrics metrics;
  std::string dir;
  account::HashKey key{std::string(account::kHashOctets, 'k')};
  std::unique_ptr<account::Store> accounts;
  std::unique_ptr<events::Store> store;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Desk> desk;
  std::unique_ptr<Service> service;
  std::uint64_t next_event = 1;

  ConsumerTest() {
    std::string pattern = testing::TempDir() + "ekiden-webhook-XXXXXX";
    dir = ::mkdtemp(pattern.data());
    dns.a("hook.test", "8.8.8.8");
    accounts = std::move(*account::Store::open(dir, clock.now()));
    store = std::make_unique<events::Store>(clock, events::Store::Options{dir + "/events"});
    ledger = std::move(*Ledger::open(dir));
    desk = std::make_unique<Desk>(dir + "/events", key);
    start();
  }
  ~ConsumerTest() override {
    stop();
    tasks.close();
    network.replies = {"CLOSE"};
    settle(101h);
    fs::remove_all(dir);
  }

  void start() {
    Options options;
    service = std::make_unique<Service>(
        Service::Parts{worker, executor, network, dns,
                       [](std::unique_ptr<net::Stream> stream, std::string, base::Steady,
                          std::string&) { return pass(std::move(stream)); },
                       *accounts, *ledger, *desk, metrics, [options] { return options; }});
    service->start();
  }
  void stop() {
    if (!service) return;
    service->stop();
    settle(1s);
    service.reset();
  }
  void poll() {
    for (int i = 0; i < 60; ++i) {
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
  /// Time passes in small steps, so that what waits for each other gets on.
  void pass_time(base::Duration by, base::Duration step = 250ms) {
    for (base::Duration passed{}; passed < by; passed += step) settle(step);
  }

  std::int64_t add(std::uint32_t batch = 100, std::string url = "https://hook.test/x") {
    account::Webhook webhook;
    webhook.tenant = "default";
    webhook.origin = url;
    webhook.sealed_url = account::seal(key, account::kWebhookUrlPurpose, url, random);
    webhook.batch_max = batch;
    const auto id = accounts->add_webhook(webhook, {"a test", clock.now()});
    EXPECT_TRUE(id);
    pass_time(1s);
    return id ? *id : 0;
  }
  void happen(std::size_t count) {
    std::vector<std::string> batch;
    for (std::size_t i = 0; i < count; ++i) {
      events::Event event;
      event.message = {next_event++, 1};
      event.time = clock.now();
      event.kind = events::Kind::Delivered;
      event.recipient = "user@example.jp";
      event.tenant = "default";
      batch.push_back(events::encode_event(event));
    }
    ASSERT_TRUE(store->write(batch));
    service->wake();
    pass_time(100ms, 20ms);
  }
  /// How often each event was posted, by its number.
  std::map<std::uint64_t, int> posted() const {
    std::map<std::uint64_t, int> counts;
    for (const std::string& request : network.requests) {
      for (std::uint64_t n = 1; n < next_event; ++n) {
        const std::string id =
            "\"" + events::event_id({n, 1}, 0, events::Kind::Delivered, 0) + "\"";
        if (request.find(id) != std::string::npos) ++counts[n];
      }
    }
    return counts;
  }
  account::Webhook webhook(std::int64_t id) {
    for (const account::Webhook& one : *accounts->webhooks()) {
      if (one.id == id) return one;
    }
    return {};
  }
};

TEST_F(ConsumerTest, EverythingIsPostedOnceInBatchesOverOneConnection) {
  add(10);
  happen(35);
  pass_time(1s);
  EXPECT_EQ(network.requests.size(), 4u);
  EXPECT_EQ(network.connected, std::vector<std::string>{"8.8.8.8:443"});
  ASSERT_EQ(posted().size(), 35u);
  for (const auto& [number, count] : posted()) EXPECT_EQ(count, 1) << number;
  EXPECT_TRUE(network.requests[0].starts_with("POST /x HTTP/1.1\r\nHost: hook.test\r\n"));
  // A restart goes on behind what was taken.
  stop();
  start();
  pass_time(1s);
  happen(1);
  EXPECT_EQ(network.requests.size(), 5u);
  EXPECT_EQ(posted()[36], 1);
}

TEST_F(ConsumerTest, AFailedBatchComesAgainAsItWasAtTheTimesOfTheSchedule) {
  network.replies = {"HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n"};
  const std::int64_t id = add(10);
  happen(3);
  ASSERT_EQ(network.requests.size(), 1u);
  happen(5);
  pass_time(3s);
  EXPECT_EQ(network.requests.size(), 1u) << "not before four seconds";
  pass_time(4s);
  EXPECT_EQ(network.requests.size(), 2u);
  pass_time(10s);
  EXPECT_EQ(network.requests.size(), 2u);
  network.replies = {"HTTP/1.1 204 OK\r\n\r\n"};
  pass_time(15s);
  ASSERT_EQ(network.requests.size(), 4u) << "the batch, and then what came behind it";
  EXPECT_EQ(network.requests[0], network.requests[2]);
  EXPECT_EQ(posted()[3], 3);
  EXPECT_EQ(posted()[4], 1) << "not added to the batch that had failed";
  EXPECT_EQ(ledger->attempts(id, 10)->size(), 4u);
}

TEST_F(ConsumerTest, AfterADayItGivesUpAndKeepsItsPlace) {
  network.is_down = true;
  const std::int64_t id = add();
  happen(2);
  pass_time(23h, 30s);
  EXPECT_EQ(webhook(id).state, account::WebhookState::Active);
  pass_time(3h, 30s);
  EXPECT_EQ(webhook(id).state, account::WebhookState::Disabled);
  EXPECT_GE(network.connected.size(), 24u);
  EXPECT_EQ(accounts->audit(1)->front().action, "webhook.set");
  const std::size_t tries = network.connected.size();
  pass_time(5h, 1min);
  EXPECT_EQ(network.connected.size(), tries);
  network.is_down = false;
  account::Webhook again = webhook(id);
  again.state = account::WebhookState::Active;
  ASSERT_TRUE(accounts->set_webhook(again, "woken", {"a test", clock.now()}));
  pass_time(1s);
  EXPECT_EQ(posted().size(), 2u);
}

TEST_F(ConsumerTest, RetryAfterMakesTheWaitLonger) {
  network.replies = {"HTTP/1.1 429 slow\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n",
                     "HTTP/1.1 204 OK\r\n\r\n"};
  add();
  happen(1);
  pass_time(595s, 5s);
  EXPECT_EQ(network.requests.size(), 1u);
  pass_time(10s);
  EXPECT_EQ(network.requests.size(), 2u);
}

TEST_F(ConsumerTest, AnAnswerThatDoesNotComeTimesOutAndIsNoAnswer) {
  network.replies = {"HANG", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "CLOSE",
                     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"};
  const std::int64_t id = add();
  happen(1);
  pass_time(200s, 1s);
  const auto attempts = ledger->attempts(id, 10);
  ASSERT_EQ(attempts->size(), 4u);
  EXPECT_NE(attempts->at(3).outcome.find("timed out"), std::string::npos);
  EXPECT_GE(attempts->at(3).duration, 20s);
  EXPECT_FALSE(attempts->at(2).is_success);
  EXPECT_FALSE(attempts->at(1).is_success);
  EXPECT_TRUE(attempts->at(0).is_success);
}

TEST_F(ConsumerTest, TheAddressIsJudgedAtEachConnection) {
  const std::int64_t id = add(1);
  happen(1);
  ASSERT_EQ(network.requests.size(), 1u);
  dns.remove("hook.test").a("hook.test", "10.0.0.1").aaaa("hook.test", "::1");
  happen(1);
  EXPECT_EQ(network.connected.size(), 1u) << "no connection to what has moved inside";
  EXPECT_NE(ledger->attempts(id, 1)->front().outcome.find("no address of the Internet"),
            std::string::npos);
  dns.remove("hook.test").a("hook.test", "10.0.0.1").a("hook.test", "9.9.9.9");
  pass_time(10s);
  EXPECT_EQ(network.connected.back(), "9.9.9.9:443");
  add(1, "http://hook.test/y");
  happen(1);
  EXPECT_NE(ledger->attempts(id + 1, 1)->front().outcome.find("need https"), std::string::npos);
}

TEST_F(ConsumerTest, RemovedInTheMiddleItEndsAndIsForgotten) {
  network.replies = {"HANG"};
  const std::int64_t id = add();
  happen(1);
  ASSERT_EQ(network.requests.size(), 1u);
  ASSERT_TRUE(accounts->remove_webhook(id, {"a test", clock.now()}));
  pass_time(1s);
  EXPECT_EQ(*ledger->load(id, Ledger::kLive), std::nullopt);
  EXPECT_TRUE(ledger->attempts(id, 10)->empty());
  happen(5);
  pass_time(60s, 1s);
  EXPECT_EQ(network.requests.size(), 1u);
}

TEST_F(ConsumerTest, WhatIsUnderWayIsBoundedAndOneTenantDoesNotTakeItAll) {
  network.replies = {"HANG"};
  for (std::size_t i = 0; i < Slots::kOfOneTenant + 4; ++i) add();
  ASSERT_TRUE(accounts->add_tenant("other", {"a test", clock.now()}));
  happen(1);
  EXPECT_EQ(network.requests.size(), Slots::kOfOneTenant);
  // When some have timed out others begin.
  pass_time(22s);
  EXPECT_GT(network.requests.size(), Slots::kOfOneTenant);
}

}  // namespace
}  // namespace ekiden::webhook
