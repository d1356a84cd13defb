#include "ekiden/account/password.hpp"

#include <gtest/gtest.h>

#include <set>

#include "ekiden/account/error.hpp"
#include "ekiden/account/password_pool.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::account {
namespace {

constexpr PasswordCost kCheap{1, 8192};

TEST(Password, IsRecognisedByItsHashOnly) {
  const auto encoded = hash_password("correct horse", kCheap);
  ASSERT_TRUE(encoded);
  EXPECT_TRUE(encoded->starts_with("$argon2id$v=19$"));
  EXPECT_TRUE(verify_password(*encoded, "correct horse"));
  EXPECT_FALSE(verify_password(*encoded, "correct horsf"));
  EXPECT_FALSE(verify_password(*encoded, ""));
  EXPECT_NE(*encoded, *hash_password("correct horse", kCheap)) << "the salt differs each time";
}

TEST(Password, TheDefaultCostIsWhatTheHashSays) {
  const auto encoded = hash_password("correct horse");
  ASSERT_TRUE(encoded);
  EXPECT_TRUE(encoded->starts_with("$argon2id$v=19$m=19456,t=2,p=1$")) << *encoded;
}

TEST(Password, GarbageInTheStoreMatchesNothing) {
  for (const char* encoded : {"", "x", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA",
                              "$argon2i$v=19$m=8192,t=1,p=1$c29tZXNhbHQ$AAAA"}) {
    EXPECT_FALSE(verify_password(encoded, "correct horse")) << encoded;
  }
  EXPECT_FALSE(verify_password(std::string("$argon2id$") + std::string(1000, 'A'), "x"));
}

TEST(Password, TheUnmatchableHashIsWellFormedAndMatchesNothing) {
  const std::string hash = unmatchable_hash(kCheap);
  EXPECT_EQ(hash.size(), hash_password("12345678", kCheap)->size());
  EXPECT_FALSE(verify_password(hash, ""));
  EXPECT_FALSE(verify_password(hash, "12345678"));
}

TEST(Password, ShortOrUnprintableOnesAreRefused) {
  EXPECT_TRUE(check_password("12345678"));
  EXPECT_TRUE(check_password("パスワード"));
  EXPECT_FALSE(check_password("1234567"));
  EXPECT_FALSE(check_password(std::string(1025, 'a')));
  EXPECT_FALSE(check_password(std::string("1234\0005678", 9)));
  EXPECT_FALSE(check_password("1234\n5678"));
  EXPECT_FALSE(check_password("12345678\xff"));
  EXPECT_FALSE(check_password("ek_" + std::string(43, 'a')));
}

/// A pool of threads that have ended.
class Ended final : public base::Executor {
 public:
  void post(base::Work) override {}
};

TEST(PasswordPool, LetsGoOfWhoWaitsWhenItIsAbandoned) {
  Ended ended;
  PasswordPool pool(ended, {});
  const auto held = std::make_shared<int>(0);
  ASSERT_TRUE(pool.verify("", Secret("12345678"), ended, [held](bool) { FAIL(); }));
  EXPECT_EQ(held.use_count(), 2);
  pool.abandon();
  EXPECT_EQ(held.use_count(), 1);
}

TEST(ApiKey, IsRandomAndKeptOnlyAsAKeyedHash) {
  base::SeededRandom random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string key = make_api_key(random);
    EXPECT_TRUE(has_api_key_form(key)) << key;
    EXPECT_TRUE(seen.insert(key).second);
  }
  EXPECT_FALSE(has_api_key_form("ek_short"));
  EXPECT_FALSE(has_api_key_form("ek_" + std::string(42, 'a') + "-"));
  const HashKey one(random), two(random);
  const std::string key = *seen.begin();
  EXPECT_EQ(hash_api_key(one, key), hash_api_key(one, key));
  EXPECT_NE(hash_api_key(one, key), hash_api_key(two, key));
  EXPECT_NE(hash_api_key(one, key), hash_api_key(one, key + "x"));
}

TEST(HashKey, KeepsPurposesApart) {
  const HashKey key(std::string(32, 'k'));
  EXPECT_NE(key.hash("ab", "c"), key.hash("a", "bc"));
}

// RFC 4013: the same letters, typed on another keyboard.
TEST(Password, FormsOfUnicodeDoNotMatter) {
  const std::string encoded = hash_password("\u304b\u3099\u304d\u3099passw", kCheap).value();
  EXPECT_TRUE(verify_password(encoded, "\u304c\u304epassw"));
  EXPECT_FALSE(verify_password(encoded, "\u304b\u304dpassw"));
  const ScramKeys apart = make_scram_keys("\u304b\u3099", "salt", 4096);
  EXPECT_EQ(apart.stored_key, make_scram_keys("\u304c", "salt", 4096).stored_key);
}

// RFC 7677 §3: the keys that the example's password and salt give.
TEST(Scram, KeysAreThoseOfRfc7677) {
  const std::string salt = *base::decode_base64("W22ZaJ0SNY7soEsUEjb6gQ==");
  const ScramKeys keys = make_scram_keys("pencil", salt, 4096);
  EXPECT_EQ(base::encode_base64(keys.stored_key), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
  EXPECT_EQ(base::encode_base64(keys.server_key), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

}  // namespace
}  // namespace ekiden::account
