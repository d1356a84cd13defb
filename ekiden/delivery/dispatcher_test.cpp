// Goal: what one worker's dispatcher holds in memory, opens and reads at a time.
// Method: a spool in memory, connections that keep what they take until they are told to deliver.
#include "ekiden/delivery/dispatcher.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "ekiden/base/event_loop.hpp"
#include "ekiden/base/random.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/fake_spool.hpp"

namespace ekiden::delivery {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Gives back what was put into it, and counts how many are asking.
class Store final : public test::FakeSpool {
 public:
  explicit Store(base::Executor& home) : FakeSpool(home), home_(home) {}

  std::map<base::MessageId, spool::Loaded> kept;
  std::size_t loading = 0, loading_most = 0;
  bool is_slow = false;  ///< what is asked for comes with `answer`

  void load(base::MessageId id, base::Completion<Result<spool::Loaded>> done) override {
    loading_most = std::max(loading_most, ++loading);
    base::Work work = [this, id, done = std::move(done)]() mutable {
      --loading;
      done(kept.at(id));
    };
    if (is_slow) {
      asked_.push_back(std::move(work));
    } else {
      home_.post(std::move(work));
    }
  }
  void load_meta(base::MessageId id, base::Completion<Result<std::string>> done) override {
    home_.post([this, id, done = std::move(done)]() mutable { done(kept.at(id).meta); });
  }
  void answer() {
    for (base::Work& work : std::exchange(asked_, {})) home_.post(std::move(work));
  }

 private:
  base::Executor& home_;
  std::vector<base::Work> asked_;
};

/// Every domain is one site, but for kPolicied, whose hosts are the same.
constexpr std::string_view kPolicied = "policied.example";
class OneHost final : public Routing {
 public:
  OneHost() : routed_(routed("mx.example")), policied_(routed("mx.example mta-sts=enforce")) {}
  std::shared_ptr<const Routed> route(std::string_view domain, std::string_view) override {
    return domain == kPolicied ? policied_ : routed_;
  }
  base::Task<MxPlanned> plan_mx(std::string, std::size_t) override { co_return MxPlanned{}; }

 private:
  static std::shared_ptr<const Routed> routed(const char* site) {
    auto plan = std::make_shared<Plan>();
    plan->site = site;
    plan->route = "mx.example";
    plan->hosts = "mx.example:25";
    plan->recipients_per_transaction_max = 1;
    auto routed = std::make_shared<Routed>();
    routed->kind = Routed::Kind::Direct;
    routed->plan = std::move(plan);
    return routed;
  }
  std::shared_ptr<const Routed> routed_, policied_;
};

struct Rig {
  explicit Rig(std::uint64_t budget_octets, DispatcherOptions options = {})
      : budget(budget_octets),
        dispatcher({worker, spool, spool, budget, routing, neighbours, metrics,
                    [this](std::shared_ptr<const Plan>, Feed& feed) { return connection(feed); }},
                   options, {.hostname = "relay.example"}) {}
  ~Rig() {
    dispatcher.drop_waiting();
    waiting.clear();
    loop.stop();
    loop.drop();
  }

  void settle() {
    while (loop.io().poll() > 0) {
    }
    loop.io().restart();
  }

  /// Found in the spool at start, for one recipient.
  void recover(std::size_t octets, base::Duration age = {},
               std::string_view domain = "example.org") {
    message::Meta meta;
    meta.envelope.reverse_path = "sender@sender.example";
    meta.envelope.recipients.push_back({.address = "someone@" + std::string(domain)});
    meta.details.received = clock.now() - age;
    meta.details.size = octets;
    const base::MessageId id{static_cast<std::uint64_t>(spool.kept.size() + 1), 1};
    spool::Loaded loaded;
    loaded.meta = message::encode_meta(meta);
    loaded.body.octets = base::Octets(std::string(octets, 'x'));
    loaded.body.size = octets;
    spool.kept[id] = loaded;
    Dispatcher::recover(neighbours, {id, 1, octets, spool.kept[id].meta, {}});
  }

