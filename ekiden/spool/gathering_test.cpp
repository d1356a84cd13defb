#include "ekiden/spool/gathering.hpp"

#include <gtest/gtest.h>

namespace ekiden::spool {
namespace {

TEST(Gathering, WaitsOnlyWhenOthersAreOnTheirWay) {
  Gathering gathering;
  EXPECT_FALSE(gathering.is_worth(1, 0)) << "one session never waits";
  EXPECT_FALSE(gathering.is_worth(0, 5)) << "nobody would be kept waiting for company";
  EXPECT_TRUE(gathering.is_worth(1, 1));
}

TEST(Gathering, ABatchThatIsLargeAlreadyGoesAtOnce) {
  Gathering gathering;
  EXPECT_FALSE(gathering.is_worth(1000, 5));
}

TEST(Gathering, ClientsThatHangCostOneWaitIn64) {
  Gathering gathering;
  int waits = 0;
  for (int batch = 0; batch < 64 * 100; ++batch) {
    if (!gathering.is_worth(1, 1)) continue;
    ++waits;
    gathering.learn(1, 1);
  }
  EXPECT_LE(waits, 110);
  EXPECT_GE(waits, 90) << "it goes on trying";
}

TEST(Gathering, OneSuccessAndItWaitsAgainEachTime) {
  Gathering gathering;
  for (int i = 0; i < 3; ++i) gathering.learn(1, 1);
  while (!gathering.is_worth(1, 1)) continue;
  gathering.learn(1, 4);
  EXPECT_TRUE(gathering.is_worth(1, 1));
  gathering.learn(1, 2);
  EXPECT_TRUE(gathering.is_worth(1, 1));
}

}  // namespace
}  // namespace ekiden::spool
