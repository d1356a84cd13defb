#include "ekiden/auth/tag_list.hpp"

#include <gtest/gtest.h>

namespace ekiden::auth {
namespace {

std::string problem_of(std::string_view text) {
  std::string_view why;
  return TagList::parse(text, why) ? "" : std::string(why);
}

// RFC 6376 §3.2.
TEST(TagList, ReadsNamesAndValuesAroundWhiteSpace) {
  std::string_view why;
  const auto tags = TagList::parse(" v = 1 ;\r\n\ta=rsa-sha256; b=ab\r\n cd ;x=", why);
  ASSERT_TRUE(tags);
  ASSERT_EQ(tags->tags().size(), 4u);
  EXPECT_EQ(tags->value("v"), "1");
  EXPECT_EQ(tags->value("a"), "rsa-sha256");
  EXPECT_EQ(tags->value("b"), "ab\r\n cd");
  EXPECT_EQ(tags->find("b")->raw, "ab\r\n cd ");
  EXPECT_TRUE(tags->has("x"));
  EXPECT_EQ(tags->value("x"), "");
  EXPECT_FALSE(tags->has("V")) << "names are case-sensitive";
}

TEST(TagList, TakesOneSemicolonAtTheEnd) {
  EXPECT_EQ(problem_of("v=1;"), "");
  EXPECT_EQ(problem_of("v=1; \r\n "), "");
  EXPECT_EQ(problem_of("v=1;;"), "malformed tag list");
  EXPECT_EQ(problem_of(";v=1"), "malformed tag list");
  EXPECT_EQ(problem_of(""), "malformed tag list");
}

// RFC 6376 §3.2: "Tags with duplicate names MUST NOT occur within a single tag-list".
TEST(TagList, IsVoidWithATagTwice) {
  EXPECT_EQ(problem_of("d=a.example; d=b.example"), "duplicate tag");
}

TEST(TagList, IsVoidWithControlsAndBareNewlines) {
  EXPECT_EQ(problem_of(std::string_view("d=a\0b", 5)), "malformed tag value");
  EXPECT_EQ(problem_of("d=a\rb"), "malformed tag value");
  EXPECT_EQ(problem_of("d=a\nb"), "malformed tag value");
  EXPECT_EQ(problem_of("d=a\r\nb"), "malformed tag value");
  EXPECT_EQ(problem_of("1d=a"), "malformed tag name");
  EXPECT_EQ(problem_of("d d=a"), "malformed tag name");
}

TEST(TagList, IsVoidPastItsLimits) {
  std::string many;
  for (std::size_t i = 0; i <= kTagsMax; ++i) many += "t" + std::to_string(i) + "=1;";
  EXPECT_EQ(problem_of(many), "too many tags");
  EXPECT_EQ(problem_of("a=" + std::string(kTagListOctetsMax, 'x')), "tag list too long");
  EXPECT_EQ(problem_of("a=" + std::string(kTagListOctetsMax - 2, 'x')), "");
}

TEST(TagValue, IsBase64WithFoldsAndWithoutPadding) {
  EXPECT_EQ(decode_base64_value("aGV\r\n\tsbG8="), "hello");
  EXPECT_EQ(decode_base64_value("aGVsbG8"), "hello");
  EXPECT_FALSE(decode_base64_value("aGVsbG8*"));
  EXPECT_FALSE(decode_base64_value("aGVsb=8="));
  EXPECT_FALSE(decode_base64_value("a"));
  EXPECT_FALSE(decode_base64_value(" "));
}

TEST(Sdid, IsADomainAndNothingElse) {
  EXPECT_EQ(parse_sdid("Example.ORG"), "example.org");
  EXPECT_EQ(parse_sdid("a_b.example.org"), "a_b.example.org");
  EXPECT_EQ(parse_sdid("日本語.jp"), "xn--wgv71a119e.jp");
  for (const std::string_view wrong :
       {"", "org", "example..org", ".example.org", "example.org.", "exa mple.org", "a\"b.org",
        "a(b).org", "-a.org", "a@b.org", "a;b.org"}) {
    EXPECT_FALSE(parse_sdid(wrong)) << wrong;
  }
  EXPECT_FALSE(parse_sdid(std::string_view("a\0.org", 6)));
  EXPECT_FALSE(parse_sdid(std::string(64, 'a') + ".org"));
  EXPECT_EQ(parse_selector("s1"), "s1");
  EXPECT_EQ(parse_selector("s1.mail"), "s1.mail");
}

}  // namespace
}  // namespace ekiden::auth
