// Goal: what is asked of a next hop, what its answers come to, and how long they are remembered.
// Method: servers in memory that follow a script, a clock moved by hand.
#include "ekiden/delivery/recipient_probe.hpp"

#include <gtest/gtest.h>

#include "tests/support/delivery_rig.hpp"

namespace ekiden::delivery {
namespace {

/// Sends every domain to the rig's plan.
class OnePlan final : public Routing {
 public:
  std::shared_ptr<const Routed> route(std::string_view, std::string_view) override {
    return routed;
  }
  base::Task<MxPlanned> plan_mx(std::string, std::size_t) override {
    MxPlanned planned;
    planned.plan = mx;
    co_return planned;
  }
  std::shared_ptr<Routed> routed = std::make_shared<Routed>();
  std::shared_ptr<const Plan> mx;
};

struct Asker {
  Rig rig;
  OnePlan routing;
  ProbeMemory memory;
  RecipientProbe probe{rig.context, routing, memory};
  std::vector<ProbeAnswer> answers;

  Asker() {
    routing.routed->kind = Routed::Kind::Direct;
    routing.routed->plan = std::make_shared<const Plan>(rig.plan);
  }
  /// A question and who waits for it hold each other: stopping parts them, as a relay does.
  ~Asker() {
    probe.stop([] {});
    rig.settle();
  }
  /// The deadline is that of an inbound session.
  base::Task<void> wait_for(std::string recipient, std::string next_hop) {
    const base::Steady deadline = rig.loop.clock().steady() + std::chrono::seconds(30);
    const ProbeAnswer answer =
        co_await probe.ask(std::move(recipient), std::move(next_hop), deadline);
    answers.push_back(answer);
  }
  void begin(std::string recipient, std::string next_hop = "mx.example:25") {
    base::Task<void> task = wait_for(std::move(recipient), std::move(next_hop));
    rig.tasks.spawn(std::move(task));
    rig.settle();
  }
  /// Nothing: no answer yet.
  std::optional<ProbeAnswer> ask(std::string recipient) {
    answers.clear();
    begin(std::move(recipient));
    if (answers.empty()) return std::nullopt;
    return answers.back();
  }
  std::size_t connections() const { return rig.network.servers.size(); }
};

TEST(RecipientProbe, AsksWithTheNullReversePathAndNeverSendsData) {
  Asker asker;
  asker.rig.host();
  EXPECT_EQ(asker.ask("b@own.example"), ProbeAnswer::Taken);
  const std::vector<std::string> said = {"EHLO relay.example", "MAIL FROM:<>",
                                         "RCPT TO:<b@own.example>", "QUIT"};
  EXPECT_EQ(asker.rig.server().commands, said);
}

TEST(RecipientProbe, TellsRefusalsOfTheMailboxFromOthers) {
  const std::vector<std::pair<std::string, ProbeAnswer>> cases = {
      {"550 5.1.1 who", ProbeAnswer::Unknown},
      {"550 who", ProbeAnswer::Unknown},
      {"550 5.4.1 Recipient address rejected: Access denied", ProbeAnswer::Unknown},
      {"550 5.2.1 disabled", ProbeAnswer::Unknown},
      {"552 5.2.2 full", ProbeAnswer::CannotTell},
      {"554 5.7.1 relay access denied", ProbeAnswer::CannotTell},
      {"553 5.3.0 system", ProbeAnswer::CannotTell},
      {"450 4.2.0 greylisted", ProbeAnswer::CannotTell},
      {"421 4.3.2 busy", ProbeAnswer::CannotTell},
      {"251 5.1.6 forwarded", ProbeAnswer::Taken},
      {"354 what", ProbeAnswer::CannotTell},
      {"DROP", ProbeAnswer::CannotTell},
  };
  for (const auto& [reply, answer] : cases) {
    Asker asker;
    asker.rig.host().script.replies["RCPT"] = reply == "DROP" ? reply : reply + "\r\n";
    EXPECT_EQ(asker.ask("b@own.example"), answer) << reply;
  }
}

TEST(RecipientProbe, ARefusalBeforeRcptSaysNothingAboutTheMailbox) {
  for (const std::string at : {"MAIL", "EHLO"}) {
    Asker asker;
    const std::string reply = at == "MAIL" ? "550 5.7.1 not you\r\n" : "451 4.3.0 later\r\n";
    asker.rig.host().script.replies[at] = reply;
    EXPECT_EQ(asker.ask("b@own.example"), ProbeAnswer::CannotTell) << at;
  }
  Asker asker;
  asker.rig.host();
  asker.rig.host().script.greeting = "554 no\r\n";
  EXPECT_EQ(asker.ask("b@own.example"), ProbeAnswer::CannotTell);
}

TEST(RecipientProbe, ANextHopThatIsDownCannotTell) {
  Asker asker;
  EXPECT_EQ(asker.ask("b@own.example"), ProbeAnswer::CannotTell);
}

TEST(RecipientProbe, AnAddressThatThePeerCannotSpeakOfIsUnknown) {
  Asker asker;
  asker.rig.host();  // without SMTPUTF8
  EXPECT_EQ(asker.ask("ゆう@own.example"), ProbeAnswer::Unknown);
}

TEST(RecipientProbe, AnswersAreRememberedUntilTheyGrowOld) {
  Asker asker;
  asker.rig.host().script.replies["RCPT TO:<no@"] = "550 5.1.1 who\r\n";
  EXPECT_EQ(asker.ask("yes@own.example"), ProbeAnswer::Taken);
  EXPECT_EQ(asker.ask("no@own.example"), ProbeAnswer::Unknown);
  EXPECT_EQ(asker.connections(), 2U);
  asker.rig.pass(kUnknownHolds - std::chrono::seconds(1));
  EXPECT_EQ(asker.ask("yes@own.example"), ProbeAnswer::Taken);
  EXPECT_EQ(asker.ask("no@own.example"), ProbeAnswer::Unknown);
  EXPECT_EQ(asker.connections(), 2U);
  asker.rig.pass(std::chrono::seconds(2));
  EXPECT_EQ(asker.ask("yes@own.example"), ProbeAnswer::Taken);
  EXPECT_EQ(asker.connections(), 2U);
  EXPECT_EQ(asker.ask("no@own.example"), ProbeAnswer::Unknown);
  EXPECT_EQ(asker.connections(), 3U);
  asker.rig.pass(kTakenHolds);
  EXPECT_EQ(asker.ask("yes@own.example"), ProbeAnswer::Taken);
  EXPECT_EQ(asker.connections(), 4U);
}

TEST(RecipientProbe, DoubtIsNotRemembered) {
  Asker asker;
  asker.rig.host().script.once.emplace("RCPT", "450 4.2.0 later\r\n");
  EXPECT_EQ(asker.ask("b@own.example"), ProbeAnswer::CannotTell);
  EXPECT_EQ(asker.memory.size(), 0U);
  asker.rig.host().script.once.clear();
  EXPECT_EQ(asker.ask("b@own.example"), ProbeAnswer::Taken);
}

TEST(ProbeMemory, ForgetsTheOldestWhenItIsFull) {
  ProbeMemory memory;
  const base::Steady now{};
  for (std::size_t i = 0; i < 2 * kProbeAnswersMax; ++i) {
    memory.remember(std::to_string(i), ProbeAnswer::Taken, now);
    EXPECT_LE(memory.size(), kProbeAnswersMax);
  }
  EXPECT_FALSE(memory.recall("0", now));
  EXPECT_EQ(memory.recall(std::to_string(2 * kProbeAnswersMax - 1), now), ProbeAnswer::Taken);
}

TEST(RecipientProbe, EqualQuestionsShareOneConnection) {
  Asker asker;
  asker.rig.host().script.replies["RCPT"] = "";
  for (int i = 0; i < 3; ++i) asker.begin("b@own.example");
  EXPECT_EQ(asker.connections(), 1U);
  EXPECT_TRUE(asker.answers.empty());
  asker.rig.server().say("250 ok\r\n");
  asker.rig.settle();
  EXPECT_EQ(asker.answers, std::vector<ProbeAnswer>(3, ProbeAnswer::Taken));
}

TEST(RecipientProbe, ALateAnswerServesTheNextTry) {
  Asker asker;
  asker.rig.host().script.replies["RCPT"] = "";
  EXPECT_EQ(asker.ask("b@own.example"), std::nullopt);
  asker.rig.pass(std::chrono::seconds(31));
  EXPECT_EQ(asker.answers, std::vector<ProbeAnswer>(1, ProbeAnswer::CannotTell));
  asker.rig.server().say("250 ok\r\n");
  asker.rig.settle();
  EXPECT_EQ(asker.ask("b@own.example"), ProbeAnswer::Taken);
  EXPECT_EQ(asker.connections(), 1U);
}

TEST(RecipientProbe, ANextHopThatHangsLeavesRoomForOthers) {
  Asker asker;
  asker.rig.host().script.replies["RCPT"] = "";
  for (std::size_t i = 0; i <= kProbesPerNextHopMax; ++i) {
    asker.begin("b" + std::to_string(i) + "@own.example");
  }
  EXPECT_EQ(asker.connections(), kProbesPerNextHopMax);
  EXPECT_EQ(asker.answers, std::vector<ProbeAnswer>(1, ProbeAnswer::CannotTell));
  asker.begin("b@other.example", "other.example:25");
  EXPECT_EQ(asker.connections(), kProbesPerNextHopMax + 1);
}

TEST(RecipientProbe, FollowsTheMxWhereTheRouteDoes) {
  Asker asker;
  asker.rig.host();
  asker.routing.mx = asker.routing.routed->plan;
  asker.routing.routed->plan = nullptr;
  asker.routing.routed->kind = Routed::Kind::Mx;
  EXPECT_EQ(asker.ask("b@own.example"), ProbeAnswer::Taken);
  asker.routing.mx = nullptr;
  EXPECT_EQ(asker.ask("c@own.example"), ProbeAnswer::CannotTell);
  asker.routing.routed->kind = Routed::Kind::Hold;
  EXPECT_EQ(asker.ask("d@own.example"), ProbeAnswer::CannotTell);
  EXPECT_EQ(asker.ask("no domain"), ProbeAnswer::CannotTell);
}

TEST(RecipientProbe, StoppingWakesWhoeverWaits) {
  Asker asker;
  asker.rig.host().script.replies["RCPT"] = "";
  asker.begin("b@own.example");
  bool is_stopped = false;
  asker.probe.stop([&] { is_stopped = true; });
  asker.rig.settle();
  EXPECT_TRUE(is_stopped);
  EXPECT_EQ(asker.answers, std::vector<ProbeAnswer>(1, ProbeAnswer::CannotTell));
  EXPECT_EQ(asker.ask("c@own.example"), ProbeAnswer::CannotTell);
  EXPECT_EQ(asker.connections(), 1U);
}

base::Task<void> wait_with(Asker& asker, std::shared_ptr<int> held) {
  std::string recipient = "b@own.example", next_hop = "mx.example:25";
  co_await asker.wait_for(std::move(recipient), std::move(next_hop));
  held.reset();
}

TEST(RecipientProbe, LetsGoOfWhoWaitsWhenItIsAbandoned) {
  Asker asker;
  asker.rig.host().script.replies["RCPT"] = "";
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> seen = held;
  asker.rig.tasks.spawn(wait_with(asker, std::move(held)));
  asker.rig.settle();
  ASSERT_FALSE(seen.expired());
  asker.probe.abandon();
  asker.rig.settle();
  EXPECT_TRUE(seen.expired()) << "a question and who waits for it do not keep each other";
  EXPECT_TRUE(asker.answers.empty()) << "nobody was told anything";
  // The connection that asks is the network's to drop; here it gives up by itself.
  asker.rig.loop.clock().advance(std::chrono::hours(1));
  asker.rig.settle();
}

}  // namespace
}  // namespace ekiden::delivery
