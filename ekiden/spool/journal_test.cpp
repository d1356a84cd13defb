// What the journal promises, one sentence at a time, on a simulated disk.
#include "ekiden/spool/journal.hpp"

#include <gtest/gtest.h>

#include "ekiden/spool/format.hpp"
#include "ekiden/spool/quarantine.hpp"
#include "ekiden/spool/segments.hpp"
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

class JournalTest : public ::testing::Test {
 protected:
  void restart(JournalOptions options = small_options()) {
    rig.reset();
    rig = std::make_unique<Rig>(disk, ++starts, options);
    ASSERT_TRUE(rig->start());
    rig->run();
  }
  SimulatedDisk disk{7};
  std::uint64_t starts = 0;
  std::unique_ptr<Rig> rig;
};

TEST_F(JournalTest, AStoredMessageIsThereAfterAPowerCut) {
  restart();
  NewMessage message = make_message(1, 3000);
  ASSERT_TRUE(rig->submit(storing(message)));
  rig->drop();
  disk.power_cut();
  restart();
  ASSERT_EQ(rig->found().size(), 1u);
  EXPECT_EQ(rig->found().begin()->second.meta, message.meta);
  EXPECT_EQ(rig->found().begin()->second.size, 3000u);
  const Result<Loaded> loaded = rig->load(message.id);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->meta, message.meta);
  EXPECT_EQ(loaded->body.octets.view(), message.body.octets.view());
  EXPECT_EQ(rig->journal().status().messages, 1u);
}

TEST_F(JournalTest, ManySubmissionsShareOneSyncAndOnePostBack) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 100))));
  rig->run();
  const std::uint64_t before = disk.counters().syncs;
  const std::uint64_t posts = rig->home.ran();
  int answers = 0;
  for (int i = 0; i < 20; ++i)
    rig->port().submit(storing(make_message(100 + i, 1000)), [&](Result<void> r) {
      EXPECT_TRUE(r);
      ++answers;
    });
  rig->run();
  EXPECT_EQ(answers, 20);
  EXPECT_EQ(disk.counters().syncs, before + 1);
  EXPECT_EQ(rig->home.ran(), posts + 2) << "one to flush, one with all answers";
}

TEST_F(JournalTest, WorkNobodyWaitsForWaitsForCompanyAtMostTheInterval) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 100, 2))));
  const std::uint64_t before = disk.counters().syncs;
  Transaction t = updating(id_of(1), {make_progress(0, State::Queued, 1)});
  t.may_wait = true;
  bool is_done = false;
  rig->port().submit(std::move(t), [&](Result<void>) { is_done = true; });
  rig->run();
  EXPECT_FALSE(is_done);
  rig->clock.advance(std::chrono::milliseconds(9));
  rig->run();
  EXPECT_FALSE(is_done);
  rig->clock.advance(std::chrono::milliseconds(2));
  rig->run();
  EXPECT_TRUE(is_done);
  EXPECT_EQ(disk.counters().syncs, before + 1);
}

TEST_F(JournalTest, WaitingWorkLeavesWithTheNextBatch) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 100, 2))));
  Transaction t = updating(id_of(1), {make_progress(0, State::Queued, 1)});
  t.may_wait = true;
  bool is_done = false;
  rig->port().submit(std::move(t), [&](Result<void>) { is_done = true; });
  rig->run();
  ASSERT_FALSE(is_done);
  const std::uint64_t before = disk.counters().syncs;
  rig->port().submit(storing(make_message(2, 100)), [](Result<void>) {});
  rig->run();
  EXPECT_TRUE(is_done);
  EXPECT_EQ(disk.counters().syncs, before + 1);
}

