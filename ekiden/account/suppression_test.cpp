// The suppression list: which addresses, which streams, in memory and in the control store.
#include <gtest/gtest.h>

#include <filesystem>

#include "ekiden/account/store.hpp"
#include "ekiden/base/metrics.hpp"

namespace ekiden::account {
namespace {

const base::Time kNow = base::from_unix_us(1'800'000'000'000'000);
const Author kAuthor{"a test", kNow};
constexpr StreamKind kBulkKind = StreamKind::Bulk;
constexpr StreamKind kTransactional = StreamKind::Transactional;

Suppression entry(std::string address, SuppressionReason reason = SuppressionReason::Manual,
                  std::string stream = {}) {
  Suppression made;
  made.address = std::move(address);
  made.reason = reason;
  made.stream = std::move(stream);
  made.created = kNow;
  return made;
}

struct SuppressionTest : testing::Test {
  SuppressionTest() {
    std::string pattern = testing::TempDir() + "ekiden-suppression-XXXXXX";
    dir = ::mkdtemp(pattern.data());
    store = open();
  }
  ~SuppressionTest() override { std::filesystem::remove_all(dir); }
  std::unique_ptr<Store> open() {
    auto opened = Store::open(dir, kNow);
    EXPECT_TRUE(opened);
    EXPECT_TRUE((*opened)->refresh());
    return std::move(*opened);
  }
  std::optional<SuppressionReason> find(std::string_view address, std::string_view stream = "news",
                                        StreamKind kind = kBulkKind, base::Time now = kNow,
                                        std::string_view tenant = "default") {
    return store->suppressions()->find(tenant, address, stream, kind, now);
  }
  std::string dir;
  std::unique_ptr<Store> store;
};

TEST(SuppressionAddress, HasOneFormForOneMailbox) {
  EXPECT_EQ(suppression_address("Info@Example.JP"), "info@example.jp");
  EXPECT_EQ(suppression_address("\"info\"@example.jp"), "info@example.jp");
  EXPECT_EQ(suppression_address("info@日本語.jp"), suppression_address("info@xn--wgv71a119e.jp"));
  for (const char* bad : {"", "@", "info", "info@", "@example.jp", "a b@example.jp", "a@b@c",
                          "info@exa mple.jp", "info@-\x01.jp"})
    EXPECT_FALSE(suppression_address(bad)) << bad;
}

TEST_F(SuppressionTest, ReachesTheStreamsThatItsReasonIsAbout) {
  ASSERT_TRUE(store->add_suppressions(
      {entry("gone@x.jp", SuppressionReason::Bounce),
       entry("angry@x.jp", SuppressionReason::Complaint, std::string(kBulkStreams)),
       entry("tired@x.jp", SuppressionReason::Unsubscribe, "news")},
      kAuthor));
  EXPECT_EQ(find("gone@x.jp", "transactional", kTransactional), SuppressionReason::Bounce);
  EXPECT_EQ(find("gone@x.jp"), SuppressionReason::Bounce);
  EXPECT_EQ(find("angry@x.jp", "transactional", kTransactional), std::nullopt);
  EXPECT_EQ(find("angry@x.jp", "any other"), SuppressionReason::Complaint);
  EXPECT_EQ(find("tired@x.jp", "news"), SuppressionReason::Unsubscribe);
  EXPECT_EQ(find("tired@x.jp", "offers"), std::nullopt);
  // A stream that became transactional is not left any more.
  EXPECT_EQ(find("tired@x.jp", "news", kTransactional), std::nullopt);
  EXPECT_EQ(find("gone@x.jp", "news", kBulkKind, kNow, "other"), std::nullopt);
  EXPECT_EQ(find("nobody@x.jp"), std::nullopt);
}

TEST_F(SuppressionTest, EndsWhenItExpires) {
  Suppression one = entry("gone@x.jp");
  one.expires = kNow + std::chrono::hours(1);
  ASSERT_TRUE(store->add_suppressions({one}, kAuthor));
  EXPECT_TRUE(find("gone@x.jp"));
  EXPECT_FALSE(find("gone@x.jp", "news", kBulkKind, kNow + std::chrono::hours(1)));
  EXPECT_EQ(*store->drop_expired_suppressions(kNow), 0u);
  EXPECT_EQ(*store->drop_expired_suppressions(kNow + std::chrono::hours(2)), 1u);
  EXPECT_TRUE(store->suppressions()->is_empty());
}

TEST_F(SuppressionTest, IsSeenByAnotherProcessAtItsNextLook) {
  const auto other = open();
  ASSERT_TRUE(store->add_suppressions({entry("a@x.jp"), entry("b@x.jp")}, kAuthor));
  EXPECT_TRUE(other->suppressions()->is_empty());
  ASSERT_TRUE(other->refresh());
  EXPECT_EQ(other->suppressions()->size(), 2u);
  SuppressionFilter filter;
  filter.address = "a@x.jp";
  EXPECT_EQ(*other->remove_suppressions(filter, kAuthor), 1u);
  EXPECT_TRUE(find("a@x.jp"));
  ASSERT_TRUE(store->refresh());
  EXPECT_FALSE(find("a@x.jp"));
  EXPECT_TRUE(find("b@x.jp"));
  const auto third = open();
  EXPECT_EQ(third->suppressions()->size(), 1u);
}

TEST_F(SuppressionTest, TellsNewEntriesFromRenewedOnes) {
  EXPECT_EQ(*store->add_suppressions({entry("a@x.jp"), entry("b@x.jp")}, kAuthor), 2u);
  Suppression again = entry("a@x.jp");
  again.note = "by phone";
  EXPECT_EQ(*store->add_suppressions({again, entry("c@x.jp")}, kAuthor), 1u);
  SuppressionFilter filter;
  filter.address = "a@x.jp";
  const auto kept = store->suppressions(filter, 0, 10);
  ASSERT_EQ(kept->size(), 1u);
  EXPECT_EQ(kept->front().note, "by phone");
}

TEST_F(SuppressionTest, FiltersByEverythingThatAnEntryHas) {
  Suppression old = entry("old@y.jp", SuppressionReason::Bounce);
  old.created = kNow - std::chrono::hours(48);
  ASSERT_TRUE(
      store->add_suppressions({entry("a@x.jp"), entry("b@sub.x.jp", SuppressionReason::Bounce),
                               entry("a@x.jp", SuppressionReason::Unsubscribe, "news"), old},
                              kAuthor));
  const auto count = [&](auto set) {
    SuppressionFilter filter;
    set(filter);
    return *store->count_suppressions(filter);
  };
  EXPECT_EQ(count([](auto&) {}), 4u);
  EXPECT_EQ(count([](auto& f) { f.domain = "x.jp"; }), 2u);
  EXPECT_EQ(count([](auto& f) { f.reason = SuppressionReason::Bounce; }), 2u);
  EXPECT_EQ(count([](auto& f) { f.stream = "news"; }), 1u);
  EXPECT_EQ(count([](auto& f) { f.stream = ""; }), 3u);
  EXPECT_EQ(count([](auto& f) { f.created_before = kNow - std::chrono::hours(1); }), 1u);
  EXPECT_EQ(count([](auto& f) { f.created_since = kNow; }), 3u);
  EXPECT_EQ(count([](auto& f) { f.tenant = "other"; }), 0u);
  // What stands for anything in SQL is a letter in an address.
  EXPECT_EQ(count([](auto& f) { f.domain = "%"; }), 0u);
}

TEST_F(SuppressionTest, PagesThroughWhatThereIs) {
  std::vector<Suppression> many;
  for (int i = 0; i < 25; ++i) many.push_back(entry("u" + std::to_string(i) + "@x.jp"));
  ASSERT_TRUE(store->add_suppressions(many, kAuthor));
  std::size_t seen = 0;
  std::int64_t after = 0;
  while (true) {
    const auto page = store->suppressions({}, after, 10);
    ASSERT_TRUE(page);
    if (page->empty()) break;
    seen += page->size();
    after = page->back().id;
  }
  EXPECT_EQ(seen, 25u);
}

TEST_F(SuppressionTest, AnUnknownTenantHasNoList) {
  Suppression one = entry("a@x.jp");
  one.tenant = "nobody";
  EXPECT_EQ(store->add_suppressions({one}, kAuthor).error(), Errc::UnknownTenant);
  EXPECT_EQ(*store->count_suppressions({}), 0u);
}

TEST_F(SuppressionTest, OutcomesReadTwiceChangeNothing) {
  Outcomes outcomes;
  outcomes.suppressed = {entry("gone@x.jp", SuppressionReason::Bounce)};
  outcomes.suppressed[0].note = "first";
  ASSERT_TRUE(store->take_outcomes(outcomes, "reader", "2026-11-22:7"));
  EXPECT_EQ(*store->reader_position("reader"), "2026-11-22:7");
  outcomes.suppressed[0].note = "second";
  ASSERT_TRUE(store->take_outcomes(outcomes, "reader", "2026-11-22:7"));
  const auto kept = store->suppressions({}, 0, 10);
  ASSERT_EQ(kept->size(), 1u);
  EXPECT_EQ(kept->front().note, "first");
  EXPECT_TRUE(find("gone@x.jp"));
}

TEST_F(SuppressionTest, SoftFailuresInARowSuppressWhereTheTenantSaysSo) {
  const auto fail = [&](const char* event, base::Time when) {
    Outcomes outcomes;
    outcomes.failed.push_back({"default", "full@x.jp", event, when});
    ASSERT_TRUE(store->take_outcomes(outcomes, "reader", event));
  };
  fail("e0", kNow);
  EXPECT_FALSE(find("full@x.jp")) << "off by default";
  TenantSettings settings;
  settings.soft_failures = 3;
  settings.suppression_days = 10;
  ASSERT_TRUE(store->set_tenant("default", settings, kAuthor));
  fail("e1", kNow);
  fail("e1", kNow);  // read again
  fail("e2", kNow);
  EXPECT_FALSE(find("full@x.jp"));
  Outcomes delivered;
  delivered.delivered.emplace_back("default", "full@x.jp");
  ASSERT_TRUE(store->take_outcomes(delivered, "reader", "d"));
  fail("e3", kNow);
  fail("e4", kNow);
  EXPECT_FALSE(find("full@x.jp")) << "a delivery begins it anew";
  fail("e5", kNow + std::chrono::hours(24 * 40));
  EXPECT_FALSE(find("full@x.jp")) << "what is long ago counts no more";
  fail("e6", kNow + std::chrono::hours(24 * 40));
  fail("e7", kNow + std::chrono::hours(24 * 40));
  EXPECT_EQ(find("full@x.jp", "news", kBulkKind, kNow + std::chrono::hours(24 * 41)),
            SuppressionReason::Soft);
  EXPECT_FALSE(find("full@x.jp", "news", kBulkKind, kNow + std::chrono::hours(24 * 51)));
}

TEST_F(SuppressionTest, AMillionEntriesCostSixteenOctetsEach) {
  SuppressionEditor editor{SuppressionSet(7)};
  for (int i = 0; i < 1'000'000; ++i)
    editor.append(entry("user" + std::to_string(i) + "@example" + std::to_string(i % 97) + ".jp"));
  const SuppressionSet set = editor.finish();
  EXPECT_EQ(set.size(), 1'000'000u);
  static_assert(sizeof(SuppressionSet::Entry) == 16);
  EXPECT_TRUE(set.find("default", "user777777@example" + std::to_string(777777 % 97) + ".jp",
                       "news", kBulkKind, kNow));
  EXPECT_FALSE(set.find("default", "user777777@example98.jp", "news", kBulkKind, kNow));
  SuppressionEditor again(set);
  again.replace("default", "user5@example5.jp", {});
  again.replace("default", "new@example.jp", {entry("new@example.jp")});
  const SuppressionSet changed = again.finish();
  EXPECT_EQ(changed.size(), 1'000'000u);
  EXPECT_FALSE(changed.find("default", "user5@example5.jp", "news", kBulkKind, kNow));
  EXPECT_TRUE(changed.find("default", "new@example.jp", "news", kBulkKind, kNow));
  EXPECT_TRUE(set.find("default", "user5@example5.jp", "news", kBulkKind, kNow)) << "the old one";
}

TEST_F(SuppressionTest, RemovingATenantTakesItsListAlong) {
  ASSERT_TRUE(store->add_tenant("shop", kAuthor));
  Suppression one = entry("a@x.jp");
  one.tenant = "shop";
  ASSERT_TRUE(store->add_suppressions({one}, kAuthor));
  EXPECT_TRUE(find("a@x.jp", "news", kBulkKind, kNow, "shop"));
  ASSERT_TRUE(store->remove_tenant("shop", kAuthor));
  EXPECT_FALSE(find("a@x.jp", "news", kBulkKind, kNow, "shop"));
  EXPECT_EQ(store->remove_tenant("shop", kAuthor).error(), Errc::UnknownTenant);
  EXPECT_EQ(store->remove_tenant("default", kAuthor).error(), Errc::InUse);
}

}  // namespace
}  // namespace ekiden::account
