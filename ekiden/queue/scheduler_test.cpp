#include "ekiden/queue/scheduler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ekiden/queue/retry.hpp"

namespace ekiden::queue {
namespace {

constexpr base::Time kNow = base::Time(std::chrono::seconds(1'800'000'000));
using std::chrono::hours;
using std::chrono::minutes;

class SchedulerTest : public testing::Test {
 protected:
  MemoryBudget budget{1000};  // outlives what is charged to it
  Scheduler scheduler{kNow};
  std::uint64_t counter = 0;

  base::MessageId add(std::vector<std::string_view> domains, std::string_view stream = "bulk",
                      std::string_view tenant = "default", base::Time due = kNow) {
    const base::MessageId id{1, ++counter};
    std::vector<Arrival> recipients;
    for (const auto domain : domains)
      recipients.push_back({.index = static_cast<std::uint32_t>(recipients.size()),
                            .domain = domain,
                            .due = due,
                            .expires = kNow + hours(24)});
    scheduler.add({.id = id, .received = kNow, .size = 10, .tenant = tenant, .stream = stream},
                  recipients, kNow);
    return id;
  }
  std::uint32_t resolve_all(LaneLimits limits = {}) {
    const std::uint32_t lane = scheduler.lane("site", limits);
    for (std::uint32_t d; (d = scheduler.next_unresolved()) != kNone;)
      scheduler.assign_domain(d, lane, kNow + hours(1), kNow);
    return lane;
  }
};

TEST_F(SchedulerTest, ADomainIsAskedForOnceAndThenServesAll) {
  add({"a.example"});
  add({"a.example"});
  const std::uint32_t domain = scheduler.next_unresolved();
  ASSERT_NE(domain, kNone);
  EXPECT_EQ(scheduler.next_unresolved(), kNone);
  add({"a.example"});
  EXPECT_EQ(scheduler.next_unresolved(), kNone) << "the question is under way";
  const std::uint32_t lane = scheduler.lane("site", {});
  scheduler.assign_domain(domain, lane, kNow + hours(1), kNow);
  add({"a.example"});
  int picked = 0;
  while (scheduler.pick(lane, kNow)) ++picked;
  EXPECT_EQ(picked, 4);
}

TEST_F(SchedulerTest, LanesWithoutAConnectionCanBeAskedFirst) {
  std::vector<std::uint32_t> lanes;
  for (const char* name : {"a.example", "b.example", "c.example"}) {
    for (int i = 0; i < 3; ++i) add({name});
    lanes.push_back(scheduler.lane(name, {}));
    scheduler.assign_domain(scheduler.next_unresolved(), lanes.back(), kNow + hours(1), kNow);
  }
  scheduler.opened(lanes[0]);
  scheduler.opened(lanes[1]);
  EXPECT_TRUE(scheduler.wants_connection(lanes[0], kNow)) << "three wait, one is opening";
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(scheduler.next_wanting_connection(kNow, Wanting::First), lanes[2]);
  scheduler.rest(lanes[2], kNow + minutes(1));
  EXPECT_FALSE(scheduler.wants_connection(lanes[2], kNow));
  EXPECT_EQ(scheduler.next_wanting_connection(kNow, Wanting::First), kNone);
  EXPECT_NE(scheduler.next_wanting_connection(kNow), kNone);
}

TEST_F(SchedulerTest, WhatNamesItsRecipientGoesToOneAtATime) {
  add({"a.example", "a.example", "a.example"}, "bulk");
  add({"a.example", "a.example"}, "news");
  const std::uint32_t lane = resolve_all();
  const WantsSingle single = [](std::string_view tenant, std::string_view stream) {
    return tenant == "default" && stream == "bulk";
  };
  std::vector<std::size_t> sizes;
  while (const auto pick = scheduler.pick(lane, kNow, single))
    sizes.push_back(pick->recipients.size());
  std::sort(sizes.begin(), sizes.end());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 1, 1, 2}));
}

TEST_F(SchedulerTest, RecipientsOfOneDomainShareATransactionUpToItsLimit) {
  add({"a.example", "b.example", "a.example", "a.example", "a.example"});
  const std::uint32_t lane = resolve_all({.recipients_per_transaction_max = 3});
  std::vector<std::size_t> sizes;
  std::vector<std::uint32_t> seen;
  while (const auto pick = scheduler.pick(lane, kNow)) {
    sizes.push_back(pick->recipients.size());
    seen.insert(seen.end(), pick->recipients.begin(), pick->recipients.end());
  }
  std::sort(sizes.begin(), sizes.end());
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1, 1, 3}));
  EXPECT_EQ(seen, (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
}

TEST_F(SchedulerTest, APasswordResetPassesAMillionNewsletters) {
  for (int i = 0; i < 1'000'000; ++i) add({"a.example"}, "bulk");
  const std::uint32_t lane = resolve_all();
  const base::MessageId reset = add({"a.example"}, "transactional");
  EXPECT_EQ(scheduler.pick(lane, kNow)->id, reset);
}

TEST_F(SchedulerTest, TenantsShareALaneHoweverMuchOneOfThemQueued) {
  for (int i = 0; i < 1000; ++i) add({"a.example"}, "bulk", "big");
  for (int i = 0; i < 10; ++i) add({"a.example"}, "bulk", "small");
  const std::uint32_t lane = resolve_all();
  int small = 0;
  for (int i = 0; i < 24; ++i) {
    const auto pick = scheduler.pick(lane, kNow);
    const auto& message = scheduler.message(pick->message);
    small += scheduler.class_names(message.klass).first == "small" ? 1 : 0;
  }
  EXPECT_GE(small, 9);
}

TEST_F(SchedulerTest, StreamsShareByTheirWeightAlsoWhenItChangesUnderABacklog) {
  for (int i = 0; i < 1000; ++i) {
    add({"a.example"}, "news");
    add({"a.example"}, "offers");
  }
  const std::uint32_t lane = resolve_all();
  const auto news_of = [&](int picks) {
    int news = 0;
    for (int i = 0; i < picks; ++i) {
      const auto pick = scheduler.pick(lane, kNow);
      news += scheduler.class_names(scheduler.message(pick->message).klass).second == "news";
    }
    return news;
  };
  EXPECT_NEAR(news_of(100), 50, 2);
  scheduler.set_shares([](std::string_view, std::string_view stream) {
    return Klass{Level::Normal, stream == "news" ? 4U : 1U};
  });
  EXPECT_NEAR(news_of(100), 80, 2);
  // What became urgent goes first, what waits and what comes.
  scheduler.set_shares([](std::string_view, std::string_view stream) {
    return Klass{stream == "offers" ? Level::High : Level::Normal, 1};
  });
  EXPECT_EQ(news_of(100), 0);
  add({"a.example"}, "offers");
  EXPECT_EQ(news_of(100), 0);
  scheduler.set_shares({});
  EXPECT_NEAR(news_of(100), 50, 2);
}

TEST_F(SchedulerTest, ExpiryReachesARecipientWhereverItIs) {
  const auto waiting = add({"a.example"}, "bulk", "t", kNow + hours(100));
  const auto unresolved = add({"b.example"});
  const auto held = add({"c.example"});
  const std::uint32_t lane = scheduler.lane("site", {});
  const auto ready = add({"d.example"});
  for (std::uint32_t d; (d = scheduler.next_unresolved()) != kNone;)
    if (scheduler.domain_name(d) != "b.example")
      scheduler.assign_domain(d, lane, kNow + hours(200), kNow);
  scheduler.hold(scheduler.find(held, 0));
  scheduler.rest(lane, kNow + hours(300));
  std::vector<Alarm> alarms;
  scheduler.advance(kNow + hours(23), alarms);
  EXPECT_TRUE(alarms.empty());
  scheduler.advance(kNow + hours(25), alarms);
  std::vector<base::MessageId> expired;
  for (const Alarm& alarm : alarms) {
    EXPECT_EQ(alarm.cause, Cause::Expired);
    expired.push_back(alarm.id);
    scheduler.settle(scheduler.find(alarm.id, alarm.index));
    scheduler.remove(scheduler.find(alarm.id, alarm.index));
  }
  std::sort(expired.begin(), expired.end());
  EXPECT_EQ(expired, (std::vector{waiting, unresolved, held, ready}));
  EXPECT_EQ(scheduler.size(), 0u);
  EXPECT_EQ(scheduler.message_count(), 0u);
}

TEST_F(SchedulerTest, ADeferredRecipientComesBackWhenDueAndNotBefore) {
  const auto id = add({"a.example"});
  const std::uint32_t lane = resolve_all();
  ASSERT_TRUE(scheduler.pick(lane, kNow));
  scheduler.defer(scheduler.find(id, 0), kNow + minutes(5), kNow, 1, 450);
  std::vector<Alarm> alarms;
  scheduler.advance(kNow + minutes(4), alarms);
  EXPECT_FALSE(scheduler.pick(lane, kNow + minutes(4)));
  scheduler.advance(kNow + minutes(6), alarms);
  EXPECT_TRUE(scheduler.pick(lane, kNow + minutes(6)));
  EXPECT_TRUE(alarms.empty());
}

TEST_F(SchedulerTest, AFailedSiteIsAskedByOneConnection) {
  for (int i = 0; i < 100; ++i) add({"a.example"});
  const std::uint32_t lane = resolve_all({.connections_max = 5, .bulk_connections_max = 5});
  scheduler.set_failures(lane, 1);
  EXPECT_EQ(scheduler.next_wanting_connection(kNow), lane);
  scheduler.opened(lane);
  EXPECT_EQ(scheduler.next_wanting_connection(kNow), kNone);
  scheduler.set_failures(lane, 0);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(scheduler.next_wanting_connection(kNow), lane);
    scheduler.opened(lane);
  }
  EXPECT_EQ(scheduler.next_wanting_connection(kNow), kNone);
}