// What an operator's command over many messages causes, on a relay that does nothing else.
TEST_F(JournalTest, WaitingWorkThatASegmentHasNoRoomForNeedsNobodyElse) {
  restart();
  constexpr int kSubmitted = 100;
  int done = 0;
  for (int i = 0; i < kSubmitted; ++i) {
    Transaction t;
    t.events.emplace_back(2000, 'e');
    t.may_wait = true;
    rig->port().submit(std::move(t), [&done](Result<void> result) { done += result ? 1 : 0; });
  }
  rig->run_for(std::chrono::seconds(1));
  EXPECT_EQ(done, kSubmitted) << "they fill three segments of 64 KiB";
}

// An operator's command may change a million recipients; mail goes on meanwhile.
TEST_F(JournalTest, NewMailIsNotHeldUpByChangesThatFillBatches) {
  JournalOptions options = small_options();
  options.segment_octets = 16 << 20;
  restart(options);
  int changed = 0;
  for (int i = 0; i < 3000; ++i) {
    Transaction t;
    t.events.emplace_back(1024, 'e');
    t.may_wait = true;
    rig->port().submit(std::move(t), [&](Result<void> result) { changed += result ? 1 : 0; });
  }
  bool is_taken = false;
  rig->port().submit(storing(make_message(1, 100)), [&](Result<void> r) {
    is_taken = static_cast<bool>(r);
    EXPECT_EQ(changed, 0) << "it is first in its batch";
  });
  const std::uint64_t written = rig->journal().status().octets_written;
  rig->home.run_one();
  rig->committer.run_one();
  EXPECT_LT(rig->journal().status().octets_written - written, 1200u << 10)
      << "a MiB of them shares its sync";
  rig->run();
  EXPECT_TRUE(is_taken);
  EXPECT_GT(changed, 1500) << "what fills batches waits for no interval";
  rig->run_for(std::chrono::seconds(1));
  EXPECT_EQ(changed, 3000);
}

TEST_F(JournalTest, AChangeThatIsLargerThanOtherBatchesIsWrittenAlone) {
  JournalOptions options = small_options();
  options.segment_octets = 32 << 20;
  restart(options);
  bool is_changed = false, is_taken = false;
  Transaction t;
  t.events.emplace_back(12 << 20, 'e');
  rig->port().submit(std::move(t), [&](Result<void> r) { is_changed = static_cast<bool>(r); });
  rig->port().submit(storing(make_message(1, 100)),
                     [&](Result<void> r) { is_taken = static_cast<bool>(r); });
  rig->run_for(std::chrono::seconds(1));
  EXPECT_TRUE(is_changed);
  EXPECT_TRUE(is_taken);
}

TEST_F(JournalTest, ProgressOfEachRecipientSurvivesAndTheNewestWins) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 100, 3))));
  ASSERT_TRUE(rig->submit(updating(id_of(1), {make_progress(0, State::Queued, 1, "450 later"),
                                              make_progress(2, State::Delivered, 1)})));
  ASSERT_TRUE(rig->submit(updating(id_of(1), {make_progress(0, State::Queued, 2, "451 again")})));
  const std::vector<Progress> expected = {make_progress(0, State::Queued, 2, "451 again"),
                                          make_progress(2, State::Delivered, 1)};
  const auto live = rig->load_progress(id_of(1));
  ASSERT_TRUE(live);
  EXPECT_EQ(*live, expected);
  rig->drop();
  disk.power_cut();
  restart();
  ASSERT_EQ(rig->found().size(), 1u);
  EXPECT_EQ(rig->found().at(id_of(1)).progress, expected);
  EXPECT_EQ(rig->journal().status().recipients, 2u);
}

TEST_F(JournalTest, AMessageDiesWithItsLastRecipient) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 100, 2))));
  ASSERT_TRUE(rig->submit(updating(id_of(1), {make_progress(0, State::Delivered, 1)})));
  EXPECT_EQ(rig->journal().status().messages, 1u);
  ASSERT_TRUE(rig->submit(updating(id_of(1), {make_progress(1, State::Bounced, 1)})));
  EXPECT_EQ(rig->journal().status().messages, 0u);
  EXPECT_EQ(rig->journal().status().recipients, 0u);
  EXPECT_EQ(rig->load(id_of(1)).error(), make_error_code(Errc::NotFound));
  rig->drop();
  disk.power_cut();
  restart();
  EXPECT_TRUE(rig->found().empty());
}

