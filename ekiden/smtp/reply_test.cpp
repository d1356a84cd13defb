#include "ekiden/smtp/reply.hpp"

#include <gtest/gtest.h>

namespace ekiden::smtp {
namespace {

std::string on_the_wire(const Reply& reply) {
  std::string out;
  append_reply(out, reply);
  return out;
}

TEST(Reply, CarriesTheEnhancedCodeOnEveryLine) {
  EXPECT_EQ(on_the_wire({550, {5, 1, 1}, {"No such user", "here"}}),
            "550-5.1.1 No such user\r\n550 5.1.1 here\r\n");
  EXPECT_EQ(on_the_wire({354, {}, {"Go ahead"}}), "354 Go ahead\r\n");
  EXPECT_EQ(on_the_wire({250, {2, 0, 0}, {}}), "250 2.0.0\r\n");
}

TEST(Reply, NeverLetsTextBreakTheLine) {
  EXPECT_EQ(on_the_wire({550, {}, {"a\r\n250 b"}}), "550 a??250 b\r\n");
}

TEST(Reply, CutsALineAtTheLimitBetweenCharacters) {
  std::string text(479, 'x');
  text += "\xe3\x81\x82";
  const std::string wire = on_the_wire({550, {5, 0, 0}, {text}});
  EXPECT_LE(wire.size(), 512u);
  EXPECT_EQ(wire, "550 5.0.0 " + std::string(479, 'x') + "\r\n");
}

TEST(Reply, TextIsOneLineForLogs) {
  const Reply reply{450, {4, 2, 1}, {"first", "sec\x01ond"}};
  EXPECT_EQ(reply.text(), "450 4.2.1 first / sec\\x01ond");
}

TEST(Reply, ParsesEnhancedCodesAndNothingElse) {
  EXPECT_EQ(parse_enhanced_code("5.1.1"), (EnhancedCode{5, 1, 1}));
  EXPECT_EQ(parse_enhanced_code("2.0.0"), (EnhancedCode{2, 0, 0}));
  EXPECT_EQ(parse_enhanced_code("4.7.321"), (EnhancedCode{4, 7, 321}));
  for (const char* text : {"", "5.1", "3.1.1", "5.1.1 ", "5..1", "5.1.1000", "5.1.-1", "51.1.1"}) {
    EXPECT_FALSE(parse_enhanced_code(text)) << text;
  }
  EXPECT_EQ(format_enhanced_code({5, 1, 10}), "5.1.10");
}

}  // namespace
}  // namespace ekiden::smtp
