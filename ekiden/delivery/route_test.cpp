#include "ekiden/delivery/route.hpp"

#include <gtest/gtest.h>

namespace ekiden::delivery {
namespace {

RouteOptions route(std::vector<std::string> domains, std::vector<std::string> next_hop) {
  RouteOptions options;
  options.domains = std::move(domains);
  options.next_hop = std::move(next_hop);
  return options;
}

std::optional<NextHop> parse(std::vector<std::string> texts) {
  std::string why;
  auto next_hop = parse_next_hop(texts, why);
  EXPECT_EQ(next_hop.has_value(), why.empty()) << why;
  return next_hop;
}

TEST(Route, ReadsNextHops) {
  EXPECT_EQ(parse({})->kind, NextHop::Kind::Mx);
  EXPECT_EQ(parse({"mx"})->kind, NextHop::Kind::Mx);
  EXPECT_EQ(parse({"hold"})->kind, NextHop::Kind::Hold);
  EXPECT_EQ(parse({"discard"})->kind, NextHop::Kind::Discard);
  const NextHop hosts = *parse({"Smart.Example:587", "[2001:db8::1]:2525", "192.0.2.1", "a.b:465"});
  ASSERT_EQ(hosts.hosts.size(), 4U);
  EXPECT_EQ(hosts.hosts[0].host, "smart.example");
  EXPECT_EQ(hosts.hosts[0].port, 587);
  EXPECT_EQ(hosts.hosts[1].host, "2001:db8::1");
  EXPECT_EQ(hosts.hosts[1].port, 2525);
  EXPECT_EQ(hosts.hosts[2].port, 25);
  EXPECT_TRUE(hosts.hosts[3].has_implicit_tls);
  EXPECT_FALSE(hosts.hosts[0].is_from_mx);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(hosts.hosts[i].preference, i);
}

TEST(Route, RefusesNextHopsThatCannotBeRead) {
  for (const char* bad : {"", ":25", "host:", "host:0", "host:65536", "host:x", "2001:db8::1",
                          "[::1", "[::1]25", "a b:25"}) {
    std::string why;
    const std::vector<std::string> texts = {bad};
    EXPECT_FALSE(parse_next_hop(texts, why)) << bad;
    EXPECT_FALSE(why.empty());
  }
  std::string why;
  const std::vector<std::string> mixed = {"a.example", "hold"};
  EXPECT_FALSE(parse_next_hop(mixed, why));
}

TEST(Route, FirstMatchWins) {
  std::string why;
  const auto table = RouteTable::make(
      {route({"special.example.org"}, {"one.example"}), route({"*.example.org"}, {"two.example"}),
       route({"example.org", "deep.below.example.org"}, {"three.example"}),
       route({"*"}, {"four.example"}), route({"late.example"}, {"five.example"})},
      RouteOptions(), why);
  ASSERT_TRUE(table) << why;
  EXPECT_EQ(table->find("special.example.org").name, "one.example");
  EXPECT_EQ(table->find("x.example.org").name, "two.example");
  EXPECT_EQ(table->find("deep.below.example.org").name, "two.example");
  EXPECT_EQ(table->find("example.org").name, "three.example");
  EXPECT_EQ(table->find("other.net").name, "four.example");
  EXPECT_EQ(table->find("late.example").name, "four.example");
  EXPECT_EQ(table->find("notexample.org").name, "four.example");
}

TEST(Route, WithoutAMatchGoesToMx) {
  std::string why;
  const auto table = RouteTable::make({route({"日本.example"}, {"hold"})}, RouteOptions(), why);
  ASSERT_TRUE(table) << why;
  EXPECT_EQ(table->find("a.example").name, "mx");
  EXPECT_EQ(table->find("xn--wgv71a.example").name, "hold");
}

TEST(Route, NamesWhatItCannotRead) {
  std::string why;
  EXPECT_FALSE(RouteTable::make({route({"a.*.example"}, {"mx"})}, RouteOptions(), why));
  EXPECT_NE(why.find("a.*.example"), std::string::npos);
  RouteOptions login = route({"*"}, {"mx"});
  login.username = "u";
  EXPECT_FALSE(RouteTable::make({login}, RouteOptions(), why));
}

TEST(Route, SitesDifferWherePoliciesOrCredentialsDo) {
  RouteOptions options = route({"*"}, {"smart.example:587"});
  const auto site = [](const RouteOptions& with) {
    std::string why;
    return plan_for_hosts(RouteTable::make({with}, RouteOptions(), why)->routes()[0]).site;
  };
  const std::string plain = site(options);
  EXPECT_EQ(site(options), plain);
  options.tls = TlsPolicy::Verified;
  EXPECT_NE(site(options), plain);
  options.tls = TlsPolicy::Opportunistic;
  options.username = "u";
  options.password = "p";
  const std::string with_login = site(options);
  EXPECT_NE(with_login, plain);
  options.password = "q";
  EXPECT_NE(site(options), with_login);
  EXPECT_EQ(with_login.find("p "), std::string::npos);
}

TEST(Route, ARecipientsOwnNextHopMayBeSeveralHosts) {
  std::string why;
  const auto table = RouteTable::make({}, RouteOptions(), why);
  const auto plan =
      plan_for_next_hop("10.0.0.5:2525,[2001:db8::1]:25,mx.example", table->routes()[0]);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->targets.size(), 3U);
  EXPECT_EQ(plan->targets[0].host, "10.0.0.5");
  EXPECT_EQ(plan->targets[0].port, 2525);
  EXPECT_EQ(plan->targets[1].host, "2001:db8::1");
  EXPECT_EQ(plan->targets[2].host, "mx.example");
  EXPECT_LT(plan->targets[0].preference, plan->targets[1].preference);
  EXPECT_LT(plan->targets[1].preference, plan->targets[2].preference);
  for (const char* text : {"", ",", "a:25,", ",a:25", "a:25,,b:25", "a:25,mx"})
    EXPECT_FALSE(plan_for_next_hop(text, table->routes()[0])) << text;
}

TEST(Route, AMessagesOwnNextHopTakesNoCredentialsAlong) {
  std::string why;
  RouteOptions options = route({"*"}, {"smart.example:587"});
  options.username = "u";
  const auto table = RouteTable::make({options}, RouteOptions(), why);
  const auto plan = plan_for_next_hop("10.0.0.5:25", table->routes()[0]);
  ASSERT_TRUE(plan);
  EXPECT_TRUE(plan->username.empty());
  EXPECT_EQ(plan->targets.at(0).host, "10.0.0.5");
  EXPECT_FALSE(plan_for_next_hop("hold", table->routes()[0]));
  EXPECT_FALSE(plan_for_next_hop("a b", table->routes()[0]));
}

}  // namespace
}  // namespace ekiden::delivery
