// What counts as one click, and in which language a stranger is answered.
#include "ekiden/api/unsubscribe.hpp"

#include <gtest/gtest.h>

namespace ekiden::api {
namespace {

TEST(Unsubscribe, KnowsOneClickHoweverItIsEncoded) {
  const char* form = "application/x-www-form-urlencoded";
  for (const char* body : {"List-Unsubscribe=One-Click", "List-Unsubscribe=One-Click\r\n",
                           "a=b&List-Unsubscribe=One-Click", "List-Unsubscribe=One-Click&c=d"})
    EXPECT_TRUE(is_one_click(form, body)) << body;
  EXPECT_TRUE(is_one_click("", "List-Unsubscribe=One-Click")) << "some say no type";
  for (const char* body : {"", "List-Unsubscribe", "List-Unsubscribe=One-Clicks", "One-Click",
                           "xList-Unsubscribe=One-Click", "List-Unsubscribe=No&a"})
    EXPECT_FALSE(is_one_click(form, body)) << body;
  const std::string part =
      "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--";
  EXPECT_TRUE(is_one_click("multipart/form-data; boundary=b", part));
  EXPECT_FALSE(is_one_click("multipart/form-data; boundary=b", "List-Unsubscribe=One-Click"));
  EXPECT_FALSE(is_one_click("multipart/form-data; boundary=b",
                            "name=\"List-Unsubscribe\"\r\n\r\nOne-Clicks"));
  EXPECT_FALSE(is_one_click(form, std::string(20'000, '&') + "List-Unsubscribe=One-Click"))
      << "so much is not looked at";
}

TEST(Unsubscribe, SpeaksJapaneseToWhoAsksForItFirst) {
  for (const char* text : {"ja", "ja-JP,ja;q=0.9,en-US;q=0.8", "JA"})
    EXPECT_TRUE(prefers_japanese(text)) << text;
  for (const char* text : {"", "en-US,en;q=0.9,ja;q=0.8", "de", "fr,en"})
    EXPECT_FALSE(prefers_japanese(text)) << text;
}

}  // namespace
}  // namespace ekiden::api
