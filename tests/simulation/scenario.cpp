#include "tests/simulation/scenario.hpp"

#include <malloc.h>

#include <algorithm>
#include <cstdio>

#include "ekiden/base/log.hpp"
#include "ekiden/message/envelope.hpp"
#include "ekiden/spool/verify.hpp"
#include "tests/simulation/ground.hpp"
#include "tests/simulation/strikes.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr base::Duration kStopBudget = seconds(30);
/// Longer than a slow peer takes for everything that may be under way.
constexpr base::Duration kLooksForRest = hours(2);
/// What a sender may ask for.
constexpr base::Duration kDelayMax = hours(20);

/// The relay's lives, one after the other on the same disk, each with its clients and plagues, and
/// the calm at the end.
class Scenario {
 public:
  Scenario(std::uint64_t seed, Trace trace, Fault fault)
      : stage_(seed, trace, fault), strikes_(stage_) {}

  Report run() {
    stage_.say(stage_.conditions.text());
    stage_.history.began = stage_.world.steady();
    live();
    Report& report = stage_.report;
    report.simulated = stage_.world.steady() - stage_.history.began;
    report.messages = stage_.submissions.size();
    report.steps = stage_.world.steps();
    if (report.findings.empty()) judge();
    return std::move(report);
  }

 private:
  bool has(Plague plague) const { return stage_.conditions.has(plague); }

  // --- lives

  void live() {
    if (!start()) return;
    for (unsigned life = 0; life + 1 < stage_.conditions.lives; ++life) {
      begin_life();
      // Mostly short, so that the end falls among the things that happen.
      const base::Duration lasts =
          stage_.chance(600) ? stage_.up_to(seconds(5)) : stage_.up_to(hours(12));
      strikes_.schedule(lasts);
      if (!stage_.run_for(lasts) || !end_life()) return;
    }
    stage_.is_last = true;
    begin_life();
    const base::Duration lasts =
        stage_.chance(500) ? stage_.up_to(minutes(2)) : stage_.up_to(hours(48));
    strikes_.schedule(lasts);
    if (!stage_.run_for(lasts)) return;
    if (has(Plague::Operators) && stage_.chance_aside(400)) {
      strikes_.delete_some();
      if (!stage_.run_for(seconds(3))) return;
    }
    if (!calm_down()) return;
    finish();
  }

  bool start() {
    History& history = stage_.history;
    history.settings.push_back(stage_.settings);
    std::string problem;
    const base::Steady began = stage_.world.steady();
    if (!stage_.relay.start(stage_.settings, problem)) {
      stage_.find("the relay does not start: " + problem);
      return false;
    }
    if (!history.crashes.empty()) history.down.push_back({history.crashes.back().when, began});
    return true;
  }

  void begin_life() {
    stage_.outside.emplace(stage_.world, stage_.internet,
                           stage_.secrecy ? &*stage_.secrecy : nullptr, stage_.sites);
    auto& receivers = stage_.outside->receivers;
    for (Receiver& receiver : receivers)
      receiver.temper = stage_.conditions.temper(stage_.random());
    if (has(Plague::OddPeers) || has(Plague::BadPeers))
      for (Receiver& receiver : receivers) {
        const unsigned often = static_cast<unsigned>(stage_.aside.below(800));
        if (stage_.chance_aside(400)) receiver.temper.logs_in_oddly = often;
        if (stage_.chance_aside(400)) receiver.temper.fails_proof = often;
      }
    // Reports are to arrive at last.
    receivers[kSendersPlace].temper.refuses_message = 0;
    receivers[kSendersPlace].temper.size_max = 0;
    if (stage_.fault == Fault::PeerForgets) receivers[0].temper.forgets = 100;
    stage_.internet.weather = stage_.conditions.weather(stage_.random());
    if (has(Plague::Hops)) {
      HopProxy& socks = stage_.outside->socks;
      socks.asks_login = stage_.chance(500);
      socks.fails = static_cast<unsigned>(stage_.random().below(300));
      stage_.outside->haproxy.fails = static_cast<unsigned>(stage_.random().below(300));
    }
    stage_.desk.emplace(stage_.world, stage_.relay, stage_.desk_files);
    if (has(Plague::Jobs) || has(Plague::Http))
      stage_.web.emplace(stage_.world, stage_.relay, stage_.job_wishes);
    stage_.must_end = false;
    stage_.is_calm = false;
  }

  /// Of one that ends before the scenario does.
  bool end_life() {
    collect();
    if (stage_.must_end || stage_.disk.is_cut())
      return end_life_by(SimulatedRelay::Crash::PowerCut);
    if (has(Plague::CleanRestarts) && stage_.chance(500)) {
      stage_.say("the relay is stopped");
      const bool is_clean = stop();
      stage_.history.crashes.push_back({stage_.world.steady(), is_clean, stage_.must_end});
      if (!is_clean) stage_.say("it did not come to its end in time");
      return rest_and_start();
    }
    return end_life_by(stage_.chance(500) ? SimulatedRelay::Crash::PowerCut
                                          : SimulatedRelay::Crash::Kill);
  }

