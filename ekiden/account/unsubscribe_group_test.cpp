// Unsubscribe groups, operators' keys, and lists of addresses, in the control store.
#include "ekiden/account/unsubscribe_group.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "ekiden/account/store.hpp"
#include "ekiden/account/suppression_file.hpp"

namespace ekiden::account {
namespace {

const base::Time kNow = base::from_unix_us(1'800'000'000'000'000);

class GroupTest : public testing::Test {
 protected:
  GroupTest() {
    std::string pattern = testing::TempDir() + "ekiden-groups-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    store_ = std::move(*Store::open(folder_, kNow));
  }
  ~GroupTest() override { std::filesystem::remove_all(folder_); }

  Result<std::int64_t> add(std::string name, std::string tenant = "default",
                           bool is_default = false) {
    UnsubscribeGroup group;
    group.tenant = std::move(tenant);
    group.name = std::move(name);
    group.is_default = is_default;
    return store_->add_unsubscribe_group(group, author_);
  }

  std::string folder_;
  std::unique_ptr<Store> store_;
  Author author_{"test", kNow};
};

TEST_F(GroupTest, ATenantHasItsOwnByNameAndOneDefault) {
  const auto first = add("News", "default", true);
  ASSERT_TRUE(first);
  EXPECT_EQ(add("News").error(), Errc::DuplicateName);
  EXPECT_EQ(add("").error(), Errc::BadName);
  EXPECT_EQ(add("News", "nobody").error(), Errc::UnknownTenant);
  ASSERT_TRUE(store_->add_tenant("other", author_));
  EXPECT_TRUE(add("News", "other"));
  const auto second = add("Offers", "default", true);
  ASSERT_TRUE(second);
  auto groups = *store_->unsubscribe_groups("default");
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_FALSE(groups[0].is_default);
  EXPECT_TRUE(groups[1].is_default);
  EXPECT_EQ(groups[1].created, kNow);
  groups[1].name = "News";
  EXPECT_EQ(store_->set_unsubscribe_group(groups[1], author_).error(), Errc::DuplicateName);
  groups[1].name = "Letters";
  ASSERT_TRUE(store_->set_unsubscribe_group(groups[1], author_));
  EXPECT_EQ(store_->unsubscribe_groups("default")->at(1).name, "Letters");
  EXPECT_EQ(store_->remove_unsubscribe_group("other", *first, author_).error(), Errc::NotFound);
  ASSERT_TRUE(store_->remove_unsubscribe_group("default", *first, author_));
  EXPECT_EQ(store_->unsubscribe_groups("default")->size(), 1u);
  // Numbers are never given twice: a stream is named by one.
  ASSERT_TRUE(store_->remove_unsubscribe_group("default", *second, author_));
  EXPECT_GT(*add("Again"), *second);
  EXPECT_EQ(store_->check_audit()->broken_at, 0);
}

TEST_F(GroupTest, ItsStreamTellsItsNumber) {
  UnsubscribeGroup group;
  group.id = 17;
  EXPECT_EQ(group.stream(), "group-17");
  EXPECT_EQ(unsubscribe_group_of("group-17"), 17);
  for (const char* other : {"group-", "group-0", "group-x", "group-99999999999999999999", "news"})
    EXPECT_FALSE(unsubscribe_group_of(other)) << other;
}

TEST_F(GroupTest, ATenantWithKeysStays) {
  ASSERT_TRUE(store_->add_tenant("shop", author_));
  ApiKey key;
  key.name = "shop";
  key.credential.tenant = "shop";
  key.credential.key_hash = "a";
  key.blastengine_hash = "b";
  ASSERT_TRUE(store_->add_api_key(key, author_));
  EXPECT_EQ(store_->remove_tenant("shop", author_).error(), Errc::InUse);
  ASSERT_TRUE(store_->remove_api_key("shop", author_));
  EXPECT_TRUE(store_->remove_tenant("shop", author_));
}

TEST(OperatorKey, HasTheScopeOnlyByName) {
  ApiKey key;
  EXPECT_FALSE(key.is_operator()) << "everything that a role allows is of its own tenant";
  EXPECT_TRUE(key.allows("queue:write"));
  key.scopes = {"admin"};
  EXPECT_TRUE(key.is_operator());
  EXPECT_TRUE(key.allows("queue:write")) << "alone it leaves the others";
  key.role = KeyRole::ReadOnly;
  EXPECT_TRUE(key.is_operator());
  EXPECT_TRUE(key.allows("queue:read"));
  EXPECT_FALSE(key.allows("queue:write"));
  key.role = KeyRole::Full;
  key.scopes = {"admin", "queue:read"};
  EXPECT_TRUE(key.allows("queue:read"));
  EXPECT_FALSE(key.allows("queue:write"));
  EXPECT_FALSE(key.allows("messages:send"));
}

TEST_F(GroupTest, ListsAreReadRowByRow) {
  SuppressionImport how;
  how.common.reason = SuppressionReason::Import;
  how.common.created = kNow;
  std::vector<std::uint64_t> refused;
  how.refused = [&](std::uint64_t line, const std::string&) { refused.push_back(line); };
  const auto csv = import_suppressions(
      *store_, "email,expires\na@x.test,\nTaro <b@x.test>,90d\nnobody,\n\"open\nc@x.test,\n", how,
      author_);
  ASSERT_TRUE(csv);
  EXPECT_EQ(csv->rows, 5u);
  EXPECT_EQ(csv->added, 3u);
  EXPECT_EQ(refused, (std::vector<std::uint64_t>{4, 5}));
  refused.clear();
  const auto lines = import_suppressions(
      *store_,
      "{\"address\":\"a@x.test\",\"other\":[]}\n\n{\"email\":\"d@x.test\",\"stream\":\"!\"}\n"
      "{\"email\":\"e@x.test\",\"reason\":\"bounce\"}\n{}\n[",
      how, author_);
  ASSERT_TRUE(lines);
  EXPECT_EQ(lines->added, 1u);
  EXPECT_EQ(lines->known(), 1u);
  EXPECT_EQ(refused, (std::vector<std::uint64_t>{3, 5, 6}));
  SuppressionFilter filter;
  filter.address = "b@x.test";
  const auto found = store_->suppressions(filter, 0, 10);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ(found->front().expires, kNow + std::chrono::hours(24 * 90));
  EXPECT_EQ(suppression_csv_line(found->front()).substr(0, 19), "b@x.test,import,all");
}

}  // namespace
}  // namespace ekiden::account