TEST_F(JournalTest, TwoLastRecipientsInOneBatchEndTheMessageOnce) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 100, 2))));
  for (std::uint32_t i = 0; i < 2; ++i)
    rig->port().submit(updating(id_of(1), {make_progress(i, State::Delivered, 1)}),
                       [](Result<void> r) { EXPECT_TRUE(r); });
  rig->run();
  EXPECT_EQ(rig->journal().status().messages, 0u);
  EXPECT_EQ(rig->journal().status().recipients, 0u);
}

TEST_F(JournalTest, AFinalStateIsNeverReplaced) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 100, 2))));
  ASSERT_TRUE(rig->submit(updating(id_of(1), {make_progress(0, State::Delivered, 1)})));
  ASSERT_TRUE(rig->submit(updating(id_of(1), {make_progress(0, State::Bounced, 2)})));
  EXPECT_EQ(rig->journal().status().recipients, 1u);
  rig->drop();
  disk.power_cut();
  restart();
  EXPECT_EQ(rig->found().at(id_of(1)).progress,
            std::vector<Progress>{make_progress(0, State::Delivered, 1)});
}

TEST_F(JournalTest, InitialProgressIsStoredWithTheMessage) {
  restart();
  NewMessage message = make_message(1, 100, 3);
  message.progress = {make_progress(1, State::Suppressed, 0), make_progress(2, State::Queued, 0)};
  const std::vector<Progress> expected = message.progress;
  ASSERT_TRUE(rig->submit(storing(std::move(message))));
  EXPECT_EQ(rig->journal().status().recipients, 2u);
  rig->drop();
  disk.power_cut();
  restart();
  EXPECT_EQ(rig->found().at(id_of(1)).progress, expected);
}

TEST_F(JournalTest, ATransactionIsWrittenWholeOrNotAtAll) {
  // Every place where the power may go during one big transaction, many seeds.
  int whole = 0, none = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SimulatedDisk d(seed);
    Rig r(d, seed, small_options());
    ASSERT_TRUE(r.start());
    r.run();
    ASSERT_TRUE(r.submit(storing(make_message(1, 500))));
    Transaction t;
    for (std::uint64_t i = 0; i < 6; ++i) t.messages.push_back(make_message(10 + i, 1 + i * 900));
    t.updates.push_back({id_of(1), {make_progress(0, State::Delivered, 1)}});
    t.events = {"event"};
    bool has_answer = false;
    d.cut_after(1 + seed % 2);
    r.port().submit(std::move(t), [&](Result<void>) { has_answer = true; });
    r.run();
    r.drop();
    d.power_cut();
    ASSERT_TRUE(r.start());
    r.run();
    const bool has_first = r.found().contains(id_of(10));
    for (std::uint64_t i = 0; i < 6; ++i) EXPECT_EQ(r.found().contains(id_of(10 + i)), has_first);
    EXPECT_EQ(r.found().contains(id_of(1)), !has_first);
    EXPECT_EQ(r.journal().next_events(10)->events.size(), has_first ? 1u : 0u);
    ++(has_first ? whole : none);
  }
  EXPECT_GT(whole, 10);
  EXPECT_GT(none, 10);
}

TEST_F(JournalTest, EventsComeInOrderOnceDurableAndUntilStored) {
  restart();
  int woken = 0;
  rig->journal().on_events([&] { ++woken; });
  rig->run();
  EXPECT_EQ(woken, 0);
  for (int i = 0; i < 10; ++i) {
    Transaction t;
    t.events = {"a" + std::to_string(i), "b" + std::to_string(i)};
    ASSERT_TRUE(rig->submit(std::move(t)));
  }
  EXPECT_EQ(woken, 1);
  Result<EventBatch> batch = rig->journal().next_events(3);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->events, (std::vector<std::string>{"a0", "b0", "a1", "b1"}));
  rig->journal().events_stored(batch->cursor);
  EXPECT_EQ(rig->journal().next_events(1)->events.front(), "a2");
  ASSERT_TRUE(rig->submit(storing(make_message(1, 1))));  // carries the cursor
  rig->drop();
  disk.power_cut();
  restart();
  batch = rig->journal().next_events(100);
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->events.size(), 16u);
  EXPECT_EQ(batch->events.front(), "a2");
  EXPECT_EQ(batch->events.back(), "b9");
}

