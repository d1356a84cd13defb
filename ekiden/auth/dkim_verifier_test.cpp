#include "ekiden/auth/dkim_verifier.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include "ekiden/auth/test_mail.hpp"
#include "ekiden/base/text.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::auth {
namespace {

using namespace test_mail;

const std::string kRsaKeyOfRfc8463 =
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6w"
    "y5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9"
    "PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";

const std::string kMessageOfTheRfcs = crlf(
    "From: Joe SixPack <joe@football.example.com>\n"
    "To: Suzie Q <suzie@shopping.example.net>\n"
    "Subject: Is dinner ready?\n"
    "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\n"
    "Message-ID: <20030712040037.46341.5F8J@football.example.com>\n\n"
    "Hi.\n\nWe lost the game. Are you hungry yet?\n\nJoe.\n");

// RFC 6376 §A.2, with erratum 3192 (one space in the body).
TEST(DkimVerifier, AcceptsTheSignatureOfRfc6376) {
  const std::string signature = crlf(
      "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\n"
      "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\n"
      "      h=Received : From : To : Subject : Date : Message-ID;\n"
      "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
      "      b=AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB\n"
      "        4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut\n"
      "        KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV\n"
      "        4bmp/YzhwvcubU4=;\n"
      "Received: from client1.football.example.com  [192.0.2.1]\n"
      "      by submitserver.example.com with SUBMISSION;\n"
      "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)\n");
  const Zone keys = {
      {"brisbane._domainkey.example.com",
       "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
       "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/"
       "NMqJ0fzfVjH4OuKhi"
       "tdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"}};
  const auto results = verify(signature + kMessageOfTheRfcs, keys);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].verdict, Verdict::Pass) << results[0].reason;
  EXPECT_EQ(results[0].domain, "example.com");
  EXPECT_EQ(results[0].identity, "joe@football.example.com");
  EXPECT_EQ(results[0].key_bits, 1024u);
}

// RFC 8463 §A.3.
TEST(DkimVerifier, AcceptsBothSignaturesOfRfc8463) {
  const std::string signatures = crlf(
      "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\n"
      " d=football.example.com; i=@football.example.com;\n"
      " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\n"
      " subject : date : message-id : from : subject : date;\n"
      " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
      " b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\n"
      " Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\n"
      "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\n"
      " d=football.example.com; i=@football.example.com;\n"
      " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\n"
      " date : message-id : from : subject : date;\n"
      " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\n"
      " b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\n"
      " DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\n"
      " dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\n");
  const Zone keys = {{"brisbane._domainkey.football.example.com",
                      "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
                     {"test._domainkey.football.example.com", kRsaKeyOfRfc8463}};
  const auto results = verify(signatures + kMessageOfTheRfcs, keys);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].verdict, Verdict::Pass) << results[0].reason;
  EXPECT_EQ(results[0].algorithm, "ed25519-sha256");
  EXPECT_EQ(results[1].verdict, Verdict::Pass) << results[1].reason;
}

/// A signed message whose signature field is changed afterwards.
std::string resigned(std::string_view from, std::string_view to) {
  std::string fields = *sign(message(), {rsa_identity()});
  const std::size_t at = fields.find(from);
  EXPECT_NE(at, std::string::npos) << fields;
  fields.replace(at, from.size(), to);
  return fields + message();
}

std::string report_of(const std::vector<DkimResult>& results) {
  if (results.size() != 1) return std::to_string(results.size()) + " results";
  return std::string(verdict_name(results[0].verdict)) + ": " + results[0].reason;
}

TEST(DkimVerifier, SeesWhatWasChanged) {
  const std::string good = *sign(message(), {rsa_identity()}) + message();
  EXPECT_EQ(report_of(verify(good, zone())), "pass: ");
  std::string changed = good;
  changed.replace(changed.find("this is"), 4, "that");
  EXPECT_EQ(report_of(verify(changed, zone())), "fail: body hash did not verify");
  changed = good;
  changed.replace(changed.find("Subject: Hello"), 14, "Subject: Howdy");
  EXPECT_EQ(report_of(verify(changed, zone())), "fail: signature did not verify");
  // Relaxed form allows white space to change.
  changed = good;
  changed.replace(changed.find("Subject: Hello"), 14, "SUBJECT :  Hello ");
  EXPECT_EQ(report_of(verify(changed, zone())), "pass: ");
  // A second From on top is what a reader would see.
  EXPECT_EQ(report_of(verify("From: boss@example.org\r\n" + good, zone())),
            "policy: the message has several From fields");
}

