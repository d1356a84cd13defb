#include "ekiden/net/socks5.hpp"

#include <algorithm>
#include <array>

#include "ekiden/base/assert.hpp"

namespace ekiden::net {
namespace {

// RFC 1928 §3, §4, §5; RFC 1929 §2.
constexpr unsigned char kVersion = 5;
constexpr unsigned char kLoginVersion = 1;
constexpr unsigned char kNoLogin = 0;
constexpr unsigned char kWithLogin = 2;
constexpr unsigned char kConnect = 1;
constexpr unsigned char kIpv4 = 1, kName = 3, kIpv6 = 4;

unsigned octet(std::string_view octets, std::size_t at) {
  return static_cast<unsigned char>(octets[at]);
}

void put(std::string& to, unsigned char octet) {
  to.push_back(static_cast<char>(octet));
}

/// RFC 1928 §6.
Result<void> verdict_of(unsigned reply) {
  switch (reply) {
    case 0:
      return {};
    case 1:  // general failure
    case 2:  // not allowed by ruleset
      return Errc::ProxyDenied;
    case 3:  // network unreachable
    case 4:  // host unreachable
    case 8:  // address type not supported: it does not speak the family
      return Errc::Unreachable;
    case 5:
      return Errc::Refused;
    case 6:  // TTL expired
      return Errc::TimedOut;
    default:
      return Errc::ProxyFailed;
  }
}

}  // namespace

Socks5Client::Socks5Client(Endpoint to, std::optional<Socks5Login> login)
    : to_(std::move(to)), login_(std::move(login)) {
  if (login_) {
    EKIDEN_ASSERT(login_->username.size() <= kSocks5LoginOctetsMax &&
                      login_->password.size() <= kSocks5LoginOctetsMax,
                  "the configuration was checked");
  }
  put(output_, kVersion);
  put(output_, 1);
  put(output_, login_ ? kWithLogin : kNoLogin);
  expect(State::Method, 2);
}

void Socks5Client::expect(State state, std::size_t octets) {
  state_ = state;
  wanted_ = octets;
  octets_.clear();
}

void Socks5Client::ask() {
  put(output_, kVersion);
  put(output_, kConnect);
  put(output_, 0);
  const auto put_all = [this](const auto& bytes) {
    for (const unsigned char byte : bytes) put(output_, byte);
  };
  if (to_.address.is_v4()) {
    put(output_, kIpv4);
    put_all(to_.address.to_v4().to_bytes());
  } else {
    put(output_, kIpv6);
    put_all(to_.address.to_v6().to_bytes());
  }
  put(output_, static_cast<unsigned char>(to_.port >> 8));
  put(output_, static_cast<unsigned char>(to_.port & 0xff));
  expect(State::Verdict, 2);
}

Result<void> Socks5Client::feed(std::string_view octets) {
  EKIDEN_ASSERT(octets.size() <= wanted_, "octets after the answer belong to the peer");
  octets_ += octets;
  wanted_ -= octets.size();
  return wanted_ == 0 ? look() : Result<void>();
}

Result<void> Socks5Client::look() {
  switch (state_) {
    case State::Method: {
      if (octet(octets_, 0) != kVersion) return Errc::ProxyFailed;
      if (octet(octets_, 1) != (login_ ? kWithLogin : kNoLogin)) return Errc::ProxyLoginRefused;
      if (!login_) {
        ask();
        return {};
      }
      put(output_, kLoginVersion);
      put(output_, static_cast<unsigned char>(login_->username.size()));
      output_ += login_->username;
      put(output_, static_cast<unsigned char>(login_->password.size()));
      output_ += login_->password;
      expect(State::Login, 2);
      return {};
    }
    case State::Login:
      // RFC 1929 §2 (lenient): the version of the answer is not looked at; some say 5.
      if (octet(octets_, 1) != 0) return Errc::ProxyLoginRefused;
      ask();
      return {};
    case State::Verdict: {
      if (octet(octets_, 0) != kVersion) return Errc::ProxyFailed;
      // What follows a refusal is not waited for: some proxies leave it out.
      const Result<void> verdict = verdict_of(octet(octets_, 1));
      if (verdict) expect(State::Bound, 3);
      return verdict;
    }
    case State::Bound: {
      // Reserved, type, and the first octet of the address that the proxy is bound to: a name's
      // tells its length.
      const unsigned type = octet(octets_, 1);
      if (type == kIpv4) {
        expect(State::Rest, 3 + 2);
      } else if (type == kIpv6) {
        expect(State::Rest, 15 + 2);
      } else if (type == kName) {
        expect(State::Rest, octet(octets_, 2) + 2);
      } else {
        return Errc::ProxyFailed;
      }
      return {};
    }
    case State::Rest:
      expect(State::Done, 0);
      return {};
    case State::Done:
      break;
  }
  return {};
}

namespace {

/// The stream ended in the middle: whose fault it is.
Error blamed(const Error& error, bool has_asked) {
  if (error == Errc::Closed) return error;
  if (!has_asked) return Errc::ProxyFailed;
  // Asked for a connection it says nothing: the peer does not answer, or the proxy will not say.
  return error == Errc::TimedOut ? error : Error(Errc::ProxyDenied);
}

}  // namespace

base::Task<Result<void>> open_socks5(Stream& stream, Endpoint to, std::optional<Socks5Login> login,
                                     base::Steady deadline) {
  Socks5Client client(std::move(to), std::move(login));
  std::array<char, 264> buffer;
  while (client.wanted() > 0) {
    const std::string output = client.take_output();
    if (!output.empty()) {
      const Result<void> written = co_await write_all(stream, output, deadline);
      if (!written) co_return blamed(written.error(), false);
    }
    const std::span<char> room(buffer.data(), std::min(buffer.size(), client.wanted()));
    const Result<std::size_t> read = co_await read_some(stream, room, deadline);
    if (!read) co_return blamed(read.error(), client.has_asked());
    const Result<void> fed = client.feed(std::string_view(buffer.data(), *read));
    if (!fed) co_return fed.error();
  }
  co_return Result<void>();
}

}  // namespace ekiden::net