TEST_F(SchedulerTest, BulkLeavesConnectionsFreeForUrgentMail) {
  for (int i = 0; i < 100; ++i) add({"a.example"});
  const std::uint32_t lane = resolve_all({.connections_max = 5, .bulk_connections_max = 4});
  int opened = 0;
  while (scheduler.next_wanting_connection(kNow) != kNone) {
    scheduler.opened(lane);
    ++opened;
  }
  EXPECT_EQ(opened, 4);
  add({"a.example"}, "transactional");
  EXPECT_EQ(scheduler.next_wanting_connection(kNow), lane);
}

TEST_F(SchedulerTest, WhatIsPutBackGoesFirst) {
  const auto first = add({"a.example"});
  add({"a.example"});
  const std::uint32_t lane = resolve_all();
  scheduler.pick(lane, kNow);
  scheduler.put_back(scheduler.find(first, 0), kNow);
  EXPECT_EQ(scheduler.pick(lane, kNow)->id, first);
}

TEST_F(SchedulerTest, NothingWaitsLongerWhenTheClockIsSetBack) {
  add({"a.example"}, "bulk", "default", kNow + minutes(5));
  add({"b.example"});
  const std::uint32_t lane = resolve_all();
  scheduler.rest(lane, kNow + minutes(2));
  const base::Time earlier = kNow - hours(30);
  scheduler.turn_back(hours(30), earlier);

  EXPECT_FALSE(scheduler.pick(lane, earlier + minutes(1)));
  EXPECT_TRUE(scheduler.pick(lane, earlier + minutes(2))) << "the site has rested";
  std::vector<Alarm> alarms;
  scheduler.advance(earlier + minutes(4), alarms);
  EXPECT_EQ(scheduler.next_unresolved(), kNone);
  scheduler.advance(earlier + minutes(6), alarms);
  EXPECT_NE(scheduler.next_unresolved(), kNone) << "its time has come";
  EXPECT_TRUE(alarms.empty());
  scheduler.advance(earlier + hours(24) + minutes(1), alarms);
  EXPECT_EQ(alarms.size(), 1u) << "the other one is in flight";
}

