// Percent-encoding as URIs, forms and SPF macros have it (RFC 3986 §2).
#include "ekiden/base/percent.hpp"

#include <gtest/gtest.h>

namespace ekiden::base {
namespace {

TEST(Percent, DecodesOctetsAndRefusesHalfOnes) {
  EXPECT_EQ(percent_decoded("a%20b%E3%81%82+%2f"), "a b\xE3\x81\x82+/");
  EXPECT_EQ(percent_decoded(""), "");
  for (const auto* text : {"%", "%2", "a%2", "%zz", "%2 ", "%%20"})
    EXPECT_FALSE(percent_decoded(text)) << text;
}

TEST(Percent, EncodesAllButUnreservedCharacters) {
  EXPECT_EQ(percent_encoded("aZ0-._~ @/\xE3\x81\x82%"), "aZ0-._~%20%40%2F%E3%81%82%25");
  EXPECT_EQ(percent_encoded("a@b/c", "@"), "a@b%2Fc");
  EXPECT_EQ(percent_decoded(percent_encoded(std::string_view("\0\r\n\xFF", 4))),
            std::string_view("\0\r\n\xFF", 4));
}

}  // namespace
}  // namespace ekiden::base
