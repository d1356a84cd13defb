#include <gtest/gtest.h>

#include "ekiden/queue/address_hash.hpp"
#include "ekiden/queue/domain_key.hpp"
#include "ekiden/queue/scheduler.hpp"

namespace ekiden::queue {
namespace {

constexpr base::Time kNow = base::Time(std::chrono::seconds(1'800'000'000));
using std::chrono::hours;

class SuspensionTest : public testing::Test {
 protected:
  Scheduler scheduler{kNow};
  std::uint64_t counter = 0;

  base::MessageId add(std::string_view domain, std::string_view tenant = "default",
                      std::string_view stream = "bulk", base::Time due = kNow) {
    const base::MessageId id{1, ++counter};
    scheduler.add({.id = id, .received = kNow, .size = 10, .tenant = tenant, .stream = stream},
                  {{.domain = domain, .due = due, .expires = kNow + hours(24)}}, kNow);
    return id;
  }
  std::uint32_t resolve_all(std::string_view site = "site") {
    const std::uint32_t lane = scheduler.lane(site, {});
    for (std::uint32_t d; (d = scheduler.next_unresolved()) != kNone;)
      scheduler.assign_domain(d, lane, kNow + hours(48), kNow);
    return lane;
  }
  std::vector<base::MessageId> pick_all(std::uint32_t lane, base::Time now = kNow) {
    std::vector<base::MessageId> ids;
    while (const auto pick = scheduler.pick(lane, now)) ids.push_back(pick->id);
    return ids;
  }
  std::size_t count(Place place) { return scheduler.count(place); }
};

TEST_F(SuspensionTest, ASuspendedTenantIsNotPickedAndOpensNoConnection) {
  add("a.example", "shop");
  add("a.example", "shop", "transactional");
  const std::uint32_t lane = resolve_all();
  scheduler.suspend(Suspendable::Tenant, "shop", true, kNow);
  EXPECT_EQ(scheduler.next_wanting_connection(kNow), kNone);
  const auto other = add("a.example", "press");
  EXPECT_EQ(scheduler.next_wanting_connection(kNow), lane);
  add("a.example", "shop");
  EXPECT_EQ(pick_all(lane), std::vector{other});
  scheduler.suspend(Suspendable::Tenant, "shop", false, kNow);
  EXPECT_EQ(scheduler.next_wanting_connection(kNow), lane);
  EXPECT_EQ(pick_all(lane).size(), 3u);
}

TEST_F(SuspensionTest, AStreamOfEveryTenantIsSuspendedBeforeItExists) {
  scheduler.suspend(Suspendable::Stream, "bulk", true, kNow);
  add("a.example", "shop", "bulk");
  add("a.example", "press", "bulk");
  const auto urgent = add("a.example", "press", "transactional");
  const std::uint32_t lane = resolve_all();
  EXPECT_EQ(pick_all(lane), std::vector{urgent});
  scheduler.suspend(Suspendable::Stream, "bulk", false, kNow);
  EXPECT_EQ(pick_all(lane).size(), 2u);
}

TEST_F(SuspensionTest, RecipientsOfASuspendedDomainAreParkedWhereverTheyAre) {
  const auto ready = add("a.example");
  const auto other = add("b.example");
  const std::uint32_t lane = resolve_all();
  const auto later = add("a.example", "default", "bulk", kNow + hours(1));
  scheduler.suspend(Suspendable::Domain, "a.example", true, kNow);
  scheduler.park(scheduler.find(ready, 0));
  add("a.example");
  EXPECT_EQ(count(Place::Parked), 2u);
  EXPECT_EQ(scheduler.next_unresolved(), kNone);
  EXPECT_EQ(pick_all(lane), std::vector{other});
  std::vector<Alarm> alarms;
  scheduler.advance(kNow + hours(2), alarms);
  EXPECT_EQ(scheduler.recipient(scheduler.find(later, 0)).place, Place::Parked);
  EXPECT_TRUE(alarms.empty());
  scheduler.suspend(Suspendable::Domain, "a.example", false, kNow);
  resolve_all();
  EXPECT_EQ(pick_all(lane, kNow).size(), 3u);
}

TEST_F(SuspensionTest, WhatTheWalkHasNotReachedIsParkedWhenItsTurnComes) {
  add("a.example");
  const std::uint32_t lane = resolve_all();
  scheduler.suspend(Suspendable::Domain, "a.example", true, kNow);
  EXPECT_FALSE(scheduler.pick(lane, kNow));
  EXPECT_EQ(count(Place::Parked), 1u);
  EXPECT_EQ(scheduler.ready(lane), 0u);
}

TEST_F(SuspensionTest, ASuspendedDomainIsFoundBehindItsNextHopToo) {
  add(domain_key("a.example", "10.0.0.5:25"));
  const std::uint32_t lane = resolve_all();
  scheduler.suspend(Suspendable::Domain, "a.example", true, kNow);
  EXPECT_TRUE(pick_all(lane).empty());
  scheduler.suspend(Suspendable::Domain, "a.example", false, kNow);
  resolve_all();
  EXPECT_EQ(pick_all(lane).size(), 1u);
}

TEST_F(SuspensionTest, AnAnswerThatComesWhileTheDomainIsSuspendedIsAskedForAgain) {
  add("a.example");
  const std::uint32_t domain = scheduler.next_unresolved();
  scheduler.suspend(Suspendable::Domain, "a.example", true, kNow);
  const std::uint32_t lane = scheduler.lane("site", {});
  scheduler.assign_domain(domain, lane, kNow + hours(1), kNow);
  scheduler.fail_domain(domain, [](const Pick&) { FAIL() << "nobody is charged an attempt"; });
  EXPECT_EQ(scheduler.next_unresolved(), kNone);
  scheduler.suspend(Suspendable::Domain, "a.example", false, kNow);
  EXPECT_EQ(resolve_all(), lane);
  EXPECT_EQ(pick_all(lane).size(), 1u);
}

TEST_F(SuspensionTest, ASuspendedDomainsRecipientsExpire) {
  const auto id = add("a.example");
  scheduler.suspend(Suspendable::Domain, "a.example", true, kNow);
  scheduler.park(scheduler.find(id, 0));
  std::vector<Alarm> alarms;
  scheduler.advance(kNow + hours(25), alarms);
  ASSERT_EQ(alarms.size(), 1u);
  scheduler.remove(scheduler.find(id, 0));
  EXPECT_EQ(count(Place::Parked) + count(Place::Unresolved), 0u);
  EXPECT_EQ(scheduler.size(), 0u);
}

TEST_F(SuspensionTest, ASuspendedSiteOrSourceRestsItsLanesBornLaterToo) {
  scheduler.suspend(Suspendable::Site, "site", true, kNow);
  add("a.example");
  const std::uint32_t lane = resolve_all();
  scheduler.set_source(lane, "one");
  EXPECT_FALSE(scheduler.pick(lane, kNow));
  scheduler.suspend(Suspendable::Source, "one", true, kNow);
  scheduler.suspend(Suspendable::Site, "site", false, kNow);
  EXPECT_FALSE(scheduler.pick(lane, kNow)) << "its source still is";
  EXPECT_EQ(scheduler.next_wanting_connection(kNow), kNone);
  scheduler.suspend(Suspendable::Source, "one", false, kNow + hours(1));
  EXPECT_TRUE(scheduler.pick(lane, kNow + hours(1)));
  EXPECT_LT(scheduler.lag(kNow + hours(1)), std::chrono::seconds(1))
      << "the suspension is no lag of ours";
}

TEST(AddressHash, TheDomainsCaseDoesNotCountAndTheLocalPartsDoes) {
  EXPECT_EQ(address_hash("a@EXAMPLE.org"), address_hash("a@example.org"));
  EXPECT_EQ(address_hash("\"a\"@example.org"), address_hash("a@example.org"));
  EXPECT_EQ(address_hash("a@xn--bcher-kva.example"), address_hash("a@b\xc3\xbc"
                                                                  "cher.example"));
  EXPECT_NE(address_hash("A@example.org"), address_hash("a@example.org"));
  EXPECT_EQ(address_hash("POSTMASTER@example.org"), address_hash("postmaster@example.org"));
}

TEST(DomainKey, HasTheDomainAndTheNextHopApart) {
  EXPECT_EQ(domain_key("a.example", ""), "a.example");
  const std::string key = domain_key("a.example", "[::1]:25");
  EXPECT_EQ(domain_of_key(key), "a.example");
  EXPECT_EQ(next_hop_of_key(key), "[::1]:25");
  EXPECT_EQ(next_hop_of_key("a.example"), "");
}

TEST(DomainKey, SaysThePoolAndTheWishForASource) {
  const std::string key = domain_key("a.example", "[::1]:25", "bulk");
  EXPECT_EQ(key, "a.example=[::1]:25#bulk");
  EXPECT_EQ(domain_of_key(key), "a.example");
  EXPECT_EQ(next_hop_of_key(key), "[::1]:25");
  EXPECT_EQ(way_of_key(key), "bulk");
  EXPECT_EQ(way_of_key("a.example"), "");
  const std::string kept = with_wish(key, '@', "one");
  EXPECT_EQ(pool_of_way(way_of_key(kept)), "bulk");
  EXPECT_EQ(kept_source_of_way(way_of_key(kept)), "one");
  EXPECT_EQ(shunned_source_of_way(way_of_key(kept)), "");
  const std::string shunned = with_wish(kept, '!', "two");
  EXPECT_EQ(shunned, "a.example=[::1]:25#bulk!two") << "one wish at a time";
  EXPECT_EQ(shunned_source_of_way(way_of_key(shunned)), "two");
  EXPECT_EQ(domain_of_key(domain_key("a.example", "", "bulk")), "a.example");
  EXPECT_EQ(next_hop_of_key(domain_key("a.example", "", "bulk")), "");
}

}  // namespace
}  // namespace ekiden::queue
