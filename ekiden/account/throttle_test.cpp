// Guessing is slow; owners are not.
#include "ekiden/account/throttle.hpp"

#include <gtest/gtest.h>

namespace ekiden::account {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

net::Address ip(const char* text) {
  return boost::asio::ip::make_address(text);
}

struct ThrottleTest : testing::Test {
  base::SeededRandom random{5};
  Throttle throttle{{}, random};
  base::Steady now = base::Steady{} + hours(5);
  net::Address attacker = ip("192.0.2.1"), owner = ip("198.51.100.7");

  /// Guesses one after the other for `time`; the number of guesses made.
  int guess_for(base::Duration time, std::string_view name, const net::Address& from) {
    int guesses = 0;
    const base::Steady end = now + time;
    while (now < end) {
      const auto attempt = throttle.begin(name, from, now);
      now += attempt.wait + milliseconds(20);
      if (attempt.is_over_budget) continue;
      throttle.failed(name, from, now);
      ++guesses;
    }
    return guesses;
  }
};

TEST_F(ThrottleTest, AFewMistakesAreFree) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(throttle.begin("a", owner, now).wait, seconds(0));
    throttle.failed("a", owner, now);
  }
  EXPECT_EQ(throttle.begin("a", owner, now).wait, milliseconds(500));
}

TEST_F(ThrottleTest, GuessingOneAccountGetsFewHundredTriesAnHour) {
  EXPECT_LT(guess_for(hours(1), "a", attacker), 400);
}

TEST_F(ThrottleTest, ParallelConnectionsDoNotGuessFaster) {
  for (int i = 0; i < 10; ++i) throttle.failed("a", attacker, now);
  int may_verify = 0;
  for (int i = 0; i < 100; ++i) {
    const auto attempt = throttle.begin("a", attacker, now);
    EXPECT_LE(attempt.wait, seconds(10));
    if (!attempt.is_over_budget) ++may_verify;
  }
  EXPECT_EQ(may_verify, 1);
}

TEST_F(ThrottleTest, SprayingOnePasswordOverManyAccountsIsSlowed) {
  int guesses = 0;
  const base::Steady end = now + hours(1);
  for (int i = 0; now < end; ++i) {
    const std::string name = "user" + std::to_string(i);
    const auto attempt = throttle.begin(name, attacker, now);
    now += attempt.wait + milliseconds(1);
    if (attempt.is_over_budget) continue;
    throttle.failed(name, attacker, now);
    ++guesses;
  }
  EXPECT_LT(guesses, 500);
}

TEST_F(ThrottleTest, AnIpv6NetworkCountsAsOneAddress) {
  for (int i = 0; i < 10; ++i) {
    throttle.failed("a", ip(("2001:db8::" + std::to_string(i + 1)).c_str()), now);
  }
  EXPECT_GT(throttle.begin("a", ip("2001:db8::ffff"), now).wait, seconds(1));
  EXPECT_EQ(throttle.begin("a", ip("2001:db8:0:1::1"), now).wait, seconds(0));
}

TEST_F(ThrottleTest, AMappedAddressIsTheAddressInIt) {
  for (int i = 0; i < 10; ++i) throttle.failed("a", ip("::ffff:192.0.2.1"), now);
  EXPECT_GT(throttle.begin("a", attacker, now).wait, seconds(1));
  EXPECT_EQ(throttle.begin("a", ip("::ffff:192.0.2.2"), now).wait, seconds(0));
}

TEST_F(ThrottleTest, TheOwnerElsewhereWaitsForNothing) {
  guess_for(minutes(10), "a", attacker);
  EXPECT_EQ(throttle.begin("a", owner, now).wait, seconds(0));
}

TEST_F(ThrottleTest, AnAccountAttackedFromEverywhereIsSlowForStrangersAndNeverLocked) {
  for (int i = 0; i < 5000; ++i) {
    const std::string from = "203." + std::to_string(i / 250) + ".113." + std::to_string(i % 250);
    throttle.failed("a", ip(from.c_str()), now);
  }
  const auto stranger = throttle.begin("a", owner, now);
  EXPECT_EQ(stranger.wait, seconds(4));
  EXPECT_FALSE(stranger.is_over_budget);
  throttle.succeeded("a", owner, now);
  const auto known = throttle.begin("a", owner, now);
  EXPECT_EQ(known.wait, seconds(0));
  EXPECT_TRUE(known.is_known);
}

TEST_F(ThrottleTest, AKnownAddressIsNotSlowedByItsNeighbours) {
  throttle.succeeded("a", attacker, now);
  for (int i = 0; i < 200; ++i) throttle.failed("b" + std::to_string(i), attacker, now);
  const auto attempt = throttle.begin("a", attacker, now);
  EXPECT_TRUE(attempt.is_known);
  EXPECT_EQ(attempt.wait, seconds(0));
  EXPECT_GT(throttle.begin("c", attacker, now).wait, seconds(1));
}

TEST_F(ThrottleTest, AKnownAddressThatGuessesIsAStrangerAgain) {
  throttle.succeeded("a", attacker, now);
  for (int i = 0; i < 25; ++i) throttle.failed("a", attacker, now);
  EXPECT_FALSE(throttle.begin("a", attacker, now).is_known);
}

TEST_F(ThrottleTest, BeingKnownEnds) {
  throttle.succeeded("a", owner, now);
  EXPECT_TRUE(throttle.begin("a", owner, now + hours(24 * 6)).is_known);
  EXPECT_FALSE(throttle.begin("a", owner, now + hours(24 * 8)).is_known);
}

TEST_F(ThrottleTest, FailuresAreForgotten) {
  for (int i = 0; i < 10; ++i) throttle.failed("a", attacker, now);
  EXPECT_EQ(throttle.begin("a", attacker, now).wait, seconds(10));
  now += minutes(30);
  EXPECT_EQ(throttle.begin("a", attacker, now).wait, seconds(0));
}

TEST_F(ThrottleTest, ASuccessForgivesTheMistakesBeforeIt) {
  for (int i = 0; i < 6; ++i) throttle.failed("a", owner, now);
  throttle.succeeded("a", owner, now);
  EXPECT_EQ(throttle.begin("a", owner, now).wait, seconds(0));
}

TEST_F(ThrottleTest, AMillionNamesCostNoMemoryAndDoNotHideAHeavyGuesser) {
  Throttle::Options options;
  options.entries_max = 1024;
  Throttle small(options, random);
  for (int i = 0; i < 100; ++i) small.failed("a", attacker, now);
  small.succeeded("a", owner, now);
  for (int i = 0; i < 1'000'000; ++i) small.failed(std::to_string(i), ip("203.0.113.1"), now);
  EXPECT_EQ(small.begin("a", attacker, now).wait, seconds(10));
  EXPECT_TRUE(small.begin("a", owner, now).is_known);
}

TEST_F(ThrottleTest, TimeThatStandsStillOrTurnsBackIsHarmless) {
  for (int i = 0; i < 10; ++i) throttle.failed("a", attacker, now);
  EXPECT_LE(throttle.begin("a", attacker, now - hours(1)).wait, seconds(10));
}

}  // namespace
}  // namespace ekiden::account
