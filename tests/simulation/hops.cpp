#include "tests/simulation/hops.hpp"

#include "tests/simulation/peers.hpp"

namespace ekiden::simulation {
namespace {

constexpr base::Duration kPatience = std::chrono::minutes(5);
/// RFC 1928 §4: octets of an address by its type, with the port.
constexpr std::size_t kIpv4Octets = 6, kIpv6Octets = 18;
/// proxy-protocol.txt §2.2: octets of the fixed part, and of both ends' addresses.
constexpr std::size_t kProxyHead = 16, kProxyIpv4 = 12, kProxyIpv6 = 36;

net::Endpoint endpoint_of(std::string_view address, std::string_view port) {
  net::Endpoint made;
  const auto octet = [](char c) { return static_cast<unsigned char>(c); };
  if (address.size() == 4) {
    boost::asio::ip::address_v4::bytes_type octets;
    for (std::size_t i = 0; i < 4; ++i) octets[i] = octet(address[i]);
    made.address = boost::asio::ip::address_v4(octets);
  } else {
    boost::asio::ip::address_v6::bytes_type octets;
    for (std::size_t i = 0; i < 16; ++i) octets[i] = octet(address[i]);
    made.address = boost::asio::ip::address_v6(octets);
  }
  made.port = static_cast<std::uint16_t>(octet(port[0]) << 8 | octet(port[1]));
  return made;
}

}  // namespace

HopProxy::HopProxy(SimulatedInternet& internet, base::Worker& worker, net::Endpoint where,
                   Kind kind)
    : internet_(internet),
      tasks_(worker),
      network_(internet, where.address),
      where_(where),
      kind_(kind) {
  auto accept = [this](std::unique_ptr<net::Stream> stream) {
    tasks_.spawn(serve(std::move(stream)));
  };
  Result<std::unique_ptr<net::Listener>> listener = network_.listen(where, {}, std::move(accept));
  listener_ = std::move(*listener);
}

base::Task<void> HopProxy::serve(std::unique_ptr<net::Stream> stream) {
  if (happens()) co_return;
  if (kind_ == Kind::Socks5) {
    co_await serve_socks(std::move(stream));
  } else {
    co_await serve_proxy(std::move(stream));
  }
}

base::Task<void> HopProxy::serve_socks(std::unique_ptr<net::Stream> raw) {
  LineStream stream(std::move(raw));
  const base::Steady deadline = internet_.world().steady() + kPatience;
  const auto exactly = [&](std::size_t octets) { return stream.exactly(octets, deadline); };
  const auto say = [&](std::string octets) { return stream.write(std::move(octets), deadline); };

  const std::optional<std::string> greeting = co_await exactly(2);
  if (!greeting) co_return;
  const std::optional<std::string> methods =
      co_await exactly(static_cast<unsigned char>((*greeting)[1]));
  if (!methods) co_return;
  const char wanted = asks_login ? '\x02' : '\x00';
  const bool is_offered = methods->find(wanted) != std::string::npos;
  std::string choice = {'\x05', is_offered ? wanted : '\xff'};
  const bool is_told = co_await say(std::move(choice));
  if (!is_told || !is_offered) co_return;
  if (asks_login) {
    std::string given[2];
    const std::optional<std::string> version = co_await exactly(1);
    if (!version) co_return;
    for (std::string& text : given) {
      const std::optional<std::string> length = co_await exactly(1);
      if (!length) co_return;
      const std::optional<std::string> octets =
          co_await exactly(static_cast<unsigned char>((*length)[0]));
      if (!octets) co_return;
      text = *octets;
    }
    const bool is_known = given[0] == kUser && given[1] == kPassword;
    std::string verdict = {'\x01', is_known ? '\x00' : '\x01'};
    const bool is_heard = co_await say(std::move(verdict));
    if (!is_heard || !is_known) co_return;
  }
  const std::optional<std::string> request = co_await exactly(4);
  if (!request) co_return;
  const std::size_t size = (*request)[3] == '\x01' ? kIpv4Octets : kIpv6Octets;
  const std::optional<std::string> address = co_await exactly(size);
  if (!address) co_return;
  const net::Endpoint to = endpoint_of(std::string_view(*address).substr(0, size - 2),
                                       std::string_view(*address).substr(size - 2));
  // RFC 1928 §6: 5 is "connection refused".
  const bool fails = happens() || internet_.places[to].accept.empty();
  std::string answer = {'\x05', fails ? '\x05' : '\x00', '\x00', '\x01', 0, 0, 0, 0, 0, 0};
  const bool is_answered = co_await say(std::move(answer));
  if (!is_answered || fails) co_return;
  internet_.hand_on(stream.release(), {where_.address, 40000}, to);
}

base::Task<void> HopProxy::serve_proxy(std::unique_ptr<net::Stream> raw) {
  LineStream stream(std::move(raw));
  const base::Steady deadline = internet_.world().steady() + kPatience;
  const std::optional<std::string> head = co_await stream.exactly(kProxyHead, deadline);
  if (!head) co_return;
  const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>((*head)[14])) << 8 |
                           static_cast<unsigned char>((*head)[15]);
  const std::optional<std::string> rest = co_await stream.exactly(size, deadline);
  if (!rest || (size != kProxyIpv4 && size != kProxyIpv6)) co_return;
  const std::size_t each = (size - 4) / 2;
  const std::string_view view = *rest;
  const net::Endpoint from = endpoint_of(view.substr(0, each), view.substr(2 * each, 2));
  const net::Endpoint to = endpoint_of(view.substr(each, each), view.substr(2 * each + 2, 2));
  // It has no words to say so: the connection ends.
  if (happens()) co_return;
  internet_.hand_on(stream.release(), from, to);
}

}  // namespace ekiden::simulation
