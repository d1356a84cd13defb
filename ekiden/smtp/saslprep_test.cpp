#include "ekiden/smtp/saslprep.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ekiden::smtp {
namespace {

// RFC 4013 §3: the examples.
TEST(Saslprep, DoesTheExamplesOfRfc4013) {
  EXPECT_EQ(saslprep("I\u00adX").value(), "IX");
  EXPECT_EQ(saslprep("user").value(), "user");
  EXPECT_EQ(saslprep("USER").value(), "USER");
  EXPECT_EQ(saslprep("\u00aa").value(), "a");
  EXPECT_EQ(saslprep("\u2168").value(), "IX");
  EXPECT_FALSE(saslprep("\x07"));
  EXPECT_FALSE(saslprep("\u06271"));
}

TEST(Saslprep, MakesOneOfTheFormsOfJapaneseText) {
  // か and its voicing mark apart, as some keyboards give it, and half-width katakana.
  EXPECT_EQ(saslprep("\u304b\u3099").value(), "\u304c");
  EXPECT_EQ(saslprep("\uff76\uff9e").value(), "\u30ac");
  EXPECT_EQ(saslprep("\u3000").value(), " ");
  EXPECT_EQ(saslprep("\uff41\uff42\uff43").value(), "abc");
}

TEST(Saslprep, LeavesNewerCharactersAlone) {
  EXPECT_EQ(saslprep("\U0001f511").value(), "\U0001f511");
}

TEST(Saslprep, RefusesWhatIsNoText) {
  EXPECT_FALSE(saslprep("\xff\xfe"));
  EXPECT_FALSE(saslprep(std::string("a\0b", 3)));
  EXPECT_FALSE(saslprep(std::string(kSaslprepOctetsMax + 1, 'x')));
  EXPECT_EQ(saslprep_or_same("\xff\xfe"), "\xff\xfe");
  EXPECT_EQ(saslprep_or_same(""), "");
}

}  // namespace
}  // namespace ekiden::smtp
