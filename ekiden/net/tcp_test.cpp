// TCP streams over loopback, both ends on one loop in this process; deadlines expire by a clock
// that the test moves.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "ekiden/net/tcp_network.hpp"
#include "ekiden/net/test_loop.hpp"

namespace ekiden::net {
namespace {

using Opened = Result<std::unique_ptr<Stream>>;

struct Pair {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

class Tcp : public testing::Test {
 protected:
  static base::Task<void> connect_to(TcpNetwork& network, Endpoint to, ConnectOptions options,
                                     base::Steady deadline, std::optional<Opened>& result) {
    Opened opened = co_await network.connect(to, options, deadline);
    result.emplace(std::move(opened));
  }
  Opened connect(Endpoint to, ConnectOptions options = {}) {
    std::optional<Opened> result;
    loop_.spawn(connect_to(network_, to, options, loop_.soon(), result));
    loop_.run();
    return std::move(*result);
  }
  std::unique_ptr<Listener> listen(const char* on = "127.0.0.1:0", ListenOptions options = {}) {
    auto listener = network_.listen(*parse_endpoint(on), options, [this](auto stream) {
      accepted_.push_back(std::move(stream));
    });
    EXPECT_TRUE(listener) << listener.error().message();
    return std::move(*listener);
  }
  Pair pair() {
    auto listener = listen();
    Opened client = connect(listener->local());
    EXPECT_TRUE(client) << client.error().message();
    loop_.run_until([&] { return !accepted_.empty(); });
    Pair pair{std::move(*client), std::move(accepted_.back())};
    accepted_.clear();
    return pair;
  }
  static base::Task<void> read_into(Stream& stream, base::Steady deadline, std::size_t size,
                                    std::optional<Result<std::string>>& result) {
    std::string buffer(size, '\0');
    const Result<std::size_t> read = co_await read_some(stream, buffer, deadline);
    if (read) {
      result = buffer.substr(0, *read);
    } else {
      result = read.error();
    }
  }
  Result<std::string> read(Stream& stream, std::size_t size = 4096) {
    std::optional<Result<std::string>> result;
    loop_.spawn(read_into(stream, loop_.soon(), size, result));
    loop_.run();
    return *result;
  }
  static base::Task<void> write_from(Stream& stream, std::string octets, base::Steady deadline,
                                     std::optional<Result<void>>& result) {
    result = co_await write_all(stream, octets, deadline);
  }
  static base::Task<void> wait_for(Stream& stream, Direction direction, base::Steady deadline,
                                   std::optional<Result<void>>& result) {
    result = co_await stream.wait(direction, deadline);
  }

