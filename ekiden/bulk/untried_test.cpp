#include "ekiden/bulk/untried.hpp"

#include <gtest/gtest.h>

namespace ekiden::bulk {
namespace {

/// Adds rows from `first` on until no more may join, `most` at most; the row behind the last.
std::uint32_t fill(Untried& untried, std::uint32_t first, const std::string& domain,
                   std::uint32_t most) {
  std::uint32_t row = first;
  while (!untried.is_full() && row < first + most) untried.add(row++, domain);
  return row;
}

TEST(Untried, MixedRowsStopAtTheCountedOnes) {
  Untried untried;
  std::uint32_t row = 1;
  while (!untried.is_full()) {
    untried.add(row, "d" + std::to_string(row % 50) + ".example");
    ++row;
  }
  EXPECT_EQ(untried.size(), Untried::kCountedMax);
  EXPECT_FALSE(untried.has_room());
}

TEST(Untried, ADomainThatTakesNothingLeavesRoomForThoseBehindIt) {
  Untried untried;
  const std::uint32_t behind = fill(untried, 1, "slow.example", 20'000);
  EXPECT_EQ(behind, 20'001U);
  EXPECT_EQ(untried.counted(), Untried::kCountedOfDomain);
  EXPECT_TRUE(untried.add(behind, "fast.example"));
  EXPECT_TRUE(untried.remove(behind));
  EXPECT_TRUE(untried.has_room());
}

TEST(Untried, WhatTheQueueHasToBearIsBounded) {
  Untried untried;
  const std::uint32_t behind = fill(untried, 1, "slow.example", 200'000);
  EXPECT_EQ(behind - 1, Untried::kMost);
  EXPECT_TRUE(untried.is_full());
  EXPECT_FALSE(untried.has_room());
  for (std::uint32_t row = 1; row <= Untried::kMost / 10; ++row) untried.remove(row);
  EXPECT_TRUE(untried.has_room());
}

TEST(Untried, CountsComeBackToNothingInAnyOrder) {
  Untried untried;
  for (std::uint32_t row = 1; row <= 3000; ++row)
    untried.add(row, row % 2 == 0 ? "a.example" : "A.EXAMPLE");
  EXPECT_EQ(untried.counted(), Untried::kCountedOfDomain);
  EXPECT_FALSE(untried.add(7, "b.example")) << "it is there";
  for (std::uint32_t row = 3000; row >= 1; --row) EXPECT_TRUE(untried.remove(row));
  EXPECT_FALSE(untried.remove(1));
  EXPECT_EQ(untried.counted(), 0U);
  EXPECT_EQ(untried.size(), 0U);
}

TEST(Untried, RowsOfAStartAreOne) {
  Untried untried;
  for (std::uint32_t row = 1; row <= 2000; ++row) untried.add(row, {});
  EXPECT_EQ(untried.counted(), Untried::kCountedOfDomain);
  EXPECT_FALSE(untried.is_full());
}

TEST(Untried, AListOfManyDomainsIsHeldToTheCountedOnes) {
  Untried untried;
  for (std::uint32_t row = 1; row <= 20'000; ++row) {
    untried.add(row, "d" + std::to_string(row) + ".example");
    if (row > 3000) untried.remove(row - 3000);
  }
  EXPECT_EQ(untried.counted(), 3000U) << "domains come and go";
  const std::uint32_t behind = fill(untried, 20'001, "one.example", 500);
  EXPECT_EQ(untried.counted(), 3500U);
  for (std::uint32_t row = behind; !untried.is_full(); ++row)
    untried.add(row, "e" + std::to_string(row) + ".example");
  EXPECT_EQ(untried.size(), Untried::kCountedMax);
}

}  // namespace
}  // namespace ekiden::bulk
