// Goal: what one source may do to one provider, by all its limits together.
// Method: moments handed in; nothing but the class.
#include "ekiden/shaping/channel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

namespace ekiden::shaping {
namespace {

using namespace std::chrono_literals;

Moment at(base::Duration since) {
  return {base::from_unix_us(1'700'000'000'000'000) + since, base::Steady(1h) + since};
}

std::shared_ptr<Profile> profile() {
  auto made = std::make_shared<Profile>();
  made->name = "carrier";
  made->origin = "carrier.toml";
  made->limits.connections = 2;
  return made;
}

TEST(Channel, HoldsConnectionsPastTheCapUntilOneEnds) {
  Channel channel(profile(), false, {}, at(0s));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(channel.holds_connection(at(0s), 0s).is_free());
    channel.opened(at(0s));
  }
  const Held held = channel.holds_connection(at(0s), 0s);
  EXPECT_EQ(held.by, Hold::Connections);
  EXPECT_EQ(held.until, base::Time::max()) << "no time frees it";
  EXPECT_TRUE(channel.holds_transaction(at(0s)).is_free()) << "those that are open go on";
  channel.closed();
  EXPECT_TRUE(channel.holds_connection(at(0s), 0s).is_free());
}

TEST(Channel, SaysWhenTheConnectionRateFrees) {
  auto slow = profile();
  slow->limits.connections = 10;
  slow->limits.connection_rate = {1, 1min};
  Channel channel(slow, false, {}, at(0s));
  channel.opened(at(0s));
  const Held held = channel.holds_connection(at(1s), 0s);
  EXPECT_EQ(held.by, Hold::ConnectionRate);
  EXPECT_GE(held.until, at(60s).wall);
  EXPECT_LE(held.until, at(61s).wall);
  EXPECT_TRUE(channel.holds_connection({held.until, at(61s).steady}, 0s).is_free());
}

TEST(Channel, NeverExceedsItsRateInAnyWindowThoughTransactionsBeginLate) {
  auto limited = profile();
  limited->limits.rate = {10, 1s};
  Channel channel(limited, false, {}, at(0s));
  std::vector<base::Duration> begun;
  base::Duration now{};
  for (int i = 0; i < 500; ++i) {
    const Held held = channel.holds_transaction(at(now));
    if (!held.is_free()) now = held.until - at(0s).wall;
    ASSERT_TRUE(channel.holds_transaction(at(now)).is_free());
    channel.started(at(now), 1);
    channel.ended();
    // Late by anything up to the lease.
    begun.push_back(now + base::Duration(1'000'000 / 128) * (i % 3) / 2);
  }
  for (std::size_t i = 10; i < begun.size(); ++i)
    EXPECT_GE(begun[i] - begun[i - 10], 1s) << "transaction " << i;
  EXPECT_GE(500 / (static_cast<double>(now.count()) / 1e6), 9.8) << "98 % are used";
}

TEST(Channel, PatienceOpensAConnectionForATurnThatComesSoon) {
  auto limited = profile();
  limited->limits.rate = {1, 10s};
  Channel channel(limited, false, {}, at(0s));
  channel.started(at(0s), 1);
  EXPECT_EQ(channel.holds_connection(at(1s), 2s).by, Hold::Rate);
  EXPECT_TRUE(channel.holds_connection(at(9s), 2s).is_free());
}

TEST(Channel, LearnsFromWhatItSentWhenAReplyAsksForLess) {
  Channel channel(profile(), false, {}, at(0s));
  EXPECT_FALSE(channel.is_paced());
  for (int i = 0; i < 200; ++i) {
    channel.started(at(i * 50ms), 1);
    channel.ended();
  }
  channel.on_throttled(at(10s), at(9s).wall);
  ASSERT_TRUE(channel.learnt());
  EXPECT_GT(*channel.learnt(), 10) << "of the 20/s that were sent";
  EXPECT_LT(*channel.learnt(), 17);
  EXPECT_TRUE(channel.is_paced());
  channel.started(at(11s), 1);
  channel.started(at(11s), 1);
  EXPECT_EQ(channel.holds_transaction(at(11s)).by, Hold::Learnt);
  const double before = *channel.learnt();
  for (int i = 0; i < 5000; ++i) channel.on_success(at(12s), at(11s).wall);
  EXPECT_GT(*channel.learnt(), before) << "successes bring it back";
}

TEST(Channel, WhoSendsLittleIsNotHeldToThat) {
  Channel channel(profile(), false, {}, at(0s));
  for (int hour = 0; hour < 3; ++hour) {
    channel.started(at(std::chrono::hours(hour)), 1);
    channel.ended();
  }
  channel.on_throttled(at(2h + 1s), at(2h).wall);
  ASSERT_TRUE(channel.learnt());
  EXPECT_GT(*channel.learnt(), 0.5) << "one message an hour says nothing about what is taken";
}

TEST(Channel, ASuspensionHoldsForItsTimeAndThenAsksOnce) {
  Channel channel(profile(), false, {}, at(0s));
  channel.started(at(0s), 1);
  channel.on_suspended(at(1s), at(0s).wall, 1h);
  channel.ended();
  const Held held = channel.holds_transaction(at(2s));
  EXPECT_EQ(held.by, Hold::Suspended);
  EXPECT_EQ(held.until, at(1s + 1h).wall);
  EXPECT_EQ(channel.holds_connection(at(2s), 1s).by, Hold::Suspended);
  const base::Duration after = 2h;
  ASSERT_TRUE(channel.holds_transaction(at(after)).is_free());
  channel.started(at(after), 1);
  EXPECT_EQ(channel.holds_transaction(at(after)).by, Hold::Probing);
  channel.on_success(at(after + 1s), at(after).wall);
  channel.ended();
  EXPECT_NE(channel.holds_transaction(at(after + 1h)).by, Hold::Probing);
}

TEST(Channel, AClockThatIsSetBackMakesNoPauseLongerAndNoReplyOld) {
  Channel channel(profile(), false, {}, at(0s));
  channel.started(at(0s), 1);
  channel.on_suspended(at(1s), at(0s).wall, 1h);
  channel.ended();
  const auto yesterday = [](base::Duration since) {
    Moment moment = at(since);
    moment.wall -= 24h;
    return moment;
  };
  const Held held = channel.holds_transaction(yesterday(1min));
  EXPECT_EQ(held.by, Hold::Suspended);
  EXPECT_LE(held.until, yesterday(1min + 1h).wall);
  const Moment later = yesterday(3h);
  ASSERT_TRUE(channel.holds_transaction(later).is_free());
  channel.started(later, 1);
  const double before = *channel.learnt();
  channel.on_throttled(yesterday(3h + 1s), later.wall);
  EXPECT_LT(*channel.learnt(), before) << "it is heard";
}

TEST(Channel, WhatItLearntOutlivesIt) {
  Channel::State kept;
  {
    Channel channel(profile(), false, {}, at(0s));
    for (int i = 0; i < 100; ++i) channel.started(at(i * 100ms), 1);
    EXPECT_FALSE(channel.has_state());
    channel.on_suspended(at(10s), at(9s).wall, 2h);
    ASSERT_TRUE(channel.has_state());
    kept = channel.state();
  }
  Channel channel(profile(), false, kept, at(11s));
  EXPECT_EQ(channel.holds_transaction(at(11s)).by, Hold::Suspended);
  EXPECT_EQ(channel.holds_transaction(at(11s)).until, at(10s + 2h).wall);
  ASSERT_TRUE(channel.learnt());
}

TEST(Channel, WarmsUpOneRecipientAtATimeAlongItsRamp) {
  auto ramp = profile();
  ramp->warm_up.days = {4, 8};
  Channel channel(ramp, true, {}, at(0s));
  EXPECT_TRUE(channel.is_warming());
  EXPECT_EQ(channel.recipients_max(), 1u);
  base::Duration now{};
  for (int i = 0; i < 4; ++i) {
    const Held held = channel.holds_transaction(at(now));
    if (!held.is_free()) {
      EXPECT_EQ(held.by, Hold::WarmUp);
      now = held.until - at(0s).wall;
    }
    channel.started(at(now), 1);
    channel.ended();
  }
  const Held held = channel.holds_transaction(at(now));
  EXPECT_EQ(held.by, Hold::WarmUp);
  EXPECT_EQ(held.until, at(24h).wall) << "the next day";
  channel.set_warm_up_paused(true);
  EXPECT_EQ(channel.holds_transaction(at(now)).by, Hold::Paused);
  Channel warm(ramp, false, {}, at(0s));
  EXPECT_FALSE(warm.is_warming()) << "a source that is not new";
  EXPECT_EQ(warm.recipients_max(), UINT32_MAX);
}

TEST(Channel, ShowsEachLimitWithItsOriginAndWhetherItHolds) {
  auto all = profile();
  all->limits.rate = {10, 1s};
  all->limits.connection_rate = {60, 1min};
  all->warm_up.days = {200};
  Channel channel(all, true, {}, at(0s));
  channel.opened(at(0s));
  channel.started(at(0s), 1);
  channel.on_suspended(at(1ms), at(0s).wall, 1h);
  std::string text;
  for (const LimitView& view : channel.view(at(2ms)))
    text += std::string(name_of(view.kind)) + "=" + view.value + "@" + view.origin +
            (view.held.is_free() ? "" : "!") + " ";
  EXPECT_EQ(text,
            "connections=1 of 2@carrier.toml connection_rate=60/min@carrier.toml! "
            "rate=10/s@carrier.toml! suspended=36.0/min@learnt! warm_up=1 of 200 today@warm-up! ");
}

/// A provider that takes so many in any ten seconds and asks for less beyond, replying after a
/// third of a second. What one source gets of it, behind an hour to learn.
struct Outcome {
  double taken_of_best = 0, throttled = 0;
};
Outcome run_against(double per_second, config::Rate configured) {
  auto towards = profile();
  towards->limits.connections = 50;
  towards->limits.rate = configured;
  Channel channel(towards, false, {}, at(0s));
  constexpr base::Duration kReply = 300ms, kWindow = 10s, kLearns = 1h, kEnds = 3h;
  const auto most = static_cast<std::size_t>(per_second * 10);
  std::deque<base::Duration> taken;
  std::deque<std::pair<base::Duration, bool>> replies;  // when, whether it was taken
  std::uint64_t good = 0, bad = 0;
  base::Duration now{};
  while (now < kEnds) {
    while (!replies.empty() && replies.front().first <= now) {
      const auto [when, is_taken] = replies.front();
      replies.pop_front();
      channel.ended();
      if (is_taken) {
        channel.on_success(at(when), at(when - kReply).wall);
      } else {
        channel.on_throttled(at(when), at(when - kReply).wall);
      }
      if (when > kLearns) ++(is_taken ? good : bad);
    }
    const Held held = channel.holds_transaction(at(now));
    if (held.is_free()) {
      while (!taken.empty() && taken.front() <= now - kWindow) taken.pop_front();
      const bool is_taken = taken.size() < most;
      if (is_taken) taken.push_back(now);
      replies.emplace_back(now + kReply, is_taken);
      channel.started(at(now), 1);
      continue;
    }
    base::Duration next = held.until == base::Time::max() ? kEnds : held.until - at(0s).wall;
    if (!replies.empty()) next = std::min(next, replies.front().first);
    now = std::max(now + 1us, next);
  }
  const double seconds = static_cast<double>((kEnds - kLearns).count()) / 1e6;
  return {static_cast<double>(good) / seconds / per_second,
          static_cast<double>(bad) / static_cast<double>(good + bad)};
}

TEST(Channel, ConvergesToWhatAProviderTakesAndRarelyAsksTooMuch) {
  for (const config::Rate configured : {config::Rate{50, 1s}, config::Rate{100, 1s}}) {
    for (const double per_second : {20.0, 5.0, 1.0}) {
      const Outcome outcome = run_against(per_second, configured);
      EXPECT_GE(outcome.taken_of_best, 0.9) << per_second << "/s of " << configured.count;
      EXPECT_LE(outcome.throttled, 0.02) << per_second << "/s of " << configured.count;
      RecordProperty("taken_" + std::to_string(per_second), std::to_string(outcome.taken_of_best));
    }
  }
}

TEST(Channel, AReloadChangesLimitsAndForgetsNothing) {
  Channel channel(profile(), false, {}, at(0s));
  channel.opened(at(0s));
  channel.opened(at(0s));
  auto wider = profile();
  wider->limits.connections = 3;
  wider->limits.rate = {1, 1s};
  channel.set_profile(wider, false, at(1s));
  EXPECT_TRUE(channel.holds_connection(at(1s), 2s).is_free());
  channel.opened(at(1s));
  EXPECT_EQ(channel.holds_connection(at(1s), 2s).by, Hold::Connections);
  EXPECT_TRUE(channel.is_paced());
}

}  // namespace
}  // namespace ekiden::shaping
