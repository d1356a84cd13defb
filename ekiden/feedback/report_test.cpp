#include "ekiden/feedback/report.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include "ekiden/base/text.hpp"
#include "ekiden/feedback/unpack.hpp"
#include "ekiden/feedback/xml.hpp"

namespace ekiden::feedback {
namespace {

constexpr const char* kDmarc = R"(<?xml version="1.0"?>
<!-- a report --><feedback xmlns:x="urn:x">
<report_metadata><org_name>Dest &amp; Co</org_name><email>d@dest.test</email>
<report_id>r1</report_id><date_range><begin>1790000000</begin><end>1790086400</end></date_range>
</report_metadata>
<policy_published><domain>us.test</domain><adkim>r</adkim><aspf>s</aspf><p>reject</p><sp>none</sp>
</policy_published>
<x:record><row><source_ip>192.0.2.1</source_ip><count>12</count><policy_evaluated>
<disposition>none</disposition><dkim>pass</dkim><spf>fail</spf>
<reason><type>forwarded</type></reason></policy_evaluated></row>
<identifiers><header_from>us.test</header_from><envelope_from>b.us.test</envelope_from></identifiers>
<auth_results><dkim><domain>us.test</domain><selector>s1</selector><result>pass</result></dkim>
<dkim><domain>relay.test</domain><result>fail</result></dkim>
<spf><domain>b.us.test</domain><result>softfail</result></spf></auth_results></x:record>
<record><row><source_ip>2001:db8::1</source_ip><count>x</count></row></record>
</feedback>)";

constexpr const char* kTls = R"({"organization-name":"Dest","date-range":{"start-datetime":
"2026-11-21T00:00:00Z","end-datetime":"2026-11-21T23:59:59Z"},"contact-info":"t@dest.test",
"report-id":"t1","policies":[{"policy":{"policy-type":"sts","policy-domain":"us.test",
"mx-host":["mx.us.test"]},"summary":{"total-successful-session-count":5,
"total-failure-session-count":2},"failure-details":[{"result-type":"certificate-expired",
"sending-mta-ip":"192.0.2.9","receiving-mx-hostname":"mx.us.test","failed-session-count":2}]}]})";

