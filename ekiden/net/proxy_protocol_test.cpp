#include "ekiden/net/proxy_protocol.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/random.hpp"
#include "ekiden/net/memory_pair.hpp"
#include "ekiden/net/test_loop.hpp"

namespace ekiden::net {
namespace {

std::string v2(unsigned version_command, unsigned family, const std::string& body) {
  std::string header("\r\n\r\n\0\r\nQUIT\n", 12);
  header += static_cast<char>(version_command);
  header += static_cast<char>(family);
  header += static_cast<char>(body.size() >> 8);
  header += static_cast<char>(body.size() & 0xff);
  return header + body;
}

const std::string kIpv4Body("\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x00\x19", 12);
const std::string kIpv6Body = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x01" +
                              std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x02" +
                              std::string("\x30\x39\x00\x19", 4);

/// Feeds a header octets at a time, as wanted. Gives what it made of it and how many it took.
struct Outcome {
  bool is_good;
  std::size_t taken;
  ProxyHeader header;
};
Outcome read_all(std::string_view octets, std::size_t step) {
  ProxyHeaderReader reader;
  std::size_t taken = 0;
  while (reader.wanted() > 0 && taken < octets.size()) {
    const std::string_view next = octets.substr(taken, std::min(step, reader.wanted()));
    taken += next.size();
    if (!reader.feed(next)) return {false, taken, {}};
  }
  return {reader.wanted() == 0, taken, reader.header()};
}

std::string text(const std::optional<Endpoint>& endpoint) {
  return endpoint ? format_endpoint(*endpoint) : "none";
}

TEST(ProxyHeader, ReadsBothVersionsSplitAnywhereAndNotAnOctetMore) {
  struct Case {
    std::string octets, source, destination;
  };
  const Case cases[] = {
      {"PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\n", "192.0.2.1:12345", "198.51.100.2:25"},
      {"PROXY TCP6 2001:db8::1 2001:db8::2 12345 25\r\n", "[2001:db8::1]:12345",
       "[2001:db8::2]:25"},
      {"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 1 2\r\n", "192.0.2.1:1", "192.0.2.2:2"},
      {"PROXY UNKNOWN\r\n", "none", "none"},
      {"PROXY UNKNOWN ffff:f...f:ffff anything 65535 65535\r\n", "none", "none"},
      {v2(0x21, 0x11, kIpv4Body), "192.0.2.1:12345", "198.51.100.2:25"},
      {v2(0x21, 0x11, kIpv4Body + std::string("\x04\x00\x02hi", 5)), "192.0.2.1:12345",
       "198.51.100.2:25"},
      {v2(0x21, 0x21, kIpv6Body), "[2001:db8::1]:12345", "[2001:db8::2]:25"},
      {v2(0x20, 0x00, ""), "none", "none"},
      {v2(0x20, 0x11, kIpv4Body), "none", "none"},
      {v2(0x21, 0x00, "any TLV"), "none", "none"},
      {v2(0x21, 0x31, std::string(216, 'u')), "none", "none"},
  };
  for (const Case& c : cases) {
    for (const std::size_t step : {1, 2, 3, 7, 1000}) {
      const Outcome outcome = read_all(c.octets + "EHLO client\r\n", step);
      EXPECT_TRUE(outcome.is_good) << c.octets;
      EXPECT_EQ(outcome.taken, c.octets.size()) << c.octets;
      EXPECT_EQ(text(outcome.header.source), c.source);
      EXPECT_EQ(text(outcome.header.destination), c.destination);
    }
  }
}

TEST(ProxyHeader, RefusesWhatIsNone) {
  const std::string cases[] = {
      "EHLO client.example\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 12345 25 \r\n",
      "PROXY TCP4  192.0.2.1 198.51.100.2 12345 25\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 12345 65536\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n",
      "PROXY TCP4 192.0.2.256 198.51.100.2 1 25\r\n",
      "PROXY TCP4 2001:db8::1 2001:db8::2 12345 25\r\n",
      "PROXY TCP6 192.0.2.1 198.51.100.2 12345 25\r\n",
      "PROXY TCP6 fe80::1%lo fe80::2%lo 1 25\r\n",
      "PROXY TCP6 fe80::1%none ::1 1 25\r\n",
      std::string("PROXY TCP4 192.0.2.1\0x 198.51.100.2 1 25\r\n", 42),
      "PROXY UDP4 192.0.2.1 198.51.100.2 12345 25\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\n",
      "PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\rX",
      "PROXY TCP4 192.0.2.1\n198.51.100.2 12345 25\r\n",
      "proxy TCP4 192.0.2.1 198.51.100.2 12345 25\r\n",
      "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n",
      v2(0x11, 0x11, kIpv4Body),
      v2(0x22, 0x11, kIpv4Body),
      v2(0x21, 0x12, kIpv4Body),
      v2(0x21, 0x41, kIpv4Body),
      v2(0x21, 0x11, kIpv4Body.substr(1)),
      v2(0x21, 0x21, kIpv6Body.substr(1)),
      v2(0x21, 0x11, kIpv4Body + std::string(ProxyHeaderReader::kV2OctetsMax, 't')),
  };
  for (const std::string& octets : cases) {
    for (const std::size_t step : {1, 5, 1000}) {
      EXPECT_FALSE(read_all(octets, step).is_good) << octets;
    }
  }
  // The longest line that is allowed: 107 octets with its end.
  EXPECT_TRUE(read_all("PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", 9).is_good);
}

TEST(ProxyHeader, RandomOctetsAreBoundedAndHarmless) {
  base::SeededRandom random(7);
  const std::string seeds[] = {"PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\n",
                               v2(0x21, 0x21, kIpv6Body), std::string(200, 'P')};
  for (int i = 0; i < 20'000; ++i) {
    std::string octets = seeds[random.below(3)];
    for (std::uint64_t flips = random.below(4); flips > 0; --flips) {
      octets[random.below(octets.size())] = static_cast<char>(random.next());
    }
    octets += std::string(random.below(5000), static_cast<char>(random.next()));
    const Outcome outcome = read_all(octets, 1 + random.below(20));
    EXPECT_LE(outcome.taken, ProxyHeaderReader::kV2OctetsMax);
  }
}

base::Task<void> read_into(Stream& stream, base::Steady deadline,
                           std::optional<Result<Endpoint>>& result) {
  result = co_await read_proxy_header(stream, deadline);
}

TEST(ProxyHeader, TheStreamContinuesRightAfterIt) {
  TestLoop loop;
  MemoryPair pair = make_memory_pair(loop.worker());
  const std::string_view pieces[] = {"PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\nEHLO x\r\n"};
  ASSERT_TRUE(pair.first->try_write(pieces));
  std::optional<Result<Endpoint>> announced;
  loop.spawn(read_into(*pair.second, loop.soon(), announced));
  loop.run();
  EXPECT_EQ(format_endpoint(announced->value()), "192.0.2.1:12345");
  char rest[16];
  EXPECT_EQ(pair.second->try_read(rest).value(), 8u);

  const Endpoint proxy = pair.second->local();
  const auto stream = with_remote(std::move(pair.second), **announced);
  EXPECT_EQ(stream->remote(), **announced);
  EXPECT_EQ(stream->local(), proxy);
  EXPECT_TRUE(stream->is_open());
  stream->close();
  EXPECT_FALSE(stream->is_open());
}

TEST(ProxyHeader, WithoutAnAnnouncedClientTheProxyItselfCounts) {
  TestLoop loop;
  MemoryPair pair = make_memory_pair(loop.worker());
  const std::string local = v2(0x20, 0x00, "");
  const std::string_view pieces[] = {local};
  ASSERT_TRUE(pair.first->try_write(pieces));
  std::optional<Result<Endpoint>> announced;
  loop.spawn(read_into(*pair.second, loop.soon(), announced));
  loop.run();
  EXPECT_EQ(announced->value(), pair.second->remote());
}

TEST(ProxyHeader, SilenceEndsAtTheDeadlineAndAnEarlyEndIsAnEnd) {
  TestLoop loop;
  MemoryPair pair = make_memory_pair(loop.worker());
  std::optional<Result<Endpoint>> announced;
  loop.spawn(read_into(*pair.second, loop.soon(), announced));
  loop.settle();
  loop.clock().advance(std::chrono::minutes(5));
  loop.run();
  EXPECT_EQ(announced->error(), Errc::TimedOut);
  const std::string_view pieces[] = {"PROXY TCP4 192.0.2.1"};
  ASSERT_TRUE(pair.first->try_write(pieces));
  pair.first->close();
  loop.spawn(read_into(*pair.second, loop.soon(), announced));
  loop.run();
  EXPECT_EQ(announced->error(), Errc::EndOfStream);
}

}  // namespace
}  // namespace ekiden::net
