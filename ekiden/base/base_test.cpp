// Small proofs of the smallest parts.
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "ekiden/base/bytes.hpp"
#include "ekiden/base/checksum.hpp"
#include "ekiden/base/function.hpp"
#include "ekiden/base/ids.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::base {
namespace {

TEST(Function, MovesWhatItHoldsAndDestroysItOnce) {
  auto alive = std::make_shared<int>(7);
  {
    Function<int()> small = [alive] { return *alive; };
    Function<int()> moved = std::move(small);
    EXPECT_FALSE(small);
    EXPECT_EQ(moved(), 7);
    struct Big {
      std::shared_ptr<int> p;
      char filler[100];
      int operator()() { return *p + 1; }
    };
    moved = Big{alive, {}};
    EXPECT_EQ(moved(), 8);
  }
  EXPECT_EQ(alive.use_count(), 1);
}

TEST(Checksum, Crc32cMatchesRfc3720) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43U);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xe3069283U);
}

TEST(MessageId, TextSortsAsTheIdAndParsesBack) {
  SeededRandom random(1);
  MessageIdSource source(3, 1, random);
  std::set<MessageId> seen;
  std::string previous;
  for (int i = 0; i < 1000; ++i) {
    const MessageId id = source.next(from_unix_us(1'700'000'000'000'000 + i * 1000));
    const std::string text = format_message_id(id);
    EXPECT_EQ(parse_message_id(text), id);
    EXPECT_LT(previous, text);
    previous = text;
    EXPECT_TRUE(seen.insert(id).second);
  }
  EXPECT_FALSE(parse_message_id(std::string(26, 'z')));
  EXPECT_FALSE(parse_message_id("short"));
}

TEST(Bytes, ReaderStopsAtTheEnd) {
  std::string out;
  ByteWriter w(out);
  w.u16(7);
  w.varint(300);
  w.text("abc");
  ByteReader r(out);
  EXPECT_EQ(r.u16(), 7);
  EXPECT_EQ(r.varint(), 300u);
  EXPECT_EQ(r.text(), "abc");
  EXPECT_TRUE(r.ok() && r.at_end());
  EXPECT_EQ(r.u32(), 0u);
  EXPECT_FALSE(r.ok());
}

TEST(Time, FormatsAsTheStandardsWriteIt) {
  const Time time = from_unix_us(1'795'327'811'123'456);
  EXPECT_EQ(format_rfc3339(time), "2026-11-22T06:10:11.123456Z");
  EXPECT_EQ(format_rfc5322(time), "Sun, 22 Nov 2026 06:10:11 +0000");
  EXPECT_EQ(format_duration(std::chrono::minutes(125)), "2h5m");
  EXPECT_EQ(format_duration(Duration(0)), "0us");
}

TEST(Time, IsShownWithinFourDigitsOfYearsWhateverTheDiskSays) {
  for (const std::int64_t us : {INT64_MIN, INT64_MIN + 1, std::int64_t{-62'167'219'200'000'001}}) {
    EXPECT_EQ(format_rfc3339(from_unix_us(us)), "0000-01-01T00:00:00.000000Z");
    EXPECT_EQ(format_rfc5322(from_unix_us(us)), "Sat, 1 Jan 0000 00:00:00 +0000");
  }
  for (const std::int64_t us : {INT64_MAX, std::int64_t{253'402'300'800'000'000}}) {
    EXPECT_EQ(format_rfc3339(from_unix_us(us)), "9999-12-31T23:59:59.999999Z");
    EXPECT_EQ(format_day(from_unix_us(us)), "9999-12-31");
  }
}

}  // namespace
}  // namespace ekiden::base
