// The control store on a real file: what it keeps, what it refuses, and who sees it when.
#include "ekiden/account/store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "ekiden/account/store_watcher.hpp"
#include "ekiden/account/test_worker.hpp"
#include "ekiden/base/private_file.hpp"

namespace ekiden::account {
namespace {

const base::Time kNow = base::from_unix_us(1'800'000'000'000'000);
const Author kAuthor{"a test", kNow};

struct StoreTest : testing::Test {
  StoreTest() {
    std::string pattern = testing::TempDir() + "ekiden-store-XXXXXX";
    dir = ::mkdtemp(pattern.data());
  }
  ~StoreTest() override { std::filesystem::remove_all(dir); }

  std::unique_ptr<Store> open() {
    std::string problem;
    auto store = Store::open(dir, kNow, &problem);
    EXPECT_TRUE(store) << problem;
    return store ? std::move(*store) : nullptr;
  }
  unsigned mode_of(const std::string& name) {
    struct stat status {};
    EXPECT_EQ(::stat((dir + "/" + name).c_str(), &status), 0) << name;
    return status.st_mode & 0777;
  }
  static Credential user(std::string name) {
    Credential c;
    c.name = std::move(name);
    return c;
  }
  std::string dir;
};

TEST_F(StoreTest, KeepsEverythingOfAUser) {
  Credential c = user("shop@example.jp");
  c.stream = "bulk";
  c.streams = {"bulk", "transactional"};
  c.sender_domains = {"example.jp", "xn--r8jz45g.jp"};
  c.networks = {*net::parse_address_block("192.0.2.0/24"),
                *net::parse_address_block("2001:db8::/32")};
  c.certificate_sha256 = std::string(64, 'a');
  Secrets secrets;
  secrets.argon2id = "$argon2id$x";
  secrets.key_hash = "kk";
  secrets.scram = {std::string("s\0k", 3), "server", "salt", 65536};
  ASSERT_TRUE(open()->add(c, secrets, kAuthor));

  const auto store = open();
  ASSERT_TRUE(store->refresh());
  const auto snapshot = store->current();
  const Credential* kept = snapshot->find_by_name("shop@example.jp");
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept, snapshot->find_by_certificate(std::string(64, 'a')));
  EXPECT_EQ(kept->tenant, "default");
  EXPECT_EQ(kept->stream, "bulk");
  EXPECT_EQ(kept->streams, c.streams);
  EXPECT_EQ(kept->sender_domains, c.sender_domains);
  ASSERT_EQ(kept->networks.size(), 2u);
  EXPECT_EQ(kept->networks[1].text(), "2001:db8::/32");
  EXPECT_EQ(kept->argon2id, "$argon2id$x");
  EXPECT_EQ(kept->key_hash, "kk");
  EXPECT_EQ(kept->scram_stored_key, std::string("s\0k", 3));
  EXPECT_EQ(kept->scram_server_key, "server");
  EXPECT_EQ(kept->scram_salt, "salt");
  EXPECT_EQ(kept->scram_iterations, 65536u);
  EXPECT_TRUE(snapshot->has_scram());
  EXPECT_EQ(snapshot->find_by_name("SHOP@example.jp"), nullptr) << "names match exactly";
}

TEST_F(StoreTest, TheFileIsForItsOwnerOnly) {
  const auto store = open();
  ASSERT_TRUE(store->add(user("a"), {}, kAuthor));
  EXPECT_EQ(mode_of("control.db"), 0600u);
  EXPECT_EQ(mode_of("control.db-wal"), 0600u);
}

TEST_F(StoreTest, AFileThatOthersCouldReadIsClosedToThem) {
  { std::ofstream(dir + "/control.db"); }
  ASSERT_EQ(::chmod((dir + "/control.db").c_str(), 0644), 0);
  ASSERT_TRUE(open());
  EXPECT_EQ(mode_of("control.db"), 0600u);
}

TEST_F(StoreTest, RefusesWhatMakesNoSense) {
  const auto store = open();
  const auto error_of = [&](const Credential& c) { return store->add(c, {}, kAuthor).error(); };
  EXPECT_EQ(error_of(user("")), Errc::BadName);
  EXPECT_EQ(error_of(user(" a")), Errc::BadName);
  EXPECT_EQ(error_of(user("a\n")), Errc::BadName);
  EXPECT_EQ(error_of(user("\xff")), Errc::BadName);
  EXPECT_EQ(error_of(user(std::string(256, 'a'))), Errc::BadName);
  Credential c = user("a");
  c.tenant = "nobody";
  EXPECT_EQ(error_of(c), Errc::UnknownTenant);
  c.tenant = "No Body";
  EXPECT_EQ(error_of(c), Errc::BadLabel);
  c = user("a");
  c.certificate_sha256 = "abc";
  EXPECT_EQ(error_of(c), Errc::BadCertificate);
  c = user("a");
  c.sender_domains.assign(1001, "example.jp");
  EXPECT_EQ(error_of(c), Errc::TooMany);
  EXPECT_TRUE(store->list()->empty());
  EXPECT_TRUE(store->audit(10)->empty()) << "what did not happen is not in the log";
}

TEST_F(StoreTest, RefusesASecondUserOfTheSameNameOrCertificate) {
  const auto store = open();
  Credential a = user("a"), b = user("b");
  a.certificate_sha256 = b.certificate_sha256 = std::string(64, '0');
  ASSERT_TRUE(store->add(a, {}, kAuthor));
  EXPECT_EQ(store->add(user("a"), {}, kAuthor).error(), Errc::DuplicateName);
  EXPECT_EQ(store->add(b, {}, kAuthor).error(), Errc::DuplicateCertificate);
}

TEST_F(StoreTest, ANewPasswordIsANewVersionAndDropsTheOldSecrets) {
  const auto store = open();
  Secrets old;
  old.argon2id = "old";
  old.key_hash = "key";
  ASSERT_TRUE(store->add(user("a"), old, kAuthor));
  const auto before = store->current();
  Secrets fresh;
  fresh.argon2id = "new";
  ASSERT_TRUE(store->set_secrets("a", fresh, kAuthor));
  EXPECT_EQ(before->find_by_name("a")->argon2id, "old") << "a snapshot never changes";
  const auto after = store->current();
  EXPECT_EQ(after->find_by_name("a")->argon2id, "new");
  EXPECT_EQ(after->find_by_name("a")->key_hash, "");
  EXPECT_GT(after->find_by_name("a")->version, before->find_by_name("a")->version);
  EXPECT_EQ(store->set_secrets("b", fresh, kAuthor).error(), Errc::NotFound);
}

TEST_F(StoreTest, ARemovedUserIsGoneAndItsIdIsNotGivenAgain) {
  const auto store = open();
  const auto first = store->add(user("a"), {}, kAuthor);
  ASSERT_TRUE(store->remove("a", kAuthor));
  EXPECT_EQ(store->current()->find_by_name("a"), nullptr);
  EXPECT_EQ(store->remove("a", kAuthor).error(), Errc::NotFound);
  EXPECT_GT(*store->add(user("a"), {}, kAuthor), *first);
}

TEST_F(StoreTest, TenantsAreListedWithTheirUsers) {
  const auto store = open();
  ASSERT_TRUE(store->add_tenant("acme", kAuthor));
  EXPECT_EQ(store->add_tenant("acme", kAuthor).error(), Errc::DuplicateTenant);
  EXPECT_EQ(store->add_tenant("A", kAuthor).error(), Errc::BadLabel);
  Credential c = user("a");
  c.tenant = "acme";
  ASSERT_TRUE(store->add(c, {}, kAuthor));
  ASSERT_TRUE(store->add(user("b"), {}, kAuthor));
  const auto tenants = store->tenants();
  ASSERT_EQ(tenants->size(), 2u);
  EXPECT_EQ((*tenants)[0].name, "acme");
  EXPECT_EQ((*tenants)[0].credentials, 1u);
  EXPECT_EQ(store->list("acme")->size(), 1u);
  EXPECT_EQ(store->list("other").error(), Errc::UnknownTenant);
}

TEST_F(StoreTest, TheAuditLogSaysWhoDidWhat) {
  const auto store = open();
  ASSERT_TRUE(store->add(user("a"), {}, kAuthor));
  ASSERT_TRUE(store->remove("a", {"root", kNow + std::chrono::seconds(1)}));
  const auto entries = store->audit(10);
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].action, "user.remove");
  EXPECT_EQ((*entries)[0].author, "root");
  EXPECT_EQ((*entries)[1].action, "user.add");
  EXPECT_EQ((*entries)[1].time, kNow);
}

