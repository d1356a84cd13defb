// What could not be read is kept until an operator decides, and each decision survives a crash.
#include "ekiden/spool/quarantine.hpp"

#include <gtest/gtest.h>

#include "ekiden/spool/format.hpp"
#include "ekiden/spool/segments.hpp"
#include "ekiden/spool/testing/rig.hpp"
#include "ekiden/spool/verify.hpp"

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

class QuarantineTest : public ::testing::Test {
 protected:
  void restart() {
    rig.reset();
    rig = std::make_unique<Rig>(disk, ++starts, small_options());
    ASSERT_TRUE(rig->start());
    rig->run();
  }
  void store(NewMessage message) { ASSERT_TRUE(rig->submit(storing(std::move(message)))); }
  /// Flips a bit behind the first place where `text` stands in the journal.
  void damage(const std::string& text) {
    for (std::uint32_t slot = 0; slot < 8; ++slot) {
      const std::size_t at = disk.contents(segment_path(slot)).find(text);
      if (at != std::string::npos) {
        ASSERT_TRUE(disk.flip_bit(segment_path(slot), at + text.size() - 1));
        return;
      }
    }
    FAIL() << text << " is nowhere";
  }
  /// A message of three recipients, the second of them delivered, whose body is damaged.
  std::string set_aside(std::uint64_t number) {
    store(make_message(number, 1000, 3));
    EXPECT_TRUE(rig->submit(updating(id_of(number), {make_progress(1, State::Delivered, 1)})));
    damage("body of " + std::to_string(number));
    EXPECT_EQ(rig->load(id_of(number)).error(), make_error_code(Errc::Corrupt));
    rig->run();
    const auto names = rig->journal().quarantine().list();
    EXPECT_EQ(names->size(), 1u);
    return names->front();
  }
  Release release_as(std::uint64_t number) { return {id_of(number), 2, "new meta", {"released"}}; }
  Result<Body> release(const std::string& name, Release as) {
    auto answer = std::make_shared<std::optional<Result<Body>>>();
    rig->journal().quarantine().release(name, std::move(as),
                                        [answer](Result<Body> r) { *answer = std::move(r); });
    rig->run_for(std::chrono::seconds(1));
    return *answer ? std::move(**answer) : Result<Body>(Errc::Closed);
  }
  Result<void> remove(const std::string& name) {
    auto answer = std::make_shared<std::optional<Result<void>>>();
    rig->journal().quarantine().remove(name, {"cancelled"},
                                       [answer](Result<void> r) { *answer = r; });
    rig->run_for(std::chrono::seconds(1));
    return *answer ? **answer : Result<void>(Errc::Closed);
  }
  std::vector<std::string> events() { return rig->journal().next_events(100)->events; }

  SimulatedDisk disk{11};
  std::uint64_t starts = 0;
  std::unique_ptr<Rig> rig;
};

TEST_F(QuarantineTest, KnowsTheEnvelopeAndWhoHadTheirEndBefore) {
  restart();
  const std::string name = set_aside(5);
  const auto item = rig->journal().quarantine().peek(name);
  ASSERT_TRUE(item);
  EXPECT_EQ(item->id, id_of(5));
  EXPECT_EQ(item->meta, "meta of 5");
  EXPECT_EQ(item->recipients, 3u);
  EXPECT_EQ(item->settled, std::vector<std::uint32_t>{1});
  EXPECT_EQ(item->open(), 2u);
  EXPECT_EQ(item->size, 1000u);
  EXPECT_EQ(rig->journal().quarantine().octets(name, 998, 100)->size(), 2u);
  EXPECT_EQ(rig->journal().quarantine().octets(name, 5000, 100)->size(), 0u);
}

TEST_F(QuarantineTest, AReleasedMessageIsQueuedWithItsEventsAndGoneFromHere) {
  restart();
  const std::string name = set_aside(5);
  const Result<Body> body = release(name, release_as(99));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->size, 1000u);
  EXPECT_EQ(rig->journal().status().quarantined, 0u);
  EXPECT_EQ(events(), std::vector<std::string>{"released"});
  rig->drop();
  disk.power_cut();
  restart();
  ASSERT_EQ(rig->found().size(), 1u);
  EXPECT_EQ(rig->found().at(id_of(99)).meta, "new meta");
  EXPECT_EQ(rig->found().at(id_of(99)).recipients, 2u);
  EXPECT_TRUE(rig->journal().quarantine().list()->empty());
  EXPECT_EQ(release(name, release_as(100)).error(), make_error_code(Errc::NotFound));
}

/// Crashes after so many pieces of work.
class QuarantineCrash : public QuarantineTest, public ::testing::WithParamInterface<int> {};