TEST_F(SchedulerTest, WhenAMessageCameMovesAlongWithAClockThatIsSetBack) {
  const auto came = [&](base::MessageId id) {
    return base::from_unix_us(scheduler.message(scheduler.find_message(id)).received_us);
  };
  const base::MessageId old = add({"a.example"});
  scheduler.turn_back(hours(30), kNow - hours(29));
  EXPECT_EQ(came(old), kNow - hours(30)) << "an hour ago, as it was";
  const base::MessageId id{1, ++counter};
  scheduler.add({.id = id, .received = kNow, .queued = base::Steady(hours(1))},
                {{.domain = "a.example", .expires = kNow}}, kNow - hours(29));
  EXPECT_EQ(came(id), kNow - hours(29)) << "not from the future";
  EXPECT_EQ(scheduler.message(scheduler.find_message(id)).queued, base::Steady(hours(1)));
}

TEST_F(SchedulerTest, WaitingCountsAsLagOnlyWhereThePeerIsKnownToBeBrisk) {
  const auto later = kNow + std::chrono::seconds(2);
  for (int i = 0; i < 3; ++i) add({"a.example"});
  const std::uint32_t lane = resolve_all();
  scheduler.opened(lane);
  ASSERT_TRUE(scheduler.pick(lane, later));
  EXPECT_EQ(scheduler.lag(later), base::Duration::zero()) << "nobody knows the peer yet";
  scheduler.note_duration(lane, std::chrono::milliseconds(2));
  ASSERT_TRUE(scheduler.pick(lane, later));
  EXPECT_EQ(scheduler.lag(later), std::chrono::seconds(2));
  EXPECT_EQ(scheduler.lag(later + minutes(1)), base::Duration::zero()) << "long ago";
  for (int i = 0; i < 20; ++i) scheduler.note_duration(lane, std::chrono::milliseconds(400));
  ASSERT_TRUE(scheduler.pick(lane, later + minutes(1)));
  EXPECT_EQ(scheduler.lag(later + minutes(1)), base::Duration::zero()) << "the peer is slow";
}

