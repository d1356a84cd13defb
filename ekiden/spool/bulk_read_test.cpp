// Many metas and much progress at once: from sidecars, from the segment in use, and while messages
// move and go.
#include <gtest/gtest.h>

#include <map>

#include "ekiden/spool/format.hpp"
#include "ekiden/spool/quarantine.hpp"
#include "ekiden/spool/segments.hpp"
#include "ekiden/spool/sidecar_cache.hpp"
#include "ekiden/spool/testing/rig.hpp"

namespace ekiden::spool {
namespace {

using testing::id_of;
using testing::make_message;
using testing::make_progress;
using testing::Rig;
using testing::SimulatedDisk;
using testing::small_options;
using testing::storing;
using testing::updating;

class BulkReadTest : public ::testing::Test {
 protected:
  void SetUp() override { restart(); }
  void restart() {
    rig.reset();
    rig = std::make_unique<Rig>(disk, ++starts, small_options());
    ASSERT_TRUE(rig->start());
    rig->run();
  }
  void store(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t i = from; i <= to; ++i)
      ASSERT_TRUE(rig->submit(storing(make_message(i, 300))));
  }
  void update(std::uint64_t number, Progress progress) {
    ASSERT_TRUE(rig->submit(updating(id_of(number), {std::move(progress)})));
  }
  std::vector<base::MessageId> ids(std::uint64_t from, std::uint64_t to) {
    std::vector<base::MessageId> all;
    for (std::uint64_t i = from; i <= to; ++i) all.push_back(id_of(i));
    return all;
  }
  /// What is seen, by number; each at most once.
  std::map<std::uint64_t, std::string> metas(std::vector<base::MessageId> wanted) {
    std::map<std::uint64_t, std::string> seen;
    std::optional<Result<void>> end;
    rig->port().visit_metas(
        wanted,
        [&](std::size_t at, std::string_view meta) {
          EXPECT_TRUE(seen.emplace(wanted[at].low, meta).second);
        },
        [&](Result<void> r) { end = r; });
    rig->run();
    EXPECT_TRUE(end && *end);
    return seen;
  }

  SimulatedDisk disk{3};
  std::uint64_t starts = 0;
  std::unique_ptr<Rig> rig;
};

TEST_F(BulkReadTest, SeesEveryMetaInSealedSegmentsAndInTheOneInUse) {
  store(1, 400);
  ASSERT_GT(rig->journal().status().segments, 3u);
  const auto seen = metas(ids(1, 400));
  EXPECT_EQ(seen.size(), 400u);
  for (const auto& [number, meta] : seen) EXPECT_EQ(meta, "meta of " + std::to_string(number));
}

TEST_F(BulkReadTest, PassesOverWhatHasGoneAndWasNeverThere) {
  store(1, 100);
  update(7, make_progress(0, State::Delivered, 1));
  const auto seen = metas(ids(1, 120));
  EXPECT_EQ(seen.size(), 99u);
  EXPECT_FALSE(seen.contains(7));
  EXPECT_TRUE(metas({}).empty());
}

TEST_F(BulkReadTest, DoesWithoutSidecars) {
  store(1, 400);
  for (const std::string& name : *disk.list("sidecar")) (void)disk.remove("sidecar/" + name);
  EXPECT_EQ(metas(ids(1, 400)).size(), 400u);
}

// An operation comes back to a segment for each stretch of the queue.
TEST_F(BulkReadTest, ASidecarIsReadOnceForAllWhoComeSoon) {
  Transaction many;
  for (std::uint64_t i = 1; i <= 100; ++i) many.messages.push_back(make_message(i, 300));
  ASSERT_TRUE(rig->submit(std::move(many)));
  store(101, 120);  // seals its segment
  EXPECT_EQ(metas(ids(1, 100)).size(), 100u);
  for (const std::string& name : *disk.list("sidecar")) (void)disk.remove("sidecar/" + name);
  for (std::uint32_t slot = 0; slot < 8; ++slot) {
    const std::size_t at = disk.contents(segment_path(slot)).find("meta of 12");
    if (at != std::string::npos) disk.flip_bit(segment_path(slot), at);
  }
  EXPECT_EQ(metas(ids(1, 100)).size(), 100u);
  rig->run_for(std::chrono::seconds(3));
  EXPECT_EQ(metas(ids(1, 100)).size(), 99u) << "it was let go, and the records are read";
}

TEST(SidecarCache, KeepsWhatWasAskedForLastUpToItsOctets) {
  SidecarCache cache;
  const auto metas = [](std::uint32_t slot, std::size_t octets) {
    Catalog catalog;
    catalog.life.slot = slot;
    RecordHeader header;
    header.type = RecordType::Message;
    NewMessage message = make_message(slot, 1);
    message.meta = std::string(octets, 'm');
    std::string small;
    append_message(small, message);
    header.id = message.id;
    catalog.add(header, 7, small);
    return std::make_shared<const SegmentMetas>(std::move(catalog));
  };
  const auto has = [&](std::uint32_t slot) { return cache.find({.slot = slot}) != nullptr; };
  constexpr std::size_t kThird = SidecarCache::kOctetsMax / 3 - 1000;
  for (std::uint32_t slot = 1; slot <= 3; ++slot) cache.keep(metas(slot, kThird));
  EXPECT_EQ(cache.find({.slot = 2})->find(7, id_of(2))->size(), kThird);
  EXPECT_FALSE(cache.find({.slot = 2})->find(7, id_of(3)));
  EXPECT_FALSE(cache.find({.slot = 2})->find(8, id_of(2)));
  EXPECT_TRUE(has(1));
  cache.keep(metas(4, kThird));
  EXPECT_FALSE(has(3)) << "longest unasked for";
  EXPECT_TRUE(has(1) && has(2) && has(4));
  cache.keep(metas(5, SidecarCache::kOctetsMax / 2 + 1));
  EXPECT_FALSE(has(5));
  cache.age();
  EXPECT_TRUE(has(4));
  cache.age();
  EXPECT_TRUE(has(4));
  EXPECT_FALSE(has(1));
  cache.age();
  cache.age();
  EXPECT_TRUE(cache.is_empty());
}

TEST_F(BulkReadTest, ADamagedMetaIsSetAsideAndTheRestIsSeen) {
  store(1, 20);
  for (std::uint32_t slot = 0; slot < 8; ++slot) {
    const std::size_t at = disk.contents(segment_path(slot)).find("meta of 12");
    if (at != std::string::npos) disk.flip_bit(segment_path(slot), at);
  }
  const auto seen = metas(ids(1, 20));
  EXPECT_EQ(seen.size(), 19u);
  EXPECT_FALSE(seen.contains(12));
  rig->run();
  EXPECT_EQ(rig->journal().quarantine().list()->size(), 1u);
}

TEST_F(BulkReadTest, SeesTheProgressOfThoseThatHaveAny) {
  store(1, 300);
  for (std::uint64_t i = 3; i <= 300; i += 3)
    update(i, make_progress(0, State::Queued, 2, "450 x"));
  std::map<std::uint64_t, std::string> seen;
  std::optional<Result<void>> end;
  const std::vector<base::MessageId> wanted = ids(1, 300);
  rig->port().visit_progress(
      wanted,
      [&](std::size_t at, std::vector<Progress> progress) {
        seen[wanted[at].low] = progress.front().reply;
      },
      [&](Result<void> r) { end = r; });
  rig->run();
  ASSERT_TRUE(end && *end);
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(seen.at(150), "450 x");
}

}  // namespace
}  // namespace ekiden::spool
