#include "ekiden/message/fixup.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/random.hpp"
#include "ekiden/message/error.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::message {
namespace {

constexpr std::string_view kTypical =
    "From: Alice <alice@example.jp>\r\n"
    "To: bob@example.org\r\n"
    "bcc: secret@example.org,\r\n other@example.org\r\n"
    "SUBJECT : hello\r\n\tworld\r\n"
    "X-Ekiden-Tag: a\r\n"
    "x-ekiden-stream: bulk\r\n"
    "Return-Path: <x@y>\r\n"
    "Received: from a\r\n"
    "received: from b\r\n"
    "\r\n"
    "body\r\n";

FixupOptions all_options() {
  FixupOptions options;
  options.add_missing_date = true;
  options.add_missing_message_id = true;
  options.remove_bcc = true;
  options.remove_return_path = true;
  options.remove_ekiden_headers = true;
  options.received_field = "Received: by us\r\n";
  options.now = base::from_unix_us(1'795'327'811'123'456);
  options.message_id_host = "relay.example.jp";
  options.id = {1, 2};
  return options;
}

TEST(Fixup, ChangesWhatIsAskedAndNothingElse) {
  const FixupResult fixed = *fix_header(kTypical, all_options());
  EXPECT_EQ(fixed.header,
            "Received: by us\r\n"
            "From: Alice <alice@example.jp>\r\n"
            "To: bob@example.org\r\n"
            "SUBJECT : hello\r\n\tworld\r\n"
            "Received: from a\r\n"
            "received: from b\r\n"
            "Date: Sun, 22 Nov 2026 06:10:11 +0000\r\n"
            "Message-ID: <0000000000000g000000000002@relay.example.jp>\r\n"
            "\r\n");
  EXPECT_EQ(kTypical.substr(fixed.header_octets), "body\r\n");
  EXPECT_EQ(fixed.header_from, "alice@example.jp");
  EXPECT_EQ(fixed.subject, "hello\tworld");
  EXPECT_EQ(fixed.message_id, "<0000000000000g000000000002@relay.example.jp>");
  EXPECT_EQ(fixed.received_count, 2u);
  EXPECT_FALSE(fixed.has_eight_bit_header);
  const std::vector<std::pair<std::string, std::string>> expected{{"x-ekiden-tag", "a"},
                                                                  {"x-ekiden-stream", "bulk"}};
  EXPECT_EQ(fixed.ekiden_headers, expected);
}

TEST(Fixup, WithoutOptionsKeepsEveryOctet) {
  const FixupResult fixed = *fix_header(kTypical, FixupOptions{});
  EXPECT_EQ(fixed.header + std::string(kTypical.substr(fixed.header_octets)), kTypical);
}

TEST(Fixup, KeepsDateAndMessageIdThatAreThere) {
  constexpr std::string_view kMessage =
      "date: yesterday\r\nmessage-id:\r\n <1@x> (comment)\r\n\r\n";
  FixupOptions options = all_options();
  options.received_field.clear();
  const FixupResult fixed = *fix_header(kMessage, options);
  EXPECT_EQ(fixed.header, kMessage);
  EXPECT_EQ(fixed.message_id, "<1@x>");
}

TEST(Fixup, MessageThatIsOnlyABodyGetsAHeader) {
  const FixupResult fixed = *fix_header("just text\r\n", all_options());
  EXPECT_EQ(fixed.header_octets, 0u);
  EXPECT_TRUE(fixed.header.ends_with("relay.example.jp>\r\n\r\n"));
}

TEST(Fixup, BodyWithoutBlankLineGetsOne) {
  constexpr std::string_view kMessage = "Subject: a\r\nthis is text\r\n";
  const FixupResult fixed = *fix_header(kMessage, FixupOptions{});
  EXPECT_EQ(fixed.header, "Subject: a\r\n\r\n");
  EXPECT_EQ(kMessage.substr(fixed.header_octets), "this is text\r\n");
}

TEST(Fixup, HeaderWithoutBodyStaysWhole) {
  EXPECT_EQ(fix_header("Subject: a\r\n", FixupOptions{})->header, "Subject: a\r\n");
  FixupOptions options;
  options.add_missing_date = true;
  EXPECT_TRUE(fix_header("Subject: a", options)->header.starts_with("Subject: a\r\nDate: "));
  EXPECT_EQ(fix_header("", FixupOptions{})->header, "");
  EXPECT_EQ(fix_header("\r\nbody", FixupOptions{})->header, "\r\n");
  EXPECT_EQ(fix_header("\r\nbody", FixupOptions{})->header_octets, 2u);
}

TEST(Fixup, MailboxFileLineDoesNotHideTheHeader) {
  constexpr std::string_view kMessage = "From a@b Sun Nov 22 06:10:11 2026\r\nFrom: c@d\r\n\r\nx";
  const FixupResult fixed = *fix_header(kMessage, FixupOptions{});
  EXPECT_EQ(fixed.header, "X-Mailbox-Line: From a@b Sun Nov 22 06:10:11 2026\r\nFrom: c@d\r\n\r\n");
  EXPECT_EQ(fixed.header_from, "c@d");
  EXPECT_FALSE(fixed.has_eight_bit_header);
  EXPECT_TRUE(fix_header("From \xff Sun\r\nA: b\r\n\r\n", FixupOptions{})->has_eight_bit_header);
}

TEST(Fixup, TellsEveryFromAddress) {
  const FixupResult fixed = *fix_header("From: a@x, b@y\r\nFrom: c@z\r\n\r\n", FixupOptions{});
  EXPECT_EQ(fixed.from_fields, 2u);
  EXPECT_EQ(fixed.from_count, 3u);
  EXPECT_EQ(fixed.from_all, (std::vector<std::string>{"a@x", "b@y", "c@z"}));
}

// RFC 8689 §3.
TEST(Fixup, TellsWhetherTlsIsOptional) {
  const auto is_optional = [](const std::string& header) {
    return fix_header(header + "\r\nbody\r\n", {})->is_tls_optional;
  };
  EXPECT_TRUE(is_optional("TLS-Required: No\r\n"));
  EXPECT_TRUE(is_optional("tls-required:\r\n no \r\n"));
  for (const char* other : {"TLS-Required: Yes\r\n", "TLS-Required: Nope\r\n", "TLS-Required:\r\n",
                            "X-TLS-Required: No\r\n", "Subject: TLS-Required: No\r\n"})
    EXPECT_FALSE(is_optional(other)) << other;
}

TEST(Fixup, EightBitCountsOnlyInWhatIsKept) {
  FixupOptions options;
  options.remove_ekiden_headers = true;
  EXPECT_FALSE(
      fix_header("X-Ekiden-Tag: \xe3\x81\x82\r\nA: b\r\n\r\n", options)->has_eight_bit_header);
  EXPECT_TRUE(
      fix_header("X-Ekiden-Tag: t\r\nA: \xe3\x81\x82\r\n\r\n", options)->has_eight_bit_header);
}

TEST(Fixup, SubjectIsCutBetweenCharacters) {
  std::string message = "Subject: a";
  for (int i = 0; i < 100; ++i) message += "\xe3\x81\x82";
  const FixupResult fixed = *fix_header(message + "\r\n\r\n", FixupOptions{});
  EXPECT_EQ(fixed.subject.size(), 199u);
}

TEST(Fixup, HeaderBombsAreErrors) {
  std::string many;
  for (std::size_t i = 0; i <= kHeaderFieldsMax; ++i) many += "a: b\r\n";
  EXPECT_EQ(fix_header(many + "\r\n", FixupOptions{}).error(), Errc::TooManyFields);
  EXPECT_EQ(fix_header("a: " + std::string(kHeaderOctetsMax, 'x') + "\r\n\r\n", {}).error(),
            Errc::HeaderTooLarge);
  std::string folds = "a: b\r\n";
  while (folds.size() <= kHeaderOctetsMax) folds += " x\r\n";
  EXPECT_EQ(fix_header(folds + "\r\n", FixupOptions{}).error(), Errc::HeaderTooLarge);
  // Quotes and parentheses that never close must not cost a scan each.
  std::string quotes = "From: \"";
  while (quotes.size() < 400'000) quotes += "\\\"(a";
  EXPECT_TRUE(fix_header(quotes + "\r\n\r\n", FixupOptions{}));
}

TEST(Fixup, BareNewlinesAreOctetsOfTheField) {
  constexpr std::string_view kMessage = "A: b\nBcc: c\r\nD\r: e\r\n\r\n";
  FixupOptions options;
  options.remove_bcc = true;
  EXPECT_EQ(fix_header(kMessage.substr(0, 13), options)->header, "A: b\nBcc: c\r\n");
}

TEST(Fixup, RandomOctetsKeepTheirOrder) {
  base::SeededRandom random(9);
  constexpr std::string_view kAlphabet = "aF:b \t\r\n\r\n\r\nFrom:x\xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string message;
    for (std::uint64_t n = random.below(80); n > 0; --n) {
      const std::uint64_t at = random.below(kAlphabet.size());
      message += kAlphabet.substr(at, 1 + random.below(3));
    }
    const FixupResult fixed = *fix_header(message, FixupOptions{});
    const std::string body = message.substr(fixed.header_octets);
    std::string expected = message;
    if (fixed.header + body != message) {
      expected.insert(fixed.header_octets, "\r\n");
      if (message.starts_with("From ")) continue;
      EXPECT_EQ(fixed.header + body, expected);
    }
    // What was fixed once needs no second fix.
    const std::string whole = fixed.header + body;
    const FixupResult again = *fix_header(whole, FixupOptions{});
    EXPECT_EQ(again.header + whole.substr(again.header_octets), whole);
  }
}

TEST(HeaderEnd, IsFoundAcrossChunks) {
  EXPECT_EQ(find_header_end("A: b\r\n\r\nbody"), 8u);
  EXPECT_EQ(find_header_end("\r\nbody"), 2u);
  EXPECT_EQ(find_header_end("A: b\r\n"), std::string_view::npos);
  EXPECT_EQ(find_header_end("A: b\r\n\r\nbody", 7), 8u);
}

}  // namespace
}  // namespace ekiden::message
