#include "ekiden/shaping/warm_up.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ekiden/shaping/providers.hpp"

namespace ekiden::shaping {
namespace {

using base::Duration;
using base::Time;
using namespace std::chrono_literals;

const Time kBegin = base::from_unix_us(1'700'000'000'000'000);
const WarmUpPlan kPlan{{100, 200, 400, 800}, 24h * 30};

/// Sends all that is allowed for a while; says when.
std::vector<Time> send_all(WarmUp& warm, Time from, Time to, std::size_t most = 1'000'000) {
  std::vector<Time> sent;
  for (Time now = warm.next_free(from); now < to && sent.size() < most && !warm.is_warm();
       now = warm.next_free(now)) {
    warm.on_sent(now);
    sent.push_back(now);
  }
  return sent;
}

TEST(WarmUp, FollowsItsPlanDayByDayUntilItIsWarm) {
  WarmUp warm(kPlan);
  for (int day = 0; day < 4; ++day) {
    EXPECT_TRUE(warm.may_send(kBegin + day * 24h));
    EXPECT_EQ(warm.allowance(), kPlan.days[static_cast<std::size_t>(day)]);
    const auto sent = send_all(warm, kBegin + day * 24h, kBegin + (day + 1) * 24h);
    EXPECT_EQ(sent.size(), kPlan.days[static_cast<std::size_t>(day)]);
  }
  EXPECT_TRUE(warm.may_send(kBegin + 4 * 24h));
  EXPECT_TRUE(warm.is_warm());
}

TEST(WarmUp, SpreadsADayAndMakesUpForASlowStart) {
  WarmUp warm(kPlan);
  const auto sent = send_all(warm, kBegin, kBegin + 24h);
  for (std::size_t i = 1; i < sent.size(); ++i) {
    EXPECT_GE(sent[i] - sent[i - 1], 24h / 100 / 2) << "no burst";
  }
  WarmUp slow(kPlan);
  slow.on_sent(kBegin);
  EXPECT_GE(send_all(slow, kBegin + 11h, kBegin + 24h).size() + 1, 95u) << "half a day is enough";
}

TEST(WarmUp, NeverSendsMoreThanADaysAllowanceInItsDay) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 50; ++round) {
    WarmUp warm(kPlan);
    Time now = kBegin;
    std::uint32_t today = 0, allowed = 0;
    std::int64_t day = 0;
    for (int i = 0; i < 5000 && !warm.is_warm(); ++i) {
      now += Duration(random() % 1'200'000'000);
      if (!warm.may_send(now) || warm.is_warm()) continue;
      warm.on_sent(now);
      if (warm.state().day_us != day) {
        day = warm.state().day_us;
        today = 0;
        allowed = warm.allowance();
      }
      ASSERT_LE(++today, allowed);
    }
  }
}

TEST(WarmUp, AStageIsEarned) {
  WarmUp warm(kPlan);
  send_all(warm, kBegin, kBegin + 24h, 49);
  EXPECT_TRUE(warm.may_send(kBegin + 24h));
  EXPECT_EQ(warm.allowance(), 100u) << "less than half was used";
  send_all(warm, kBegin + 24h, kBegin + 48h, 50);
  EXPECT_TRUE(warm.may_send(kBegin + 72h));
  EXPECT_EQ(warm.allowance(), 200u);
}

TEST(WarmUp, ABadDayEndsAtOnceAndStepsBack) {
  for (const auto signal :
       {WarmUp::Signal::HardBounce, WarmUp::Signal::Complaint, WarmUp::Signal::Throttled}) {
    WarmUp warm(kPlan, {.stage = 3});
    send_all(warm, kBegin, kBegin + 24h, 400);
    for (int i = 0; i < 40; ++i) warm.on_signal(kBegin + 12h, signal);
    EXPECT_EQ(warm.health(), WarmUp::Health::Bad);
    EXPECT_FALSE(warm.may_send(kBegin + 13h));
    EXPECT_EQ(warm.next_free(kBegin + 13h), kBegin + 24h);
    EXPECT_TRUE(warm.may_send(kBegin + 24h));
    EXPECT_EQ(warm.state().stage, 1u);
    EXPECT_EQ(warm.health(), WarmUp::Health::Good) << "a new day";
  }
}

TEST(WarmUp, AWarningKeepsTheStage) {
  WarmUp warm(kPlan, {.stage = 3});
  send_all(warm, kBegin, kBegin + 24h, 440);
  for (int i = 0; i < 4; ++i) warm.on_signal(kBegin + 12h, WarmUp::Signal::HardBounce);
  EXPECT_EQ(warm.health(), WarmUp::Health::Warning);
  EXPECT_TRUE(warm.may_send(kBegin + 24h));
  EXPECT_EQ(warm.state().stage, 3u);
}

TEST(WarmUp, AFewAmongFewSayNothing) {
  WarmUp warm(kPlan);
  send_all(warm, kBegin, kBegin + 24h, 40);
  warm.on_signal(kBegin + 12h, WarmUp::Signal::HardBounce);
  EXPECT_EQ(warm.health(), WarmUp::Health::Good);
}

TEST(WarmUp, WhoSendsNothingForLongCoolsDown) {
  WarmUp warm(kPlan, {.stage = 4});
  EXPECT_TRUE(warm.is_warm());
  warm.on_sent(kBegin);
  EXPECT_TRUE(warm.may_send(kBegin + 24h * 29));
  EXPECT_TRUE(warm.is_warm());
  (void)warm.may_send(kBegin + 24h * 30);
  EXPECT_FALSE(warm.is_warm());
  EXPECT_EQ(warm.allowance(), 400u);
  WarmUp longer(kPlan, {.stage = 4});
  longer.on_sent(kBegin);
  EXPECT_TRUE(longer.may_send(kBegin + 24h * 365));
  EXPECT_EQ(longer.allowance(), 100u);
}

TEST(WarmUp, PausedSendsNothingAndStateIsKept) {
  WarmUp warm(kPlan);
  send_all(warm, kBegin, kBegin + 12h);
  warm.set_paused(true);
  WarmUp again(kPlan, warm.state());
  EXPECT_FALSE(again.may_send(kBegin + 13h));
  EXPECT_EQ(again.next_free(kBegin + 13h), Time::max());
  EXPECT_FALSE(again.may_send(kBegin + 36h)) << "a new day changes nothing";
  again.set_paused(false);
  EXPECT_TRUE(again.may_send(kBegin + 36h));
  WarmUp nonsense(kPlan, {.stage = 4'000'000'000u});
  EXPECT_TRUE(nonsense.is_warm());
}

TEST(WarmUp, AClockThatGoesBackGivesNothingAway) {
  WarmUp warm(kPlan);
  const auto sent = send_all(warm, kBegin, kBegin + 24h);
  EXPECT_EQ(sent.size(), 100u);
  EXPECT_FALSE(warm.may_send(kBegin - 24h));
}

TEST(WarmUp, WithoutAPlanEverySourceIsWarm) {
  const WarmUpPlan none;
  WarmUp warm(none);
  EXPECT_TRUE(warm.is_warm());
  EXPECT_TRUE(warm.may_send(kBegin));
}

TEST(WarmUp, TheShippedRampNeverMoreThanDoublesADay) {
  const LoadedProviders loaded = load_providers("");
  ASSERT_TRUE(loaded.providers);
  for (const auto& profile : loaded.providers->all()) {
    const auto& days = profile->warm_up.days;
    ASSERT_GE(days.size(), 20u) << profile->name;
    for (std::size_t i = 1; i < days.size(); ++i) {
      EXPECT_GT(days[i], days[i - 1]) << profile->name;
      EXPECT_LE(days[i], 2 * days[i - 1]) << profile->name;
    }
  }
}

}  // namespace
}  // namespace ekiden::shaping
