#include "ekiden/delivery/source_set.hpp"

#include <gtest/gtest.h>

namespace ekiden::delivery {
namespace {

SourceOptions source(std::string name) {
  SourceOptions made;
  made.name = std::move(name);
  return made;
}

TEST(SourceSet, TheFirstPoolWhoseConditionsHoldTakesTheMail) {
  PoolOptions news{"news", {{"a", 1}}, {"shop"}, {"bulk", "news"}, {}};
  PoolOptions partner{"partner", {{"a", 1}}, {}, {}, {"mx.partner.example:25"}};
  PoolOptions rest{"rest", {{"b", 1}}, {}, {}, {}};
  const SourceSet set({source("a"), source("b")}, {news, partner, rest});
  EXPECT_EQ(set.pool_for("shop", "bulk", "mx").name, "news");
  EXPECT_EQ(set.pool_for("other", "bulk", "mx").name, "rest");
  EXPECT_EQ(set.pool_for("shop", "transactional", "mx").name, "rest");
  EXPECT_EQ(set.pool_for("shop", "transactional", "mx.partner.example:25").name, "partner");
  EXPECT_EQ(set.pool("partner").name, "partner");
  EXPECT_EQ(set.pool("gone").name, "rest") << "what is queued when a pool goes still leaves";
  EXPECT_EQ(set.find("c"), nullptr);
}

TEST(SourceSet, MailNamesAPoolThatLetsItselfBeNamed) {
  PoolOptions own{"own", {{"a"}}, {"shop"}, {"bulk"}, {"mx"}};
  own.by_name = ByName::Only;
  PoolOptions also{"also", {{"a"}}, {}, {"bulk"}, {}};
  also.by_name = ByName::Also;
  const PoolOptions rest{"rest", {{"b"}}, {}, {}, {}};
  const SourceSet set({source("a"), source("b")}, {own, also, rest});
  EXPECT_EQ(set.pool_for("shop", "bulk", "mx", "own").name, "own");
  EXPECT_EQ(set.pool_for("shop", "bulk", "mx").name, "also") << "nobody named it";
  EXPECT_EQ(set.pool_for("other", "bulk", "mx", "own").name, "also") << "another tenant's";
  EXPECT_EQ(set.pool_for("shop", "news", "mx", "own").name, "rest") << "not of this stream";
  EXPECT_EQ(set.pool_for("shop", "bulk", "relay:25", "own").name, "also") << "another route";
  EXPECT_EQ(set.pool_for("shop", "bulk", "mx", "rest").name, "also") << "it cannot be named";
  EXPECT_EQ(set.pool_for("shop", "bulk", "mx", "gone").name, "also");
  EXPECT_EQ(set.pool_for("shop", "news", "mx", "also").name, "rest");
}

TEST(SourceSet, SourcesWithoutPoolsShareAllMail) {
  const SourceSet set({source("a"), source("b")}, {});
  const PoolOptions& pool = set.pool_for("any", "bulk", "mx");
  EXPECT_EQ(pool.name, "default");
  EXPECT_EQ(pool.members.size(), 2u);
}

TEST(Shares, FollowTheWeights) {
  Shares shares(PoolOptions{"p", {{"a", 3}, {"b", 1}}, {}, {}, {}});
  int a = 0;
  for (int i = 0; i < 400; ++i) {
    const std::size_t next = *shares.next({true, true});
    a += next == 0 ? 1 : 0;
    shares.count(next);
  }
  EXPECT_EQ(a, 300);
}

TEST(Shares, OneThatRestedCatchesNothingUp) {
  Shares shares(PoolOptions{"p", {{"a", 1}, {"b", 1}}, {}, {}, {}});
  for (int i = 0; i < 1000; ++i) shares.count(*shares.next({true, false}));
  int b = 0;
  for (int i = 0; i < 100; ++i) {
    const std::size_t next = *shares.next({true, true});
    b += next == 1 ? 1 : 0;
    shares.count(next);
  }
  EXPECT_GE(b, 50);
  EXPECT_LE(b, 54);
  EXPECT_FALSE(shares.next({false, false}));
}

TEST(Shares, AConnectionLeavesItsWorkToOthersWhenItIsAhead) {
  Shares shares(PoolOptions{"p", {{"a", 1}, {"b", 1}}, {}, {}, {}});
  int turns = 0;
  while (!shares.is_ahead(0, {true, true})) {
    shares.count(0);
    ASSERT_LT(++turns, 20);
  }
  EXPECT_GE(turns, 3);
  EXPECT_FALSE(shares.is_ahead(0, {true, false})) << "no other may";
  EXPECT_FALSE(shares.is_ahead(1, {true, true}));
}

}  // namespace
}  // namespace ekiden::delivery
