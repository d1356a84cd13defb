// A key's life on a clock moved by the test, with a scripted DNS and a real control store.
#include "ekiden/delivery/key_watch.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "ekiden/account/test_worker.hpp"
#include "tests/support/fake_resolver.hpp"

namespace ekiden::delivery {
namespace {

using namespace std::chrono_literals;
using State = account::DomainKeyState;

struct KeyWatchTest : testing::Test {
  KeyWatchTest() {
    std::string name = (std::filesystem::temp_directory_path() / "ekiden-watch-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    store = account::Store::open(folder, at.clock.now()).value();
    signer = std::make_unique<MessageSigner>(*store, secret);
    watch.emplace(at.worker, dns, at.blocking, *store, *signer);
  }
  ~KeyWatchTest() override {
    watch.reset();
    at.settle();
    std::filesystem::remove_all(folder);
  }

  account::DomainKey add(std::string selector, State state = State::Pending) {
    const auth::PrivateKey made = auth::PrivateKey::make(auth::KeyType::Ed25519).value();
    account::DomainKey key;
    key.domain = "example.org";
    key.selector = std::move(selector);
    key.type = "ed25519";
    key.record = made.to_record().value();
    key.sealed = account::seal(secret, account::kDomainKeyPurpose, made.to_pem().value(), random);
    key.state = state;
    key.created = key.changed = at.clock.now();
    EXPECT_TRUE(store->add_domain_key(key, {"a test", at.clock.now()}));
    return key;
  }
  State state_of(const std::string& selector) {
    for (const account::DomainKey& key : *store->current_domain_keys())
      if (key.selector == selector) return key.state;
    ADD_FAILURE() << "no key " << selector;
    return State::Pending;
  }
  /// Time passes in the steps of the watch.
  void pass(base::Duration time) {
    for (base::Duration gone{}; gone < time; gone += 5s) {
      at.clock.advance(5s);
      at.settle();
      at.clock.advance(100ms);
      at.settle();
    }
  }
  void sign_with(const std::string& selector) {
    message::Meta meta;
    meta.details.header_from = "a@example.org";
    meta.details.is_own = true;
    const auto plan = signer->plan_for(meta);
    ASSERT_NE(plan, nullptr);
    EXPECT_EQ(plan->keys.front()->selector, selector);
    signer->note_signed(*plan, at.clock.now());
  }

  account::TestWorker at;
  test::FakeResolver dns{at.clock};
  base::SeededRandom random{1};
  account::HashKey secret{random};
  std::string folder;
  std::unique_ptr<account::Store> store;
  std::unique_ptr<MessageSigner> signer;
  std::optional<KeyWatch> watch;
};

TEST_F(KeyWatchTest, AKeySignsOnceItsRecordIsSeenAndNotBefore) {
  const account::DomainKey key = add("new");
  pass(20s);
  EXPECT_EQ(state_of("new"), State::Pending);
  dns.txt(key.record_name(), "v=DKIM1; k=ed25519; p=AAAA");
  pass(10s);
  EXPECT_EQ(state_of("new"), State::Pending) << "another key's record is not this one's";
  dns.remove(key.record_name()).fail(key.record_name());
  pass(10s);
  EXPECT_EQ(state_of("new"), State::Pending) << "nor is no answer";
  dns.remove(key.record_name()).txt(key.record_name(), key.record);
  pass(10s);
  EXPECT_EQ(state_of("new"), State::Active);
  const std::size_t asked = dns.asked(key.record_name(), dns::Type::TXT);
  pass(20s);
  EXPECT_EQ(dns.asked(key.record_name(), dns::Type::TXT), asked) << "what signs is not asked for";
}

TEST_F(KeyWatchTest, TheKeyBeforeItStopsSigningAndItsRecordStaysSevenDays) {
  add("old", State::Active);
  const account::DomainKey next = add("next");
  sign_with("old");
  const base::Time last = at.clock.now();
  pass(10s);
  dns.txt(next.record_name(), next.record);
  pass(10s);
  EXPECT_EQ(state_of("next"), State::Active);
  EXPECT_EQ(state_of("old"), State::Retiring);
  sign_with("next");
  for (const account::DomainKey& key : *store->current_domain_keys()) {
    if (key.selector == "old") {
      EXPECT_EQ(key.last_signed, last);
    }
  }
  at.clock.advance(account::kDomainKeyStay - 1h);
  at.settle();
  EXPECT_EQ(state_of("old"), State::Retiring) << "mail that it signed is on its way";
  at.clock.advance(2h);
  pass(10s);
  EXPECT_EQ(state_of("old"), State::Retired);
}

TEST_F(KeyWatchTest, AsksAboutMoreKeysThanOneRoundTakes) {
  for (int i = 0; i < 130; ++i) {
    const account::DomainKey key = add("k" + std::to_string(i));
    if (i == 129) dns.txt(key.record_name(), key.record);
  }
  pass(15s);
  EXPECT_EQ(state_of("k129"), State::Active);
}

TEST_F(KeyWatchTest, MayGoWhileAQuestionIsOpen) {
  const account::DomainKey key = add("slow");
  dns.delay(key.record_name(), 1h);
  at.clock.advance(5s);
  at.settle();
  watch.reset();
  at.clock.advance(2h);
  at.settle();
  EXPECT_EQ(state_of("slow"), State::Pending);
}

}  // namespace
}  // namespace ekiden::delivery
