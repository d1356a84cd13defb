// Goal: a lane is looked at when something about it has changed, and out of sight otherwise; whose
// turn it is within one is right among thousands of classes.
#include <gtest/gtest.h>

#include <map>

#include "ekiden/base/random.hpp"

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

TEST(Lanes, ThatWantNothingAreLookedAtAgainWhenSomethingAboutThemHasChanged) {
  Rig rig;
  rig.add("a.example");
  const std::uint32_t lane = rig.lane("site", "");
  Scheduler& scheduler = rig.scheduler;
  LaneLimits limits;
  limits.connections_max = limits.bulk_connections_max = 1;
  scheduler.set_limits(lane, limits);
  const auto wants = [&](base::Time now = kNow) {
    return scheduler.next_wanting_connection(now) == lane;
  };
  EXPECT_TRUE(wants());
  scheduler.opened(lane);
  EXPECT_FALSE(wants());
  rig.add("a.example");
  EXPECT_FALSE(wants()) << "its one connection is open";
  limits.connections_max = limits.bulk_connections_max = 2;
  scheduler.set_limits(lane, limits);
  EXPECT_TRUE(wants()) << "a reload allows another";
  scheduler.opened(lane);
  EXPECT_FALSE(wants());
  scheduler.served(lane);
  scheduler.closed(lane);
  EXPECT_TRUE(wants()) << "one has ended";
  scheduler.rest(lane, kNow + std::chrono::seconds(30));
  EXPECT_FALSE(wants());
  EXPECT_FALSE(wants(kNow + std::chrono::seconds(29)));
  EXPECT_TRUE(wants(kNow + std::chrono::seconds(30))) << "its rest is over";
  scheduler.rest(lane, kNow + std::chrono::hours(1));
  EXPECT_FALSE(wants(kNow + std::chrono::minutes(1)));
  scheduler.turn_back(std::chrono::minutes(50), kNow - std::chrono::minutes(49));
  EXPECT_FALSE(wants(kNow - std::chrono::minutes(49)));
  EXPECT_TRUE(wants(kNow + std::chrono::minutes(10))) << "the clock was set back meanwhile";
  scheduler.suspend(Suspendable::Site, "site", true, kNow);
  EXPECT_FALSE(wants());
  scheduler.suspend(Suspendable::Site, "site", false, kNow);
  EXPECT_TRUE(wants(kNow + std::chrono::minutes(10)));
}

TEST(Lanes, WithoutAnyConnectionComeFirst) {
  Rig rig;
  rig.add("a.example");
  rig.add("a.example");
  const std::uint32_t busy = rig.lane("busy", "");
  EXPECT_EQ(rig.scheduler.next_wanting_connection(kNow), busy);
  rig.scheduler.opened(busy);
  rig.add("b.example");
  const std::uint32_t fresh = rig.lane("fresh", "");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(rig.scheduler.next_wanting_connection(kNow), fresh);
  EXPECT_EQ(rig.scheduler.next_wanting_connection(kNow, Wanting::First), fresh);
  rig.scheduler.opened(fresh);
  EXPECT_EQ(rig.scheduler.next_wanting_connection(kNow, Wanting::First), kNone);
  EXPECT_EQ(rig.scheduler.next_wanting_connection(kNow), busy);
}

TEST(Lanes, WithSomethingForAnIdleConnectionAreNamedOnce) {
  Rig rig;
  rig.add("a.example");
  const std::uint32_t lane = rig.lane("site", "");
  EXPECT_EQ(rig.scheduler.next_stirred(), lane);
  EXPECT_EQ(rig.scheduler.next_stirred(), kNone);
  // A lane that is limited too: a connection that is open goes on.
  rig.scheduler.limit(lane);
  rig.add("a.example");
  rig.add("a.example");
  EXPECT_EQ(rig.scheduler.next_stirred(), lane);
  EXPECT_EQ(rig.scheduler.next_stirred(), kNone);
  rig.scheduler.rest(lane, kNow + std::chrono::seconds(1));
  rig.scheduler.list_rested(kNow);
  EXPECT_EQ(rig.scheduler.next_stirred(), kNone);
  rig.scheduler.list_rested(kNow + std::chrono::seconds(1));
  EXPECT_EQ(rig.scheduler.next_stirred(), lane);
}

