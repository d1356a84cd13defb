#include "tests/simulation/scenario.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>

#include "tests/simulation/peers.hpp"
#include "tests/simulation/simulated_relay.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;

constexpr unsigned kCrashesMax = 3;
constexpr std::size_t kMessagesPerLifeMax = 12;
constexpr std::size_t kRecipientsMax = 3;
constexpr std::size_t kBodyOctetsMax = 20'000;
/// Past the default expiry of five days and the retries of a report behind it.
constexpr base::Duration kAftermath = hours(24 * 7);

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

/// Everybody but the relay. A crash takes the world's connections with it, so each life of the
/// relay has an outside of its own.
struct Outside {
  Outside(World& world, SimulatedInternet& internet, std::vector<Receipt>& received,
          std::vector<Receipt>& reported, Fault fault)
      : worker(world, 0),
        receiver(internet, worker.worker(), kReceiver, "mx.receiver.example", received),
        senders(internet, worker.worker(), kSenders, "mx.sender.example", reported),
        clients(worker.worker()) {
    receiver.temper = {.defers_recipient = 100,
                       .defers_message = 100,
                       .drops_in_data = 50,
                       .drops_after_dot = 20,
                       .forgets = fault == Fault::PeerForgets ? 100u : 0u};
  }
  SimulatedWorker worker;
  Receiver receiver, senders;
  base::TaskGroup clients;
};

class Scenario {
 public:
  Scenario(std::uint64_t seed, Trace trace, Fault fault)
      : world_(seed),
        internet_(world_),
        disk_(world_.random().next()),
        relay_(world_, internet_, disk_, sink_, settings(), zones),
        trace_(trace),
        fault_(fault) {
    internet_.weather.reset = 5;
    disk_.set_sync_lies(fault == Fault::DiskLies);
  }

  Report run() {
    const base::Steady began = world_.steady();
    live();
    if (report_.findings.empty()) {
      compare_promises();
      count_dispositions();
    }
    report_.simulated = world_.steady() - began;
    report_.messages = submissions_.size();
    return std::move(report_);
  }

 private:
  void say(const std::string& text) const {
    if (trace_ == Trace::Off) return;
    std::printf("%s %s\n", base::format_rfc3339(world_.now()).c_str(), text.c_str());
  }
  void find(std::string finding) {
    say("FINDING " + finding);
    report_.findings.push_back(std::move(finding));
  }
  base::Duration within(std::int64_t us) {
    return base::Duration(
        static_cast<std::int64_t>(world_.random().below(static_cast<std::uint64_t>(us))));
  }

  bool start() {
    std::string problem;
    if (relay_.start(problem)) return true;
    find("the relay does not start: " + problem);
    return false;
  }

  bool run_for(base::Duration time) {
    if (world_.run_for(time)) return true;
    find("the relay does not come to rest: it spins");
    return false;
  }

  void live() {
    if (!start()) return;
    const unsigned crashes = static_cast<unsigned>(world_.random().below(kCrashesMax + 1));
    for (unsigned life = 0; life <= crashes; ++life) {
      std::optional<Outside> outside;
      outside.emplace(world_, internet_, received_, reported_, fault_);
      begin_submissions(*outside);
      if (life == crashes) {
        if (!run_for(kAftermath)) return;
        for (const Receipt& receipt : received_) note("received", receipt);
        for (const Receipt& receipt : reported_) note("reported", receipt);
        if (relay_.relay().spool().status().recipients != 0)
          find(std::to_string(relay_.relay().spool().status().recipients) +
               " recipients have no disposition after a week");
        return;
      }
      if (!run_for(within(4'000'000))) return;
      const bool is_power_cut = world_.random().below(2) == 0;
      say(is_power_cut ? "the power is cut" : "the process is killed");
      relay_.crash(is_power_cut ? SimulatedRelay::Crash::PowerCut : SimulatedRelay::Crash::Kill);
      ++report_.crashes;
      if (!start()) return;
      say("the relay starts again");
    }
  }