  bool end_life_by(SimulatedRelay::Crash how) {
    const bool is_power_cut = how == SimulatedRelay::Crash::PowerCut;
    stage_.say(is_power_cut ? "the power is cut" : "the process is killed");
    note_commands();
    stage_.relay.crash(how);
    stage_.history.crashes.push_back({stage_.world.steady(), false, is_power_cut});
    ++stage_.report.crashes;
    return rest_and_start();
  }

  bool rest_and_start() {
    stage_.web.reset();
    stage_.desk.reset();
    stage_.outside.reset();
    strikes_.end_troubles();
    if (stage_.chance(200)) stage_.world.run_for(stage_.up_to(hours(2)));
    if (has(Plague::Rot))
      for (std::uint64_t i = 0, times = 1 + stage_.random().below(3) + stage_.aside.below(4);
           i < times; ++i)
        strikes_.let_bits_rot();
    if (stage_.history.has_rot || stage_.chance(200)) verify();
    if (has(Plague::Reloads) && stage_.chance(300))
      stage_.settings = stage_.conditions.changed(stage_.random());
    if (has(Plague::FailingDisk) && stage_.chance_aside(500)) start_in_vain();
    if (!start()) return false;
    stage_.say("the relay starts again");
    return true;
  }

  /// The disk is not well when the relay is started: it comes up whole or says why not, and whoever
  /// runs it tries again.
  void start_in_vain() {
    strikes_.fail_start();
    std::string problem;
    const bool is_up = stage_.relay.start(stage_.settings, problem);
    stage_.say(is_up ? "the relay starts and dies at once"
                     : "the relay does not start: " + problem);
    if (!is_up && problem.empty()) stage_.find("a start fails without a word");
    const bool is_power_cut = stage_.chance_aside(500);
    stage_.relay.crash(is_power_cut ? SimulatedRelay::Crash::PowerCut
                                    : SimulatedRelay::Crash::Kill);
    stage_.history.crashes.push_back({stage_.world.steady(), false, is_power_cut});
    strikes_.end_troubles();
    stage_.must_end = false;
  }

  bool stop() {
    stage_.desk->stop();
    note_commands();
    return stage_.relay.stop(kStopBudget);
  }

  void note_commands() {
    for (const std::string& problem : stage_.desk->problems()) stage_.find("a command: " + problem);
  }

  /// `ekiden spool verify`, between two lives.
  void verify() {
    const Result<spool::Verification> verified = spool::verify_spool(stage_.disk);
    if (!verified) {
      stage_.find("the spool cannot be verified: " + verified.error().message());
      return;
    }
    if (has(Plague::FailingDisk) && stage_.chance_aside(500)) verify_in_vain(*verified);
    const bool may_be_damaged =
        stage_.history.has_rot || !stage_.history.lying.empty() || stage_.fault != Fault::None;
    if (may_be_damaged) return;
    for (const std::string& finding : verified->findings) {
      // A sidecar only saves time at a start: none is synced before it is relied on.
      if (!finding.starts_with("sidecar/")) stage_.find("verify: " + finding);
    }
  }

  /// What a disk does not give is not taken for damaged.
  void verify_in_vain(const spool::Verification& whole) {
    stage_.reads_fail = 10 + static_cast<unsigned>(stage_.aside.below(200));
    const Result<spool::Verification> seen = spool::verify_spool(*stage_.worn_disk());
    stage_.reads_fail = 0;
    if (!seen) return;
    for (const std::string& finding : seen->findings) {
      // A body's file that cannot be read is named, with the error.
      const bool is_known =
          std::find(whole.findings.begin(), whole.findings.end(), finding) != whole.findings.end();
      if (!is_known && !finding.starts_with("large/"))
        stage_.find("verify, where reads fail: " + finding);
    }
  }

  // --- the end

  /// From here on nothing goes wrong.
  bool calm_down() {
    stage_.is_calm = true;
    stage_.history.healed = stage_.world.steady();
    strikes_.end_troubles();
    stage_.accounts.change();
    stage_.internet.weather = {};
    for (Receiver& receiver : stage_.outside->receivers) {
      const Temper before = receiver.temper;
      receiver.temper = {};
      receiver.temper.forgets = before.forgets;
      receiver.temper.recipients_max = before.recipients_max;
      receiver.temper.messages_max = before.messages_max;
      // Where policies ask for it everybody has it in the end.
      receiver.temper.has_starttls = before.has_starttls || has(Plague::Protection);
      receiver.temper.has_requiretls = before.has_requiretls;
      // And who has to log in may.
      if (!stage_.conditions.settings.route.empty())
        receiver.temper.has_starttls = receiver.temper.has_plain = receiver.temper.has_scram = true;
    }
    HopProxy& socks = stage_.outside->socks;
    socks.fails = stage_.outside->haproxy.fails = 0;
    for (const config::Source& source : stage_.conditions.settings.source)
      if (source.socks5)
        socks.asks_login = !source.username.empty() && source.password == HopProxy::kPassword;
    if (stage_.web) stage_.web->wish(bulk::Expander::Wish::Go);
    strikes_.use(stage_.conditions.settings);
    // A route may have held something; that does not end with the route.
    stage_.desk->resume_all();
    if (!stage_.run_for(minutes(1))) return false;
    stage_.desk->release_all();
    stage_.say("all is well from now on");
    stage_.history.calm = stage_.world.steady();
    return true;
  }

