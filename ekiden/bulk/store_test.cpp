// Jobs on their way through states, their rows, and counts that are counted once.
#include "ekiden/bulk/store.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "ekiden/bulk/job_id.hpp"

namespace ekiden::bulk {
namespace {

class BulkStore : public testing::Test {
 protected:
  BulkStore() {
    std::string pattern = "/tmp/ekiden-jobs-XXXXXX";
    dir = ::mkdtemp(pattern.data());
    reopen();
  }
  ~BulkStore() override { std::filesystem::remove_all(dir); }

  void reopen() {
    store.reset();
    store = std::move(*Store::open(dir, nullptr));
  }
  Job add(Origin origin = Origin::Jobs, std::string token = {}) {
    Job job;
    job.tenant = "acme";
    job.stream = "bulk";
    job.origin = origin;
    job.content = "{}";
    job.token = std::move(token);
    job.created = now;
    EXPECT_EQ(*store->add(job), Store::Added::Yes);
    return job;
  }
  Job find(std::int64_t id) { return **store->find(id, "acme"); }

  std::string dir;
  base::Time now = base::from_unix_us(1'790'000'000'000'000);
  std::unique_ptr<Store> store;
};

TEST_F(BulkStore, KeepsAJobThroughItsStates) {
  const Job job = add();
  EXPECT_FALSE(*store->find(job.id, "other"));
  EXPECT_EQ(*store->commit(job.id, now, now), Changed::No) << "without recipients";
  ASSERT_TRUE(store->add_rows(job.id, 0, {{0, 0, "a@x.test", "{}"}, {0, 0, "b@x.test", "{}"}}));
  EXPECT_EQ(*store->commit(job.id, now, now), Changed::Yes);
  EXPECT_EQ(*store->change(job, now), Changed::No) << "no draft any more";
  EXPECT_EQ(*store->remove(job.id), Changed::No);
  EXPECT_TRUE(store->due(now - std::chrono::seconds(1))->empty());
  ASSERT_EQ(store->due(now)->size(), 1u);
  const base::MessageId message{1, 0xff00'0000'0100'0000};
  EXPECT_EQ(*store->launch(job.id, message, now), Changed::Yes);
  EXPECT_EQ(*store->launch(job.id, message, now), Changed::No);
  EXPECT_EQ(*store->move(job.id, {JobState::Launching}, JobState::Sending, now), Changed::Yes);
  reopen();
  EXPECT_EQ(find(job.id).state, JobState::Sending);
  EXPECT_EQ((*store->find_by_message(message))->id, job.id);
  ASSERT_EQ(store->under_way()->size(), 1u);

  std::map<base::MessageId, Counts> counts;
  counts[message].accepted = counts[message].delivered = 1;
  ASSERT_TRUE(store->take_counts(counts, "here", now));
  EXPECT_EQ(find(job.id).state, JobState::Sending);
  counts[message] = {};
  counts[message].rejected = 1;
  ASSERT_TRUE(store->take_counts(counts, "there", now));
  EXPECT_EQ(find(job.id).state, JobState::Done);
  EXPECT_EQ(find(job.id).counts.ended(), 2u);
  EXPECT_EQ(*store->reader_position(), "there");
  EXPECT_EQ(*store->remove(job.id), Changed::Yes);
}

TEST_F(BulkStore, FindsTheJobOfARepeatedRequest) {
  const Job first = add(Origin::Jobs, "token"), second = add(Origin::Jobs, "token");
  EXPECT_EQ(first.id, second.id);
  EXPECT_NE(add().id, first.id);
}

TEST_F(BulkStore, HasEachAddressOnceAndForgetsAnImportThatWasCutShort) {
  const Job job = add();
  const std::int64_t import = *store->begin_import(job.id, now);
  const auto added = store->add_rows(
      job.id, import, {{0, 0, "a@x.test", "1"}, {0, 0, "b@x.test", "2"}, {0, 0, "a@x.test", "3"}});
  EXPECT_EQ(added->known, std::vector<std::size_t>{2});
  EXPECT_EQ(added->taken, 2u);
  EXPECT_EQ(find(job.id).rows, 2u);
  EXPECT_EQ(*store->commit(job.id, now, now), Changed::No) << "while an import is under way";
  reopen();
  EXPECT_EQ(find(job.id).rows, 2u) << "a command opens the store beside the relay that imports";
  ASSERT_TRUE(store->forget_unfinished_imports());
  EXPECT_EQ(find(job.id).rows, 0u);
  EXPECT_TRUE(store->rows(job.id, 0, 10)->empty());

  const std::int64_t again = *store->begin_import(job.id, now);
  ASSERT_TRUE(store->add_rows(job.id, again, {{0, 0, "a@x.test", "1"}}));
  ASSERT_TRUE(store->note_import(again, 1, 3, {{2, "x", "bad_address", "no"}}, true));
  reopen();
  EXPECT_EQ(find(job.id).rows, 1u);
  EXPECT_EQ((*store->find_import(again))->refused, 1u);
  EXPECT_EQ(store->import_errors(again, 0, 10)->front().line, 2u);
  const Row row = store->rows(job.id, 0, 10)->front();
  EXPECT_EQ((*store->find_row(job.id, "a@x.test"))->id, row.id);
  EXPECT_EQ(*store->set_row({row.id, job.id, "c@x.test", "4"}), Changed::Yes);
  EXPECT_EQ(*store->remove_row(row.id), Changed::Yes);
  EXPECT_EQ(*store->remove_row(row.id), Changed::No);
  EXPECT_EQ(find(job.id).rows, 0u);
}

TEST_F(BulkStore, TakesBackAnImportThatFailedAndLeavesTheOthers) {
  const Job job = add();
  ASSERT_TRUE(store->add_rows(job.id, 0, {{0, 0, "a@x.test", "1"}}));
  const std::int64_t import = *store->begin_import(job.id, now);
  ASSERT_TRUE(store->add_rows(job.id, import, {{0, 0, "b@x.test", "2"}, {0, 0, "c@x.test", "3"}}));
  ASSERT_TRUE(store->note_import(import, 2, 2, {{3, "x", "bad_address", "no"}}, false));
  ASSERT_TRUE(store->drop_import(import));
  EXPECT_EQ(find(job.id).rows, 1u);
  EXPECT_EQ(store->rows(job.id, 0, 10)->front().address, "a@x.test");
  EXPECT_FALSE(*store->find_import(import));
  EXPECT_TRUE(store->import_errors(import, 0, 10)->empty());
  EXPECT_EQ(*store->commit(job.id, now, now), Changed::Yes) << "nothing is under way";
  EXPECT_FALSE(store->add_rows(job.id, 0, {{0, 0, "d@x.test", "4"}})->is_draft);
  EXPECT_EQ(find(job.id).rows, 1u);
}

TEST_F(BulkStore, HasAtMostAMillionRowsWhoeverAddsThem) {
  const Job job = add();
  std::vector<Row> rows;
  for (std::uint32_t i = 0; i < kRowsMax - 1; ++i)
    rows.push_back({0, 0, std::to_string(i) + "@x.test", "{}"});
  ASSERT_EQ(store->add_rows(job.id, 0, rows)->taken, kRowsMax - 1);
  const auto last = store->add_rows(
      job.id, 0, {{0, 0, "1@x.test", "{}"}, {0, 0, "a@x.test", "{}"}, {0, 0, "b@x.test", "{}"}});
  EXPECT_EQ(last->known, std::vector<std::size_t>{0});
  EXPECT_EQ(last->over, std::vector<std::size_t>{2});
  EXPECT_EQ(find(job.id).rows, kRowsMax);
}

TEST_F(BulkStore, FindsRowsThatACrashLeftBehind) {
  const Job draft = add(), sent = add(), gone = add();
  for (const Job& job : {draft, sent, gone})
    ASSERT_TRUE(store->add_rows(job.id, 0, {{0, 0, "a@x.test", "1"}}));
  ASSERT_EQ(*store->move(sent.id, {JobState::Draft}, JobState::Sending, now), Changed::Yes);
  ASSERT_EQ(*store->remove(gone.id), Changed::Yes);
  EXPECT_EQ(*store->jobs_with_rows_left(), (std::vector<std::int64_t>{sent.id, gone.id}));
  EXPECT_EQ(*store->remove_rows(sent.id, 10), Changed::Yes);
  EXPECT_EQ(*store->jobs_with_rows_left(), std::vector<std::int64_t>{gone.id});
  EXPECT_EQ(store->rows(draft.id, 0, 10)->size(), 1u);
}

TEST_F(BulkStore, ErasesAPersonFromEveryListAndReport) {
  const Job first = add(), second = add();
  const std::int64_t import = *store->begin_import(first.id, now);
  for (const Job& job : {first, second})
    ASSERT_TRUE(
        store->add_rows(job.id, import, {{0, 0, "a@x.test", "me@x"}, {0, 0, "b@x.test", "{}"}}));
  ASSERT_TRUE(store->note_import(
      import, 2, 4, {{3, "A@x.test", "duplicate", "it is there"}, {4, "c", "bad_address", "no"}},
      true));
  EXPECT_EQ(*store->erase("a@x.test", "a@X.test"), 3u);
  EXPECT_EQ(find(first.id).rows, 1u);
  EXPECT_EQ(find(second.id).rows, 1u);
  EXPECT_EQ(store->import_errors(import, 0, 10)->size(), 1u);
  EXPECT_EQ(*store->erase("a@x.test", "a@x.test"), 0u);
  store.reset();
  for (const auto& file : std::filesystem::directory_iterator(dir)) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string octets((std::istreambuf_iterator<char>(in)), {});
    EXPECT_EQ(octets.find("me@x"), std::string::npos) << file.path();
  }
}

TEST_F(BulkStore, RemembersNumbersOfMessagesByTenant) {
  const base::MessageId message{5, 6};
  ASSERT_TRUE(store->remember_delivery(77, {"acme", message, now}));
  EXPECT_EQ((*store->find_delivery(77, "acme"))->message, message);
  EXPECT_FALSE(*store->find_delivery(77, "other"));
  EXPECT_FALSE(*store->find_delivery(78, "acme"));
}

TEST_F(BulkStore, KeepsWhatReportsWereAskedFor) {
  Store::Report report{0, "acme", "errors", R"({"email":"a@x.test"})", now};
  const std::int64_t id = *store->add_report(report);
  reopen();
  const auto found = *store->find_report(id, "acme", "errors");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->question, report.question);
  EXPECT_FALSE(*store->find_report(id, "other", "errors"));
  EXPECT_FALSE(*store->find_report(id, "acme", "analysis"));
  for (std::int64_t i = 0; i < Store::kReportsMax; ++i) ASSERT_TRUE(store->add_report(report));
  EXPECT_FALSE(*store->find_report(id, "acme", "errors")) << "the oldest goes";
  EXPECT_TRUE(*store->find_report(id + 1, "acme", "errors"));
}

TEST_F(BulkStore, ForgetsWhatIsOverForLong) {
  const Job open = add(), over = add();
  ASSERT_EQ(*store->move(over.id, {JobState::Draft}, JobState::Cancelled, now), Changed::Yes);
  ASSERT_TRUE(store->prune(now + Store::kKept - std::chrono::hours(1)));
  EXPECT_TRUE(*store->find(over.id, {}));
  ASSERT_TRUE(store->prune(now + Store::kKept + std::chrono::hours(1)));
  EXPECT_FALSE(*store->find(over.id, {}));
  EXPECT_TRUE(*store->find(open.id, {}));
}

}  // namespace
}  // namespace ekiden::bulk
