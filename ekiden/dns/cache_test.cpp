#include "ekiden/dns/cache.hpp"

#include <gtest/gtest.h>

#include "ekiden/dns/caching_resolver.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::dns {
namespace {

using namespace std::chrono_literals;

constexpr base::Steady kStart{};

Answer answer_of(Status status, std::uint32_t ttl_s, std::string rdata = "") {
  Answer answer;
  answer.status = status;
  answer.ttl_s = ttl_s;
  if (!rdata.empty()) answer.rdata = {std::move(rdata)};
  return answer;
}

TEST(Cache, KeepsAnAnswerForItsTimeToLive) {
  Cache cache({});
  cache.insert("Example.com.", Type::A, answer_of(Status::Ok, 60, "abcd"), kStart);
  const auto found = cache.find("example.COM", Type::A, kStart + 10s);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->ttl_s, 50u);
  EXPECT_FALSE(cache.find("example.com", Type::MX, kStart));
  EXPECT_TRUE(cache.find("example.com", Type::A, kStart + 59'999ms));
  EXPECT_FALSE(cache.find("example.com", Type::A, kStart + 60s));
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.octets(), 0u);
}

TEST(Cache, HoldsTimesToLiveBetweenFloorAndCeiling) {
  Cache cache({.ttl_min_s = 10, .ttl_max_s = 100, .negative_ttl_max_s = 20});
  cache.insert("short", Type::A, answer_of(Status::Ok, 0), kStart);
  cache.insert("long", Type::A, answer_of(Status::Ok, 4'000'000'000u), kStart);
  cache.insert("no", Type::A, answer_of(Status::NoDomain, 900), kStart);
  EXPECT_EQ(cache.find("short", Type::A, kStart)->ttl_s, 10u);
  EXPECT_EQ(cache.find("long", Type::A, kStart)->ttl_s, 100u);
  EXPECT_EQ(cache.find("no", Type::A, kStart)->ttl_s, 20u);
}

TEST(Cache, RemembersAFailureForFiveSecondsOnly) {
  Cache cache({});
  cache.insert("a", Type::A, answer_of(Status::Failed, 3600), kStart);
  cache.insert("b", Type::A, answer_of(Status::Bogus, 3600), kStart);
  EXPECT_TRUE(cache.find("a", Type::A, kStart + 4s));
  EXPECT_FALSE(cache.find("a", Type::A, kStart + 5s));
  EXPECT_FALSE(cache.find("b", Type::A, kStart + 5s));
}

TEST(Cache, TheLeastRecentlyUsedLeavesFirst) {
  Cache cache({.entries_max = 3});
  for (const char* name : {"a", "b", "c"}) {
    cache.insert(name, Type::A, answer_of(Status::Ok, 60), kStart);
  }
  EXPECT_TRUE(cache.find("a", Type::A, kStart));
  cache.insert("d", Type::A, answer_of(Status::Ok, 60), kStart);
  EXPECT_TRUE(cache.find("a", Type::A, kStart));
  EXPECT_FALSE(cache.find("b", Type::A, kStart));
  EXPECT_EQ(cache.size(), 3u);
}

TEST(Cache, StaysWithinItsOctets) {
  Cache cache({.octets_max = 10'000});
  for (int i = 0; i < 100; ++i) {
    cache.insert("name" + std::to_string(i), Type::TXT,
                 answer_of(Status::Ok, 60, std::string(1000, 'x')), kStart);
    EXPECT_LE(cache.octets(), 10'000u);
  }
  EXPECT_GT(cache.size(), 5u);
  cache.insert("huge", Type::TXT, answer_of(Status::Ok, 60, std::string(20'000, 'x')), kStart);
  EXPECT_FALSE(cache.find("huge", Type::TXT, kStart));
}

TEST(Cache, AnewAnswerReplacesTheOld) {
  Cache cache({});
  cache.insert("a", Type::A, answer_of(Status::Failed, 60), kStart);
  cache.insert("a", Type::A, answer_of(Status::Ok, 60, "abcd"), kStart);
  EXPECT_EQ(cache.find("a", Type::A, kStart)->status, Status::Ok);
  EXPECT_EQ(cache.size(), 1u);
}

struct CachingResolverTest : testing::Test {
  test::FakeClock clock;
  test::FakeExecutor home;
  test::FakeResolver dns{clock};
  CachingResolver resolver{dns, clock, home};
  std::vector<Answer> answers;

  void ask(std::string name, Type type) {
    resolver.resolve(std::move(name), type,
                     [this](Answer answer) { answers.push_back(std::move(answer)); });
  }
};

TEST_F(CachingResolverTest, EqualQuestionsShareOneQuery) {
  dns.a("mx.example", "192.0.2.1").default_delay(1s);
  for (int i = 0; i < 100; ++i) ask(i % 2 == 0 ? "mx.example" : "MX.example.", Type::A);
  EXPECT_TRUE(answers.empty());
  clock.advance(1s);
  EXPECT_EQ(answers.size(), 100u);
  EXPECT_EQ(dns.questions().size(), 1u);
}

TEST_F(CachingResolverTest, AnswersFromTheCacheAfterTheCallReturned) {
  dns.a("mx.example", "192.0.2.1").ttl(300);
  ask("mx.example", Type::A);
  clock.advance(0s);
  ask("mx.example", Type::A);
  EXPECT_EQ(answers.size(), 1u);
  home.run();
  EXPECT_EQ(answers.size(), 2u);
  EXPECT_EQ(dns.questions().size(), 1u);
  clock.advance(300s);
  ask("mx.example", Type::A);
  EXPECT_EQ(dns.questions().size(), 2u);
}

TEST_F(CachingResolverTest, NegativeAnswersAreKeptToo) {
  ask("nothing.example", Type::MX);
  clock.advance(0s);
  ask("nothing.example", Type::MX);
  home.run();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].status, Status::NoDomain);
  EXPECT_EQ(dns.questions().size(), 1u);
}

TEST_F(CachingResolverTest, WhatCannotBeANameIsNotAsked) {
  ask("a..b", Type::A);
  ask(std::string(300, 'x'), Type::A);
  EXPECT_TRUE(answers.empty());
  home.run();
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].status, Status::NoDomain);
  EXPECT_TRUE(dns.questions().empty());
}

TEST_F(CachingResolverTest, PastTheLimitAQuestionFailsAtOnce) {
  CachingResolver small(dns, clock, home, {.cache = {}, .waiting_max = 2}, {});
  int failed = 0;
  for (int i = 0; i < 3; ++i) {
    small.resolve("a" + std::to_string(i) + ".example", Type::A,
                  [&failed](Answer answer) { failed += answer.status == Status::Failed ? 1 : 0; });
  }
  home.run();
  EXPECT_EQ(failed, 1);
  clock.advance(0s);
}

TEST_F(CachingResolverTest, MayEndBeforeItsAnswersCome) {
  auto early = std::make_unique<CachingResolver>(dns, clock, home);
  early->resolve("a.example", Type::A, [this](Answer answer) { answers.push_back(answer); });
  early.reset();
  clock.advance(1s);
  EXPECT_TRUE(answers.empty());
}

TEST_F(CachingResolverTest, ACompletionMayAskAgain) {
  dns.fail("a.example");
  resolver.resolve("a.example", Type::A, [this](Answer) { ask("a.example", Type::A); });
  clock.advance(0s);
  home.run();
  EXPECT_EQ(answers.size(), 1u);
  EXPECT_EQ(dns.questions().size(), 1u) << "a failure is remembered for a moment";
}

}  // namespace
}  // namespace ekiden::dns