TEST(DkimVerifier, RefusesMalformedSignatures) {
  const auto report = [](std::string_view from, std::string_view to) {
    return report_of(verify(resigned(from, to), zone()));
  };
  EXPECT_EQ(report("v=1;", "v=2;"), "permerror: v= is not 1");
  EXPECT_EQ(report("v=1;", ""), "permerror: no v= tag");
  EXPECT_EQ(report("v=1;", "v=1; v=1;"), "permerror: duplicate tag");
  EXPECT_EQ(report("v=1;", "v=1; d=example.net;"), "permerror: duplicate tag");
  EXPECT_EQ(report("d=example.org", std::string_view("d=example.org\0.net", 18)),
            "permerror: malformed tag value");
  EXPECT_EQ(report("d=example.org", "d=org"), "permerror: d= is no domain");
  EXPECT_EQ(report("d=example.org", "d=exa\"mple.org"), "permerror: d= is no domain");
  EXPECT_EQ(report("s=r1", "s="), "permerror: s= is no selector");
  EXPECT_EQ(report("a=rsa-sha256", "a=rsa-md5"), "permerror: unknown algorithm in a=");
  // RFC 8301 §3.1. Its bh= has 20 octets.
  EXPECT_EQ(report_of(verify("DKIM-Signature: v=1; a=rsa-sha1; d=example.org; s=r1; h=from;"
                             " bh=AAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AA==\r\n" +
                                 message(),
                             zone())),
            "permerror: rsa-sha1 is not accepted (RFC 8301)");
  EXPECT_EQ(report("c=relaxed/relaxed", "c=relaxed/nofws"),
            "permerror: unknown canonicalization in c=");
  EXPECT_EQ(report("v=1;", "v=1; q=http;"), "permerror: no known method in q=");
  EXPECT_EQ(report("v=1;", "v=1; i=@example.net;"), "permerror: i= is not below d=");
  EXPECT_EQ(report("v=1;", "v=1; i=@badexample.org;"), "permerror: i= is not below d=");
  EXPECT_EQ(report("v=1;", "v=1; i=joe;"), "permerror: i= has no domain");
  EXPECT_EQ(report("h=From:From:", "h="), "permerror: From is not signed");
  EXPECT_EQ(report("h=From:", "h=From::"), "permerror: h= has something that is no field name");
  EXPECT_EQ(report("v=1;", "v=1; l=-1;"), "permerror: l= is no number");
  EXPECT_EQ(report("v=1;", "v=1; t=soon;"), "permerror: t= is no time");
  EXPECT_EQ(report("v=1;", "v=1; t=20; x=20;"), "permerror: x= is not after t=");
  // Unknown tags are ignored, but signed.
  EXPECT_EQ(report("v=1;", "v=1; unknown=1;"), "fail: signature did not verify");
}

TEST(DkimVerifier, KeepsToTimes) {
  DkimSignerOptions options;
  options.signed_at = kNow;
  options.lifetime = std::chrono::hours(1);
  const std::string octets = *sign(message(), {rsa_identity()}, options) + message();
  EXPECT_EQ(report_of(verify(octets, zone(), kNow)), "pass: ");
  EXPECT_EQ(report_of(verify(octets, zone(), kNow + std::chrono::hours(1))), "pass: ");
  EXPECT_EQ(report_of(verify(octets, zone(), kNow + std::chrono::seconds(3601))),
            "permerror: signature expired");
  EXPECT_EQ(report_of(verify(octets, zone(), kNow - std::chrono::minutes(4))), "pass: ");
  EXPECT_EQ(report_of(verify(octets, zone(), kNow - std::chrono::minutes(6))),
            "permerror: signed in the future");
}

/// Signs by hand, because DkimSigner never writes l=.
std::string signed_with_length(std::string_view body, const std::string& length) {
  const std::string header = "From: a@example.org\r\n";
  BodyHash hash(Canonicalization::Simple, base::parse_u64(length));
  hash.update(body);
  std::string field =
      "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r1; h=from; l=" + length +
      "; bh=" + base::encode_base64(view_of(hash.finish())) + "; b=";
  Sha256 digest;
  digest.update(header + field);
  field += base::encode_base64(*rsa_key().sign(digest.finish()));
  return field + "\r\n" + header + "\r\n" + std::string(body);
}

