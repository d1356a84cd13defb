// Batches of scheduled mail: their names, what is said of them, and what of the suppression list a
// message passes over.
#include "ekiden/account/scheduled_send.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "ekiden/account/store.hpp"

namespace ekiden::account {
namespace {

const base::Time kNow = base::from_unix_us(1'800'000'000'000'000);

TEST(SendBatch, SaysWhenItWasGivenAndNoticesAMistake) {
  base::SeededRandom random(1);
  const std::string batch = make_send_batch(kNow, random);
  EXPECT_EQ(batch.size(), 40u);
  EXPECT_NE(batch, make_send_batch(kNow, random));
  ASSERT_TRUE(send_batch_time(batch));
  EXPECT_EQ(*send_batch_time(batch), kNow);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    std::string wrong = batch;
    wrong[i] = wrong[i] == '0' ? '1' : '0';
    EXPECT_FALSE(send_batch_time(wrong)) << i;
  }
  EXPECT_FALSE(send_batch_time(""));
  EXPECT_FALSE(send_batch_time(batch + "0"));
  EXPECT_FALSE(send_batch_time(std::string(40, 'x')));
}

TEST(SendBatch, LivesTenDays) {
  base::SeededRandom random(1);
  const std::string batch = make_send_batch(kNow, random);
  EXPECT_TRUE(is_live_send_batch(batch, kNow));
  EXPECT_TRUE(is_live_send_batch(batch, kNow - std::chrono::hours(1)));
  EXPECT_TRUE(is_live_send_batch(batch, kNow + kSendBatchLives));
  EXPECT_FALSE(is_live_send_batch(batch, kNow + kSendBatchLives + std::chrono::seconds(1)));
}

class ScheduledSendTest : public testing::Test {
 protected:
  ScheduledSendTest() {
    std::string pattern = testing::TempDir() + "ekiden-sends-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    store_ = std::move(*Store::open(folder_, kNow));
  }
  ~ScheduledSendTest() override { std::filesystem::remove_all(folder_); }

  ScheduledSend send(std::string batch, SendStop stop) const {
    return {"default", std::move(batch), stop, kNow};
  }
  std::optional<SendStop> current(std::string_view batch) const {
    const Store& store = *store_;
    return store.scheduled_sends()->find("default", batch);
  }

  std::string folder_;
  std::unique_ptr<Store> store_;
  Author author_{"test", kNow};
};

TEST_F(ScheduledSendTest, IsInForceAtOnceAndAfterARestart) {
  ASSERT_TRUE(store_->add_scheduled_send(send("b1", SendStop::Pause), author_));
  EXPECT_EQ(current("b1"), SendStop::Pause);
  EXPECT_EQ(current("b2"), std::nullopt);
  EXPECT_EQ(store_->add_scheduled_send(send("b1", SendStop::Cancel), author_).error(),
            make_error_code(Errc::DuplicateName));
  ASSERT_TRUE(store_->set_scheduled_send(send("b1", SendStop::Cancel), author_));
  store_ = std::move(*Store::open(folder_, kNow));
  ASSERT_TRUE(store_->refresh());
  EXPECT_EQ(current("b1"), SendStop::Cancel);
  EXPECT_EQ(store_->scheduled_sends("default", "")->size(), 1u);
  EXPECT_TRUE(store_->scheduled_sends("other", "")->empty());
  EXPECT_TRUE(store_->scheduled_sends("default", "b2")->empty());
}

TEST_F(ScheduledSendTest, GoesOnlyWhileItIsBeingResumed) {
  ASSERT_TRUE(store_->add_scheduled_send(send("b1", SendStop::Pause), author_));
  ASSERT_TRUE(store_->remove_scheduled_send("default", "b1"));
  EXPECT_EQ(current("b1"), SendStop::Pause);
  ASSERT_TRUE(store_->set_scheduled_send(send("b1", SendStop::Resuming), author_));
  ASSERT_TRUE(store_->remove_scheduled_send("default", "b1"));
  EXPECT_EQ(current("b1"), std::nullopt);
  EXPECT_EQ(store_->set_scheduled_send(send("b1", SendStop::Pause), author_).error(),
            make_error_code(Errc::NotFound));
}

TEST_F(ScheduledSendTest, ATenantHasAThousandAndOldOnesGo) {
  for (std::size_t i = 0; i < kScheduledSendsMax; ++i)
    ASSERT_TRUE(store_->add_scheduled_send(send(std::to_string(i), SendStop::Pause), author_));
  EXPECT_EQ(store_->add_scheduled_send(send("more", SendStop::Pause), author_).error(),
            make_error_code(Errc::TooMany));
  const Author later{"test", kNow + kScheduledSendKept + std::chrono::seconds(1)};
  ASSERT_TRUE(store_->add_scheduled_send(send("more", SendStop::Pause), later));
  EXPECT_EQ(store_->scheduled_sends("default", "")->size(), 1u);
  EXPECT_EQ(store_->add_scheduled_send({"nobody", "b", SendStop::Pause, kNow}, later).error(),
            make_error_code(Errc::UnknownTenant));
}

TEST(SuppressionBypass, PassesOverWhatItNamesAndNothingElse) {
  const auto entry = [](std::string address, std::string stream, SuppressionReason reason) {
    Suppression one;
    one.address = std::move(address);
    one.stream = std::move(stream);
    one.reason = reason;
    return one;
  };
  SuppressionEditor editor{SuppressionSet(7)};
  editor.append(entry("a@x.jp", "", SuppressionReason::Bounce));
  editor.append(entry("a@x.jp", "", SuppressionReason::Complaint));
  editor.append(entry("left@x.jp", "", SuppressionReason::Unsubscribe));
  editor.append(entry("group@x.jp", "news", SuppressionReason::Unsubscribe));
  const SuppressionSet set = editor.finish();
  const auto find = [&](const char* address, const SuppressionBypass& bypass) {
    return set.find("default", address, "news", StreamKind::Bulk, kNow, bypass);
  };
  SuppressionBypass bounces;
  bounces.add(SuppressionReason::Bounce);
  EXPECT_EQ(find("a@x.jp", {}), SuppressionReason::Bounce);
  EXPECT_EQ(find("a@x.jp", bounces), SuppressionReason::Complaint) << "the other entry counts";
  bounces.add(SuppressionReason::Complaint);
  EXPECT_EQ(find("a@x.jp", bounces), std::nullopt);
  EXPECT_EQ(find("left@x.jp", bounces), SuppressionReason::Unsubscribe);
  SuppressionBypass globally;
  globally.add(SuppressionReason::Unsubscribe);
  globally.keeps_left_streams = true;
  EXPECT_EQ(find("left@x.jp", globally), std::nullopt);
  EXPECT_EQ(find("group@x.jp", globally), SuppressionReason::Unsubscribe);
  EXPECT_EQ(find("group@x.jp", {SuppressionBypass::kAll, false}), std::nullopt);
}

}  // namespace
}  // namespace ekiden::account
