// Goal: what operators do loses no mail and doubles none that they deleted, whatever happens
// meanwhile.
// Method: a whole relay on simulated ground, two workers, receivers that defer most of the time; an
// operator holds, releases, retries, bounces, deletes, reroutes, suspends and resumes at instants
// that the seed chooses, across crashes. In the end everything is resumed and released, the
// receivers calm down, and every promise is compared with what came of it.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "ekiden/control/balance.hpp"
#include "ekiden/control/live_node.hpp"
#include "tests/simulation/peers.hpp"
#include "tests/simulation/simulated_relay.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

const net::Endpoint kRelay{boost::asio::ip::make_address("10.0.0.1"), 25};
const net::Endpoint kClient{boost::asio::ip::make_address("10.0.0.5"), 40000};
const net::Endpoint kReceiver{boost::asio::ip::make_address("20.0.0.1"), 25};
const net::Endpoint kSenders{boost::asio::ip::make_address("20.0.0.2"), 25};
const net::Endpoint kOther{boost::asio::ip::make_address("20.0.0.3"), 25};

std::shared_ptr<const config::Settings> settings() {
  auto settings = std::make_shared<config::Settings>();
  settings->node.hostname = "relay.example";
  settings->spool.disk_reserve = 4 << 20;
  config::Listener listener;
  listener.address = kRelay;
  listener.service = config::Service::Relay;
  listener.tls = config::ListenerTls::Off;
  listener.trusted_networks = {*net::parse_address_block("10.0.0.0/8")};
  settings->listener.push_back(listener);
  return settings;
}

void zones(test::FakeResolver& dns) {
  dns.mx("one.example", 10, "mx.one.example").a("mx.one.example", "20.0.0.1");
  dns.mx("two.example", 10, "mx.two.example").a("mx.two.example", "20.0.0.1");
  dns.mx("sender.example", 10, "mx.sender.example").a("mx.sender.example", "20.0.0.2");
}

/// The operator's end of one life of the relay.
struct Desk {
  Desk(World& world, SimulatedRelay& relay, std::string& file)
      : tasks(relay.worker(0)),
        node({relay.worker(0), relay.relay().neighbours(), relay.relay().spool(), relay.pool(),
              relay.metrics(),
              [&world, &file](std::string octets, base::Completion<Result<void>> done) {
                world.after(base::Duration(2000),
                            [&file, octets = std::move(octets), done = std::move(done)]() mutable {
                              file = std::move(octets);
                              done(Result<void>());
                            });
              },
              [](control::NodeStatus&) {}, [](base::Completion<control::Reloaded>) {}, [] {}}) {
    EXPECT_TRUE(node.restore_suspensions(file));
    node.start();
  }

  base::Task<void> act(control::QueueAction action, control::Filter filter, std::string argument) {
    const auto operation = co_await node.act(action, std::move(filter), std::move(argument));
    EXPECT_TRUE(operation) << operation.problem.message;
    if (operation) operations.push_back(*operation.value);
  }
  base::Task<void> suspend(control::SuspendScope scope) {
    const auto suspended = co_await node.suspend(std::move(scope), std::nullopt, "a test");
    EXPECT_TRUE(suspended) << suspended.problem.message;
  }
  base::Task<void> resume_all() {
    const std::vector<control::Suspension> all = co_await node.suspensions();
    for (const control::Suspension& suspension : all) {
      control::SuspendScope scope = suspension.scope;
      (void)co_await node.resume(std::move(scope));
    }
  }
  base::Task<void> look(std::map<std::pair<base::MessageId, std::uint32_t>, int>* seen) {
    std::string cursor;
    do {
      std::string at = cursor;
      control::Filter any;
      const auto page = co_await node.list(std::move(any), std::move(at), 3);
      EXPECT_TRUE(page);
      EXPECT_LE(page.value->items.size(), 3u);
      for (const auto& item : page.value->items) ++(*seen)[{item.message, item.index}];
      cursor = page.value->next;
    } while (!cursor.empty());
    control::Filter any;
    const control::QueueSummary summary =
        co_await node.summary(std::move(any), control::GroupBy::Domain);
    const control::NodeStatus status = co_await node.status();
    EXPECT_EQ(summary.counts.queued, status.queue.queued);
    for (const auto& [key, count] : *seen) {
      const auto why = co_await node.explain(key.first, key.second);
      EXPECT_TRUE(why) << why.problem.message;
      EXPECT_FALSE(why && why.value->front().reasons.empty());
      const auto view = co_await node.show(key.first);
      EXPECT_TRUE(view && !view.value->header.empty());
    }
  }

