#include "ekiden/policy/tls_report.hpp"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include "ekiden/base/random.hpp"

namespace ekiden::policy {
namespace {

namespace json = boost::json;

TlsSession session(TlsPolicyKind kind, std::optional<TlsFailure> failure = std::nullopt) {
  TlsSession made;
  made.policy = kind;
  if (kind == TlsPolicyKind::Sts) {
    made.policy_strings = {"version: STSv1", "mode: testing", "mx: *.mail.company-y.example",
                           "max_age: 86400"};
    made.mx_hosts = {"*.mail.company-y.example"};
  }
  made.failure = std::move(failure);
  return made;
}

TlsFailure expired() {
  return {TlsResult::CertificateExpired,
          "2001:db8:abcd:12::1",
          "mx1.mail.company-y.example",
          {},
          "certificate has expired"};
}

// RFC 8460, appendix B, as far as we have it to say.
TEST(TlsReport, HasTheShapeOfTheRfcsExample) {
  TlsTally tally;
  for (int i = 0; i < 5326; ++i) tally.add(session(TlsPolicyKind::Sts));
  for (int i = 0; i < 100; ++i) tally.add(session(TlsPolicyKind::Sts, expired()));
  for (int i = 0; i < 200; ++i)
    tally.add(session(TlsPolicyKind::Sts, TlsFailure{TlsResult::StarttlsNotSupported,
                                                     "2001:db8:abcd:13::1",
                                                     "mx2.mail.company-y.example",
                                                     "203.0.113.56",
                                                     {}}));
  TlsReportHead head;
  head.organization = "Company-X";
  head.contact = "sts-reporting@company-x.example";
  head.id = "5065427c-23d3-47ca-b6e0-946ea0e8c4be";
  head.domain = "company-y.example";
  head.begin = base::from_unix_us(1'459'468'800'000'000);
  const json::value expected = json::parse(R"({
    "organization-name": "Company-X",
    "date-range": {"start-datetime": "2016-04-01T00:00:00Z",
                   "end-datetime": "2016-04-01T23:59:59Z"},
    "contact-info": "sts-reporting@company-x.example",
    "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
    "policies": [{
      "policy": {
        "policy-type": "sts",
        "policy-string": ["version: STSv1", "mode: testing", "mx: *.mail.company-y.example",
                          "max_age: 86400"],
        "policy-domain": "company-y.example",
        "mx-host": ["*.mail.company-y.example"]},
      "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 300},
      "failure-details": [{
        "result-type": "certificate-expired",
        "sending-mta-ip": "2001:db8:abcd:12::1",
        "receiving-mx-hostname": "mx1.mail.company-y.example",
        "failed-session-count": 100,
        "failure-reason-code": "certificate has expired"
      }, {
        "result-type": "starttls-not-supported",
        "sending-mta-ip": "2001:db8:abcd:13::1",
        "receiving-mx-hostname": "mx2.mail.company-y.example",
        "receiving-ip": "203.0.113.56",
        "failed-session-count": 200
      }]}]})");
  EXPECT_EQ(json::parse(format_tls_report(head, tally)), expected);
}

TEST(TlsReport, EveryPolicyCountsForItself) {
  TlsTally tally;
  tally.add(session(TlsPolicyKind::None));
  tally.add(session(TlsPolicyKind::Sts));
  TlsSession tlsa = session(TlsPolicyKind::Tlsa);
  tlsa.policy_strings = {format_tlsa({3, 1, 1, "\xab\xcd"})};
  EXPECT_EQ(tlsa.policy_strings[0], "3 1 1 abcd");
  tlsa.mx_hosts = {"mx1.example"};
  tally.add(tlsa);
  tlsa.mx_hosts = {"mx2.example"};
  tally.add(tlsa);
  ASSERT_EQ(tally.policies.size(), 3U);
  EXPECT_EQ(tally.policies[2].successes, 2U);
  EXPECT_EQ(tally.policies[2].mx_hosts.size(), 2U);
  EXPECT_EQ(tally.successes(), 4U);
}

TEST(TlsReport, AFloodOfKindsIsBounded) {
  TlsTally tally;
  for (int i = 0; i < 1000; ++i) {
    TlsSession one = session(TlsPolicyKind::Tlsa);
    one.policy_strings = {"3 1 1 " + std::to_string(i)};
    one.mx_hosts = {"mx" + std::to_string(i)};
    one.failure = TlsFailure{
        TlsResult::ValidationFailure, {}, {}, {}, std::string(500, 'x') + std::to_string(i)};
    tally.add(one);
    one.policy_strings = {"3 1 1 same"};
    one.failure->reason = std::to_string(i);
    tally.add(one);
  }
  EXPECT_EQ(tally.policies.size(), TlsTally::kPoliciesMax);
  EXPECT_EQ(tally.failures(), 2000U);
  for (const TlsTally::Policy& policy : tally.policies) {
    EXPECT_LE(policy.details.size(), TlsTally::kDetailsMax);
    EXPECT_LE(policy.mx_hosts.size(), 100U);
    for (const TlsTally::Detail& detail : policy.details)
      EXPECT_LE(detail.failure.reason.size(), TlsTally::kReasonOctetsMax + 3);
  }
}

TEST(TlsReport, IsKeptAndReadBack) {
  TlsTally tally;
  tally.add(session(TlsPolicyKind::Sts, expired()));
  tally.add(session(TlsPolicyKind::None));
  const std::string text = encode_tls_tally(tally);
  const auto again = decode_tls_tally(text);
  ASSERT_TRUE(again);
  EXPECT_EQ(encode_tls_tally(*again), text);
  for (const char* damaged : {"", "{}", "[1]", "[{}]", R"([{"policy":{},"summary":{}}])", "[[]]"})
    EXPECT_FALSE(decode_tls_tally(damaged)) << damaged;
  base::SeededRandom random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = text;
    damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    (void)decode_tls_tally(damaged);
  }
}

TEST(TlsReport, OpensslsWordsHaveAResult) {
  EXPECT_EQ(tls_result_of("certificate has expired"), TlsResult::CertificateExpired);
  EXPECT_EQ(tls_result_of("hostname mismatch"), TlsResult::CertificateHostMismatch);
  EXPECT_EQ(tls_result_of("Hostname mismatch"), TlsResult::CertificateHostMismatch);
  EXPECT_EQ(tls_result_of("self-signed certificate"), TlsResult::CertificateNotTrusted);
  EXPECT_EQ(tls_result_of("unable to get local issuer certificate"),
            TlsResult::CertificateNotTrusted);
  // Name constraints, a purpose, a key: RFC 8460 §4.3.1 names no others for them.
  for (const char* words : {"permitted subtree violation", "unsuitable certificate purpose",
                            "EE certificate key too weak", "invalid CA certificate"})
    EXPECT_EQ(tls_result_of(words), TlsResult::CertificateNotTrusted) << words;
  EXPECT_EQ(tls_result_of("no matching DANE TLSA records"), TlsResult::TlsaInvalid);
  EXPECT_EQ(tls_result_of("sslv3 alert bad certificate"), TlsResult::ValidationFailure);
  EXPECT_EQ(tls_result_of("connection reset by peer"), TlsResult::ValidationFailure);
  for (int i = 0; i <= static_cast<int>(TlsResult::StsWebpkiInvalid); ++i) {
    const auto result = static_cast<TlsResult>(i);
    EXPECT_EQ(parse_tls_result(tls_result_name(result)), result);
  }
}

// RFC 8460 §3.
TEST(TlsReport, AddressesAreReadFromTheRecord) {
  std::string why;
  const auto found = [&why](std::vector<std::string> texts) {
    why.clear();
    return find_tls_report_addresses(texts, why);
  };
  using Addresses = std::vector<TlsReportAddress>;
  EXPECT_EQ(found({"v=TLSRPTv1;rua=mailto:reports@example.com"}),
            (Addresses{{true, "reports@example.com"}}));
  EXPECT_EQ(
      found({"hello", "v=TLSRPTv1; rua=https://r.example/v1/tlsrpt , mailto:a%2Cb@x.example;"}),
      (Addresses{{false, "https://r.example/v1/tlsrpt"}, {true, "a,b@x.example"}}));
  EXPECT_EQ(found({"v=TLSRPTv1; x=1; rua=mailto:a@x.example?subject=y"}),
            (Addresses{{true, "a@x.example"}}));
  EXPECT_TRUE(found({}).empty());
  EXPECT_TRUE(found({"v=STSv1; rua=mailto:a@x"}).empty());
  EXPECT_TRUE(why.empty());
  for (const char* bad : {"v=TLSRPTv1; rua=ftp://x", "v=TLSRPTv1; rua=", "v=TLSRPTv1; x",
                          "v=TLSRPTv1; rua=mailto:a%2@x"}) {
    EXPECT_TRUE(found({bad}).empty()) << bad;
    EXPECT_FALSE(why.empty()) << bad;
  }
  EXPECT_TRUE(found({"v=TLSRPTv1; rua=mailto:a@x", "v=TLSRPTv1; rua=mailto:b@x"}).empty());
  EXPECT_FALSE(why.empty());
  std::string many = "v=TLSRPTv1; rua=mailto:a@x";
  for (int i = 0; i < 100; ++i) many += ",mailto:" + std::to_string(i) + "@x";
  EXPECT_EQ(found({many}).size(), kTlsReportAddressesMax);
}

}  // namespace
}  // namespace ekiden::policy
