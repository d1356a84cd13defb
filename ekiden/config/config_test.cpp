#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "ekiden/config/manual.hpp"
#include "ekiden/config/reader.hpp"
#include "ekiden/config/schema.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::config {
namespace {

/// A machine on which the named files exist.
Surroundings machine(std::map<std::string, std::string> files = {}) {
  files.emplace("/etc/ssl/certs/ca-certificates.crt", "authorities");
  return {[files](const std::string& path, std::size_t, std::string& why) {
            const auto found = files.find(path);
            if (found == files.end()) {
              why = "it does not exist";
              return std::optional<std::string>();
            }
            return std::optional<std::string>(found->second);
          },
          [] { return std::string("relay.example.jp"); }};
}

Surroundings with_certificate() {
  return machine({{"/c.pem", "chain"}, {"/k.pem", "key"}});
}

/// Every message of a text, one a line.
std::string said(std::string_view toml, const Surroundings& surroundings = machine()) {
  std::string all;
  for (const Diagnostic& d : parse(toml, "ekiden.toml", surroundings).diagnostics) {
    all += format_diagnostic(d) + "\n";
  }
  return all;
}

constexpr const char* kListener =
    "[[listener]]\naddress = \"127.0.0.1:2525\"\nservice = \"relay\"\ntls = \"off\"\n"
    "trusted_networks = [\"127.0.0.0/8\"]\n";

TEST(Units, ReadDurationsSizesAndRatesBack) {
  for (const char* text : {"0s", "1us", "250ms", "5m", "1h30m", "5d", "1d2h3m4s5ms6us"}) {
    ASSERT_TRUE(parse_duration(text)) << text;
    EXPECT_EQ(format_duration_exact(*parse_duration(text)), text);
  }
  EXPECT_EQ(parse_duration("2w"), parse_duration("14d"));
  for (const char* text : {"", "5", "m", "5 m", "5M", "-5m", "1.5h", "30m1h", "1h1h", "5minutes",
                           "99999999999999999999s", "400000d", "9223372036854775807w"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
  for (const char* text : {"0B", "1B", "64KiB", "10MiB", "3GiB", "2TiB", "1025B"}) {
    ASSERT_TRUE(parse_size(text)) << text;
    EXPECT_EQ(format_size_exact(*parse_size(text)), text);
  }
  for (const char* text : {"", "10", "10MB", "10 MiB", "MiB", "10mib", "-1B", "99999999TiB"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
  for (const char* text : {"off", "10/s", "100/min", "5000/h", "7/d"}) {
    ASSERT_TRUE(parse_rate(text)) << text;
    EXPECT_EQ(format_rate(*parse_rate(text)), text);
  }
  for (const char* text : {"", "100", "0/s", "100/m", "/s", "100/", "1.5/s", "99999999999/s"}) {
    EXPECT_FALSE(parse_rate(text)) << text;
  }
}

TEST(NextHop, ReadsHostsAsTheyAreWritten) {
  EXPECT_EQ(parse_host_port("Smart.Example:587"), (HostPort{"smart.example", 587}));
  EXPECT_EQ(parse_host_port("smart.example"), (HostPort{"smart.example", 0}));
  EXPECT_EQ(parse_host_port("192.0.2.1:25"), (HostPort{"192.0.2.1", 25}));
  EXPECT_EQ(parse_host_port("[2001:DB8::1]:25"), (HostPort{"2001:db8::1", 25}));
  EXPECT_EQ(parse_host_port("[192.0.2.1]:25"), (HostPort{"192.0.2.1", 25}));
  EXPECT_EQ(format_host_port({"2001:db8::1", 25}), "[2001:db8::1]:25");
  for (const char* text : {"", ":25", "a:", "a:0", "a:65536", "a:b", "a b", "2001:db8::1",
                           "[2001:db8::1", "[x]:25", "-a.example", "a..b", "a.-b", "http://a"}) {
    EXPECT_FALSE(parse_host_port(text)) << text;
  }
}

TEST(Reader, TakesTheDefaultsOfTheContract) {
  const Loaded loaded = parse(kListener, "ekiden.toml", machine());
  EXPECT_TRUE(loaded.diagnostics.empty());
  const Settings& s = loaded.settings;
  EXPECT_EQ(s.node.hostname, "relay.example.jp");
  EXPECT_EQ(s.node.data_dir, "/var/lib/ekiden");
  EXPECT_EQ(s.retry.first, std::chrono::minutes(5));
  EXPECT_EQ(s.retry.factor, 2.0);
  EXPECT_EQ(s.retry.max_interval, std::chrono::hours(4));
  EXPECT_EQ(s.retry.expire_after, std::chrono::hours(120));
  EXPECT_FALSE(s.retry.delay_notice_after);
  EXPECT_EQ(s.spool.memory_budget, 256 * kMiB);
  EXPECT_EQ(s.spool.commit_interval, std::chrono::milliseconds(10));
  EXPECT_EQ(s.spool.disk_reserve, 256 * kMiB);
  EXPECT_EQ(s.limits.message_size, 50 * kMiB);
  EXPECT_EQ(s.limits.recipients_per_message, 1000u);
  EXPECT_EQ(s.limits.connections, 10000u);
  EXPECT_EQ(s.events.backlog_max, 1024 * kMiB);
  EXPECT_EQ(s.delivery.port, 25);
  EXPECT_EQ(s.delivery.mta_sts_port, 443);
  EXPECT_EQ(s.delivery.private_next_hops, Switch::Refuse);
  EXPECT_EQ(s.dsn.failure, DsnFailure::Send);
  ASSERT_EQ(s.listener.size(), 1u);
  EXPECT_EQ(s.listener[0].tenant, "default");
  EXPECT_EQ(s.listener[0].stream, "transactional");
  EXPECT_EQ(s.listener[0].bare_newlines, BareNewlines::Refuse);
}

TEST(Reader, ReadsEverySectionOfTheContract) {
  const Surroundings files = machine({{"/etc/ekiden/tls/fullchain.pem", "c"},
                                      {"/etc/ekiden/tls/key.pem", "k"},
                                      {"/etc/ekiden/smarthost.secret", "pass word\r\n"}});
  const Loaded loaded = parse(R"(
[node]
hostname = "Relay.example.jp"
data_dir = "/var/lib/ekiden"
workers  = 0
[[listener]]
address = "0.0.0.0:587"
service = "submission"
tls     = "starttls"
[[listener]]
address = "127.0.0.1:2525"
service = "relay"
tls     = "off"
trusted_networks = ["127.0.0.0/8"]
proxy_networks   = []
bare_newlines    = "fix"
client_ca        = ""
tenant = "shop"
stream = "bulk"
[[listener]]
address = "[::]:25"
service = "inbound"
[[inbound_domain]]
name       = "Example.jp"
recipients = "verify"
next_hop   = "10.0.0.5:25"
[tls]
certificate = "/etc/ekiden/tls/fullchain.pem"
private_key = "/etc/ekiden/tls/key.pem"
[[http]]
address  = "127.0.0.1:8025"
services = ["api", "metrics", "console", "public"]
tls      = "off"
trusted_proxies = []
[public]
url = "https://mail.example.jp"
[dns]
mode    = "forward"
forward = ["127.0.0.1:5353"]
dnssec  = "auto"
stub    = { "test." = "127.0.0.1:15353", "Other.test" = "127.0.0.1:15354" }
trust_anchors = []
[delivery]
port = 2500
connect_map = { "MX.example.com:25" = "127.0.0.1:2600" }
private_next_hops = "allow"
trust_store = "/etc/ssl/certs/ca-certificates.crt"
mta_sts_port = 8443
[[route]]
domains  = ["*.example.org", "Example.org"]
next_hop = ["smarthost.example:587", "[2001:db8::1]:25", "last.example"]
username = "u"
password_file = "/etc/ekiden/smarthost.secret"
tls      = "required"
retry    = { expire_after = "1d" }
[[route]]
domains  = ["*"]
next_hop = "hold"
[retry]
first = "1m"
factor = 3
max_interval = "2h"
expire_after = "2d"
delay_notice_after = "4h"
[dsn]
failure = "events-only"
[spool]
memory_budget   = "128MiB"
commit_interval = "20ms"
disk_reserve    = "512MiB"
[limits]
message_size = "10MiB"
recipients_per_message = 100
connections = 50
)",
                              "ekiden.toml", files);
  // What a later version will serve is taken and said.
  std::string later;
  for (const Diagnostic& d : loaded.diagnostics) {
    EXPECT_EQ(d.severity, Severity::Warning) << format_diagnostic(d);
    EXPECT_NE(d.message.find("this build does not"), std::string::npos) << format_diagnostic(d);
    later += std::to_string(d.line) + " ";
  }
  EXPECT_EQ(later, "32 ");
  const Settings& s = loaded.settings;
  EXPECT_EQ(s.node.hostname, "relay.example.jp");
  ASSERT_EQ(s.listener.size(), 3u);
  EXPECT_EQ(s.listener[1].bare_newlines, BareNewlines::Fix);
  EXPECT_EQ(s.listener[1].tenant, "shop");
  EXPECT_EQ(s.inbound_domain[0].name, "example.jp");
  EXPECT_EQ(s.dns.stub.at("test.").port, 15353);
  EXPECT_EQ(s.dns.stub.at("other.test.").port, 15354);
  EXPECT_EQ(s.delivery.connect_map.at("mx.example.com:25").port, 2600);
  ASSERT_EQ(s.route.size(), 2u);
  EXPECT_EQ(s.route[0].domains[1], "example.org");
  EXPECT_EQ(s.route[0].next_hop.hosts.size(), 3u);
  EXPECT_EQ(s.route[0].password, "pass word");
  EXPECT_EQ(s.route[0].retry.expire_after, std::chrono::hours(24));
  EXPECT_EQ(s.route[0].retry.first, std::chrono::minutes(1)) << "the rest is that of [retry]";
  EXPECT_EQ(s.route[1].next_hop.kind, NextHop::Kind::Hold);
  EXPECT_EQ(s.route[1].retry, s.retry);
  EXPECT_EQ(s.dsn.failure, DsnFailure::EventsOnly);
}

TEST(Reader, WarnsAboutTimeOutsBelowTheRfcsOnly) {
  EXPECT_EQ(said(std::string(kListener) +
                 "[delivery]\ncommand_timeout = \"4m59s\"\ndata_timeout = \"3m\"\n"
                 "final_dot_timeout = \"5m\"\n[limits]\ncommand_timeout = \"1s\"\n"
                 "data_timeout = \"10m\"\n"),
            "ekiden.toml:7:19: warning: delivery.command_timeout is below 5m, which RFC 5321 "
            "§4.5.3.2 asks for\n"
            "ekiden.toml:9:21: warning: delivery.final_dot_timeout is below 10m, which RFC 5321 "
            "§4.5.3.2.6 asks for\n"
            "ekiden.toml:11:19: warning: limits.command_timeout is below 5m, which RFC 5321 "
            "§4.5.3.2.7 asks for\n");
  EXPECT_EQ(said(std::string(kListener) + "[limits]\ncommand_timeout = \"0s\"\n"),
            "ekiden.toml:7:19: limits.command_timeout is below \"100ms\", its least value\n");
}

TEST(Reader, NamesUnknownKeysAndTheNearestOnes) {
  EXPECT_EQ(said(std::string(kListener) + "[spool]\nmemory_buget = \"1GiB\"\n"),
            "ekiden.toml:7:1: unknown key \"memory_buget\" in [spool]; did you mean "
            "\"memory_budget\"?\n");
  EXPECT_EQ(said(std::string(kListener) + "[spool]\nmessage_size = \"1GiB\"\n"),
            "ekiden.toml:7:1: unknown key \"message_size\" in [spool]; did you mean "
            "\"limits.message_size\"?\n");
  EXPECT_EQ(said(std::string(kListener) + "[spool]\nqwertz = 1\n"),
            "ekiden.toml:7:1: unknown key \"qwertz\" in [spool]\n");
  EXPECT_EQ(said(std::string(kListener) + "[limit]\nconnections = 1\n"),
            "ekiden.toml:6:2: unknown section [limit]; did you mean \"limits\"?\n");
  EXPECT_EQ(said(std::string("hostname = \"a.example\"\n") + kListener),
            "ekiden.toml:1:1: unknown key \"hostname\" outside of a section; did you mean "
            "\"node.hostname\"?\n");
  EXPECT_EQ(said(std::string(kListener) +
                 "[[route]]\ndomains = [\"*\"]\nnext_hop = \"mx\"\nretry = { frist = \"1m\" }\n"),
            "ekiden.toml:9:11: unknown key \"frist\" in [route.retry]; did you mean \"first\"?\n");
}

TEST(Reader, ReportsAllMistakesAtOnceInTheOrderOfTheFile) {
  EXPECT_EQ(said(R"([node]
workers = "two"
shutdown_timeout = 30
[[listener]]
address = "127.0.0.1"
service = "relais"
tls = true
trusted_networks = ["127.0.0.0/8", "10.0.0.1/8"]
[retry]
first = "5 minutes"
factor = 0.5
[spool]
memory_budget = "256MB"
commit_interval = "2s"
[limits]
message_rate = "100"
connections = 0
received_max = -1
)"),
            R"(ekiden.toml:2:11: node.workers takes a whole number, not "two"
ekiden.toml:3:20: node.shutdown_timeout takes a duration like "5m", "250ms" or "1h30m", not 30
ekiden.toml:5:11: listener.address takes an address and a port like "127.0.0.1:25" or "[::1]:25", not "127.0.0.1"
ekiden.toml:6:11: listener.service takes "submission", "relay" or "inbound", not "relais"; did you mean "relay"?
ekiden.toml:7:7: listener.tls takes "off", "starttls" or "implicit", not true
ekiden.toml:8:36: listener.trusted_networks takes networks like "192.0.2.0/24" or "2001:db8::/32", not "10.0.0.1/8"
ekiden.toml:10:9: retry.first takes a duration like "5m", "250ms" or "1h30m", not "5 minutes"
ekiden.toml:11:10: retry.factor is below 1.0, its least value
ekiden.toml:13:17: spool.memory_budget takes a size like "10MiB" (units B, KiB, MiB, GiB, TiB), not "256MB"
ekiden.toml:14:19: spool.commit_interval is above "1s", its greatest value
ekiden.toml:16:16: limits.message_rate takes a rate like "100/min" (per s, min, h or d) or "off", not "100"
ekiden.toml:17:15: limits.connections is below 1, its least value
ekiden.toml:18:16: limits.received_max takes a whole number from 0 to 4294967295, not -1
)");
}

TEST(Reader, RefusesTheWrongShapes) {
  EXPECT_EQ(said("[listener]\naddress = \"127.0.0.1:1\"\n"),
            "ekiden.toml:1:1: [listener] is a section that may stand several times, so write "
            "[[listener]]\n");
  EXPECT_EQ(said(std::string(kListener) + "[[node]]\nid = 1\n"),
            "ekiden.toml:6:1: [node] is a section that stands once, so write [node] on a line\n");
}

TEST(Reader, RefusesDuplicatesAndBrokenGrammar) {
  EXPECT_EQ(said("[node]\nid = 1\nid = 2\n"), "ekiden.toml:3:6: \"id\" stands twice\n");
  EXPECT_EQ(said("[node]\nid = 1\n[node]\nworkers = 2\n"),
            "ekiden.toml:3:1: \"node\" stands twice\n");
  EXPECT_EQ(said("[node\n"), "ekiden.toml:1:6: not TOML: table header: expected ']', saw '\\n'\n");
}

TEST(Reader, AnAssertionOfTheLibraryIsAMistakeInTheFile) {
  EXPECT_EQ(said("[:node]\n"), "ekiden.toml:1:2: not TOML: this character cannot stand here\n");
  EXPECT_EQ(said("[node]\nid = 1\n\n  [[ =\n[x]\n"),
            "ekiden.toml:4:6: not TOML: this character cannot stand here\n");
}

TEST(Reader, RefusesControlCharacters) {
  EXPECT_EQ(said(std::string_view("# x\n[\0", 6)),
            "ekiden.toml:2:2: not TOML: a control character (\\x00)\n");
  EXPECT_EQ(said("[node]\n# a\x7f\n"), "ekiden.toml:2:4: not TOML: a control character (\\x7f)\n");
  EXPECT_EQ(said(std::string(kListener) + "\t# tab\r\n"), "");
}

TEST(Reader, ReportsAMissingFileAsOneSentence) {
  EXPECT_EQ(format_diagnostic(load("/nowhere/ekiden.toml", machine()).diagnostics.at(0)),
            "/nowhere/ekiden.toml: the configuration cannot be read: it does not exist");
}

struct Case {
  const char* toml;
  const char* said;
};

class Validation : public testing::TestWithParam<Case> {};

TEST_P(Validation, SaysOneClearSentence) {
  const std::string base = GetParam().toml[0] == '!' ? "" : kListener;
  const std::string toml = GetParam().toml + (base.empty() ? 1 : 0);
  EXPECT_EQ(said(base + toml, with_certificate()),
            std::string("ekiden.toml:") + GetParam().said + "\n");
}

// A text that starts with '!' stands alone, others follow five lines with one listener.
INSTANTIATE_TEST_SUITE_P(
    All, Validation,
    testing::Values(
        Case{"![node]\nhostname = \"a.example\"\n",
             " warning: no [[listener]]: nothing takes mail over SMTP"},
        Case{"[node]\nhostname = \"192.0.2.1\"\n",
             "7:12: node.hostname is an address; the relay needs a name"},
        Case{"[node]\nhostname = \"a_b.example\"\n",
             "7:12: node.hostname is no host name: \"a_b.example\"; set it like "
             "\"relay.example.jp\""},
        Case{"[node]\nhostname = \"localhost\"\n",
             "7:12: warning: node.hostname has no domain: \"localhost\"; other relays distrust "
             "such a greeting"},
        Case{"[[listener]]\naddress = \"0.0.0.0:587\"\nservice = \"submission\"\n",
             "6:1: listener 0.0.0.0:587 offers TLS but there is no certificate: set "
             "tls.certificate and tls.private_key, or tls = \"off\" in this listener"},
        Case{"[[listener]]\naddress = \"0.0.0.0:587\"\nservice = \"submission\"\ntls = \"off\"\n",
             "9:7: listener 0.0.0.0:587 would take passwords in the clear: set tls = "
             "\"starttls\" or \"implicit\", or listen on a loopback address"},
        Case{"[[listener]]\naddress = \"127.0.0.1:587\"\nservice = \"submission\"\ntls = "
             "\"off\"\ntrusted_networks = [\"127.0.0.0/8\"]\n",
             "10:20: listener.trusted_networks has no effect here: only service = \"relay\" "
             "trusts networks"},
        Case{"![[listener]]\naddress = \"0.0.0.0:25\"\nservice = \"relay\"\ntls = \"off\"\n"
             "trusted_networks = [\"0.0.0.0/0\"]\n",
             "5:21: listener.trusted_networks holds the whole world: everybody could relay"},
        Case{"![[listener]]\naddress = \"0.0.0.0:25\"\nservice = \"relay\"\ntls = \"off\"\n"
             "trusted_networks = [\"127.0.0.1/32\", \"8.8.0.0/16\"]\n",
             "5:37: listener.trusted_networks: 8.8.0.0/16 is public: strangers could relay; let "
             "them log in (service = \"submission\")"},
        Case{"![[listener]]\naddress = \"0.0.0.0:25\"\nservice = \"relay\"\ntls = \"off\"\n"
             "trusted_networks = [\"0.0.0.0/1\"]\n",
             "5:21: listener.trusted_networks: 0.0.0.0/1 is public: strangers could relay; let "
             "them log in (service = \"submission\")"},
        Case{"![[listener]]\naddress = \"0.0.0.0:25\"\nservice = \"relay\"\ntls = \"off\"\n"
             "trusted_networks = [\"10.0.0.0/7\"]\n",
             "5:21: listener.trusted_networks: 10.0.0.0/7 is public: strangers could relay; let "
             "them log in (service = \"submission\")"},
        Case{"![[listener]]\naddress = \"0.0.0.0:25\"\nservice = \"relay\"\ntls = \"off\"\n"
             "trusted_networks = [\"172.16.0.0/12\"]\n",
             "5:21: warning: listener.trusted_networks: 172.16.0.0/12 is private: container "
             "bridges and NAT make strangers look local"},
        Case{"![[listener]]\naddress = \"0.0.0.0:25\"\nservice = \"relay\"\ntls = \"off\"\n",
             "3:11: warning: listener 0.0.0.0:25 has no trusted_networks: only users who log in "
             "may relay there"},
        Case{"proxy_networks = [\"::/0\"]\n",
             "6:19: listener.proxy_networks holds the whole world: anybody could claim to be a "
             "trusted client"},
        Case{"client_ca = \"/c.pem\"\n",
             "6:13: listener.client_ca has no effect with tls = \"off\""},
        Case{"tenant = \"A b\"\n",
             "6:10: listener.tenant takes 1 to 63 small letters, digits, '-', '_' and '.', not "
             "\"A b\""},
        Case{"[[listener]]\naddress = \"0.0.0.0:25\"\nservice = \"inbound\"\ntls = \"off\"\n",
             "8:11: listener 0.0.0.0:25 is for our own domains, but no [[inbound_domain]] names "
             "one"},
        Case{"[[inbound_domain]]\nname = \"example.jp\"\nnext_hop = \"10.0.0.5:25\"\n",
             "6:1: [[inbound_domain]] has no effect: no listener has service = \"inbound\""},
        Case{"[tls]\ncertificate = \"/c.pem\"\n",
             "7:15: tls.certificate has no effect without tls.private_key"},
        Case{"[tls]\ncertificate = \"/c.pem\"\nprivate_key = \"/gone.pem\"\n",
             "8:15: tls.private_key: the file \"/gone.pem\" cannot be read: it does not exist"},
        Case{"[[listener]]\naddress = \"127.0.0.1:2525\"\nservice = \"relay\"\ntls = \"off\"\n"
             "trusted_networks = [\"127.0.0.0/8\"]\n",
             "7:11: listener 127.0.0.1:2525 collides with the listener 127.0.0.1:2525 of line 2"},
        Case{"[[http]]\naddress = \"0.0.0.0:2525\"\n",
             "7:11: http 0.0.0.0:2525 collides with the listener 127.0.0.1:2525 of line 2"},
        Case{"[[http]]\naddress = \"127.0.0.1:80\"\ntls = \"implicit\"\n",
             "8:7: http 127.0.0.1:80 offers TLS but there is no certificate: set tls.certificate "
             "and tls.private_key"},
        Case{"[[http]]\naddress = \"127.0.0.1:80\"\nservices = [\"public\"]\n",
             "8:12: this http address serves \"public\", so public.url is needed"},
        Case{"[public]\nurl = \"http://mail.example.jp\"\n",
             "7:7: public.url takes a URL like \"https://mail.example.jp\", not "
             "\"http://mail.example.jp\""},
        Case{"[dns]\nmode = \"forward\"\n", "7:8: dns.mode = \"forward\" needs dns.forward"},
        Case{"[dns]\nforward = [\"127.0.0.1:53\"]\n",
             "7:11: dns.forward has no effect unless dns.mode = \"forward\""},
        Case{"[dns]\nstub = { \"a b\" = \"127.0.0.1:53\" }\n",
             "7:18: dns.stub names \"a b\", which is no zone"},
        Case{"[dns]\ntrust_anchors = [\"/gone\"]\n",
             "7:18: dns.trust_anchors: the file \"/gone\" cannot be read: it does not exist"},
        Case{"[delivery]\nconnect_map = { \"mx\" = \"127.0.0.1:26\" }\n",
             "7:24: delivery.connect_map names \"mx\", which is no \"host:port\""},
        Case{"[delivery]\ntrust_store = \"/gone\"\n",
             "7:15: delivery.trust_store: the file \"/gone\" cannot be read: it does not exist"},
        Case{"[[route]]\nnext_hop = \"mx\"\n", "6:1: [[route]] lacks its key \"domains\""},
        Case{"[[route]]\ndomains = []\nnext_hop = \"mx\"\n", "7:11: route.domains is empty"},
        Case{"[[route]]\ndomains = [\".example.org\"]\nnext_hop = \"mx\"\n",
             "7:12: route.domains takes domains like \"example.org\", \"*.example.org\" or "
             "\"*\", not \".example.org\"; did you mean \"*.example.org\"?"},
        Case{"[[route]]\ndomains = [\"user@example.org\"]\nnext_hop = \"mx\"\n",
             "7:12: route.domains takes domains like \"example.org\", \"*.example.org\" or "
             "\"*\", not \"user@example.org\"; did you mean \"example.org\"?"},
        Case{"[[route]]\ndomains = [\"*\"]\nnext_hop = \"mx\"\n[[route]]\ndomains = "
             "[\"example.org\"]\nnext_hop = \"hold\"\n",
             "10:12: route.domains: \"example.org\" never matches here: the route of line 6 comes "
             "first and takes it"},
        Case{"[[route]]\ndomains = [\"*.org\"]\nnext_hop = \"mx\"\n[[route]]\ndomains = "
             "[\"*.example.org\"]\nnext_hop = \"hold\"\n",
             "10:12: route.domains: \"*.example.org\" never matches here: the route of line 6 "
             "comes first and takes it"},
        Case{"[[route]]\ndomains = [\"*\"]\nnext_hop = \"holt\"\nretry = { first = 3 }\n",
             "9:19: route.retry.first takes a duration like \"5m\", \"250ms\" or \"1h30m\", not "
             "3"},
        Case{"[[route]]\ndomains = [\"*\"]\nnext_hop = \"ho ld\"\n",
             "8:12: route.next_hop takes \"host:port\", \"[v6]:port\", a list of them, \"mx\", "
             "\"hold\" or \"discard\", not \"ho ld\"; did you mean \"hold\"?"},
        Case{"[[route]]\ndomains = [\"*\"]\nnext_hop = \"2001:db8::1\"\n",
             "8:12: route.next_hop takes \"host:port\", \"[v6]:port\", a list of them, \"mx\", "
             "\"hold\" or \"discard\", not \"2001:db8::1\"; did you mean \"[2001:db8::1]:25\"?"},
        Case{"[[route]]\ndomains = [\"*\"]\nnext_hop = [\"a:1\", \"mx\"]\n",
             "8:20: route.next_hop takes \"mx\" alone, not in a list"},
        Case{"[[route]]\ndomains = [\"*\"]\nnext_hop = \"a:25\"\nusername = \"u\"\n",
             "9:12: route.username has no effect without route.password_file"},
        Case{"[[route]]\ndomains = [\"*\"]\nnext_hop = \"hold\"\ntls = \"required\"\n",
             "9:7: route.tls has no effect: nothing is sent"},
        Case{"[retry]\nfirst = \"5h\"\n",
             "6:1: retry.max_interval (4h) is shorter than first (5h)"},
        Case{"[retry]\ndelay_notice_after = \"6d\"\n",
             "7:22: retry.delay_notice_after has no effect: the recipient expires before"},
        Case{"[retry]\ntime_scale = 0.01\n",
             "7:14: warning: retry.time_scale is for tests: every wait is scaled"},
        Case{"[limits]\nrecipients_per_message = 50\n",
             "7:26: warning: limits.recipients_per_message is below 100, which RFC 5321 "
             "§4.5.3.1.8 asks for"}));

TEST(Validation, ReadsRecipientListsAndMissesNoSlipOfTheHand) {
  const std::string before =
      "[[listener]]\naddress = \"0.0.0.0:25\"\nservice = \"inbound\"\ntls = \"off\"\n"
      "[[inbound_domain]]\nname = \"example.jp\"\nnext_hop = \"10.0.0.5\"\n";
  EXPECT_EQ(said(before + "recipients = \"verfy\"\n"),
            "ekiden.toml:8:14: inbound_domain.recipients takes \"any\", \"verify\" or a file, not "
            "\"verfy\"; did you mean \"verify\"?\n");
  const Loaded loaded = parse(before + "recipients = \"/list\"\n", "ekiden.toml",
                              machine({{"/list", "# ours\nb@example.jp\r\n\n  a@example.jp"}}));
  EXPECT_TRUE(loaded.diagnostics.empty());
  EXPECT_EQ(loaded.settings.inbound_domain[0].recipient_list,
            (std::vector<std::string>{"a@example.jp", "b@example.jp"}));
}

TEST(Manual, ExampleReadsBackWithoutAWarning) {
  for (const Diagnostic& d : parse(format_example(), "example.toml", machine()).diagnostics) {
    ADD_FAILURE() << format_diagnostic(d);
  }
}

TEST(Manual, ExampleWithEveryKeyInForceHasOnlyKnownKeysOfTheRightType) {
  // Uncommenting everything names every key: only what depends on files and services may be said.
  std::istringstream in(format_example());
  std::string all;
  for (std::string line; std::getline(in, line);) {
    const bool is_key = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    all += (is_key ? line.substr(1) : line) + "\n";
  }
  for (const Diagnostic& d : parse(all, "example.toml", machine()).diagnostics) {
    const std::string text = format_diagnostic(d);
    EXPECT_EQ(text.find("unknown"), std::string::npos) << text;
    EXPECT_EQ(text.find(" takes "), std::string::npos) << text;
    EXPECT_EQ(text.find("lacks"), std::string::npos) << text;
  }
}

TEST(TlsReports, NeedASender) {
  const auto with = [](const char* keys) {
    return said(std::string(kListener) + "[tls_reports]\n" + keys);
  };
  EXPECT_EQ(with("from = \"tls@relay.example\"\nmax_delay = \"1h\"\n"), "");
  for (const char* bad : {"nobody", "tls@relay", "<tls@relay.example>"})
    EXPECT_NE(with(("from = \"" + std::string(bad) + "\"\n").c_str())
                  .find("tls_reports.from takes an address"),
              std::string::npos)
        << bad;
  EXPECT_NE(with("contact = \"a@b.example\"\n").find("does nothing without tls_reports.from"),
            std::string::npos);
}

TEST(Manual, DefaultsWrittenOutAreTheDefaults) {
  Settings settings;
  for (const Section& section : sections()) {
    if (section.is_list) continue;
    std::string toml = std::string(kListener) + "[" + section.name + "]\n";
    for (const Key& key : keys_of(section, settings)) {
      if (format_toml(key.value) == "\"\"") continue;
      toml += key.name + " = " + format_toml(key.value) + "\n";
    }
    EXPECT_EQ(said(toml), "") << toml;
  }
}

TEST(Manual, ReferenceInDocsIsCurrent) {
  const std::string path = std::string(EKIDEN_SOURCE_DIR) + "/docs/CONFIG.md";
  if (std::getenv("EKIDEN_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << format_reference();
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), format_reference())
      << "write it anew: ekiden config reference > docs/CONFIG.md";
}

TEST(Manual, ExplainsEveryKeyWithItsOrigin) {
  const Loaded loaded = parse(kListener, "/etc/ekiden/ekiden.toml", machine());
  const std::string text = format_explanation(loaded);
  EXPECT_NE(text.find("listener[0].address "), std::string::npos);
  EXPECT_NE(text.find("\"127.0.0.1:2525\""), std::string::npos);
  EXPECT_NE(text.find("/etc/ekiden/ekiden.toml:2\n"), std::string::npos);
  EXPECT_NE(text.find("retry.first "), std::string::npos);
  EXPECT_NE(text.find("default\n"), std::string::npos);
  EXPECT_NE(
      format_explanation_json(loaded).find(
          R"({"key":"listener[0].service","value":"\"relay\"","origin":"/etc/ekiden/ekiden.toml:3","line":3})"),
      std::string::npos)
      << format_explanation_json(loaded);
}

TEST(Diagnostic, NearestIsFoundForSlipsAndForNothingElse) {
  const std::vector<std::string> words = {"hostname", "data_dir", "workers"};
  EXPECT_EQ(find_nearest("hostnmae", words), "hostname");
  EXPECT_EQ(find_nearest("host_name", words), "hostname");
  EXPECT_EQ(find_nearest("worker", words), "workers");
  EXPECT_EQ(find_nearest("quux", words), "");
  EXPECT_EQ(find_nearest(std::string(1000, 'a'), words), "");
}

TEST(Reader, SurvivesAnything) {
  for (const char* text :
       {"", "\xff\xfe", "[[node]]\n", "node = 1\n", "[listener]\n", "listener = [1]\n",
        "listener = []\n", "[[listener]]\n", "[[http]]\n[[http]]\n", "[route]\n", "[a.b.c]\nd=1\n",
        "[node]\nhostname = 2020-01-01\n", "[dns]\nstub = 1\n",
        "[[route]]\ndomains = [1]\nnext_hop = {}\nretry = 1\n",
        "[node]\nhostname = \"a\\u0000b\"\n", "[retry]\nfactor = nan\n"}) {
    parse(text, "x.toml", machine());
  }
}

}  // namespace
}  // namespace ekiden::config