TEST_F(StoreTest, ANodeSeesWhatACommandChanged) {
  const auto node = open(), command = open();
  EXPECT_EQ(*node->refresh(), Store::Refresh::Changed) << "the first look reads";
  EXPECT_EQ(*node->refresh(), Store::Refresh::Unchanged);
  ASSERT_TRUE(command->add(user("a"), {}, kAuthor));
  EXPECT_EQ(node->current()->find_by_name("a"), nullptr);
  EXPECT_EQ(*node->refresh(), Store::Refresh::Changed);
  EXPECT_NE(node->current()->find_by_name("a"), nullptr);
  EXPECT_EQ(*node->refresh(), Store::Refresh::Unchanged);
}

TEST_F(StoreTest, TheWatcherLooksWithinASecond) {
  const auto node = open(), command = open();
  TestWorker test;
  {
    StoreWatcher watcher(test.worker, test.blocking, *node);
    test.settle();
    ASSERT_TRUE(command->add(user("a"), {}, kAuthor));
    test.clock.advance(std::chrono::seconds(1));
    test.settle();
    EXPECT_NE(node->current()->find_by_name("a"), nullptr);

    ASSERT_TRUE(command->remove("a", kAuthor));
    bool has_looked = false;
    watcher.look([&] { has_looked = true; });
    test.settle();
    EXPECT_TRUE(has_looked);
    EXPECT_EQ(node->current()->find_by_name("a"), nullptr);
    EXPECT_TRUE(test.clock.next()) << "and looks again later";
    watcher.look();
  }
  test.settle();
  EXPECT_FALSE(test.clock.next()) << "a watcher that is gone leaves no timer";
}

