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
#include "tests/simulation/clients.hpp"
#include "tests/simulation/desk.hpp"
#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

void write_zones(test::FakeResolver& dns) {
  dns.mx("one.example", 10, "mx.one.example").a("mx.one.example", "20.0.0.1");
  dns.mx("two.example", 10, "mx.two.example").a("mx.two.example", "20.0.0.1");
  dns.mx("sender.example", 10, "mx.sender.example").a("mx.sender.example", "20.0.0.2");
}

class Operators : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Operators, LoseNothingAndDoubleNothingThatTheyDeleted) {
  World world(GetParam());
  SimulatedInternet internet(world);
  spool::testing::SimulatedDisk disk(world.random().next());
  MemorySink sink(world);
  Names names(world);
  write_zones(names.script);
  Site at_receiver{.name = "mx.example"}, at_other{.name = "other.example"};
  Site at_senders{.name = "mx.sender.example"};
  DeskFiles file;
  const config::Settings settings = plain_settings();
  SimulatedRelay relay({world, internet, disk, sink, names});
  std::string problem;
  ASSERT_TRUE(relay.start(settings, problem)) << problem;

  struct Outside {
    Outside(World& world, SimulatedInternet& internet, Site& one, Site& two, Site& three)
        : worker(world, 0),
          receiver(internet, worker.worker(), kReceiver, one),
          other(internet, worker.worker(), kOther, two),
          senders(internet, worker.worker(), kSenders, three),
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
    desk.act(action, std::move(filter), std::move(argument));
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
        desk.resume_all();
        return;
    }
    desk.suspend(std::move(scope));
  };

  std::vector<std::shared_ptr<Submission>> submissions;
  const unsigned crashes = static_cast<unsigned>(world.random().below(3));
  std::size_t number = 0;
  for (unsigned life = 0; life <= crashes; ++life) {
    std::optional<Outside> outside;
    outside.emplace(world, internet, at_receiver, at_other, at_senders);
    std::optional<Desk> desk;
    desk.emplace(world, relay, file);
    const std::size_t count = 2 + world.random().below(6);
    for (std::size_t i = 0; i < count; ++i) {
      auto submission = std::make_shared<Submission>();
      submission->token = "token-" + std::to_string(++number) + "-end";
      submission->reverse_path = "sender" + std::to_string(number) + "@sender.example";
      for (std::size_t k = 0, n = 1 + world.random().below(4); k < n; ++k)
        submission->wanted.push_back("user" + std::to_string(k) +
                                     pick("@one.example", "@two.example"));
      submissions.push_back(submission);
      const std::size_t octets = 100 + world.random().below(20'000);
      world.after(seconds(world.random().below(600)),
                  [&world, &internet, &clients = outside->clients, submission, octets] {
                    submission->body = make_body(world, submission->token, octets);
                    clients.spawn(hand_over(internet, kClient, kRelay, {submission}, {}, [] {}));
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
      ASSERT_TRUE(relay.start(settings, problem)) << problem;
      continue;
    }

    ASSERT_TRUE(world.run_for(hours(1)));
    std::map<std::pair<base::MessageId, std::uint32_t>, int> seen;
    desk->suspend({control::SuspendScope::Kind::Tenant, "default"});
    ASSERT_TRUE(world.run_for(minutes(10)));
    const std::uint64_t queued = relay.relay().spool().status().recipients;
    desk->look(&seen);
    ASSERT_TRUE(world.run_for(minutes(1)));
    EXPECT_EQ(seen.size(), queued) << "pages show everybody";
    for (const auto& [key, times] : seen) EXPECT_EQ(times, 1) << "and once";

    outside->receiver.temper = outside->other.temper = {};
    desk->resume_all();
    ASSERT_TRUE(world.run_for(minutes(1)));
    desk->release_all();
    ASSERT_TRUE(world.run_for(hours(24 * 6)));
    for (const auto& operation : desk->operations()) {
      const control::OperationView view = operation->view();
      EXPECT_EQ(view.state, control::OperationView::State::Done) << view.what;
      EXPECT_EQ(view.matched, view.done + view.skipped) << view.what;
    }
    EXPECT_EQ(control::Balance(relay.metrics()).refresh(), 0);
    EXPECT_EQ(relay.relay().spool().status().recipients, 0u) << "everything has its disposition";
    for (const std::string& what : desk->problems()) ADD_FAILURE() << what;
    desk->stop();
  }

  // What the events say was deleted, and when. Rerouting makes a message anew, so a recipient is
  // named by the subject's token and its address.
  using Who = std::pair<std::string, std::string>;
  std::map<Who, base::Time> deleted;
  std::set<std::string> unreported;  // the operator deleted or bounced a report to them
  for (const MemorySink::Kept& kept : sink.events()) {
    const events::Event& event = kept.event;
    const std::size_t at = event.subject.find("token-");
    const bool is_ended =
        event.kind == events::Kind::Cancelled || event.kind == events::Kind::Bounced;
    if (is_ended && event.sender.empty()) unreported.insert(event.recipient);
    if (event.kind != events::Kind::Cancelled || at == std::string::npos) continue;
    deleted.emplace(Who(event.subject.substr(at), event.recipient), event.time);
  }
  for (const auto& submission : submissions) {
    for (const std::string& recipient : submission->recipients) {
      if (!submission->is_accepted) continue;
      std::size_t copies = 0, reports = 0;
      base::Time last{};
      std::vector<Receipt> received = at_receiver.receipts;
      received.insert(received.end(), at_other.receipts.begin(), at_other.receipts.end());
      for (const Receipt& receipt : received) {
        if (receipt.octets.find(submission->token) == std::string::npos ||
            !std::count(receipt.recipients.begin(), receipt.recipients.end(), recipient))
          continue;
        ++copies;
        last = std::max(last, receipt.time);
      }
      // An operator may have sent the report elsewhere, too.
      received.insert(received.end(), at_senders.receipts.begin(), at_senders.receipts.end());
      for (const Receipt& receipt : received)
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

/// One relay, a receiver and a sender, nothing drawn by lot.
struct Quiet {
  Quiet()
      : world(1),
        internet(world),
        disk(1),
        sink(world),
        names(world),
        relay({world, internet, disk, sink, names}),
        outside(world, 0),
        receiver(internet, outside.worker(), kReceiver, at_receiver),
        clients(outside.worker()) {
    write_zones(names.script);
  }
  ~Quiet() {
    if (relay.is_running()) relay.crash(SimulatedRelay::Crash::Kill);
  }
  std::shared_ptr<Submission> submit(std::size_t octets) {
    auto mail = std::make_shared<Submission>();
    mail->token = "token-1-end";
    mail->reverse_path = "sender1@sender.example";
    mail->wanted = {"user0@one.example"};
    mail->body = make_body(world, mail->token, octets);
    // Once the relay listens.
    world.after(seconds(1), [this, mail] {
      clients.spawn(hand_over(internet, kClient, kRelay, {mail}, {}, [] {}));
    });
    return mail;
  }

  World world;
  SimulatedInternet internet;
  spool::testing::SimulatedDisk disk;
  MemorySink sink;
  Names names;
  Site at_receiver{.name = "mx.example"};
  SimulatedRelay relay;
  SimulatedWorker outside;
  Receiver receiver;
  base::TaskGroup clients;
};

TEST(Operator, MeansWhatCameBeforeTheClockWasSetBack) {
  Quiet quiet;
  std::string problem;
  DeskFiles file;
  ASSERT_TRUE(quiet.relay.start(plain_settings(), problem)) << problem;
  quiet.receiver.temper.is_down = true;
  const auto mail = quiet.submit(100);
  ASSERT_TRUE(quiet.world.run_for(minutes(1)));
  ASSERT_TRUE(mail->is_accepted);
  ASSERT_EQ(quiet.relay.relay().spool().status().recipients, 1u);
  quiet.world.jump_wall_clock(-hours(24));
  std::optional<Desk> desk;
  desk.emplace(quiet.world, quiet.relay, file);
  desk->act(control::QueueAction::Delete, {}, {});
  ASSERT_TRUE(quiet.world.run_for(minutes(1)));
  EXPECT_EQ(quiet.relay.relay().spool().status().recipients, 0u)
      << "a message from tomorrow came before the operation";
  desk->stop();
}

/// With one message queued, for as long as `wait` says.
std::optional<base::MessageId> queued(Quiet& quiet, std::optional<Desk>& desk, DeskFiles& files,
                                      base::Duration wait) {
  std::string problem;
  if (!quiet.relay.start(plain_settings(), problem)) return std::nullopt;
  quiet.receiver.temper.is_down = true;
  const auto mail = quiet.submit(100);
  std::map<std::pair<base::MessageId, std::uint32_t>, int> seen;
  desk.emplace(quiet.world, quiet.relay, files);
  if (!quiet.world.run_for(wait)) return std::nullopt;
  desk->look(&seen);
  if (!quiet.world.run_for(seconds(1)) || seen.size() != 1) return std::nullopt;
  return seen.begin()->first.first;
}

std::uint64_t recipients(Quiet& quiet) {
  return quiet.relay.relay().spool().status().recipients;
}

TEST(Operator, MeansWhatCameAnInstantAgoByAClockThatWasSetBack) {
  // The operation begins before the time at which the message came, by the clock, and passes it
  // while it writes itself down.
  for (const base::Duration ahead :
       {base::Duration(0), base::Duration(500), base::Duration(1000)}) {
    Quiet quiet;
    DeskFiles files;
    std::optional<Desk> desk;
    const auto id = queued(quiet, desk, files, minutes(1));
    ASSERT_TRUE(id);
    quiet.world.jump_wall_clock(id->time() - ahead - quiet.world.now());
    desk->act(control::QueueAction::Delete, {}, {});
    ASSERT_TRUE(quiet.world.run_for(minutes(1)));
    EXPECT_EQ(recipients(quiet), 0u) << base::format_duration(ahead);
    desk->stop();
  }
}

TEST(Operator, KnowsAgesHoweverTheClockIsSetBack) {
  for (const bool is_old : {true, false}) {
    Quiet quiet;
    DeskFiles files;
    std::optional<Desk> desk;
    ASSERT_TRUE(queued(quiet, desk, files, is_old ? minutes(90) : minutes(30)));
    quiet.world.jump_wall_clock(-hours(2));
    ASSERT_TRUE(quiet.world.run_for(minutes(1)));
    control::Filter filter;
    filter.older_than = hours(1);
    desk->act(control::QueueAction::Delete, filter, {});
    ASSERT_TRUE(quiet.world.run_for(minutes(1)));
    EXPECT_EQ(recipients(quiet), is_old ? 0u : 1u);
    desk->stop();
  }
}

TEST(SimulatedRelay, KeepsItsSegmentsAsSmallAsAsked) {
  Quiet quiet;
  SimulatedRelay small(
      {quiet.world, quiet.internet, quiet.disk, quiet.sink, quiet.names, 1, 128 << 10});
  std::string problem;
  ASSERT_TRUE(small.start(plain_settings(), problem)) << problem;
  quiet.receiver.temper.is_down = true;
  const auto mail = quiet.submit(20'000);
  ASSERT_TRUE(quiet.world.run_for(minutes(1)));
  ASSERT_TRUE(mail->is_accepted);
  std::size_t segments = 0;
  for (const std::string& name : *quiet.disk.list("journal")) {
    EXPECT_LE(quiet.disk.contents("journal/" + name).size(), 128u << 10) << name;
    ++segments;
  }
  EXPECT_GT(segments, 0u);
  small.crash(SimulatedRelay::Crash::Kill);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Operators, testing::Range<std::uint64_t>(1, 41));

}  // namespace
}  // namespace ekiden::simulation
