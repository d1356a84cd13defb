#include "ekiden/message/convert.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "ekiden/base/random.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/error.hpp"

namespace ekiden::message {
namespace {

std::string decode_quoted_printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (text.substr(i + 1, 2) == "\r\n") {
      i += 2;
    } else {
      out += base::decode_hex(text.substr(i + 1, 2)).value_or("<bad>");
      i += 2;
    }
  }
  return out;
}

std::string decode_lines_of_base64(std::string text) {
  std::erase_if(text, [](char c) { return c == '\r' || c == '\n'; });
  return base::decode_base64(text).value_or("<bad>");
}

std::string body_of(std::string_view message) {
  const std::size_t end = message.find("\r\n\r\n");
  return end == std::string_view::npos ? "" : std::string(message.substr(end + 4));
}

Result<std::string> convert_in_pieces(std::string_view message, Conversion conversion,
                                      base::Random& random, std::size_t hold_octets_max) {
  Converter converter(conversion, hold_octets_max);
  std::string all;
  const std::uint64_t piece = 1 + random.below(40);
  while (!message.empty()) {
    const std::size_t n = std::min<std::size_t>(message.size(), 1 + random.below(piece));
    std::string out;
    if (const auto fed = converter.feed(message.substr(0, n), out); !fed) return fed.error();
    all += out;
    message.remove_prefix(n);
  }
  std::string out;
  if (const auto done = converter.finish(out); !done) return done.error();
  return all + out;
}

constexpr std::string_view kMultipart =
    "From: a@b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n"
    "Content-Type: multipart/mixed;\r\n boundary=\"x y\"\r\n\r\n"
    "preamble \xff\r\n"
    "--x y\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    "\xe3\x81\x82\r\n"
    "--x y\r\n"
    "Content-Type: text/plain\r\n\r\nplain -- text\r\n--x\r\n"
    "--x y  \r\n"
    "Content-Type: image/png\r\ncontent-transfer-encoding: 8BIT (comment)\r\n\r\n"
    "\x89PNG\r\n"
    "--x y\r\n"
    "Content-Type: message/rfc822\r\n\r\n"
    "Subject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
    "--in\r\n\r\n\xe9t\xe9\r\n--in--\r\n"
    "--x y\r\n"
    "Content-Transfer-Encoding: base64\r\nContent-Type: application/pdf\r\n\r\n"
    "AAAA\r\n"
    "--x y--\r\n"
    "epilogue\r\n";

TEST(SevenBit, ReencodesPartByPart) {
  EXPECT_EQ(*convert(kMultipart, Conversion::SevenBit),
            "From: a@b\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 7bit\r\n"
            "Content-Type: multipart/mixed;\r\n boundary=\"x y\"\r\n\r\n"
            "preamble ?\r\n"
            "--x y\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            "=E3=81=82\r\n"
            "--x y\r\n"
            "Content-Type: text/plain\r\n\r\nplain -- text\r\n--x\r\n"
            "--x y  \r\n"
            "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            "iVBORw==\r\n"
            "--x y\r\n"
            "Content-Type: message/rfc822\r\n\r\n"
            "Subject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
            "--in\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E9t=E9\r\n--in--\r\n"
            "--x y\r\n"
            "Content-Transfer-Encoding: base64\r\nContent-Type: application/pdf\r\n\r\n"
            "AAAA\r\n"
            "--x y--\r\n"
            "epilogue\r\n");
}

TEST(SevenBit, MessageThatIsNotMimeBecomesMime) {
  EXPECT_EQ(*convert("Subject: a\r\n\r\n\x82\xa0\r\n", Conversion::SevenBit),
            "Subject: a\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=unknown-8bit\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n=82=A0\r\n");
}

