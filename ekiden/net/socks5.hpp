#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ekiden/net/stream.hpp"

namespace ekiden::net {

/// RFC 1929 §2: 1 to 255 octets each.
struct Socks5Login {
  std::string username, password;
};
inline constexpr std::size_t kSocks5LoginOctetsMax = 255;

/// Asks a SOCKS5 proxy for a connection (RFC 1928), octets in and out. The proxy gets the address,
/// never a name: who is connected to was decided here.
///
/// Errors, of `feed`; the client is spent then:
///   ProxyFailed        it speaks something else, or knows no CONNECT
///   ProxyLoginRefused  it takes no login, wants one, or refused ours
///   ProxyDenied        its rules forbid this destination, or it failed without saying why
///   Refused, Unreachable, TimedOut  what the proxy was told by the network (RFC 1928 §6)
class Socks5Client {
 public:
  /// With a login only that is offered, since it may choose the address that the proxy leaves from.
  Socks5Client(Endpoint to, std::optional<Socks5Login> login);

  /// What is to be sent now; empty once it was taken.
  std::string take_output() { return std::exchange(output_, {}); }
  /// How many octets are certain to belong to the proxy's answers still; 0: the peer is connected,
  /// and what comes next is its own.
  std::size_t wanted() const { return wanted_; }
  /// Takes at most `wanted` octets.
  Result<void> feed(std::string_view octets);
  /// Whether the proxy was told whom to connect to.
  bool has_asked() const { return state_ >= State::Verdict; }

 private:
  enum class State : std::uint8_t { Method, Login, Verdict, Bound, Rest, Done };

  void expect(State state, std::size_t octets);
  void ask();
  Result<void> look();

  Endpoint to_;
  std::optional<Socks5Login> login_;
  State state_ = State::Method;
  std::string output_, octets_;
  std::size_t wanted_ = 0;
};

/// The whole exchange on a stream that is connected to the proxy. Errors as above, and Closed.
base::Task<Result<void>> open_socks5(Stream& stream, Endpoint to, std::optional<Socks5Login> login,
                                     base::Steady deadline);

}  // namespace ekiden::net
