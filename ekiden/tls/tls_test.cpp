// Handshakes and records over two streams in memory, both sides on one loop; time is moved by the
// test where a deadline matters. Certificates are made on the spot.
#include <gtest/gtest.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "ekiden/net/memory_pair.hpp"
#include "ekiden/net/test_loop.hpp"
#include "ekiden/tls/client_context.hpp"
#include "ekiden/tls/server_context.hpp"
#include "ekiden/tls/stream.hpp"

namespace ekiden::tls {
namespace {

using Opened = Result<std::unique_ptr<net::Stream>>;
constexpr base::Duration kDay = std::chrono::hours(24);

base::Time now() {
  return std::chrono::time_point_cast<base::Duration>(std::chrono::system_clock::now());
}

/// A file that lives as long as the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view contents) : path_(testing::TempDir() + "tls_XXXXXX") {
    ::close(::mkstemp(path_.data()));
    std::ofstream(path_) << contents;
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

PemPair issue(std::vector<std::string> names, const PemPair* issuer, bool is_authority = false,
              base::Duration from = -kDay, base::Duration until = 30 * kDay) {
  IssueOptions options;
  options.names = std::move(names);
  options.not_before = now() + from;
  options.not_after = now() + until;
  options.issuer = issuer;
  options.is_authority = is_authority;
  return issue_certificate(options).value();
}

base::Task<void> accept_into(std::shared_ptr<ServerContext> context,
                             std::unique_ptr<net::Stream> inner, base::Steady deadline,
                             std::optional<Opened>& result, std::string& why) {
  Opened opened = co_await accept(*context, std::move(inner), deadline, &why);
  result.emplace(std::move(opened));
}

base::Task<void> connect_into(std::shared_ptr<ClientContext> context,
                              std::unique_ptr<net::Stream> inner, ClientOptions options,
                              base::Steady deadline, std::optional<Opened>& result,
                              std::string& why) {
  Opened opened = co_await connect(*context, std::move(inner), std::move(options), deadline, &why);
  result.emplace(std::move(opened));
}

base::Task<void> read_once(net::Stream& stream, base::Steady deadline,
                           std::optional<Result<std::string>>& result) {
  std::string buffer(4096, '\0');
  const Result<std::size_t> read = co_await net::read_some(stream, buffer, deadline);
  if (read) {
    result = buffer.substr(0, *read);
  } else {
    result = read.error();
  }
}

base::Task<void> write_everything(net::Stream& stream, std::string octets, base::Steady deadline,
                                  std::optional<Result<void>>& result) {
  result = co_await net::write_all(stream, octets, deadline);
}

base::Task<void> read_everything(net::Stream& stream, std::size_t total, base::Steady deadline,
                                 std::string& into) {
  std::string buffer(20'000, '\0');
  while (into.size() < total) {
    const Result<std::size_t> read = co_await net::read_some(stream, buffer, deadline);
    if (!read) co_return;
    into.append(buffer, 0, *read);
  }
}

struct Ends {
  std::optional<Opened> client;
  std::optional<Opened> server;
  std::string client_why;
  std::string server_why;
};

class Tls : public testing::Test {
 protected:
  Tls() {
    authority_ = issue({"ca.example.jp"}, nullptr, true);
    server_pair_ = issue({"mx.example.jp", "192.0.2.25"}, &authority_);
    trust_.emplace(authority_.certificate);
    server_ = make_server(server_pair_);
    client_ = make_client(trust_->path());
  }
  static std::shared_ptr<ServerContext> make_server(const PemPair& pair,
                                                    const std::string& client_ca = {}) {
    ServerOptions options;
    options.certificates.push_back({"", "", pair});
    options.client_ca_file = client_ca;
    std::string why;
    auto made = ServerContext::load(options, now(), why);
    EXPECT_TRUE(made) << why;
    return *made;
  }
  static std::shared_ptr<ClientContext> make_client(const std::string& trust_store) {
    std::string why;
    auto made = ClientContext::load(trust_store, why);
    EXPECT_TRUE(made) << why;
    return *made;
  }
  static ClientOptions to(std::string name, std::string key = {}) {
    ClientOptions options;
    options.server_name = std::move(name);
    options.session_key = std::move(key);
    return options;
  }
  Ends shake(ClientOptions options, std::size_t room = 64 * 1024) {
    net::MemoryPair pair = net::make_memory_pair(loop_.worker(), room);
    Ends ends;
    loop_.spawn(
        accept_into(server_, std::move(pair.first), loop_.soon(), ends.server, ends.server_why));
    loop_.spawn(connect_into(client_, std::move(pair.second), std::move(options), loop_.soon(),
                             ends.client, ends.client_why));
    loop_.run();
    return ends;
  }
  Result<std::string> read(net::Stream& stream) {
    std::optional<Result<std::string>> result;
    loop_.spawn(read_once(stream, loop_.soon(), result));
    loop_.run();
    return *result;
  }
  static void write(net::Stream& stream, std::string_view octets) {
    EXPECT_EQ(stream.try_write(std::span(&octets, 1)).value(), octets.size());
  }

  PemPair authority_, server_pair_;
  std::optional<TemporaryFile> trust_;
  net::TestLoop loop_;
  std::shared_ptr<ServerContext> server_;
  std::shared_ptr<ClientContext> client_;
};

TEST_F(Tls, CarriesOctetsBothWaysAndSaysWhatItIs) {
  Ends ends = shake(to("mx.example.jp"));
  ASSERT_TRUE(*ends.client) << ends.client_why;
  ASSERT_TRUE(*ends.server) << ends.server_why;
  net::Stream& client = ***ends.client;
  net::Stream& server = ***ends.server;
  const std::string_view pieces[] = {"EHLO ", "", "client", "\r\n"};
  EXPECT_EQ(client.try_write(pieces).value(), 13u);
  EXPECT_EQ(read(server).value(), "EHLO client\r\n");
  write(server, "250 hello\r\n");
  EXPECT_EQ(read(client).value(), "250 hello\r\n");

  ASSERT_NE(client.tls(), nullptr);
  EXPECT_EQ(client.tls()->version, "TLSv1.3");
  EXPECT_EQ(client.tls()->cipher, server.tls()->cipher);
  EXPECT_EQ(client.tls()->server_name, "mx.example.jp");
  EXPECT_EQ(server.tls()->server_name, "mx.example.jp");
  EXPECT_TRUE(client.tls()->is_verified) << client.tls()->verify_error;
  EXPECT_FALSE(client.tls()->is_resumed);
  EXPECT_EQ(client.tls()->peer_certificate_sha256.size(), 64u);
  EXPECT_EQ(client.tls()->peer_certificate_subject, "CN=mx.example.jp");
  EXPECT_FALSE(server.tls()->is_verified);
  EXPECT_EQ(server.tls()->peer_certificate_sha256, "");
}

TEST_F(Tls, ChannelBindingsAgreeOnBothSides) {
  Ends ends = shake(to("mx.example.jp"));
  net::Stream& client = ***ends.client;
  net::Stream& server = ***ends.server;
  for (const char* type : {"tls-exporter", "tls-server-end-point"}) {
    const auto mine = client.channel_binding(type);
    ASSERT_TRUE(mine) << type;
    EXPECT_EQ(mine->size(), 32u);
    EXPECT_EQ(mine, server.channel_binding(type));
  }
  EXPECT_FALSE(client.channel_binding("tls-unique"));
}

TEST_F(Tls, CloseNotifyIsTheEndOfTheStream) {
  Ends ends = shake(to("mx.example.jp"));
  net::Stream& client = ***ends.client;
  net::Stream& server = ***ends.server;
  write(client, "QUIT\r\n");
  client.shutdown_write();
  EXPECT_EQ(read(server).value(), "QUIT\r\n");
  EXPECT_EQ(read(server).error(), net::Errc::EndOfStream);
  write(server, "221 bye\r\n");
  EXPECT_EQ(read(client).value(), "221 bye\r\n");
  server.close();
  EXPECT_EQ(read(client).error(), net::Errc::EndOfStream);
  char buffer[1];
  EXPECT_EQ(server.try_read(buffer).error(), net::Errc::Closed);
}

TEST_F(Tls, HugeWritesWaitForTheReader) {
  Ends ends = shake(to("mx.example.jp"), 5000);
  ASSERT_TRUE(*ends.client) << ends.client_why;
  std::string octets(3'000'000, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(octets.data()), static_cast<int>(octets.size()));
  std::optional<Result<void>> written;
  loop_.spawn(write_everything(***ends.client, octets, loop_.soon(), written));
  loop_.settle();
  EXPECT_FALSE(written);
  std::string got;
  loop_.spawn(read_everything(***ends.server, octets.size(), loop_.soon(), got));
  loop_.run();
  EXPECT_TRUE(written->has_value());
  EXPECT_TRUE(got == octets);
}

TEST_F(Tls, OtherOctetsThanTheSealedOnesAreRefusedNotMixedUp) {
  Ends ends = shake(to("mx.example.jp"), 2000);
  std::optional<Result<void>> written;
  loop_.spawn(write_everything(***ends.client, std::string(50'000, 'x'), loop_.soon(), written));
  loop_.settle();
  loop_.clock().advance(std::chrono::minutes(5));
  loop_.run();
  EXPECT_EQ(written->error(), net::Errc::TimedOut);
  const std::string_view other[] = {"QUIT\r\n"};
  EXPECT_EQ((**ends.client)->try_write(other).error(), net::Errc::Tls);
}

TEST_F(Tls, CloseResumesTheWaiterWithClosed) {
  Ends ends = shake(to("mx.example.jp"));
  std::optional<Result<std::string>> got;
  loop_.spawn(read_once(***ends.server, loop_.soon(), got));
  loop_.settle();
  EXPECT_FALSE(got);
  (**ends.server)->close();
  loop_.run();
  EXPECT_EQ(got->error(), net::Errc::Closed);
}

TEST_F(Tls, AHandshakeEndsAtItsDeadline) {
  net::MemoryPair pair = net::make_memory_pair(loop_.worker());
  Ends ends;
  loop_.spawn(
      accept_into(server_, std::move(pair.first), loop_.soon(), ends.server, ends.server_why));
  loop_.settle();
  loop_.clock().advance(std::chrono::minutes(5));
  loop_.run();
  EXPECT_EQ(ends.server->error(), net::Errc::TimedOut);
  EXPECT_EQ(ends.server_why, "timed out");
}

TEST_F(Tls, GarbageIsAHandshakeFailureOnBothSides) {
  for (const bool to_server : {true, false}) {
    net::MemoryPair pair = net::make_memory_pair(loop_.worker());
    Ends ends;
    if (to_server) {
      loop_.spawn(
          accept_into(server_, std::move(pair.first), loop_.soon(), ends.server, ends.server_why));
    } else {
      loop_.spawn(connect_into(client_, std::move(pair.first), to("mx.example.jp"), loop_.soon(),
                               ends.client, ends.client_why));
    }
    loop_.settle();
    write(*pair.second, "220 mx.example.jp ESMTP, not TLS at all\r\n");
    loop_.run();
    const auto& result = to_server ? ends.server : ends.client;
    EXPECT_EQ(result->error(), Errc::Handshake);
    EXPECT_NE(to_server ? ends.server_why : ends.client_why, "");
  }
}

TEST_F(Tls, APeerThatHangsUpDuringTheHandshakeIsNamedSo) {
  net::MemoryPair pair = net::make_memory_pair(loop_.worker());
  Ends ends;
  loop_.spawn(connect_into(client_, std::move(pair.first), to("mx.example.jp"), loop_.soon(),
                           ends.client, ends.client_why));
  loop_.settle();
  pair.second->close();
  loop_.run();
  EXPECT_EQ(ends.client->error(), net::Errc::EndOfStream);
  EXPECT_EQ(ends.client_why, "connection closed by the peer during the TLS handshake");
}

TEST_F(Tls, EachTruncationOfAHandshakeFailsWithoutHarm) {
  // Record what a client says first, then offer every prefix of it to a server.
  net::MemoryPair pair = net::make_memory_pair(loop_.worker());
  Ends ends;
  loop_.spawn(connect_into(client_, std::move(pair.first), to("mx.example.jp"), loop_.soon(),
                           ends.client, ends.client_why));
  loop_.settle();
  std::string hello(4096, '\0');
  hello.resize(pair.second->try_read(hello).value());
  pair.second.reset();
  loop_.run();
  for (std::size_t size = 0; size < hello.size(); size += 7) {
    net::MemoryPair cut = net::make_memory_pair(loop_.worker());
    if (size > 0) write(*cut.second, std::string_view(hello).substr(0, size));
    cut.second->shutdown_write();
    Ends failed;
    loop_.spawn(
        accept_into(server_, std::move(cut.first), loop_.soon(), failed.server, failed.server_why));
    loop_.run();
    EXPECT_FALSE(*failed.server) << size;
    EXPECT_NE(failed.server_why, "");
  }
}

TEST_F(Tls, AWrongNameIsRecordedAndRefusedOnlyOnDemand) {
  Ends recorded = shake(to("other.example.jp"));
  ASSERT_TRUE(*recorded.client) << recorded.client_why;
  EXPECT_FALSE((**recorded.client)->tls()->is_verified);
  EXPECT_EQ((**recorded.client)->tls()->verify_error, "hostname mismatch");

  ClientOptions strict = to("other.example.jp");
  strict.verify = true;
  Ends refused = shake(strict);
  EXPECT_EQ(refused.client->error(), Errc::NotVerified);
  EXPECT_EQ(refused.client_why, "hostname mismatch");

  strict.server_name = "mx.example.jp";
  EXPECT_TRUE(*shake(strict).client);
  strict.server_name = "192.0.2.25";
  EXPECT_TRUE(*shake(strict).client);
  strict.server_name = "192.0.2.26";
  EXPECT_EQ(shake(strict).client->error(), Errc::NotVerified);
  strict.server_name = "";
  EXPECT_EQ(shake(strict).client->error(), Errc::Setup);
}

TEST_F(Tls, AnExpiredOrUnknownCertificateIsRecordedAndRefusedOnlyOnDemand) {
  server_ = make_server(issue({"mx.example.jp"}, &authority_, false, -9 * kDay, -2 * kDay));
  Ends recorded = shake(to("mx.example.jp"));
  ASSERT_TRUE(*recorded.client);
  EXPECT_EQ((**recorded.client)->tls()->verify_error, "certificate has expired");

  server_ = make_server(make_self_signed({"mx.example.jp"}, now()).value());
  ClientOptions strict = to("mx.example.jp");
  strict.verify = true;
  Ends refused = shake(strict);
  EXPECT_EQ(refused.client->error(), Errc::NotVerified);
  EXPECT_EQ(refused.client_why, "self-signed certificate");
  EXPECT_FALSE(*refused.server);
}

TEST_F(Tls, SessionsResumeWithinOnePolicyOnly) {
  const auto exchange = [&](ClientOptions options) {
    Ends ends = shake(std::move(options));
    EXPECT_TRUE(*ends.client) << ends.client_why;
    // TLS 1.3 tickets come with the first octets.
    write(***ends.server, "220 hello\r\n");
    EXPECT_EQ(read(***ends.client).value(), "220 hello\r\n");
    EXPECT_EQ((**ends.client)->tls()->is_resumed, (**ends.server)->tls()->is_resumed);
    EXPECT_TRUE((**ends.client)->tls()->is_verified);
    EXPECT_EQ((**ends.client)->tls()->peer_certificate_sha256.size(), 64u);
    return (**ends.client)->tls()->is_resumed;
  };
  EXPECT_FALSE(exchange(to("mx.example.jp", "mx:25/opportunistic")));
  EXPECT_TRUE(exchange(to("mx.example.jp", "mx:25/opportunistic")));
  EXPECT_TRUE(exchange(to("mx.example.jp", "mx:25/opportunistic")));
  EXPECT_FALSE(exchange(to("mx.example.jp", "mx:25/mta-sts")));
  EXPECT_FALSE(exchange(to("mx.example.jp")));
  ClientOptions strict = to("mx.example.jp", "mx:25/opportunistic");
  strict.verify = true;
  EXPECT_FALSE(exchange(strict));
  ClientOptions compatible = to("mx.example.jp", "mx:25/opportunistic");
  compatible.level = Level::Compatible;
  EXPECT_FALSE(exchange(compatible));
  EXPECT_TRUE(exchange(compatible));
  server_ = make_server(server_pair_);  // A reload: tickets of the old one are worth nothing.
  EXPECT_FALSE(exchange(compatible));
}

TEST_F(Tls, TheSessionCacheForgetsTheOldestBeyondItsLimit) {
  const SessionPtr session(SSL_SESSION_new());
  SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION);
  const SslContextPtr context(SSL_CTX_new(TLS_method()));
  const SslPtr ssl(SSL_new(context.get()));
  const unsigned char id[] = {0x13, 0x01};
  SSL_SESSION_set_cipher(session.get(), SSL_CIPHER_find(ssl.get(), id));
  SessionCache cache(2);
  cache.put("a", session.get());
  cache.put("b", session.get());
  cache.put("a", session.get());
  cache.put("c", session.get());
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.find("a"), nullptr);
  EXPECT_NE(cache.find("b"), nullptr);
  cache.forget("b");
  cache.forget("b");
  EXPECT_EQ(cache.find("b"), nullptr);
  EXPECT_EQ(cache.size(), 1u);
}

/// A client that shows a certificate, which ours never does.
base::Task<void> connect_with(const PemPair* pair, std::unique_ptr<net::Stream> inner,
                              base::Steady deadline, std::optional<Opened>& result) {
  const SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  auto stream = Stream::make(context.get(), std::move(inner)).value();
  if (pair != nullptr) {
    TemporaryFile certificate(pair->certificate), key(pair->private_key);
    EXPECT_EQ(SSL_use_certificate_file(stream->ssl(), certificate.path().c_str(), SSL_FILETYPE_PEM),
              1);
    EXPECT_EQ(SSL_use_PrivateKey_file(stream->ssl(), key.path().c_str(), SSL_FILETYPE_PEM), 1);
  }
  SSL_set_connect_state(stream->ssl());
  const Result<void> shaken = co_await stream->shake_hands(deadline);
  if (!shaken) {
    result.emplace(shaken.error());
  } else {
    result.emplace(std::unique_ptr<net::Stream>(std::move(stream)));
  }
}

TEST_F(Tls, ClientCertificatesCountOnlyWhenTheyVerify) {
  server_ = make_server(server_pair_, trust_->path());
  const PemPair good = issue({"submitter"}, &authority_);
  const PemPair stranger = make_self_signed({"submitter"}, now()).value();
  const PemPair expired = issue({"submitter"}, &authority_, false, -9 * kDay, -2 * kDay);
  for (const PemPair* pair : {&good, &stranger, &expired, static_cast<const PemPair*>(nullptr)}) {
    net::MemoryPair link = net::make_memory_pair(loop_.worker());
    Ends ends;
    loop_.spawn(
        accept_into(server_, std::move(link.first), loop_.soon(), ends.server, ends.server_why));
    loop_.spawn(connect_with(pair, std::move(link.second), loop_.soon(), ends.client));
    loop_.run();
    ASSERT_TRUE(*ends.server) << ends.server_why;
    const net::TlsInfo& info = *(**ends.server)->tls();
    EXPECT_EQ(info.is_verified, pair == &good);
    EXPECT_EQ(info.peer_certificate_sha256.size(), pair == &good ? 64u : 0u);
    EXPECT_EQ(info.verify_error.empty(), pair == &good || pair == nullptr);
  }
}

TEST_F(Tls, TheNameThatIsAskedForChoosesTheCertificate) {
  ServerOptions options;
  options.certificates.push_back({"", "", server_pair_});
  options.certificates.push_back({"", "", issue({"*.example.org"}, &authority_)});
  std::string why;
  server_ = ServerContext::load(options, now(), why).value();
  for (const char* name : {"mx.example.jp", "mail.example.org"}) {
    Ends ends = shake(to(name));
    EXPECT_TRUE((**ends.client)->tls()->is_verified) << name;
  }
  Ends other = shake(to("unknown.example.net"));
  EXPECT_EQ((**other.client)->tls()->peer_certificate_subject, "CN=mx.example.jp");
}

TEST_F(Tls, WhatIsWrongWithCertificateFilesIsSaidWithTheirNames) {
  const TemporaryFile certificate(server_pair_.certificate), key(server_pair_.private_key);
  const TemporaryFile other_key(authority_.private_key), junk("junk\n"), empty("");
  const TemporaryFile locked(
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n");
  struct Case {
    std::string certificate, key, client_ca;
    Errc error;
    std::string words;
  };
  const Case cases[] = {
      {"/nowhere/cert.pem", key.path(), "", Errc::FileUnreadable,
       "/nowhere/cert.pem: cannot be read: No such file or directory"},
      {certificate.path(), "/nowhere/key.pem", "", Errc::FileUnreadable,
       "/nowhere/key.pem: cannot be read: No such file or directory"},
      {junk.path(), key.path(), "", Errc::BadCertificate,
       junk.path() + ": holds no PEM certificate"},
      {empty.path(), key.path(), "", Errc::BadCertificate,
       empty.path() + ": holds no PEM certificate"},
      {certificate.path(), junk.path(), "", Errc::BadPrivateKey,
       junk.path() + ": holds no private key without a password"},
      {certificate.path(), locked.path(), "", Errc::BadPrivateKey,
       locked.path() + ": holds no private key without a password"},
      {certificate.path(), other_key.path(), "", Errc::KeyMismatch,
       other_key.path() + ": does not belong to the certificate in " + certificate.path()},
  };
  for (const Case& c : cases) {
    ServerOptions options;
    options.certificates.push_back({c.certificate, c.key, {}});
    std::string why;
    const auto loaded = ServerContext::load(options, now(), why);
    EXPECT_EQ(loaded.error(), c.error);
    EXPECT_EQ(why, c.words);
  }
  ServerOptions options;
  std::string why;
  EXPECT_EQ(ServerContext::load(options, now(), why).error(), Errc::BadCertificate);
  options.certificates.push_back({certificate.path(), key.path(), {}});
  EXPECT_TRUE(ServerContext::load(options, now(), why)) << why;
  options.client_ca_file = junk.path();
  EXPECT_EQ(ServerContext::load(options, now(), why).error(), Errc::BadCertificate);
  EXPECT_EQ(why.substr(0, junk.path().size()), junk.path());
  EXPECT_EQ(ClientContext::load(junk.path(), why).error(), Errc::BadCertificate);
}

TEST_F(Tls, AnExpiredCertificateOfOurOwnWarns) {
  ServerOptions options;
  options.certificates.push_back(
      {"", "", issue({"mx.example.jp"}, nullptr, false, -9 * kDay, -2 * kDay)});
  std::string why;
  const auto made = ServerContext::load(options, now(), why).value();
  ASSERT_EQ(made->warnings().size(), 1u);
  EXPECT_EQ(made->warnings()[0].substr(0, 32), "built-in certificate: expired on");
  EXPECT_TRUE(server_->warnings().empty());
}

TEST_F(Tls, OldProtocolsAreRefusedByUsAndReachedOnlyByTheCompatibleLevel) {
  // An old server: TLS 1.0 and nothing else.
  const SslContextPtr old(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_min_proto_version(old.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old.get(), TLS1_VERSION);
  SSL_CTX_set_cipher_list(old.get(), "ALL@SECLEVEL=0");
  const TemporaryFile certificate(server_pair_.certificate), key(server_pair_.private_key);
  ASSERT_EQ(SSL_CTX_use_certificate_file(old.get(), certificate.path().c_str(), SSL_FILETYPE_PEM),
            1);
  ASSERT_EQ(SSL_CTX_use_PrivateKey_file(old.get(), key.path().c_str(), SSL_FILETYPE_PEM), 1);
  for (const Level level : {Level::Modern, Level::Compatible}) {
    net::MemoryPair link = net::make_memory_pair(loop_.worker());
    auto server = Stream::make(old.get(), std::move(link.first)).value();
    SSL_set_accept_state(server->ssl());
    Ends ends;
    const auto serve = [](Stream& stream, base::Steady deadline) -> base::Task<void> {
      (void)co_await stream.shake_hands(deadline);
      if (!stream.failure().empty()) stream.close();
    };
    loop_.spawn(serve(*server, loop_.soon()));
    ClientOptions options = to("mx.example.jp");
    options.level = level;
    loop_.spawn(connect_into(client_, std::move(link.second), options, loop_.soon(), ends.client,
                             ends.client_why));
    loop_.run();
    EXPECT_EQ(ends.client->has_value(), level == Level::Compatible) << ends.client_why;
    if (level == Level::Compatible) {
      EXPECT_EQ((**ends.client)->tls()->version, "TLSv1");
      EXPECT_EQ((**ends.client)->channel_binding("tls-exporter").has_value(),
                SSL_get_extms_support(server->ssl()) == 1);
    }
  }
}

}  // namespace
}  // namespace ekiden::tls
