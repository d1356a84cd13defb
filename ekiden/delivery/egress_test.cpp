// Goal: the source of a connection is chosen anew, among those that may, by weight.
// Method: times handed in; no connection is opened.
#include "ekiden/delivery/egress.hpp"

#include <gtest/gtest.h>

#include "ekiden/delivery/channel_records.hpp"

namespace ekiden::delivery {
namespace {

using namespace std::chrono_literals;

shaping::Moment at(base::Duration since) {
  return {base::from_unix_us(1'700'000'000'000'000) + since, base::Steady(1h) + since};
}

SourceOptions source(std::string name, const char* address) {
  SourceOptions made;
  made.name = std::move(name);
  made.ehlo_name = made.name + ".relay.example";
  made.ipv4 = boost::asio::ip::make_address(address);
  return made;
}

std::shared_ptr<const SourceSet> two() {
  return std::make_shared<const SourceSet>(
      std::vector{source("a", "127.0.0.2"), source("b", "127.0.0.3")}, std::vector<PoolOptions>());
}

Plan plan(std::uint32_t connections = 1) {
  auto profile = std::make_shared<shaping::Profile>();
  profile->name = "carrier";
  profile->limits.connections = connections;
  Plan made;
  made.site = "mx.carrier.example:25";
  made.profile = profile;
  return made;
}

struct Rig {
  Egress egress;
  queue::Suspended suspended;
  std::vector<Egress::Stuck> stuck;
  Egress::Provider* provider = nullptr;

  explicit Rig(const Plan& towards, std::shared_ptr<const SourceSet> sources = two()) {
    egress.set_sources(std::move(sources));
    provider = egress.provider(towards, at(0s));
  }
  std::string chosen(std::string_view way = "default", base::Duration now = 0s) {
    const auto found = egress.choose(*provider, way, suspended, at(now), stuck);
    return found ? found->name : "";
  }
  void open(std::string_view name) { egress.channel(*provider, name, at(0s))->opened(at(0s)); }
};

TEST(Egress, HasNoSayWithoutSourcesAndLimits) {
  Egress egress;
  Plan named;
  named.site = "smarthost.example:25";
  EXPECT_EQ(egress.provider(named, at(0s)), nullptr);
  EXPECT_EQ(egress.pool_for(message::Details{}, "mx"), "");
}

TEST(Egress, PassesOverSourcesThatALimitHoldsAndSaysWhatHoldsAll) {
  Rig rig(plan());
  EXPECT_EQ(rig.chosen(), "a");
  rig.open("a");
  EXPECT_EQ(rig.chosen(), "b");
  rig.open("b");
  EXPECT_EQ(rig.chosen(), "");
  ASSERT_EQ(rig.stuck.size(), 2u);
  EXPECT_EQ(rig.stuck[0].held.by, shaping::Hold::Connections);
}

TEST(Egress, SourcesThatRestOrAreSuspendedAreFreedByTheirTimeOrTheOperator) {
  Rig rig(plan());
  rig.egress.rest("a", {at(60s).steady, "listed"});
  rig.suspended.set(queue::Suspendable::Source, "b", true);
  EXPECT_EQ(rig.chosen(), "");
  EXPECT_EQ(rig.stuck[0].source, "a") << "the first to be freed comes first";
  EXPECT_EQ(rig.stuck[0].why, "listed");
  EXPECT_EQ(rig.stuck[1].held.until, base::Time::max());
  EXPECT_EQ(rig.chosen("default", 61s), "a");
  rig.suspended.set(queue::Suspendable::Source, "b", false);
  EXPECT_EQ(rig.chosen("default", 1s), "b");
}

TEST(Egress, ARestLastsAsLongAsItWasSaidToHoweverTheClockIsSet) {
  for (const base::Duration jump : {base::Duration(-7h), base::Duration(7h)}) {
    Rig rig(plan());
    rig.egress.rest("a", {at(60s).steady, "listed"});
    rig.suspended.set(queue::Suspendable::Source, "b", true);
    shaping::Moment now = at(59s);
    now.wall += jump;
    EXPECT_FALSE(rig.egress.choose(*rig.provider, "default", rig.suspended, now, rig.stuck));
    EXPECT_EQ(rig.stuck[0].held.until, now.wall + 1s) << "as the clock is set now";
    now = at(61s);
    now.wall += jump;
    EXPECT_TRUE(rig.egress.choose(*rig.provider, "default", rig.suspended, now, rig.stuck));
  }
}

/// What is left at the start of a rest that was stored with a minute to go.
base::Duration left_after_restart(base::Duration away, base::Duration clock_set_by) {
  Egress before;
  before.set_sources(two());
  before.rest("a", {at(60s).steady, "listed", true});
  before.rest("b", {at(60s).steady, "its address is not on this machine"});
  std::vector<ChannelRecord> records;
  before.collect_rests(records, at(0s));
  EXPECT_EQ(records.size(), 1u) << "whether an address is there is looked at again";
  Egress after;
  after.set_sources(two());
  // The machine was started again too: its steady clock begins anew.
  const shaping::Moment now{at(away + clock_set_by).wall, base::Steady(5s)};
  after.remember(std::make_shared<const std::vector<ChannelRecord>>(
                     *decode_channels(encode_channels(std::move(records)))),
                 now);
  EXPECT_EQ(after.rests().at("a").why, "listed");
  EXPECT_FALSE(after.rests().contains("b"));
  return after.rests().at("a").until - now.steady;
}

TEST(Egress, ARestThatAPeerAskedForGoesOnAfterARestart) {
  EXPECT_EQ(left_after_restart(20s, 0s), 40s);
  EXPECT_EQ(left_after_restart(20s, -7h), 60s) << "never longer than it was";
  EXPECT_EQ(left_after_restart(20s, 7h), 0s);
}

TEST(Egress, SitesOfTheSameHostsHaveOneOwnerAndOneChannel) {
  auto profile = std::make_shared<shaping::Profile>();
  profile->name = "default";
  Plan one;
  one.profile = profile;
  one.targets = {{.host = "b.example", .preference = 1}, {.host = "a.example", .port = 2525}};
  one.hosts = names_of(one.targets);
  EXPECT_EQ(one.hosts, "a.example:2525,b.example:25") << "whatever their order";
  one.site = "mx opportunistic b.example<a.example";
  Plan two = one;
  two.site += " requiretls";
  EXPECT_EQ(owner_key(one), owner_key(two));
  Egress egress;
  Egress::Provider* const provider = egress.provider(one, at(0s));
  EXPECT_EQ(egress.provider(two, at(0s)), provider);
  EXPECT_EQ(provider->profile, one.profile);
  EXPECT_TRUE(has_host(one.hosts, "a.example"));
  EXPECT_TRUE(has_host("[2600::9]:25", "2600::9"));
  EXPECT_FALSE(has_host(one.hosts, "example"));
  EXPECT_FALSE(has_host("", ""));
}

TEST(Egress, AKeptSourceIsWaitedForUnlessItRests) {
  Rig rig(plan());
  EXPECT_EQ(rig.chosen("default@b"), "b");
  rig.open("b");
  EXPECT_EQ(rig.chosen("default@b"), "") << "a would begin the waiting anew";
  ASSERT_EQ(rig.stuck.size(), 1u);
  EXPECT_EQ(rig.stuck[0].source, "b");
  rig.egress.rest("b", {at(60s).steady, "listed"});
  EXPECT_EQ(rig.chosen("default@b"), "a");
  EXPECT_EQ(rig.chosen("default@gone"), "a") << "by a reload";
}

TEST(Egress, AShunnedSourceIsTakenOnlyWhenThereIsNoOther) {
  Rig rig(plan());
  EXPECT_EQ(rig.chosen("default!a"), "b");
  rig.open("b");
  EXPECT_EQ(rig.chosen("default!a"), "a");
}

TEST(Egress, ASourceThatIsAheadLeavesTheTurnToOneThatMay) {
  Rig rig(plan(5));
  while (!rig.egress.is_ahead(*rig.provider, "default", 0, {}, rig.suspended, at(0s)))
    rig.egress.count("default", 0);
  EXPECT_EQ(rig.chosen(), "b");
  for (int i = 0; i < 5; ++i) rig.open("b");
  EXPECT_FALSE(rig.egress.is_ahead(*rig.provider, "default", 0, {}, rig.suspended, at(1s)))
      << "all that it may have are busy";
  EXPECT_TRUE(rig.egress.is_ahead(*rig.provider, "default", 0, {"b"}, rig.suspended, at(1s)));
  rig.egress.rest("b", {at(60s).steady, "listed"});
  EXPECT_FALSE(rig.egress.is_ahead(*rig.provider, "default", 0, {"b"}, rig.suspended, at(1s)));
}

TEST(Egress, AWarmingSourcesOverflowGoesToTheWarmOne) {
  SourceOptions fresh = source("new", "127.0.0.2");
  fresh.warms_up = true;
  Plan towards = plan(5);
  auto profile = std::make_shared<shaping::Profile>(*towards.profile);
  profile->warm_up.days = {1, 2};
  towards.profile = profile;
  Rig rig(towards, std::make_shared<const SourceSet>(std::vector{fresh, source("old", "127.0.0.3")},
                                                     std::vector<PoolOptions>()));
  EXPECT_EQ(rig.chosen(), "new");
  shaping::Channel* const channel = rig.egress.channel(*rig.provider, "new", at(0s));
  channel->opened(at(0s));
  channel->started(at(0s), 1);
  EXPECT_EQ(rig.chosen("default", 1h), "old");
  std::vector<ChannelRecord> records;
  rig.egress.collect(records);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].provider, "carrier");
  EXPECT_EQ(records[0].source, "new");
  EXPECT_EQ(records[0].state.warm_up.sent, 1u);

  Egress later;
  later.set_sources(
      std::make_shared<const SourceSet>(std::vector{fresh}, std::vector<PoolOptions>()));
  later.remember(std::make_shared<const std::vector<ChannelRecord>>(records), at(1h));
  Egress::Provider* const again = later.provider(towards, at(1h));
  EXPECT_EQ(later.channel(*again, "new", at(1h))->warm_up().state().sent, 1u);
}

TEST(Egress, ThePlanGetsTheSourcesAddressesNameAndFamilies) {
  Rig rig(plan());
  auto towards = std::make_shared<Plan>(plan());
  towards->families = {shaping::Family::Ipv6, shaping::Family::Ipv4};
  const auto way = rig.egress.choose(*rig.provider, "default", rig.suspended, at(0s), rig.stuck);
  ASSERT_TRUE(way);
  const auto made = Egress::plan_for(towards, *way);
  EXPECT_EQ(made->source_name, "a");
  EXPECT_EQ(made->ehlo_name, "a.relay.example");
  EXPECT_EQ(made->source4->to_string(), "127.0.0.2");
  EXPECT_FALSE(made->source6);
  EXPECT_FALSE(made->is_paced);
  Egress none;
  const Egress::Way machines{nullptr, "default", 0, nullptr};
  EXPECT_EQ(Egress::plan_for(towards, machines), std::shared_ptr<const Plan>(towards))
      << "not copied for nothing";
}

}  // namespace
}  // namespace ekiden::delivery