TEST_P(QuarantineCrash, AMessageBeingReleasedIsHereOrQueuedAndNeverBoth) {
  restart();
  const std::string name = set_aside(5);
  rig->journal().quarantine().release(name, release_as(99), [](Result<Body>) {});
  for (int i = 0; i < GetParam(); ++i)
    if (!rig->pool.run_one() && !rig->committer.run_one()) break;
  rig->drop();
  disk.power_cut();
  restart();
  const std::size_t queued = rig->found().count(id_of(99));
  const std::size_t kept = rig->journal().quarantine().list()->size();
  EXPECT_EQ(queued + kept, 1u);
  EXPECT_EQ(disk.list("quarantine")->size(), kept);
  EXPECT_EQ(rig->journal().status().quarantined, kept);
}

INSTANTIATE_TEST_SUITE_P(EachStep, QuarantineCrash, ::testing::Range(0, 12));

TEST_F(QuarantineTest, WhatCannotBeReadHereMayNameFilesSoNoneIsAnOrphan) {
  restart();
  const std::string name = set_aside(5);
  rig->drop();
  ASSERT_TRUE(disk.open("large/0000000000000001-1-00000000.body", Open::Create));
  ASSERT_TRUE(disk.flip_bit("quarantine/" + name, 20));
  restart();
  EXPECT_EQ(disk.list("large")->size(), 1u);
  rig->drop();
  ASSERT_TRUE(disk.flip_bit("quarantine/" + name, 20));
  restart();
  EXPECT_TRUE(disk.list("large")->empty());
}

TEST_F(QuarantineTest, WhatIsDeletedIsGoneAndItsEventsAreTold) {
  restart();
  const std::string name = set_aside(5);
  ASSERT_TRUE(remove(name));
  EXPECT_EQ(rig->journal().status().quarantined, 0u);
  EXPECT_EQ(events(), std::vector<std::string>{"cancelled"});
  EXPECT_EQ(remove(name).error(), make_error_code(Errc::NotFound));
  EXPECT_EQ(remove("../lock").error(), make_error_code(Errc::NotFound));
}

TEST_F(QuarantineTest, AFullDiskKeepsItHere) {
  restart();
  const std::string name = set_aside(5);
  disk.fail_write(1, Errc::NoSpace);
  EXPECT_FALSE(release(name, release_as(99)));
  EXPECT_EQ(*rig->journal().quarantine().list(), std::vector<std::string>{name});
}

TEST_F(QuarantineTest, AMessageWithADamagedEnvelopeKeepsItsOctetsAndCannotBeReleased) {
  restart();
  store(make_message(5, 1000));
  store(make_message(6, 1000));  // what stands in the last batch may be torn
  damage("meta of 5");
  rig->drop();
  restart();
  EXPECT_EQ(rig->found().size(), 1u);
  const auto names = rig->journal().quarantine().list();
  ASSERT_EQ(names->size(), 1u);
  const auto item = rig->journal().quarantine().peek(names->front());
  EXPECT_EQ(item->id, id_of(5));
  EXPECT_FALSE(item->is_message());
  const auto octets = rig->journal().quarantine().octets(names->front(), 0, 1 << 20);
  EXPECT_NE(octets->find("body of 5"), std::string::npos);
  EXPECT_EQ(release(names->front(), release_as(99)).error(), make_error_code(Errc::Corrupt));
  EXPECT_EQ(rig->journal().quarantine().list()->size(), 1u);
}

TEST_F(QuarantineTest, ADamagedEnvelopeFoundLaterIsNotBelievedEither) {
  restart();
  store(make_message(5, 1000));
  damage("meta of 5");
  EXPECT_FALSE(rig->load(id_of(5)));
  rig->run();
  const auto names = rig->journal().quarantine().list();
  ASSERT_EQ(names->size(), 1u);
  const auto item = rig->journal().quarantine().peek(names->front());
  EXPECT_FALSE(item->is_message());
  EXPECT_EQ(item->open(), 1u);
}

TEST_F(QuarantineTest, VerifyFindsNothingWrongWithWhatIsSetAside) {
  restart();
  set_aside(5);
  rig->stop();
  const auto seen = verify_spool(disk);
  EXPECT_TRUE(seen->findings.empty()) << seen->findings.front();
  EXPECT_EQ(seen->quarantined, 1u);
}

TEST_F(QuarantineTest, VerifyTellsHowFarItIs) {
  restart();
  for (std::uint64_t i = 1; i <= 200; ++i) store(make_message(i, 1000));
  rig->stop();
  std::uint64_t last = 0, all = 0;
  int told = 0;
  ASSERT_TRUE(verify_spool(disk, [&](std::uint64_t read, std::uint64_t of) {
    EXPECT_GE(read, last);
    EXPECT_LE(read, of);
    last = read;
    all = of;
    ++told;
  }));
  EXPECT_GT(told, 3);
  EXPECT_EQ(last, all);
}

}  // namespace
}  // namespace ekiden::spool
