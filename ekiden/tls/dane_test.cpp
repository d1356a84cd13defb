#include "ekiden/tls/dane.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include "ekiden/tls/certificate.hpp"

namespace ekiden::tls {
namespace {

constexpr base::Duration kDay = std::chrono::hours(24);

base::Time noon() {
  return base::Time(std::chrono::seconds(1'800'000'000));
}

PemPair issue(std::string name, const PemPair* issuer, bool is_authority = false) {
  IssueOptions options;
  options.names = {std::move(name)};
  options.not_before = noon() - kDay;
  options.not_after = noon() + 30 * kDay;
  options.issuer = issuer;
  options.is_authority = is_authority;
  return issue_certificate(options).value();
}

/// What a zone would say of a certificate.
dns::Tlsa tlsa_of(int usage, int selector, int matching, const PemPair& of) {
  const BioPtr bio(BIO_new_mem_buf(of.certificate.data(), static_cast<int>(of.certificate.size())));
  const CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  unsigned char* der = nullptr;
  const int size = selector == 0 ? i2d_X509(certificate.get(), &der)
                                 : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &der);
  std::string data(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  unsigned char digest[SHA512_DIGEST_LENGTH];
  const auto* octets = reinterpret_cast<const unsigned char*>(data.data());
  const auto* hashed = reinterpret_cast<const char*>(digest);
  if (matching == 1) SHA256(octets, data.size(), digest);
  if (matching == 2) SHA512(octets, data.size(), digest);
  if (matching == 1) data.assign(hashed, SHA256_DIGEST_LENGTH);
  if (matching == 2) data.assign(hashed, SHA512_DIGEST_LENGTH);
  return {static_cast<std::uint8_t>(usage), static_cast<std::uint8_t>(selector),
          static_cast<std::uint8_t>(matching), std::move(data)};
}

class DaneTest : public testing::Test {
 protected:
  DaneResult verify(std::vector<dns::Tlsa> records, std::string chain = {}) {
    Dane dane{base_name, names, std::move(records)};
    if (chain.empty()) chain = server.certificate + authority.certificate;
    const Result<DaneResult> result = verify_dane(dane, chain, now);
    EXPECT_TRUE(result);
    return result ? *result : DaneResult{};
  }

  PemPair authority = issue("authority", nullptr, true);
  PemPair server = issue("mx.example", &authority);
  PemPair other = issue("mx.example", nullptr);
  std::string base_name = "mx.example";
  std::vector<std::string> names;
  base::Time now = noon();
};

TEST_F(DaneTest, EveryUsableKindOfRecordMatches) {
  for (int selector = 0; selector <= 1; ++selector) {
    for (int matching = 0; matching <= 2; ++matching) {
      const DaneResult own = verify({tlsa_of(3, selector, matching, server)});
      EXPECT_EQ(own.verdict, DaneVerdict::Match) << selector << matching << own.reason;
      EXPECT_EQ(own.depth, 0);
      const DaneResult above = verify({tlsa_of(2, selector, matching, authority)});
      EXPECT_EQ(above.verdict, DaneVerdict::Match) << selector << matching << above.reason;
      EXPECT_EQ(above.depth, 1);
    }
  }
}

TEST_F(DaneTest, AnotherCertificateDoesNotMatch) {
  for (int usage = 2; usage <= 3; ++usage) {
    const DaneResult result = verify({tlsa_of(usage, 1, 1, other)});
    EXPECT_EQ(result.verdict, DaneVerdict::NoMatch);
    EXPECT_EQ(result.depth, -1);
    EXPECT_FALSE(result.reason.empty());
  }
}

TEST_F(DaneTest, OneMatchingRecordIsEnough) {
  // RFC 7672 §3.1: a key that is about to come stands beside the present one.
  EXPECT_EQ(verify({tlsa_of(3, 1, 1, other), tlsa_of(3, 1, 1, server)}).verdict,
            DaneVerdict::Match);
}

TEST_F(DaneTest, NamesAndDatesDoNotMatterForTheServersOwnKey) {
  base_name = "elsewhere.example";
  EXPECT_EQ(verify({tlsa_of(3, 1, 1, server)}).verdict, DaneVerdict::Match);
  now = noon() + 400 * kDay;
  EXPECT_EQ(verify({tlsa_of(3, 1, 1, server)}).verdict, DaneVerdict::Match);
}

TEST_F(DaneTest, NamesAndDatesMatterBelowAnAuthority) {
  base_name = "elsewhere.example";
  EXPECT_EQ(verify({tlsa_of(2, 1, 1, authority)}).verdict, DaneVerdict::NoMatch);
  // RFC 7672 §3.2.2: the next-hop domain may stand in the certificate too.
  names = {"example", "mx.example"};
  EXPECT_EQ(verify({tlsa_of(2, 1, 1, authority)}).verdict, DaneVerdict::Match);
  now = noon() + 400 * kDay;
  EXPECT_EQ(verify({tlsa_of(2, 1, 1, authority)}).verdict, DaneVerdict::NoMatch);
  now = noon() - 2 * kDay;
  EXPECT_EQ(verify({tlsa_of(2, 1, 1, authority)}).verdict, DaneVerdict::NoMatch);
}

TEST_F(DaneTest, AnAuthorityThatTheServerDoesNotSendMatchesOnlyInFull) {
  // RFC 7671 §5.2.2: a digest of what is not there says nothing.
  EXPECT_EQ(verify({tlsa_of(2, 0, 1, authority)}, server.certificate).verdict,
            DaneVerdict::NoMatch);
  EXPECT_EQ(verify({tlsa_of(2, 0, 0, authority)}, server.certificate).verdict, DaneVerdict::Match);
}

TEST_F(DaneTest, TheStrongerOfTwoDigestsDecides) {
  // RFC 7671 §9: for the same usage and selector, the SHA-256 is not looked at beside a SHA-512.
  EXPECT_EQ(verify({tlsa_of(3, 1, 1, server), tlsa_of(3, 1, 2, other)}).verdict,
            DaneVerdict::NoMatch);
  EXPECT_EQ(verify({tlsa_of(3, 1, 1, other), tlsa_of(3, 1, 2, server)}).verdict,
            DaneVerdict::Match);
}

TEST_F(DaneTest, WhatSmtpCannotUseIsUnusable) {
  // RFC 7672 §3.1.3.
  EXPECT_EQ(verify({tlsa_of(0, 1, 1, authority), tlsa_of(1, 1, 1, server)}).verdict,
            DaneVerdict::Unusable);
  EXPECT_EQ(verify({}).verdict, DaneVerdict::Unusable);
  EXPECT_EQ(verify({{3, 2, 1, std::string(32, 'x')},
                    {3, 1, 3, std::string(32, 'x')},
                    {3, 1, 1, std::string(31, 'x')},
                    {3, 1, 2, std::string(32, 'x')},
                    {3, 0, 0, "no certificate"},
                    {2, 1, 0, "no key"},
                    {255, 1, 1, std::string(32, 'x')}})
                .verdict,
            DaneVerdict::Unusable);
  // Beside one that is usable they change nothing.
  EXPECT_EQ(verify({tlsa_of(1, 1, 1, server), tlsa_of(3, 1, 1, server)}).verdict,
            DaneVerdict::Match);
  EXPECT_EQ(verify({tlsa_of(1, 1, 1, server), tlsa_of(3, 1, 1, other)}).verdict,
            DaneVerdict::NoMatch);
}

TEST_F(DaneTest, AChainThatIsNoneIsAnError) {
  const Dane dane{"mx.example", {}, {tlsa_of(3, 1, 1, server)}};
  EXPECT_EQ(verify_dane(dane, "nothing", now).error(), make_error_code(Errc::BadCertificate));
}

TEST_F(DaneTest, TheKeyNamesTheRecordsWhateverTheirOrder) {
  const dns::Tlsa first = tlsa_of(3, 1, 1, server), second = tlsa_of(3, 1, 1, other);
  EXPECT_EQ(dane_key({"mx.example", {}, {first, second}}),
            dane_key({"mx.example", {}, {second, first}}));
  EXPECT_NE(dane_key({"mx.example", {}, {first}}), dane_key({"mx.example", {}, {second}}));
  EXPECT_NE(dane_key({"mx.example", {}, {first}}), dane_key({"mx2.example", {}, {first}}));
  EXPECT_NE(dane_key({"mx.example", {}, {first}}), dane_key({"mx.example", {"example"}, {first}}));
}

}  // namespace
}  // namespace ekiden::tls
