#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/event_loop.hpp"
#include "ekiden/inbound/listener_service.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_spool.hpp"
#include "tests/support/fake_stream.hpp"

namespace ekiden::test {

/// Counts the budget; refuses when told to.
class FakeIntake final : public queue::Intake {
 public:
  bool is_full = false;
  base::Duration pause{};
  std::uint64_t reserved = 0;
  std::vector<queue::Accepted> taken;

  bool reserve(std::uint64_t octets) override {
    if (is_full) return false;
    reserved += octets;
    return true;
  }
  void release(std::uint64_t octets) override { reserved -= octets; }
  base::Duration delay() const override { return pause; }
  void take(queue::Accepted message) override { taken.push_back(std::move(message)); }
};

class FakeAccounts final : public account::SnapshotSource {
 public:
  struct Picture final : account::Snapshot {
    std::vector<account::Credential> credentials;
    const account::Credential* find_by_name(std::string_view name) const override {
      for (const auto& credential : credentials) {
        if (credential.name == name) return &credential;
      }
      return nullptr;
    }
    const account::Credential* find_by_certificate(std::string_view) const override {
      return nullptr;
    }
  };
  std::shared_ptr<const Picture> picture = std::make_shared<Picture>();
  std::shared_ptr<const account::Snapshot> current() const override { return picture; }
};

/// PLAIN and LOGIN: every user's password is "secret". "later" as a password cannot be checked.
class FakeSasl final : public smtp::SaslServer {
 public:
  bool needs_tls = false;

  std::vector<std::string> mechanisms(const smtp::SaslContext& context) override {
    if (needs_tls && !context.is_tls) return {};
    return {"PLAIN", "LOGIN"};
  }
  std::unique_ptr<smtp::SaslSession> begin(std::string_view mechanism,
                                           const smtp::SaslContext& context) override {
    if (mechanisms(context).empty()) return nullptr;
    if (mechanism == "PLAIN") return std::make_unique<Exchange>(true);
    if (mechanism == "LOGIN") return std::make_unique<Exchange>(false);
    return nullptr;
  }

 private:
  class Exchange final : public smtp::SaslSession {
   public:
    explicit Exchange(bool is_plain) : is_plain_(is_plain) {}
    bool is_client_first() const override { return is_plain_; }
    base::Task<smtp::SaslStep> step(std::string response) override {
      smtp::SaslStep step;
      if (is_plain_) {
        const std::size_t first = response.find('\0');
        const std::size_t second =
            first == std::string::npos ? first : response.find('\0', first + 1);
        if (second == std::string::npos) co_return step;
        decide(step, response.substr(first + 1, second - first - 1), response.substr(second + 1));
      } else if (!asked_user_) {
        asked_user_ = true;
        step.kind = smtp::SaslStep::Kind::Challenge;
        step.data = "User Name";
      } else if (user_.empty()) {
        user_ = std::move(response);
        step.kind = smtp::SaslStep::Kind::Challenge;
        step.data = "Password";
      } else {
        decide(step, user_, response);
      }
      co_return step;
    }

