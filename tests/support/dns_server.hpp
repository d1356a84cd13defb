#pragma once

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/assert.hpp"
#include "ekiden/base/task.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/dns/name.hpp"
#include "ekiden/dns/records.hpp"
#include "ekiden/net/endpoint.hpp"

namespace ekiden::test {

/// A DNS server on loopback, UDP and TCP on one port, for one zone and what is below it. It runs
/// on the test's own loop and answers as an authority and as a forwarder alike.
///
/// Names outside the zone are REFUSED. `sign` makes it sign its answers (ECDSA P-256, RFC 6605);
/// absence is not signed.
class DnsServer {
 public:
  DnsServer(base::IoContext& io, std::string_view zone)
      : zone_(dns::canonical_name(zone)), udp_(io), acceptor_(io) {
    // The port is free for UDP; whether it is for TCP only trying tells.
    constexpr int kTries = 20;
    for (int i = 0;; ++i) {
      EKIDEN_ASSERT(i < kTries, "loopback has a port free for both protocols");
      udp_ = Udp(io, {loopback(), 0});
      boost::system::error_code error;
      const Tcp tcp(loopback(), udp_.local_endpoint().port());
      acceptor_ = Acceptor(io);
      acceptor_.open(tcp.protocol());
      acceptor_.bind(tcp, error);
      if (!error) break;
    }
    acceptor_.listen();
    receive();
    accept();
  }

  net::Endpoint endpoint() const { return {loopback(), udp_.local_endpoint().port()}; }

  DnsServer& a(std::string_view name, std::string_view address) {
    return record(name, dns::Type::A, *dns::rdata_of_address(address));
  }
  DnsServer& mx(std::string_view name, std::uint16_t preference, std::string_view host) {
    return record(name, dns::Type::MX, *dns::rdata_of_mx(preference, host));
  }
  DnsServer& cname(std::string_view name, std::string_view target) {
    return record(name, dns::Type::CNAME, *dns::rdata_of_name(target));
  }
  DnsServer& txt(std::string_view name, std::string_view text) {
    return record(name, dns::Type::TXT, dns::rdata_of_text(text));
  }
  DnsServer& record(std::string_view name, dns::Type type, std::string rdata) {
    records_[dns::canonical_name(name)][static_cast<std::uint16_t>(type)].push_back(
        std::move(rdata));
    return *this;
  }
  /// Questions about the name get no answer, SERVFAIL, or over UDP only the TC bit.
  DnsServer& drop(std::string_view name) { return mark(dropped_, name); }
  DnsServer& servfail(std::string_view name) { return mark(servfails_, name); }
  DnsServer& truncate(std::string_view name) { return mark(truncated_, name); }
  DnsServer& undrop(std::string_view name) {
    dropped_.erase(dns::canonical_name(name));
    return *this;
  }
  /// The signature of the name's records will not verify.
  DnsServer& spoil(std::string_view name) { return mark(spoiled_, name); }

  /// Makes a key and signs from now on.
  DnsServer& sign() {
    key_.reset(EVP_EC_gen("P-256"));
    std::array<unsigned char, 65> point{};
    std::size_t size = 0;
    EVP_PKEY_get_octet_string_param(key_.get(), "pub", point.data(), point.size(), &size);
    EKIDEN_ASSERT(size == point.size(), "an uncompressed point");
    dnskey_ = std::string("\x01\x01\x03\x0d", 4);  // key signing key, protocol 3, algorithm 13
    dnskey_.append(reinterpret_cast<const char*>(point.data()) + 1, 64);
    records_[zone_][kDnskey] = {dnskey_};
    return *this;
  }
  /// The key as a line of a trust anchor file.
  std::string anchor() const {
    return zone_ + ". 3600 IN DNSKEY 257 3 13 " + base::encode_base64(dnskey_.substr(4)) + "\n";
  }

  std::size_t questions() const { return questions_; }
  std::size_t tcp_questions() const { return tcp_questions_; }

 private:
  using Udp = base::asio::basic_datagram_socket<base::asio::ip::udp, base::IoExecutor>;
  using Socket = base::asio::basic_stream_socket<base::asio::ip::tcp, base::IoExecutor>;
  using Acceptor = base::asio::basic_socket_acceptor<base::asio::ip::tcp, base::IoExecutor>;
  using Tcp = base::asio::ip::tcp::endpoint;
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };

