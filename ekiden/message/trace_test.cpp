#include "ekiden/message/trace.hpp"

#include <gtest/gtest.h>

#include "ekiden/message/error.hpp"
#include "ekiden/message/header_scan.hpp"

namespace ekiden::message {
namespace {

Trace typical() {
  Trace trace;
  trace.helo = "client.example";
  trace.client_address = "2001:db8::1";
  trace.host = "relay.example.jp";
  trace.protocol = "ESMTPSA";
  trace.tls_version = "TLSv1.3";
  trace.tls_cipher = "TLS_AES_256_GCM_SHA384";
  trace.recipient = "bob@example.org";
  trace.id = {1, 2};
  trace.now = base::from_unix_us(1'795'327'811'123'456);
  return trace;
}

TEST(Received, TellsWhoHowAndWhen) {
  EXPECT_EQ(format_received(typical()),
            "Received: from client.example ([IPv6:2001:db8::1])\r\n"
            "\tby relay.example.jp (ekiden) with ESMTPSA\r\n"
            "\tid 0000000000000g000000000002\r\n"
            "\tfor <bob@example.org>\r\n"
            "\ttls TLS_AES_256_GCM_SHA384 (TLSv1.3);\r\n"
            "\tSun, 22 Nov 2026 06:10:11 +0000\r\n");
}

TEST(Received, HidesTheSubmitter) {
  Trace trace = typical();
  trace.hides_submitter = true;
  const std::string field = format_received(trace);
  EXPECT_TRUE(field.starts_with("Received: from relay.example.jp (submitter hidden)\r\n"));
  EXPECT_EQ(field.find("2001"), std::string::npos);
  EXPECT_EQ(field.find("client"), std::string::npos);
}

TEST(Received, HeloThatIsNoDomainCannotBreakTheField) {
  Trace trace = typical();
  trace.client_address = "192.0.2.1";
  for (const std::string_view helo :
       {std::string_view("a b"), std::string_view("x\r\nBcc: y"), std::string_view("((("),
        std::string_view("C:\\mail.exe"), std::string_view("\xff"), std::string_view("")}) {
    trace.helo = helo;
    const std::string field = format_received(trace);
    EXPECT_TRUE(field.starts_with("Received: from [192.0.2.1] (")) << field;
    HeaderScanner scanner(field);
    Field found;
    EXPECT_TRUE(*scanner.next(found));
    EXPECT_EQ(found.octets.size(), field.size());
    EXPECT_FALSE(has_eight_bit(field));
  }
  trace.helo = "[192.0.2.7]";
  EXPECT_TRUE(format_received(trace).starts_with("Received: from [192.0.2.7] ([192.0.2.1])"));
}

TEST(Received, RecipientWithControlsIsNotTold) {
  Trace trace = typical();
  trace.recipient = "a\r\nX: y@b";
  EXPECT_EQ(format_received(trace).find("for"), std::string::npos);
}

TEST(Protocol, IsNamedAsRegistered) {
  EXPECT_EQ(smtp_protocol(false, false, false, false), "SMTP");
  EXPECT_EQ(smtp_protocol(true, true, true, false), "ESMTPSA");
  EXPECT_EQ(smtp_protocol(true, false, true, false), "ESMTPA");
  EXPECT_EQ(smtp_protocol(true, true, false, true), "UTF8SMTPS");
}

TEST(EkidenHeaders, AreRead) {
  const EkidenHeaders out = *parse_ekiden_headers({{"x-ekiden-stream", "bulk"},
                                                   {"x-ekiden-tag", "a"},
                                                   {"x-ekiden-tag", "b"},
                                                   {"x-ekiden-metadata", "{\"a\":1}"},
                                                   {"x-ekiden-send-at", "2026-11-22T06:10:11Z"},
                                                   {"x-ekiden-sned-at", "typo"}});
  EXPECT_EQ(out.stream, "bulk");
  EXPECT_EQ(out.tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(out.metadata, "{\"a\":1}");
  EXPECT_EQ(out.send_at, base::from_unix_us(1'795'327'811'000'000));
  EXPECT_EQ(out.unknown, std::vector<std::string>{"x-ekiden-sned-at"});
}

TEST(EkidenHeaders, BadValuesAreNamed) {
  std::string name;
  EXPECT_EQ(parse_ekiden_headers({{"x-ekiden-send-at", "soon"}}, &name).error(),
            Errc::BadEkidenHeader);
  EXPECT_EQ(name, "x-ekiden-send-at");
  EXPECT_FALSE(parse_ekiden_headers({{"x-ekiden-metadata", "[]"}}));
  EXPECT_FALSE(parse_ekiden_headers({{"x-ekiden-stream", "a"}, {"x-ekiden-stream", "b"}}));
  EXPECT_FALSE(parse_ekiden_headers({{"x-ekiden-tag", std::string(kTagOctetsMax + 1, 'x')}}));
  EXPECT_FALSE(parse_ekiden_headers(
      std::vector<std::pair<std::string, std::string>>(kTagsMax + 1, {"x-ekiden-tag", "t"})));
}

TEST(Date, IsReadInThreeForms) {
  const base::Time expected = base::from_unix_us(1'795'327'811'000'000);
  EXPECT_EQ(parse_date("1795327811"), expected);
  EXPECT_EQ(parse_date("2026-11-22T06:10:11Z"), expected);
  EXPECT_EQ(parse_date("2026-11-22T15:10:11.5+09:00"), expected);
  EXPECT_EQ(parse_date("Sun, 22 Nov 2026 06:10:11 +0000"), expected);
  EXPECT_EQ(parse_date("22 Nov 26 15:10:11 +0900 (JST)"), expected);
  EXPECT_EQ(parse_date("Sun, 22 Nov 2026 01:10:11 EST"), expected);
  EXPECT_EQ(parse_date("2026-02-30T00:00:00Z"), std::nullopt);
  EXPECT_EQ(parse_date("2026-11-22"), std::nullopt);
  EXPECT_EQ(parse_date("Sun, 22 Nov 2026 25:10:11 +0000"), std::nullopt);
  EXPECT_EQ(parse_date(""), std::nullopt);
}

}  // namespace
}  // namespace ekiden::message