   private:
    static void decide(smtp::SaslStep& step, const std::string& user, const std::string& password) {
      step.kind = password == "secret"  ? smtp::SaslStep::Kind::Success
                  : password == "later" ? smtp::SaslStep::Kind::TemporaryFailure
                                        : smtp::SaslStep::Kind::Failure;
      step.identity = user;
    }
    bool is_plain_;
    bool asked_user_ = false;
    std::string user_;
  };
};

/// "known…" exists, "later…" cannot be told, everybody else is unknown.
class FakeVerifier final : public inbound::RecipientVerifier {
 public:
  std::vector<std::string> asked;
  base::Task<inbound::RecipientStatus> verify(std::string recipient, std::string,
                                              base::Steady) override {
    asked.push_back(recipient);
    if (recipient.starts_with("known")) co_return inbound::RecipientStatus::Exists;
    if (recipient.starts_with("later")) co_return inbound::RecipientStatus::CannotTell;
    co_return inbound::RecipientStatus::Unknown;
  }
};

/// A handshake that needs no octets.
class FakeTls final : public inbound::Layer {
 public:
  bool fails = false;
  std::shared_ptr<FakePeer> peer;
  base::Task<Result<std::unique_ptr<net::Stream>>> wrap(std::unique_ptr<net::Stream> stream,
                                                        base::Steady) override {
    if (fails) co_return net::Errc::Tls;
    peer->tls = net::TlsInfo{};
    peer->tls->version = "TLSv1.3";
    peer->tls->cipher = "TLS_AES_256_GCM_SHA384";
    co_return std::move(stream);
  }
};

/// "PROXY <address>\n" in place of the real header.
class FakeProxy final : public inbound::Layer {
 public:
  std::shared_ptr<FakePeer> peer;
  base::Task<Result<std::unique_ptr<net::Stream>>> wrap(std::unique_ptr<net::Stream> stream,
                                                        base::Steady deadline) override {
    const Result<void> ready = co_await stream->wait(net::Direction::Read, deadline);
    if (!ready) co_return ready.error();
    const std::size_t end = peer->to_us.find('\n');
    if (!peer->to_us.starts_with("PROXY ") || end == std::string::npos) {
      co_return net::Errc::BadProxyHeader;
    }
    peer->remote.address = boost::asio::ip::make_address(peer->to_us.substr(6, end - 6));
    peer->to_us.erase(0, end + 1);
    co_return std::move(stream);
  }
};

/// A listener's sessions on one thread, with everything around them fake and a clock moved by hand.
class InboundBench {
 public:
  InboundBench() : InboundBench(std::make_shared<inbound::ListenerOptions>()) {}
  explicit InboundBench(std::shared_ptr<inbound::ListenerOptions> listener)
      : options(std::move(listener)) {
    auto picture = std::make_shared<FakeAccounts::Picture>();
    account::Credential user;
    user.name = "user";
    user.tenant = "acme";
    user.stream = "bulk";
    picture->credentials.push_back(user);
    account::Credential limited;
    limited.name = "limited";
    limited.sender_domains = {"acme.example", "*.acme.example"};
    limited.networks = {*net::parse_address_block("192.0.2.0/24")};
    limited.streams = {"bulk"};
    picture->credentials.push_back(limited);
    accounts.picture = std::move(picture);
    services.sasl = &sasl;
    services.verifier = &verifier;
    services.tls = &tls;
    services.proxy = &proxy;
    options->name = "test";
    options->hostname = "relay.test";
    client.address = boost::asio::ip::make_address("192.0.2.7");
    client.port = 40000;
  }

  /// Sessions end as at a shutdown, those inside a message by their time-outs.
  ~InboundBench() {
    spool.let_go();
    if (service) service->close();
    settle();
    for (int i = 0; i < 3; ++i) advance(std::chrono::minutes(10));
  }
  InboundBench(const InboundBench&) = delete;
  InboundBench& operator=(const InboundBench&) = delete;

  std::shared_ptr<FakePeer> connect(std::string_view early = {}) {
    auto peer = std::make_shared<FakePeer>();
    peer->remote = client;
    peer->to_us = early;
    tls.peer = peer;
    proxy.peer = peer;
    if (!service) service.emplace(services);
    service->accept(std::make_unique<FakeStream>(worker, peer), options);
    settle();
    return peer;
  }

  /// Runs what is ready and waits for nothing.
  void settle() {
    while (loop.io().poll() > 0) {
    }
    loop.io().restart();
  }
  void advance(base::Duration by) {
    clock.advance(by);
    settle();
  }
  void stop() {
    service->close();
    settle();
  }

  std::shared_ptr<inbound::ListenerOptions> options;
  net::Endpoint client;
  FakeClock clock;
  base::SeededRandom random{1};
  base::EventLoop loop;
  base::Worker worker{0, loop.io().get_executor(), loop.executor(), clock, random};
  FakeSpool spool{loop.executor()};
  FakeIntake intake;
  FakeAccounts accounts;
  FakeSasl sasl;
  FakeVerifier verifier;
  FakeTls tls;
  FakeProxy proxy;
  base::Metrics metrics;
  inbound::Instruments instruments{metrics};
  inbound::ClientLimits limits;
  base::MessageIdSource ids{1, 0, random};
  inbound::Services services{worker, spool, spool, intake, ids, accounts, limits, instruments};
  std::optional<inbound::ListenerService> service;
};

}  // namespace ekiden::test
