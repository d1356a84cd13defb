#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>

#include "ekiden/shaping/concurrency_cap.hpp"
#include "ekiden/shaping/limit_slices.hpp"
#include "ekiden/shaping/window_limit.hpp"

namespace ekiden::shaping {
namespace {

using base::Duration;
using base::Steady;
using namespace std::chrono_literals;

constexpr Steady kStart = Steady(1h);

/// The most events in any half-open window of this length.
std::size_t busiest(const std::vector<Steady>& events, Duration window) {
  std::size_t most = 0, first = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    while (events[i] - events[first] >= window) ++first;
    most = std::max(most, i - first + 1);
  }
  return most;
}

struct Case {
  std::uint32_t count;
  Duration per;
};
const Case kCases[] = {{1, 1s},     {2, 1s},    {3, 1s},    {7, 1min},     {100, 1s},
                       {127, 1s},   {128, 1s},  {129, 1s},  {1000, 1min},  {10'000, 1s},
                       {333, 17us}, {5000, 1h}, {200, 24h}, {999'983, 1s}, {4'000'000'000u, 24h}};

// Whoever asks whenever it pleases never has more than the limit in any window.
TEST(WindowLimit, NeverExceedsInAnyWindowHoweverItIsAsked) {
  for (const Case& c : kCases) {
    for (unsigned seed = 1; seed <= 20; ++seed) {
      std::mt19937_64 random(seed);
      WindowLimit limit(c.count, c.per);
      Steady now = kStart;
      std::vector<Steady> events;
      while (events.size() < 3000) {
        // Sometimes at once, sometimes when told, sometimes late, sometimes after a long break.
        const auto kind = random() % 10;
        if (kind < 5) now = std::max(now, limit.next_free(now));
        if (kind == 5) now += Duration(random() % static_cast<std::uint64_t>(c.per.count() + 1));
        if (kind == 6)
          now += Duration(random() % static_cast<std::uint64_t>(c.per.count() / 50 + 1));
        if (kind == 7 && random() % 20 == 0) now += 3 * c.per;
        const std::uint32_t some = limit.available(now);
        if (some == 0) {
          ASSERT_GT(limit.next_free(now), now);
          continue;
        }
        const auto n =
            static_cast<std::uint32_t>(1 + random() % std::min<std::uint32_t>(some, 500));
        limit.take(now, n);
        events.insert(events.end(), n, now);
      }
      ASSERT_LE(busiest(events, c.per), c.count) << c.count << " in " << c.per.count() << " us";
    }
  }
}

TEST(WindowLimit, UsesNinetyEightOfAHundredUnderABacklog) {
  for (const Case& c : kCases) {
    // Past one a microsecond a clock of microseconds cannot keep up.
    if (c.per < 1ms || c.count > 100'000) continue;
    WindowLimit limit(c.count, c.per);
    Steady now = kStart;
    std::uint64_t events = 0;
    const Steady end = kStart + 20 * c.per;
    while (now < end) {
      const std::uint32_t n = limit.available(now);
      limit.take(now, n);
      events += n;
      now = limit.next_free(now);
    }
    EXPECT_GE(events * 100, std::uint64_t{c.count} * 20 * 98) << c.count;
    EXPECT_LE(events, std::uint64_t{c.count} * 20);
  }
}

// A timer that is always late by half of the burst loses nothing.
TEST(WindowLimit, TheBurstMakesUpForATimerThatIsLate) {
  WindowLimit limit(10'000, 1s);
  Steady now = kStart;
  std::uint64_t events = 0;
  while (now < kStart + 10s) {
    const std::uint32_t n = limit.available(now);
    limit.take(now, n);
    events += n;
    now = limit.next_free(now) + 3ms;
  }
  EXPECT_GE(events, 98'000u);
}

TEST(WindowLimit, TheNextFreeTimeIsTheFirstAtWhichOneMay) {
  for (const Case& c : kCases) {
    WindowLimit limit(c.count, c.per);
    Steady now = kStart;
    for (int i = 0; i < 500; ++i) {
      limit.take(now, limit.available(now));
      const Steady next = limit.next_free(now);
      ASSERT_GT(limit.available(next), 0u);
      ASSERT_GT(next, now);
      ASSERT_EQ(limit.available(next - 1us), 0u);
      now = next;
    }
  }
}

TEST(WindowLimit, AClockThatGoesBackStandsStill) {
  WindowLimit limit(10, 1s);
  limit.take(kStart);
  EXPECT_EQ(limit.available(kStart - 1h), 0u);
  EXPECT_EQ(limit.next_free(kStart - 1h), kStart + 100ms);
  EXPECT_EQ(limit.available(kStart + 100ms), 1u);
}

TEST(WindowLimit, OffNeverLimits) {
  WindowLimit limit(config::Rate{});
  EXPECT_GT(limit.available(kStart), 1'000'000u);
  limit.take(kStart, 1'000'000);
  EXPECT_EQ(limit.next_free(kStart), kStart);
}

TEST(WindowLimit, AnotherRateCountsWhatWasAndGivesNoBurst) {
  WindowLimit slower(10, 1s);
  slower.take(kStart);
  slower.set_rate({1, 1s}, kStart);
  EXPECT_EQ(slower.next_free(kStart), kStart + 100ms) << "the wait that was left";
  WindowLimit faster(1, 1h);
  faster.take(kStart);
  faster.set_rate({10, 1s}, kStart + 1min);
  EXPECT_LE(faster.next_free(kStart + 1min), kStart + 1min + 100ms) << "not the hour's rest";
  EXPECT_GT(faster.next_free(kStart + 1min), kStart + 1min + 90ms) << "the event counts";
  WindowLimit idle(10'000, 1s);
  idle.set_rate({20'000, 1s}, kStart);
  EXPECT_LE(idle.available(kStart), 1u);
  idle.set_rate({}, kStart);
  EXPECT_GT(idle.available(kStart), 1'000'000u);
}

TEST(WindowLimit, AFasterRateHoldsInEveryWindowAcrossTheChange) {
  std::mt19937 random(5);
  for (int run = 0; run < 200; ++run) {
    const auto count = static_cast<std::uint32_t>(1 + random() % 300);
    const auto more = static_cast<std::uint32_t>(count + random() % 600);
    WindowLimit limit(count, 1s);
    std::vector<Steady> events;
    const Steady change = kStart + Duration(random() % 3'000'000);
    for (Steady now = kStart; now < kStart + 6s;) {
      if (now >= change) limit.set_rate({more, 1s}, now);
      const std::uint32_t n = limit.available(now);
      limit.take(now, n);
      events.insert(events.end(), n, now);
      now = std::max(limit.next_free(now), now + Duration(random() % 20'000));
    }
    ASSERT_LE(busiest(events, 1s), more) << count << " to " << more;
  }
}

TEST(ConcurrencyCap, HandsOutNoMoreThanThereAre) {
  ConcurrencyCap cap(3);
  EXPECT_EQ(cap.take(2), 2u);
  EXPECT_EQ(cap.take(2), 1u);
  EXPECT_EQ(cap.take(), 0u);
  cap.set_limit(1);
  cap.give_back(2);
  EXPECT_EQ(cap.take(), 0u) << "a lower limit counts what is still out";
  cap.give_back();
  EXPECT_EQ(cap.take(5), 1u);
}

TEST(LimitSlices, LendsOneAtATimeWhenThereAreFew) {
  LimitLender lender({10, 1s});
  const Slice first = lender.lend(kStart, 50);
  EXPECT_EQ(first.count, 1u);
  const Slice second = lender.lend(kStart, 50);
  EXPECT_EQ(second.count, 0u);
  EXPECT_GT(second.next_free, kStart);
}

TEST(LimitSlices, ASliceIsGoodForItsLease) {
  LimitLender lender({10'000, 1s});
  const Slice slice = lender.lend(kStart, 5);
  ASSERT_EQ(slice.count, 5u);
  LimitBorrower borrower;
  borrower.add(slice);
  EXPECT_TRUE(borrower.take(kStart));
  EXPECT_TRUE(borrower.take(slice.expires - 1us));
  EXPECT_FALSE(borrower.take(slice.expires));
  EXPECT_EQ(borrower.expired(slice.expires).count, 3u);
  EXPECT_EQ(borrower.expired(slice.expires).count, 0u);
}

/// Four workers on one limit, whose posts take a while, overtake each other and may be lost.
struct Workers {
  struct Outcome {
    std::vector<Steady> events;
    std::size_t lost = 0;
  };

  static Outcome run(config::Rate rate, unsigned seed, Duration length, Duration delay_max,
                     unsigned lost_of_thousand, bool is_busy) {
    std::mt19937_64 random(seed);
    LimitLender lender(rate);
    LimitBorrower borrowers[4];
    bool is_asking[4] = {};
    Steady ask_at[4] = {kStart, kStart, kStart, kStart};
    Outcome outcome;
    struct Post {
      enum { Ask, Lend, Return } kind;
      int worker;
      Slice slice;
      std::uint32_t wanted;
    };
    std::multimap<Steady, Post> posts;
    Steady now = kStart;
    const auto delayed = [&] {
      return now + Duration(random() % static_cast<std::uint64_t>(delay_max.count() + 1));
    };
    const auto is_lost = [&] {
      const bool is_it = random() % 1000 < lost_of_thousand;
      outcome.lost += is_it;
      return is_it;
    };
    const Duration step = std::max<Duration>(rate.per / 20'000, 1us);
    for (; now < kStart + length; now += step) {
      while (!posts.empty() && posts.begin()->first <= now) {
        const Post post = posts.begin()->second;
        posts.erase(posts.begin());
        if (post.kind == Post::Return) {
          lender.take_back(post.slice);
        } else if (post.kind == Post::Ask) {
          const Slice slice = lender.lend(now, post.wanted);
          posts.emplace(delayed(), Post{Post::Lend, post.worker, is_lost() ? Slice{} : slice, 0});
        } else {
          is_asking[post.worker] = false;
          ask_at[post.worker] = post.slice.count > 0 ? now : std::max(now, post.slice.next_free);
          borrowers[post.worker].add(post.slice);
        }
      }
      for (int w = 0; w < 4; ++w) {
        for (Slice s = borrowers[w].expired(now); s.count > 0; s = borrowers[w].expired(now)) {
          if (!is_lost()) posts.emplace(delayed(), Post{Post::Return, w, s, 0});
        }
        const bool wants = is_busy || random() % 4 == 0;
        while (wants && borrowers[w].take(now)) outcome.events.push_back(now);
        if (!is_busy && random() % 500 == 0) {
          const Slice s = borrowers[w].give_up();
          if (s.count > 0) posts.emplace(delayed(), Post{Post::Return, w, s, 0});
        }
        if (!is_asking[w] && now >= ask_at[w] && borrowers[w].available(now) == 0) {
          is_asking[w] = true;
          posts.emplace(delayed(), Post{Post::Ask, w, {}, 64});
        }
      }
    }
    return outcome;
  }
};

TEST(LimitSlices, FourWorkersNeverExceedTheLimitTogether) {
  const config::Rate rates[] = {{10, 1s}, {100, 1s}, {1000, 1s}, {10'000, 1s}, {600, 1min}};
  for (const config::Rate& rate : rates) {
    for (unsigned seed = 1; seed <= 12; ++seed) {
      // Delays up to the lease and past it.
      const auto outcome = Workers::run(rate, seed, 3 * rate.per, rate.per / (40 * seed),
                                        seed % 3 == 0 ? 50 : 0, seed % 2 == 0);
      ASSERT_LE(busiest(outcome.events, rate.per), rate.count) << "seed " << seed;
      ASSERT_GT(outcome.events.size(), 0u);
    }
  }
}

TEST(LimitSlices, FourWorkersUseNinetyEightOfAHundredUnderABacklog) {
  const config::Rate rate{10'000, 1s};
  const auto outcome = Workers::run(rate, 7, 5s, 200us, 0, true);
  const std::size_t all = rate.count * 5;
  std::printf("four workers, 10000/s: %zu of %zu\n", outcome.events.size(), all);
  EXPECT_GE(outcome.events.size() * 100, all * 98);
  EXPECT_LE(busiest(outcome.events, rate.per), rate.count);
}

}  // namespace
}  // namespace ekiden::shaping
