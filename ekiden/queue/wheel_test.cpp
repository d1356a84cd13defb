#include "ekiden/queue/wheel.hpp"

#include <gtest/gtest.h>

#include <map>

#include "ekiden/base/random.hpp"

namespace ekiden::queue {
namespace {

constexpr std::int64_t kStartUs = 1'800'000'000'000'000;
constexpr base::Duration kTick = std::chrono::microseconds(8192);

/// The wheel beside a plain map, from a seed: the same timers fire, none early, none late.
class WheelModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(WheelModel, FiresWhatAPlainMapWouldWithinOneTick) {
  base::SeededRandom random(GetParam());
  base::Time now = base::from_unix_us(kStartUs + static_cast<std::int64_t>(random.below(1u << 30)));
  Slab<RecipientEntry> entries;
  Wheel wheel(entries, now);
  std::map<std::uint32_t, base::Time> model;
  std::vector<std::uint32_t> slots;
  for (int i = 0; i < 300; ++i) slots.push_back(entries.take());

  for (int step = 0; step < 3000; ++step) {
    const std::uint32_t slot = slots[random.below(slots.size())];
    switch (random.below(4)) {
      case 0:
      case 1: {
        const auto span = std::int64_t{1} << random.below(46);
        const base::Time when =
            now + base::Duration(random.below(static_cast<std::uint64_t>(span)));
        wheel.set(slot, when);
        model[slot] = when;
        break;
      }
      case 2:
        wheel.cancel(slot);
        model.erase(slot);
        break;
      default: {
        const auto next = wheel.next();
        ASSERT_EQ(next.has_value(), !model.empty());
        if (!next) break;
        base::Time earliest = base::Time::max();
        for (const auto& [s, when] : model) earliest = std::min(earliest, when);
        // A timer set for the past or for now may wait for the next tick.
        ASSERT_LE(*next, std::max(earliest, now) + kTick + kTick);
        if (random.below(3) == 0)
          now += base::Duration(random.below(1u << 30));
        else
          now = std::max(now, *next);
        std::vector<std::uint32_t> due;
        while (wheel.advance(now, 7, due) == 7) {
        }
        for (const std::uint32_t fired : due) {
          ASSERT_TRUE(model.contains(fired));
          EXPECT_LE(model[fired], now) << "never before its time";
          model.erase(fired);
        }
        for (const auto& [s, when] : model)
          ASSERT_GT(when + kTick + kTick, now) << "never later than a tick";
      }
    }
    ASSERT_EQ(wheel.size(), model.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, WheelModel, testing::Range<std::uint64_t>(0, 40));

TEST(Wheel, AClockThatJumpsBackOnlyWaits) {
  Slab<RecipientEntry> entries;
  const base::Time now = base::from_unix_us(kStartUs);
  Wheel wheel(entries, now);
  const std::uint32_t slot = entries.take();
  wheel.set(slot, now + std::chrono::seconds(10));
  std::vector<std::uint32_t> due;
  wheel.advance(now - std::chrono::hours(1), 10, due);
  EXPECT_TRUE(due.empty());
  wheel.advance(now + std::chrono::seconds(11), 10, due);
  EXPECT_EQ(due.size(), 1u);
}

}  // namespace
}  // namespace ekiden::queue
