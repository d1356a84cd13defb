// Goal: the rate comes near what a provider takes, and stays there without annoying it.
// Method: providers made of a few lines, a sender with endless mail, simulated days.
#include "ekiden/shaping/adaptive_rate.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <limits>
#include <random>

namespace ekiden::shaping {
namespace {

using base::Duration;
using base::Time;
using namespace std::chrono_literals;

enum class Answer { Taken, Throttled, Suspended };

/// So many a second with some burst; what comes above it is throttled, and where `penalty` is not
/// zero nothing is taken for that long after twenty of them. Like Gmail's 4.7.28.
struct RateProvider {
  double rate;
  Duration penalty{};
  double tokens = 0;
  Time latest{};
  Time closed_until{};
  int over = 0;

  Answer operator()(Time now) {
    const double burst = std::max(10.0, rate * 5);
    tokens = std::min(burst, tokens + rate * std::chrono::duration<double>(now - latest).count());
    latest = now;
    if (now < closed_until) return Answer::Throttled;
    if (tokens >= 1) {
      tokens -= 1;
      over = 0;
      return Answer::Taken;
    }
    if (penalty.count() > 0 && ++over >= 20) {
      closed_until = now + penalty;
      over = 0;
    }
    return Answer::Throttled;
  }
};

/// More than so many in an hour: nothing for two hours. Like Yahoo's TSS04.
struct HourProvider {
  double rate;
  Duration block = 2h;
  std::deque<std::pair<Time, std::uint64_t>> minutes;
  std::uint64_t sum = 0;
  Time closed_until{};