TEST_F(JournalTest, SegmentsAreRecycledAndTheirEarlierLivesStayDead) {
  restart();
  std::uint64_t next = 1;
  for (int round = 0; round < 200; ++round) {
    std::vector<base::MessageId> ids;
    for (int i = 0; i < 4; ++i) {
      NewMessage message = make_message(next++, 5000);
      ids.push_back(message.id);
      ASSERT_TRUE(rig->submit(storing(std::move(message))));
    }
    for (const base::MessageId id : ids)
      ASSERT_TRUE(rig->submit(updating(id, {make_progress(0, State::Delivered, 1)})));
  }
  rig->run_for(std::chrono::seconds(3));
  EXPECT_LE(rig->journal().status().segments, 14u) << "4 MB went through segments of 64 KiB";
  ASSERT_TRUE(rig->submit(storing(make_message(next, 10))));
  rig->drop();
  disk.power_cut();
  restart();
  EXPECT_EQ(rig->found().size(), 1u);
}

TEST_F(JournalTest, NearlyDeadSegmentsAreCopiedForward) {
  restart();
  // One survivor in every fifteen pins its segment until it is copied.
  std::vector<base::MessageId> survivors;
  for (std::uint64_t i = 1; i <= 600; ++i) {
    ASSERT_TRUE(rig->submit(storing(make_message(i, 4000, 2))));
    if (i % 15 == 0) {
      survivors.push_back(id_of(i));
      ASSERT_TRUE(rig->submit(updating(
          id_of(i), {make_progress(0, State::Delivered, 1), make_progress(1, State::Queued, 3)})));
    } else {
      ASSERT_TRUE(rig->submit(updating(id_of(i), {make_progress(0, State::Delivered, 1),
                                                  make_progress(1, State::Delivered, 1)})));
    }
  }
  rig->run_for(std::chrono::seconds(10));
  EXPECT_LE(rig->journal().status().segments, 20u) << "2.4 MB were written";
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(rig->journal().status().messages, survivors.size());
    for (const base::MessageId id : survivors) {
      ASSERT_TRUE(rig->load(id)) << round;
      EXPECT_EQ(rig->load_progress(id)->size(), 2u);
    }
    rig->drop();
    disk.power_cut();
    restart();
    EXPECT_EQ(rig->found().size(), survivors.size());
    for (const auto& [id, found] : rig->found()) EXPECT_EQ(found.progress.size(), 2u);
  }
}

TEST_F(JournalTest, AMessageThatContainsWellFormedBatchesIsOnlyAMessage) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 100))));
  // The journal's own pages, epoch and all, as a hostile body would have them at best.
  std::string stolen = disk.contents(segment_path(0));
  for (std::uint32_t i = 0; i < 10 && stolen.find("EKB1") == std::string::npos; ++i)
    stolen = disk.contents(segment_path(i));
  ASSERT_NE(stolen.find("EKB1"), std::string::npos);
  ASSERT_TRUE(rig->submit(updating(id_of(1), {make_progress(0, State::Delivered, 1)})));
  NewMessage message = make_message(2, 1);
  // At every alignment of 64 octets, so that some copy starts on a page.
  std::string body;
  for (int i = 0; i < 3; ++i) body += std::string(64 * i, 'x') + stolen.substr(4096, 8192);
  message.body.size = body.size();
  message.body.octets = base::Octets(body);
  ASSERT_TRUE(rig->submit(storing(std::move(message))));
  rig->drop();
  disk.power_cut();
  restart();
  ASSERT_EQ(rig->found().size(), 1u);
  EXPECT_EQ(rig->load(id_of(2))->body.octets.view(), body);
}

