#include "ekiden/api/strict_json.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace ekiden::api {
namespace {

std::string refusal(std::string_view text) {
  Text why;
  const auto value = parse_json(text, why);
  EXPECT_FALSE(value) << text;
  EXPECT_FALSE(why.japanese.empty());
  return why.english;
}

TEST(StrictJson, ReadsWhatIsJson) {
  Text why;
  const auto value =
      parse_json(R"({"a":[1,-2,3.5,true,null,"あ\ud83d\ude00\n"],"b":{"a":{}}})", why);
  ASSERT_TRUE(value) << why.english;
  EXPECT_EQ(boost::json::serialize(*value),
            "{\"a\":[1,-2,3.5E0,true,null,\"あ😀\\n\"],\"b\":{\"a\":{}}}");
  EXPECT_TRUE(parse_json(" 1 ", why));
}

TEST(StrictJson, RefusesAKeyThatStandsTwice) {
  EXPECT_EQ(refusal(R"({"a":1,"b":{"c":1,"c":2}})").substr(0, 12), "the key \"c\" ");
  EXPECT_EQ(refusal(R"({"":1,"":2})").substr(0, 11), "the key \"\" ");
  EXPECT_NE(refusal(R"({"a":1,"\u0061":2})").find("\"a\" stands twice"), std::string::npos);
  Text why;
  EXPECT_TRUE(parse_json(R"([{"a":1},{"a":1}])", why));
}

TEST(StrictJson, RefusesDepthThatNobodyNeeds) {
  for (const std::string_view open : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += open;
    EXPECT_NE(refusal(deep).find("nested 32 deep"), std::string::npos);
  }
}

TEST(StrictJson, RefusesHalfASurrogatePair) {
  EXPECT_FALSE(refusal(R"({"a":"\ud800"})").empty());
  EXPECT_FALSE(refusal(R"({"a":"\ud800x"})").empty());
  EXPECT_NE(refusal(R"({"a":"\ud800\u0041"})").find("surrogate"), std::string::npos);
  EXPECT_NE(refusal(R"({"a":"\udc00"})").find("surrogate"), std::string::npos);
}

TEST(StrictJson, RefusesWhatIsNoJson) {
  EXPECT_NE(refusal("").find("ends before"), std::string::npos);
  EXPECT_NE(refusal("{\"a\":").find("ends before"), std::string::npos);
  EXPECT_NE(refusal("{} {}").find("something follows"), std::string::npos);
  for (const std::string_view text :
       {"{'a':1}", "{\"a\":1,}", "[01]", "nan", "\"\xff\"", "\"\xed\xa0\x80\"", "\"a\nb\"", "// x"})
    EXPECT_FALSE(refusal(text).empty());
}

}  // namespace
}  // namespace ekiden::api
