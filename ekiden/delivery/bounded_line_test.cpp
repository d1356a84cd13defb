#include "ekiden/delivery/bounded_line.hpp"

#include <gtest/gtest.h>

namespace ekiden::delivery {
namespace {

TEST(BoundedLine, SoManyAreUnderWayAtOnceInTheirOrder) {
  BoundedLine<int> line(2, 1000);
  for (int i = 1; i <= 3; ++i) line.push(i, 10);
  EXPECT_EQ(line.begin()->piece, 1);
  EXPECT_EQ(line.begin()->piece, 2);
  EXPECT_FALSE(line.begin());
  line.ended(10);
  EXPECT_EQ(line.begin()->piece, 3);
  EXPECT_TRUE(line.is_empty());
}

TEST(BoundedLine, OctetsAreBoundedAndALargeOneGoesAlone) {
  BoundedLine<int> line(10, 100);
  line.push(1, 60);
  line.push(2, 60);
  line.push(3, 500);
  line.push(4, 1);
  EXPECT_EQ(line.begin()->octets, 60u);
  EXPECT_FALSE(line.begin());
  line.ended(60);
  EXPECT_EQ(line.begin()->piece, 2);
  EXPECT_FALSE(line.begin()) << "the large one waits for all others";
  line.ended(60);
  EXPECT_EQ(line.begin()->piece, 3);
  EXPECT_FALSE(line.begin());
  line.ended(500);
  EXPECT_EQ(line.begin()->piece, 4);
  line.ended(1);
  EXPECT_FALSE(line.begin());
}

}  // namespace
}  // namespace ekiden::delivery
