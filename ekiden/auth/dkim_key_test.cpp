#include "ekiden/auth/dkim_key.hpp"

#include <gtest/gtest.h>

#include "ekiden/auth/error.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::auth {
namespace {

std::string der(unsigned char tag, const std::string& content) {
  std::string out(1, static_cast<char>(tag));
  if (content.size() < 128) {
    out += static_cast<char>(content.size());
  } else {
    out += static_cast<char>(0x82);
    out += static_cast<char>(content.size() >> 8);
    out += static_cast<char>(content.size() & 0xff);
  }
  return out + content;
}

/// An RSAPublicKey whose modulus has so many bits. Nobody has its private half.
std::string rsa_key_of(std::size_t bits, const std::string& exponent = std::string("\1\0\1", 3)) {
  std::string modulus(bits / 8, '\x5a');
  modulus.front() = '\xc0';
  modulus.back() = '\x01';
  return der(0x30, der(0x02, '\0' + modulus) + der(0x02, exponent));
}

KeyRecord record_of(const std::string& key) {
  return read_key_record("v=DKIM1; p=" + base::encode_base64(key));
}

// RFC 8301 §3.2.
TEST(KeyRecord, KeepsRsaKeysWithinTheirBounds) {
  EXPECT_EQ(record_of(rsa_key_of(512)).reason, "512-bit key: too short");
  EXPECT_EQ(record_of(rsa_key_of(1016)).verdict, Verdict::Policy);
  EXPECT_EQ(record_of(rsa_key_of(1024)).verdict, Verdict::Pass);
  EXPECT_EQ(record_of(rsa_key_of(4096)).verdict, Verdict::Pass);
  EXPECT_EQ(record_of(rsa_key_of(8192)).verdict, Verdict::Pass);
  EXPECT_EQ(record_of(rsa_key_of(12000)).reason, "12000-bit key: too long");
  EXPECT_NE(record_of(rsa_key_of(16384)).verdict, Verdict::Pass);
  EXPECT_EQ(read_key_record("p=" + std::string(100'000, 'A')).verdict, Verdict::PermanentError);
  EXPECT_EQ(read_key_record("p=" + std::string(50'000, 'A')).reason, "key too long");
  EXPECT_EQ(record_of(rsa_key_of(2048, '\x7f' + std::string(200, '\x01'))).reason,
            "the key's exponent is too long");
}

TEST(KeyRecord, ReadsKeysOfTheRightLengthOnly) {
  EXPECT_EQ(read_key_record("k=ed25519; p=" + base::encode_base64(std::string(31, 'x'))).verdict,
            Verdict::PermanentError);
  EXPECT_EQ(read_key_record("k=ed25519; p=" + base::encode_base64(std::string(32, 'x'))).verdict,
            Verdict::Pass);
}

TEST(KeyAnswer, TellsNoKeyFromNoAnswer) {
  dns::Answer answer;
  answer.status = dns::Status::Failed;
  EXPECT_EQ(read_key_answer(answer).verdict, Verdict::TemporaryError);
  answer.status = dns::Status::Bogus;
  answer.rdata.push_back(std::string("\x04p=AA", 5));
  EXPECT_EQ(read_key_answer(answer).verdict, Verdict::TemporaryError);
  EXPECT_TRUE(read_key_answer(answer).records.empty()) << "bogus data is never used";
  answer.status = dns::Status::NoData;
  EXPECT_EQ(read_key_answer(answer).verdict, Verdict::PermanentError);
  answer.status = dns::Status::Ok;
  answer.rdata.assign(100'000, std::string("\x04p=AA", 5));
  EXPECT_EQ(read_key_answer(answer).records.size(), kKeyRecordsMax);
}

TEST(PrivateKey, GoesThroughPemAndPublishesItsOtherHalf) {
  for (const KeyType type : {KeyType::Rsa, KeyType::Ed25519}) {
    const PrivateKey made = *PrivateKey::make(type, 1024);
    const PrivateKey read = *PrivateKey::read_pem(*made.to_pem());
    EXPECT_EQ(read.type(), type);
    const KeyRecord record = read_key_record(*made.to_record());
    ASSERT_EQ(record.verdict, Verdict::Pass) << record.reason;
    Sha256 hash;
    hash.update("something");
    const Sha256Digest digest = hash.finish();
    std::string signature = *read.sign(digest);
    EXPECT_TRUE(record.key.verifies(digest, signature));
    signature.back() = static_cast<char>(signature.back() ^ 1);
    EXPECT_FALSE(record.key.verifies(digest, signature));
    EXPECT_FALSE(record.key.verifies(digest, ""));
  }
}

TEST(PrivateKey, RefusesWhatIsNoKey) {
  EXPECT_EQ(PrivateKey::read_pem("").error(), Errc::BadKey);
  EXPECT_EQ(PrivateKey::read_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
                .error(),
            Errc::BadKey);
  EXPECT_EQ(PrivateKey::read_ed25519_seed("short").error(), Errc::BadKey);
  EXPECT_EQ(PrivateKey::make(KeyType::Rsa, 512).error(), Errc::BadKey);
}

// RFC 8463 §A.2: the private key behind the example's public one.
TEST(PrivateKey, IsTheExampleOfRfc8463) {
  const PrivateKey key = *PrivateKey::read_ed25519_seed(
      *base::decode_base64("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="));
  EXPECT_EQ(*key.to_record(), "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
}

}  // namespace
}  // namespace ekiden::auth
