// Rates and quotas: never more than they say, whoever asks at the same time.
#include "ekiden/account/limits.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "ekiden/account/tenant.hpp"

namespace ekiden::account {
namespace {

using namespace std::chrono_literals;

const base::Time kNow = base::from_unix_us(1'800'000'000'000'000);  // 2027-01-15T08:00:00Z
const base::Steady kSteady{24h};

TEST(RateGate, GivesItsCountAtOnceAndTheNextWhenThoseAreOld) {
  RateGate gate;
  const MessageRate rate{10, 1min};
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(gate.take(rate, kSteady)) << i;
  EXPECT_FALSE(gate.take(rate, kSteady));
  const base::Duration wait = gate.wait(rate, kSteady);
  EXPECT_GE(wait, 1min);
  EXPECT_LE(wait, 61s);
  EXPECT_FALSE(gate.take(rate, kSteady + wait - 1us));
  EXPECT_TRUE(gate.take(rate, kSteady + wait));
  // Idle for long it is full, and no fuller.
  int taken = 0;
  while (gate.take(rate, kSteady + 1h)) ++taken;
  EXPECT_EQ(taken, 10);
}

TEST(RateGate, TakesBackWhatWasNotUsed) {
  RateGate gate;
  const MessageRate rate{1, 1h};
  EXPECT_TRUE(gate.take(rate, kSteady));
  gate.give_back(rate, kSteady);
  EXPECT_TRUE(gate.take(rate, kSteady));
  EXPECT_FALSE(gate.take(rate, kSteady));
}

TEST(RateGate, IsExactForManyThreads) {
  RateGate gate;
  const MessageRate rate{5000, 1h};
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) taken += gate.take(rate, kSteady) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 5000);
}

TEST(QuotaCounter, EndsAtItsPeriodAndIsExactForManyThreads) {
  QuotaCounter counter;
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) taken += counter.take(7, 3, 1000) ? 3 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken, 999);
  EXPECT_FALSE(counter.take(7, 2, 1000));
  EXPECT_TRUE(counter.take(7, 1, 1000));
  // A clock that was set back does not give a new day, and a day that is over gives none back.
  EXPECT_FALSE(counter.take(6, 1, 1000));
  EXPECT_TRUE(counter.take(8, 1000, 1000));
  counter.give_back(7, 500);
  EXPECT_FALSE(counter.take(8, 1, 1000));
  counter.give_back(8, 500);
  EXPECT_TRUE(counter.take(8, 500, 1000));
}

TEST(Periods, AreThoseOfTheCalendar) {
  EXPECT_EQ(base::format_rfc3339(begin_of_day(day_of(kNow))).substr(0, 19), "2027-01-15T00:00:00");
  EXPECT_EQ(base::format_rfc3339(begin_of_month(month_of(kNow))).substr(0, 19),
            "2027-01-01T00:00:00");
  EXPECT_EQ(base::format_rfc3339(begin_of_month(month_of(kNow) + 12)).substr(0, 10), "2028-01-01");
}

struct LimitedSenderTest : testing::Test {
  TenantRules tenant;
  CredentialRules credential;
  void SetUp() override {
    tenant.settings.limits.per_day = 10;
    tenant.settings.limits.rate = {100, 1min};
    tenant.state = std::make_shared<LimitState>();
    credential.limits.per_month = 4;
    credential.state = std::make_shared<LimitState>();
  }
};

TEST_F(LimitedSenderTest, TakesFromBothOrFromNeither) {
  LimitedSender sender(&tenant, &credential);
  EXPECT_TRUE(sender.take(3, kNow, kSteady).is_fine());
  const LimitVerdict refused = sender.take(2, kNow, kSteady);
  EXPECT_EQ(refused.kind, LimitKind::Month);
  EXPECT_TRUE(refused.is_of_credential);
  EXPECT_EQ(tenant.state->day.value().count, 3u) << "nothing was counted for what was refused";
  EXPECT_TRUE(sender.take(1, kNow, kSteady).is_fine());
  EXPECT_EQ(sender.look(kNow, kSteady).kind, LimitKind::Month);
  sender.give_back(1, kNow);
  EXPECT_TRUE(sender.look(kNow, kSteady).is_fine());
}

