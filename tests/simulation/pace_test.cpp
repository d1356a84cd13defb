// Goal: mail leaves as fast as providers let it, never faster than a limit allows, and what is
// urgent overtakes what is not.
// Method: whole relays on simulated ground with the shipped rules, or with limits of the test;
// providers that answer with real reply texts and count what comes. bench/providers_bench prints
// the longer runs beside fixed limits.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "ekiden/shaping/providers.hpp"
#include "tests/simulation/ground.hpp"
#include "tests/simulation/paced_relay.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

std::shared_ptr<const shaping::Providers> shipped() {
  static const auto kLoaded = shaping::load_providers({});
  return kLoaded.providers;
}

/// Held to what docs/SHAPING.md promises of every provider.
void expect_converged(const PaceFigures& figures) {
  ASSERT_TRUE(figures.has_run);
  EXPECT_GT(figures.learning.throttled, 0u) << "it learnt from nothing";
  EXPECT_GE(figures.of_best, 0.90);
  EXPECT_LE(figures.of_best, 1.02) << "the provider took more than it says";
  EXPECT_LT(figures.throttled_share, 0.02);
}

PaceCase gmail() {
  return {1,
          "gmail.com",
          "gmail-smtp-in.l.google.com",
          shipped(),
          [](base::Random&) { return gmail_like(4); },
          4,
          minutes(100),
          minutes(40),
          true};
}

TEST(Pace, OfGmailIsLearnt) {
  expect_converged(run_pace(gmail()));
}

TEST(Pace, WithoutLearningIsThrottledForTheExcessOrLeavesTheRestUnused) {
  PaceCase one = gmail();
  one.has_tls = false;
  one.length = minutes(40);
  one.counted_from = minutes(10);
  const shaping::Profile& profile = *shipped()->find_by_name("gmail");
  one.providers = fixed_limits(profile, 2);
  const PaceFigures half = run_pace(one);
  ASSERT_TRUE(half.has_run);
  EXPECT_NEAR(half.of_best, 0.5, 0.02);
  EXPECT_EQ(half.counted.throttled, 0u);
  one.providers = fixed_limits(profile, 6);
  const PaceFigures above = run_pace(one);
  ASSERT_TRUE(above.has_run);
  EXPECT_GT(above.throttled_share, 0.05);
}

TEST(Pace, OfDocomoIsLearntAndItsWordsAboutUsersAreNoThrottling) {
  const PaceFigures figures = run_pace({2, "docomo.ne.jp", "mfsmax.docomo.ne.jp", shipped(),
                                        [](base::Random& random) { return docomo_like(1, random); },
                                        1, hours(4), hours(2), false});
  expect_converged(figures);
  // The same words: an address that is no good, and a filter of one that is.
  const auto& reasons = figures.reasons;
  ASSERT_TRUE(reasons.contains("bounced user_unknown recipient"));
  ASSERT_TRUE(reasons.contains("bounced filtered recipient"));
  EXPECT_TRUE(reasons.contains("deferred rate_limited infrastructure"))
      << "554 above the rate bounces nobody";
  EXPECT_FALSE(reasons.contains("bounced rate_limited infrastructure"));
  EXPECT_EQ(reasons.at("bounced user_unknown recipient") + reasons.at("bounced filtered recipient"),
            figures.learning.refused + figures.counted.refused);
}

TEST(Pace, OfAuIsLearntFromConnectionsThatAreReset) {
  expect_converged(run_pace({3, "ezweb.ne.jp", "msmx.au.com", shipped(),
                             [](base::Random& random) { return au_like(1, random); }, 1, hours(4),
                             hours(2), false}));
}

TEST(Pace, OfYahooIsLearntFromDeferralsThatNeedAPause) {
  expect_converged(run_pace({4, "yahoo.com", "mta5.am0.yahoodns.net", shipped(),
                             [](base::Random&) { return yahoo_like(180); }, 0.05, hours(12 * 24),
                             hours(3 * 24), false}));
}

/// Providers of the test: "a" takes `rates["a"]` transactions of one recipient a second.
std::shared_ptr<const shaping::Providers> limited(
    const std::map<std::string, std::uint32_t>& rates) {
  std::vector<shaping::RuleFile> files = {
      {"default.toml", "[limits]\nconnections = 10\nrecipients_per_transaction = 1\n", ""}};
  for (const auto& [name, rate] : rates)
    files.push_back({name + ".toml",
                     "mx = [\"mx." + name + ".example\"]\n[limits]\nconnections = 200\n" +
                         "messages_per_connection = 1000\nrate = \"" + std::to_string(rate) +
                         "/s\"\n",
                     ""});
  return shaping::build_providers(files).providers;
}

/// The most that came within any second.
std::size_t most_in_a_second(const std::vector<base::Steady>& starts) {
  std::size_t most = 0, from = 0;
  for (std::size_t at = 0; at < starts.size(); ++at) {
    while (starts[from] <= starts[at] - seconds(1)) ++from;
    most = std::max(most, at - from + 1);
  }
  return most;
}