TEST_F(JournalTest, ADamagedBodyIsQuarantinedAndTheRestLives) {
  restart();
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(rig->submit(storing(make_message(i, 1000))));
  bool has_flipped = false;
  for (std::uint32_t slot = 0; slot < 8 && !has_flipped; ++slot) {
    const std::size_t at = disk.contents(segment_path(slot)).find("body of 2");
    if (at != std::string::npos) has_flipped = disk.flip_bit(segment_path(slot), at + 30);
  }
  ASSERT_TRUE(has_flipped);
  EXPECT_EQ(rig->load(id_of(2)).error(), make_error_code(Errc::Corrupt));
  rig->run();
  EXPECT_EQ(rig->journal().status().quarantined, 1u);
  EXPECT_EQ(rig->journal().status().messages, 2u);
  rig->drop();
  disk.power_cut();
  restart();
  EXPECT_EQ(rig->found().size(), 2u);
  EXPECT_EQ(rig->journal().status().quarantined, 1u);
  const auto names = rig->journal().quarantine().list();
  ASSERT_EQ(names->size(), 1u);
  const auto item = rig->journal().quarantine().peek(names->front());
  EXPECT_EQ(item->meta, "meta of 2");
  EXPECT_EQ(item->size, 1000u);
}

TEST_F(JournalTest, ALargeBodyHasAFileOfItsOwnUntilItsMessageIsDone) {
  restart();
  auto writer = rig->port().create_large();
  std::string all;
  for (int i = 0; i < 5; ++i) {
    std::string part(300'000, static_cast<char>('a' + i));
    all += part;
    bool is_ok = false;
    writer->append(std::move(part), [&](Result<void> r) { is_ok = r.has_value(); });
    rig->run();
    ASSERT_TRUE(is_ok);
  }
  Body body;
  writer->finish([&](Result<Body> r) { body = *r; });
  rig->run();
  writer.reset();
  EXPECT_EQ(body.size, all.size());
  NewMessage message = make_message(1, 1);
  message.body = body;
  ASSERT_TRUE(rig->submit(storing(std::move(message))));
  auto orphan = rig->port().create_large();
  orphan->append("unfinished", [](Result<void>) {});
  rig->run();
  EXPECT_EQ(disk.list("large")->size(), 2u);
  orphan.reset();  // its tidying up dies with the process
  rig->drop();
  disk.power_cut();
  restart();
  EXPECT_EQ(disk.list("large")->size(), 1u);
  const auto loaded = rig->load(id_of(1));
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->body.file, body.file);
  std::optional<Result<base::Octets>> slice;
  rig->port().read(loaded->body, 299'999, 3, [&](Result<base::Octets> r) { slice = r; });
  rig->run();
  EXPECT_EQ((*slice)->view(), "abb");
  ASSERT_TRUE(rig->submit(updating(id_of(1), {make_progress(0, State::Delivered, 1)})));
  rig->run();
  EXPECT_TRUE(disk.list("large")->empty());
}

TEST_F(JournalTest, ALargeBodyThatChangedIsSetAsideBeforeAnyOfItIsRead) {
  for (const bool is_gone : {false, true}) {
    restart();
    auto writer = rig->port().create_large();
    writer->append(std::string(2'000'000, 'a'), [](Result<void>) {});
    rig->run();
    NewMessage message = make_message(is_gone ? 2 : 1, 1);
    writer->finish([&](Result<Body> r) { message.body = *r; });
    rig->run();
    const base::MessageId id = message.id;
    const std::string file = message.body.file;
    ASSERT_TRUE(rig->submit(storing(std::move(message))));
    EXPECT_TRUE(rig->load(id));
    if (is_gone) {
      ASSERT_TRUE(disk.remove(file));
    } else {
      ASSERT_TRUE(disk.flip_bit(file, 1'999'999));
    }
    EXPECT_EQ(rig->load(id).error(), make_error_code(Errc::Corrupt));
    rig->run();
    EXPECT_EQ(rig->journal().status().messages, 0u);
    EXPECT_EQ(rig->journal().status().quarantined, is_gone ? 2u : 1u);
  }
}

TEST_F(JournalTest, ALargeBodyUnderWayCanBeReadBackAndGivenUp) {
  restart();
  auto writer = rig->port().create_large();
  const auto read = [&](std::uint64_t offset, std::size_t length) {
    std::string got = "nothing";
    writer->read(offset, length, [&](Result<base::Octets> r) {
      got = r ? std::string(r->view()) : r.error().message();
    });
    rig->run();
    return got;
  };
  EXPECT_EQ(read(0, 10), "");
  for (const char* part : {"hello ", "world"}) {
    writer->append(part, [](Result<void>) {});
    rig->run();
  }
  EXPECT_EQ(read(0, 100), "hello world");
  EXPECT_EQ(read(4, 4), "o wo");
  EXPECT_EQ(read(11, 4), "");
  EXPECT_EQ(read(99, 4), "");
  writer.reset();
  rig->run();
  EXPECT_TRUE(disk.list("large")->empty());
}

TEST_F(JournalTest, CloseFinishesWhatWasSubmittedAndRefusesWhatComesLater) {
  restart();
  bool is_stored = false;
  rig->port().submit(storing(make_message(1, 100)),
                     [&](Result<void> r) { is_stored = r.has_value(); });
  rig->home.run_one();
  bool is_closed = false;
  rig->journal().close([&] { is_closed = true; });
  rig->run();
  EXPECT_TRUE(is_stored);
  EXPECT_TRUE(is_closed);
  EXPECT_EQ(rig->submit(storing(make_message(2, 100))).error(), make_error_code(Errc::Closed));
  rig->drop();
  restart();
  EXPECT_EQ(rig->found().size(), 1u);
}

TEST_F(JournalTest, ADoneCountsOnlyWithTheTransactionsBeforeItInATornBatch) {
  restart();
  ASSERT_TRUE(rig->submit(storing(make_message(1, 1000, 2))));
  // One recipient bounces, which makes a report; the other is delivered in the same batch, and that
  // ends the message.
  Transaction bounced = updating(id_of(1), {make_progress(0, State::Bounced, 1)});
  bounced.messages.push_back(make_message(2, 500));
  int answers = 0;
  rig->port().submit(std::move(bounced), [&](Result<void>) { ++answers; });
  rig->port().submit(updating(id_of(1), {make_progress(1, State::Delivered, 1)}),
                     [&](Result<void>) { ++answers; });
  rig->run();
  ASSERT_EQ(answers, 2);
  bool is_damaged = false;
  for (std::uint32_t slot = 0; slot < 8 && !is_damaged; ++slot) {
    const std::size_t at = disk.contents(segment_path(slot)).find("body of 2");
    if (at != std::string::npos) is_damaged = disk.flip_bit(segment_path(slot), at + 3);
  }
  ASSERT_TRUE(is_damaged);
  rig->drop();
  restart();
  EXPECT_EQ(rig->found().count(id_of(2)), 0u);
  ASSERT_EQ(rig->found().count(id_of(1)), 1u) << "its report is gone, so it is not done";
  EXPECT_TRUE(rig->found().at(id_of(1)).progress.empty());
}

TEST_F(JournalTest, APortDropsWhatItGatheredAndOutlivesTheJournal) {
  restart();
  auto kept = std::make_shared<int>(1);
  rig->port().expect(+1);
  rig->port().submit(storing(make_message(1, 10)), [kept](Result<void>) { FAIL(); });
  rig->port().abandon();
  EXPECT_EQ(kept.use_count(), 1);
  rig->run();
}

}  // namespace
}  // namespace ekiden::spool