TEST(SevenBit, CleanMessagesKeepEveryOctet) {
  for (const std::string_view message :
       {"Subject: a\r\n\r\nplain\r\n", "Subject: a\r\n", "", "\r\n", "\r\n\r\n", "no header\r\n",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--",
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n--b\r\nA: b\r\n--b--\r\n",
        "Content-Type: multipart/mixed\r\n\r\n--b\r\n",
        "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"}) {
    EXPECT_EQ(*convert(message, Conversion::SevenBit), message);
  }
}

TEST(SevenBit, LabelFollowsCleanContent) {
  EXPECT_EQ(*convert("Content-Transfer-Encoding: 8bit\r\n\r\nplain\r\n", Conversion::SevenBit),
            "Content-Transfer-Encoding: 7bit\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n\r\nplain\r\n");
}

TEST(SevenBit, SignedPartIsRefusedOnlyWhenItWouldChange) {
  EXPECT_EQ(
      convert("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xff\r\n--b--\r\n",
              Conversion::SevenBit)
          .error(),
      Errc::Unalterable);
  EXPECT_EQ(
      convert("Content-Type: message/partial; id=1\r\n\r\n\xff\r\n", Conversion::SevenBit).error(),
      Errc::Unalterable);
}

TEST(SevenBit, NestingIsBounded) {
  std::string message;
  for (unsigned i = 0; i <= Converter::kDepthMax; ++i) {
    message += "Content-Type: message/rfc822\r\n\r\n";
  }
  EXPECT_EQ(convert(message + "\r\nx", Conversion::SevenBit).error(), Errc::TooDeep);
}

