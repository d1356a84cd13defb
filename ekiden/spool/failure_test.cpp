// Full disks, failing disks, damaged files: what the spool says, keeps and heals.
#include <gtest/gtest.h>

#include "ekiden/spool/catalog.hpp"
#include "ekiden/spool/format.hpp"
#include "ekiden/spool/quarantine.hpp"
#include "ekiden/spool/segments.hpp"
#include "ekiden/spool/testing/rig.hpp"
#include "ekiden/spool/verify.hpp"

namespace ekiden::spool {
namespace {

using testing::make_message;
using testing::make_progress;
using testing::Rig;
using testing::SimulatedDisk;
using testing::small_options;
using testing::storing;

Transaction finishing(std::uint64_t number) {
  Transaction t;
  t.updates.push_back({make_message(number, 1).id, {make_progress(0, State::Delivered, 1)}});
  t.events = {"delivered " + std::to_string(number)};
  return t;
}

class FailureTest : public ::testing::Test {
 protected:
  void restart(JournalOptions options = small_options()) {
    rig.reset();
    rig = std::make_unique<Rig>(disk, ++starts, options);
    ASSERT_TRUE(rig->start());
    rig->run();
  }
  /// Stores until a message is refused; gives how many were stored.
  std::uint64_t fill() {
    std::uint64_t count = 0;
    while (count < 10'000 && rig->submit(storing(make_message(count + 1, 4000)))) ++count;
    return count;
  }
  SimulatedDisk disk{11};
  std::uint64_t starts = 0;
  std::unique_ptr<Rig> rig;
};

TEST_F(FailureTest, AFullDiskRefusesNewMailButKeepsRoomToFinishWhatItHas) {
  disk.set_capacity(1 << 20);
  restart();
  const std::uint64_t count = fill();
  ASSERT_GT(count, 50u);
  ASSERT_LT(count, 10'000u);
  const Result<void> refused = rig->submit(storing(make_message(99'999, 4000)));
  EXPECT_EQ(refused.error(), make_error_code(Errc::NoSpace));
  EXPECT_FALSE(rig->journal().status().accepts_messages);
  EXPECT_TRUE(rig->journal().status().accepts_updates);
  for (std::uint64_t i = 1; i <= count; ++i) ASSERT_TRUE(rig->submit(finishing(i))) << i;
  rig->run_for(std::chrono::seconds(5));
  EXPECT_TRUE(rig->journal().status().accepts_messages) << "dead segments are free again";
  EXPECT_TRUE(rig->submit(storing(make_message(100'000, 4000))));
  rig->drop();
  disk.power_cut();
  restart();
  EXPECT_EQ(rig->found().size(), 1u);
}

TEST_F(FailureTest, AFailedBatchIsRefusedNeverComesBackAndTheNextOneSucceeds) {
  for (int kind = 0; kind < 2; ++kind) {
    restart();
    ASSERT_TRUE(rig->submit(storing(make_message(1, 500))));
    kind == 0 ? disk.fail_write(1, Errc::Io) : disk.fail_sync(1, Errc::Io);
    EXPECT_EQ(rig->submit(storing(make_message(2, 500))).error(), make_error_code(Errc::Io));
    EXPECT_TRUE(rig->journal().status().accepts_messages) << "healed on another segment at once";
    ASSERT_TRUE(rig->submit(storing(make_message(3, 500))));
    rig->drop();
    kind == 0 ? disk.kill() : disk.power_cut();
    restart();
    EXPECT_TRUE(rig->found().contains(make_message(1, 1).id));
    EXPECT_FALSE(rig->found().contains(make_message(2, 1).id));
    EXPECT_TRUE(rig->found().contains(make_message(3, 1).id));
    rig->drop();
    for (const char* d : {"journal", "sidecar"})
      for (const std::string& name : *disk.list(d)) (void)disk.remove(std::string(d) + "/" + name);
  }
}

TEST_F(FailureTest, WhileNothingCanBeWrittenUpdatesWaitAndAreWrittenFirst) {
  restart();
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(rig->submit(storing(make_message(i, 500))));
  disk.fail_all(Errc::Io);
  bool is_done = false;
  rig->port().submit(finishing(1), [&](Result<void> r) { is_done = r.has_value(); });
  rig->run();
  EXPECT_FALSE(is_done);
  EXPECT_FALSE(rig->journal().status().accepts_updates);
  EXPECT_FALSE(rig->journal().status().accepts_messages);
  EXPECT_EQ(rig->submit(storing(make_message(9, 500))).error(), make_error_code(Errc::Io));
  rig->run_for(std::chrono::seconds(30));
  EXPECT_FALSE(is_done);
  disk.heal();
  rig->run_for(std::chrono::seconds(6));
  EXPECT_TRUE(is_done);
  EXPECT_TRUE(rig->journal().status().accepts_messages);
  EXPECT_EQ(rig->journal().status().messages, 2u);
  EXPECT_LE(rig->journal().status().segments, 8u) << "failed segments do not pile up";
  rig->drop();
  disk.power_cut();
  restart();
  EXPECT_EQ(rig->found().size(), 2u);
}

TEST_F(FailureTest, UpdatesWaitingForTheDiskAreBounded) {
  JournalOptions options = small_options();
  options.updates_waiting_max = 2000;
  restart(options);
  for (std::uint64_t i = 1; i <= 100; ++i) ASSERT_TRUE(rig->submit(storing(make_message(i, 10))));
  disk.fail_all(Errc::Io);
  int refused = 0;
  for (std::uint64_t i = 1; i <= 100; ++i)
    rig->port().submit(finishing(i), [&](Result<void> r) { refused += r ? 0 : 1; });
  rig->run();
  EXPECT_GT(refused, 80);
  EXPECT_LT(refused, 100);
}

TEST_F(FailureTest, ATornOrMissingSidecarMeansAScan) {
  restart();
  for (std::uint64_t i = 1; i <= 60; ++i) ASSERT_TRUE(rig->submit(storing(make_message(i, 4000))));
  rig->run();
  const std::vector<std::string> sidecars = *disk.list("sidecar");
  ASSERT_GE(sidecars.size(), 3u);
  const std::string first = "sidecar/" + sidecars[0];
  disk.flip_bit(first, disk.contents(first).size() / 2);
  disk.flip_bit("sidecar/" + sidecars[1], 3);
  ASSERT_TRUE(disk.remove("sidecar/" + sidecars[2]));
  rig->drop();
  restart();
  EXPECT_EQ(rig->found().size(), 60u);
  EXPECT_GE(disk.list("sidecar")->size(), 3u) << "written again";
}

TEST_F(FailureTest, AMessageWithADamagedBatchHeaderIsKeptAsideAndTheRestLives) {
  restart();
  for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(rig->submit(storing(make_message(i, 1000))));
  std::uint32_t slot = 0;
  while (disk.contents(segment_path(slot)).find("body of 2") == std::string::npos) ++slot;
  const std::size_t at = disk.contents(segment_path(slot)).find("body of 2") / kPage * kPage;
  disk.flip_bit(segment_path(slot), at + 9);
  rig->drop();
  restart();
  EXPECT_EQ(rig->found().size(), 4u);
  EXPECT_EQ(rig->journal().status().quarantined, 1u);
  const auto names = rig->journal().quarantine().list();
  const auto octets = rig->journal().quarantine().octets(names->front(), 0, 1 << 20);
  EXPECT_NE(octets->find("body of 2"), std::string::npos);
}

TEST_F(FailureTest, ASegmentWhoseHeadersAreBothDamagedIsMovedAsideWhole) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 1000))));
  std::uint32_t slot = 0;
  while (disk.contents(segment_path(slot)).find("body of 1") == std::string::npos) ++slot;
  disk.flip_bit(segment_path(slot), 10);
  rig->drop();
  restart();
  EXPECT_EQ(rig->found().size(), 1u) << "one copy of the header is enough";
  disk.flip_bit(segment_path(slot), 10 + kSecondHeaderOffset);
  rig->drop();
  restart();
  EXPECT_EQ(rig->found().size(), 0u);
  EXPECT_EQ(rig->journal().status().quarantined, 1u);
  ASSERT_TRUE(rig->submit(storing(make_message(2, 1000))));
}

TEST_F(FailureTest, EventsPastTheBacklogSpillToFilesAndAreReadFirstInOrder) {
  JournalOptions options = small_options();
  options.events_backlog_max = 100'000;
  options.events_memory_max = 10'000;
  restart(options);
  for (int i = 0; i < 600; ++i) {
    Transaction t;
    t.events = {std::to_string(1000 + i) + std::string(500, 'e')};
    ASSERT_TRUE(rig->submit(std::move(t)));
  }
  rig->run_for(std::chrono::seconds(3));
  EXPECT_FALSE(disk.list("events")->empty());
  EXPECT_LE(rig->journal().status().segments, 14u) << "spilled events pin no segment";
  for (int round = 0; round < 2; ++round) {
    int expected = round == 0 ? 1000 : 1100;
    for (;;) {
      const Result<EventBatch> batch = rig->journal().next_events(50);
      ASSERT_TRUE(batch);
      if (batch->events.empty()) break;
      for (const std::string& event : batch->events)
        ASSERT_EQ(event.substr(0, 4), std::to_string(expected++));
      rig->journal().events_stored(batch->cursor);
      if (round == 0 && expected == 1100) break;
    }
    EXPECT_EQ(expected, round == 0 ? 1100 : 1600);
    if (round == 1) break;
    ASSERT_TRUE(rig->submit(storing(make_message(1, 1))));
    rig->drop();
    disk.power_cut();
    restart(options);
  }
  rig->run();
  EXPECT_TRUE(disk.list("events")->empty());
}

TEST_F(FailureTest, AnEarlierLifeOfASegmentIsNeverReadAgain) {
  restart();
  // Fill, finish, and let the same segments be used again for one short batch each.
  for (std::uint64_t i = 1; i <= 100; ++i) ASSERT_TRUE(rig->submit(storing(make_message(i, 4000))));
  for (std::uint64_t i = 1; i <= 100; ++i) ASSERT_TRUE(rig->submit(finishing(i)));
  while (!rig->journal().next_events(100)->events.empty())
    rig->journal().events_stored(rig->journal().next_events(100)->cursor);
  rig->run_for(std::chrono::seconds(3));
  ASSERT_TRUE(rig->submit(storing(make_message(500, 100))));
  bool has_old = false;
  for (std::uint32_t slot = 0; slot < 32; ++slot)
    has_old = has_old || disk.contents(segment_path(slot)).find("body of 1") != std::string::npos;
  EXPECT_TRUE(has_old) << "the octets are still there";
  rig->drop();
  disk.power_cut();
  for (const std::string& name : *disk.list("sidecar")) (void)disk.remove("sidecar/" + name);
  restart();
  EXPECT_EQ(rig->found().size(), 1u);
}

TEST_F(FailureTest, VerifyCountsWhatLivesAndNamesWhatIsDamaged) {
  restart();
  for (std::uint64_t i = 1; i <= 40; ++i)
    ASSERT_TRUE(rig->submit(storing(make_message(i, 4000, 1 + i % 3))));
  ASSERT_TRUE(rig->submit(finishing(3)));
  const Status status = rig->journal().status();
  rig->stop();
  Result<Verification> seen = verify_spool(disk);
  ASSERT_TRUE(seen);
  EXPECT_EQ(seen->messages, status.messages);
  EXPECT_EQ(seen->recipients, status.recipients);
  EXPECT_TRUE(seen->findings.empty()) << seen->findings.front();
  EXPECT_GE(seen->sidecars, 2u);
  EXPECT_EQ(seen->scanned, 0u) << "a close in order seals the last segment too";
  std::uint32_t slot = 0;
  while (disk.contents(segment_path(slot)).find("body of 7\r\n") == std::string::npos) ++slot;
  disk.flip_bit(segment_path(slot), disk.contents(segment_path(slot)).find("body of 7\r\n") + 99);
  seen = verify_spool(disk);
  ASSERT_EQ(seen->findings.size(), 1u);
  EXPECT_NE(seen->findings[0].find(base::format_message_id(make_message(7, 1).id)),
            std::string::npos);
}

}  // namespace
}  // namespace ekiden::spool
