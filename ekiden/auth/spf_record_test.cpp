#include "ekiden/auth/spf_record.hpp"

#include <gtest/gtest.h>

namespace ekiden::auth {
namespace {

SpfRecord parse(std::string_view text) {
  std::string problem;
  const Result<SpfRecord> record = parse_spf_record(text, problem);
  EXPECT_TRUE(record) << text << ": " << problem;
  return record ? *record : SpfRecord();
}

bool is_good(std::string_view text) {
  std::string problem;
  return parse_spf_record(text, problem).has_value();
}

std::string expand(std::string_view text, const SpfMacroValues& values) {
  const Result<SpfMacroString> pieces = parse_spf_macros(text, SpfMacroUse::Explanation);
  EXPECT_TRUE(pieces) << text;
  return pieces ? expand_spf_macros(*pieces, values) : std::string();
}

/// RFC 7208 §7.4: the sender and clients of its examples.
SpfMacroValues example() {
  SpfMacroValues values;
  values.sender = "strong-bad@email.example.com";
  values.local = "strong-bad";
  values.sender_domain = "email.example.com";
  values.domain = "email.example.com";
  values.ip = *net::parse_address("192.0.2.3");
  values.helo = "mx.example.org";
  return values;
}

TEST(SpfRecord, IsKnownByItsVersion) {
  EXPECT_TRUE(is_spf_record("v=spf1"));
  EXPECT_TRUE(is_spf_record("V=SpF1 -all"));
  EXPECT_FALSE(is_spf_record("v=spf10 -all"));
  EXPECT_FALSE(is_spf_record("v=spf1-all"));
  EXPECT_FALSE(is_spf_record("v=spf2.0/pra"));
  EXPECT_FALSE(is_spf_record(""));
}

TEST(SpfRecord, ReadsEveryMechanism) {
  const SpfRecord record = parse(
      "v=spf1 a mx/24 ~a:mail.example.com/25//64 ?ptr -exists:%{i}.example.org "
      "ip4:192.0.2.0/24 IP6:2001:db8::/32 include:example.net -all  ");
  ASSERT_EQ(record.mechanisms.size(), 9U);
  EXPECT_EQ(record.mechanisms[0].kind, SpfKind::A);
  EXPECT_FALSE(record.mechanisms[0].has_domain);
  EXPECT_EQ(record.mechanisms[1].prefix4, 24U);
  EXPECT_EQ(record.mechanisms[1].prefix6, 128U);
  EXPECT_EQ(record.mechanisms[2].qualifier, Verdict::SoftFail);
  EXPECT_EQ(record.mechanisms[2].prefix4, 25U);
  EXPECT_EQ(record.mechanisms[2].prefix6, 64U);
  EXPECT_TRUE(record.mechanisms[2].has_domain);
  EXPECT_EQ(record.mechanisms[3].qualifier, Verdict::Neutral);
  EXPECT_EQ(record.mechanisms[4].kind, SpfKind::Exists);
  EXPECT_EQ(record.mechanisms[5].network, *net::parse_address("192.0.2.0"));
  EXPECT_EQ(record.mechanisms[6].prefix6, 32U);
  EXPECT_EQ(record.mechanisms[7].text, "include:example.net");
  EXPECT_EQ(record.mechanisms[8].qualifier, Verdict::Fail);
}

TEST(SpfRecord, ReadsModifiersAndIgnoresUnknownOnes) {
  const SpfRecord record =
      parse("v=spf1 redirect=_spf.example.com exp=explain.%{d} moo.cow-far_out=man:dog/cat x=");
  EXPECT_TRUE(record.redirect);
  EXPECT_TRUE(record.explanation);
  EXPECT_TRUE(record.mechanisms.empty());
}

TEST(SpfRecord, AnyMistakeAnywhereVoidsIt) {
  for (const char* terms : {"moo",
                            "-all.",
                            "all:x",
                            "all/8",
                            "-all moo",
                            "a:",
                            "a/33",
                            "a//129",
                            "a/24/64",
                            "a/032",
                            "a:museum",
                            "a:museum.",
                            "a:111.222.33.44",
                            "a:example.-com",
                            "a:example.com:8080",
                            "a:foo.example.com%",
                            "a:%{x}.example.com",
                            "a:%{d0}.example.com",
                            "a:%(d).example.com",
                            "a:%{c}.example.com",
                            "include",
                            "include:",
                            "include:example.com/24",
                            "exists",
                            "ptr/0",
                            "ptr:",
                            "ip4",
                            "ip4:1.2.3",
                            "ip4:1.2.3.4/33",
                            "ip4:1.2.3.4/032",
                            "ip4:1.2.3.4//32",
                            "ip4:1.2.3.4:80",
                            "ip4:2001:db8::",
                            "ip6:192.0.2.1",
                            "ip6::CAFE::BABE",
                            "ip6:::1/129",
                            "ip6:::1//33",
                            "redirect:example.com",
                            "redirect=",
                            "redirect=-all",
                            "exp=",
                            "1up=foo",
                            "=all",
                            "foo=%abc",
                            "exp=a.example exp=b.example",
                            "redirect=a.example redirect=a.example",
                            "a\tmx",
                            "a:\xEF\xBB\xBFx.example",
                            "\x80"
                            "a",
                            "-redirect=a.example",
                            "a:foo}"}) {
    EXPECT_FALSE(is_good("v=spf1 " + std::string(terms))) << terms;
  }
  EXPECT_FALSE(is_good(std::string_view("v=spf1 a:foo.example.com\0", 25)));
}

TEST(SpfRecord, NamesTheTermThatIsWrong) {
  std::string problem;
  EXPECT_FALSE(parse_spf_record("v=spf1 a ipv4:192.0.2.1 -all", problem));
  EXPECT_EQ(problem, "'ipv4:192.0.2.1' is no valid term");
}

TEST(SpfRecord, TakesNamesThatAreOnlyOdd) {
  for (const char* terms : {"a:foo:bar/baz.example.com", "a:foo.example.xn--zckzah", "a:x%%",
                            "a:macro%%percent%_%_space%-url-space.example.com", "a:%{d}/24",
                            "a:mail.example...com", "exists:%{l1r+-}.user.%{d2}", "a:.example"}) {
    EXPECT_TRUE(is_good("v=spf1 " + std::string(terms))) << terms;
  }
}

TEST(SpfRecord, NetworksMatchTheirBits) {
  const auto is_in = [](const char* address, const char* network, unsigned prefix) {
    return is_in_network(*net::parse_address(address), *net::parse_address(network), prefix);
  };
  EXPECT_TRUE(is_in("192.0.2.200", "192.0.2.129", 25));
  EXPECT_FALSE(is_in("192.0.2.100", "192.0.2.129", 25));
  EXPECT_TRUE(is_in("192.0.2.1", "198.51.100.1", 0));
  EXPECT_TRUE(is_in("192.0.2.1", "192.0.2.1", 32));
  EXPECT_TRUE(is_in("2001:db8:8000::1", "2001:db8:ffff::", 33));
  EXPECT_FALSE(is_in("2001:db8:7fff::1", "2001:db8:ffff::", 33));
  EXPECT_FALSE(is_in("::1", "0.0.0.1", 0));
}

// RFC 7208 §7.4: its table of examples.
TEST(SpfMacro, ExpandsTheExamplesOfTheRfc) {
  const SpfMacroValues values = example();
  constexpr std::pair<const char*, const char*> kExamples[] = {
      {"%{s}", "strong-bad@email.example.com"},
      {"%{o}", "email.example.com"},
      {"%{d}", "email.example.com"},
      {"%{d4}", "email.example.com"},
      {"%{d3}", "email.example.com"},
      {"%{d2}", "example.com"},
      {"%{d1}", "com"},
      {"%{dr}", "com.example.email"},
      {"%{d2r}", "example.email"},
      {"%{l}", "strong-bad"},
      {"%{l-}", "strong.bad"},
      {"%{lr}", "strong-bad"},
      {"%{lr-}", "bad.strong"},
      {"%{l1r-}", "strong"},
      {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
      {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
      {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
      {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
      {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
  };
  for (const auto& [text, expanded] : kExamples) EXPECT_EQ(expand(text, values), expanded) << text;
}

TEST(SpfMacro, ExpandsAnAddressOfIpv6ByNibbles) {
  SpfMacroValues values = example();
  values.ip = *net::parse_address("2001:db8::cb01");
  EXPECT_EQ(expand("%{ir}.%{v}._spf.%{d2}", values),
            "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com");
  EXPECT_EQ(expand("%{c}", values), "2001:db8::cb01");
}

TEST(SpfMacro, EscapesForUrlsInUpperCase) {
  SpfMacroValues values = example();
  values.local = "~jack&jill=up-a_b3.c";
  EXPECT_EQ(expand("%{L}", values), "~jack%26jill%3Dup-a_b3.c");
  values.local = "\xE3\x81\x82 %";
  EXPECT_EQ(expand("%{L}", values), "%E3%81%82%20%25");
}

TEST(SpfMacro, KnowsTheLettersOfExplanations) {
  SpfMacroValues values = example();
  values.now = base::from_unix_us(1'700'000'000'000'000);
  EXPECT_EQ(expand("%{t} %{r} %{c} %{p} 100%%%_%-", values),
            "1700000000 unknown 192.0.2.3 unknown 100% %20");
  EXPECT_FALSE(parse_spf_macros("a b", SpfMacroUse::Domain));
  EXPECT_FALSE(parse_spf_macros("%{t}", SpfMacroUse::Domain));
  EXPECT_FALSE(parse_spf_macros("%{d", SpfMacroUse::Explanation));
  EXPECT_FALSE(parse_spf_macros("%{}", SpfMacroUse::Explanation));
  EXPECT_FALSE(parse_spf_macros("%{d*}", SpfMacroUse::Explanation));
  EXPECT_EQ(expand("%{d99999999999999999999}", values), values.domain);
}

TEST(SpfMacro, CutsALongNameFromTheLeft) {
  SpfMacroValues values = example();
  values.domain = std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c');
  const auto spec = parse_spf_domain("x.%{d}.%{d}.example.com");
  ASSERT_TRUE(spec);
  const std::string name = expand_spf_domain(*spec, values);
  EXPECT_LE(name.size(), 253U);
  EXPECT_EQ(name, values.domain + ".example.com");
  values.domain = std::string(300, 'a');
  EXPECT_GT(expand_spf_domain(*parse_spf_domain("%{d}"), values).size(), 253U);
}

TEST(SpfMacro, ReversesAddressesForPointers) {
  EXPECT_EQ(reverse_name_of(*net::parse_address("192.0.2.3")), "3.2.0.192.in-addr.arpa");
  EXPECT_EQ(reverse_name_of(*net::parse_address("2001:db8::567:89ab")),
            "B.A.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6.arpa");
}

}  // namespace
}  // namespace ekiden::auth