// Whose turn it is must be what a walk over all classes would say.
TEST(FairQueue, AgreesWithTheNaiveOneForManyClasses) {
  Slab<RecipientEntry> entries;
  FairQueue queue;
  struct Flow {
    Klass how;
    std::vector<std::uint32_t> waiting;
  };
  std::vector<Flow> flows(300);
  base::SeededRandom random(7);
  for (Flow& flow : flows) {
    flow.how.level = random.below(10) == 0 ? Level::High : Level::Normal;
    flow.how.weight = static_cast<std::uint32_t>(1 + random.below(4));
  }
  std::map<std::uint32_t, std::uint32_t> class_of;
  const auto count = [&](bool high_only) {
    std::uint32_t n = 0;
    for (const Flow& flow : flows)
      if (!flow.how.is_suspended && (!high_only || flow.how.level == Level::High))
        n += static_cast<std::uint32_t>(flow.waiting.size());
    return n;
  };
  std::map<std::uint32_t, std::uint32_t> taken;
  for (int step = 0; step < 20'000; ++step) {
    const auto klass = static_cast<std::uint32_t>(random.below(flows.size()));
    Flow& flow = flows[klass];
    switch (random.below(5)) {
      case 0:
      case 1: {
        const std::uint32_t slot = entries.take();
        class_of[slot] = klass;
        queue.push_back(entries, slot, klass, flow.how);
        flow.waiting.push_back(slot);
        break;
      }
      case 2:
        if (random.below(20) == 0) {
          flow.how.is_suspended = !flow.how.is_suspended;
          queue.set_suspended(klass, flow.how.is_suspended);
        } else if (!flow.waiting.empty()) {
          const std::uint32_t slot = flow.waiting[random.below(flow.waiting.size())];
          queue.remove(entries, slot, klass);
          std::erase(flow.waiting, slot);
        }
        break;
      default: {
        const std::uint32_t slot = queue.peek(false);
        ASSERT_EQ(slot == kNone, count(false) == 0);
        if (slot == kNone) break;
        Flow& its = flows[class_of[slot]];
        ASSERT_EQ(its.waiting.front(), slot) << "first in, first out";
        ASSERT_FALSE(its.how.is_suspended);
        ASSERT_TRUE(its.how.level == Level::High || queue.high() == 0);
        queue.take(entries, slot, class_of[slot]);
        its.waiting.erase(its.waiting.begin());
        ++taken[class_of[slot]];
      }
    }
    ASSERT_EQ(queue.size(), count(false));
    ASSERT_EQ(queue.high(), count(true));
  }
}

TEST(FairQueue, SharesAmongAThousandTenantsByWeight) {
  Slab<RecipientEntry> entries;
  FairQueue queue;
  constexpr std::uint32_t kTenants = 1000, kEach = 30, kTaken = 10'000;
  std::map<std::uint32_t, std::uint32_t> class_of;
  const auto weight = [](std::uint32_t klass) { return klass % 2 == 0 ? 1U : 3U; };
  for (std::uint32_t i = 0; i < kTenants * kEach; ++i) {
    const std::uint32_t slot = entries.take(), klass = i % kTenants;
    class_of[slot] = klass;
    queue.push_back(entries, slot, klass, {.weight = weight(klass)});
  }
  std::vector<std::uint32_t> taken(kTenants);
  for (std::uint32_t i = 0; i < kTaken; ++i) {
    const std::uint32_t slot = queue.peek(false);
    ++taken[class_of[slot]];
    queue.take(entries, slot, class_of[slot]);
  }
  // Half of them have three times the weight of the others: 5 and 15 each.
  for (std::uint32_t klass = 0; klass < kTenants; ++klass)
    EXPECT_NEAR(taken[klass], 5.0 * weight(klass), 1.0) << klass;
}

}  // namespace
}  // namespace ekiden::queue
