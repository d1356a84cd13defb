#include "ekiden/smtp/reply_parser.hpp"

#include <gtest/gtest.h>

namespace ekiden::smtp {
namespace {

Reply parse(std::string_view octets) {
  ReplyParser parser;
  EXPECT_EQ(parser.feed(octets), ReplyStatus::Complete);
  return parser.take();
}

ReplyStatus status_of(std::string_view octets) {
  ReplyParser parser;
  ReplyStatus status = ReplyStatus::Incomplete;
  while (!octets.empty() && (status = parser.feed(octets)) == ReplyStatus::Complete) parser.take();
  return status;
}

TEST(ReplyParser, ReadsOneLine) {
  const Reply reply = parse("250 2.1.0 Ok\r\n");
  EXPECT_EQ(reply.code, 250);
  EXPECT_EQ(reply.enhanced, (EnhancedCode{2, 1, 0}));
  EXPECT_EQ(reply.lines, std::vector<std::string>{"Ok"});
}

TEST(ReplyParser, ReadsSeveralLinesSplitAnywhere) {
  const std::string wire = "550-5.7.1 first\r\n550-5.7.1\r\n550 5.7.1 last\r\n";
  for (std::size_t split = 1; split < wire.size(); ++split) {
    ReplyParser parser;
    std::string_view a = std::string_view(wire).substr(0, split);
    std::string_view b = std::string_view(wire).substr(split);
    ASSERT_EQ(parser.feed(a), ReplyStatus::Incomplete) << split;
    EXPECT_FALSE(parser.is_between_replies());
    ASSERT_EQ(parser.feed(b), ReplyStatus::Complete) << split;
    const Reply reply = parser.take();
    EXPECT_EQ(reply.lines, (std::vector<std::string>{"first", "", "last"}));
    EXPECT_EQ(reply.enhanced, (EnhancedCode{5, 7, 1}));
    EXPECT_TRUE(parser.is_between_replies());
  }
}

TEST(ReplyParser, LeavesTheNextReplyInTheInput) {
  ReplyParser parser;
  std::string_view input = "250 a\r\n354 b\r\n";
  ASSERT_EQ(parser.feed(input), ReplyStatus::Complete);
  EXPECT_EQ(parser.take().code, 250);
  EXPECT_EQ(input, "354 b\r\n");
  ASSERT_EQ(parser.feed(input), ReplyStatus::Complete);
  EXPECT_EQ(parser.take().code, 354);
}

TEST(ReplyParser, TakesACodeAloneAndALineFeedAlone) {
  EXPECT_EQ(parse("250\r\n").code, 250);
  EXPECT_EQ(parse("250 ok\n").lines.front(), "ok");
}

TEST(ReplyParser, BelievesAnEnhancedCodeOnlyOfTheSameClass) {
  const Reply reply = parse("550 4.1.1 odd\r\n");
  EXPECT_FALSE(reply.enhanced);
  EXPECT_EQ(reply.lines.front(), "4.1.1 odd");
  EXPECT_FALSE(parse("550 5.1 short\r\n").enhanced);
  EXPECT_FALSE(parse("550 5.1.1000000 long\r\n").enhanced);
  EXPECT_FALSE(parse("354 3.0.0 go\r\n").enhanced);
}

TEST(ReplyParser, RefusesLinesWithoutACode) {
  for (const std::string_view bad :
       {"hello\r\n", "\r\n", "25\r\n", "2x0 ok\r\n", "150 early\r\n", "650 late\r\n", "250ok\r\n",
        "250\tok\r\n", " 250 ok\r\n", "-250 ok\r\n", "HTTP/1.1 400 Bad Request\r\n"}) {
    EXPECT_EQ(status_of(bad), ReplyStatus::NoCode) << bad;
  }
  EXPECT_EQ(status_of(std::string("\0\0\0\0\r\n", 6)), ReplyStatus::NoCode);
}

TEST(ReplyParser, RefusesMixedCodes) {
  EXPECT_EQ(status_of("250-a\r\n550 b\r\n"), ReplyStatus::MixedCodes);
}

TEST(ReplyParser, RefusesAMillionLines) {
  ReplyParser parser;
  ReplyStatus status = ReplyStatus::Incomplete;
  int lines = 0;
  for (; lines < 1'000'000 && status == ReplyStatus::Incomplete; ++lines) {
    std::string_view line = "250-more\r\n";
    status = parser.feed(line);
  }
  EXPECT_EQ(status, ReplyStatus::TooLong);
  EXPECT_LE(lines, 257);
}

TEST(ReplyParser, RefusesALineWithoutEndInBoundedMemory) {
  ReplyParser parser;
  ReplyStatus status = ReplyStatus::Incomplete;
  std::size_t octets = 0;
  const std::string block(1000, 'a');
  while (status == ReplyStatus::Incomplete && octets < 1'000'000) {
    std::string_view input = block;
    status = parser.feed(input);
    octets += block.size();
  }
  EXPECT_EQ(status, ReplyStatus::TooLong);
  EXPECT_LE(octets, ReplyParser::kLineOctetsMax + block.size());
}

TEST(ReplyParser, RefusesTooManyOctetsInShortEnoughLines) {
  std::string wire;
  for (int i = 0; i < 100; ++i) wire += "250-" + std::string(1000, 'x') + "\r\n";
  EXPECT_EQ(status_of(wire), ReplyStatus::TooLong);
}

TEST(ReplyParser, KeepsControlCharactersAsText) {
  const Reply reply = parse("550 5.1.1 \x1b$B no\x01such\r user\r\n");
  EXPECT_EQ(reply.code, 550);
  EXPECT_EQ(reply.enhanced, (EnhancedCode{5, 1, 1}));
  EXPECT_EQ(reply.lines.front(), "\\x1b$B no\\x01such\\x0d user");
  std::string with_nul = "450 a\r\n";
  with_nul.insert(5, 1, '\0');
  EXPECT_EQ(parse(with_nul).lines.front(), "a\\x00");
}

TEST(ReplyParser, CountsOctetsPerReplyNotPerConnection) {
  ReplyParser parser;
  for (int i = 0; i < 100'000; ++i) {
    std::string_view input = "250 2.0.0 Ok: queued\r\n";
    ASSERT_EQ(parser.feed(input), ReplyStatus::Complete);
    parser.take();
  }
}

}  // namespace
}  // namespace ekiden::smtp
