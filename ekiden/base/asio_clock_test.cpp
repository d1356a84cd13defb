// The timers of one loop, with deadlines in the past or far away, so that nothing waits for time.
#include "ekiden/base/asio_clock.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace ekiden::base {
namespace {

using std::chrono::hours;

TEST(AsioClock, FiresInOrderOfTimeThenOfSetting) {
  IoContext io(1);
  AsioClock clock(io);
  const Steady past = clock.steady() - hours(1);
  std::string order;
  clock.call_at(past + Duration(2), [&] { order += 'c'; });
  clock.call_at(past + Duration(1), [&] { order += 'a'; });
  clock.call_at(past + Duration(1), [&] { order += 'b'; });
  io.run();
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(clock.size(), 0u);
}

TEST(AsioClock, NeverFiresInsideTheCall) {
  IoContext io(1);
  AsioClock clock(io);
  bool fired = false;
  clock.call_at(Steady{}, [&] { fired = true; });
  EXPECT_FALSE(fired);
  io.run();
  EXPECT_TRUE(fired);
}

TEST(AsioClock, AnEarlierTimerOvertakesTheOneThatIsSet) {
  IoContext io(1);
  AsioClock clock(io);
  clock.call_after(hours(5), [] { FAIL() << "too early"; });
  bool fired = false;
  clock.call_at(Steady{}, [&] {
    fired = true;
    io.stop();
  });
  io.run();
  EXPECT_TRUE(fired);
  EXPECT_EQ(clock.size(), 1u);
}

TEST(AsioClock, CancelForgetsOnceAndOnlyItsOwnTimer) {
  IoContext io(1);
  AsioClock clock(io);
  auto held = std::make_shared<int>();
  const TimerId first = clock.call_after(hours(1), [held] {});
  EXPECT_TRUE(clock.cancel(first));
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(clock.cancel(first));
  const TimerId second = clock.call_after(hours(1), [held] {});  // The same slot again.
  EXPECT_FALSE(clock.cancel(first));
  EXPECT_EQ(held.use_count(), 2);
  EXPECT_TRUE(clock.cancel(second));
  EXPECT_FALSE(clock.cancel(TimerId::None));
  EXPECT_FALSE(clock.cancel(TimerId{0xffffffffffffffff}));
}

TEST(AsioClock, ATimerMaySetAndCancelOthersWhileItFires) {
  IoContext io(1);
  AsioClock clock(io);
  std::string order;
  const Steady past{};
  TimerId doomed = TimerId::None;
  clock.call_at(past, [&] {
    order += 'a';
    EXPECT_TRUE(clock.cancel(doomed));
    clock.call_at(past, [&] { order += 'b'; });
  });
  doomed = clock.call_at(past + Duration(1), [&] { order += 'x'; });
  io.run();
  EXPECT_EQ(order, "ab");
}

TEST(AsioClock, ManyForgottenTimersDoNotPileUp) {
  IoContext io(1);
  AsioClock clock(io);
  const Steady later = clock.steady() + hours(1);
  for (int i = 0; i < 1'000'000; ++i) {
    const TimerId id = clock.call_at(later + Duration(i % 1000), [] {});
    ASSERT_TRUE(clock.cancel(id));
  }
  EXPECT_EQ(clock.size(), 0u);
  std::vector<TimerId> ids;
  int fired = 0;
  for (int i = 0; i < 10'000; ++i) {
    ids.push_back(clock.call_at(Steady(Duration(i * 7919 % 10'000)), [&] { ++fired; }));
  }
  for (int i = 0; i < 10'000; i += 2) ASSERT_TRUE(clock.cancel(ids[i]));
  io.run();
  EXPECT_EQ(fired, 5'000);
}

TEST(AsioClock, NeverIsNotAnOverflow) {
  IoContext io(1);
  AsioClock clock(io);
  clock.call_at(kNever, [] { FAIL(); });
  EXPECT_EQ(io.poll(), 0u);
}

TEST(AsioClock, CloseDropsWhatWaitsEvenWhenThatComesBack) {
  IoContext io(1);
  AsioClock clock(io);
  struct Canceller {
    Canceller(AsioClock& at, TimerId timer) : clock(at), other(timer) {}
    AsioClock& clock;
    TimerId other;
    ~Canceller() {
      EXPECT_FALSE(clock.cancel(other));
      EXPECT_EQ(clock.call_after(hours(1), [] {}), TimerId::None);
    }
  };
  const TimerId other = clock.call_after(hours(1), [] {});
  auto canceller = std::make_shared<Canceller>(clock, other);
  clock.call_after(hours(1), [c = std::move(canceller)] {});
  clock.close();
  EXPECT_EQ(clock.size(), 0u);
}

}  // namespace
}  // namespace ekiden::base