  static constexpr std::uint16_t kDnskey = 48, kRrsig = 46, kSoa = 6, kOpt = 41;
  static constexpr std::uint32_t kTtlS = 300, kNegativeTtlS = 60;

  static net::Address loopback() { return base::asio::ip::address_v4::loopback(); }
  DnsServer& mark(std::set<std::string>& names, std::string_view name) {
    names.insert(dns::canonical_name(name));
    return *this;
  }

  static void put16(std::string& out, std::size_t v) {
    out.push_back(static_cast<char>(v >> 8));
    out.push_back(static_cast<char>(v));
  }
  static void put32(std::string& out, std::size_t v) {
    put16(out, v >> 16);
    put16(out, v & 0xffff);
  }
  static std::string rr(const std::string& owner, std::uint16_t type, std::uint32_t ttl_s,
                        std::string_view rdata) {
    std::string out = *dns::wire_of_name(owner);
    put16(out, type);
    put16(out, 1);
    put32(out, ttl_s);
    put16(out, rdata.size());
    out += rdata;
    return out;
  }

  /// RFC 4034 §3.1.8.1: the signature covers its own fields and the records in canonical order.
  std::string rrsig(const std::string& owner, std::uint16_t type,
                    std::vector<std::string> rdata) const {
    unsigned tag = 0;  // RFC 4034 appendix B
    for (std::size_t i = 0; i < dnskey_.size(); ++i) {
      const unsigned octet = static_cast<unsigned char>(dnskey_[i]);
      tag += i % 2 == 0 ? octet << 8 : octet;
    }
    tag += tag >> 16 & 0xffff;
    std::string head;
    put16(head, type);
    head.push_back(13);
    head.push_back(
        static_cast<char>(owner.empty() ? 0 : 1 + std::count(owner.begin(), owner.end(), '.')));
    put32(head, kTtlS);
    put32(head, 3'600'000'000u);  // valid until 2084: within 2^31 s, RFC 4034 §3.1.5
    put32(head, 1'500'000'000u);  // since 2017
    put16(head, tag & 0xffff);
    head += *dns::wire_of_name(zone_);
    std::sort(rdata.begin(), rdata.end());
    std::string covered = head;
    for (const std::string& data : rdata) covered += rr(owner, type, kTtlS, data);

    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> ctx(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    std::array<unsigned char, 128> der{};
    std::size_t size = der.size();
    EVP_DigestSignInit(ctx.get(), nullptr, EVP_sha256(), nullptr, key_.get());
    EVP_DigestSign(ctx.get(), der.data(), &size,
                   reinterpret_cast<const unsigned char*>(covered.data()), covered.size());
    const unsigned char* p = der.data();
    std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(
        d2i_ECDSA_SIG(nullptr, &p, static_cast<long>(size)), ECDSA_SIG_free);
    std::array<unsigned char, 64> raw{};
    BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + 32, 32);
    if (spoiled_.contains(owner)) raw[10] ^= 1;
    return head.append(reinterpret_cast<const char*>(raw.data()), raw.size());
  }

  /// Empty: no answer at all.
  std::string answer(std::string_view query, bool is_tcp) {
    constexpr std::size_t kHeader = 12;
    if (query.size() < kHeader + 5) return {};
    ++questions_;
    tcp_questions_ += is_tcp ? 1 : 0;
    std::string_view rest = query.substr(kHeader);
    std::optional<std::string> name = dns::take_name(rest);
    if (!name || rest.size() < 4) return {};
    const std::string question(query.substr(kHeader, query.size() - kHeader - rest.size() + 4));
    const auto type = static_cast<std::uint16_t>(static_cast<unsigned char>(rest[0]) << 8 |
                                                 static_cast<unsigned char>(rest[1]));
    // An OPT record follows: root name, type 41, size, and in its "TTL" the DO bit.
    const bool wants_signatures = rest.size() >= 4 + 11 && (rest[4 + 7] & 0x80) != 0;
    if (dropped_.contains(*name)) return {};

    std::string answers, authority;
    std::size_t answer_count = 0, authority_count = 0;
    int rcode = 0;
    const auto put_set = [&](const std::string& owner, std::uint16_t set,
                             const std::vector<std::string>& rdata) {
      for (const std::string& data : rdata) answers += rr(owner, set, kTtlS, data);
      answer_count += rdata.size();
      if (key_ && wants_signatures) {
        answers += rr(owner, kRrsig, kTtlS, rrsig(owner, set, rdata));
        ++answer_count;
      }
    };
    const bool truncates = !is_tcp && truncated_.contains(*name);
    std::string at = *name;
    if (servfails_.contains(at)) {
      rcode = 2;
    } else if (at != zone_ && !at.ends_with("." + zone_) && !zone_.empty()) {
      rcode = 5;
    } else if (!truncates) {
      for (int hops = 0; hops < 8; ++hops) {
        const auto found = records_.find(at);
        if (found == records_.end()) {
          const std::string suffix = "." + at;
          const bool has_below =
              std::any_of(records_.begin(), records_.end(),
                          [&](const auto& entry) { return entry.first.ends_with(suffix); });
          if (!has_below && at != zone_) rcode = 3;
          break;
        }
        if (const auto set = found->second.find(type); set != found->second.end()) {
          put_set(at, type, set->second);
          break;
        }
        const auto cname = found->second.find(static_cast<std::uint16_t>(dns::Type::CNAME));
        if (cname == found->second.end()) break;
        put_set(at, cname->first, cname->second);
        std::string_view target = cname->second.front();
        at = *dns::take_name(target);
      }
      if (answers.empty() || rcode == 3) {
        std::string soa = *dns::wire_of_name("ns." + zone_) + *dns::wire_of_name("root." + zone_);
        for (const std::size_t number : {1u, 3600u, 600u, 86400u, kNegativeTtlS}) {
          put32(soa, number);
        }
        authority = rr(zone_, kSoa, kNegativeTtlS, soa);
        authority_count = 1;
      }
    }
    std::string reply(query.substr(0, 2));
    // QR, AA, RA; RD as asked.
    reply.push_back(static_cast<char>(0x84 | (query[2] & 0x01) | (truncates ? 0x02 : 0)));
    reply.push_back(static_cast<char>(0x80 | rcode));
    put16(reply, 1);
    put16(reply, answer_count);
    put16(reply, authority_count);
    put16(reply, 1);
    reply += question + answers + authority;
    reply += std::string("\0\0\x29\x04\xd0\0\0", 7);
    reply.push_back(wants_signatures ? '\x80' : '\0');
    reply += std::string("\0\0\0", 3);
    return reply;
  }

  void receive() {
    udp_.async_receive_from(base::asio::buffer(datagram_), peer_,
                            [this](const boost::system::error_code& error, std::size_t size) {
                              if (error) return;
                              const std::string reply =
                                  answer(std::string_view(datagram_.data(), size), false);
                              boost::system::error_code ignored;
                              if (!reply.empty()) {
                                udp_.send_to(base::asio::buffer(reply), peer_, 0, ignored);
                              }
                              receive();
                            });
  }

  struct Connection {
    explicit Connection(Socket s) : socket(std::move(s)) {}
    Socket socket;
    std::array<char, 2> length{};
    std::string query, reply;
  };
  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, Socket socket) {
      if (error) return;
      read(std::make_shared<Connection>(std::move(socket)));
      accept();
    });
  }
  void read(std::shared_ptr<Connection> c) {
    auto& length = c->length;
    base::asio::async_read(c->socket, base::asio::buffer(length),
                           [this, c](const auto& error, std::size_t) {
                             if (error) return;
                             c->query.resize(static_cast<unsigned char>(c->length[0]) << 8 |
                                             static_cast<unsigned char>(c->length[1]));
                             base::asio::async_read(c->socket, base::asio::buffer(c->query),
                                                    [this, c](const auto& failed, std::size_t) {
                                                      if (!failed) write(c);
                                                    });
                           });
  }
  void write(std::shared_ptr<Connection> c) {
    const std::string reply = answer(c->query, true);
    if (reply.empty()) return;
    c->reply.clear();
    put16(c->reply, reply.size());
    c->reply += reply;
    base::asio::async_write(c->socket, base::asio::buffer(c->reply),
                            [this, c](const auto& error, std::size_t) {
                              if (!error) read(c);
                            });
  }

  std::string zone_;
  Udp udp_;
  Acceptor acceptor_;
  base::asio::ip::udp::endpoint peer_;
  std::array<char, 4096> datagram_{};
  std::map<std::string, std::map<std::uint16_t, std::vector<std::string>>> records_;
  std::set<std::string> dropped_, servfails_, truncated_, spoiled_;
  std::unique_ptr<EVP_PKEY, FreeKey> key_;
  std::string dnskey_;
  std::size_t questions_ = 0, tcp_questions_ = 0;
};

}  // namespace ekiden::test
