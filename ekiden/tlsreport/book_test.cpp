#include "ekiden/tlsreport/book.hpp"

#include <gtest/gtest.h>

namespace ekiden::tlsreport {
namespace {

using namespace std::chrono_literals;

const base::Time kNoon = *parse_day("2026-11-22") + 12h;
const base::Time kDay = *parse_day("2026-11-22");

struct Fixture : testing::Test {
  Book book;
  base::SeededRandom random{3};
  int changes = 0, news = 0;

  void SetUp() override {
    book.on_change([this] { ++changes; });
    book.on_new([this] { ++news; });
  }
  void count(const std::string& domain, base::Time at = kNoon, bool fails = false) {
    policy::TlsSession session;
    if (fails) session.failure = policy::TlsFailure{};
    book.add(domain, session, at);
  }
  Report one(const std::string& domain) { return book.find(domain, std::nullopt).at(0); }
};
using TlsReportBook = Fixture;

TEST(TlsReportDay, IsUtc) {
  EXPECT_EQ(day_of(kNoon), kDay);
  EXPECT_EQ(day_of(kDay), kDay);
  EXPECT_EQ(day_of(kDay - 1us), kDay - 24h);
  for (const char* bad : {"", "2026-11", "2026-13-01", "2026-02-30", "x026-11-22", "2026-11-22 "})
    EXPECT_FALSE(parse_day(bad)) << bad;
}

TEST_F(TlsReportBook, CountsByDayAndDomain) {
  count("a.test");
  count("a.test", kNoon, true);
  count("b.test");
  count("a.test", kNoon + 24h);
  count("[192.0.2.1]");
  count("");
  EXPECT_EQ(book.size(), 3U);
  EXPECT_EQ(news, 3);
  const std::vector<Report> reports = book.find("a.test", kDay);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].tally.successes(), 1U);
  EXPECT_EQ(reports[0].tally.failures(), 1U);
  EXPECT_EQ(book.find("", std::nullopt).front().day, kDay + 24h) << "newest first";
}

TEST_F(TlsReportBook, WhoWantsNoneIsCountedNoMore) {
  count("a.test");
  count("b.test");
  EXPECT_EQ(book.unknown(10).size(), 2U);
  book.set_wanted("a.test", false);
  book.set_wanted("b.test", true);
  EXPECT_TRUE(book.unknown(10).empty());
  count("a.test");
  EXPECT_EQ(one("a.test").state, State::Unwanted);
  EXPECT_EQ(one("a.test").tally.successes(), 0U);
  book.end_days(kNoon + 24h, 4h, random, "relay.test");
  EXPECT_TRUE(book.find("a.test", std::nullopt).empty());
  EXPECT_EQ(one("b.test").state, State::Waiting);
}

TEST_F(TlsReportBook, ADaysReportsAreSpreadOverTheDelay) {
  for (int i = 0; i < 200; ++i) count("d" + std::to_string(i) + ".test");
  book.end_days(kNoon, 4h, random, "relay.test");
  EXPECT_TRUE(book.due(kNoon + 100h, 10).empty()) << "the day goes on";
  book.end_days(kDay + 24h, 4h, random, "relay.test");
  std::size_t early = 0;
  for (const Report& report : book.find("", std::nullopt)) {
    EXPECT_GE(report.due, kDay + 24h);
    EXPECT_LE(report.due, kDay + 28h);
    EXPECT_TRUE(report.id.starts_with("2026-11-22.") && report.id.ends_with("@relay.test"));
    early += report.due < kDay + 26h;
  }
  EXPECT_GT(early, 60U);
  EXPECT_LT(early, 140U);
  EXPECT_EQ(book.next_due(), [&] {
    base::Time first = base::Time::max();
    for (const Report& report : book.find("", std::nullopt)) first = std::min(first, report.due);
    return first;
  }());
}

TEST_F(TlsReportBook, ADayMayBeEndedEarly) {
  count("a.test");
  EXPECT_EQ(book.end_day(kDay, kNoon, random, "relay.test"), 1U);
  EXPECT_EQ(book.due(kNoon, 10).size(), 1U);
  count("a.test", kNoon + 1h);
  EXPECT_EQ(book.find("a.test", kDay).size(), 2U) << "what follows is counted anew";
  EXPECT_EQ(book.end_day(kDay - 24h, kNoon, random, "relay.test"), 0U);
}

TEST_F(TlsReportBook, ComesBackFromItsFile) {
  count("a.test", kNoon, true);
  count("b.test");
  book.set_wanted("b.test", true);
  book.end_day(kDay, kNoon, random, "relay.test");
  Report sent = one("b.test");
  sent.state = State::Sent;
  sent.tries = 2;
  sent.deliveries.push_back({{true, "r@b.test"}, true, "", kNoon});
  book.update(sent);
  count("c.test");
  Book again;
  ASSERT_TRUE(again.load(book.encode()));
  EXPECT_EQ(again.encode(), book.encode());
  EXPECT_EQ(again.find("b.test", kDay).at(0).deliveries.at(0).to.target, "r@b.test");
  Book empty;
  EXPECT_TRUE(empty.load(""));
  for (const char* damaged : {"{", "[]", "{}", "{\"reports\":1}"})
    EXPECT_FALSE(empty.load(damaged));
  EXPECT_TRUE(empty.load(R"({"reports":[1,{},{"domain":"x"}]})"));
  EXPECT_EQ(empty.size(), 0U);
}

TEST_F(TlsReportBook, IsBoundedAndForgets) {
  for (std::size_t i = 0; i < Book::kReportsMax + 10; ++i) count(std::to_string(i) + ".test");
  EXPECT_EQ(book.size(), Book::kReportsMax);
  EXPECT_EQ(book.end_day(kDay, kNoon, random, "relay.test"), Book::kReportsMax);
  Report sent = book.due(kNoon, 1).at(0);
  sent.state = State::Sent;
  book.update(sent);
  book.end_days(kDay + Book::kKeptFor + 1h, 0h, random, "relay.test");
  EXPECT_EQ(book.size(), Book::kReportsMax - 1);
}

TEST(TlsReportPolicies, EachDomainIsToldOfItsOwnPolicy) {
  policy::MtaStsBook policies;
  policy::MtaStsEntry entry;
  entry.policy = {policy::MtaStsMode::Enforce, {"mx.a.test"}, 24h};
  entry.fetched = kNoon;
  policies.put("a.test", entry);
  Book book(&policies);
  policy::TlsSession session;
  session.policy = policy::TlsPolicyKind::Sts;
  book.add("a.test", session, kNoon);
  const policy::TlsTally::Policy policy = book.find("a.test", kDay).at(0).tally.policies.at(0);
  EXPECT_EQ(policy.mx_hosts, std::vector<std::string>{"mx.a.test"});
  EXPECT_EQ(policy.strings, (std::vector<std::string>{"version: STSv1", "mode: enforce",
                                                      "mx: mx.a.test", "max_age: 86400"}));
}

}  // namespace
}  // namespace ekiden::tlsreport