// RFC 6376 §3.5, §8.2.
TEST(DkimVerifier, NeverPassesABodyThatLengthLeavesOpen) {
  EXPECT_EQ(report_of(verify(signed_with_length("abc\r\n", "5"), zone())), "pass: ");
  EXPECT_EQ(report_of(verify(signed_with_length("abc\r\n", "5") + "and more\r\n", zone())),
            "policy: l= leaves 10 octets of the body unsigned");
  EXPECT_EQ(report_of(verify(signed_with_length("abc\r\n", "0"), zone())),
            "policy: l= leaves 5 octets of the body unsigned");
  EXPECT_EQ(report_of(verify(signed_with_length("abc\r\n", "6"), zone())),
            "fail: the body is shorter than l=");
  EXPECT_EQ(report_of(verify(resigned("v=1;", "v=1; l=" + std::string(76, '9') + ";"), zone())),
            "fail: the body is shorter than l=");
  EXPECT_EQ(report_of(verify(resigned("v=1;", "v=1; l=" + std::string(77, '9') + ";"), zone())),
            "permerror: l= is no number");
}

TEST(DkimVerifier, ObeysKeyRecords) {
  const std::string octets = *sign(message(), {rsa_identity()}) + message();
  const std::string p = rsa_key().to_record()->substr(std::string("v=DKIM1; k=rsa; ").size());
  const std::string name = "r1._domainkey.example.org";
  const auto report = [&](const std::string& record) {
    return report_of(verify(octets, {{name, record}}));
  };
  EXPECT_EQ(report(p), "pass: ");
  EXPECT_EQ(report("v=DKIM1; g=nobody; s=*; h=sha1:sha256; n=a note; " + p), "pass: ");
  EXPECT_EQ(report("v=DKIM1; t=y; " + p), "pass: the key is being tested (t=y)");
  EXPECT_EQ(report("v=DKIM1; t=s; " + p), "pass: ");
  EXPECT_EQ(report("v=DKIM2; " + p), "permerror: key record: not of version DKIM1");
  EXPECT_EQ(report("k=rsa; v=DKIM1; " + p), "permerror: key record: not of version DKIM1");
  EXPECT_EQ(report("v=DKIM1; k=ed25519; " + p), "permerror: key record: the key cannot be read");
  EXPECT_EQ(report("v=DKIM1; k=dsa; " + p), "permerror: key record: unknown type of key");
  EXPECT_EQ(report("v=DKIM1; h=sha1; " + p), "permerror: key record: not for sha256");
  EXPECT_EQ(report("v=DKIM1; s=tlsrpt; " + p), "permerror: key record: not for email");
  EXPECT_EQ(report("v=DKIM1; p="), "permerror: key revoked");
  EXPECT_EQ(report("v=DKIM1; k=rsa"), "permerror: key record: no p=");
  EXPECT_EQ(report("v=DKIM1; p=*"), "permerror: key record: p= is not base64");
  EXPECT_EQ(report("v=DKIM1; p=AAAA"), "permerror: key record: the key cannot be read");
  EXPECT_EQ(report(p + "; " + p), "permerror: key record: duplicate tag");
  EXPECT_EQ(report(*ed25519_key().to_record()), "permerror: the key is of another type than a=");
  EXPECT_EQ(report_of(verify(octets, {})), "permerror: no key for signature");
  // RFC 6376 §6.1.2: of several records one that fits is enough.
  EXPECT_EQ(report_of(verify(octets, {{name, "v=spf1 -all"}, {name, "v=DKIM1; " + p}})), "pass: ");
}

// RFC 6376 §3.6.1, t=s.
TEST(DkimVerifier, KeepsIdentitiesOutOfSubdomainsWhenTheKeySaysSo) {
  DkimIdentity identity = rsa_identity();
  identity.identity = "joe@sub.example.org";
  const std::string octets = *sign(message(), {identity}) + message();
  EXPECT_EQ(report_of(verify(octets, zone())), "pass: ");
  EXPECT_EQ(report_of(verify(octets, {{"r1._domainkey.example.org",
                                       "t=s:y; " + rsa_key().to_record()->substr(9)}})),
            "permerror: the key is for i= in d= only (t=s)");
}

