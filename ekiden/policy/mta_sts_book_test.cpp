#include "ekiden/policy/mta_sts_book.hpp"

#include <gtest/gtest.h>

namespace ekiden::policy {
namespace {

using namespace std::chrono_literals;

const base::Time kNow = base::from_unix_us(1'795'305'600'000'000);

MtaStsEntry entry(base::Duration max_age = 24h * 7, std::string id = "1") {
  return {std::move(id), {MtaStsMode::Enforce, {"mx.example"}, max_age}, kNow, kNow};
}

TEST(MtaStsBook, IsTheSameAfterARestart) {
  MtaStsBook book;
  book.put("b.example", entry());
  book.put("a.example", entry(24h, "2"));
  MtaStsBook again;
  ASSERT_TRUE(again.load(book.encode(), kNow));
  EXPECT_EQ(again.encode(), book.encode());
  EXPECT_EQ(again.find("a.example", kNow)->id, "2");
  EXPECT_EQ(again.find("b.example", kNow)->policy, entry().policy);
}

TEST(MtaStsBook, WhatHasEndedDoesNotComeBack) {
  MtaStsBook book;
  book.put("a.example", entry(24h));
  book.put("b.example", entry(48h));
  EXPECT_FALSE(book.find("a.example", kNow + 24h));
  MtaStsBook again;
  ASSERT_TRUE(again.load(book.encode(), kNow + 24h));
  EXPECT_EQ(again.size(), 1U);
}

TEST(MtaStsBook, AClockThatWasAheadKeepsNothingForLonger) {
  MtaStsBook book;
  book.put("a.example", entry(24h));
  MtaStsBook again;
  ASSERT_TRUE(again.load(book.encode(), kNow - 24h * 300));
  EXPECT_FALSE(again.find("a.example", kNow - 24h * 298));
}

TEST(MtaStsBook, ADamagedFileChangesNothing) {
  MtaStsBook book;
  book.put("a.example", entry());
  for (const char* octets : {"{", "[]", "{\"policies\":1}", "nonsense"}) {
    EXPECT_FALSE(book.load(octets, kNow)) << octets;
  }
  EXPECT_TRUE(book.load("", kNow));
  EXPECT_TRUE(book.load("{\"policies\":[1,{},{\"domain\":\"x\",\"policy\":\"no\"}]}", kNow));
  EXPECT_EQ(book.size(), 1U);
}

TEST(MtaStsBook, OneFetchesAtATimeAndFailuresPause) {
  MtaStsBook book;
  EXPECT_TRUE(book.begin_fetch("a.example", kNow));
  EXPECT_FALSE(book.begin_fetch("a.example", kNow + 1h));
  EXPECT_TRUE(book.begin_fetch("b.example", kNow));
  book.fail("a.example", kNow);
  EXPECT_FALSE(book.begin_fetch("a.example", kNow + 5min - 1s));
  EXPECT_TRUE(book.begin_fetch("a.example", kNow + 5min));
  book.fail("a.example", kNow + 1h);
  EXPECT_TRUE(book.begin_fetch("a.example", kNow)) << "the clock was set back";
  book.put("a.example", entry());
  EXPECT_TRUE(book.begin_fetch("a.example", kNow));
  book.give_up("a.example");
  EXPECT_TRUE(book.begin_fetch("a.example", kNow));
}

TEST(MtaStsBook, IsDueDailyWhileMailAsks) {
  MtaStsBook book;
  book.put("a.example", entry(24h * 365));
  EXPECT_TRUE(book.due(kNow + 23h, 10).empty());
  EXPECT_EQ(book.due(kNow + 24h, 10), std::vector<std::string>{"a.example"});
  EXPECT_TRUE(book.due(kNow + 24h, 0).empty());
  EXPECT_TRUE(book.due(kNow + 24h * 61, 10).empty()) << "nobody asks any more";
  (void)book.find("a.example", kNow + 24h * 50);
  EXPECT_EQ(book.due(kNow + 24h * 61, 10).size(), 1U);
  // A renewal does not know when mail last asked; the book does.
  MtaStsEntry renewed = entry(24h * 365);
  renewed.used = {};
  book.put("a.example", renewed);
  EXPECT_EQ(book.due(kNow + 24h * 61, 10).size(), 1U);
}

TEST(MtaStsBook, PastItsLimitTheFirstToEndGoes) {
  MtaStsBook book;
  book.put("first.example", entry(1h));
  for (std::size_t i = 1; i <= MtaStsBook::kEntriesMax; ++i) {
    book.put(std::to_string(i) + ".example", entry(2h));
  }
  EXPECT_EQ(book.size(), MtaStsBook::kEntriesMax);
  EXPECT_FALSE(book.find("first.example", kNow));
}

}  // namespace
}  // namespace ekiden::policy
