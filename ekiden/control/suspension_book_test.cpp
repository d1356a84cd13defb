#include "ekiden/control/suspension_book.hpp"

#include <gtest/gtest.h>

#include "ekiden/base/task_group.hpp"
#include "ekiden/control/balance.hpp"
#include "ekiden/control/queue_walk.hpp"
#include "ekiden/net/error.hpp"
#include "ekiden/net/test_loop.hpp"

namespace ekiden::control {
namespace {

class SuspensionBookTest : public testing::Test {
 protected:
  net::TestLoop loop;
  base::TaskGroup tasks{loop.worker()};
  std::string file;
  std::vector<std::pair<std::string, base::Completion<Result<void>>>> writes;
  std::vector<Result<void>> results;
  SuspensionBook book{[this](std::string octets, base::Completion<Result<void>> done) {
    writes.emplace_back(std::move(octets), std::move(done));
  }};

  base::Task<void> put_one(Suspension suspension) {
    results.push_back(co_await book.put(std::move(suspension)));
  }
  base::Task<void> remove_one(SuspendScope scope) {
    results.push_back(co_await book.remove(std::move(scope)));
  }
  void put(std::string domain, std::optional<base::Time> until = {}) {
    tasks.spawn(put_one({{SuspendScope::Kind::Domain, std::move(domain)}, {}, until, "a reason"}));
    loop.settle();
  }
  void remove(std::string domain) {
    tasks.spawn(remove_one({SuspendScope::Kind::Domain, std::move(domain)}));
    loop.settle();
  }
  /// Lets the oldest write end.
  void finish(Result<void> result = {}) {
    auto [octets, done] = std::move(writes.front());
    writes.erase(writes.begin());
    if (result) file = std::move(octets);
    done(result);
    loop.settle();
  }
  bool has(const SuspensionBook& in, std::string_view domain) {
    return in.find(SuspendScope::Kind::Domain, domain) != nullptr;
  }
};

TEST_F(SuspensionBookTest, IsReadBackAsItWasWritten) {
  const base::Time until = base::Time(std::chrono::seconds(1'900'000'000));
  put("a.example", until);
  finish();
  put("b.example");
  finish();
  SuspensionBook again({});
  ASSERT_TRUE(again.load(file));
  ASSERT_EQ(again.all().size(), 2u);
  EXPECT_EQ(again.next_end(), until);
  EXPECT_EQ(again.all()[1].reason, "a reason");
  EXPECT_TRUE(has(again, "b.example"));
  EXPECT_FALSE(again.all()[1].until);
}

TEST_F(SuspensionBookTest, OneWriteAtATimeAndTheLastIsTheNewest) {
  put("a.example");
  put("b.example");
  remove("a.example");
  ASSERT_EQ(writes.size(), 1u);
  finish();
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(results.size(), 1u);
  finish();
  EXPECT_EQ(results.size(), 3u);
  SuspensionBook again({});
  ASSERT_TRUE(again.load(file));
  EXPECT_FALSE(has(again, "a.example"));
  EXPECT_TRUE(has(again, "b.example"));
}

TEST_F(SuspensionBookTest, WhatCannotBeWrittenHasNotHappened) {
  put("a.example");
  finish();
  put("b.example");
  finish(net::Errc::Other);
  EXPECT_FALSE(results.back());
  EXPECT_FALSE(has(book, "b.example"));
  remove("a.example");
  finish(net::Errc::Other);
  EXPECT_TRUE(has(book, "a.example"));
  EXPECT_EQ(book.all().size(), 1u);
}

TEST(SuspensionBook, RefusesWhatItDoesNotUnderstand) {
  SuspensionBook book({});
  EXPECT_TRUE(book.load(""));
  for (const char* octets : {"{", "[]", "{}", "{\"suspensions\":1}", "{\"suspensions\":[1]}",
                             "{\"suspensions\":[{\"kind\":\"planet\",\"name\":\"x\"}]}",
                             "{\"suspensions\":[{\"kind\":\"site\",\"name\":\"\"}]}"})
    EXPECT_FALSE(book.load(octets)) << octets;
}

TEST(Position, IsReadBackAndNothingElseIs) {
  const auto position = parse_position(format_position({3, 70'000}));
  ASSERT_TRUE(position);
  EXPECT_EQ(position->worker, 3u);
  EXPECT_EQ(position->slot, 70'000u);
  for (const char* text :
       {"", "1", ".", "1.", ".1", "1.x", "1.2.3", "-1.2", "70000.1", "1.99999999999999999999"})
    EXPECT_FALSE(parse_position(text)) << text;
}

TEST(Sieve, AWholeAddressIsFoundByRuleAndAPatternByText) {
  Filter whole;
  whole.recipient = "user@EXAMPLE.org";
  EXPECT_TRUE(Sieve(whole, {}).means_addresses("", "user@example.ORG"));
  EXPECT_FALSE(Sieve(whole, {}).means_addresses("", "USER@example.org"));
  Filter pattern;
  pattern.recipient = "USER@*";
  pattern.reply = "Blocked";
  EXPECT_TRUE(Sieve(pattern, {}).means_addresses("", "user@example.org"));
  EXPECT_TRUE(Sieve(pattern, {}).means_reply("450 4.2.1 blocked here"));
  EXPECT_FALSE(Sieve(pattern, {}).means_reply("450 4.2.1 later"));
  EXPECT_TRUE(Sieve(pattern, {}).needs_meta());
  EXPECT_TRUE(Sieve(pattern, {}).needs_reply());
  EXPECT_FALSE(Sieve({}, {}).needs_meta());
}

TEST(Balance, IsZeroWhileWhatCameIsWhatWentOrWaits) {
  base::Metrics metrics;
  Balance balance(metrics);
  metrics.counter("ekiden_inbound_recipients_total", "").add(5);
  metrics.counter("ekiden_recipients_recovered_total", "").add(2);
  metrics.counter("ekiden_recipients_generated_total", "").add(1);
  metrics.counter("ekiden_recipients_delivered_total", "").add(4);
  metrics.counter("ekiden_recipients_bounced_total", "").add(1);
  metrics.gauge("ekiden_recipients_queued", "", {{"worker", "0"}}).set(1);
  EXPECT_EQ(balance.refresh(), 2);
  metrics.gauge("ekiden_recipients_queued", "", {{"worker", "1"}}).set(2);
  EXPECT_EQ(balance.refresh(), 0);
  // One goes into quarantine, and an operator deletes it there.
  metrics.gauge("ekiden_recipients_queued", "", {{"worker", "1"}}).set(1);
  metrics.counter("ekiden_recipients_quarantined_total", "").add(1);
  EXPECT_EQ(balance.refresh(), 0);
  metrics.counter("ekiden_recipients_unquarantined_total", "").add(1);
  metrics.counter("ekiden_recipients_cancelled_total", "").add(1);
  EXPECT_EQ(balance.refresh(), 0);
}

}  // namespace
}  // namespace ekiden::control
