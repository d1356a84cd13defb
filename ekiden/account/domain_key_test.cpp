#include "ekiden/account/domain_key.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "ekiden/account/domain_key_rotation.hpp"
#include "ekiden/account/store.hpp"
#include "ekiden/base/random.hpp"

namespace ekiden::account {
namespace {

const base::Time kNow = base::from_unix_us(1'795'305'600'000'000);
const Author kAuthor{"a test", kNow};

TEST(Sealed, OpensWithTheSameKeyAndPurposeOnly) {
  base::SeededRandom random(1);
  const HashKey key(random), other(random);
  const std::string sealed = seal(key, "purpose", "a private key", random);
  EXPECT_EQ(sealed.find("private"), std::string::npos);
  ASSERT_TRUE(unseal(key, "purpose", sealed));
  EXPECT_EQ(unseal(key, "purpose", sealed)->view(), "a private key");
  EXPECT_FALSE(unseal(other, "purpose", sealed));
  EXPECT_FALSE(unseal(key, "another", sealed));
  EXPECT_NE(seal(key, "purpose", "a private key", random), sealed) << "a nonce is used once";
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(unseal(key, "purpose", changed)) << i;
  }
  EXPECT_FALSE(unseal(key, "purpose", sealed.substr(0, 20)));
  EXPECT_FALSE(unseal(key, "purpose", ""));
}

DomainKey key_of(std::int64_t id, DomainKeyState state, std::string type = "rsa") {
  DomainKey key;
  key.id = id;
  key.domain = "example.org";
  key.selector = "s" + std::to_string(id);
  key.type = std::move(type);
  key.bits = 2048;
  key.record = "v=DKIM1; p=AAAA";
  key.sealed = std::string("\0sealed", 7);
  key.state = state;
  key.changed = kNow;
  return key;
}

constexpr auto kPending = DomainKeyState::Pending;
constexpr auto kActive = DomainKeyState::Active;
constexpr auto kRetiring = DomainKeyState::Retiring;
constexpr auto kRetired = DomainKeyState::Retired;

TEST(DomainKeyRotation, WaitsForTheRecord) {
  const std::vector<DomainKey> keys = {key_of(1, kActive), key_of(2, kPending)};
  EXPECT_TRUE(next_steps(keys, {}, kNow).empty());
  EXPECT_EQ(next_steps(keys, {2}, kNow),
            (std::vector<DomainKeyStep>{{2, kPending, kActive}, {1, kActive, kRetiring}}))
      << "the new one first: a crash in between leaves two that sign";
}

TEST(DomainKeyRotation, KeepsKeysOfOtherKindsAndTenants) {
  std::vector<DomainKey> keys = {key_of(1, kActive, "ed25519"), key_of(2, kActive),
                                 key_of(3, kActive), key_of(4, kPending)};
  keys[1].tenant = "shop";
  keys[2].domain = "example.net";
  EXPECT_EQ(next_steps(keys, {4}, kNow), (std::vector<DomainKeyStep>{{4, kPending, kActive}}));
}

TEST(DomainKeyRotation, RetiresSevenDaysPastTheLastSignature) {
  std::vector<DomainKey> keys = {key_of(1, kRetiring)};
  keys[0].last_signed = kNow + std::chrono::hours(1);
  const base::Time due = keys[0].last_signed + std::chrono::hours(24 * 7);
  EXPECT_TRUE(next_steps(keys, {}, due - base::Duration(1)).empty());
  EXPECT_EQ(next_steps(keys, {}, due), (std::vector<DomainKeyStep>{{1, kRetiring, kRetired}}));
}

struct DomainKeyStore : testing::Test {
  DomainKeyStore() {
    std::string name = (std::filesystem::temp_directory_path() / "ekiden-keys-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    store = Store::open(folder, kNow).value();
  }
  ~DomainKeyStore() override { std::filesystem::remove_all(folder); }

  std::string folder;
  std::unique_ptr<Store> store;
};

TEST_F(DomainKeyStore, KeepsKeysAndTheirLives) {
  const std::int64_t id = *store->add_domain_key(key_of(0, kPending), kAuthor);
  EXPECT_EQ(store->add_domain_key(key_of(0, kPending), kAuthor).error(), Errc::DuplicateName)
      << "a selector is never used again";
  DomainKey other = key_of(7, kPending);
  other.tenant = "nobody";
  EXPECT_EQ(store->add_domain_key(other, kAuthor).error(), Errc::UnknownTenant);
  ASSERT_TRUE(store->set_domain_key_state(id, kPending, kActive, kAuthor));
  EXPECT_EQ(store->set_domain_key_state(id, kPending, kActive, kAuthor).error(), Errc::NotFound)
      << "somebody else was faster";
  ASSERT_TRUE(store->note_signed(id, kNow));
  ASSERT_TRUE(store->note_signed(id, kNow - std::chrono::hours(1))) << "it only grows";

  const std::unique_ptr<Store> again = Store::open(folder, kNow).value();
  const auto keys = *again->domain_keys("example.org");
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_EQ(keys[0].sealed, std::string("\0sealed", 7));
  EXPECT_EQ(keys[0].state, kActive);
  EXPECT_EQ(keys[0].last_signed, kNow);
  EXPECT_TRUE(again->domain_keys("example.net")->empty());
  EXPECT_EQ(again->audit(1)->at(0).action, "dkim.active");
}

TEST_F(DomainKeyStore, ShowsKeysToAnotherProcess) {
  const std::unique_ptr<Store> node = Store::open(folder, kNow).value();
  ASSERT_TRUE(node->refresh());
  const auto before = node->current_domain_keys();
  EXPECT_TRUE(before->empty());
  ASSERT_TRUE(store->add_domain_key(key_of(0, kPending), kAuthor));
  EXPECT_EQ(*node->refresh(), Store::Refresh::Changed);
  EXPECT_EQ(node->current_domain_keys()->size(), 1u);
  const auto same = node->current_domain_keys();
  ASSERT_TRUE(store->add_tenant("shop", kAuthor));
  ASSERT_TRUE(node->refresh());
  EXPECT_EQ(node->current_domain_keys(), same) << "another pointer only when a key has changed";
}

}  // namespace
}  // namespace ekiden::account
