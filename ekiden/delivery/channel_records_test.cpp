#include "ekiden/delivery/channel_records.hpp"

#include <gtest/gtest.h>

namespace ekiden::delivery {
namespace {

TEST(ChannelRecords, ComeBackAsTheyWere) {
  ChannelRecord learnt{"gmail", "mail1", {}};
  learnt.state.rate = shaping::AdaptiveRate::State{1.5, 2.25, 0.5, 3, true, 123456789, 987654321};
  ChannelRecord warming{"mx.example.org:25", "mail2", {}};
  warming.state.warm_up = {4, 1000, 2000, 30, 2, 1, 5, true, true};
  const auto back = decode_channels(encode_channels({learnt, warming}));
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2u);
  EXPECT_EQ((*back)[0].provider, "gmail");
  EXPECT_EQ((*back)[0].source, "mail1");
  ASSERT_TRUE((*back)[0].state.rate);
  EXPECT_EQ((*back)[0].state.rate->rate, 1.5);
  EXPECT_EQ((*back)[0].state.rate->held, 2.25);
  EXPECT_EQ((*back)[0].state.rate->strikes, 3u);
  EXPECT_TRUE((*back)[0].state.rate->is_wary);
  EXPECT_EQ((*back)[0].state.rate->paused_until_us, 123456789);
  EXPECT_FALSE((*back)[1].state.rate);
  const shaping::WarmUp::State& warm = (*back)[1].state.warm_up;
  EXPECT_EQ(warm.stage, 4u);
  EXPECT_EQ(warm.sent, 30u);
  EXPECT_EQ(warm.throttled, 5u);
  EXPECT_TRUE(warm.is_stopped);
  EXPECT_TRUE(warm.is_paused);
}

TEST(ChannelRecords, DamageIsSeenAndNeverMoreThanThat) {
  EXPECT_TRUE(decode_channels("")->empty());
  for (const char* text : {"{", "[]", "{}", R"({"version":2,"channels":[]})",
                           R"({"version":1,"channels":[1]})", R"({"version":1})"})
    EXPECT_FALSE(decode_channels(text)) << text;
  const auto odd = decode_channels(
      R"({"version":1,"channels":[{"provider":1,"rate":{"rate":"x","strikes":-5}}]})");
  ASSERT_TRUE(odd);
  EXPECT_EQ((*odd)[0].state.rate->strikes, 0u);
}

TEST(ChannelRecords, TooManyLoseSitesBeforeProvidersAndWarmUps) {
  std::vector<ChannelRecord> records(kChannelRecordsMax + 1);
  for (ChannelRecord& record : records) record.provider = "mx.example:25";
  records.back().provider = "gmail";
  const auto back = decode_channels(encode_channels(std::move(records)));
  ASSERT_EQ(back->size(), kChannelRecordsMax);
  EXPECT_EQ(back->front().provider, "gmail");
}

}  // namespace
}  // namespace ekiden::delivery
