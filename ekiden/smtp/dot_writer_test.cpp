#include "ekiden/smtp/dot_writer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ekiden::smtp {
namespace {

std::string written(std::initializer_list<std::string_view> parts) {
  DotWriter writer;
  std::vector<std::string_view> pieces;
  for (const std::string_view part : parts) writer.append(part, pieces);
  writer.finish(pieces);
  std::string out;
  for (const std::string_view piece : pieces) out += piece;
  return out;
}

TEST(DotWriter, DoublesTheDotThatBeginsALine) {
  EXPECT_EQ(written({"a\r\n.\r\n..b.c\r\n.\r\n"}), "a\r\n..\r\n...b.c\r\n..\r\n.\r\n");
  EXPECT_EQ(written({".a\r\n"}), "..a\r\n.\r\n");
}

TEST(DotWriter, EndsTheLastLineBeforeTheLoneDot) {
  EXPECT_EQ(written({"a"}), "a\r\n.\r\n");
  EXPECT_EQ(written({"a\r"}), "a\r\r\n.\r\n");
  EXPECT_EQ(written({"a\n"}), "a\n\r\n.\r\n");
  EXPECT_EQ(written({"a\r", "\n"}), "a\r\n.\r\n");
  EXPECT_EQ(written({}), ".\r\n");
}

TEST(DotWriter, GivesTheSameOctetsHoweverTheyAreSplit) {
  const std::string body = ".\r\n..\r\n\n.x\r\n.end\r\n.";
  const std::string whole = written({body});
  for (std::size_t i = 0; i <= body.size(); ++i) {
    EXPECT_EQ(written({std::string_view(body).substr(0, i), std::string_view(body).substr(i)}),
              whole)
        << i;
  }
}

TEST(DotWriter, NeverCopiesTheOctets) {
  const std::string body = "a\r\n.b\r\nc.d\r\n";
  DotWriter writer;
  std::vector<std::string_view> pieces;
  writer.append(body, pieces);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[0], "a\r\n.");
  EXPECT_EQ(pieces[1], ".b\r\nc.d\r\n");
  EXPECT_EQ(pieces[0].data(), body.data());
  EXPECT_EQ(pieces[1].data(), body.data() + 3);
}

}  // namespace
}  // namespace ekiden::smtp
