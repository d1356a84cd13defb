#include "ekiden/smtp/address.hpp"

#include <gtest/gtest.h>

#include "ekiden/smtp/command.hpp"
#include "ekiden/smtp/error.hpp"

namespace ekiden::smtp {
namespace {

std::string path_of(std::string_view text, PathKind kind = PathKind::Forward) {
  const Result<Path> path = parse_path(text, kind);
  if (!path) return "refused";
  return path->address ? path->address->text() : "<>";
}

TEST(Address, TakesOrdinaryPaths) {
  EXPECT_EQ(path_of("<user@example.jp>"), "user@example.jp");
  EXPECT_EQ(path_of("<user+tag=x@sub.example.jp> SIZE=1"), "user+tag=x@sub.example.jp");
  EXPECT_EQ(path_of("<a@localhost>"), "a@localhost");
}

TEST(Address, TakesTheDotsOfJapaneseCarriers) {
  EXPECT_EQ(path_of("<a..b@docomo.ne.jp>"), "a..b@docomo.ne.jp");
  EXPECT_EQ(path_of("<abc.@ezweb.ne.jp>"), "abc.@ezweb.ne.jp");
  EXPECT_EQ(path_of("<.abc@ezweb.ne.jp>"), ".abc@ezweb.ne.jp");
  EXPECT_EQ(path_of("<...@ezweb.ne.jp>"), "refused");
}

TEST(Address, TakesQuotedLocalParts) {
  EXPECT_EQ(path_of(R"(<"a b"@example.jp>)"), R"("a b"@example.jp)");
  EXPECT_EQ(path_of(R"(<"a\"b@c>"@example.jp>)"), R"("a\"b@c>"@example.jp)");
  EXPECT_EQ(path_of(R"(<"open@example.jp>)"), "refused");
  EXPECT_EQ(path_of("<\"a\nb\"@example.jp>"), "refused");
}

TEST(Address, KnowsTheNullReversePath) {
  EXPECT_EQ(path_of("<>", PathKind::Reverse), "<>");
  EXPECT_EQ(path_of("<>", PathKind::Forward), "refused");
}

TEST(Address, TakesPostmasterWithoutDomainAsARecipientOnly) {
  EXPECT_EQ(path_of("<PostMaster>"), "PostMaster");
  EXPECT_EQ(path_of("<postmaster>", PathKind::Reverse), "refused");
  EXPECT_EQ(path_of("<user>"), "refused");
}

TEST(Address, DropsSourceRoutes) {
  const Result<Path> path =
      parse_path("<@a.example,@b.example:user@example.jp>", PathKind::Forward);
  ASSERT_TRUE(path);
  EXPECT_EQ(path->address->text(), "user@example.jp");
  EXPECT_TRUE(path->had_source_route);
  EXPECT_EQ(path_of("<@a.example:>"), "refused");
  EXPECT_EQ(path_of("<@a.example:postmaster>"), "refused");
}

TEST(Address, TakesLiterals) {
  EXPECT_EQ(path_of("<u@[192.0.2.1]>"), "u@[192.0.2.1]");
  EXPECT_EQ(path_of("<u@[IPv6:2001:db8::1]>"), "u@[IPv6:2001:db8::1]");
  EXPECT_EQ(path_of("<u@[300.0.0.1]>"), "refused");
  EXPECT_EQ(path_of("<u@[2001:db8::1]>"), "refused");
  EXPECT_EQ(path_of("<u@[>"), "refused");
}

TEST(Address, ANulEndsNoAddressEarly) {
  for (const std::string_view domain :
       {std::string_view("[192.0.2.1\0x]", 13), std::string_view("[IPv6:2001:db8::1\0]", 19),
        std::string_view("\xe4\xbe\x8b.jp\0.example", 15), std::string_view("a.jp\0", 5)}) {
    EXPECT_FALSE(canonical_domain(domain)) << domain;
    EXPECT_EQ(path_of("<u@" + std::string(domain) + ">"), "refused") << domain;
  }
}

TEST(Address, RefusesWhatIsNoPath) {
  for (const char* text :
       {"", "<", "user@example.jp", "<user@example.jp", "<user@>", "<@example.jp>", "<user@-a.jp>",
        "<user@a..jp>", "<user@example.jp.>", "<us er@example.jp>", "<user@exa mple.jp>", "<a@b@c>",
        "<<a@b>>", "<user@\xff\xfe.jp>", "<us\xff@example.jp>", "<a,b@example.jp>"}) {
    EXPECT_EQ(path_of(text), "refused") << text;
  }
  EXPECT_EQ(path_of("<" + std::string(300, 'a') + "@example.jp>"), "refused");
  EXPECT_EQ(path_of("<a@" + std::string(64, 'a') + ".jp>"), "refused");
}

TEST(Address, MarksWhatNeedsSmtputf8) {
  const Result<Path> local = parse_path("<用户@example.jp>", PathKind::Forward);
  ASSERT_TRUE(local);
  EXPECT_TRUE(local->needs_smtputf8);
  const Result<Path> domain = parse_path("<user@例え.jp>", PathKind::Forward);
  ASSERT_TRUE(domain);
  EXPECT_TRUE(domain->needs_smtputf8);
  EXPECT_FALSE(parse_path("<user@xn--r8jz45g.jp>", PathKind::Forward)->needs_smtputf8);
}

TEST(Address, CanonicalDomainsAreALabelsInLowerCase) {
  EXPECT_EQ(*canonical_domain("Example.JP."), "example.jp");
  EXPECT_EQ(*canonical_domain("例え.jp"), "xn--r8jz45g.jp");
  EXPECT_EQ(*canonical_domain("XN--R8JZ45G.jp"), "xn--r8jz45g.jp");
  EXPECT_EQ(*canonical_domain("[IPv6:2001:DB8:0::1]"), "[IPv6:2001:db8::1]");
  EXPECT_EQ(*canonical_domain("[ipv6:2001:db8::1]"), "[IPv6:2001:db8::1]");
  EXPECT_EQ(canonical_domain("a..b").error(), Errc::BadDomain);
  EXPECT_EQ(canonical_domain("").error(), Errc::BadDomain);
  EXPECT_EQ(canonical_domain(std::string(300, 'a')).error(), Errc::BadDomain);
}

TEST(Address, ComparesByRule) {
  const auto key = [](std::string_view text) { return comparison_key(*parse_address(text)); };
  EXPECT_EQ(key("\"user\"@Example.jp"), key("user@example.JP"));
  EXPECT_EQ(key("\"us\\er\"@example.jp"), key("user@example.jp"));
  EXPECT_NE(key("User@example.jp"), key("user@example.jp"));
  EXPECT_EQ(key("Postmaster@example.jp"), key("postmaster@example.jp"));
  EXPECT_EQ(key("u@例え.jp"), key("u@xn--r8jz45g.jp"));
}

TEST(Address, DomainIsBehindTheLastAt) {
  EXPECT_EQ(domain_of("\"a@evil.example\"@Ours.jp"), "ours.jp");
  EXPECT_EQ(domain_of("nobody"), "");
}

TEST(Address, ParseAddressRefusesAnythingBehindIt) {
  EXPECT_TRUE(parse_address("a@example.jp"));
  EXPECT_FALSE(parse_address("a@example.jp "));
  EXPECT_FALSE(parse_address("<a@example.jp>"));
}

TEST(Address, OddLocalPartsHaveTwoForms) {
  for (const char* bare : {"a..b", ".abc", "abc.", "a...b.c", "..a"}) {
    const std::string quoted = "\"" + std::string(bare) + "\"";
    EXPECT_TRUE(is_odd_local_part(bare)) << bare;
    EXPECT_TRUE(is_odd_local_part(quoted)) << bare;
    EXPECT_EQ(quoted_local_part(bare), quoted);
    EXPECT_EQ(quoted_local_part(quoted), quoted);
    EXPECT_EQ(bare_local_part(quoted), bare);
    EXPECT_EQ(bare_local_part(bare), bare);
  }
  for (const char* other : {"a.b", "a", "", "..", "\"a b..\"", "\"a\\..b\"", "\"\"", "\"", "a b..",
                            "\"\"a..\"\"", "a@..b"})
    EXPECT_FALSE(is_odd_local_part(other)) << other;
}

TEST(Address, StrictSyntaxTakesOddLocalPartsWhereTheyWereGivenOut) {
  const TakesOddLocalParts carrier = [](std::string_view domain) {
    return domain == "docomo.ne.jp";
  };
  const auto takes = [&](const std::string& address, const TakesOddLocalParts& odd) {
    return std::holds_alternative<RcptCommand>(
        parse_rcpt("TO:<" + address + ">", {}, false, Syntax::Strict, odd));
  };
  EXPECT_TRUE(takes("a..b@docomo.ne.jp", carrier));
  EXPECT_TRUE(takes(".a@docomo.ne.jp", carrier));
  EXPECT_FALSE(takes("a..b@docomo.ne.jp", {}));
  EXPECT_FALSE(takes("a..b@d.test", carrier));
  EXPECT_FALSE(takes(std::string(63, 'a') + "..@docomo.ne.jp", carrier)) << "65 octets";
  EXPECT_TRUE(takes("\"a..b\"@d.test", carrier)) << "quoted it is RFC 5321's own";
}

}  // namespace
}  // namespace ekiden::smtp
