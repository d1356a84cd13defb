#include "ekiden/message/line_length.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "ekiden/base/random.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::message {
namespace {

/// The obvious way, octet by octet.
Scan slow_scan(std::string_view octets) {
  Scan scan;
  std::size_t line = 0;
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const char c = octets[i];
    const bool after_cr = i > 0 && octets[i - 1] == '\r';
    if (static_cast<signed char>(c) < 0) scan.has_eight_bit = true;
    if (c == '\0') scan.has_nul = true;
    if (c == '\r' && (i + 1 == octets.size() || octets[i + 1] != '\n'))
      scan.has_bare_newline = true;
    if (c == '\n') {
      if (!after_cr) scan.has_bare_newline = true;
      scan.longest_line = std::max(scan.longest_line, after_cr ? line - 1 : line);
      line = 0;
    } else {
      ++line;
    }
  }
  scan.longest_line = std::max(scan.longest_line, line);
  return scan;
}

TEST(LineScanner, AgreesWithTheObviousWayHoweverSplit) {
  base::SeededRandom random(11);
  constexpr std::string_view kRare("\r\n\r\n\0\xff\r\n", 8);
  for (int round = 0; round < 3000; ++round) {
    std::string octets;
    const std::uint64_t rarity = 1 + random.below(200);
    for (std::uint64_t n = random.below(600); n > 0; --n) {
      if (random.below(rarity) != 0) {
        octets += 'x';
      } else if (random.below(2) == 0) {
        octets += "\r\n";
      } else {
        octets += kRare[random.below(kRare.size())];
      }
    }
    const Scan expected = slow_scan(octets);
    ASSERT_EQ(scan_lines(octets), expected);
    LineScanner scanner;
    for (std::string_view rest = octets; !rest.empty();) {
      const std::size_t n = std::min<std::size_t>(rest.size(), 1 + random.below(100));
      scanner.feed(rest.substr(0, n));
      rest.remove_prefix(n);
    }
    ASSERT_EQ(scanner.result(), expected);
  }
}

TEST(LineScanner, LimitIs998WithoutCrlf) {
  EXPECT_FALSE(scan_lines(std::string(998, 'x') + "\r\ny").has_long_line());
  EXPECT_TRUE(scan_lines(std::string(999, 'x') + "\r\ny").has_long_line());
  EXPECT_TRUE(scan_lines(std::string(999, 'x')).has_long_line());
}

TEST(Refold, BreaksAtWhiteSpaceOnly) {
  std::string header = "Subject: word";
  while (header.size() < 3000) header += " another";
  header += "\r\nTo: a@b\r\n";
  const std::string folded = refold_long_lines(header);
  EXPECT_FALSE(scan_lines(folded).has_long_line());
  EXPECT_EQ(unfolded(folded), unfolded(header));
}

TEST(Refold, BreaksAddressListsAfterCommas) {
  std::string header = "To: a@example.jp";
  while (header.size() < 5000) header += ",\"x, y\\\"\"@example.jp";
  header += "\r\n";
  const std::string folded = refold_long_lines(header);
  EXPECT_FALSE(scan_lines(folded).has_long_line());
  std::string joined = folded;
  for (std::size_t at; (at = joined.find("\r\n ")) != std::string::npos;) joined.erase(at, 3);
  EXPECT_EQ(joined, header);
}

TEST(Refold, TheSpaceThatAFoldAddsCountsToo) {
  // Behind the comma 998 octets are left, and the fold puts a space before them.
  const std::string header = "To: a@x," + std::string(998, 'b') + "\r\n";
  const std::string folded = refold_long_lines(header);
  EXPECT_EQ(folded, "To: a@x,\r\n " + std::string(998, 'b') + "\r\n");
  EXPECT_EQ(refold_long_lines(folded), folded);
  const std::string two = "To: " + std::string(400, 'a') + "," + std::string(500, 'b') + "," +
                          std::string(497, 'c') + "@x,d@x\r\n";
  EXPECT_LE(scan_lines(refold_long_lines(two)).longest_line, kLineOctetsMax);
}

TEST(Refold, LeavesWhatItCannotBreak) {
  const std::string header = "X-Long: " + std::string(2000, 'x') + "\r\nA: b\r\n";
  EXPECT_EQ(refold_long_lines(header), header);
  const std::string blanks = "X-Long: x" + std::string(2000, ' ') + "\r\n";
  EXPECT_EQ(refold_long_lines(blanks), blanks);
  const std::string just = "A: " + std::string(995, 'x') + "\r\n";
  EXPECT_EQ(refold_long_lines(just), just);
}

TEST(Refold, NeverMakesABlankLine) {
  base::SeededRandom random(12);
  for (int round = 0; round < 300; ++round) {
    std::string header = "X: ";
    for (std::uint64_t n = random.below(4000); n > 0; --n) {
      header += random.below(30) == 0 ? 'x' : ' ';
    }
    header += "\r\n";
    const std::string folded = refold_long_lines(header);
    EXPECT_EQ(unfolded(folded), unfolded(header));
    for (std::string_view rest = folded; !rest.empty();) {
      const std::size_t end = rest.find("\r\n");
      if (folded != header) {
        EXPECT_NE(rest.substr(0, end).find_first_not_of(" \t"), std::string_view::npos);
      }
      rest.remove_prefix(end + 2);
    }
  }
}

}  // namespace
}  // namespace ekiden::message