  Answer operator()(Time now) {
    if (now < closed_until) return Answer::Suspended;
    while (!minutes.empty() && minutes.front().first + 1h <= now) {
      sum -= minutes.front().second;
      minutes.pop_front();
    }
    if (minutes.empty() || minutes.back().first + 1min <= now) minutes.emplace_back(now, 0);
    if (static_cast<double>(sum) >= rate * 3600) {
      closed_until = now + block;
      return Answer::Suspended;
    }
    ++minutes.back().second;
    ++sum;
    return Answer::Taken;
  }
};

struct Figures {
  std::uint64_t taken = 0, refused = 0;
  double of_best = 0;  ///< taken, by what the best constant rate would have brought
  double refused_share = 0;
};

/// Sends as fast as it may from `begin` to `end`; counts what was sent from `count_from`.
Figures send(AdaptiveRate& learnt, const std::function<Answer(Time)>& provider, Time begin,
             Time end, Time count_from, double best, Duration round_trip = 300ms) {
  struct Reply {
    Time at, sent;
    Answer answer;
  };
  std::deque<Reply> replies;
  Figures figures;
  Time next = begin;
  for (Time now = begin; now < end;) {
    if (!replies.empty() && replies.front().at <= std::max(next, now)) {
      const Reply reply = replies.front();
      replies.pop_front();
      now = std::max(now, reply.at);
      if (reply.answer == Answer::Taken) learnt.on_success(now, reply.sent);
      if (reply.answer == Answer::Throttled) learnt.on_throttled(now, reply.sent);
      if (reply.answer == Answer::Suspended) learnt.on_suspended(now, reply.sent, 1h);
      next = std::max(next, learnt.paused_until());
      continue;
    }
    now = std::max({now, next, learnt.paused_until()});
    if (now >= end) break;
    if (learnt.is_probing() && !replies.empty()) {
      next = replies.front().at;
      continue;
    }
    const Answer answer = provider(now);
    replies.push_back({now + round_trip, now, answer});
    if (now >= count_from) ++(answer == Answer::Taken ? figures.taken : figures.refused);
    next = now + learnt.interval();
  }
  const double seconds = std::chrono::duration<double>(end - count_from).count();
  figures.of_best = static_cast<double>(figures.taken) / (best * seconds);
  figures.refused_share =
      static_cast<double>(figures.refused) / static_cast<double>(figures.taken + figures.refused);
  return figures;
}

void expect_good(const char* what, const Figures& figures) {
  std::printf("| %s | %.1f %% | %.2f %% |\n", what, 100 * figures.of_best,
              100 * figures.refused_share);
  EXPECT_GE(figures.of_best, 0.90) << what;
  EXPECT_LT(figures.refused_share, 0.02) << what;
}

const Time kBegin = base::from_unix_us(1'700'000'000'000'000);

TEST(AdaptiveRate, ComesNearALimitWhateverItIs) {
  for (const double limit : {50.0, 10.0, 1.0, 0.1}) {
    AdaptiveRate learnt({100, 0.002});
    RateProvider provider{limit};
    const Duration day = 24h;
    const int days = limit < 1 ? 6 : 1;
    const auto figures = send(learnt, std::ref(provider), kBegin, kBegin + days * day,
                              kBegin + days * day / 3, limit);
    char what[80];
    std::snprintf(what, sizeof what, "rate limit, %g/s", limit);
    expect_good(what, figures);
  }
}

TEST(AdaptiveRate, ComesNearALimitThatPunishes) {
  for (const double limit : {20.0, 2.0}) {
    AdaptiveRate learnt({100, 0.002});
    RateProvider provider{limit, 2min};
    const auto figures = send(learnt, std::ref(provider), kBegin, kBegin + 24h, kBegin + 8h, limit);
    char what[80];
    std::snprintf(what, sizeof what, "rate limit that punishes for 2 min, %g/s", limit);
    expect_good(what, figures);
  }
}

TEST(AdaptiveRate, StaysBelowASuspension) {
  for (const double limit : {5.0, 0.5}) {
    AdaptiveRate learnt({20, 0.002});
    HourProvider provider{limit};
    const auto figures =
        send(learnt, std::ref(provider), kBegin, kBegin + 24h * 30, kBegin + 24h * 3, limit);
    char what[80];
    std::snprintf(what, sizeof what, "suspensions of 2 h by the hour's volume, %g/s", limit);
    expect_good(what, figures);
  }
}

TEST(AdaptiveRate, FollowsALimitThatChanges) {
  AdaptiveRate learnt({100, 0.002});
  RateProvider provider{20};
  (void)send(learnt, std::ref(provider), kBegin, kBegin + 8h, kBegin, 20);
  provider.rate = 5;
  const auto down = send(learnt, std::ref(provider), kBegin + 8h, kBegin + 16h, kBegin + 8h, 5);
  expect_good("rate limit from 20/s to 5/s, from the change on", down);
  provider.rate = 20;
  const auto up = send(learnt, std::ref(provider), kBegin + 16h, kBegin + 28h, kBegin + 17h, 20);
  expect_good("rate limit from 5/s to 20/s, an hour after the change", up);
}

TEST(AdaptiveRate, TakesTheCeilingWhereNobodyThrottles) {
  AdaptiveRate learnt({10, 0.002});
  const auto provider = [](Time) { return Answer::Taken; };
  const auto figures = send(learnt, provider, kBegin, kBegin + 6h, kBegin + 1h, 10);
  EXPECT_GE(figures.of_best, 0.99);
  EXPECT_LE(learnt.rate(), 10);
}

// A bad hour may leave it at a few messages an hour.
TEST(AdaptiveRate, ComesBackFromItsFloorInHalfADay) {
  AdaptiveRate learnt({100, 6.0 / 3600});
  Time now = kBegin;
  for (int i = 0; i < 40; ++i) {
    now += 1min;
    learnt.on_throttled(now, now - 1s);
    learnt.on_success(now + 10s, now + 1s);
  }
  EXPECT_LT(learnt.rate(), 0.01);
  const auto provider = [](Time) { return Answer::Taken; };
  (void)send(learnt, provider, now, now + 12h, now, 1);
  EXPECT_GT(learnt.rate(), 1);
}

// Nothing grows without evidence, and nothing is cut twice for one overload.
TEST(AdaptiveRate, OnlyNewRepliesCount) {
  AdaptiveRate learnt({100, 0.01});
  const double before = learnt.rate();
  learnt.on_throttled(kBegin + 1s, kBegin);
  const double after = learnt.rate();
  EXPECT_LT(after, before);
  for (int i = 0; i < 100; ++i) learnt.on_throttled(kBegin + 2s, kBegin + 500ms);
  EXPECT_EQ(learnt.rate(), after) << "sent before the cut";
  learnt.on_success(kBegin + 2s, kBegin + 500ms);
  EXPECT_EQ(learnt.rate(), after);
  learnt.on_success(kBegin + 3s, kBegin + 2s);
  EXPECT_GT(learnt.rate(), after);
}

TEST(AdaptiveRate, WaitsLongerEachTimeAndProbesWithOne) {
  AdaptiveRate learnt({100, 0.01});
  Time now = kBegin;
  Duration last{};
  for (int i = 0; i < 12; ++i) {
    learnt.on_throttled(now + 1s, now);
    now = std::max(now + 2s, learnt.paused_until());
    if (i == 0) continue;
    EXPECT_TRUE(learnt.is_probing());
    const Duration pause = learnt.paused_until() - (now - 2s);
    EXPECT_GE(pause, std::min<Duration>(last, 30min) - 3s);
    EXPECT_LE(pause, 30min + 3s);
    last = pause;
  }
  learnt.on_success(now + 1s, now);
  EXPECT_FALSE(learnt.is_probing());
}

TEST(AdaptiveRate, StateIsKeptAndNonsenseIsMadeToFit) {
  AdaptiveRate learnt({100, 0.01});
  RateProvider provider{10};
  (void)send(learnt, std::ref(provider), kBegin, kBegin + 2h, kBegin, 10);
  AdaptiveRate again({100, 0.01}, learnt.state());
  EXPECT_EQ(again.rate(), learnt.rate());
  EXPECT_EQ(again.paused_until(), learnt.paused_until());

  const double kNan = std::numeric_limits<double>::quiet_NaN();
  for (const double bad : {kNan, -1.0, 1e300, 0.0}) {
    AdaptiveRate::State state{bad, bad, bad, 4'000'000'000u, true, 0, 0};
    AdaptiveRate restored({100, 0.01}, state);
    EXPECT_GE(restored.rate(), 0.01);
    EXPECT_LE(restored.rate(), 100);
    EXPECT_GT(restored.interval().count(), 0);
  }
  learnt.set_options({5, 0.01});
  EXPECT_LE(learnt.rate(), 5) << "a lower ceiling counts at once";
}

TEST(AdaptiveRate, StaysBetweenFloorAndCeilingWhateverComes) {
  std::mt19937_64 random(5);
  AdaptiveRate learnt({50, 0.5});
  Time now = kBegin;
  for (int i = 0; i < 100'000; ++i) {
    now += Duration(random() % 10'000'000);
    const Time sent = now - Duration(random() % 1'000'000);
    const auto kind = random() % 20;
    if (kind == 0) learnt.on_throttled(now, sent);
    if (kind == 1 && random() % 50 == 0)
      learnt.on_suspended(now, sent, Duration(random() % 1'000'000'000));
    if (kind > 1) learnt.on_success(now, sent);
    ASSERT_GE(learnt.rate(), 0.5);
    ASSERT_LE(learnt.rate(), 50);
    ASSERT_LE(learnt.paused_until() - now, Duration(24h));
  }
}

}  // namespace
}  // namespace ekiden::shaping
