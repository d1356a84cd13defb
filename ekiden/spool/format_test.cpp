// Records that no journal of ours wrote, with right checksums all the same.
#include "ekiden/spool/format.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/checksum.hpp"
#include "ekiden/spool/batch.hpp"
#include "ekiden/spool/large_file.hpp"
#include "ekiden/spool/quarantine.hpp"
#include "ekiden/spool/segments.hpp"
#include "ekiden/spool/testing/rig.hpp"
#include "ekiden/spool/verify.hpp"

namespace ekiden::spool {
namespace {

using testing::make_progress;
using testing::SimulatedDisk;

std::string progress_octets(const Progress& change) {
  std::string out;
  append_progress(out, 1, {change});
  return out;
}

TEST(Format, ProgressThatCannotBeIsRefused) {
  EXPECT_TRUE(
      decode_progress(progress_octets(make_progress(kRecipientsMax - 1, State::Queued, 1))));
  EXPECT_FALSE(decode_progress(progress_octets(make_progress(kRecipientsMax, State::Queued, 1))));
  EXPECT_TRUE(decode_progress(progress_octets(make_progress(0, State::Expanded, 1))));
  EXPECT_FALSE(decode_progress(progress_octets(make_progress(0, static_cast<State>(7), 1))));
}

TEST(Format, AListCostsTheOctetsThatItsCountSays) {
  std::string out;
  append_progress(out, 1, {make_progress(0, State::Queued, 1)});
  out[8] = 2;
  EXPECT_FALSE(decode_progress(out));
  std::string done;
  append_done(done, {DoneReason::Finished, {{1, 2}}});
  done[1] = 2;
  EXPECT_FALSE(decode_done(done));
}

TEST(Format, ASegmentLargerThanAPlaceCanSayIsDamaged) {
  SegmentHeader header{{0, 9}, 1, kSegmentOctets, true};
  SegmentHeader read;
  EXPECT_EQ(decode_segment_page(encode_segment_page(header), read), HeaderState::Valid);
  header.octets = kSegmentOctets + kPage;
  EXPECT_EQ(decode_segment_page(encode_segment_page(header), read), HeaderState::Damaged);
  header.octets = kPage + 1;
  EXPECT_EQ(decode_segment_page(encode_segment_page(header), read), HeaderState::Damaged);
  header.octets = kPage;
  header.life.slot = kSlotsMax;
  EXPECT_EQ(decode_segment_page(encode_segment_page(header), read), HeaderState::Damaged);
}

TEST(Format, VerifyNamesProgressOfARecipientThatThereIsNot) {
  Batch batch;
  const NewMessage message = testing::make_message(1, 10);
  append_message(batch.small(), message);
  batch.add(RecordType::Message, 0, message.id, 1, message.body.octets.view(),
            base::crc32c(message.body.octets.view()));
  batch.small() += progress_octets(make_progress(5, State::Delivered, 1));
  batch.add(RecordType::Progress, 0, message.id, 2);
  batch.finish(9, kPage, 1, 0);

  SimulatedDisk disk(1);
  const std::string page = encode_segment_page({{0, 9}, 1, 64 << 10, true});
  const auto file = disk.open(segment_path(0), Open::Create);
  ASSERT_TRUE(file && (*file)->write_at(0, std::vector<std::string_view>{page}));
  ASSERT_TRUE((*file)->write_at(kPage, batch.pieces()));
  const auto seen = verify_spool(disk);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->messages, 1u);
  EXPECT_EQ(seen->recipients, 1u);
  ASSERT_EQ(seen->findings.size(), 1u);
  EXPECT_EQ(seen->findings[0].substr(0, 23), "progress of recipient 5");
}

TEST(Format, AMessageNamesNoFileButALargeBody) {
  EXPECT_TRUE(is_large_path("large/0000000000000005-7-deadbeef.body"));
  for (const std::string_view path :
       {"", "large/", "large/.", "large/../journal/00000000.seg", "journal/00000000.seg",
        "large/a/b", "/large/a", "xlarge/a"}) {
    EXPECT_FALSE(is_large_path(path)) << path;
  }
  SimulatedDisk disk(1);
  for (const char* path : {"journal/00000000.seg", "large/1.body"})
    ASSERT_TRUE(disk.open(path, Open::Create));
  Quarantined item;
  item.name = "item";
  item.file = "journal/00000000.seg";
  ASSERT_TRUE(keep_quarantined(disk, item));
  EXPECT_TRUE(delete_quarantined(disk, "item"));
  EXPECT_TRUE(disk.open("journal/00000000.seg", Open::Existing));
  item.file = "large/1.body";
  ASSERT_TRUE(keep_quarantined(disk, item));
  EXPECT_TRUE(delete_quarantined(disk, "item"));
  EXPECT_FALSE(disk.open("large/1.body", Open::Existing));
}

TEST(Format, ALargeBodyIsWholeOnlyUnderItsWholeName) {
  SimulatedDisk disk(1);
  const std::string_view octets[] = {"content"};
  char name[64];
  std::snprintf(name, sizeof name, "large/%016x-7-%08x.body", 5u, base::crc32c(octets[0]));
  for (const std::string& path : {std::string(name), std::string(name) + "x"}) {
    const auto file = disk.open(path, Open::Create);
    ASSERT_TRUE(file && (*file)->write_at(0, octets));
  }
  EXPECT_TRUE(check_large(disk, name));
  EXPECT_FALSE(check_large(disk, std::string(name) + "x"));
}

}  // namespace
}  // namespace ekiden::spool
