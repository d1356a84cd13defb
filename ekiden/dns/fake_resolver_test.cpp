#include "tests/support/fake_resolver.hpp"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.hpp"

namespace ekiden::dns {
namespace {

using namespace std::chrono_literals;

struct FakeResolverTest : testing::Test {
  test::FakeClock clock;
  test::FakeResolver dns{clock};

  Answer ask(std::string name, Type type, base::Duration wait = 0s) {
    std::optional<Answer> answer;
    dns.resolve(std::move(name), type, [&answer](Answer a) { answer = std::move(a); });
    EXPECT_FALSE(answer) << "never inside the call";
    clock.advance(wait);
    return answer.value_or(Answer{Status::Failed, false, "", {}, 0, "no answer yet"});
  }
};

TEST_F(FakeResolverTest, AnswersFromItsScript) {
  dns.mx("Example.com", 10, "mx.example.com")
      .a("mx.example.com", "192.0.2.1")
      .secure("mx.example.com");
  EXPECT_EQ(mx_of(ask("example.COM.", Type::MX)).at(0).host, "mx.example.com");
  EXPECT_TRUE(ask("mx.example.com", Type::A).is_secure);
  EXPECT_EQ(ask("mx.example.com", Type::AAAA).status, Status::NoData);
  EXPECT_EQ(ask("com", Type::A).status, Status::NoData);
  EXPECT_EQ(ask("nothing.example.com", Type::A).status, Status::NoDomain);
  EXPECT_EQ(dns.asked("mx.example.com", Type::A), 1u);
}

TEST_F(FakeResolverTest, FollowsCnamesAndEndsLoops) {
  dns.cname("a.example", "b.example").a("b.example", "192.0.2.2");
  dns.cname("x.example", "y.example").cname("y.example", "x.example");
  EXPECT_EQ(ask("a.example", Type::A).canonical_name, "b.example");
  EXPECT_EQ(ask("x.example", Type::A).status, Status::Failed);
}

TEST_F(FakeResolverTest, FailsHealsAndWaitsAsTold) {
  dns.a("a.example", "192.0.2.2").fail("a.example", Status::Bogus, Type::A);
  EXPECT_EQ(ask("a.example", Type::A).status, Status::Bogus);
  dns.heal("a.example").delay("a.example", 3s);
  EXPECT_EQ(ask("a.example", Type::A, 3s).status, Status::Ok);

  int answers = 0;
  dns.resolve("a.example", Type::A, [&answers](Answer) { ++answers; });
  clock.advance(2s);
  EXPECT_EQ(answers, 0);
  clock.advance(1s);
  EXPECT_EQ(answers, 1);
}

}  // namespace
}  // namespace ekiden::dns