TEST_F(LimitedSenderTest, SaysWhichLimitAndForHowLong) {
  LimitedSender sender(&tenant, nullptr);
  EXPECT_TRUE(sender.take(10, kNow, kSteady).is_fine());
  const LimitVerdict day = sender.look(kNow, kSteady);
  EXPECT_EQ(day.kind, LimitKind::Day);
  EXPECT_EQ(day.text(), "Your account may send 10 messages a day; try again in 16h");
  tenant.settings.limits = {};
  tenant.settings.limits.rate = {1, 1min};
  EXPECT_TRUE(sender.take(1, kNow, kSteady + 1h).is_fine());
  EXPECT_EQ(sender.look(kNow, kSteady + 1h).text(),
            "Your account may send 1 message in 1m; try again in 1m1s");
}

TEST(LimitedSender, WithoutLimitsIsNotLimited) {
  const TenantRules tenant;
  LimitedSender sender(&tenant, nullptr);
  EXPECT_FALSE(sender.is_limited());
  EXPECT_TRUE(sender.take(1'000'000, kNow, kSteady).is_fine());
  EXPECT_FALSE(LimitedSender(nullptr, nullptr).is_limited());
}

TEST(TenantSettings, AreReadAsTheyWereWritten) {
  TenantSettings settings;
  settings.streams = {{"news", StreamKind::Bulk, 5}, {"receipts", StreamKind::Transactional, 1}};
  settings.sender_domains = {"example.jp", "*.example.jp"};
  settings.limits = {{100, 1min}, 1000, 20'000};
  settings.credential_limits.per_day = 7;
  settings.requires_proven_domains = true;
  settings.soft_failures = 3;
  settings.suppression_days = 180;
  const auto read = parse_settings(format_settings(settings));
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, settings);
  EXPECT_EQ(*parse_settings("{}"), TenantSettings{});
  // A limit that cannot be read is no settings at all, never no limit.
  for (const char* bad :
       {"", "[]", "{", R"({"limits":{"per_day":-1}})", R"({"limits":{"per_day":"many"}})",
        R"({"limits":{"rate_count":5}})", R"({"limits":7})", R"({"streams":[{"name":1}]})",
        R"({"streams":[{"name":"a","weight":0}]})", R"({"sender_domains":[1]})",
        R"({"requires_proven_domains":1})", R"({"soft_failures":1e99})"})
    EXPECT_FALSE(parse_settings(bad)) << bad;
}

TEST(TenantRules, AskForDomainsThatAreAllowedAndProven) {
  TenantRules rules;
  EXPECT_TRUE(rules.may_send_as("anything.test"));
  rules.settings.sender_domains = {"example.jp", "*.example.org"};
  EXPECT_TRUE(rules.may_send_as("example.jp"));
  EXPECT_FALSE(rules.may_send_as("sub.example.jp"));
  EXPECT_TRUE(rules.may_send_as("a.example.org"));
  EXPECT_FALSE(rules.may_send_as("example.org"));
  rules.settings.sender_domains.clear();
  rules.settings.requires_proven_domains = true;
  EXPECT_FALSE(rules.may_send_as("example.jp"));
  rules.proven_domains = {"example.jp"};
  EXPECT_TRUE(rules.may_send_as("example.jp"));
  EXPECT_TRUE(rules.may_send_as("news.example.jp"));
  EXPECT_FALSE(rules.may_send_as("badexample.jp"));
}

TEST(TenantRules, HaveTheStreamsThatTheyName) {
  TenantRules rules;
  EXPECT_TRUE(rules.has_stream("whatever"));
  rules.settings.streams = {{"news", StreamKind::Bulk, 5}};
  EXPECT_TRUE(rules.has_stream("news"));
  EXPECT_TRUE(rules.has_stream("transactional"));
  EXPECT_FALSE(rules.has_stream("nwes"));
  EXPECT_EQ(stream_of(&rules, "news").weight, 5u);
  EXPECT_EQ(stream_of(nullptr, "transactional").kind, StreamKind::Transactional);
  EXPECT_EQ(stream_of(nullptr, "anything").kind, StreamKind::Bulk);
}

}  // namespace
}  // namespace ekiden::account
