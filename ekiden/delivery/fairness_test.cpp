// Goal: a password reset leaves within a second though a million bulk messages wait for the same
// provider; tenants share what a provider takes by their weights, however much of each waits.
// Method: the scheduler and a channel with a rate, simulated time, no connection.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "ekiden/queue/scheduler.hpp"
#include "ekiden/shaping/channel.hpp"

namespace ekiden::delivery {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kBulk = 1'000'000;
const base::Time kBegin = base::from_unix_us(1'700'000'000'000'000);

shaping::Moment at(base::Duration since) {
  return {kBegin + since, base::Steady(1h) + since};
}

TEST(Fairness, APasswordResetLeavesWithinASecondBehindAMillionBulkMessages) {
  queue::Scheduler scheduler(kBegin);
  const auto add = [&](std::uint64_t id, const char* tenant, const char* stream, base::Time now) {
    const queue::Arrival arrival{
        .domain = "carrier.example", .due = now, .expires = now + std::chrono::hours(120)};
    scheduler.add({base::MessageId{id, 1}, nullptr, now, 10'000, tenant, stream}, {arrival}, now);
  };
  for (std::uint64_t i = 1; i <= kBulk; ++i) add(i, i % 3 == 0 ? "shop" : "news", "bulk", kBegin);
  const std::uint32_t lane = scheduler.lane("mx.carrier.example", {});
  scheduler.assign_domain(scheduler.next_unresolved(), lane, kBegin + 24h, kBegin);
  ASSERT_EQ(scheduler.ready(lane), kBulk);

  auto profile = std::make_shared<shaping::Profile>();
  profile->limits.rate = {10, 1s};
  shaping::Channel channel(profile, false, {}, at(0s));
  constexpr std::uint64_t kReset = kBulk + 1;
  constexpr base::Duration kAsked = 60s;
  std::optional<base::Duration> left;
  std::uint32_t sent = 0;
  for (base::Duration now{}; now < 120s && !left;) {
    const shaping::Held held = channel.holds_transaction(at(now));
    const base::Duration next = held.is_free() ? now : held.until - kBegin;
    if (now < kAsked && next >= kAsked) add(kReset, "app", "transactional", kBegin + kAsked);
    now = next;
    if (!held.is_free()) continue;
    const auto pick = scheduler.pick(lane, kBegin + now);
    ASSERT_TRUE(pick);
    channel.started(at(now), 1);
    channel.ended();
    ++sent;
    if (pick->id == base::MessageId{kReset, 1}) left = now;
  }
  ASSERT_TRUE(left);
  EXPECT_LE(*left - kAsked, 1s);
  EXPECT_GE(sent, 585u) << "98 % of the rate are used";
}

/// bench/RESULTS.md has its figures, which it prints with --gtest_output=json.
TEST(Fairness, TenantsShareAProvidersRateByTheirWeightsHoweverMuchOfEachWaits) {
  struct Tenant {
    const char* name;
    std::uint32_t weight, waiting;
  };
  const Tenant tenants[] = {
      {"news", 1, 200'000}, {"shop", 3, 20'000}, {"blog", 2, 3'000}, {"tiny", 1, 10}};
  queue::Scheduler scheduler(kBegin);
  scheduler.set_shares([&](std::string_view tenant, std::string_view) {
    queue::Klass how;
    for (const Tenant& one : tenants)
      if (one.name == tenant) how.weight = one.weight;
    return how;
  });
  std::uint64_t id = 0;
  for (const Tenant& one : tenants) {
    for (std::uint32_t i = 0; i < one.waiting; ++i) {
      const queue::Arrival arrival{
          .domain = "carrier.example", .due = kBegin, .expires = kBegin + std::chrono::hours(120)};
      scheduler.add({base::MessageId{++id, 1}, nullptr, kBegin, 10'000, one.name, "bulk"},
                    {arrival}, kBegin);
    }
  }
  const std::uint32_t lane = scheduler.lane("mx.carrier.example", {});
  scheduler.assign_domain(scheduler.next_unresolved(), lane, kBegin + 24h, kBegin);
  auto profile = std::make_shared<shaping::Profile>();
  profile->limits.rate = {100, 1s};
  shaping::Channel channel(profile, false, {}, at(0s));
  std::map<std::string, std::uint32_t, std::less<>> sent;
  base::Duration tiny_done{};
  for (base::Duration now{}; now < 60s;) {
    const shaping::Held held = channel.holds_transaction(at(now));
    if (!held.is_free()) {
      now = held.until - kBegin;
      continue;
    }
    const auto pick = scheduler.pick(lane, kBegin + now);
    ASSERT_TRUE(pick);
    const std::string_view tenant =
        scheduler.class_names(scheduler.message(pick->message).klass).first;
    if (++sent[std::string(tenant)] == 10 && tenant == "tiny") tiny_done = now;
    channel.started(at(now), 1);
    channel.ended();
  }
  EXPECT_EQ(sent["tiny"], 10u);
  EXPECT_LE(tiny_done, 1s) << "a seventh of the rate, though 223,000 came before it";
  const double shared = sent["news"] + sent["shop"] + sent["blog"];
  for (const Tenant& one : tenants) {
    RecordProperty(one.name, std::to_string(sent[one.name]));
    if (one.waiting > 10) EXPECT_NEAR(sent[one.name] / shared, one.weight / 6.0, 0.005) << one.name;
  }
  RecordProperty("tiny_done_us", std::to_string(tiny_done.count()));
  EXPECT_GE(shared, 60 * 98) << "98 % of the rate are used";
}

}  // namespace
}  // namespace ekiden::delivery