  base::TaskGroup tasks;
  std::vector<std::shared_ptr<control::Operation>> operations;
  control::LiveNode node;
};

class Operators : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Operators, LoseNothingAndDoubleNothingThatTheyDeleted) {
  World world(GetParam());
  SimulatedInternet internet(world);
  spool::testing::SimulatedDisk disk(world.random().next());
  MemorySink sink;
  std::vector<Receipt> received, reported;
  std::string file;  // of suspensions
  SimulatedRelay relay(world, internet, disk, sink, settings(), zones);
  std::string problem;
  ASSERT_TRUE(relay.start(problem)) << problem;

  struct Outside {
    Outside(World& world, SimulatedInternet& internet, std::vector<Receipt>& received,
            std::vector<Receipt>& reported)
        : worker(world, 0),
          receiver(internet, worker.worker(), kReceiver, "mx.example", received),
          other(internet, worker.worker(), kOther, "other.example", received),
          senders(internet, worker.worker(), kSenders, "mx.sender.example", reported),
          clients(worker.worker()) {
      receiver.temper = {.defers_recipient = 600, .defers_message = 300, .drops_in_data = 20};
      other.temper = {.defers_recipient = 400};
    }
    SimulatedWorker worker;
    Receiver receiver, other, senders;
    base::TaskGroup clients;
  };
  const auto pick = [&](auto... choices) {
    const std::string all[] = {choices...};
    return all[world.random().below(sizeof...(choices))];
  };
  const auto act_somehow = [&](Desk& desk) {
    control::Filter filter;
    switch (world.random().below(4)) {
      case 0:
        filter.domain = pick("one.example", "TWO.example", "*.example");
        break;
      case 1:
        filter.recipient = pick("user0@ONE.example", "user1@*", "user2@two.example");
        break;
      case 2:
        filter.reply = "try later";
        break;
      default:
        filter.sender = "sender" + std::to_string(1 + world.random().below(12)) + "@*";
        break;
    }
    const auto action = static_cast<control::QueueAction>(world.random().below(6));
    std::string argument;
    if (action == control::QueueAction::Reroute) argument = pick("20.0.0.3:25", "mx");
    desk.tasks.spawn(desk.act(action, std::move(filter), std::move(argument)));
  };
  const auto suspend_somehow = [&](Desk& desk) {
    control::SuspendScope scope;
    switch (world.random().below(4)) {
      case 0:
        scope = {control::SuspendScope::Kind::Domain, pick("one.example", "Two.example")};
        break;
      case 1:
        scope = {control::SuspendScope::Kind::Tenant, "default"};
        break;
      case 2:
        scope = {control::SuspendScope::Kind::Source, "default"};
        break;
      default:
        desk.tasks.spawn(desk.resume_all());
        return;
    }
    desk.tasks.spawn(desk.suspend(std::move(scope)));
  };

