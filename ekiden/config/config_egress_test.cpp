#include <gtest/gtest.h>

#include "ekiden/config/reader.hpp"

namespace ekiden::config {
namespace {

Surroundings machine() {
  return {[](const std::string&, std::size_t, std::string&) {
            return std::optional<std::string>("authorities");
          },
          [] { return std::string("relay.example.jp"); }};
}

constexpr const char* kListener =
    "[[listener]]\naddress = \"127.0.0.1:2525\"\nservice = \"relay\"\ntls = \"off\"\n"
    "trusted_networks = [\"127.0.0.0/8\"]\n";

std::string said(const std::string& toml) {
  std::string all;
  for (const Diagnostic& d : parse(kListener + toml, "ekiden.toml", machine()).diagnostics)
    all += format_diagnostic(d) + "\n";
  return all;
}

std::string source(const std::string& name, const std::string& more = "") {
  return "[[source]]\nname = \"" + name + "\"\n" + more;
}
std::string pool(const std::string& name, const std::string& more) {
  return "[[pool]]\nname = \"" + name + "\"\n" + more;
}

TEST(Sources, AreReadWhole) {
  const Loaded loaded = parse(
      std::string(kListener) +
          source("one",
                 "ipv4 = \"10.0.0.1\"\nipv6 = \"2001:db8::1\"\npublic_ipv4 = \"9.9.9.9\"\n"
                 "hostname = \"One.example.jp\"\nfamilies = [\"ipv4\", \"ipv6\"]\n"
                 "warm_up = true\n") +
          source("two") + pool("bulk", "sources = { one = 3, two = 1 }\nstreams = [\"bulk\"]\n") +
          pool("rest", "sources = [\"two\"]\n"),
      "ekiden.toml", machine());
  ASSERT_TRUE(loaded.ok());
  const Settings& s = loaded.settings;
  ASSERT_EQ(s.source.size(), 2u);
  EXPECT_EQ(s.source[0].ipv4->to_string(), "10.0.0.1");
  EXPECT_EQ(s.source[0].public_ipv4->to_string(), "9.9.9.9");
  EXPECT_EQ(s.source[0].hostname, "one.example.jp");
  EXPECT_EQ(s.source[0].families, (std::vector<IpFamily>{IpFamily::Ipv4, IpFamily::Ipv6}));
  EXPECT_TRUE(s.source[0].warm_up);
  EXPECT_EQ(s.source[1].hostname, "relay.example.jp") << "the node's own";
  EXPECT_FALSE(s.source[1].ipv4);
  ASSERT_EQ(s.pool.size(), 2u);
  EXPECT_EQ(s.pool[0].sources, (Weights{{"one", 3}, {"two", 1}}));
  EXPECT_EQ(s.pool[0].streams, std::vector<std::string>{"bulk"});
  EXPECT_EQ(s.pool[1].sources, (Weights{{"two", 1}}));
}

struct Case {
  std::string toml, expected;
};

TEST(Sources, MistakesAreRefusedWhereTheyStand) {
  for (const Case& c : {
           Case{source("a b"), "7:8: source.name takes letters"},
           Case{source("one") + source("one"), "9:8: there is another source \"one\" in line 6"},
           Case{source("one", "ipv4 = \"2001:db8::1\"\n"),
                "8:8: source.ipv4 takes an IPv4 address, not \"2001:db8::1\""},
           Case{source("one", "ipv6 = \"::\"\n"), "8:8: source.ipv6: nothing can be sent from ::"},
           Case{source("one", "ipv4 = \"10.0.0\"\n"), "8:8: source.ipv4 takes an address like"},
           Case{source("one", "public_ipv4 = \"9.9.9.9\"\n"),
                "8:15: source.public_ipv4 has no effect without source.ipv4"},
           Case{source("one", "ipv4 = \"10.0.0.1\"\n") + source("two", "ipv4 = \"10.0.0.1\"\n"),
                "11:8: source.ipv4: the source of line 6 has 10.0.0.1 already"},
           Case{source("one", "ipv4 = \"10.0.0.1\"\nfamilies = [\"ipv6\"]\n"),
                "9:12: source.families names ipv6, of which the source has no address"},
           Case{source("one", "families = [\"ipv6\", \"ipv6\"]\n"),
                "8:12: source.families names ipv6 twice"},
           Case{source("one", "families = []\n"), "8:12: source.families is empty"},
           Case{source("one", "hostname = \"mail\"\n"),
                "8:12: source.hostname takes a host name with its domain, not \"mail\""},
           Case{source("one", "ipv5 = \"1\"\n"), "did you mean \"ipv4\"?"},
       }) {
    const std::string all = said(c.toml);
    EXPECT_NE(all.find(c.expected), std::string::npos) << c.toml << "said: " << all;
  }
}

TEST(Pools, MistakesAreRefusedWhereTheyStand) {
  const std::string one = source("one");
  for (const Case& c : {
           Case{one + pool("p", "sources = [\"onr\"]\n"),
                "pool.sources: there is no [[source]] \"onr\"; did you mean \"one\"?"},
           Case{one + pool("p", "sources = []\n"), "pool.sources is empty"},
           Case{one + pool("p", "sources = { one = 0 }\n"),
                "pool.sources takes weights from 1 to 1000000, not 0"},
           Case{one + pool("p", "sources = \"one\"\n"), "pool.sources takes a list of names"},
           Case{one + pool("p", "sources = [\"one\"]\n") + pool("p", "sources = [\"one\"]\n"),
                "there is another pool \"p\" in line 8"},
           Case{one + pool("p", "sources = [\"one\"]\nstreams = [\"bulk\"]\n"),
                "the last [[pool]] has conditions"},
           Case{one + pool("p", "sources = [\"one\"]\nby_name = \"only\"\n"),
                "the last [[pool]] is for mail that names it"},
           Case{one + pool("p", "sources = [\"one\"]\nby_name = \"yes\"\n"), "pool.by_name"},
           Case{one + pool("p", "sources = [\"one\"]\nstreams = [\"bulk\", \"news\"]\n") +
                    pool("q", "sources = [\"one\"]\nstreams = [\"bulk\"]\ntenants = [\"a\"]\n") +
                    pool("r", "sources = [\"one\"]\n"),
                "[[pool]] \"q\" never takes anything: the pool of line 8 comes first"},
           Case{one + source("two") + pool("p", "sources = [\"one\"]\n"),
                "warning: [[source]] \"two\" is in no pool"},
       }) {
    const std::string all = said(c.toml);
    EXPECT_NE(all.find(c.expected), std::string::npos) << c.toml << "said: " << all;
  }
}

TEST(Pools, MayNarrowTheSameStreamByTenant) {
  EXPECT_EQ(said(source("one") +
                 pool("p", "sources = [\"one\"]\nstreams = [\"bulk\"]\ntenants = [\"a\"]\n") +
                 pool("q", "sources = [\"one\"]\nstreams = [\"bulk\"]\n") +
                 pool("r", "sources = [\"one\"]\n")),
            "");
}

TEST(Pools, ThatAreNamedTakeNothingFromThoseBehindThem) {
  EXPECT_EQ(said(source("one") + pool("p", "sources = [\"one\"]\nby_name = \"only\"\n") +
                 pool("q", "sources = [\"one\"]\nstreams = [\"bulk\"]\n") +
                 pool("r", "sources = [\"one\"]\nstreams = [\"bulk\"]\nby_name = \"also\"\n") +
                 pool("s", "sources = [\"one\"]\n")),
            "");
}

}  // namespace
}  // namespace ekiden::config
