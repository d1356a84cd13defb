// What an operator may do about what could not be read, and what is told of it.
#include "ekiden/control/quarantine_desk.hpp"

#include <gtest/gtest.h>

#include "ekiden/control/arguments.hpp"
#include "ekiden/events/event.hpp"
#include "ekiden/net/test_loop.hpp"
#include "ekiden/spool/journal.hpp"
#include "ekiden/spool/testing/rig.hpp"

namespace ekiden::control {
namespace {

using spool::testing::id_of;

class Desk : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(journal_.recover([](const spool::Recovered&) {}));
  }
  void TearDown() override {
    journal_.close([] {});
    loop_.settle();
  }

  /// A message for three, the second of whom had it before.
  spool::Quarantined item() {
    message::Meta meta;
    meta.envelope.reverse_path = "s@client.test";
    for (const char* address : {"one@x.test", "two@x.test", "three@x.test"})
      meta.envelope.recipients.push_back({address, {}, message::kNotifyDefault});
    meta.details.tenant = "shop";
    spool::Quarantined item;
    item.name = "a.msg";
    item.id = id_of(5);
    item.recipients = 3;
    item.settled = {1};
    item.reason = "checksum differs";
    item.meta = message::encode_meta(meta);
    item.octets = "Subject: x\r\n\r\nhello\r\n";
    return item;
  }
  void keep(const spool::Quarantined& item) { ASSERT_TRUE(keep_quarantined(disk_, item)); }

  template <class T>
  T run(base::Task<T> task) {
    std::optional<T> result;
    loop_.spawn(into(std::move(task), result));
    for (int i = 0; i < 50 && !result; ++i) {
      loop_.settle();
      loop_.clock().advance(std::chrono::milliseconds(20));
    }
    return std::move(*result);
  }
  template <class T>
  static base::Task<void> into(base::Task<T> task, std::optional<T>& result) {
    T value = co_await std::move(task);
    result.emplace(std::move(value));
  }

  std::vector<events::Event> events() {
    std::vector<events::Event> all;
    const auto batch = journal_.next_events(100);
    for (const std::string& octets : batch->events) all.push_back(*events::decode_event(octets));
    return all;
  }
  std::uint64_t counted(const char* name) { return metrics_.counter(name, "").value(); }

  net::TestLoop loop_;
  spool::testing::SimulatedDisk disk_{5};
  base::SeededRandom random_{7};
  base::Metrics metrics_;
  spool::Journal journal_{spool::testing::small_options(), disk_,
                          loop_.loop().executor(),         loop_.clock(),
                          loop_.loop().executor(),         random_};
  std::vector<queue::Accepted> queued_;
  QuarantineDesk desk_{{journal_.quarantine(), loop_.loop().executor(), loop_.loop().executor(),
                        loop_.clock(), random_, metrics_, [this](queue::Accepted message) {
                          queued_.push_back(std::move(message));
                        }}};
};

TEST_F(Desk, ReleasesForThoseWhoHadNoEndAndTellsBothMessages) {
  keep(item());
  const auto decision = run(desk_.release("a.msg"));
  ASSERT_TRUE(decision) << decision.problem.message;
  EXPECT_EQ(decision.value->recipients, 2u);
  ASSERT_EQ(queued_.size(), 1u);
  const message::Meta& meta = *queued_[0].meta;
  ASSERT_EQ(meta.envelope.recipients.size(), 2u);
  EXPECT_EQ(meta.envelope.recipients[1].address, "three@x.test");
  EXPECT_NE(meta.details.send_at, base::Time{}) << "its deadline begins anew";
  EXPECT_EQ(queued_[0].body.octets.view(), item().octets);
  EXPECT_EQ(queued_[0].id, *decision.value->as);
  const std::vector<events::Event> told = events();
  ASSERT_EQ(told.size(), 4u);
  EXPECT_EQ(told[0].kind, events::Kind::Released);
  EXPECT_EQ(told[0].message, id_of(5));
  EXPECT_EQ(events::successor_of(told[0]), decision.value->as);
  EXPECT_EQ(told[1].recipient_index, 2u);
  EXPECT_EQ(told[3].kind, events::Kind::Accepted);
  EXPECT_EQ(told[3].message, *decision.value->as);
  EXPECT_EQ(told[3].recipient, "three@x.test");
  EXPECT_EQ(counted("ekiden_recipients_unquarantined_total"), 2u);
  EXPECT_EQ(counted("ekiden_recipients_cancelled_total"), 0u);
  EXPECT_EQ(run(desk_.show("a.msg")).problem.code, "not_found");
}

