#include "ekiden/events/writer.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "ekiden/events/error.hpp"
#include "tests/support/fake_clock.hpp"

namespace ekiden::events {
namespace {

using namespace std::chrono_literals;

/// Only the events' side of a spool.
class EventSpool final : public spool::Spool {
 public:
  Result<void> recover(const std::function<void(const spool::Recovered&)>&) override { return {}; }
  std::unique_ptr<spool::Port> attach(base::Executor&) override { return nullptr; }
  spool::Status status() const override { return {}; }
  void on_events(base::Function<void()> wake) override { wake_ = std::move(wake); }
  Result<spool::EventBatch> next_events(std::size_t count_max) override {
    ++asked;
    spool::EventBatch batch;
    if (unreadable > 0) {
      batch.cursor = stored + std::exchange(unreadable, 0);
      return batch;
    }
    for (const std::string& event : waiting) {
      if (batch.events.size() >= count_max) break;
      batch.events.push_back(event);
    }
    if (!batch.events.empty()) batch.cursor = stored + batch.events.size();
    return batch;
  }
  void events_stored(std::uint64_t cursor) override {
    for (; stored < cursor; ++stored) waiting.pop_front();
  }
  void close(base::Work done) override { done(); }

  void put(std::string event) {
    waiting.push_back(std::move(event));
    if (waiting.size() == 1 && wake_) wake_();
  }

  std::deque<std::string> waiting;
  std::uint64_t stored = 0;
  std::uint64_t unreadable = 0;  ///< of those that wait, from the first
  int asked = 0;

 private:
  base::Function<void()> wake_;
};

class MemorySink final : public Sink {
 public:
  Result<void> write(const std::vector<std::string>& batch) override {
    if (error) return error;
    kept.insert(kept.end(), batch.begin(), batch.end());
    sizes.push_back(batch.size());
    return {};
  }
  std::vector<std::string> kept;
  std::vector<std::size_t> sizes;
  Error error;
};

struct StoreWriterTest : testing::Test {
  test::FakeClock clock;
  test::FakeExecutor home;
  EventSpool spool;
  MemorySink sink;
  base::Metrics metrics;
  StoreWriter::Counters counters{&metrics.counter("batches", ""), &metrics.counter("failures", ""),
                                 &metrics.gauge("failing", "")};
  std::unique_ptr<StoreWriter> writer = make(4);

  std::unique_ptr<StoreWriter> make(std::size_t batch_max) {
    StoreWriter::Options options;
    options.batch_max = batch_max;
    return std::make_unique<StoreWriter>(spool, sink, home, clock, options, counters);
  }
};

TEST_F(StoreWriterTest, ComesPastWhatIsStoredAlreadyOrCannotBeRead) {
  for (const char* event : {"damaged", "damaged too", "well"}) spool.put(event);
  spool.unreadable = 2;
  StoreWriter writer(spool, sink, home, clock, {}, counters);
  EXPECT_EQ(writer.run_once(), StoreWriter::Progress::More);
  EXPECT_EQ(writer.run_once(), StoreWriter::Progress::More);
  EXPECT_EQ(sink.kept, std::vector<std::string>{"well"});
  EXPECT_EQ(writer.run_once(), StoreWriter::Progress::Idle);
  EXPECT_EQ(spool.stored, 3u);
}

TEST_F(StoreWriterTest, MovesWhatAnEarlierLifeLeft) {
  spool.waiting = {"a", "b"};
  writer->start();
  EXPECT_TRUE(sink.kept.empty()) << "never inside the call";
  home.run();
  EXPECT_EQ(sink.kept, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(spool.waiting.empty());
}

TEST_F(StoreWriterTest, GathersAfterABatchThatWasNotFull) {
  writer->start();
  home.run();
  spool.put("a");
  home.run();
  EXPECT_EQ(sink.sizes, std::vector<std::size_t>{1});
  spool.put("b");
  spool.put("c");
  home.run();
  EXPECT_EQ(sink.sizes.size(), 1u);
  clock.advance(100ms);
  EXPECT_EQ(sink.sizes, (std::vector<std::size_t>{1, 2}));
}

TEST_F(StoreWriterTest, FullBatchesFollowAtOnceAndThenItSleeps) {
  for (int i = 0; i < 9; ++i) spool.put("e");
  writer->start();
  home.run();
  EXPECT_EQ(sink.sizes, (std::vector<std::size_t>{4, 4, 1}));
  clock.advance(100ms);
  const int asked = spool.asked;
  clock.advance(1h);
  home.run();
  EXPECT_EQ(spool.asked, asked) << "no polling";
  spool.put("x");
  home.run();
  EXPECT_EQ(sink.kept.size(), 10u);
}

TEST_F(StoreWriterTest, AFailingStoreLosesNothingAndIsAskedLessAndLess) {
  writer->start();
  home.run();
  sink.error = make_error_code(Errc::NoSpace);
  spool.put("a");
  home.run();
  EXPECT_EQ(counters.is_failing->value(), 1);
  spool.put("b");
  home.run();
  EXPECT_EQ(counters.failures->value(), 1u) << "an event does not end the back-off";
  clock.advance(1h);
  EXPECT_GE(counters.failures->value(), 60u);
  EXPECT_LE(counters.failures->value(), 70u) << "once a minute at last";
  EXPECT_EQ(spool.waiting.size(), 2u);
  sink.error = {};
  clock.advance(1min);
  EXPECT_EQ(sink.kept, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(counters.is_failing->value(), 0);
}

TEST_F(StoreWriterTest, ACrashBetweenStoringAndAcknowledgingReplays) {
  spool.waiting = {"a"};
  ASSERT_TRUE(sink.write({"a"}));  // ... and the process died here.
  writer->start();
  home.run();
  EXPECT_EQ(sink.kept, (std::vector<std::string>{"a", "a"})) << "the store ignores known ids";
  EXPECT_TRUE(spool.waiting.empty());
}

TEST_F(StoreWriterTest, DrainMovesEverythingWithoutWaiting) {
  for (int i = 0; i < 9; ++i) spool.put("e");
  EXPECT_EQ(writer->drain(), StoreWriter::Progress::Idle);
  EXPECT_EQ(sink.kept.size(), 9u);
  sink.error = make_error_code(Errc::Io);
  spool.put("e");
  EXPECT_EQ(writer->drain(), StoreWriter::Progress::Failed);
}

TEST_F(StoreWriterTest, MayEndWithWorkPlanned) {
  writer->start();
  spool.put("a");
  home.run();
  spool.put("b");
  writer.reset();
  clock.advance(1s);
  home.run();
  spool.events_stored(spool.stored + 1);
  spool.put("c");
  EXPECT_EQ(sink.kept.size(), 1u);
}

}  // namespace
}  // namespace ekiden::events
