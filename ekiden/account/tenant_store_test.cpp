// Tenants, their domains and the audit log on a real file.
#include <gtest/gtest.h>

#include <filesystem>

#include "ekiden/account/schema.hpp"
#include "ekiden/account/store.hpp"

namespace ekiden::account {
namespace {

using namespace std::chrono_literals;

const base::Time kNow = base::from_unix_us(1'800'000'000'000'000);
const Author kAuthor{"a test", kNow, "192.0.2.7"};

struct TenantStoreTest : testing::Test {
  TenantStoreTest() {
    std::string pattern = testing::TempDir() + "ekiden-tenant-XXXXXX";
    dir = ::mkdtemp(pattern.data());
    store = open();
  }
  ~TenantStoreTest() override { std::filesystem::remove_all(dir); }
  std::unique_ptr<Store> open() {
    auto opened = Store::open(dir, kNow);
    EXPECT_TRUE(opened);
    EXPECT_TRUE((*opened)->refresh());
    return std::move(*opened);
  }
  void run(const std::string& sql) {
    auto database = Database::open(dir + "/control.db");
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run(sql)) << sql;
  }
  const TenantRules* rules(std::string_view tenant = "default") {
    snapshot = store->current();
    return snapshot->find_tenant(tenant);
  }
  void add_user(const std::string& name) {
    Credential c;
    c.name = name;
    Secrets secrets;
    secrets.key_hash = "k" + name;
    ASSERT_TRUE(store->add(c, secrets, kAuthor));
  }
  std::string dir;
  std::unique_ptr<Store> store;
  std::shared_ptr<const Snapshot> snapshot;
};

TEST_F(TenantStoreTest, WithoutSettingsThereIsNothingToAskFor) {
  EXPECT_FALSE(store->current()->has_rules());
  EXPECT_EQ(rules(), nullptr);
}

TEST_F(TenantStoreTest, SettingsAreKeptAndSeen) {
  TenantSettings settings;
  settings.limits.per_day = 10;
  ASSERT_TRUE(store->set_tenant("default", settings, kAuthor));
  ASSERT_NE(rules(), nullptr);
  EXPECT_EQ(rules()->settings, settings);
  EXPECT_EQ(store->tenant("default")->settings, settings);
  EXPECT_EQ(store->set_tenant("nobody", settings, kAuthor).error(), Errc::UnknownTenant);
  settings.streams = {{"No Label", StreamKind::Bulk, 1}};
  EXPECT_EQ(store->set_tenant("default", settings, kAuthor).error(), Errc::BadLabel);
}

TEST_F(TenantStoreTest, WhatWasSentSurvivesARestartAndAChangeOfTheLimit) {
  TenantSettings settings;
  settings.limits.per_day = 10;
  settings.limits.per_month = 100;
  ASSERT_TRUE(store->set_tenant("default", settings, kAuthor));
  EXPECT_TRUE(LimitedSender(rules(), nullptr).take(6, kNow, {}).is_fine());
  settings.limits.per_day = 12;
  ASSERT_TRUE(store->set_tenant("default", settings, kAuthor));
  EXPECT_EQ(rules()->state->day.value().count, 6u);
  const std::int64_t before = store->rows_written();
  ASSERT_TRUE(store->save_usage());
  EXPECT_GT(store->rows_written(), before);
  const std::int64_t saved = store->rows_written();
  ASSERT_TRUE(store->save_usage());
  EXPECT_EQ(store->rows_written(), saved) << "nothing new, nothing written";
  store = open();
  EXPECT_EQ(store->usage(false, "default")->day.count, 6u);
  EXPECT_TRUE(LimitedSender(rules(), nullptr).take(6, kNow, {}).is_fine());
  EXPECT_EQ(LimitedSender(rules(), nullptr).take(1, kNow, {}).kind, LimitKind::Day);
  EXPECT_TRUE(LimitedSender(rules(), nullptr).take(1, kNow + 24h, {}).is_fine());
}

TEST_F(TenantStoreTest, EachUserHasItsOwnCountOfTheSameLimit) {
  add_user("one");
  add_user("two");
  TenantSettings settings;
  settings.credential_limits.per_day = 1;
  ASSERT_TRUE(store->set_tenant("default", settings, kAuthor));
  snapshot = store->current();
  EXPECT_TRUE(LimitedSender(nullptr, snapshot->find_limits("one")).take(1, kNow, {}).is_fine());
  EXPECT_FALSE(LimitedSender(nullptr, snapshot->find_limits("one")).take(1, kNow, {}).is_fine());
  EXPECT_TRUE(LimitedSender(nullptr, snapshot->find_limits("two")).take(1, kNow, {}).is_fine());
  Limits own;
  own.per_day = 5;
  ASSERT_TRUE(store->set_credential_limits("one", own, kAuthor));
  snapshot = store->current();
  EXPECT_TRUE(LimitedSender(nullptr, snapshot->find_limits("one")).take(4, kNow, {}).is_fine());
  ASSERT_TRUE(store->set_credential_limits("one", std::nullopt, kAuthor));
  snapshot = store->current();
  EXPECT_FALSE(LimitedSender(nullptr, snapshot->find_limits("one")).take(1, kNow, {}).is_fine());
  EXPECT_EQ(store->set_credential_limits("nobody", own, kAuthor).error(), Errc::NotFound);
}

TEST_F(TenantStoreTest, SettingsThatCannotBeReadKeepTheOldPicture) {
  TenantSettings settings;
  settings.limits.per_day = 10;
  ASSERT_TRUE(store->set_tenant("default", settings, kAuthor));
  run("UPDATE tenant_settings SET settings='nonsense'");
  EXPECT_FALSE(store->refresh());
  ASSERT_NE(rules(), nullptr);
  EXPECT_EQ(rules()->settings.limits.per_day, 10u);
}

TEST_F(TenantStoreTest, DomainsCountOnceTheyAreProven) {
  TenantSettings settings;
  settings.requires_proven_domains = true;
  ASSERT_TRUE(store->set_tenant("default", settings, kAuthor));
  SenderDomain domain;
  domain.tenant = "default";
  domain.name = "example.jp";
  domain.token = "t";
  ASSERT_TRUE(store->add_sender_domain(domain, kAuthor));
  EXPECT_EQ(store->add_sender_domain(domain, kAuthor).error(), Errc::DuplicateName);
  EXPECT_FALSE(rules()->may_send_as("example.jp"));
  ASSERT_TRUE(store->set_domain_proof("default", "example.jp", "txt", kAuthor));
  EXPECT_TRUE(rules()->may_send_as("example.jp"));
  EXPECT_TRUE(store->sender_domains("default")->front().is_proven());
  ASSERT_TRUE(store->set_domain_proof("default", "example.jp", "", kAuthor));
  EXPECT_FALSE(rules()->may_send_as("example.jp"));
  ASSERT_TRUE(store->remove_sender_domain("default", "example.jp", kAuthor));
  EXPECT_EQ(store->remove_sender_domain("default", "example.jp", kAuthor).error(), Errc::NotFound);
}

TEST_F(TenantStoreTest, TheAuditLogSaysWhoFromWhereAndWhatItWas) {
  TenantSettings settings;
  settings.limits.per_day = 10;
  ASSERT_TRUE(store->set_tenant("default", settings, kAuthor));
  settings.limits.per_day = 20;
  ASSERT_TRUE(store->set_tenant("default", settings, kAuthor));
  const auto entries = store->audit(1);
  ASSERT_EQ(entries->size(), 1u);
  const AuditEntry& entry = entries->front();
  EXPECT_EQ(entry.action, "tenant.set");
  EXPECT_EQ(entry.author, "a test");
  EXPECT_EQ(entry.origin, "192.0.2.7");
  EXPECT_EQ(entry.before, R"({"limits":{"per_day":10}})");
  EXPECT_EQ(entry.after, R"({"limits":{"per_day":20}})");
}

TEST_F(TenantStoreTest, TamperingWithTheAuditLogShows) {
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(store->add_tenant("t" + std::to_string(i), kAuthor));
  const auto whole = store->check_audit();
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->entries, 5u);
  EXPECT_EQ(whole->broken_at, 0);
  EXPECT_TRUE(store->check_audit(whole->head)->has_head);
  run("UPDATE audit SET subject='t9' WHERE id=3");
  EXPECT_EQ(store->check_audit()->broken_at, 3);
  run("UPDATE audit SET subject='t2' WHERE id=3");
  EXPECT_EQ(store->check_audit()->broken_at, 0);
  run("DELETE FROM audit WHERE id=2");
  EXPECT_EQ(store->check_audit()->broken_at, 3);
  EXPECT_NE(store->check_audit()->problem, "");
}

TEST_F(TenantStoreTest, CuttingTheAuditLogOffShowsToWhoKeptTheHead) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(store->add_tenant("t" + std::to_string(i), kAuthor));
  const std::string head = store->check_audit()->head;
  run("DELETE FROM audit WHERE id=3");
  EXPECT_EQ(store->check_audit()->broken_at, 0);
  EXPECT_FALSE(store->check_audit(head)->has_head);
}

TEST_F(TenantStoreTest, EntriesOfAnOlderVersionAreChained) {
  ASSERT_TRUE(store->add_tenant("old", kAuthor));
  ASSERT_TRUE(store->add_tenant("older", kAuthor));
  run("UPDATE audit SET hash=''");
  {
    auto database = Database::open(dir + "/control.db");
    auto transaction = Transaction::begin(*database);
    ASSERT_TRUE(transaction);
    ASSERT_TRUE(chain_audit(*database));
    ASSERT_TRUE(transaction->commit());
  }
  EXPECT_EQ(store->check_audit()->broken_at, 0);
  ASSERT_TRUE(store->add_tenant("new", kAuthor));
  EXPECT_EQ(store->check_audit()->entries, 3u);
  EXPECT_EQ(store->check_audit()->broken_at, 0);
}

}  // namespace
}  // namespace ekiden::account