TEST_F(StoreTest, KeepsEverythingOfAnApiKey) {
  ApiKey key;
  key.name = "shop";
  key.credential.stream = "bulk";
  key.credential.streams = {"bulk", "news"};
  key.credential.sender_domains = {"example.jp"};
  key.credential.networks = {*net::parse_address_block("192.0.2.0/24")};
  key.credential.key_hash = "hash";
  key.credential.expires = kNow + std::chrono::hours(1);
  key.blastengine_hash = "token";
  key.scopes = {"messages:send", "events:read"};
  const auto id = open()->add_api_key(key, kAuthor);
  ASSERT_TRUE(id);

  const auto store = open();
  ASSERT_TRUE(store->refresh());
  const auto snapshot = store->current();
  const ApiKey* found = snapshot->find_api_key("hash");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(snapshot->find_blastengine_token("token"), found);
  EXPECT_EQ(snapshot->find_by_name(api_key_identity(*id)), &found->credential);
  EXPECT_EQ(found->name, "shop");
  EXPECT_EQ(found->credential.streams, key.credential.streams);
  EXPECT_EQ(found->credential.sender_domains, key.credential.sender_domains);
  EXPECT_EQ(found->credential.networks.at(0).text(), "192.0.2.0/24");
  EXPECT_EQ(found->scopes, key.scopes);
  EXPECT_EQ(found->created, kNow);
  EXPECT_TRUE(found->credential.may_submit);
  EXPECT_FALSE(found->is_expired(kNow));
  EXPECT_TRUE(found->is_expired(kNow + std::chrono::hours(1)));
  EXPECT_FALSE(found->allows("stats:read"));

  ASSERT_TRUE(store->remove_api_key("shop", kAuthor));
  EXPECT_EQ(store->current()->find_api_key("hash"), nullptr);
  EXPECT_EQ(store->remove_api_key("shop", kAuthor).error(), make_error_code(Errc::NoSuchKey));
  const auto audit = store->audit(2);
  ASSERT_TRUE(audit);
  EXPECT_EQ(audit->at(0).action, "key.revoke");
  EXPECT_EQ(audit->at(1).action, "key.create");
  EXPECT_NE(audit->at(1).detail.find("messages:send events:read"), std::string::npos);
}

