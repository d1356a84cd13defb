#include "ekiden/queue/memory_budget.hpp"

#include <gtest/gtest.h>

namespace ekiden::queue {
namespace {

TEST(MemoryBudget, LetsMailInUpToTheHardMark) {
  MemoryBudget budget(1000);
  EXPECT_TRUE(budget.reserve(1250));
  EXPECT_FALSE(budget.reserve(1));
  EXPECT_EQ(budget.used(), 1250u) << "a refusal takes nothing";
  budget.release(1250);
  EXPECT_EQ(budget.used(), 0u);
}

TEST(MemoryBudget, ReadsBackWhileThereIsRoom) {
  MemoryBudget budget(1000);
  EXPECT_TRUE(budget.reserve_read(600));
  EXPECT_TRUE(budget.reserve_read(400));
  EXPECT_EQ(budget.used(), 1000u);
  EXPECT_FALSE(budget.reserve_read(1)) << "the budget is used up, and more than a quarter is read";
  EXPECT_EQ(budget.used(), 1000u) << "a refusal takes nothing";
  budget.release_read(600);
  EXPECT_TRUE(budget.reserve_read(600));
}

TEST(MemoryBudget, KeepsAQuarterForDeliveryWhateverArrives) {
  MemoryBudget budget(1000);
  ASSERT_TRUE(budget.reserve(1250));
  EXPECT_TRUE(budget.reserve_read(100));
  EXPECT_TRUE(budget.reserve_read(150));
  EXPECT_FALSE(budget.reserve_read(1));
  budget.release_read(100);
  EXPECT_TRUE(budget.reserve_read(100));
}

TEST(MemoryBudget, ReadsOneMessageThatIsLargerThanTheBudget) {
  MemoryBudget budget(1000);
  ASSERT_TRUE(budget.reserve(1250));
  EXPECT_TRUE(budget.reserve_read(5000)) << "otherwise it would never be delivered";
  EXPECT_FALSE(budget.reserve_read(5000));
  EXPECT_FALSE(budget.reserve_read(1));
  budget.release_read(5000);
  EXPECT_TRUE(budget.reserve_read(5000));
}

TEST(Charge, GivesBackWhatItWasGivenOnce) {
  MemoryBudget budget(1000);
  ASSERT_TRUE(budget.reserve_read(600));
  {
    Charge read = Charge::of_read(budget, 600);
    Charge kept = std::move(read);
    Charge held(budget, 100);
    EXPECT_EQ(budget.used(), 700u);
    kept = Charge();
    EXPECT_EQ(budget.used(), 100u);
    EXPECT_TRUE(budget.reserve_read(5000)) << "none is read any more";
    budget.release_read(5000);
  }
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace ekiden::queue
