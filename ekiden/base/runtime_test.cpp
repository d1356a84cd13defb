// Threads, posts between them, and their end. Everything waits on promises, nothing on time; the
// sanitizers say whether it was clean.
#include "ekiden/base/runtime.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <memory>

#include "ekiden/base/task_group.hpp"

namespace ekiden::base {
namespace {

RuntimeOptions two_workers() {
  RuntimeOptions options;
  options.workers = 2;
  options.pool_queue_max = 4;
  return options;
}

TEST(Runtime, PostsToOneWorkerRunInOrderAndOnItsThread) {
  Runtime runtime(two_workers());
  std::vector<int> seen;
  std::promise<void> done;
  for (int i = 0; i < 1000; ++i) {
    runtime.worker(0).executor.post([&, i] { seen.push_back(i); });
  }
  runtime.worker(0).executor.post([&] { done.set_value(); });
  EXPECT_TRUE(seen.empty());
  runtime.start();
  done.get_future().wait();
  ASSERT_EQ(seen.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(Runtime, WorkersCommitterAndPoolPassWorkAround) {
  Runtime runtime(two_workers());
  runtime.start();
  constexpr int kRounds = 500;
  std::atomic<int> rounds{0};
  std::promise<void> done;
  for (int i = 0; i < kRounds; ++i) {
    runtime.worker(0).executor.post([&] {
      runtime.committer().executor().post([&] {
        runtime.pool().post([&] {
          runtime.worker(1).executor.post([&] {
            if (++rounds == kRounds) done.set_value();
          });
        });
      });
    });
  }
  done.get_future().wait();
  EXPECT_EQ(rounds, kRounds);
}

TEST(Runtime, TheCommitterRunsInOrderAndHasTimers) {
  Runtime runtime(two_workers());
  runtime.start();
  std::string order;
  std::promise<void> done;
  CommitterThread& committer = runtime.committer();
  committer.executor().post([&] {
    order += 'a';
    committer.clock().call_at(Steady{}, [&] {
      order += 'c';
      done.set_value();
    });
    order += 'b';
  });
  done.get_future().wait();
  EXPECT_EQ(order, "abc");
}

TEST(BlockingPool, SaysWhenItIsCrowdedAndLosesNothing) {
  BlockingPool pool(1, 4);
  std::latch started(1);
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  pool.post([&, open] {
    started.count_down();
    open.wait();
  });
  started.wait();
  std::atomic<int> ran{0};
  for (int i = 0; i < 4; ++i) {
    EXPECT_FALSE(pool.is_crowded());
    pool.post([&] { ++ran; });
  }
  EXPECT_TRUE(pool.is_crowded());
  std::promise<void> last;
  pool.post([&] {
    ++ran;
    last.set_value();
  });
  EXPECT_EQ(pool.waiting(), 5u);
  gate.set_value();
  last.get_future().wait();
  EXPECT_EQ(ran, 5);
}

TEST(BlockingPool, DropsWhatNeverRan) {
  auto held = std::make_shared<int>();
  BlockingPool pool(1, 4);
  pool.stop();
  pool.post([held] {});
  EXPECT_EQ(held.use_count(), 2);
  pool.drop();
  EXPECT_EQ(held.use_count(), 1);
  pool.post([held] {});
  EXPECT_EQ(held.use_count(), 1);
}

// A coroutine that waits for a completion which somebody else holds.
struct Parked {
  std::shared_ptr<int> alive;
  Completion<int> completion;
};

Task<void> park(std::shared_ptr<int> alive, Parked& parked, std::promise<void>& waiting) {
  auto begin = [&](Completion<int> done) {
    parked.completion = std::move(done);
    waiting.set_value();
  };
  const int value = co_await suspend<int>(std::move(begin));
  *alive = value;
}

TEST(Runtime, ACompletionFromThePoolResumesItsCoroutineOnTheWorker) {
  Runtime runtime(two_workers());
  TaskGroup group(runtime.worker(0));
  auto alive = std::make_shared<int>(0);
  Parked parked;
  std::promise<void> waiting, ended;
  runtime.worker(0).executor.post([&] { group.spawn(park(alive, parked, waiting)); });
  runtime.start();
  waiting.get_future().wait();
  runtime.pool().post([&] {
    runtime.worker(0).executor.post([&] {
      parked.completion(7);
      group.when_empty([&] { ended.set_value(); });
    });
  });
  ended.get_future().wait();
  EXPECT_EQ(*alive, 7);
}

TEST(Runtime, DropDestroysCoroutinesBehindTimersPostsAndPoolWork) {
  auto alive = std::make_shared<int>(0);
  {
    Runtime runtime(two_workers());
    TaskGroup group(runtime.worker(0));
    Parked on_timer, on_post, on_pool;
    std::promise<void> waiting[3];
    runtime.worker(0).executor.post([&] {
      group.spawn(park(alive, on_timer, waiting[0]));
      group.spawn(park(alive, on_post, waiting[1]));
      group.spawn(park(alive, on_pool, waiting[2]));
    });
    runtime.start();
    for (auto& each : waiting) each.get_future().wait();
    runtime.stop();
    EXPECT_EQ(alive.use_count(), 4);
    runtime.worker(0).clock.call_after(
        std::chrono::hours(1), [done = std::move(on_timer.completion)]() mutable { done(1); });
    runtime.worker(1).executor.post([done = std::move(on_post.completion)]() mutable { done(1); });
    runtime.pool().post([done = std::move(on_pool.completion)]() mutable { done(1); });
    runtime.drop();
    EXPECT_EQ(alive.use_count(), 1);
    runtime.worker(1).executor.post([alive] {});
    EXPECT_EQ(alive.use_count(), 1);
  }
  EXPECT_EQ(*alive, 0);
}

TEST(Runtime, StopBeforeStartAndTwiceIsHarmless) {
  Runtime runtime(two_workers());
  runtime.stop();
  runtime.stop();
  runtime.drop();
  runtime.drop();
}

}  // namespace
}  // namespace ekiden::base
