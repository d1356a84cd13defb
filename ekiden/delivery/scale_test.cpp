// Goal: what a large queue may cost and must not do: limits hold exactly and are used, urgent mail
// is not behind bulk, and what cannot leave is not looked at.
// Method: whole dispatchers of one or four workers, peers that answer, a clock in the test's hand.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>

#include "ekiden/base/event_loop.hpp"
#include "ekiden/base/random.hpp"
#include "tests/support/dispatch_rig.hpp"
#include "tests/support/fake_clock.hpp"

namespace ekiden::delivery {
namespace {

using namespace std::chrono_literals;

struct Bed {
  explicit Bed(unsigned count) {
    for (unsigned i = 0; i < count; ++i)
      owned.push_back(std::make_unique<base::Worker>(
          base::Worker{i, loop.io().get_executor(), loop.executor(), clock, random}));
    for (const auto& worker : owned) workers.push_back(worker.get());
  }
  /// Everything that can be done now.
  void poll() {
    while (loop.io().poll() > 0) {
    }
    loop.io().restart();
  }
  void run_for(base::Duration time) {
    const base::Steady end = clock.steady() + time;
    for (;;) {
      poll();
      const base::Steady next = std::min(clock.next_timer(), end);
      if (next > clock.steady()) clock.advance(next - clock.steady());
      if (next >= end) break;
    }
    poll();
  }
  void end(test::DispatchRig& rig) {
    rig.drop();
    clock.drop();
    loop.stop();
    loop.drop();
  }

  base::EventLoop loop;
  test::FakeClock clock;
  base::SeededRandom random{1};
  std::vector<std::unique_ptr<base::Worker>> owned;
  std::vector<base::Worker*> workers;
};

std::shared_ptr<const shaping::Profile> provider(const std::string& name, config::Rate rate,
                                                 std::uint32_t connections) {
  auto profile = std::make_shared<shaping::Profile>();
  profile->name = name;
  profile->limits.rate = rate;
  profile->limits.connections = connections;
  return profile;
}

/// Counts what begins in any window that ends now.
class Windows {
 public:
  Windows(base::Clock& clock, base::Duration length) : clock_(clock), length_(length) {}
  void add() {
    begun_.push_back(clock_.steady());
    while (begun_.front() <= clock_.steady() - length_) begun_.pop_front();
    most_ = std::max(most_, begun_.size());
    ++count_;
  }
  std::size_t most() const { return most_; }
  std::uint64_t count() const { return count_; }