TEST_F(StoreTest, RefusesApiKeysThatMakeNoSense) {
  const auto store = open();
  ApiKey key;
  key.name = "shop";
  key.credential.key_hash = "1";
  key.blastengine_hash = "1";
  ASSERT_TRUE(store->add_api_key(key, kAuthor));
  EXPECT_EQ(store->add_api_key(key, kAuthor).error(), make_error_code(Errc::DuplicateKey));
  key.name = "other";
  key.scopes = {"everything"};
  EXPECT_EQ(store->add_api_key(key, kAuthor).error(), make_error_code(Errc::BadScope));
  key.scopes = {};
  key.credential.tenant = "nobody";
  EXPECT_EQ(store->add_api_key(key, kAuthor).error(), make_error_code(Errc::UnknownTenant));
  key.credential.tenant = "No";
  EXPECT_EQ(store->add_api_key(key, kAuthor).error(), make_error_code(Errc::BadLabel));
  key.credential.tenant = "default";
  key.name = " ";
  EXPECT_EQ(store->add_api_key(key, kAuthor).error(), make_error_code(Errc::BadName));
  EXPECT_EQ(store->api_keys("nobody").error(), make_error_code(Errc::UnknownTenant));
  EXPECT_EQ(store->api_keys()->size(), 1u);
}

TEST(ApiKeys, GiveBlastenginesTokens) {
  EXPECT_EQ(blastengine_token("login", "key"),
            "YzgxNTk2ZTFhYTRlMWM2MGNjZGIzMTM2YmVkNGMyOGU3MTU4MGEwODg2ZjQ3ZTAzMmQ5MjgzNWU1MjQ3MjBjYw"
            "==");
}

TEST(ApiKeys, ReadOnlyOnesOnlyRead) {
  ApiKey key;
  key.role = KeyRole::ReadOnly;
  for (const std::string_view scope : key_scopes())
    EXPECT_EQ(key.allows(scope), scope.ends_with(":read")) << scope;
  key.scopes = {"messages:send"};
  EXPECT_FALSE(key.allows("messages:send"));
}

TEST_F(StoreTest, ARowThatCannotBeReadIsLeftOut) {
  {
    const auto store = open();
    Credential c = user("limited");
    c.networks = {*net::parse_address_block("192.0.2.0/24")};
    ASSERT_TRUE(store->add(c, {}, kAuthor));
    ASSERT_TRUE(store->add(user("free"), {}, kAuthor));
  }
  auto database = Database::open(dir + "/control.db");
  ASSERT_TRUE(database->run("UPDATE credentials SET networks='nonsense' WHERE name='limited'"));
  const auto store = open();
  ASSERT_TRUE(store->refresh());
  EXPECT_EQ(store->current()->find_by_name("limited"), nullptr);
  EXPECT_NE(store->current()->find_by_name("free"), nullptr);
}

TEST_F(StoreTest, AFileOfANewerEkidenIsLeftAlone) {
  open();
  { ASSERT_TRUE(Database::open(dir + "/control.db")->run("PRAGMA user_version=99")); }
  std::string problem;
  EXPECT_EQ(Store::open(dir, kNow, &problem).error(), Errc::NewerSchema);
  EXPECT_NE(problem.find("control.db"), std::string::npos);
}

TEST_F(StoreTest, AFileOfAnotherProgramIsLeftAlone) {
  { std::ofstream(dir + "/control.db") << std::string(5000, 'x'); }
  EXPECT_EQ(Store::open(dir, kNow).error(), Errc::Corrupt);
  std::filesystem::remove(dir + "/control.db");
  { ASSERT_TRUE(Database::open(dir + "/control.db")->run("CREATE TABLE mine(x)")); }
  EXPECT_EQ(Store::open(dir, kNow).error(), Errc::Corrupt);
}

TEST_F(StoreTest, AFolderThatIsNotThereIsNamed) {
  std::string problem;
  EXPECT_EQ(Store::open(dir + "/missing", kNow, &problem).error(), Errc::Unavailable);
  EXPECT_NE(problem.find("missing/control.db"), std::string::npos) << problem;
}

