// Goal: a lane that a limit holds is out of sight until it is freed, and nothing else changes.
#include <gtest/gtest.h>

#include "ekiden/queue/scheduler.hpp"

namespace ekiden::queue {
namespace {

const base::Time kNow = base::from_unix_us(1'700'000'000'000'000);

struct Rig {
  Scheduler scheduler{kNow};
  std::uint64_t last = 0;

  std::uint32_t add(const std::string& domain, const std::string& stream = "bulk",
                    std::uint32_t recipients = 1) {
    const base::MessageId id{++last, 1};
    std::vector<Arrival> arrivals;
    for (std::uint32_t i = 0; i < recipients; ++i)
      arrivals.push_back(
          {.index = i, .domain = domain, .due = kNow, .expires = kNow + std::chrono::hours(24)});
    scheduler.add({id, nullptr, kNow, 100, "t", stream}, arrivals, kNow);
    return scheduler.find(id, 0);
  }
  std::uint32_t lane(const std::string& site, const std::string& way) {
    const std::uint32_t at = scheduler.lane(site, {}, way);
    for (std::uint32_t d; (d = scheduler.next_unresolved()) != kNone;)
      scheduler.assign_domain(d, at, kNow + std::chrono::hours(1), kNow);
    return at;
  }
};

TEST(LimitedLane, WantsNoConnectionUntilItIsFreed) {
  Rig rig;
  rig.add("a.example#bulk");
  const std::uint32_t lane = rig.lane("site", "bulk");
  EXPECT_EQ(rig.scheduler.next_wanting_connection(kNow), lane);
  rig.scheduler.limit(lane);
  EXPECT_EQ(rig.scheduler.next_wanting_connection(kNow), kNone);
  EXPECT_FALSE(rig.scheduler.wants_connection(lane, kNow));
  rig.add("a.example#bulk");
  EXPECT_EQ(rig.scheduler.next_wanting_connection(kNow), kNone) << "what comes waits with it";
  EXPECT_TRUE(rig.scheduler.pick(lane, kNow)) << "a connection that is open goes on";
  rig.scheduler.free(lane, kNow);
  EXPECT_EQ(rig.scheduler.next_wanting_connection(kNow), lane);
}

TEST(LimitedLane, HasAWayOfItsOwnToOneSite) {
  Rig rig;
  rig.add("a.example#bulk");
  const std::uint32_t bulk = rig.lane("site", "bulk");
  rig.add("a.example#main");
  const std::uint32_t main = rig.lane("site", "main");
  EXPECT_NE(bulk, main);
  EXPECT_EQ(rig.scheduler.site_of(bulk), rig.scheduler.site_of(main));
  rig.scheduler.suspend(Suspendable::Site, "site", true, kNow);
  EXPECT_TRUE(rig.scheduler.is_suspended(bulk));
  EXPECT_TRUE(rig.scheduler.is_suspended(main));
  rig.scheduler.suspend(Suspendable::Site, "site", false, kNow);
  rig.scheduler.suspend(Suspendable::Domain, "a.example", true, kNow);
  EXPECT_FALSE(rig.scheduler.pick(bulk, kNow));
  EXPECT_FALSE(rig.scheduler.pick(main, kNow));
}

TEST(LimitedLane, ATransactionTakesNoMoreRecipientsThanItMay) {
  Rig rig;
  const std::uint32_t slot = rig.add("a.example#bulk", "bulk", 5);
  const std::uint32_t lane = rig.lane("site", "bulk");
  const auto pick = rig.scheduler.pick(lane, kNow, nullptr, {2, 7});
  ASSERT_TRUE(pick);
  EXPECT_EQ(pick->recipients.size(), 2u);
  EXPECT_EQ(rig.scheduler.ready(lane), 3u);
  EXPECT_EQ(rig.scheduler.recipient(slot).source, 7u);
}

TEST(LimitedLane, ARecipientGoesAnotherWayFromItsNextAttemptOn) {
  Rig rig;
  const std::uint32_t slot = rig.add("a.example#bulk");
  const std::uint32_t lane = rig.lane("site", "bulk");
  ASSERT_TRUE(rig.scheduler.pick(lane, kNow));
  rig.scheduler.set_way(slot, "a.example#bulk@one");
  rig.scheduler.defer(slot, kNow, kNow, 1, 451);
  const std::uint32_t asked = rig.scheduler.next_unresolved();
  ASSERT_NE(asked, kNone);
  EXPECT_EQ(rig.scheduler.domain_name(asked), "a.example#bulk@one");
}

}  // namespace
}  // namespace ekiden::queue
