#include "ekiden/delivery/connection_limit.hpp"

#include <gtest/gtest.h>

namespace ekiden::delivery {
namespace {

constexpr unsigned kNobody = ConnectionLimit::kNobody;

TEST(ConnectionLimit, CountsOverAllWorkersAndRefusesPastItsMaximum) {
  ConnectionLimit limit(2);
  limit.set_max(2);
  EXPECT_TRUE(limit.take(0, true).is_granted);
  EXPECT_TRUE(limit.take(1, true).is_granted);
  EXPECT_FALSE(limit.is_short());
  EXPECT_FALSE(limit.take(0, false).is_granted);
  EXPECT_TRUE(limit.is_short());
  EXPECT_FALSE(limit.is_starving());
  EXPECT_EQ(limit.open(), 2U);
  EXPECT_EQ(limit.give_back(), 0U) << "who waits is woken";
  EXPECT_TRUE(limit.take(0, false).is_granted);
  EXPECT_FALSE(limit.is_short());
}

TEST(ConnectionLimit, NobodyOvertakesWhoWaits) {
  ConnectionLimit limit(3);
  limit.set_max(1);
  EXPECT_TRUE(limit.take(0, true).is_granted);
  EXPECT_FALSE(limit.take(1, true).is_granted);
  EXPECT_FALSE(limit.take(2, true).is_granted);
  EXPECT_TRUE(limit.is_starving());
  EXPECT_EQ(limit.give_back(), 1U);
  // There is room, but not for these.
  EXPECT_FALSE(limit.take(0, true).is_granted);
  EXPECT_FALSE(limit.take(2, true).is_granted);
  EXPECT_TRUE(limit.take(1, true).is_granted);
  EXPECT_EQ(limit.give_back(), 2U);
  EXPECT_TRUE(limit.take(2, true).is_granted);
  EXPECT_EQ(limit.give_back(), 0U);
}

TEST(ConnectionLimit, WhoForgoesLetsTheNextOneIn) {
  ConnectionLimit limit(2);
  limit.set_max(1);
  EXPECT_TRUE(limit.take(0, true).is_granted);
  EXPECT_FALSE(limit.take(0, true).is_granted);
  EXPECT_FALSE(limit.take(1, true).is_granted);
  EXPECT_EQ(limit.give_back(), 0U);
  EXPECT_EQ(limit.forgo(0), 1U);
  EXPECT_TRUE(limit.take(1, true).is_granted);
  EXPECT_FALSE(limit.is_short());
  EXPECT_EQ(limit.forgo(1), kNobody) << "nobody is in line";
}

TEST(ConnectionLimit, AReloadMakesRoomOrTakesIt) {
  ConnectionLimit limit(1);
  limit.set_max(1);
  EXPECT_TRUE(limit.take(0, false).is_granted);
  EXPECT_FALSE(limit.take(0, false).is_granted);
  EXPECT_EQ(limit.set_max(3), 0U);
  EXPECT_TRUE(limit.take(0, false).is_granted);
  EXPECT_TRUE(limit.take(0, false).is_granted);
  EXPECT_EQ(limit.set_max(1), kNobody);
  EXPECT_FALSE(limit.take(0, false).is_granted);
  EXPECT_EQ(limit.give_back(), kNobody) << "two are open still, one is allowed";
  EXPECT_EQ(limit.give_back(), kNobody);
  EXPECT_EQ(limit.give_back(), 0U);
}

}  // namespace
}  // namespace ekiden::delivery