std::string packed(std::string_view text, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(::deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string gzipped(std::string_view text) {
  return packed(text, MAX_WBITS + 16);
}

/// One file, with its sizes behind it (flag 8), as most senders write it.
std::string zipped(std::string_view text) {
  std::string out("PK\x03\x04\x14\x00\x08\x00\x08\x00", 10);
  out += std::string(16, '\0');
  out += std::string("\x05\x00\x00\x00", 4);
  return out + "a.xml" + packed(text, -MAX_WBITS);
}

void expect_dmarc(const Report& report) {
  const DmarcReport* dmarc = std::get_if<DmarcReport>(&report);
  ASSERT_NE(dmarc, nullptr) << std::get<NoReport>(report).why;
  EXPECT_EQ(dmarc->organization, "Dest & Co");
  EXPECT_EQ(dmarc->id, "r1");
  EXPECT_EQ(dmarc->begin_s, 1'790'000'000u);
  EXPECT_EQ(dmarc->domain, "us.test");
  EXPECT_EQ(dmarc->policy, "reject");
  ASSERT_EQ(dmarc->rows.size(), 2u);
  const DmarcRow& row = dmarc->rows[0];
  EXPECT_EQ(row.source_ip, "192.0.2.1");
  EXPECT_EQ(row.count, 12u);
  EXPECT_EQ(row.dkim, "pass");
  EXPECT_EQ(row.spf, "fail");
  EXPECT_EQ(row.overrides, std::vector<std::string>{"forwarded"});
  EXPECT_EQ(row.envelope_from, "b.us.test");
  ASSERT_EQ(row.dkim_results.size(), 2u);
  EXPECT_EQ(row.dkim_results[0].selector, "s1");
  EXPECT_EQ(row.dkim_results[1].selector, "") << "nothing is left of the one before";
  ASSERT_EQ(row.spf_results.size(), 1u);
  EXPECT_EQ(row.spf_results[0].result, "softfail");
  EXPECT_EQ(dmarc->rows[1].count, 0u);
  EXPECT_TRUE(dmarc->rows[1].dkim_results.empty());
}

std::string mail_with(const std::string& type, const std::string& octets) {
  return "From: d@dest.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
         "boundary=b\r\n\r\n"
         "--b\r\n\r\nSee below.\r\n--b\r\nContent-Type: " +
         type + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base::encode_base64(octets) +
         "\r\n--b--\r\n";
}

TEST(ReadReport, DmarcHoweverItIsPacked) {
  expect_dmarc(read_report(kDmarc));
  expect_dmarc(read_report(gzipped(kDmarc)));
  expect_dmarc(read_report(zipped(kDmarc)));
  expect_dmarc(read_report(mail_with("application/gzip", gzipped(kDmarc))));
  expect_dmarc(read_report(mail_with("application/octet-stream", zipped(kDmarc))));
  expect_dmarc(read_report(mail_with("text/xml", kDmarc)));
}

TEST(ReadReport, TlsReports) {
  for (const std::string& octets :
       {std::string(kTls), gzipped(kTls), mail_with("application/tlsrpt+gzip", gzipped(kTls))}) {
    const Report report = read_report(octets);
    const TlsReport* tls = std::get_if<TlsReport>(&report);
    ASSERT_NE(tls, nullptr) << std::get<NoReport>(report).why;
    EXPECT_EQ(tls->organization, "Dest");
    ASSERT_EQ(tls->policies.size(), 1u);
    EXPECT_EQ(tls->policies[0].hosts, std::vector<std::string>{"mx.us.test"});
    EXPECT_EQ(tls->policies[0].successes, 5u);
    ASSERT_EQ(tls->policies[0].details.size(), 1u);
    EXPECT_EQ(tls->policies[0].details[0].type, "certificate-expired");
    EXPECT_EQ(tls->policies[0].details[0].sessions, 2u);
  }
}

TEST(ReadReport, AbuseReports) {
  const Report report = read_report(
      "From: f@dest.test\r\nContent-Type: multipart/report; boundary=b\r\nMIME-Version: 1.0\r\n\r\n"
      "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: Abuse\r\nVersion: 1\r\n"
      "Source-IP: 192.0.2.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
      "Message-ID: <1@us.test>\r\nFrom: a@us.test\r\n\r\nhi\r\n--b--\r\n");
  const ArfReport* arf = std::get_if<ArfReport>(&report);
  ASSERT_NE(arf, nullptr);
  EXPECT_EQ(arf->type, "abuse");
  EXPECT_EQ(arf->message_id, "<1@us.test>");
  EXPECT_EQ(arf->fields.size(), 3u);
}

TEST(ReadReport, WhatIsNoneSaysWhy) {
  const auto why = [](std::string_view octets) {
    const Report report = read_report(octets);
    const NoReport* none = std::get_if<NoReport>(&report);
    return none == nullptr ? std::string("a report") : none->why;
  };
  EXPECT_EQ(why("<a><b></a>"), "the XML is malformed: </a> closes another element");
  EXPECT_EQ(why("<html></html>"), "the XML is no DMARC report");
  EXPECT_EQ(why("<feedback>"), "the XML is malformed: <feedback> is not closed");
  EXPECT_EQ(why("{\"a\":1}"), "the JSON is no TLS report");
  EXPECT_EQ(why("{"), "the JSON is malformed");
  EXPECT_EQ(why(gzipped(kDmarc).substr(0, 100)), "is damaged");
  EXPECT_EQ(why("PK\x03\x04"), "is damaged");
  EXPECT_EQ(why(""), "no report in it");
  EXPECT_EQ(why("From: a@b.test\r\n\r\nhello\r\n"), "no report in it");
}

TEST(ReadReport, BombsAreRefused) {
  EXPECT_EQ(std::get<NoReport>(read_report(gzipped(std::string(kUnpackedOctetsMax + 1, ' ')))).why,
            "unpacks to more than 64 MiB");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  EXPECT_NE(std::get<NoReport>(read_report(deep)).why.find("inside each other"), std::string::npos);
  // The entities of a document type stand for nothing.
  const Report bomb = read_report(
      "<!DOCTYPE feedback [<!ENTITY a \"aaaa\">]><feedback><report_metadata><org_name>&a;&a;"
      "</org_name></report_metadata></feedback>");
  EXPECT_TRUE(std::holds_alternative<NoReport>(bomb) ||
              std::get<DmarcReport>(bomb).organization == "&a;&a;");
}

}  // namespace
}  // namespace ekiden::feedback