  TestLoop loop_;
  TcpNetwork network_{loop_.worker()};
  std::vector<std::unique_ptr<Stream>> accepted_;
};

TEST_F(Tcp, CarriesOctetsBothWaysAndKnowsItsEnds) {
  Pair p = pair();
  EXPECT_EQ(p.client->local(), p.server->remote());
  EXPECT_EQ(p.client->remote(), p.server->local());
  EXPECT_EQ(p.client->tls(), nullptr);
  const std::string_view pieces[] = {"EHLO ", "", "client", "\r\n"};
  EXPECT_EQ(p.client->try_write(pieces).value(), 13u);
  EXPECT_EQ(read(*p.server).value(), "EHLO client\r\n");
  EXPECT_EQ(p.server->try_write(std::span(pieces).first(1)).value(), 5u);
  EXPECT_EQ(read(*p.client, 3).value(), "EHL");
  EXPECT_EQ(read(*p.client, 3).value(), "O ");
}

TEST_F(Tcp, TryReadAsksTheKernelEachTime) {
  Pair p = pair();
  char buffer[8];
  EXPECT_EQ(p.server->try_read(buffer).error(), Errc::WouldBlock);
  const std::string_view hi[] = {"hi"};
  EXPECT_EQ(p.client->try_write(hi).value(), 2u);
  EXPECT_EQ(p.server->try_read(buffer).value(), 2u);
  EXPECT_EQ(p.server->try_read(buffer).error(), Errc::WouldBlock);
}

TEST_F(Tcp, ReadsMoreThanTheStashInOneCall) {
  Pair p = pair();
  const std::string body(3000, 'x');
  const std::string_view pieces[] = {body};
  EXPECT_EQ(p.client->try_write(pieces).value(), body.size());
  EXPECT_EQ(read(*p.server).value(), body);
}

TEST_F(Tcp, AWaitEndsAtItsDeadlineAndTheStreamStaysUsable) {
  Pair p = pair();
  std::optional<Result<std::string>> got;
  loop_.spawn(read_into(*p.server, loop_.soon(), 10, got));
  loop_.settle();
  loop_.clock().advance(std::chrono::seconds(299));
  loop_.settle();
  EXPECT_FALSE(got);
  loop_.clock().advance(std::chrono::seconds(1));
  loop_.run();
  EXPECT_EQ(got->error(), Errc::TimedOut);
  const std::string_view hi[] = {"hi"};
  EXPECT_EQ(p.client->try_write(hi).value(), 2u);
  EXPECT_EQ(read(*p.server).value(), "hi");
}

TEST_F(Tcp, ManyWaitsMoveOneTimer) {
  Pair p = pair();
  const std::string_view hi[] = {"hi"};
  const std::size_t before = loop_.clock().size();
  for (int i = 0; i < 100; ++i) {
    std::optional<Result<std::string>> got;
    loop_.spawn(read_into(*p.server, loop_.soon(), 10, got));
    loop_.settle();
    EXPECT_LE(loop_.clock().size(), before + 1);
    EXPECT_TRUE(p.client->try_write(hi));
    loop_.run();
    EXPECT_EQ(got->value(), "hi");
    loop_.clock().advance(std::chrono::seconds(7));
  }
  // An earlier deadline than the one that is set still holds.
  std::optional<Result<std::string>> got;
  loop_.spawn(read_into(*p.server, loop_.clock().steady() + std::chrono::seconds(1), 10, got));
  loop_.settle();
  loop_.clock().advance(std::chrono::seconds(1));
  loop_.run();
  EXPECT_EQ(got->error(), Errc::TimedOut);
}

TEST_F(Tcp, ADeadlineInThePastIsAPoll) {
  Pair p = pair();
  std::optional<Result<void>> ended;
  loop_.spawn(wait_for(*p.server, Direction::Read, base::Steady{}, ended));
  loop_.settle();
  loop_.clock().advance(base::Duration(0));
  loop_.run();
  EXPECT_EQ(ended->error(), Errc::TimedOut);
}

TEST_F(Tcp, CloseResumesTheWaiterWithClosed) {
  for (const Direction direction : {Direction::Read, Direction::Write}) {
    Pair q = pair();
    if (direction == Direction::Write) {
      const std::string lump(1 << 20, 'x');
      const std::string_view pieces[] = {lump};
      while (q.server->try_write(pieces)) {
      }
    }
    std::optional<Result<void>> ended;
    loop_.spawn(wait_for(*q.server, direction, loop_.soon(), ended));
    loop_.settle();
    EXPECT_FALSE(ended);
    q.server->close();
    q.server->close();
    EXPECT_FALSE(q.server->is_open());
    loop_.run();
    EXPECT_EQ(ended->error(), Errc::Closed);
    char buffer[1];
    EXPECT_EQ(q.server->try_read(buffer).error(), Errc::Closed);
    const std::string_view hi[] = {"hi"};
    EXPECT_EQ(q.server->try_write(hi).error(), Errc::Closed);
  }
  EXPECT_EQ(loop_.clock().size(), 0u);
}

TEST_F(Tcp, DestroyingAStreamResumesTheWaiterWithClosed) {
  Pair p = pair();
  std::optional<Result<void>> ended;
  loop_.spawn(wait_for(*p.server, Direction::Read, loop_.soon(), ended));
  loop_.settle();
  p.server.reset();
  loop_.run();
  EXPECT_EQ(ended->error(), Errc::Closed);
  p.client.reset();  // Its timer, of the connect, goes with it.
  EXPECT_EQ(loop_.clock().size(), 0u);
}

base::Task<void> own_and_wait(std::unique_ptr<Stream> stream, base::Steady deadline) {
  char buffer[16];
  (void)co_await read_some(*stream, buffer, deadline);
  ADD_FAILURE() << "nothing is ever sent";
}

TEST_F(Tcp, ALoopThatEndsDestroysTheCoroutineAndItsStream) {
  Pair p = pair();
  loop_.spawn(own_and_wait(std::move(p.server), loop_.soon()));
  loop_.settle();
  p.client.reset();  // Before the loop: a stream never outlives its loop.
  loop_.loop().drop();
  EXPECT_EQ(loop_.clock().size(), 0u);
}

TEST_F(Tcp, DataBeforeTheEndIsReadBeforeTheEnd) {
  Pair p = pair();
  const std::string_view bye[] = {"bye"};
  EXPECT_TRUE(p.client->try_write(bye));
  p.client->shutdown_write();
  EXPECT_EQ(read(*p.server).value(), "bye");
  EXPECT_EQ(read(*p.server).error(), Errc::EndOfStream);
  EXPECT_EQ(read(*p.server).error(), Errc::EndOfStream);
  // Half closed: the other direction still works.
  EXPECT_TRUE(p.server->try_write(bye));
  EXPECT_EQ(read(*p.client).value(), "bye");
}

TEST_F(Tcp, AResetIsAReset) {
  Pair p = pair();
  const std::string_view hi[] = {"hi"};
  EXPECT_TRUE(p.client->try_write(hi));
  p.server->close();  // With unread octets: the kernel answers with a reset.
  EXPECT_EQ(read(*p.client).error(), Errc::Reset);
  EXPECT_EQ(p.client->try_write(hi).error(), Errc::Reset);
}

base::Task<void> read_everything(Stream& stream, std::size_t total, base::Steady deadline,
                                 std::string& into) {
  std::string buffer(64 * 1024, '\0');
  while (into.size() < total) {
    const Result<std::size_t> read = co_await read_some(stream, buffer, deadline);
    if (!read) co_return;
    into.append(buffer, 0, *read);
  }
}

base::Task<void> write_pieces(Stream& stream, std::vector<std::string> octets,
                              base::Steady deadline, std::optional<Result<void>>& result) {
  std::vector<std::string_view> pieces(octets.begin(), octets.end());
  const std::span<const std::string_view> span(pieces);
  result = co_await write_all(stream, span, deadline);
}

TEST_F(Tcp, HugeWritesWaitForTheReaderAndArriveInOrder) {
  Pair p = pair();
  std::vector<std::string> pieces;
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    pieces.push_back(i % 7 == 0 ? "" : std::string(100'000 + i, static_cast<char>('a' + i % 26)));
    expected += pieces.back();
  }
  std::optional<Result<void>> written;
  loop_.spawn(write_pieces(*p.client, pieces, loop_.soon(), written));
  loop_.settle();
  EXPECT_FALSE(written) << "the kernel does not take 17 MB";
  std::string got;
  loop_.spawn(read_everything(*p.server, expected.size(), loop_.soon(), got));
  loop_.run();
  EXPECT_TRUE(written->has_value());
  EXPECT_TRUE(got == expected);
}

TEST_F(Tcp, AWriteThatNobodyTakesEndsAtItsDeadline) {
  Pair p = pair();
  std::optional<Result<void>> written;
  loop_.spawn(write_from(*p.client, std::string(20'000'000, 'x'), loop_.soon(), written));
  loop_.settle();
  EXPECT_FALSE(written);
  loop_.clock().advance(std::chrono::minutes(5));
  loop_.run();
  EXPECT_EQ(written->error(), Errc::TimedOut);
}

TEST_F(Tcp, ConnectFailuresAreTold) {
  Endpoint nobody;
  { nobody = listen()->local(); }
  EXPECT_EQ(connect(nobody).error(), Errc::Refused);
  ConnectOptions foreign;
  foreign.source = boost::asio::ip::make_address("192.0.2.1");
  EXPECT_EQ(connect(nobody, foreign).error(), Errc::AddressUnavailable);
  foreign.source = boost::asio::ip::make_address("::1");
  EXPECT_EQ(connect(nobody, foreign).error(), Errc::AddressUnavailable);
}

TEST_F(Tcp, ConnectBindsTheSource) {
  auto listener = listen();
  ConnectOptions options;
  options.source = boost::asio::ip::make_address("127.0.0.9");
  Opened client = connect(listener->local(), options);
  ASSERT_TRUE(client) << client.error().message();
  EXPECT_EQ((*client)->local().address, *options.source);
  loop_.run_until([&] { return !accepted_.empty(); });
  EXPECT_EQ(accepted_[0]->remote(), (*client)->local());
}

TEST_F(Tcp, ConnectEndsAtItsDeadline) {
  // A listener whose backlog is full: the kernel drops further attempts.
  ListenOptions options;
  options.backlog = 0;
  auto listener = listen("127.0.0.1:0", options);
  listener->pause();
  std::vector<std::optional<Opened>> results(4);
  for (auto& result : results) {
    loop_.spawn(connect_to(network_, listener->local(), {}, loop_.soon(), result));
  }
  loop_.settle();
  loop_.clock().advance(std::chrono::minutes(5));
  loop_.run();
  EXPECT_EQ(results.back()->error(), Errc::TimedOut);
}

TEST_F(Tcp, ConnectEndsWhenItIsCancelled) {
  ListenOptions full;
  full.backlog = 0;
  auto listener = listen("127.0.0.1:0", full);
  listener->pause();
  std::vector<std::optional<Opened>> results(4);
  ConnectOptions options;
  for (auto& result : results) {
    options.cancel = std::make_shared<Cancellation>();
    loop_.spawn(connect_to(network_, listener->local(), options, loop_.soon(), result));
  }
  loop_.settle();
  ASSERT_FALSE(results.back()) << "the kernel lets it wait";
  options.cancel->cancel();
  loop_.run_until([&] { return results.back().has_value(); });
  EXPECT_EQ(results.back()->error(), Errc::Closed);

  // One that is cancelled before it begins does not begin.
  std::optional<Opened> never;
  loop_.spawn(connect_to(network_, listener->local(), options, loop_.soon(), never));
  loop_.run_until([&] { return never.has_value(); });
  EXPECT_EQ(never->error(), Errc::Closed);
  loop_.clock().advance(std::chrono::minutes(5));
  loop_.run();
}

TEST_F(Tcp, APausedListenerTakesNobodyUntilItResumes) {
  auto listener = listen();
  listener->pause();
  Opened client = connect(listener->local());
  ASSERT_TRUE(client);
  loop_.settle();
  EXPECT_TRUE(accepted_.empty());
  listener->resume();
  loop_.run_until([&] { return !accepted_.empty(); });
  listener->pause();
  listener->resume();
  Opened second = connect(listener->local());
  ASSERT_TRUE(second);
  loop_.run_until([&] { return accepted_.size() == 2; });
}

TEST_F(Tcp, SharedListenersTakeOneEndpointAndOthersDoNot) {
  auto first = listen();
  const std::string on = format_endpoint(first->local());
  auto second = listen(on.c_str());
  ListenOptions alone;
  alone.is_shared = false;
  EXPECT_EQ(network_.listen(first->local(), alone, [](auto) {}).error(), Errc::AddressInUse);
  EXPECT_EQ(network_.listen(*parse_endpoint("192.0.2.1:0"), {}, [](auto) {}).error(),
            Errc::AddressUnavailable);
}

TEST_F(Tcp, Ipv6ListenersLeaveIpv4Alone) {
  auto probe = network_.listen(*parse_endpoint("[::1]:0"), {}, [](auto) {});
  if (!probe) GTEST_SKIP() << "no IPv6 here";
  auto v6 = listen("[::]:0");
  const std::string v4 = "0.0.0.0:" + std::to_string(v6->local().port);
  auto both = listen(v4.c_str());
  Opened client = connect(*parse_endpoint("[::1]:" + std::to_string(v6->local().port)));
  ASSERT_TRUE(client);
  loop_.run_until([&] { return !accepted_.empty(); });
  EXPECT_EQ(accepted_[0]->remote(), (*client)->local());
  EXPECT_EQ(accepted_[0]->local(), (*client)->remote());
}

TEST_F(Tcp, OutOfDescriptorsAcceptingRestsAndThenGoesOn) {
  auto listener = listen();
  Opened client = connect(listener->local());  // Waits in the backlog: nothing ran since.
  ASSERT_TRUE(client);
  accepted_.clear();
  Opened waiting = connect(listener->local());
  accepted_.clear();
  listener->pause();
  Opened third = connect(listener->local());
  ASSERT_TRUE(third);
  loop_.settle();

  // The undefined-behaviour sanitizer opens a pipe when it first meets a type: before the limit.
  EXPECT_NE(Error(Errc::OutOfResources).message(), "");
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  rlimit none = old;
  none.rlim_cur = 3;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::size_t timers = loop_.clock().size();
  listener->resume();
  loop_.run_until([&] { return loop_.clock().size() > timers; });
  loop_.settle();
  EXPECT_TRUE(accepted_.empty());
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  loop_.clock().advance(std::chrono::milliseconds(100));
  loop_.run_until([&] { return !accepted_.empty(); });
}

TEST_F(Tcp, AListenerMayBeDestroyedByTheConnectionItTakes) {
  std::unique_ptr<Listener> listener;
  bool taken = false;
  auto opened = network_.listen(*parse_endpoint("127.0.0.1:0"), {}, [&](auto) {
    taken = true;
    listener.reset();
  });
  ASSERT_TRUE(opened);
  listener = std::move(*opened);
  Opened client = connect(listener->local());
  ASSERT_TRUE(client);
  loop_.run_until([&] { return taken; });
  loop_.settle();
}

}  // namespace
}  // namespace ekiden::net