TEST(Limits, OfFourWorkersHoldInEveryWindowAndAreUsedAtTenThousandASecond) {
  const std::map<std::string, std::uint32_t> rates{{"a", 4000}, {"b", 2500}, {"c", 1500},
                                                   {"d", 1000}, {"e", 600},  {"f", 300},
                                                   {"g", 90},   {"h", 10}};
  constexpr unsigned kFor = 3;
  constexpr std::size_t kRecipients = 500;
  PacedRelay relay({7, 4, limited(rates), false, milliseconds(1)});
  std::map<std::string, Provider*> hosts;
  for (const auto& [name, rate] : rates)
    hosts[name] = &relay.add(name + ".example", "mx." + name + ".example",
                             ("20.2.0." + std::to_string(1 + hosts.size())).c_str(), patient());
  ASSERT_TRUE(relay.start());
  std::uint64_t wanted = 0;
  for (const auto& [name, rate] : rates)
    // More than can leave.
    for (std::uint32_t taken = 0; taken < rate * (kFor + 2); taken += kRecipients, ++wanted)
      relay.submit(name + ".example", kRecipients, PacedRelay::Way::Bulk);
  while (relay.accepted() < wanted) ASSERT_TRUE(relay.run_for(milliseconds(100)));
  ASSERT_TRUE(relay.run_for(milliseconds(200)));
  for (const auto& [name, host] : hosts) host->forget();
  ASSERT_TRUE(relay.run_for(seconds(kFor)));
  std::uint64_t all = 0;
  for (const auto& [name, rate] : rates) {
    const std::vector<base::Steady>& starts = hosts.at(name)->starts();
    all += starts.size();
    EXPECT_LE(most_in_a_second(starts), rate) << name << ": in any second";
    EXPECT_GE(static_cast<double>(starts.size()) + 1, 0.98 * rate * kFor) << name;
  }
  EXPECT_GE(all, 9'800u * kFor);
}

TEST(Limits, AreUsedWhereATurnComesJustAsAConnectionEndsForWantOfOne) {
  // A connection waits five seconds for a message; here one is due every 5.18 s.
  const auto providers = shaping::build_providers(
      {{"default.toml", "[limits]\nconnections = 10\n", ""},
       {"slow.toml", "mx = [\"mx.slow.example\"]\n[limits]\nrate = \"700/h\"\n", ""}});
  for (const unsigned workers : {1U, 2U}) {
    PacedRelay relay({10, workers, providers.providers});
    Provider& host = relay.add("slow.example", "mx.slow.example", "20.2.0.1", patient());
    ASSERT_TRUE(relay.start());
    relay.feed_without_end("slow.example", 100);
    ASSERT_TRUE(relay.run_for(hours(1)));
    host.forget();
    ASSERT_TRUE(relay.run_for(hours(4)));
    EXPECT_GE(host.starts().size(), 4u * 700 * 98 / 100) << workers;
    EXPECT_LE(host.starts().size(), 4u * 700 + 7) << workers;
  }
}

TEST(Sources, OneWhoseAddressVanishesRestsAndReturnsAndNobodyPaysForIt) {
  PacedRelay relay({9, 2, limited({{"a", 20}}), false, milliseconds(10), 2});
  Provider& host = relay.add("a.example", "mx.a.example", "20.2.0.1", patient());
  ASSERT_TRUE(relay.start());
  relay.feed_without_end("a.example", 2000);
  const auto shares_of = [&](base::Duration time) {
    host.forget();
    EXPECT_TRUE(relay.run_for(time));
    std::vector<double> shares;
    for (const net::Address& source : kSources) {
      const auto found = host.clients().find(source);
      shares.push_back(found == host.clients().end()
                           ? 0
                           : static_cast<double>(found->second) /
                                 static_cast<double>(host.starts().size()));
    }
    return shares;
  };
  EXPECT_NEAR(shares_of(minutes(5))[0], 0.5, 0.05);
  relay.take_away(0, true);
  // Connections that are open end by themselves.
  ASSERT_TRUE(relay.run_for(minutes(2)));
  EXPECT_EQ(shares_of(minutes(10))[0], 0);
  EXPECT_GE(host.starts().size(), 600u * 20 * 98 / 100) << "its limit is not the other's";
  relay.take_away(0, false);
  // It is looked for each minute.
  ASSERT_TRUE(relay.run_for(minutes(2)));
  EXPECT_NEAR(shares_of(minutes(5))[0], 0.5, 0.05);
  EXPECT_TRUE(relay.events().reasons().empty());
}

TEST(Priority, APasswordResetLeavesWithinASecondThoughAMillionRecipientsWaitForItsProvider) {
  constexpr std::size_t kMessages = 1000, kRecipients = 1000;
  PacedRelay relay({8, 2, limited({{"carrier", 10}}), false, milliseconds(5)});
  Provider& carrier = relay.add("carrier.example", "mx.carrier.example", "20.2.0.1", patient());
  ASSERT_TRUE(relay.start());
  for (std::size_t i = 0; i < kMessages; ++i)
    relay.submit("carrier.example", kRecipients, PacedRelay::Way::Bulk);
  while (relay.accepted() < kMessages) ASSERT_TRUE(relay.run_for(seconds(1)));
  ASSERT_TRUE(relay.run_for(seconds(20)));
  ASSERT_GE(carrier.starts().size(), 190u) << "the provider's limit is used up";
  ASSERT_GT(relay.queued(), kMessages * kRecipients - 2000);
  EXPECT_EQ(relay.events().delivered("transactional"), 0u);
  relay.submit("carrier.example", 1, PacedRelay::Way::Transactional);
  while (relay.accepted() == kMessages) ASSERT_TRUE(relay.run_for(milliseconds(10)));
  ASSERT_TRUE(relay.run_for(seconds(1)));
  EXPECT_EQ(relay.events().delivered("transactional"), 1u);
}

}  // namespace
}  // namespace ekiden::simulation