TEST(SevenBit, HeaderBombIsAnError) {
  EXPECT_EQ(convert("A: " + std::string(600'000, 'x'), Conversion::SevenBit).error(),
            Errc::HeaderTooLarge);
}

TEST(SevenBit, QuotedPrintableGivesTheSameOctetsBack) {
  base::SeededRandom random(21);
  for (int round = 0; round < 2000; ++round) {
    std::string text = "\xff";
    constexpr std::string_view kAlphabet = "abc.F= \t\xe3\x81\x82\x1b";
    for (std::uint64_t n = random.below(400); n > 0; --n) {
      text += random.below(20) == 0 ? std::string_view("\r\n")
                                    : kAlphabet.substr(random.below(kAlphabet.size()), 1);
    }
    const std::string header = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n";
    const std::string out = *convert(header + text, Conversion::SevenBit);
    EXPECT_EQ(decode_quoted_printable(body_of(out)), text);
    const Scan scan = scan_lines(out);
    EXPECT_LE(scan.longest_line, 76u);
    EXPECT_FALSE(scan.has_eight_bit);
    EXPECT_EQ(out.find(" \r\n"), std::string::npos);
  }
}

TEST(SevenBit, Base64GivesTheSameOctetsBack) {
  base::SeededRandom random(22);
  for (int round = 0; round < 500; ++round) {
    std::string octets(1 + random.below(3000), '\0');
    for (char& c : octets) c = static_cast<char>(random.next());
    const std::string header =
        "MIME-Version: 1.0\r\nContent-Type: image/png\r\n"
        "Content-Transfer-Encoding: binary\r\n\r\n";
    const std::string out = *convert(header + octets, Conversion::SevenBit);
    EXPECT_EQ(decode_lines_of_base64(body_of(out)), octets);
  }
}

TEST(ShortLines, AnEqualsSignThatBreaksNoLineCountsAsAnOctet) {
  const std::string header =
      "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
  for (std::size_t n = 990; n < 1000; ++n) {
    const std::string body = std::string(n, 'x') + "=\rb=\r\nc=\r";
    for (const Conversion conversion : {Conversion::EightBit, Conversion::ShortLines}) {
      const std::string out = *convert(header + body, conversion);
      EXPECT_FALSE(scan_lines(out).has_long_line()) << n;
      EXPECT_EQ(std::count(out.begin(), out.end(), 'x'), static_cast<std::ptrdiff_t>(n));
    }
  }
}

TEST(EightBit, ABase64PartKeepsNoBareNewline) {
  // It came by BDAT and leaves by DATA, where "\n.\r\n" must not be an end for anybody.
  const std::string header = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  const std::string body = "QUJD\n.\nREVG\r\nR0hJ\r\r\xff\nSktM\r\n\r";
  for (const Conversion conversion : {Conversion::EightBit, Conversion::SevenBit}) {
    EXPECT_EQ(*convert(header + body, conversion), header + "QUJD.REVG\r\nR0hJSktM\r\n");
  }
  EXPECT_EQ(*convert(header + body, Conversion::ShortLines), header + body);
}

TEST(EightBit, BinaryTextWithoutLineStructureBecomesBase64) {
  const std::string header =
      "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\n";
  const std::string out = *convert(header + "a\nb\r\n", Conversion::EightBit);
  EXPECT_EQ(decode_lines_of_base64(body_of(out)), "a\nb\r\n");
  EXPECT_NE(out.find("Encoding: base64\r\n"), std::string::npos);
  EXPECT_NE(convert(header + "\xff\r\n", Conversion::EightBit)->find("Encoding: 8bit\r\n"),
            std::string::npos);
  EXPECT_NE(convert(header + "x\r\n", Conversion::EightBit)->find("Encoding: 7bit\r\n"),
            std::string::npos);
}

TEST(ShortLines, ReencodesThePartWithTheLongLineOnly) {
  const std::string head = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
  const std::string kept = "--b\r\nContent-Type: text/plain\r\n\r\n\xe3\x81\x82\r\n";
  const std::string part = "--b\r\nContent-Type: text/html\r\n";
  const std::string line(5000, 'y');
  const std::string out =
      *convert(head + kept + part + "\r\n" + line + "\r\n--b--\r\n", Conversion::ShortLines);
  EXPECT_TRUE(
      out.starts_with(head + kept + part + "Content-Transfer-Encoding: quoted-printable\r\n\r\n"));
  EXPECT_FALSE(scan_lines(out).has_long_line());
}

TEST(ShortLines, BreaksLongLinesOfEncodedParts) {
  const std::string head =
      "MIME-Version: 1.0\r\nContent-Type: image/png\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\n";
  const std::string octets(6000, 'z');
  const std::string out =
      *convert(head + base::encode_base64(octets) + "\r\n", Conversion::ShortLines);
  EXPECT_TRUE(out.starts_with(head));
  EXPECT_FALSE(scan_lines(out).has_long_line());
  EXPECT_EQ(decode_lines_of_base64(body_of(out)), octets);

  const std::string qp_head =
      "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "=E3=81=82x";
  const std::string wrapped = *convert(qp_head + text + "\r\n", Conversion::ShortLines);
  EXPECT_FALSE(scan_lines(wrapped).has_long_line());
  EXPECT_EQ(decode_quoted_printable(body_of(wrapped)), decode_quoted_printable(text + "\r\n"));
}

TEST(ShortLines, EncodedPartsWithShortLinesKeepEveryOctet) {
  const std::string message =
      "MIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
      "a=3d=\r\n=E9 =x =\r\n.\r\n\xff trailing =";
  EXPECT_EQ(*convert(message, Conversion::ShortLines), message);
}

TEST(Converter, PartOverTheHoldLimitIsEncodedUnseen) {
  const std::string message = "MIME-Version: 1.0\r\n\r\n" + std::string(100, 'x') + "\r\n";
  Converter converter(Conversion::SevenBit, 50);
  std::string out;
  EXPECT_TRUE(converter.feed(message, out));
  EXPECT_TRUE(converter.finish(out));
  EXPECT_NE(out.find("quoted-printable"), std::string::npos);
  EXPECT_EQ(decode_quoted_printable(body_of(out)), std::string(100, 'x') + "\r\n");
}

std::string random_message(base::Random& random) {
  static constexpr std::string_view kPieces[] = {
      "Content-Type: multipart/mixed; boundary=b\r\n",
      "Content-Type: multipart/mixed; boundary=\"bb\"\r\n",
      "Content-Type: multipart/signed; boundary=s\r\n",
      "Content-Type: multipart/digest; boundary=b\r\n",
      "Content-Type: message/rfc822\r\n",
      "Content-Type: text/html\r\n",
      "Content-Type: image/x\r\n",
      "Content-Transfer-Encoding: 8bit\r\n",
      "Content-Transfer-Encoding: binary\r\n",
      "Content-Transfer-Encoding: base64\r\n",
      "Content-Transfer-Encoding: quoted-printable\r\n",
      "MIME-Version: 1.0\r\n",
      "\r\n",
      "\r\n",
      "--b\r\n",
      "--b\r\n",
      "--bb\r\n",
      "--b--\r\n",
      "--bb--\r\n",
      "--b",
      "text\r\n",
      "-",
      "=41=\r\n",
      "\xe3\x81\x82",
      "\r",
      "\n",
      " fold\r\n",
  };
  std::string message = random.below(2) == 0 ? "" : "Content-Type: multipart/mixed; boundary=b\r\n";
  for (std::uint64_t n = random.below(40); n > 0; --n) {
    message += kPieces[random.below(std::size(kPieces))];
    if (random.below(20) == 0) message += std::string(random.below(1500), 'l');
    if (random.below(40) == 0) message += '\0';
  }
  return message;
}

TEST(Converter, AnySplitGivesTheSameOutputAndItFits) {
  base::SeededRandom random(23);
  for (int round = 0; round < 6000; ++round) {
    const std::string message = random_message(random);
    for (const Conversion conversion :
         {Conversion::SevenBit, Conversion::EightBit, Conversion::ShortLines}) {
      const std::size_t hold = random.below(2) == 0 ? 100 : Converter::kHoldOctetsMax;
      Converter converter(conversion, hold);
      std::string whole;
      Result<void> done = converter.feed(message, whole);
      if (done) done = converter.finish(whole);
      const Result<std::string> pieces = convert_in_pieces(message, conversion, random, hold);
      ASSERT_EQ(done.has_value(), pieces.has_value());
      if (!done) continue;
      ASSERT_TRUE(whole == *pieces) << base::printable(message, 4000);
      const Scan scan = scan_lines(body_of(whole));
      if (message.find("\r\n\r\n") != std::string::npos) {
        // Headers of parts may keep what no rule can mend.
        EXPECT_LE(scan.longest_line, 3200u);
      }
      if (hold == Converter::kHoldOctetsMax) {
        const Scan before = scan_lines(message);
        // Quoted-printable breaks a line one octet earlier, to have room for its "=".
        const bool fits =
            conversion == Conversion::ShortLines && before.longest_line < kLineOctetsMax;
        if (fits) {
          const auto at = static_cast<std::size_t>(
              std::mismatch(whole.begin(), whole.end(), message.begin(), message.end()).first -
              whole.begin());
          ASSERT_TRUE(whole == message)
              << at << ": " << base::printable(whole.substr(at < 20 ? 0 : at - 20, 60)) << " in "
              << base::printable(message, 4000);
        }
      }
    }
  }
}

TEST(Converter, ASecondConversionChangesNothing) {
  base::SeededRandom random(24);
  for (int round = 0; round < 3000; ++round) {
    const std::string message = random_message(random);
    // Where octets are replaced, a header without its blank line may read differently next time.
    const Scan scan = scan_lines(message);
    if (scan.has_bare_newline || scan.has_nul) continue;
    const Result<std::string> once = convert(message, Conversion::SevenBit);
    if (!once) continue;
    ASSERT_TRUE(*convert(*once, Conversion::SevenBit) == *once) << base::printable(message, 4000);
  }
}

}  // namespace
}  // namespace ekiden::message
