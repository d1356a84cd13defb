// Goal: the octets of RFC 1928 and RFC 1929 go out, and every answer is blamed on whoever it is
// about. Method: octets in and out of the pure client, whole and one by one.
#include "ekiden/net/socks5.hpp"

#include <gtest/gtest.h>

#include "ekiden/net/error.hpp"

namespace ekiden::net {
namespace {

using namespace std::string_literals;

const std::string kMethod = "\x05\x00"s;
const std::string kYes = "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"s;

/// What the proxy says, in pieces of `piece` octets; what was sent goes to `said`.
Result<void> talk(Socks5Client& client, std::string_view proxy, std::string* said = nullptr,
                  std::size_t piece = 1) {
  for (;;) {
    const std::string output = client.take_output();
    if (said != nullptr) *said += output;
    if (client.wanted() == 0 || proxy.empty()) return {};
    const std::size_t octets = std::min({piece, client.wanted(), proxy.size()});
    const Result<void> fed = client.feed(proxy.substr(0, octets));
    if (!fed) return fed;
    proxy.remove_prefix(octets);
  }
}

TEST(Socks5Client, AsksForAnAddressAndLeavesThePeersOctetsAlone) {
  for (const std::size_t piece : {1U, 300U}) {
    Socks5Client client(*parse_endpoint("192.0.2.1:25"), std::nullopt);
    std::string said;
    ASSERT_TRUE(talk(client, kMethod + kYes + "220 mx", &said, piece));
    EXPECT_EQ(said, "\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x19"s);
    EXPECT_EQ(client.wanted(), 0u);
  }
}

TEST(Socks5Client, ReadsBoundAddressesOfAllThreeTypes) {
  const std::string ipv6 = "\x05\x00\x00\x04"s + std::string(18, '\0');
  const std::string name = "\x05\x00\x00\x03\x05proxy\x00\x19"s;
  for (const std::string& verdict : {kYes, ipv6, name}) {
    Socks5Client client(*parse_endpoint("[2001:db8::1]:25"), std::nullopt);
    std::string said;
    ASSERT_TRUE(talk(client, kMethod + verdict, &said));
    EXPECT_EQ(client.wanted(), 0u);
    EXPECT_EQ(said.substr(3, 4), "\x05\x01\x00\x04"s);
    EXPECT_EQ(said.size(), 3u + 4 + 16 + 2);
  }
}

TEST(Socks5Client, LogsInWhereALoginIsConfigured) {
  Socks5Client client(*parse_endpoint("192.0.2.1:25"), Socks5Login{"mail1", "secret"});
  std::string said;
  ASSERT_TRUE(talk(client, "\x05\x02\x01\x00"s + kYes, &said));
  EXPECT_EQ(said.substr(0, 3), "\x05\x01\x02"s) << "only the login is offered";
  EXPECT_EQ(said.substr(3, 14), "\x01\x05mail1\x06secret"s);
  EXPECT_EQ(client.wanted(), 0u);
}

TEST(Socks5Client, BlamesTheProxyForWhatIsItsOwn) {
  const auto end_of = [](std::string_view proxy, bool has_login = false) {
    std::optional<Socks5Login> login;
    if (has_login) login = {"a", "b"};
    Socks5Client client(*parse_endpoint("192.0.2.1:25"), login);
    const Result<void> result = talk(client, proxy);
    return result ? std::string("fine") : result.error().message();
  };
  const auto text = [](Errc error) { return make_error_code(error).message(); };
  EXPECT_EQ(end_of("HTTP/1.1 400"), text(Errc::ProxyFailed));
  EXPECT_EQ(end_of("\x05\xff"s), text(Errc::ProxyLoginRefused)) << "it wants a login";
  EXPECT_EQ(end_of("\x05\x00"s, true), text(Errc::ProxyLoginRefused)) << "it takes none";
  EXPECT_EQ(end_of("\x05\x02\x01\x01"s, true), text(Errc::ProxyLoginRefused));
  EXPECT_EQ(end_of(kMethod + "\x05\x07"), text(Errc::ProxyFailed)) << "no CONNECT";
  EXPECT_EQ(end_of(kMethod + "\x05\x63"), text(Errc::ProxyFailed)) << "no reply of the RFC";
  EXPECT_EQ(end_of(kMethod + "\x04\x5a"), text(Errc::ProxyFailed)) << "SOCKS4";
  EXPECT_EQ(end_of(kMethod + "\x05\x00\x00\x02\x00"s), text(Errc::ProxyFailed)) << "no such type";
}

TEST(Socks5Client, BlamesTheDestinationForWhatTheProxySaysOfIt) {
  const std::pair<char, Errc> replies[] = {{1, Errc::ProxyDenied}, {2, Errc::ProxyDenied},
                                           {3, Errc::Unreachable}, {4, Errc::Unreachable},
                                           {5, Errc::Refused},     {6, Errc::TimedOut},
                                           {8, Errc::Unreachable}};
  for (const auto& [reply, expected] : replies) {
    Socks5Client client(*parse_endpoint("192.0.2.1:25"), std::nullopt);
    const Result<void> result = talk(client, kMethod + "\x05" + reply);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error(), make_error_code(expected)) << int{reply};
    EXPECT_TRUE(client.has_asked());
  }
}

}  // namespace
}  // namespace ekiden::net
