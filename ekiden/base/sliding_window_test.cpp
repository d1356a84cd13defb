// Goal: no window ever holds more than the count, and a backlog uses at least kSlots / (kSlots + 1)
// of it. Method: a clock moved by hand, every event written down.
#include "ekiden/base/sliding_window.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ekiden::base {
namespace {

using namespace std::chrono_literals;

constexpr Steady kBegin{24h};

TEST(SlidingWindow, GivesAllAtOnceAndThenNothingUntilTheyAreOld) {
  SlidingWindow<64> window;
  for (int i = 0; i < 600; ++i) EXPECT_TRUE(window.take(600, 1min, kBegin)) << i;
  EXPECT_FALSE(window.take(600, 1min, kBegin));
  EXPECT_EQ(window.left(600, 1min, kBegin + 59s), 0u);
  const Duration wait = window.wait(600, 1min, kBegin);
  EXPECT_GE(wait, 1min);
  EXPECT_LE(wait, 1min + Duration(1min) / 64 + 1us);
  EXPECT_FALSE(window.take(600, 1min, kBegin + wait - 1us));
  EXPECT_TRUE(window.take(600, 1min, kBegin + wait));
  EXPECT_EQ(window.left(600, 1min, kBegin + 1h), 600u) << "and no more, however long nobody came";
}

TEST(SlidingWindow, NoWindowHoldsMoreThanTheCount) {
  for (const std::uint32_t seed : {1U, 2U, 3U}) {
    std::mt19937 random(seed);
    SlidingWindow<16> window;
    const std::uint32_t count = 50;
    const Duration per = 10s;
    std::vector<Steady> events;
    Steady now = kBegin;
    for (int i = 0; i < 20'000; ++i) {
      // Bursts, pauses, and a clock that now and then steps back.
      const auto lot = random() % 100;
      now += lot < 70 ? Duration(random() % 1000) : Duration(random() % 2'000'000);
      if (lot == 99) now -= 3ms;
      if (window.take(count, per, now)) events.push_back(now);
    }
    for (std::size_t i = 0; i + count < events.size(); ++i) {
      // Times that went back are taken as standing still.
      ASSERT_GE(events[i + count] - events[i], per - 3ms) << "seed " << seed << " event " << i;
    }
  }
}

TEST(SlidingWindow, ABacklogUsesTheRate) {
  SlidingWindow<64> window;
  std::uint32_t taken = 0;
  for (Steady now = kBegin; now < kBegin + 1h; now += 10ms) taken += window.take(60, 1min, now);
  EXPECT_LE(taken, 60u * 60);
  EXPECT_GE(taken, 60u * 60 * 98 / 100);
}

TEST(SlidingWindow, TakesBackWhatNeverHappened) {
  SlidingWindow<64> window;
  EXPECT_TRUE(window.take(2, 1min, kBegin));
  EXPECT_TRUE(window.take(2, 1min, kBegin + 30s));
  window.give_back(1min, kBegin);
  EXPECT_EQ(window.left(2, 1min, kBegin + 30s), 1u);
  window.give_back(1min, kBegin);
  EXPECT_EQ(window.left(2, 1min, kBegin + 30s), 1u) << "once";
  window.give_back(1min, kBegin + 30s);
  EXPECT_TRUE(window.is_empty());
  EXPECT_TRUE(window.take(2, 1min, kBegin + 40s));
  window.give_back(1min, kBegin - 1h);
  EXPECT_EQ(window.left(2, 1min, kBegin + 40s), 1u) << "of long ago, which counts no more";
}

TEST(SlidingWindow, AnotherPeriodForgetsNothing) {
  SlidingWindow<64> window;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(window.take(5, 1min, kBegin));
  EXPECT_FALSE(window.take(5, 1h, kBegin + 59s));
  EXPECT_FALSE(window.take(5, 1h, kBegin + 60min));
  EXPECT_TRUE(window.take(5, 1h, kBegin + 62min));
  EXPECT_EQ(window.until_more(1h, kBegin + 200min), Duration(0));
}

}  // namespace
}  // namespace ekiden::base