TEST_F(Desk, DeletesAndTellsWhoIsCancelled) {
  keep(item());
  const auto decision = run(desk_.remove("a.msg", "no use"));
  ASSERT_TRUE(decision) << decision.problem.message;
  const std::vector<events::Event> told = events();
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].kind, events::Kind::Cancelled);
  EXPECT_EQ(told[0].recipient, "one@x.test");
  EXPECT_NE(told[0].detail.find("no use"), std::string::npos);
  EXPECT_EQ(counted("ekiden_recipients_unquarantined_total"), 2u);
  EXPECT_EQ(counted("ekiden_recipients_cancelled_total"), 2u);
  EXPECT_TRUE(queued_.empty());
}

TEST_F(Desk, RefusesToReleaseWhatNobodyCouldBeSentBy) {
  spool::Quarantined damaged = item();
  damaged.meta = {};
  keep(damaged);
  EXPECT_EQ(run(desk_.release("a.msg")).problem.code, "refused");
  EXPECT_EQ(run(desk_.show("a.msg")).value->lost, 2u);
  damaged.meta = "nonsense";
  keep(damaged);
  EXPECT_EQ(run(desk_.release("a.msg")).problem.code, "refused");
  spool::Quarantined fewer = item();
  fewer.recipients = 2;
  keep(fewer);
  EXPECT_EQ(run(desk_.release("a.msg")).problem.code, "refused") << "its parts do not agree";
  spool::Quarantined over = item();
  over.settled = {0, 1, 2};
  keep(over);
  EXPECT_EQ(run(desk_.release("a.msg")).problem.code, "refused");
  spool::Quarantined bodiless = item();
  bodiless.file = "large/0000000000000001-5-00000000.body";
  keep(bodiless);
  EXPECT_EQ(run(desk_.release("a.msg")).problem.code, "refused");
  EXPECT_EQ(run(desk_.release("nobody")).problem.code, "not_found");
  EXPECT_EQ(run(desk_.release("../lock")).problem.code, "not_found");
  EXPECT_TRUE(queued_.empty());
  EXPECT_EQ(counted("ekiden_recipients_unquarantined_total"), 0u);
}

TEST_F(Desk, DeletesAMessageWhoseEnvelopeIsLostByNumbers) {
  spool::Quarantined damaged = item();
  damaged.meta = {};
  keep(damaged);
  ASSERT_TRUE(run(desk_.remove("a.msg", "")));
  EXPECT_EQ(events().size(), 2u);
  EXPECT_EQ(counted("ekiden_recipients_cancelled_total"), 2u);
}

TEST_F(Desk, ListsInPagesByName) {
  for (const char* name : {"c.msg", "a.msg", "b.msg"}) {
    spool::Quarantined one = item();
    one.name = name;
    keep(one);
  }
  EXPECT_EQ(run(desk_.list("", 2)).value->back().name, "b.msg");
  const auto rest = run(desk_.list("b.msg", 2));
  ASSERT_EQ(rest.value->size(), 1u);
  EXPECT_EQ(rest.value->front().recipients,
            (std::vector<std::string>{"one@x.test", "three@x.test"}));
}

TEST(Arguments, TakesWholeNumbersWhateverTheirType) {
  const boost::json::object object{{"a", std::uint64_t{5}}, {"b", 7}, {"c", -1}, {"d", "9"}};
  Arguments arguments(object);
  EXPECT_EQ(arguments.number("a"), 5u);
  EXPECT_EQ(arguments.number("b"), 7u);
  EXPECT_FALSE(arguments.number("none"));
  EXPECT_TRUE(arguments.ok());
  EXPECT_FALSE(arguments.number("c"));
  EXPECT_EQ(arguments.problem().message, "\"c\" takes a whole number");
  EXPECT_FALSE(Arguments(object).number("d"));
}

}  // namespace
}  // namespace ekiden::control