TEST_F(SchedulerTest, OctetsThatAreNotDueSoonLeaveMemoryFirst) {
  const auto add_resident = [&](std::string_view domain, base::Time due) {
    const base::MessageId id = add({domain}, "bulk", "default", due);
    scheduler.set_resident(scheduler.find_message(id), std::make_shared<const Resident>(Resident{
                                                           nullptr, {}, Charge(budget, 10)}));
    return id;
  };
  const auto is_resident = [&](base::MessageId id) {
    return scheduler.message(scheduler.find_message(id)).resident != nullptr;
  };
  const auto later = add_resident("a.example", kNow + hours(1));
  const auto soon = add_resident("a.example", kNow + std::chrono::seconds(30));
  const auto picked = add_resident("a.example", kNow);
  const std::uint32_t lane = resolve_all();
  ASSERT_EQ(scheduler.pick(lane, kNow)->id, picked);
  const auto ready = add_resident("a.example", kNow);
  const auto resting = add_resident("b.example", kNow);
  const std::uint32_t other = scheduler.lane("other", {});
  scheduler.assign_domain(scheduler.next_unresolved(), other, kNow + hours(1), kNow);
  scheduler.rest(other, kNow + minutes(10));

  scheduler.evict(kNow + minutes(1), 2);
  EXPECT_FALSE(is_resident(later));
  EXPECT_TRUE(is_resident(resting)) << "so far it has not looked";
  scheduler.evict(kNow + minutes(1), 100);
  EXPECT_FALSE(is_resident(resting));
  EXPECT_TRUE(is_resident(soon));
  scheduler.evict(kNow, 100);
  EXPECT_FALSE(is_resident(soon));
  EXPECT_TRUE(is_resident(ready));
  scheduler.evict(base::Time::min(), 100);
  EXPECT_FALSE(is_resident(ready));
  EXPECT_TRUE(is_resident(picked)) << "a connection has it";
  EXPECT_EQ(budget.used(), 10u);
}

TEST(Retry, GrowsByItsFactorUpToItsCapAndScatters) {
  base::SeededRandom random(1);
  const RetryPolicy policy;
  for (unsigned attempt = 1; attempt < 20; ++attempt) {
    const double plain = std::min(300.0 * std::pow(2.0, attempt - 1), 4 * 3600.0);
    for (int i = 0; i < 50; ++i) {
      const double s = static_cast<double>(retry_interval(policy, attempt, random).count()) / 1e6;
      EXPECT_GE(s, plain * 0.749);
      EXPECT_LE(s, plain * 1.251);
    }
  }
  EXPECT_EQ(expiry_time(policy, kNow), kNow + hours(120));
  EXPECT_EQ(delay_notice_time(policy, kNow, false), base::Time::max());
  EXPECT_EQ(delay_notice_time(policy, kNow, true), kNow + hours(4));
}

}  // namespace
}  // namespace ekiden::queue
