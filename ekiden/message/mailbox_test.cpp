#include "ekiden/message/mailbox.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/random.hpp"

namespace ekiden::message {
namespace {

using List = std::vector<std::string>;

TEST(Mailboxes, FindsTheAddressInOrdinaryForms) {
  EXPECT_EQ(parse_mailboxes(" a@b.jp").addresses, List{"a@b.jp"});
  EXPECT_EQ(parse_mailboxes(" <a@b.jp>").addresses, List{"a@b.jp"});
  EXPECT_EQ(parse_mailboxes(" Alice Smith <a@b.jp>").addresses, List{"a@b.jp"});
  EXPECT_EQ(parse_mailboxes(" \"Smith, Alice\" <a@b.jp>").addresses, List{"a@b.jp"});
  EXPECT_EQ(parse_mailboxes(" a@b.jp (Alice <x@y>)").addresses, List{"a@b.jp"});
  EXPECT_EQ(parse_mailboxes(" a@b.jp, c@d.jp").addresses, (List{"a@b.jp", "c@d.jp"}));
  EXPECT_EQ(parse_mailboxes(" Alice\r\n <a@b.jp>").addresses, List{"a@b.jp"});
}

TEST(Mailboxes, KeepsCarrierAndQuotedLocalParts) {
  EXPECT_EQ(parse_mailboxes("a..b@docomo.ne.jp").addresses, List{"a..b@docomo.ne.jp"});
  EXPECT_EQ(parse_mailboxes("<abc.@ezweb.ne.jp>").addresses, List{"abc.@ezweb.ne.jp"});
  EXPECT_EQ(parse_mailboxes("\"a b>,\\\"c\"@d.jp").addresses, List{"\"a b>,\\\"c\"@d.jp"});
  EXPECT_EQ(parse_mailboxes("X <\"a>b\"@d.jp>").addresses, List{"\"a>b\"@d.jp"});
}

TEST(Mailboxes, AFoldInAQuotedLocalPartIsNotKept) {
  EXPECT_EQ(parse_mailboxes("\"a\r\n b\"@c.jp").addresses, List{"\"a b\"@c.jp"});
  EXPECT_EQ(parse_mailboxes("X <\"a\r\n\tb\"@c.jp>").addresses, List{"\"a\tb\"@c.jp"});
}

TEST(Mailboxes, DisplayNameThatLooksLikeAnAddressIsNone) {
  EXPECT_EQ(parse_mailboxes("\"ceo@bank.jp\" <x@evil.example>").addresses, List{"x@evil.example"});
  EXPECT_EQ(parse_mailboxes("ceo@bank.jp <x@evil.example>").addresses, List{"x@evil.example"});
  EXPECT_EQ(parse_mailboxes("=?utf-8?q?a@b,_c?= <x@y.jp>").addresses, List{"x@y.jp"});
}

TEST(Mailboxes, ReportsEveryAngleAddress) {
  const Mailboxes found = parse_mailboxes("A <a@x.jp> <b@y.jp>");
  EXPECT_EQ(found.addresses, (List{"a@x.jp", "b@y.jp"}));
  EXPECT_EQ(found.count, 2u);
}

TEST(Mailboxes, ReadsGroupsRoutesAndObsoleteSpacing) {
  EXPECT_EQ(parse_mailboxes("Team: a@b.jp, B <c@d.jp>;, e@f.jp").addresses,
            (List{"a@b.jp", "c@d.jp", "e@f.jp"}));
  EXPECT_TRUE(parse_mailboxes("undisclosed-recipients:;").addresses.empty());
  EXPECT_EQ(parse_mailboxes("<@r1.jp,@r2.jp:u@d.jp>").addresses, List{"u@d.jp"});
  EXPECT_EQ(parse_mailboxes("a . b @ (c(d)) example . jp").addresses, List{"a.b@example.jp"});
  EXPECT_EQ(parse_mailboxes("< a (x) @ b.jp >").addresses, List{"a@b.jp"});
}

TEST(Mailboxes, SurvivesMistakes) {
  EXPECT_EQ(parse_mailboxes("\"Open <a@b.jp>").addresses, List{"a@b.jp"});
  EXPECT_EQ(parse_mailboxes("Name <a@b.jp").addresses, List{"a@b.jp"});
  EXPECT_EQ(parse_mailboxes("John john@b.jp").addresses, List{"john@b.jp"});
  EXPECT_EQ(parse_mailboxes("a@b.jp trailing words").addresses, List{"a@b.jp"});
  EXPECT_EQ(parse_mailboxes("(open a@b.jp").addresses, List{"a@b.jp"});
  EXPECT_TRUE(parse_mailboxes("").addresses.empty());
  EXPECT_TRUE(parse_mailboxes("nobody").addresses.empty());
  EXPECT_TRUE(parse_mailboxes("<>").addresses.empty());
  EXPECT_EQ(parse_mailboxes("<postmaster>").addresses, List{"postmaster"});
}

TEST(Mailboxes, CountsPastTheLimitWithoutKeeping) {
  std::string value;
  for (int i = 0; i < 1000; ++i) value += "a" + std::to_string(i) + "@b.jp, ";
  const Mailboxes found = parse_mailboxes(value);
  EXPECT_EQ(found.count, 1000u);
  EXPECT_EQ(found.addresses.size(), kMailboxesMax);
}

TEST(Mailboxes, RandomOctetsNeverDoHarm) {
  base::SeededRandom random(3);
  constexpr std::string_view kAlphabet = "a@.<>()\"\\,;:=? \r\nBq?\xe3\x81\x82";
  for (int round = 0; round < 20'000; ++round) {
    std::string value;
    for (std::uint64_t n = random.below(60); n > 0; --n) {
      value += kAlphabet[random.below(kAlphabet.size())];
    }
    for (const std::string& address : parse_mailboxes(value).addresses) {
      EXPECT_LE(address.size(), value.size());
    }
  }
}

}  // namespace
}  // namespace ekiden::message
