#include "ekiden/smtp/data_reader.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/random.hpp"

namespace ekiden::smtp {
namespace {

struct Outcome {
  std::string body;
  std::string rest;
  bool is_complete = false;
  bool is_refused = false;
  std::size_t longest = 0;
  bool is_eight_bit = false;
  bool operator==(const Outcome&) const = default;
};

Outcome run(std::string_view input, BareNewlines bare, std::size_t piece) {
  DataReader reader(bare);
  Outcome outcome;
  for (std::size_t i = 0; i < input.size(); i += piece) {
    // A copy of its own, so that the sanitizer sees a read past the end.
    const std::string part(input.substr(i, piece));
    const Result<DataProgress> progress = reader.feed(part, outcome.body);
    if (!progress) {
      outcome.is_refused = true;
      outcome.body.clear();
      return outcome;
    }
    if (progress->is_complete) {
      outcome.is_complete = true;
      outcome.rest = input.substr(i + progress->octets);
      break;
    }
    EXPECT_EQ(progress->octets, part.size());
  }
  outcome.longest = reader.longest_line();
  outcome.is_eight_bit = reader.is_eight_bit();
  return outcome;
}

/// The same at every split.
Outcome run(std::string_view input, BareNewlines bare = BareNewlines::Refuse) {
  const Outcome whole = run(input, bare, std::max<std::size_t>(input.size(), 1));
  for (const std::size_t piece : {1u, 2u, 3u, 7u, 63u, 64u, 65u, 66u, 130u}) {
    const Outcome split = run(input, bare, piece);
    EXPECT_EQ(split.body, whole.body) << piece;
    EXPECT_EQ(split.is_complete, whole.is_complete) << piece;
    EXPECT_EQ(split.is_refused, whole.is_refused) << piece;
    EXPECT_EQ(split.longest, whole.longest) << piece;
    EXPECT_EQ(split.is_eight_bit, whole.is_eight_bit) << piece;
    EXPECT_EQ(split.rest, whole.rest) << piece;
  }
  return whole;
}

TEST(DataReader, EndsAtTheLoneDotAndLeavesTheRest) {
  const Outcome outcome = run("Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n");
  EXPECT_TRUE(outcome.is_complete);
  EXPECT_EQ(outcome.body, "Subject: x\r\n\r\nhello\r\n");
  EXPECT_EQ(outcome.rest, "QUIT\r\n");
  EXPECT_EQ(outcome.longest, 10u);
}

TEST(DataReader, TakesAnEmptyMessage) {
  const Outcome outcome = run(".\r\n");
  EXPECT_TRUE(outcome.is_complete);
  EXPECT_EQ(outcome.body, "");
}

TEST(DataReader, RemovesStuffedDots) {
  EXPECT_EQ(run("..\r\n...a\r\n.b\r\nc.\r\n.\r\n").body, ".\r\n..a\r\nb\r\nc.\r\n");
}

TEST(DataReader, RefusesBareLineFeed) {
  EXPECT_TRUE(run("hello\nworld\r\n.\r\n").is_refused);
  EXPECT_TRUE(run("\nworld\r\n.\r\n").is_refused);
}

TEST(DataReader, RefusesBareCarriageReturn) {
  EXPECT_TRUE(run("hello\rworld\r\n.\r\n").is_refused);
  EXPECT_TRUE(run(std::string(200, 'x') + "\ry\r\n.\r\n").is_refused);
}

TEST(DataReader, EndsAtNoneOfTheSmugglingEndings) {
  for (const char* ending : {"\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r.\n",
                             "\n.\r", "\r\n.\r\r\n", "\n\n.\r\n", "\r\r.\r\n", "\n\r.\r\n",
                             "\r\n.\n\n", "\n.\r\r\n", "\r\n\r.\r\n"}) {
    const std::string input = "a" + std::string(ending) + "MAIL FROM:<x@y>\r\nz\r\n.\r\n";
    const Outcome refused = run(input);
    EXPECT_TRUE(refused.is_refused) << testing::PrintToString(ending);
    const Outcome fixed = run(input, BareNewlines::Fix);
    EXPECT_TRUE(fixed.is_complete);
    EXPECT_EQ(fixed.rest, "") << testing::PrintToString(ending);
    EXPECT_NE(fixed.body.find("MAIL FROM"), std::string::npos);
    // What is passed on holds only whole CRLFs and no line that a dot alone makes.
    for (std::size_t i = 0; i < fixed.body.size(); ++i) {
      if (fixed.body[i] == '\n') {
        EXPECT_TRUE(i > 0 && fixed.body[i - 1] == '\r');
      }
      if (fixed.body[i] == '\r') {
        EXPECT_TRUE(i + 1 < fixed.body.size() && fixed.body[i + 1] == '\n');
      }
    }
  }
  EXPECT_FALSE(run(std::string("a\r\n.\0\r\n", 7)).is_complete);
}

TEST(DataReader, TakesCrCrLfAsTheLineEndItIs) {
  const Outcome outcome = run("hello\r\r\n.\r\n");
  EXPECT_TRUE(outcome.is_complete);
  EXPECT_EQ(outcome.body, "hello\r\r\n");
}

TEST(DataReader, PreservesNuls) {
  const std::string input("a\0b\r\n.\r\n", 8);
  EXPECT_EQ(run(input).body, std::string("a\0b\r\n", 5));
}

TEST(DataReader, FindsLongLinesAndHighOctets) {
  const Outcome outcome = run("a\r\n" + std::string(5000, 'b') + "\r\n\xe3\x81\x82\r\n.\r\n");
  EXPECT_EQ(outcome.longest, 5000u);
  EXPECT_TRUE(outcome.is_eight_bit);
  EXPECT_FALSE(run(std::string(300, 'a') + "\r\n.\r\n").is_eight_bit);
}

/// The plainest possible reader, to compare with.
Outcome plain(std::string_view in, BareNewlines bare) {
  Outcome outcome;
  std::size_t i = 0;
  bool at_start = true;
  std::size_t line = 0;
  const auto end = [&] {
    outcome.body += "\r\n";
    outcome.longest = std::max(outcome.longest, line);
    line = 0;
  };
  while (i < in.size()) {
    if (at_start && in.substr(i, 3) == ".\r\n") {
      outcome.is_complete = true;
      outcome.rest = in.substr(i + 3);
      return outcome;
    }
    if (at_start && in[i] == '.') {
      ++i;
      at_start = false;
      if (in.substr(i, 1) == "\r" && bare == BareNewlines::Refuse) {
        outcome.is_refused = true;
        outcome.body.clear();
        return outcome;
      }
      continue;
    }
    if (in.substr(i, 2) == "\r\n") {
      end();
      i += 2;
      at_start = true;
      continue;
    }
    if (in[i] == '\r' && bare == BareNewlines::Refuse) {
      std::size_t k = i;
      while (k < in.size() && in[k] == '\r') ++k;
      if (k < in.size() && in[k] == '\n') {
        outcome.body.append(in.substr(i, k - 1 - i));
        line += k - 1 - i;
        i = k - 1;
        continue;
      }
    }
    if (in[i] == '\r' || in[i] == '\n') {
      if (bare == BareNewlines::Refuse) {
        outcome.is_refused = true;
        outcome.body.clear();
        return outcome;
      }
      end();
      at_start = false;
      ++i;
      continue;
    }
    at_start = false;
    if (static_cast<unsigned char>(in[i]) > 127) outcome.is_eight_bit = true;
    outcome.body += in[i++];
    ++line;
  }
  return outcome;
}

TEST(DataReader, AgreesWithThePlainestReader) {
  base::SeededRandom random(20261122);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    const std::uint64_t parts = random.below(60);
    for (std::uint64_t i = 0; i < parts; ++i) {
      switch (random.below(12)) {
        case 0:
          text += "\r\n.";
          break;
        case 1:
          text += "\r\n";
          break;
        case 2:
          text += ".";
          break;
        case 3:
          if (random.below(8) == 0) text += "\r";
          break;
        case 4:
          if (random.below(8) == 0) text += "\n";
          break;
        case 5:
          text += "\r\n..";
          break;
        case 6:
          text += std::string(random.below(100), 'y');
          break;
        case 7:
          text += "\xc3\xa9";
          break;
        default:
          text += std::string(random.below(10), 'x');
          break;
      }
    }
    text += "z\r\n.\r\nREST";
    for (const BareNewlines bare : {BareNewlines::Refuse, BareNewlines::Fix}) {
      const Outcome expected = plain(text, bare);
      for (const std::size_t piece : {text.size(), std::size_t{1}, std::size_t{70}}) {
        const Outcome outcome = run(text, bare, piece);
        ASSERT_EQ(outcome.is_refused, expected.is_refused) << testing::PrintToString(text);
        ASSERT_EQ(outcome.is_complete, expected.is_complete) << testing::PrintToString(text);
        ASSERT_EQ(outcome.body, expected.body) << testing::PrintToString(text);
        if (!expected.is_refused) {
          ASSERT_EQ(outcome.rest, expected.rest);
          ASSERT_EQ(outcome.longest, expected.longest) << testing::PrintToString(text);
          ASSERT_EQ(outcome.is_eight_bit, expected.is_eight_bit)
              << piece << testing::PrintToString(text);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ekiden::smtp