  void begin_submissions(Outside& outside) {
    const std::size_t count = 1 + world_.random().below(kMessagesPerLifeMax);
    for (std::size_t i = 0; i < count; ++i) {
      auto submission = std::make_shared<Submission>();
      const std::string number = std::to_string(submissions_.size() + 1);
      submission->token = "token-" + number + "-end";
      submission->reverse_path = "sender" + number + "@sender.example";
      const std::size_t recipients = 1 + world_.random().below(kRecipientsMax);
      for (std::size_t k = 0; k < recipients; ++k)
        submission->recipients.push_back((world_.random().below(4) == 0 ? "bad" : "good") +
                                         std::to_string(k) + "@receiver.example");
      submissions_.push_back(submission);
      const std::size_t octets = 100 + world_.random().below(kBodyOctetsMax);
      world_.after(within(3'000'000), [this, &clients = outside.clients, submission, octets] {
        say("a client submits " + submission->token + ", " + std::to_string(octets) + " octets");
        clients.spawn(submit(internet_, kClient, kRelay, submission, octets));
      });
    }
  }

  void note(const char* how, const Receipt& receipt) const {
    if (trace_ == Trace::Off) return;
    std::string line = how;
    const std::size_t token = receipt.octets.find("token-");
    if (token != std::string::npos)
      line += " " + receipt.octets.substr(token, receipt.octets.find("-end", token) - token + 4);
    for (const std::string& recipient : receipt.recipients) line += " " + recipient;
    std::printf("%s %s\n", base::format_rfc3339(receipt.time).c_str(), line.c_str());
  }

  /// The oracle sees only what clients were told and what receivers got.
  void compare_promises() {
    for (const auto& submission : submissions_) {
      say(submission->token + (submission->is_accepted      ? " was answered 250"
                               : submission->was_sent_whole ? " was sent and not answered"
                                                            : " was not handed over"));
      for (const std::string& recipient : submission->recipients) compare(*submission, recipient);
    }
  }

  void compare(const Submission& submission, const std::string& recipient) {
    const std::string& token = submission.token;
    std::size_t copies = 0, reports = 0;
    for (const Receipt& receipt : received_)
      if (receipt.octets.find(token) != std::string::npos)
        copies += static_cast<std::size_t>(
            std::count(receipt.recipients.begin(), receipt.recipients.end(), recipient));
    for (const Receipt& receipt : reported_)
      if (receipt.octets.find(token) != std::string::npos &&
          receipt.octets.find("Final-Recipient: rfc822; " + recipient) != std::string::npos)
        ++reports;
    const bool is_bad = recipient.starts_with("bad");
    const std::string what = token + " to " + recipient;
    if (is_bad && copies > 0) find(what + " arrived where it was refused");
    if (submission.is_accepted) {
      ++report_.accepted;
      if (copies + reports == 0) find(what + " was answered 250 and is lost");
      if (is_bad && copies == 0 && reports == 0) find(what + " bounced without a report");
    } else if (!submission.was_sent_whole && copies + reports > 0) {
      find(what + " was never handed over and arrived");
    }
  }

  /// Exactly one final disposition for each recipient that the events know, and one event for it.
  void count_dispositions() {
    std::map<std::pair<base::MessageId, std::uint32_t>, int> finals;
    for (const events::Event& event : sink_.events()) {
      int& count = finals[{event.message, event.recipient_index}];
      switch (event.kind) {
        case events::Kind::Delivered:
        case events::Kind::Bounced:
        case events::Kind::Expired:
        case events::Kind::Suppressed:
        case events::Kind::Cancelled:
          if (++count == 2) find(event.recipient + " has two final dispositions");
          break;
        default:
          break;
      }
    }
    for (const events::Event& event : sink_.events())
      if (event.kind == events::Kind::Accepted && !event.recipient.empty() &&
          finals[{event.message, event.recipient_index}] == 0)
        find(event.recipient + " was accepted and has no final event");
  }

  World world_;
  SimulatedInternet internet_;
  spool::testing::SimulatedDisk disk_;
  MemorySink sink_;
  SimulatedRelay relay_;
  std::vector<Receipt> received_, reported_;
  std::vector<std::shared_ptr<Submission>> submissions_;
  Trace trace_;
  Fault fault_;
  Report report_;
};

}  // namespace

const std::vector<FaultName>& fault_names() {
  static const std::vector<FaultName> kNames = {
      {Fault::DiskLies, "disk-lies", "a sync succeeds and makes nothing durable"},
      {Fault::PeerForgets, "peer-forgets", "the receiver answers 250 and loses one in ten"},
  };
  return kNames;
}

Report run_scenario(std::uint64_t seed, Trace trace, Fault fault) {
  Scenario scenario(seed, trace, fault);
  return scenario.run();
}

}  // namespace ekiden::simulation