  void finish() {
    // Long enough for what expires, and for the reports of it to expire.
    base::Duration expire{};
    for (const config::Settings& settings : stage_.history.settings)
      expire = std::max(expire, settings.retry.expire_after);
    const base::Steady until =
        stage_.world.steady() + expire * 2 + stage_.history.jumped + kDelayMax + hours(12);
    while (stage_.world.steady() < until) {
      if (!stage_.run_for(kLooksForRest)) return;
      // Only to save time: the oracle looks at the disk.
      if (stage_.relay.relay().spool().status().recipients == 0) break;
    }
    if (!stage_.run_for(minutes(30))) return;
    collect();
    const bool is_clean = stop();
    if (!is_clean) stage_.find("the relay does not stop");
    stage_.history.over = stage_.world.steady();
    read_disk();
  }

  /// What is noted at the end of each life.
  void collect() {
    auto& connections_most = stage_.history.connections_most;
    for (const Place& place : places()) {
      const unsigned most = stage_.internet.take_most_open_to(place.where);
      for (const char* name : kSingleSites)
        if (std::string_view(place.name) == name)
          connections_most[name] = std::max(connections_most[name], most);
    }
    stage_.history.memory_most = std::max(stage_.history.memory_most, stage_.ledger.take_most());
  }

  /// Who is still queued, as another process would find them.
  void read_disk() {
    World& world = stage_.world;
    SimulatedExecutor committer(world, Order::Kept, milliseconds(3));
    SimulatedExecutor pool(world, Order::Any, milliseconds(5));
    SimulatedClock clock(world);
    base::SeededRandom random(1);
    spool::JournalOptions options = apps::journal_options(stage_.settings);
    options.segment_octets = stage_.conditions.segment_octets;
    spool::Journal journal(options, stage_.disk, committer, clock, pool, random);
    const Result<void> read = journal.recover([this](const spool::Recovered& found) {
      const Result<message::Meta> meta = message::decode_meta(found.meta);
      for (std::uint32_t i = 0; i < found.recipients; ++i) {
        bool is_final = false;
        for (const spool::Progress& progress : found.progress)
          is_final |= progress.recipient == i && progress.state != spool::State::Queued;
        if (is_final) continue;
        stage_.history.queued.insert({found.id, i});
        if (meta)
          stage_.history.queued_by_name.insert(
              {token_in(meta->details.subject), meta->envelope.recipients[i].address});
      }
    });
    if (!read) stage_.find("the disk cannot be read in the end: " + read.error().message());
    world.drop_everything();
  }

  void note(const Site& site, const Receipt& receipt) const {
    std::string line = site.name + " took " + token_in(receipt.octets);
    for (const std::string& recipient : receipt.recipients) line += " " + recipient;
    if (!receipt.confirmed) line += ", its 250 was not read";
    std::printf("%s %s\n", base::format_rfc3339(receipt.time).c_str(), line.c_str());
  }

  void judge() {
    if (stage_.trace == Trace::On) {
      for (const auto& [name, site] : stage_.sites)
        for (const Receipt& receipt : site.receipts) note(site, receipt);
      for (const auto& mail : stage_.submissions)
        stage_.say(mail->token + (mail->is_accepted      ? " was answered 250"
                                  : mail->was_sent_whole ? " was sent whole, answer: " + mail->reply
                                                         : " was not handed over"));
    }
    stage_.history.clients_most = stage_.crowd.most;
    stage_.history.deletions = stage_.desk_files.deletions;
    stage_.history.released = stage_.desk_files.released;
    Oracle oracle(stage_.history, stage_.submissions, stage_.sites, stage_.sink);
    Verdicts verdicts = oracle.judge();
    for (std::string& finding : verdicts.findings) stage_.find(std::move(finding));
    stage_.report.accepted = verdicts.accepted;
    stage_.report.duplicates = verdicts.duplicates;
  }

  Stage stage_;
  Strikes strikes_;
};

}  // namespace

void prepare_process() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  base::log::start(base::log::Level::Error, base::log::Format::Logfmt);
}

Report run_scenario(std::uint64_t seed, Trace trace, Fault fault) {
  Scenario scenario(seed, trace, fault);
  return scenario.run();
}

}  // namespace ekiden::simulation
