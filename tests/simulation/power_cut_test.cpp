// Goal: nothing that was answered 250 is lost, whatever instant the power goes at.
// Method: a whole relay on simulated ground; clients submit, the power is cut at instants that the
// seed chooses, the relay starts again on the same disk; after days of simulated time every
// promise is compared with what the receivers got. `--seed=N` replays one seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "tests/simulation/peers.hpp"
#include "tests/simulation/simulated_relay.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const net::Endpoint kRelay{boost::asio::ip::make_address("10.0.0.1"), 25};
const net::Endpoint kClient{boost::asio::ip::make_address("10.0.0.5"), 40000};
const net::Endpoint kReceiver{boost::asio::ip::make_address("20.0.0.1"), 25};
const net::Endpoint kSenders{boost::asio::ip::make_address("20.0.0.2"), 25};

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
  dns.mx("receiver.example", 10, "mx.receiver.example").a("mx.receiver.example", "20.0.0.1");
  dns.mx("sender.example", 10, "mx.sender.example").a("mx.sender.example", "20.0.0.2");
}

class PowerCut : public testing::TestWithParam<std::uint64_t> {};

TEST_P(PowerCut, EveryPromiseIsKept) {
  World world(GetParam());
  SimulatedInternet internet(world);
  internet.weather.reset = 5;
  spool::testing::SimulatedDisk disk(world.random().next());
  MemorySink sink;
  std::vector<Receipt> received, reported;
  struct Outside {
    Outside(World& world, SimulatedInternet& internet, std::vector<Receipt>& received,
            std::vector<Receipt>& reported)
        : worker(world, 0),
          receiver(internet, worker.worker(), kReceiver, "mx.receiver.example", received),
          senders(internet, worker.worker(), kSenders, "mx.sender.example", reported),
          clients(worker.worker()) {
      receiver.temper = {.defers_recipient = 100,
                         .defers_message = 100,
                         .drops_in_data = 50,
                         .drops_after_dot = 20};
    }
    SimulatedWorker worker;
    Receiver receiver, senders;
    base::TaskGroup clients;
  };
  SimulatedRelay relay(world, internet, disk, sink, settings(), zones);
  std::string problem;
  ASSERT_TRUE(relay.start(problem)) << problem;

  std::vector<std::shared_ptr<Submission>> submissions;
  const unsigned crashes = static_cast<unsigned>(world.random().below(4));
  std::size_t number = 0;
  for (unsigned life = 0; life <= crashes; ++life) {
    // A crash takes the world's connections with it, so the outside begins anew as well.
    std::optional<Outside> outside;
    outside.emplace(world, internet, received, reported);
    const std::size_t count = 1 + world.random().below(12);
    for (std::size_t i = 0; i < count; ++i) {
      auto submission = std::make_shared<Submission>();
      submission->token = "token-" + std::to_string(++number) + "-end";
      submission->reverse_path = "sender" + std::to_string(number) + "@sender.example";
      const std::size_t recipients = 1 + world.random().below(3);
      for (std::size_t k = 0; k < recipients; ++k)
        submission->recipients.push_back((world.random().below(4) == 0 ? "bad" : "good") +
                                         std::to_string(k) + "@receiver.example");
      submissions.push_back(submission);
      const std::size_t octets = 100 + world.random().below(20'000);
      world.after(base::Duration(static_cast<std::int64_t>(world.random().below(3'000'000))),
                  [&internet, &clients = outside->clients, submission, octets] {
                    clients.spawn(submit(internet, kClient, kRelay, submission, octets));
                  });
    }
    if (life == crashes) {
      ASSERT_TRUE(world.run_for(hours(24 * 7)));
      break;
    }
    ASSERT_TRUE(
        world.run_for(base::Duration(static_cast<std::int64_t>(world.random().below(4'000'000)))));
    relay.crash(world.random().below(2) == 0 ? SimulatedRelay::Crash::PowerCut
                                             : SimulatedRelay::Crash::Kill);
    ASSERT_TRUE(relay.start(problem)) << problem;
  }

  // The oracle sees only what clients were told and what receivers got.
  std::size_t accepted = 0;
  for (const auto& submission : submissions) {
    for (const std::string& recipient : submission->recipients) {
      std::size_t copies = 0, reports = 0;
      for (const Receipt& receipt : received)
        if (receipt.octets.find(submission->token) != std::string::npos)
          copies += static_cast<std::size_t>(
              std::count(receipt.recipients.begin(), receipt.recipients.end(), recipient));
      for (const Receipt& receipt : reported)
        if (receipt.octets.find(submission->token) != std::string::npos &&
            receipt.octets.find("Final-Recipient: rfc822; " + recipient) != std::string::npos)
          ++reports;
      const bool is_bad = recipient.starts_with("bad");
      if (is_bad) {
        EXPECT_EQ(copies, 0u) << submission->token;
      }
      if (submission->is_accepted) {
        ++accepted;
        EXPECT_GE(copies + reports, 1u) << submission->token << " to " << recipient << " is lost";
        if (is_bad) {
          EXPECT_GE(reports, 1u) << submission->token << " has no report";
        }
      } else if (!submission->was_sent_whole) {
        EXPECT_EQ(copies + reports, 0u) << submission->token << " was never handed over";
      }
    }
  }
  RecordProperty("accepted", static_cast<int>(accepted));
  EXPECT_EQ(relay.relay().spool().status().recipients, 0u) << "everything has its disposition";
}

INSTANTIATE_TEST_SUITE_P(Seeds, PowerCut, testing::Range<std::uint64_t>(1, 51));

}  // namespace
}  // namespace ekiden::simulation
