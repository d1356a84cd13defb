// Goal: a source's IPv6 address is usable while its PTR record is right, and only then.
// Method: a scripted DNS on a clock moved by hand; what the watch tells is written down.
#include "ekiden/delivery/reverse_watch.hpp"

#include <gtest/gtest.h>

#include <optional>

#include "ekiden/account/test_worker.hpp"
#include "ekiden/delivery/egress.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::delivery {
namespace {

using namespace std::chrono_literals;

constexpr const char* kReverse =
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";

std::shared_ptr<const SourceSet> one(bool has_ipv4 = true, const char* ipv6 = "2001:db8::1") {
  SourceOptions source;
  source.name = "mail1";
  source.ehlo_name = "mail1.example.jp";
  if (has_ipv4) source.ipv4 = boost::asio::ip::make_address("192.0.2.1");
  source.ipv6 = boost::asio::ip::make_address(ipv6);
  source.needs_ptr = true;
  return std::make_shared<const SourceSet>(std::vector{source}, std::vector<PoolOptions>());
}

struct ReverseWatchTest : testing::Test {
  ReverseWatchTest() {
    dns.ttl(600);
    dns.ptr(kReverse, "mail1.example.jp").aaaa("mail1.example.jp", "2001:db8::1");
    watch.emplace(at.worker, dns, [this](const std::string& source, const std::string& why) {
      EXPECT_EQ(source, "mail1");
      told = why;
      ++tells;
    });
  }
  ~ReverseWatchTest() override {
    watch->close();
    at.settle();
    watch.reset();
  }
  void pass(base::Duration time) {
    for (base::Duration gone{}; gone < time; gone += 1min) {
      at.clock.advance(1min);
      at.settle();
      at.clock.advance(0s);
      at.settle();
    }
  }
  void begin(std::shared_ptr<const SourceSet> sources = one()) {
    watch->set_sources(sources);
    for (int i = 0; i < 4; ++i) {
      at.clock.advance(1ms);
      at.settle();
    }
  }

  account::TestWorker at;
  test::FakeResolver dns{at.clock};
  std::optional<ReverseWatch> watch;
  std::string told = "nothing";
  int tells = 0;
};

TEST_F(ReverseWatchTest, AConfirmedAddressIsUsable) {
  begin();
  EXPECT_EQ(told, "");
  EXPECT_EQ(tells, 2) << "not looked up yet, then fine";
}

TEST_F(ReverseWatchTest, WithoutTheRightRecordItIsNotAndSaysWhy) {
  dns.remove(kReverse);
  begin();
  EXPECT_EQ(told, "2001:db8::1 has no PTR record");
  dns.ptr(kReverse, "other.example");
  pass(6min);
  EXPECT_EQ(told, "the PTR record of 2001:db8::1 names other.example, not mail1.example.jp");
  dns.ptr(kReverse, "MAIL1.example.jp.").remove("mail1.example.jp");
  pass(6min);
  EXPECT_NE(told.find("does not have that address"), std::string::npos) << told;
  dns.aaaa("mail1.example.jp", "2001:db8::1");
  pass(6min);
  EXPECT_EQ(told, "") << "several names are fine as long as one is ours";
}

TEST_F(ReverseWatchTest, IsAskedAgainWhenTheTtlIsOver) {
  begin();
  dns.remove(kReverse);
  pass(9min);
  EXPECT_EQ(told, "") << "the record's TTL is ten minutes";
  pass(2min);
  EXPECT_EQ(told, "2001:db8::1 has no PTR record");
}

TEST_F(ReverseWatchTest, ADnsThatFailsLeavesWhatIsKnownForAWhile) {
  begin();
  dns.fail(kReverse);
  pass(60min);
  EXPECT_EQ(told, "") << "known, and kept for an hour behind its TTL";
  pass(15min);
  EXPECT_NE(told.find("is not known"), std::string::npos) << told;
  dns.heal(kReverse);
  pass(2min);
  EXPECT_EQ(told, "") << "asked again each minute";
}

TEST_F(ReverseWatchTest, ADnsThatNeverAnsweredMakesNothingUsable) {
  dns.fail(kReverse);
  begin();
  EXPECT_NE(told.find("is not known"), std::string::npos) << told;
}

TEST_F(ReverseWatchTest, AReloadLooksAtWhatIsNewOnly) {
  begin();
  const int before = tells;
  begin();
  EXPECT_EQ(tells, before) << "the same address and name";
  begin(one(true, "2001:db8::2"));
  EXPECT_EQ(told, "2001:db8::2 has no PTR record");
  watch->set_sources(nullptr);
  pass(30min);
}

TEST(EgressIpv6, AnUnconfirmedAddressIsLeftOutAndASourceWithoutIpv4Rests) {
  for (const bool has_ipv4 : {true, false}) {
    Egress egress;
    egress.set_sources(one(has_ipv4));
    Plan towards;
    towards.site = "mx.example:25";
    const shaping::Moment now{base::from_unix_us(1'700'000'000'000'000), base::Steady(1h)};
    Egress::Provider* const provider = egress.provider(towards, now);
    const queue::Suspended suspended;
    std::vector<Egress::Stuck> stuck;
    const auto choose = [&] {
      const auto way = egress.choose(*provider, "default", suspended, now, stuck);
      return way ? Egress::plan_for(std::make_shared<Plan>(towards), *way) : nullptr;
    };
    for (const char* why : {"", "it has no PTR record"}) {
      if (*why != '\0') egress.set_ipv6("mail1", why);
      const auto plan = choose();
      if (has_ipv4) {
        ASSERT_NE(plan, nullptr);
        EXPECT_TRUE(plan->source4 && !plan->source6);
      } else {
        EXPECT_EQ(plan, nullptr);
        ASSERT_EQ(stuck.size(), 1u);
        EXPECT_EQ(stuck[0].why, *why == '\0' ? kReverseNotLookedUp : why);
      }
    }
    egress.set_ipv6("mail1", "");
    const auto plan = choose();
    ASSERT_NE(plan, nullptr);
    EXPECT_TRUE(plan->source6);
  }
}

TEST(EgressIpv6, TheProvidersOrderOfFamiliesGoesBeforeTheSources) {
  auto profile = std::make_shared<shaping::Profile>();
  profile->name = "carrier";
  Plan towards;
  towards.profile = profile;
  towards.families = {shaping::Family::Ipv4, shaping::Family::Ipv6};
  const auto set = one();
  Egress::Way way{set->find("mail1"), "mail1", 0, nullptr};
  auto made = Egress::plan_for(std::make_shared<Plan>(towards), way);
  EXPECT_EQ(made->families.front(), shaping::Family::Ipv4);
  EXPECT_EQ(made->families.size(), 2u);
  towards.families = {shaping::Family::Ipv4};
  made = Egress::plan_for(std::make_shared<Plan>(towards), way);
  EXPECT_EQ(made->families, std::vector{shaping::Family::Ipv4}) << "a provider may narrow it";
  profile->name = "default";
  towards.families = {shaping::Family::Ipv4, shaping::Family::Ipv6};
  made = Egress::plan_for(std::make_shared<Plan>(towards), way);
  EXPECT_EQ(made->families.front(), shaping::Family::Ipv6) << "nobody's own wish: the source's";
}

}  // namespace
}  // namespace ekiden::delivery
