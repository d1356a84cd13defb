#include "ekiden/base/text.hpp"

#include <gtest/gtest.h>

namespace ekiden::base {
namespace {

TEST(Text, Base64RoundTripsEveryLength) {
  std::string octets;
  for (int i = 0; i < 70; ++i) {
    const auto decoded = decode_base64(encode_base64(octets));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, octets);
    octets.push_back(static_cast<char>(i * 37));
  }
}

TEST(Text, Base64RefusesWhatIsNotBase64) {
  for (const char* text : {"A", "AB", "ABC", "A===", "AB=C", "AB C", "\n"})
    EXPECT_FALSE(decode_base64(text)) << text;
}

TEST(Text, ParsesUnsignedUpToTheLimit) {
  EXPECT_EQ(parse_u64("18446744073709551615"), UINT64_MAX);
  EXPECT_FALSE(parse_u64("18446744073709551616"));
  EXPECT_FALSE(parse_u64(""));
  EXPECT_FALSE(parse_u64("-1"));
}

TEST(Text, PrintableHidesControlCharactersAndBadUtf8) {
  EXPECT_EQ(printable("a\r\n\x1b[31m"), "a\\x0d\\x0a\\x1b[31m");
  EXPECT_EQ(printable("駅伝"), "駅伝");
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable(std::string(600, 'a')).size(), 512u + 3u);
}

TEST(Text, Utf8RefusesOverlongAndSurrogates) {
  EXPECT_TRUE(is_valid_utf8("añ駅😀"));
  EXPECT_FALSE(is_valid_utf8("\xc0\xaf"));
  EXPECT_FALSE(is_valid_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(is_valid_utf8("\xf4\x90\x80\x80"));
}

}  // namespace
}  // namespace ekiden::base