 private:
  base::Clock& clock_;
  base::Duration length_;
  std::deque<base::Steady> begun_;
  std::size_t most_ = 0;
  std::uint64_t count_ = 0;
};

TEST(Scale, LimitsOfFourWorkersHoldInEveryWindowAndAreUsedAtTenThousandASecond) {
  Bed bed(4);
  // 10,000 a second in all, by providers of every size, on whichever worker owns them.
  const std::map<std::string, std::uint32_t> rates{{"a", 4000}, {"b", 2500}, {"c", 1500},
                                                   {"d", 1000}, {"e", 600},  {"f", 300},
                                                   {"g", 90},   {"h", 10}};
  std::map<std::string, std::shared_ptr<const shaping::Profile>> profiles;
  std::map<std::string, Windows> windows;
  for (const auto& [name, rate] : rates) {
    profiles[name] = provider(name, {rate, 1s}, 200);
    windows.emplace(name, Windows(bed.clock, 1s));
  }
  DispatcherOptions options;
  options.connections_max = 10'000;
  options.connections_per_site_max = 200;
  // "x.a.example" is one of a's domains.
  const auto profile_of = [&](std::string_view domain) {
    return profiles.at(std::string(domain.substr(domain.find('.') + 1, 1)));
  };
  test::DispatchRig rig(bed.workers, options, profile_of, [&](const Plan& plan, const Job&) {
    windows.at(plan.profile->name).add();
  });
  rig.latency = 20ms;
  constexpr auto kFor = 10s;
  std::uint32_t at = 0;
  for (const auto& [name, rate] : rates) {
    std::vector<std::shared_ptr<const message::Meta>> metas;
    for (int site = 0; site < 5; ++site)
      metas.push_back(test::DispatchRig::meta("s" + std::to_string(site) + "." + name + ".example",
                                              "tenant" + std::to_string(site), "bulk",
                                              bed.clock.now()));
    // More than can leave.
    for (std::uint32_t i = 0; i < rate * 12; ++i) rig.take(at++ % 4, metas[i % metas.size()]);
  }
  bed.run_for(kFor);
  std::uint64_t all = 0;
  for (const auto& [name, rate] : rates) {
    const Windows& seen = windows.at(name);
    all += seen.count();
    EXPECT_LE(seen.most(), rate) << name << ": in any second";
    EXPECT_GE(static_cast<double>(seen.count()), 0.98 * rate * 10) << name << ": of its limit";
  }
  EXPECT_GE(all, 98'000u);
  bed.end(rig);
}

TEST(Scale, APasswordResetLeavesWithinASecondThoughAMillionWaitForItsProvider) {
  constexpr std::uint32_t kBulk = 1'000'000;
  Bed bed(1);
  const auto profile = provider("carrier", {10, 1s}, 5);
  std::optional<base::Steady> left;
  test::DispatchRig rig(
      bed.workers, {}, [&](std::string_view) { return profile; },
      [&](const Plan&, const Job& job) {
        if (job.meta->details.stream == "transactional") left = bed.clock.steady();
      });
  rig.latency = 50ms;
  std::vector<std::shared_ptr<const message::Meta>> metas;
  for (int i = 0; i < 100; ++i)
    metas.push_back(test::DispatchRig::meta("d" + std::to_string(i % 20) + ".example",
                                            "tenant" + std::to_string(i), "bulk", bed.clock.now()));
  for (std::uint32_t i = 0; i < kBulk; ++i) rig.take(0, metas[i % metas.size()]);
  bed.run_for(60s);
  ASSERT_FALSE(left);
  ASSERT_GE(rig.sent, 585u) << "the provider's limit is used up";
  // To a domain that bulk fills, and to one that nobody has written to.
  for (const char* domain : {"d7.example", "new.example"}) {
    left.reset();
    const base::Steady asked = bed.clock.steady();
    rig.take(0, test::DispatchRig::meta(domain, "app", "transactional", bed.clock.now()));
    bed.run_for(5s);
    ASSERT_TRUE(left) << domain;
    EXPECT_LE(*left - asked, 1s) << domain;
  }
  bed.end(rig);
}

TEST(Scale, AQueueOfWhichNothingCanLeaveIsNotLookedAt) {
  Bed bed(2);
  const auto profile = provider("carrier", {10, 1s}, 5);
  test::DispatchRig rig(bed.workers, {}, [&](std::string_view) { return profile; }, {});
  for (unsigned worker = 0; worker < 2; ++worker)
    rig.at(worker).scheduler().suspend(queue::Suspendable::Stream, "bulk", true, bed.clock.now());
  std::vector<std::shared_ptr<const message::Meta>> metas;
  for (int i = 0; i < 1000; ++i)
    metas.push_back(test::DispatchRig::meta("d" + std::to_string(i) + ".example",
                                            "tenant" + std::to_string(i % 50), "bulk",
                                            bed.clock.now()));
  for (std::uint32_t i = 0; i < 20'000; ++i) rig.take(i % 2, metas[i % metas.size()]);
  bed.run_for(10s);
  ASSERT_EQ(rig.queued(), 20'000u);
  EXPECT_EQ(rig.connections, 0u);
  EXPECT_LE(bed.clock.timers(), 2u) << "of each worker's wheel, and nobody else's";
  // An hour passes without anything being done: no timer fires, nothing was posted.
  const base::Steady next = bed.clock.next_timer();
  EXPECT_GE(next - bed.clock.steady(), 1h) << "expiries are days away";
  EXPECT_EQ(bed.loop.io().poll(), 0u);
  bed.loop.io().restart();
  // Resumed, all of it leaves as the limit allows.
  for (unsigned worker = 0; worker < 2; ++worker) {
    rig.at(worker).scheduler().suspend(queue::Suspendable::Stream, "bulk", false, bed.clock.now());
    rig.at(worker).wake();
  }
  bed.run_for(10s);
  EXPECT_GE(rig.sent, 95u);
  EXPECT_LE(rig.sent, 101u);
  bed.end(rig);
}

TEST(Scale, ADeadSiteIsAskedByOneConnectionAndTheOthersGoOn) {
  Bed bed(1);
  test::DispatchRig rig(bed.workers, {}, [](std::string_view) { return nullptr; }, {});
  const auto dead = test::DispatchRig::meta("dead.example", "a", "bulk", bed.clock.now());
  const auto well = test::DispatchRig::meta("well.example", "a", "bulk", bed.clock.now());
  rig.is_dead = [](const Plan& plan) { return plan.site == "mx.dead.example"; };
  for (int i = 0; i < 1000; ++i) rig.take(0, dead);
  bed.run_for(1h);
  const std::uint64_t asked = rig.connections;
  EXPECT_LE(asked, 40u) << "a rest that doubles up to a quarter of an hour";
  for (int i = 0; i < 1000; ++i) rig.take(0, well);
  bed.run_for(1s);
  EXPECT_EQ(rig.sent, 1000u);
  rig.is_dead = nullptr;
  bed.run_for(2h);
  EXPECT_EQ(rig.queued(), 0u) << "it is asked again when its rest is over";
  bed.end(rig);
}

}  // namespace
}  // namespace ekiden::delivery
