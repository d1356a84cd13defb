// Goal: libunbound behind our interface, asked over real sockets on loopback.
// Method: a DNS server on the test's own loop; time moves only when a test moves it.
#include "ekiden/dns/unbound_resolver.hpp"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <cstdio>
#include <fstream>
#include <optional>

#include "ekiden/base/random.hpp"
#include "ekiden/dns/caching_resolver.hpp"
#include "ekiden/dns/trust_anchors.hpp"
#include "tests/support/dns_server.hpp"
#include "tests/support/fake_clock.hpp"

namespace ekiden::dns {
namespace {

using namespace std::chrono_literals;

class LoopExecutor final : public base::Executor {
 public:
  explicit LoopExecutor(base::IoContext& io) : io_(io) {}
  void post(base::Work work) override {
    base::asio::post(io_, [work = std::move(work)]() mutable { work(); });
  }

 private:
  base::IoContext& io_;
};

struct UnboundTest : testing::Test {
  base::IoContext io{1};
  test::FakeClock clock;
  LoopExecutor executor{io};
  base::SeededRandom random{1};
  base::Worker worker{0, io.get_executor(), executor, clock, random};
  test::DnsServer server{io, "test."};
  std::unique_ptr<UnboundResolver> resolver;
  std::vector<std::string> files;

  ~UnboundTest() override {
    for (const std::string& file : files) std::remove(file.c_str());
  }

