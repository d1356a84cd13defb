// Thousands of crashes from seeds: what was acknowledged is there, what was refused is not, what
// was done does not come back, and no transaction is torn.
#include <gtest/gtest.h>

#include "ekiden/spool/testing/model.hpp"
#include "ekiden/spool/testing/rig.hpp"
#include "ekiden/spool/verify.hpp"

namespace ekiden::spool {
namespace {

using testing::Model;
using testing::Rig;
using testing::SimulatedDisk;
using testing::small_options;

class CrashTest : public ::testing::TestWithParam<std::uint64_t> {};

void report(const Model& model, std::uint64_t seed, int life) {
  for (const std::string& fault : model.faults())
    ADD_FAILURE() << "seed " << seed << " life " << life << ": " << fault;
}

/// What a crash tore was never acknowledged: it is nothing that an operator has to look at.
void expect_verified(SimulatedDisk& disk, const Rig& rig, std::uint64_t seed, int life) {
  const Result<Verification> seen = verify_spool(disk);
  ASSERT_TRUE(seen);
  for (const std::string& finding : seen->findings)
    ADD_FAILURE() << "seed " << seed << " life " << life << ": " << finding;
  EXPECT_EQ(seen->messages, rig.found().size()) << "seed " << seed << " life " << life;
}

TEST(Crash, PowerCutsAtAnyChangeLoseNothingAndBringNothingBack) {
  std::size_t cuts = 0, stored = 0, finished = 0;
  for (std::uint64_t seed = 1; seed <= 150 && !::testing::Test::HasFailure(); ++seed) {
    SimulatedDisk disk(seed);
    base::SeededRandom random(seed * 977);
    Model model(seed);
    for (int life = 0; life < 20 && !::testing::Test::HasFailure(); ++life) {
      Rig rig(disk, seed * 1000 + static_cast<std::uint64_t>(life), small_options());
      // Some cuts fall into the start itself.
      if (random.below(8) == 0) disk.cut_after(1 + random.below(12));
      const Result<void> started = rig.start();
      if (!started || disk.is_cut()) {
        ASSERT_TRUE(disk.is_cut());
        rig.drop();
        disk.power_cut();
        ++cuts;
        continue;
      }
      disk.cut_after(0);
      model.check(rig);
      report(model, seed, life);
      expect_verified(disk, rig, seed, life);
      disk.cut_after(1 + random.below(random.below(2) == 0 ? 40 : 400));
      for (int turn = 0; turn < 600 && !disk.is_cut(); ++turn) {
        model.act(rig, disk, 6000);
        rig.run_mixed(random, 1 + random.below(8));
        if (random.below(5) == 0) rig.clock.advance(std::chrono::milliseconds(random.below(15)));
        if (random.below(60) == 0) rig.run_for(std::chrono::seconds(2));
        if (random.below(20) == 0 && !disk.is_cut()) {
          const Result<EventBatch> batch = rig.journal().next_events(5);
          // Peeked at, not stored: the model still expects all of them.
          EXPECT_TRUE(batch || disk.is_cut());
        }
      }
      rig.drop();
      if (random.below(4) == 0 && !disk.is_cut()) {
        disk.kill();
      } else {
        disk.power_cut();
      }
      ++cuts;
    }
    stored += model.stored();
    finished += model.finished();
  }
  EXPECT_GE(cuts, 3000u);
  EXPECT_GT(stored, 30000u);
  EXPECT_GT(finished, 10000u);
  std::printf("%zu cuts, %zu stored, %zu finished\n", cuts, stored, finished);
}

TEST(Crash, FailedWritesAndSyncsAreHealedAndRefusalsStayRefused) {
  std::size_t refused = 0, faults = 0;
  for (std::uint64_t seed = 1; seed <= 150 && !::testing::Test::HasFailure(); ++seed) {
    SimulatedDisk disk(seed);
    base::SeededRandom random(seed * 31337);
    Model model(seed);
    for (int life = 0; life < 8 && !::testing::Test::HasFailure(); ++life) {
      Rig rig(disk, seed * 1000 + static_cast<std::uint64_t>(life), small_options());
      ASSERT_TRUE(rig.start());
      model.check(rig);
      report(model, seed, life);
      expect_verified(disk, rig, seed, life);
      for (int turn = 0; turn < 150; ++turn) {
        model.act(rig, disk, 6000);
        rig.run_mixed(random, 1 + random.below(8));
        const Errc error = random.below(2) == 0 ? Errc::Io : Errc::NoSpace;
        const std::uint64_t lot = random.below(40);
        if (lot == 0) disk.fail_write(1 + random.below(6), error);
        if (lot == 1) disk.fail_sync(1 + random.below(6), error);
        if (lot == 2) {
          disk.fail_all(error);
          ++faults;
        }
        if (lot == 3 || lot == 4) disk.heal();
        if (lot < 2) ++faults;
        if (random.below(5) == 0) rig.clock.advance(std::chrono::milliseconds(random.below(300)));
      }
      if (random.below(3) != 0) {
        disk.heal();
        rig.run_for(std::chrono::seconds(20));
        EXPECT_TRUE(rig.journal().status().accepts_messages) << "seed " << seed;
        EXPECT_TRUE(rig.journal().status().accepts_updates) << "seed " << seed;
      }
      rig.drop();
      if (random.below(2) == 0) {
        disk.kill();
      } else {
        disk.power_cut();
      }
    }
    refused += model.refused();
  }
  EXPECT_GT(refused, 1000u);
  std::printf("%zu faults, %zu refused\n", faults, refused);
}

}  // namespace
}  // namespace ekiden::spool
