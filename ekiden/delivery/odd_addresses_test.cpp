// Goal: an odd address goes out in the provider's form, and in the other one once after 501 or 553.
// Method: the memory alone; that sessions ask it is odd_local_parts_test.py's.
#include "ekiden/delivery/odd_addresses.hpp"

#include <gtest/gtest.h>

namespace ekiden::delivery {
namespace {

using shaping::OddLocalParts;

smtp::Reply reply(std::uint16_t code) {
  smtp::Reply made;
  made.code = code;
  return made;
}

TEST(OddAddresses, GoOutInTheProvidersForm) {
  const OddAddresses odd;
  for (const char* given : {"a..b@docomo.ne.jp", "\"a..b\"@docomo.ne.jp"}) {
    EXPECT_EQ(odd.form_of(given, OddLocalParts::Quoted), "\"a..b\"@docomo.ne.jp");
    EXPECT_EQ(odd.form_of(given, OddLocalParts::Bare), "a..b@docomo.ne.jp");
    EXPECT_EQ(odd.form_of(given, OddLocalParts::Strict), given) << "as it came";
  }
  EXPECT_EQ(odd.form_of(".abc@ezweb.ne.jp", OddLocalParts::Quoted), "\".abc\"@ezweb.ne.jp");
  EXPECT_EQ(odd.form_of("abc.@ezweb.ne.jp", OddLocalParts::Quoted), "\"abc.\"@ezweb.ne.jp");
}

TEST(OddAddresses, OthersStayAsTheyAre) {
  const OddAddresses odd;
  for (const char* given : {"a.b@docomo.ne.jp", "\"a b\"@docomo.ne.jp", "\"a@..b\"@docomo.ne.jp",
                            "\"a\\..b\"@docomo.ne.jp", "postmaster"}) {
    EXPECT_EQ(odd.form_of(given, OddLocalParts::Quoted), given);
    EXPECT_EQ(odd.form_of(given, OddLocalParts::Bare), given);
  }
}

TEST(OddAddresses, TheOtherFormIsTriedOnceAfter501And553) {
  OddAddresses odd;
  const char* const given = "a..b@docomo.ne.jp";
  EXPECT_FALSE(odd.may_retry(given, OddLocalParts::Quoted, reply(550)));
  EXPECT_FALSE(odd.may_retry("a.b@docomo.ne.jp", OddLocalParts::Quoted, reply(553)));
  EXPECT_FALSE(odd.may_retry(given, OddLocalParts::Strict, reply(553)));
  EXPECT_TRUE(odd.may_retry(given, OddLocalParts::Quoted, reply(553)));
  EXPECT_EQ(odd.form_of(given, OddLocalParts::Quoted), given);
  EXPECT_FALSE(odd.may_retry(given, OddLocalParts::Quoted, reply(501))) << "both were refused";
  EXPECT_EQ(odd.form_of(given, OddLocalParts::Quoted), "\"a..b\"@docomo.ne.jp");
}

TEST(OddAddresses, TheMemoryIsBounded) {
  OddAddresses odd;
  for (std::size_t i = 0; i < OddAddresses::kMax + 1; ++i) {
    const std::string address = "a.." + std::to_string(i) + "@docomo.ne.jp";
    EXPECT_TRUE(odd.may_retry(address, OddLocalParts::Quoted, reply(501)));
  }
  EXPECT_EQ(odd.form_of("a..0@docomo.ne.jp", OddLocalParts::Quoted), "\"a..0\"@docomo.ne.jp");
}

}  // namespace
}  // namespace ekiden::delivery
