// Goal: an operation that was begun is known after a restart, and what cannot be understood is
// refused. Method: a book whose file is a string.
#include "ekiden/control/operation_book.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/event_loop.hpp"
#include "ekiden/base/random.hpp"
#include "ekiden/base/task_group.hpp"
#include "ekiden/net/error.hpp"
#include "tests/support/fake_clock.hpp"

namespace ekiden::control {
namespace {

struct Desk {
  Desk() { EXPECT_TRUE(book.load(file())); }
  ~Desk() {
    loop.stop();
    loop.drop();
  }
  static std::string& file() {
    static std::string octets;
    return octets;
  }
  void settle() {
    while (loop.io().poll() > 0) {
    }
    loop.io().restart();
  }
  /// False: it could not be written.
  bool begin(QueueAction action, Filter filter) {
    BookedOperation booked;
    booked.operation = operations.begin(action_name(action), began);
    booked.action = action;
    booked.filter = std::move(filter);
    booked.argument = "a reason";
    booked.began = began;
    std::optional<bool> is_written;
    tasks.spawn(put(std::move(booked), &is_written));
    settle();
    return is_written.value_or(false);
  }
  base::Task<void> put(BookedOperation booked, std::optional<bool>* is_written) {
    const Result<void> written = co_await book.put(std::move(booked));
    *is_written = static_cast<bool>(written);
  }
  void save() {
    tasks.spawn(save_all());
    settle();
  }
  base::Task<void> save_all() { (void)co_await book.save(); }

  const base::Time began = base::from_unix_us(1'800'000'000'000'000);
  base::EventLoop loop;
  test::FakeClock clock;
  base::SeededRandom random{1};
  base::Worker worker{0, loop.io().get_executor(), loop.executor(), clock, random};
  base::TaskGroup tasks{worker};
  Operations operations;
  Error refusal;
  OperationBook book{operations, [this](std::string octets, base::Completion<Result<void>> done) {
                       if (!refusal) file() = std::move(octets);
                       done(refusal ? Result<void>(refusal) : Result<void>());
                     }};
};

struct OperationBookTest : testing::Test {
  void SetUp() override { Desk::file().clear(); }
};

TEST_F(OperationBookTest, WhatRunsGoesOnAfterARestartAsItWasMeant) {
  Filter filter;
  filter.domain = "*.example.org";
  filter.older_than = std::chrono::minutes(5);
  {
    Desk desk;
    ASSERT_TRUE(desk.begin(QueueAction::Bounce, filter));
    desk.operations.find(1)->expect(100);
    desk.operations.find(1)->matched(70);
    desk.operations.find(1)->done(60);
    desk.operations.find(1)->skipped(3);
    desk.operations.find(1)->looked_at(80);
    desk.save();
  }
  Desk desk;
  const std::vector<BookedOperation> running = desk.book.running();
  ASSERT_EQ(running.size(), 1u);
  EXPECT_EQ(running[0].action, QueueAction::Bounce);
  EXPECT_EQ(running[0].filter, filter);
  EXPECT_EQ(running[0].argument, "a reason");
  EXPECT_EQ(running[0].began, desk.began);
  EXPECT_EQ(desk.operations.find(1), running[0].operation);
  running[0].operation->look_again();
  const OperationView view = running[0].operation->view();
  EXPECT_EQ(view.state, OperationView::State::Running);
  EXPECT_EQ(view.done, 60u);
  EXPECT_EQ(view.matched, 63u) << "the others are met again";
  EXPECT_EQ(view.looked_at, 0u);
  EXPECT_EQ(desk.operations.begin("next", desk.began)->id(), 2u);
}

TEST_F(OperationBookTest, WhatHasEndedStaysSoAndTheNewestAreKept) {
  {
    Desk desk;
    for (std::size_t i = 0; i < OperationBook::kEndedMax + 20; ++i) {
      ASSERT_TRUE(desk.begin(QueueAction::Hold, {}));
      desk.operations.find(i + 1)->finish(desk.began);
    }
    desk.save();
  }
  Desk desk;
  EXPECT_TRUE(desk.book.running().empty());
  const std::vector<OperationView> all = desk.operations.list();
  ASSERT_EQ(all.size(), OperationBook::kEndedMax);
  EXPECT_EQ(all.front().id, OperationBook::kEndedMax + 20);
  EXPECT_EQ(all.front().state, OperationView::State::Done);
  EXPECT_EQ(all.front().ended, desk.began);
}

TEST_F(OperationBookTest, WhatCannotBeWrittenIsForgotten) {
  Desk desk;
  desk.refusal = net::Errc::Other;
  EXPECT_FALSE(desk.begin(QueueAction::Delete, {}));
  EXPECT_TRUE(desk.book.running().empty());
  desk.refusal = {};
  desk.save();
  Desk again;
  EXPECT_TRUE(again.operations.list().empty());
}

TEST_F(OperationBookTest, RefusesWhatItDoesNotUnderstand) {
  Operations operations;
  OperationBook book(operations, {});
  EXPECT_TRUE(book.load(""));
  const std::string good =
      R"({"operation":1,"what":"x","state":"running","action":"hold","filter":{},"began_us":1})";
  const auto list = [](const std::string& one) { return R"({"operations":[)" + one + "]}"; };
  const auto but = [&](const std::string& from, const std::string& to) {
    std::string changed = good;
    changed.replace(changed.find(from), from.size(), to);
    return list(changed);
  };
  for (const std::string& octets :
       {std::string("{"), std::string("[]"), std::string("{}"), list("1"), list("{}"),
        but("\"hold\"", "\"explode\""), but("running", "asleep"), but("\"operation\":1", "\"o\":1"),
        but(":1,\"what\"", ":-1,\"what\""), but("\"filter\":{}", "\"filter\":[]"),
        // Without its domain it would mean everything.
        but("\"filter\":{}", R"("filter":{"domian":"x"})"), but(",\"began_us\":1", "")})
    EXPECT_FALSE(book.load(octets)) << octets;
  EXPECT_TRUE(operations.list().empty()) << "nothing has changed";
  EXPECT_TRUE(book.load(list(good)));
}

}  // namespace
}  // namespace ekiden::control
