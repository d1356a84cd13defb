// Records that no journal of ours wrote, with right checksums all the same.
#include "ekiden/spool/format.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/checksum.hpp"
#include "ekiden/spool/batch.hpp"
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

}  // namespace
}  // namespace ekiden::spool