TEST(DkimVerifier, EvaluatesNoMoreSignaturesThanItsLimit) {
  const std::string one = *sign(message(), {rsa_identity()});
  std::string octets;
  for (int i = 0; i < 100; ++i) octets += one;
  octets += message();
  DkimVerifierOptions options;
  options.now = kNow;
  DkimVerifier verifier(options);
  const auto [header, body] = split(octets);
  verifier.begin(header);
  verifier.update_body(body);
  verifier.finish_body();
  EXPECT_EQ(verifier.key_names().size(), 1u) << "one name, asked once";
  const auto results = verifier.verify(keys_of(verifier.key_names(), zone()));
  ASSERT_EQ(results.size(), 100u);
  EXPECT_EQ(results[kDkimSignaturesMax - 1].verdict, Verdict::Pass);
  EXPECT_EQ(results[kDkimSignaturesMax].verdict, Verdict::Policy);
  EXPECT_EQ(results[99].verdict, Verdict::Policy);
}

TEST(DkimVerifier, StopsAtAMegabyteOfTags) {
  const std::string huge = "DKIM-Signature: v=1; h=" + std::string(1 << 20, 'a') + "\r\n";
  EXPECT_EQ(report_of(verify(huge + message(), zone())),
            "permerror: the header section is too large");
  const std::string long_list = "DKIM-Signature: v=1; z=" + std::string(100'000, 'a') + "\r\n";
  EXPECT_EQ(report_of(verify(long_list + message(), zone())), "permerror: tag list too long");
  std::string names = "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r1; bh=" +
                      base::encode_base64(std::string(32, 'x')) + "; b=AA==; h=from";
  for (std::size_t i = 0; i < kSignedNamesMax; ++i) names += ":a";
  EXPECT_EQ(report_of(verify(names + "\r\n" + message(), zone())),
            "permerror: too many names in h=");
}

TEST(DkimVerifier, FindsNothingInAMessageWithoutSignatures) {
  EXPECT_TRUE(verify(message(), zone()).empty());
  EXPECT_TRUE(verify("", zone()).empty());
}

TEST(DkimVerifier, AsksTheDnsForAllKeysAtOnce) {
  test::FakeClock clock;
  test::FakeResolver dns(clock);
  DkimIdentity other = rsa_identity();
  other.selector = "gone";
  for (const auto& [name, record] : zone()) dns.txt(name, record);
  dns.fail("gone._domainkey.example.org");
  const std::string octets =
      *sign(message(), {rsa_identity(), ed25519_identity(), other}) + message();
  DkimVerifierOptions options;
  options.now = kNow;
  DkimVerifier verifier(options);
  const auto [header, body] = split(octets);
  verifier.begin(header);
  EXPECT_TRUE(verifier.wants_body());
  verifier.update_body(body);
  verifier.finish_body();

  base::IoContext context;
  std::vector<DkimResult> results;
  boost::asio::co_spawn(context, verify_dkim(verifier, dns),
                        [&results](std::exception_ptr error, std::vector<DkimResult> found) {
                          EXPECT_FALSE(error);
                          results = std::move(found);
                        });
  context.poll();
  EXPECT_EQ(dns.questions().size(), 3u);
  clock.advance(base::Duration(1));
  context.restart();
  context.poll();
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].verdict, Verdict::Pass);
  EXPECT_EQ(results[1].verdict, Verdict::Pass);
  EXPECT_EQ(results[2].verdict, Verdict::TemporaryError);
}

TEST(DkimVerifier, EndsWhenTheResolverDropsItsQuestions) {
  base::IoContext context;
  const std::string octets = *sign(message(), {rsa_identity()}) + message();
  DkimVerifierOptions options;
  options.now = kNow;
  DkimVerifier verifier(options);
  verifier.begin(split(octets).first);
  verifier.update_body(split(octets).second);
  verifier.finish_body();
  bool is_done = false;
  {
    test::FakeClock clock;
    test::FakeResolver dns(clock);
    boost::asio::co_spawn(
        context, verify_dkim(verifier, dns),
        [&is_done](std::exception_ptr, std::vector<DkimResult>) { is_done = true; });
    context.poll();
  }
  // The sanitizer would find a coroutine that nobody owns any more.
  EXPECT_FALSE(is_done);
}

}  // namespace
}  // namespace ekiden::auth