TEST_F(StoreTest, TheNodeKeyIsMadeOnceAndKept) {
  base::SeededRandom one(1), two(2);
  const auto first = load_node_key(dir, one);
  const auto second = load_node_key(dir, two);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->hash("p", "v"), second->hash("p", "v"));
  EXPECT_EQ(mode_of("secret.key"), 0600u);
  { std::ofstream(dir + "/secret.key") << "short"; }
  EXPECT_EQ(load_node_key(dir, one).error(), Errc::BadSecretKey);
  { std::ofstream(dir + "/secret.key") << std::string(5000, 'x'); }
  EXPECT_EQ(load_node_key(dir, one).error(), Errc::BadSecretKey);
  EXPECT_EQ(load_node_key(dir + "/missing", one).error(), Errc::BadSecretKey);
}

TEST_F(StoreTest, KeepsWebhooksAndTheirOrders) {
  const auto store = open();
  Webhook webhook;
  webhook.tenant = "default";
  webhook.origin = "https://hook.test";
  webhook.sealed_url = std::string("u\0rl", 4);
  webhook.format = WebhookFormat::SendGrid;
  webhook.kinds = {"bounced", "delivered"};
  webhook.streams = {"bulk"};
  webhook.batch_max = 7;
  webhook.sealed_secret = "secret";
  const auto id = store->add_webhook(webhook, kAuthor);
  ASSERT_TRUE(id);
  webhook.id = *id;
  webhook.created = webhook.changed = kNow;
  EXPECT_EQ(*store->webhooks(), std::vector{webhook});
  EXPECT_EQ(*store->current_webhooks(), std::vector{webhook});
  EXPECT_TRUE(open()->webhooks("nobody")->empty());
  webhook.tenant = "nobody";
  EXPECT_EQ(store->add_webhook(webhook, kAuthor).error(), Errc::UnknownTenant);

  webhook.tenant = "default";
  webhook.state = WebhookState::Disabled;
  webhook.reason = "gone";
  webhook.sealed_previous = "old";
  webhook.previous_until = kNow + std::chrono::hours(1);
  EXPECT_EQ(store->set_webhook(webhook, "x", kAuthor, kNow - std::chrono::seconds(1)).error(),
            Errc::NotFound)
      << "somebody was faster";
  ASSERT_TRUE(store->set_webhook(webhook, "disabled", kAuthor, kNow));
  EXPECT_EQ(*open()->webhooks("default"), std::vector{webhook});
  EXPECT_EQ(store->audit(1)->front().detail, "disabled");

  WebhookOrder order;
  order.webhook = *id;
  order.kind = WebhookOrderKind::Replay;
  order.from = kNow - std::chrono::hours(1);
  order.until = kNow;
  const auto first = store->add_webhook_order(order, kAuthor);
  ASSERT_TRUE(first);
  EXPECT_EQ(store->current_webhooks()->front().orders.size(), 1u);
  EXPECT_EQ(store->current_webhooks()->front().orders.front().until, kNow);
  ASSERT_TRUE(store->finish_webhook_order(*first, true, "done so", kNow));
  EXPECT_TRUE(store->current_webhooks()->front().orders.empty());
  EXPECT_EQ(store->webhook_order(*first)->outcome, "done so");
  for (std::size_t i = 0; i < kWebhookOrdersMax; ++i) {
    ASSERT_TRUE(store->add_webhook_order(order, kAuthor));
  }
  EXPECT_EQ(store->add_webhook_order(order, kAuthor).error(), Errc::TooMany);
  order.webhook = 99;
  EXPECT_EQ(store->add_webhook_order(order, kAuthor).error(), Errc::NotFound);

  ASSERT_TRUE(store->remove_webhook(*id, kAuthor));
  EXPECT_EQ(store->remove_webhook(*id, kAuthor).error(), Errc::NotFound);
  EXPECT_TRUE(store->current_webhooks()->empty());
  EXPECT_EQ(store->webhook_order(*first).error(), Errc::NotFound) << "orders go with it";
}

}  // namespace
}  // namespace ekiden::account