  base::Task<ConnectionEnd> connection(Feed& feed) {
    open_most = std::max(open_most, ++open);
    for (;;) {
      std::optional<Job> job = co_await feed.next(clock.steady() + seconds(5));
      if (!job) break;
      in_hand += job->body.size;
      in_hand_most = std::max(in_hand_most, in_hand);
      auto begin = [this](base::Completion<bool> done) { waiting.push_back(std::move(done)); };
      (void)co_await base::suspend<bool>(std::move(begin));
      in_hand -= job->body.size;
      ++delivered;
      const std::string& address = job->meta->envelope.recipients.front().address;
      if (address.ends_with(kPolicied)) ++policied_delivered;
      JobResult result;
      result.id = job->id;
      RecipientResult recipient;
      recipient.outcome = Outcome::Delivered;
      result.recipients.push_back(std::move(recipient));
      job.reset();
      feed.finish(std::move(result));
    }
    --open;
    co_return ConnectionEnd{};
  }
  void deliver() {
    for (base::Completion<bool>& done : std::exchange(waiting, {})) done(true);
    settle();
    // Those who wait for room look for it now and then.
    clock.advance(milliseconds(20));
    settle();
  }

  base::EventLoop loop;
  test::FakeClock clock;
  base::SeededRandom random{1};
  base::Worker worker{0, loop.io().get_executor(), loop.executor(), clock, random};
  base::Metrics metrics;
  queue::MemoryBudget budget;
  Store spool{loop.executor()};
  OneHost routing;
  Neighbours neighbours{{&loop.executor()}};
  std::vector<base::Completion<bool>> waiting;  ///< connections with a message in hand
  std::size_t in_hand = 0, in_hand_most = 0;    ///< octets
  unsigned open = 0, open_most = 0, delivered = 0, policied_delivered = 0;
  Dispatcher dispatcher;
};

TEST(Dispatcher, ReadsBackNoMoreThanTheBudgetHolds) {
  Rig rig(2500);
  for (int i = 0; i < 20; ++i) rig.recover(1000);
  rig.dispatcher.start();
  rig.settle();
  EXPECT_GT(rig.open, 2u) << "connections stand by";
  EXPECT_EQ(rig.in_hand, 2000u);
  for (int i = 0; i < 100 && rig.delivered < 20; ++i) rig.deliver();
  EXPECT_EQ(rig.delivered, 20u);
  EXPECT_EQ(rig.in_hand_most, 2000u);
  EXPECT_EQ(rig.budget.used(), 0u);
}

TEST(Dispatcher, ReadsAMessageThatIsLargerThanTheBudgetAlone) {
  Rig rig(2000);
  for (const std::size_t octets : {1000, 5000, 1000, 5000, 1000}) rig.recover(octets);
  rig.dispatcher.start();
  rig.settle();
  for (int i = 0; i < 100 && rig.delivered < 5; ++i) rig.deliver();
  EXPECT_EQ(rig.delivered, 5u);
  EXPECT_EQ(rig.in_hand_most, 5000u);
  EXPECT_EQ(rig.budget.used(), 0u);
}

TEST(Dispatcher, KeepsNobodyWaitingForRoomWhenItStops) {
  Rig rig(1000);
  for (int i = 0; i < 5; ++i) rig.recover(1000);
  rig.dispatcher.start();
  rig.settle();
  ASSERT_EQ(rig.in_hand, 1000u);
  bool is_stopped = false;
  rig.dispatcher.stop([&is_stopped] { is_stopped = true; });
  rig.settle();
  EXPECT_FALSE(is_stopped) << "one message is on its way";
  rig.deliver();
  EXPECT_TRUE(is_stopped);
  EXPECT_EQ(rig.delivered, 1u) << "the others are found again at the next start";
}

TEST(Dispatcher, AReloadsLimitsHoldForSitesThatAreKnown) {
  DispatcherOptions options;
  options.connections_per_site_max = 1;
  Rig rig(1 << 20, options);
  for (int i = 0; i < 20; ++i) rig.recover(10);
  rig.dispatcher.start();
  rig.settle();
  EXPECT_EQ(rig.open, 1u);
  options.connections_per_site_max = 3;
  rig.dispatcher.set_options(options, {.hostname = "relay.example"});
  rig.dispatcher.forget_routes();
  rig.deliver();
  EXPECT_EQ(rig.open, 3u);
  for (int i = 0; i < 100 && rig.delivered < 20; ++i) rig.deliver();
  EXPECT_EQ(rig.open_most, 3u);
}

TEST(Dispatcher, SitesOfTheSameHostsShareTheirConnections) {
  DispatcherOptions options;
  options.connections_per_site_max = 3;
  Rig rig(1 << 20, options);
  for (int i = 0; i < 100; ++i) rig.recover(10);
  for (int i = 0; i < 30; ++i) rig.recover(10, {}, kPolicied);
  rig.dispatcher.start();
  rig.settle();
  EXPECT_EQ(rig.open, 3u);
  for (int i = 0; i < 5; ++i) rig.deliver();
  EXPECT_GT(rig.policied_delivered, 0u) << "who has no connection gets one at once";
  EXPECT_LT(rig.policied_delivered, rig.delivered);
  for (int i = 0; i < 200 && rig.delivered < 130; ++i) rig.deliver();
  EXPECT_EQ(rig.delivered, 130u);
  EXPECT_EQ(rig.open_most, 3u);
}

TEST(Dispatcher, AnIdleConnectionEndsForAnotherSiteOfItsHosts) {
  DispatcherOptions options;
  options.connections_per_site_max = 1;
  Rig rig(1 << 20, options);
  rig.recover(10);
  rig.dispatcher.start();
  rig.settle();
  rig.deliver();
  ASSERT_EQ(rig.open, 1u) << "it waits for more";
  rig.recover(10, {}, kPolicied);
  rig.dispatcher.start();
  rig.settle();
  rig.deliver();
  EXPECT_EQ(rig.policied_delivered, 1u);
  EXPECT_EQ(rig.open_most, 1u);
}

TEST(Dispatcher, AReloadThatAllowsMoreFreesThoseThatWait) {
  DispatcherOptions options;
  options.connections_per_site_max = 1;
  Rig rig(1 << 20, options);
  for (int i = 0; i < 20; ++i) rig.recover(10);
  for (int i = 0; i < 20; ++i) rig.recover(10, {}, kPolicied);
  rig.dispatcher.start();
  rig.settle();
  ASSERT_EQ(rig.open, 1u);
  options.connections_per_site_max = 2;
  rig.dispatcher.set_options(options, {.hostname = "relay.example"});
  rig.settle();
  EXPECT_EQ(rig.open, 2u);
}

/// Reports under way at once, while the disk is slow, about `expired` messages of so many octets.
std::size_t reports_at_once(std::size_t expired, std::uint64_t octets) {
  DispatcherOptions options;
  options.connections_per_site_max = 1;
  Rig rig(64 << 20, options);
  rig.spool.is_slow = true;
  for (std::size_t i = 0; i < expired; ++i) rig.recover(octets, hours(24 * 30));
  rig.dispatcher.start();
  rig.settle();
  for (int i = 0; i < 100 && rig.spool.messages.size() < expired - 1; ++i) {
    rig.spool.answer();
    rig.settle();
    rig.clock.advance(seconds(1));
    rig.settle();
  }
  EXPECT_EQ(rig.spool.messages.size(), expired - 1) << "everybody is told, but the one in hand";
  return rig.spool.loading_most;
}

TEST(Dispatcher, MakesSoManyReportsAtATimeAndFewOfLargeMessages) {
  EXPECT_LE(reports_at_once(300, 1000), 129u) << "each one that is made lies in memory";
  EXPECT_LE(reports_at_once(60, 1 << 20), 17u) << "16 MiB";
}

}  // namespace
}  // namespace ekiden::delivery