  std::vector<std::shared_ptr<Submission>> submissions;
  const unsigned crashes = static_cast<unsigned>(world.random().below(3));
  std::size_t number = 0;
  for (unsigned life = 0; life <= crashes; ++life) {
    std::optional<Outside> outside;
    outside.emplace(world, internet, received, reported);
    std::optional<Desk> desk;
    desk.emplace(world, relay, file);
    const std::size_t count = 2 + world.random().below(6);
    for (std::size_t i = 0; i < count; ++i) {
      auto submission = std::make_shared<Submission>();
      submission->token = "token-" + std::to_string(++number) + "-end";
      submission->reverse_path = "sender" + std::to_string(number) + "@sender.example";
      for (std::size_t k = 0, n = 1 + world.random().below(4); k < n; ++k)
        submission->recipients.push_back("user" + std::to_string(k) +
                                         pick("@one.example", "@two.example"));
      submissions.push_back(submission);
      const std::size_t octets = 100 + world.random().below(20'000);
      world.after(seconds(world.random().below(600)),
                  [&internet, &clients = outside->clients, submission, octets] {
                    clients.spawn(submit(internet, kClient, kRelay, submission, octets));
                  });
    }
    for (int i = 0; i < 12; ++i) {
      world.after(
          base::Duration(static_cast<std::int64_t>(world.random().below(3'600'000'000))),
          [&] { world.random().below(3) == 0 ? suspend_somehow(*desk) : act_somehow(*desk); });
    }
    if (life < crashes) {
      ASSERT_TRUE(world.run_for(
          base::Duration(static_cast<std::int64_t>(world.random().below(3'600'000'000)))));
      relay.crash(world.random().below(2) == 0 ? SimulatedRelay::Crash::PowerCut
                                               : SimulatedRelay::Crash::Kill);
      desk.reset();
      ASSERT_TRUE(relay.start(problem)) << problem;
      continue;
    }

    ASSERT_TRUE(world.run_for(hours(1)));
    std::map<std::pair<base::MessageId, std::uint32_t>, int> seen;
    desk->tasks.spawn(desk->suspend({control::SuspendScope::Kind::Tenant, "default"}));
    ASSERT_TRUE(world.run_for(minutes(10)));
    const std::uint64_t queued = relay.relay().spool().status().recipients;
    desk->tasks.spawn(desk->look(&seen));
    ASSERT_TRUE(world.run_for(minutes(1)));
    EXPECT_EQ(seen.size(), queued) << "pages show everybody";
    for (const auto& [key, times] : seen) EXPECT_EQ(times, 1) << "and once";

    outside->receiver.temper = outside->other.temper = {};
    desk->tasks.spawn(desk->resume_all());
    ASSERT_TRUE(world.run_for(minutes(1)));
    desk->tasks.spawn(desk->act(control::QueueAction::Release, {}, {}));
    ASSERT_TRUE(world.run_for(hours(24 * 6)));
    for (const auto& operation : desk->operations) {
      const control::OperationView view = operation->view();
      EXPECT_EQ(view.state, control::OperationView::State::Done) << view.what;
      EXPECT_EQ(view.matched, view.done + view.skipped) << view.what;
    }
    EXPECT_EQ(control::Balance(relay.metrics()).refresh(), 0);
    EXPECT_EQ(relay.relay().spool().status().recipients, 0u) << "everything has its disposition";
    desk->node.stop([] {});
  }

  // What the events say was deleted, and when. Rerouting makes a message anew, so a recipient is
  // named by the subject's token and its address.
  using Who = std::pair<std::string, std::string>;
  std::map<Who, base::Time> deleted;
  std::set<std::string> unreported;  // the operator deleted a report to them
  for (const events::Event& event : sink.events()) {
    const std::size_t at = event.subject.find("token-");
    if (event.kind == events::Kind::Cancelled && event.sender.empty())
      unreported.insert(event.recipient);
    if (event.kind != events::Kind::Cancelled || at == std::string::npos) continue;
    deleted.emplace(Who(event.subject.substr(at), event.recipient), event.time);
  }
  for (const auto& submission : submissions) {
    for (const std::string& recipient : submission->recipients) {
      if (!submission->is_accepted) continue;
      std::size_t copies = 0, reports = 0;
      base::Time last{};
      for (const Receipt& receipt : received) {
        if (receipt.octets.find(submission->token) == std::string::npos ||
            !std::count(receipt.recipients.begin(), receipt.recipients.end(), recipient))
          continue;
        ++copies;
        last = std::max(last, receipt.time);
      }
      for (const Receipt& receipt : reported)
        if (receipt.octets.find(submission->token) != std::string::npos &&
            receipt.octets.find("Final-Recipient: rfc822; " + recipient) != std::string::npos)
          ++reports;
      const auto gone = deleted.find({submission->token, recipient});
      if (gone == deleted.end()) {
        EXPECT_TRUE(copies + reports >= 1 || unreported.contains(submission->reverse_path))
            << submission->token << " to " << recipient << " is lost";
      } else {
        EXPECT_EQ(reports, 0u) << "deleted without a word";
        EXPECT_LE(last, gone->second) << submission->token << " came after it was deleted";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Operators, testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace ekiden::simulation
