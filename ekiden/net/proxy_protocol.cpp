#include "ekiden/net/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstring>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::net {
namespace {

namespace ip = boost::asio::ip;

// proxy-protocol.txt §2.1.
constexpr std::string_view kV1Prefix = "PROXY ";
constexpr std::size_t kV1OctetsMax = 107;

// proxy-protocol.txt §2.2: signature, version and command, family, length (big-endian).
constexpr std::string_view kV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kV2FixedOctets = 16;
constexpr std::size_t kV2Ipv4Octets = 12;
constexpr std::size_t kV2Ipv6Octets = 36;

unsigned octet(std::string_view octets, std::size_t at) {
  return static_cast<unsigned char>(octets[at]);
}

std::uint16_t port_at(std::string_view octets, std::size_t at) {
  return static_cast<std::uint16_t>(octet(octets, at) << 8 | octet(octets, at + 1));
}

// A mapped address counts as the IPv4 address in it everywhere; here it becomes one.
Address plain(const Address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

template <class Bytes>
Bytes bytes_at(std::string_view octets, std::size_t at) {
  Bytes bytes;
  std::memcpy(bytes.data(), octets.data() + at, bytes.size());
  return bytes;
}

/// The text up to the next space, which is removed with it.
std::string_view take_word(std::string_view& line) {
  const std::size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

std::optional<Endpoint> endpoint_from(std::string_view address, std::string_view port, bool is_v6) {
  const std::optional<Address> parsed = parse_address(address);
  const auto number = base::parse_u64(port);
  if (!parsed || parsed->is_v6() != is_v6 || !number || *number > 65535) return std::nullopt;
  return Endpoint{plain(*parsed), static_cast<std::uint16_t>(*number)};
}

class AnnouncedStream final : public Stream {
 public:
  AnnouncedStream(std::unique_ptr<Stream> inner, Endpoint remote)
      : inner_(std::move(inner)), remote_(remote) {}

  Result<std::size_t> try_read(std::span<char> into) override { return inner_->try_read(into); }
  Result<std::size_t> try_write(std::span<const std::string_view> pieces) override {
    return inner_->try_write(pieces);
  }
  base::Task<Result<void>> wait(Direction direction, base::Steady deadline) override {
    return inner_->wait(direction, deadline);
  }
  void close() override { inner_->close(); }
  void shutdown_write() override { inner_->shutdown_write(); }
  bool is_open() const override { return inner_->is_open(); }
  const Endpoint& remote() const override { return remote_; }
  const Endpoint& local() const override { return inner_->local(); }
  const TlsInfo* tls() const override { return inner_->tls(); }
  std::optional<std::string> channel_binding(std::string_view type) const override {
    return inner_->channel_binding(type);
  }

 private:
  std::unique_ptr<Stream> inner_;
  Endpoint remote_;
};

}  // namespace

Result<void> ProxyHeaderReader::feed(std::string_view octets) {
  EKIDEN_ASSERT(octets.size() <= wanted_, "octets after the header belong to somebody else");
  octets_ += octets;
  wanted_ -= octets.size();
  return look();
}

/// Judges what is there and says how much more is wanted.
Result<void> ProxyHeaderReader::look() {
  const std::string_view all = octets_;
  const bool is_v1 = all.starts_with(kV1Prefix.substr(0, all.size()));
  const bool is_v2 = all.starts_with(kV2Signature.substr(0, all.size()));
  if (!is_v1 && !is_v2) return Errc::BadProxyHeader;
  if (wanted_ > 0) return {};
  if (is_v2) {
    if (all.size() < kV2FixedOctets) {
      wanted_ = kV2FixedOctets - all.size();
      return {};
    }
    const std::size_t total = kV2FixedOctets + port_at(all, 14);
    if (total > kV2OctetsMax) return Errc::BadProxyHeader;
    wanted_ = total - all.size();
    return wanted_ == 0 ? read_v2() : Result<void>();
  }
  const std::size_t line_end = all.find_first_of("\r\n");
  if (line_end == std::string_view::npos || line_end + 1 == all.size()) {
    if (line_end != std::string_view::npos && all[line_end] == '\n') return Errc::BadProxyHeader;
    wanted_ = line_end == std::string_view::npos ? 2 : 1;
    return all.size() + wanted_ > kV1OctetsMax ? Result<void>(Errc::BadProxyHeader)
                                               : Result<void>();
  }
  return all.substr(line_end) == "\r\n" ? read_v1() : Result<void>(Errc::BadProxyHeader);
}

Result<void> ProxyHeaderReader::read_v1() {
  std::string_view line(octets_);
  line = line.substr(kV1Prefix.size(), line.size() - kV1Prefix.size() - 2);
  const std::string_view family = take_word(line);
  if (family == "UNKNOWN") return {};  // §2.1: whatever follows is ignored.
  if (family != "TCP4" && family != "TCP6") return Errc::BadProxyHeader;
  const std::string_view source = take_word(line);
  const std::string_view destination = take_word(line);
  const std::string_view source_port = take_word(line);
  header_.source = endpoint_from(source, source_port, family == "TCP6");
  header_.destination = endpoint_from(destination, line, family == "TCP6");
  if (!header_.source || !header_.destination) return Errc::BadProxyHeader;
  return {};
}

Result<void> ProxyHeaderReader::read_v2() {
  const std::string_view all = octets_;
  const unsigned version = octet(all, 12) >> 4;
  const unsigned command = octet(all, 12) & 0x0f;
  if (version != 2 || command > 1) return Errc::BadProxyHeader;
  if (command == 0) return {};  // LOCAL: the proxy's own, a health check.
  const std::string_view body = all.substr(kV2FixedOctets);
  switch (octet(all, 13)) {
    case 0x00:  // UNSPEC
    case 0x31:  // UNIX, stream
      return {};
    case 0x11: {
      if (body.size() < kV2Ipv4Octets) return Errc::BadProxyHeader;
      using Bytes = ip::address_v4::bytes_type;
      header_.source = {ip::address_v4(bytes_at<Bytes>(body, 0)), port_at(body, 8)};
      header_.destination = {ip::address_v4(bytes_at<Bytes>(body, 4)), port_at(body, 10)};
      return {};
    }
    case 0x21: {
      if (body.size() < kV2Ipv6Octets) return Errc::BadProxyHeader;
      using Bytes = ip::address_v6::bytes_type;
      header_.source = {plain(ip::address_v6(bytes_at<Bytes>(body, 0))), port_at(body, 32)};
      header_.destination = {plain(ip::address_v6(bytes_at<Bytes>(body, 16))), port_at(body, 34)};
      return {};
    }
    default:
      return Errc::BadProxyHeader;  // Datagrams, and what does not exist.
  }
}

base::Task<Result<Endpoint>> read_proxy_header(Stream& stream, base::Steady deadline) {
  ProxyHeaderReader reader;
  std::array<char, 256> buffer;
  while (reader.wanted() > 0) {
    const std::span<char> room(buffer.data(), std::min(buffer.size(), reader.wanted()));
    const Result<std::size_t> read = co_await read_some(stream, room, deadline);
    if (!read) co_return read.error();
    const Result<void> fed = reader.feed(std::string_view(buffer.data(), *read));
    if (!fed) co_return fed.error();
  }
  co_return reader.header().source.value_or(stream.remote());
}

std::string format_proxy_header(const Endpoint& source, const Endpoint& destination) {
  EKIDEN_ASSERT(source.address.is_v4() == destination.address.is_v4(), "one family");
  std::string out(kV2Signature);
  const auto put = [&out](unsigned octet) { out.push_back(static_cast<char>(octet & 0xff)); };
  const auto put_port = [&put](std::uint16_t port) {
    put(port >> 8);
    put(port);
  };
  const auto put_address = [&put](const Address& address) {
    if (address.is_v4()) {
      for (const unsigned char byte : address.to_v4().to_bytes()) put(byte);
    } else {
      for (const unsigned char byte : address.to_v6().to_bytes()) put(byte);
    }
  };
  const bool is_v4 = source.address.is_v4();
  put(0x21);  // version 2, PROXY
  put(is_v4 ? 0x11 : 0x21);
  put_port(static_cast<std::uint16_t>(is_v4 ? kV2Ipv4Octets : kV2Ipv6Octets));
  put_address(source.address);
  put_address(destination.address);
  put_port(source.port);
  put_port(destination.port);
  return out;
}

std::unique_ptr<Stream> with_remote(std::unique_ptr<Stream> stream, Endpoint remote) {
  return std::make_unique<AnnouncedStream>(std::move(stream), remote);
}

}  // namespace ekiden::net