  std::string file_with(std::string_view text) {
    char path[] = "/tmp/ekiden-dns-test-XXXXXX";
    close(mkstemp(path));
    std::ofstream(path) << text;
    return files.emplace_back(path);
  }
  UnboundResolver::Options stub_options(Dnssec dnssec = Dnssec::Off) {
    UnboundResolver::Options options;
    options.mode = Mode::Recursive;
    options.dnssec = dnssec;
    options.stubs = {{"test.", server.endpoint()}};
    options.root_key_file = "/nonexistent";
    return options;
  }
  UnboundResolver::Options forward_options(Dnssec dnssec = Dnssec::Off) {
    UnboundResolver::Options options;
    options.mode = Mode::Forward;
    options.dnssec = dnssec;
    options.forward = {server.endpoint()};
    options.root_key_file = "/nonexistent";
    return options;
  }
  void open(UnboundResolver::Options options) {
    auto made = UnboundResolver::create(worker, std::move(options));
    ASSERT_TRUE(made) << made.error().message();
    resolver = std::move(*made);
  }
  Answer ask(std::string name, Type type) {
    std::optional<Answer> answer;
    resolver->resolve(std::move(name), type, [&answer](Answer a) { answer = std::move(a); });
    EXPECT_FALSE(answer) << "never inside the call";
    while (!answer) io.run_one();
    return std::move(*answer);
  }
};

TEST_F(UnboundTest, AStubZoneIsAskedOfItsServer) {
  server.mx("example.test", 20, "b.test").mx("example.test", 10, "A.test").a("a.test", "192.0.2.1");
  open(stub_options());
  const Answer mx = ask("Example.TEST.", Type::MX);
  ASSERT_EQ(mx.status, Status::Ok) << mx.reason;
  EXPECT_EQ(mx.canonical_name, "example.test");
  EXPECT_EQ(mx.ttl_s, 300u);
  EXPECT_FALSE(mx.is_secure);
  EXPECT_EQ(mx_of(mx).size(), 2u);
  EXPECT_EQ(addresses_of(ask("a.test", Type::A)).at(0).to_string(), "192.0.2.1");
}

TEST_F(UnboundTest, AForwarderIsAskedForEverything) {
  server.a("a.test", "192.0.2.1");
  open(forward_options());
  EXPECT_EQ(ask("a.test", Type::A).status, Status::Ok);
  EXPECT_EQ(ask("a.example", Type::A).status, Status::Failed) << "the server refuses";
}

TEST_F(UnboundTest, TellsNoDataFromNoDomain) {
  server.a("a.test", "192.0.2.1");
  open(stub_options());
  const Answer no_data = ask("a.test", Type::MX);
  EXPECT_EQ(no_data.status, Status::NoData);
  const Answer no_domain = ask("nothing.test", Type::MX);
  EXPECT_EQ(no_domain.status, Status::NoDomain);
  EXPECT_EQ(no_domain.ttl_s, 60u) << "of the SOA (RFC 2308)";
}

TEST_F(UnboundTest, FollowsCnames) {
  server.cname("a.test", "b.test").cname("b.test", "c.test").a("c.test", "192.0.2.3");
  open(stub_options());
  const Answer answer = ask("a.test", Type::A);
  EXPECT_EQ(answer.status, Status::Ok);
  EXPECT_EQ(answer.canonical_name, "c.test");
  EXPECT_EQ(answer.rdata.size(), 1u);
}

TEST_F(UnboundTest, ANullMxIsAnMxOfTheRoot) {
  server.mx("nomail.test", 0, ".");
  open(stub_options());
  EXPECT_EQ(mx_of(ask("nomail.test", Type::MX)).at(0).host, "");
}

TEST_F(UnboundTest, ServfailIsAFailureWithAReason) {
  server.servfail("broken.test");
  open(forward_options());
  const Answer answer = ask("broken.test", Type::A);
  EXPECT_EQ(answer.status, Status::Failed);
  EXPECT_FALSE(answer.reason.empty());
}

TEST_F(UnboundTest, ATruncatedAnswerIsAskedForAgainOverTcp) {
  const std::string text(3000, 'x');
  server.txt("long.test", text).truncate("long.test");
  open(stub_options());
  EXPECT_EQ(texts_of(ask("long.test", Type::TXT)), std::vector{text});
  EXPECT_GT(server.tcp_questions(), 0u);
}

TEST_F(UnboundTest, ASilentServerEndsTheQuestionAtItsLimit) {
  server.drop("silent.test");
  open(stub_options());
  std::optional<Answer> answer;
  resolver->resolve("silent.test", Type::A, [&answer](Answer a) { answer = std::move(a); });
  while (server.questions() == 0) io.run_one();
  clock.advance(29s);
  EXPECT_FALSE(answer);
  clock.advance(1s);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, Status::Failed);
  EXPECT_EQ(answer->reason, "no answer within 30s");
  EXPECT_EQ(clock.timers(), 0u);
}

TEST_F(UnboundTest, MayEndWithQuestionsUnanswered) {
  server.drop("silent.test");
  open(stub_options());
  bool called = false;
  resolver->resolve("silent.test", Type::A, [&called](Answer) { called = true; });
  resolver->resolve("a..b", Type::A, [](Answer) {});
  resolver.reset();
  io.poll();
  clock.advance(60s);
  EXPECT_FALSE(called);
}

TEST_F(UnboundTest, MayEndInsideACompletion) {
  server.a("a.test", "192.0.2.1");
  open(stub_options());
  bool called = false;
  resolver->resolve("a.test", Type::A, [&](Answer) {
    called = true;
    resolver.reset();
  });
  while (!called) io.run_one();
}

TEST_F(UnboundTest, AThousandQuestionsAtOnceAreAllAnswered) {
  constexpr int kQuestions = 1000;
  for (int i = 0; i < kQuestions; ++i) {
    server.a("h" + std::to_string(i) + ".test", "192.0.2." + std::to_string(i % 250));
  }
  open(stub_options());
  int ok = 0, ended = 0;
  for (int i = 0; i < kQuestions; ++i) {
    resolver->resolve("h" + std::to_string(i) + ".test", Type::A, [&, i](Answer answer) {
      ++ended;
      const auto addresses = addresses_of(answer);
      ok +=
          addresses.size() == 1 && addresses[0].to_string() == "192.0.2." + std::to_string(i % 250)
              ? 1
              : 0;
    });
  }
  while (ended < kQuestions) io.run_one();
  EXPECT_EQ(ok, kQuestions);
  EXPECT_EQ(clock.timers(), 0u);
}

TEST_F(UnboundTest, PastTheLimitAQuestionFailsAtOnce) {
  server.drop("silent.test");
  UnboundResolver::Options options = stub_options();
  options.questions_max = 1;
  open(std::move(options));
  resolver->resolve("silent.test", Type::A, [](Answer) {});
  EXPECT_EQ(ask("a.test", Type::A).reason, "too many DNS questions at once");
}

TEST_F(UnboundTest, ASignedZoneUnderItsAnchorIsSecure) {
  server.sign().a("a.test", "192.0.2.1");
  UnboundResolver::Options options = stub_options(Dnssec::Require);
  options.trust_anchors = {file_with(server.anchor())};
  open(std::move(options));
  const Answer answer = ask("a.test", Type::A);
  EXPECT_EQ(answer.status, Status::Ok) << answer.reason;
  EXPECT_TRUE(answer.is_secure);
}

TEST_F(UnboundTest, ABadSignatureIsBogusAndCarriesNoData) {
  server.sign().a("a.test", "192.0.2.1").spoil("a.test");
  UnboundResolver::Options options = stub_options(Dnssec::Require);
  options.trust_anchors = {file_with(server.anchor())};
  open(std::move(options));
  const Answer answer = ask("a.test", Type::A);
  EXPECT_EQ(answer.status, Status::Bogus);
  EXPECT_TRUE(answer.rdata.empty());
  EXPECT_FALSE(answer.is_secure);
  EXPECT_FALSE(answer.reason.empty());
}

TEST_F(UnboundTest, AStubZoneWithoutAnAnchorIsTakenUnsigned) {
  server.a("a.test", "192.0.2.1");
  open(stub_options(Dnssec::Require));
  const Answer answer = ask("a.test", Type::A);
  EXPECT_EQ(answer.status, Status::Ok) << answer.reason;
  EXPECT_FALSE(answer.is_secure);
}

TEST_F(UnboundTest, AutoDoesWithoutSignaturesWhenUpstreamHasNone) {
  server.a("a.test", "192.0.2.1");
  open(forward_options(Dnssec::Auto));
  const Answer answer = ask("a.test", Type::A);
  EXPECT_EQ(answer.status, Status::Ok) << answer.reason;
  EXPECT_FALSE(answer.is_secure);
  EXPECT_FALSE(resolver->validates());
}

TEST_F(UnboundTest, AutoKeepsTheOtherAnchorsWhenTheRootCannotBeVerified) {
  server.sign().a("a.test", "192.0.2.1");
  UnboundResolver::Options options = forward_options(Dnssec::Auto);
  options.trust_anchors = {file_with(server.anchor())};
  open(std::move(options));
  EXPECT_TRUE(ask("a.test", Type::A).is_secure);
  EXPECT_FALSE(resolver->validates());
}

TEST_F(UnboundTest, AutoValidatesWhereTheRootIsSigned) {
  test::DnsServer root(io, ".");
  root.sign().a("a.test", "192.0.2.1");
  UnboundResolver::Options options = forward_options(Dnssec::Auto);
  options.forward = {root.endpoint()};
  options.trust_anchors = {file_with(root.anchor())};
  open(std::move(options));
  EXPECT_TRUE(ask("a.test", Type::A).is_secure);
  EXPECT_TRUE(resolver->validates());
}

TEST_F(UnboundTest, AutoWaitsForASilentUpstreamOnlyForAMoment) {
  test::DnsServer root(io, ".");
  root.sign().drop(".").a("a.test", "192.0.2.1");
  UnboundResolver::Options options = forward_options(Dnssec::Auto);
  options.forward = {root.endpoint()};
  options.root_key_file = file_with(root.anchor());
  open(std::move(options));
  std::optional<Answer> answer;
  resolver->resolve("a.test", Type::A, [&answer](Answer a) { answer = std::move(a); });
  while (root.questions() == 0) io.run_one();
  EXPECT_FALSE(answer);
  clock.advance(3s);
  while (!answer) io.run_one();
  EXPECT_EQ(answer->status, Status::Ok) << answer->reason;

  EXPECT_FALSE(answer->is_secure);

  // The next probe finds signatures.
  root.undrop(".");
  clock.advance(10min);
  while (!resolver->validates()) io.run_one();
  EXPECT_TRUE(ask("a.test", Type::A).is_secure);
}

TEST_F(UnboundTest, SystemModeReadsHostsAndResolvConf) {
  UnboundResolver::Options options;
  options.mode = Mode::System;
  options.dnssec = Dnssec::Off;
  options.resolv_conf = file_with("nameserver 127.0.0.1\n");
  options.hosts = file_with("192.0.2.77 printer.example\n");
  open(std::move(options));
  EXPECT_EQ(addresses_of(ask("printer.example", Type::A)).at(0).to_string(), "192.0.2.77");
}

TEST_F(UnboundTest, OtherModesDoNotReadHosts) {
  UnboundResolver::Options options = forward_options();
  options.hosts = file_with("192.0.2.77 printer.test\n");
  open(std::move(options));
  EXPECT_EQ(ask("printer.test", Type::A).status, Status::NoDomain);
}

TEST_F(UnboundTest, RefusesSettingsThatCannotWork) {
  UnboundResolver::Options options = forward_options();
  options.forward.clear();
  EXPECT_EQ(UnboundResolver::create(worker, options).error(), make_error_code(Errc::NoServer));

  options = forward_options();
  options.trust_anchors = {"/nonexistent/anchor"};
  EXPECT_EQ(UnboundResolver::create(worker, options).error(),
            make_error_code(Errc::BadTrustAnchor));
  options.trust_anchors = {file_with("; nothing here\n")};
  EXPECT_EQ(UnboundResolver::create(worker, options).error(),
            make_error_code(Errc::BadTrustAnchor));
  options.dnssec = Dnssec::Require;
  options.trust_anchors = {file_with("this is no anchor\n")};
  EXPECT_EQ(UnboundResolver::create(worker, options).error(),
            make_error_code(Errc::BadTrustAnchor));

  options = stub_options();
  options.stubs[0].first = "a..b";
  EXPECT_EQ(UnboundResolver::create(worker, options).error(), make_error_code(Errc::BadStub));
}

TEST_F(UnboundTest, ACacheInFrontAnswersWithoutAsking) {
  server.a("a.test", "192.0.2.1");
  open(stub_options());
  CachingResolver cache(*resolver, clock, executor);
  int answers = 0;
  cache.resolve("a.test", Type::A, [&answers](Answer) { ++answers; });
  while (answers == 0) io.run_one();
  const std::size_t questions = server.questions();
  cache.resolve("a.test", Type::A, [&answers](Answer) { ++answers; });
  while (answers == 1) io.run_one();
  EXPECT_EQ(server.questions(), questions);
}

TEST(TrustAnchors, AZoneIsBelowItsParentsOnly) {
  EXPECT_TRUE(is_at_or_below("a.test", ""));
  EXPECT_TRUE(is_at_or_below("a.test", "test"));
  EXPECT_TRUE(is_at_or_below("test", "test"));
  EXPECT_FALSE(is_at_or_below("atest", "test"));
  EXPECT_FALSE(is_at_or_below("test", "a.test"));
}

}  // namespace
}  // namespace ekiden::dns
