#include "tests/simulation/scenario.hpp"

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <optional>

#include "ekiden/message/envelope.hpp"
#include "tests/simulation/conditions.hpp"
#include "tests/simulation/desk.hpp"
#include "tests/simulation/ground.hpp"
#include "tests/simulation/ledger.hpp"
#include "tests/simulation/oracle.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kSessionsPerLifeMax = 8;
constexpr std::size_t kMailsPerSessionMax = 3;
constexpr std::size_t kRecipientsMax = 5;
constexpr std::size_t kSurgeMax = 80;
/// Times that a plague strikes in one life.
constexpr std::size_t kStrikesMax = 3;
/// Jobs that a connection may have been handed.
constexpr std::uint64_t kHandedMax = 8;
/// Headers that the relay puts in front.
constexpr std::uint64_t kHeaderMax = 2000;
constexpr base::Duration kStopBudget = seconds(30);
/// Longer than a slow peer takes for everything that may be under way.
constexpr base::Duration kLooksForRest = hours(2);

struct Place {
  const char* name;
  net::Endpoint where;
};
const Place kPlaces[] = {
    {"mx.one.example", kReceiver},
    {"mx.sender.example", kSenders},
    {"mx2.two.example", kOther},
    {"mx.two.example", endpoint("20.0.0.4")},
    {"mx.three.example", endpoint("20.0.0.5")},
    {"mx.home.example", endpoint("20.0.0.6")},
    {"mx.six.example", endpoint("20.0.0.8")},
    {"mx.six.example", endpoint("2600::8")},
};
/// Whose every connection is of one lane.
constexpr const char* kSingleSites[] = {"mx.one.example", "mx.sender.example"};

void write_zones(test::FakeResolver& dns) {
  dns.mx("one.example", 10, "mx.one.example").a("mx.one.example", "20.0.0.1");
  dns.mx("alias.example", 10, "mx.one.example");
  dns.mx("two.example", 10, "mx.two.example").a("mx.two.example", "20.0.0.4");
  dns.mx("two.example", 20, "mx2.two.example").a("mx2.two.example", "20.0.0.3");
  dns.mx("six.example", 10, "mx.six.example").a("mx.six.example", "20.0.0.8");
  dns.aaaa("mx.six.example", "2600::8");
  dns.mx("sender.example", 10, "mx.sender.example").a("mx.sender.example", "20.0.0.2");
  dns.mx("dead.example", 10, "mx.dead.example").a("mx.dead.example", "20.0.0.66");
  dns.a("mx.three.example", "20.0.0.5");
  dns.null_mx("null.example");
}

/// Everybody but the relay. A crash takes the world's connections with it, so each life of the
/// relay has an outside of its own.
struct Outside {
  Outside(World& world, SimulatedInternet& internet, std::map<std::string, Site>& sites)
      : worker(world, 0), clients(worker.worker()) {
    for (const Place& place : kPlaces)
      receivers.emplace_back(internet, worker.worker(), place.where, sites[place.name]);
  }
  SimulatedWorker worker;
  std::deque<Receiver> receivers;
  base::TaskGroup clients;
};

class Scenario {
 public:
  Scenario(std::uint64_t seed, Trace trace, Fault fault)
      : world_(seed),
        conditions_(world_.random()),
        internet_(world_),
        names_(world_),
        disk_(world_.random().next()),
        sink_(world_),
        ledger_(world_, [this] { return handed_over(); }),
        relay_(ground(fault)),
        trace_(trace),
        fault_(fault) {
    for (const Place& place : kPlaces) sites_[place.name].name = place.name;
    write_zones(names_.script);
    disk_.set_sync_lies(fault == Fault::DiskLies);
    disk_.on_cut([this] {
      say("the power goes in a disk operation");
      must_end_ = true;
      world_.stop();
    });
    // Such disks do not live long.
    disk_.on_failed_sync([this] {
      if (conditions_.has(Plague::Crashes) && chance(700)) ambush(milliseconds(150));
    });
    settings_ = conditions_.settings;
    history_.has_bad_network = conditions_.has(Plague::BadNetwork);
    history_.has_bad_peers = conditions_.has(Plague::BadPeers);
    history_.has_bad_clients = conditions_.has(Plague::BadClients);
    history_.has_operators = conditions_.has(Plague::Operators);
    history_.has_storms = conditions_.has(Plague::Storms) || conditions_.has(Plague::BadDns) ||
                          conditions_.has(Plague::Reloads);
  }

  ~Scenario() {
    // Coroutines go before what they refer to.
    if (relay_.is_running()) relay_.crash(SimulatedRelay::Crash::Kill);
  }

  Report run() {
    say(conditions_.text());
    history_.began = world_.steady();
    live();
    report_.simulated = world_.steady() - history_.began;
    report_.messages = submissions_.size();
    report_.steps = world_.steps();
    if (report_.findings.empty()) judge();
    return std::move(report_);
  }

 private:
  RelayGround ground(Fault fault) {
    RelayGround ground{world_, internet_, disk_, sink_, names_};
    ground.workers = conditions_.workers;
    ground.segment_octets = conditions_.segment_octets;
    ground.post_delay_max = conditions_.post_delay_max;
    ground.wrappers.push_back(wrappers_for(fault, world_));
    Wrappers watching;
    watching.spool = ledger_.wrap();
    ground.wrappers.push_back(std::move(watching));
    return ground;
  }
  /// Octets that connections may be handing over now, on top of the budget.
  std::uint64_t handed_over() const {
    std::uint64_t open = 1;
    for (const Place& place : kPlaces) open += internet_.open_to(place.where);
    return open * kHandedMax * (largest_ + kHeaderMax);
  }
  base::Random& random() { return world_.random(); }
  bool chance(unsigned thousandths) { return simulation::chance(random(), thousandths); }
  base::Duration up_to(base::Duration most) { return simulation::up_to(random(), most); }

  void say(const std::string& text) const {
    if (trace_ == Trace::Off) return;
    std::printf("%s %s\n", base::format_rfc3339(world_.now()).c_str(), text.c_str());
  }
  void find(std::string finding) {
    say("FINDING " + finding);
    report_.findings.push_back(std::move(finding));
  }

  // --- the relay's lives

  bool start() {
    history_.settings.push_back(settings_);
    std::string problem;
    const base::Steady began = world_.steady();
    if (!relay_.start(settings_, problem)) {
      find("the relay does not start: " + problem);
      return false;
    }
    if (!history_.crashes.empty()) history_.down.push_back({history_.crashes.back().when, began});
    return true;
  }

  bool run_for(base::Duration time) {
    if (world_.run_for(time)) return true;
    find("the relay does not come to rest: it spins");
    return false;
  }

  void live() {
    if (!start()) return;
    for (unsigned life = 0; life + 1 < conditions_.lives; ++life) {
      begin_life();
      // Mostly short, so that the end falls among the things that happen.
      const base::Duration lasts = chance(600) ? up_to(seconds(5)) : up_to(hours(12));
      schedule(lasts);
      if (!run_for(lasts) || !end_life()) return;
    }
    is_last_ = true;
    begin_life();
    const base::Duration lasts = chance(500) ? up_to(minutes(2)) : up_to(hours(48));
    schedule(lasts);
    if (!run_for(lasts)) return;
    if (!calm_down()) return;
    finish();
  }

  void begin_life() {
    outside_.emplace(world_, internet_, sites_);
    for (Receiver& receiver : outside_->receivers) receiver.temper = conditions_.temper(random());
    // Reports are to arrive at last.
    outside_->receivers[1].temper.refuses_message = 0;
    outside_->receivers[1].temper.size_max = 0;
    if (fault_ == Fault::PeerForgets) outside_->receivers[0].temper.forgets = 100;
    internet_.weather = conditions_.weather(random());
    desk_.emplace(world_, relay_, suspensions_);
    must_end_ = false;
    is_calm_ = false;
  }

  /// Of one that ends before the scenario does.
  bool end_life() {
    collect();
    if (must_end_ || disk_.is_cut()) return end_life_by(SimulatedRelay::Crash::PowerCut);
    if (conditions_.has(Plague::CleanRestarts) && chance(500)) {
      say("the relay is stopped");
      const bool is_clean = stop();
      history_.crashes.push_back({world_.steady(), is_clean, must_end_});
      if (!is_clean) say("it did not come to its end in time");
      return rest_and_start();
    }
    return end_life_by(chance(500) ? SimulatedRelay::Crash::PowerCut : SimulatedRelay::Crash::Kill);
  }

  bool end_life_by(SimulatedRelay::Crash how) {
    const bool is_power_cut = how == SimulatedRelay::Crash::PowerCut;
    say(is_power_cut ? "the power is cut" : "the process is killed");
    note_commands();
    relay_.crash(how);
    history_.crashes.push_back({world_.steady(), false, is_power_cut});
    ++report_.crashes;
    return rest_and_start();
  }

  bool rest_and_start() {
    desk_.reset();
    outside_.reset();
    end_troubles();
    if (chance(200)) world_.run_for(up_to(hours(2)));
    if (conditions_.has(Plague::Reloads) && chance(300)) settings_ = conditions_.changed(random());
    if (!start()) return false;
    say("the relay starts again");
    return true;
  }

  bool stop() {
    desk_->stop();
    note_commands();
    return relay_.stop(kStopBudget);
  }

  void note_commands() {
    for (const std::string& problem : desk_->problems()) find("a command: " + problem);
  }

  // --- what clients do

  void schedule(base::Duration lasts) {
    // Troubles may begin before the mail does.
    const base::Duration busy = std::min<base::Duration>(lasts, minutes(10));
    std::size_t sessions = 1 + random().below(kSessionsPerLifeMax);
    if (conditions_.has(Plague::TightMemory)) sessions *= 3;
    for (std::size_t i = 0; i < sessions; ++i)
      world_.after(chance(700) ? up_to(busy) : up_to(lasts), [this] { begin_session(); });
    if (conditions_.has(Plague::Surges)) world_.after(up_to(busy), [this] { surge(); });
    strike(Plague::Storms, lasts, &Scenario::storm);
    strike(Plague::BadDns, lasts, &Scenario::break_dns);
    strike(Plague::FullDisk, lasts, &Scenario::fill_disk);
    strike(Plague::FailingDisk, lasts, &Scenario::break_disk);
    strike(Plague::LyingDisk, lasts, &Scenario::let_disk_lie);
    strike(Plague::ClockJumps, lasts, &Scenario::jump_clock);
    strike(Plague::Reloads, lasts, &Scenario::reload);
    strike(Plague::Operators, lasts, &Scenario::operate);
    strike(Plague::Operators, lasts, &Scenario::operate);
    strike(Plague::FailingEvents, lasts, &Scenario::break_events);
    strike(Plague::DiskCuts, lasts, &Scenario::cut_disk);
  }

  void strike(Plague plague, base::Duration lasts, void (Scenario::*how)()) {
    if (!conditions_.has(plague)) return;
    const std::size_t times = 1 + random().below(kStrikesMax);
    for (std::size_t i = 0; i < times; ++i)
      world_.after(up_to(lasts), [this, how] {
        if (!is_calm_) (this->*how)();
      });
  }

  std::string pick_recipient(bool is_strangers) {
    static const char* const kDomains[] = {"one.example",  "one.example",  "alias.example",
                                           "two.example",  "two.example",  "six.example",
                                           "dead.example", "null.example", "nowhere.example"};
    const std::uint64_t kind = random().below(20);
    std::string local = kind < 14 ? "good" : kind < 18 ? "bad" : "full";
    local += std::to_string(random().below(3));
    if (is_strangers && chance(800)) return local + "@home.example";
    // The dead ones are for a few.
    const std::size_t domain = chance(850) ? random().below(6) : random().below(9);
    return local + "@" + kDomains[domain];
  }

  std::shared_ptr<Submission> make_mail(bool is_bulk, bool is_strangers) {
    auto mail = std::make_shared<Submission>();
    const std::string number = std::to_string(submissions_.size() + 1);
    mail->token = "token-" + number + "-end";
    mail->reverse_path = (chance(30) ? "bad" : "sender") + number + "@sender.example";
    mail->is_bulk = is_bulk;
    mail->is_strangers = is_strangers;
    const std::size_t recipients = 1 + random().below(kRecipientsMax);
    for (std::size_t k = 0; k < recipients; ++k) {
      std::string recipient = pick_recipient(is_strangers);
      if (std::find(mail->wanted.begin(), mail->wanted.end(), recipient) == mail->wanted.end())
        mail->wanted.push_back(std::move(recipient));
    }
    static const char* const kNotify[] = {"NEVER", "FAILURE", "SUCCESS,FAILURE", "DELAY,FAILURE",
                                          "SUCCESS"};
    if (chance(200)) mail->notify = kNotify[random().below(5)];
    mail->is_eight_bit = chance(100);
    std::size_t octets = 60 + random().below(conditions_.body_octets_max);
    if (conditions_.has(Plague::LargeMail) && chance(250))
      octets = 900'000 + random().below(2'000'000);
    mail->body = make_body(world_, mail->token, octets);
    if (mail->is_eight_bit) {
      mail->header = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n";
      mail->body += "caf\xc3\xa9\r\n";
    }
    // What is larger lies in a file.
    if (octets <= (1 << 20)) largest_ = std::max<std::uint64_t>(largest_, mail->body.size());
    submissions_.push_back(mail);
    return mail;
  }

  void begin_session() {
    const bool is_strangers = conditions_.has(Plague::Strangers) && chance(400);
    const bool is_bulk = !is_strangers && chance(400);
    Submissions mails;
    const std::size_t count = 1 + random().below(kMailsPerSessionMax);
    for (std::size_t i = 0; i < count; ++i) mails.push_back(make_mail(is_bulk, is_strangers));
    Manner manner;
    manner.pipelines = chance(400);
    manner.chunks = chance(300);
    manner.forgets_quit = chance(200);
    manner.crowd = conditions_.has(Plague::BadNetwork) ? nullptr : &crowd_;
    if (conditions_.has(Plague::BadClients)) {
      if (chance(400)) manner.hangs_up_at = 1 + static_cast<unsigned>(random().below(12));
      if (chance(100)) manner.talks_early = true;
      if (chance(300)) manner.pause = up_to(seconds(chance(100) ? 400 : 2));
      if (chance(300)) manner.slice = 500;
    }
    submit(is_strangers ? kRelayInbound
           : is_bulk    ? kRelayBulk
                        : kRelay,
           is_strangers ? kStranger : kClient, std::move(mails), manner);
  }

  void submit(net::Endpoint to, net::Endpoint from, Submissions mails, Manner manner) {
    for (const auto& mail : mails)
      say("a client submits " + mail->token + ", " + std::to_string(mail->body.size()) +
          " octets to " + std::to_string(mail->wanted.size()));
    auto accepted = [this] {
      if (conditions_.has(Plague::Ambushes) && !is_calm_ && chance(150)) ambush(milliseconds(4));
    };
    outside_->clients.spawn(
        hand_over(internet_, from, to, std::move(mails), manner, std::move(accepted)));
  }

  /// The power goes right behind what has just happened.
  void ambush(base::Duration within) {
    if (is_last_) return;
    world_.after(up_to(within), [this] {
      if (is_calm_) return;
      say("an ambush");
      must_end_ = true;
      world_.stop();
    });
  }

  /// Bulk mail for one site, and behind it something that cannot wait.
  void surge() {
    const std::size_t count = kSurgeMax / 4 + random().below(kSurgeMax);
    say("a surge of " + std::to_string(count));
    Submissions bulk;
    for (std::size_t i = 0; i < count; ++i) {
      const auto mail = std::make_shared<Submission>();
      const std::string number = std::to_string(submissions_.size() + 1);
      mail->token = "token-" + number + "-end";
      mail->reverse_path = "sender" + number + "@sender.example";
      mail->is_bulk = true;
      mail->wanted = {"good" + std::to_string(i) + "@one.example"};
      mail->body = make_body(world_, mail->token, 100);
      submissions_.push_back(mail);
      bulk.push_back(mail);
    }
    Manner manner;
    manner.pipelines = true;
    manner.crowd = conditions_.has(Plague::BadNetwork) ? nullptr : &crowd_;
    submit(kRelayBulk, kClient, std::move(bulk), manner);
    world_.after(up_to(seconds(10)), [this, manner] {
      const auto mail = make_mail(false, false);
      mail->wanted = {"good0@one.example"};
      submit(kRelay, kClient, {mail}, manner);
    });
  }

  // --- what else happens

  void storm() {
    const std::size_t at = random().below(outside_->receivers.size());
    Receiver& receiver = outside_->receivers[at];
    const Temper before = receiver.temper;
    switch (random().below(3)) {
      case 0:
        receiver.temper.defers_recipient = 1000;
        break;
      case 1:
        receiver.temper.defers_connection = 1000;
        break;
      default:
        receiver.temper.is_down = true;
        break;
    }
    say(std::string("a storm at ") + kPlaces[at].name);
    const base::Duration lasts = simulation::between(random(), minutes(1), hours(6));
    world_.after(lasts, [this, at, before] {
      if (!is_calm_) outside_->receivers[at].temper = before;
    });
  }

  void break_dns() {
    if (chance(300)) {
      say("the MX of two.example change");
      history_.has_moving_hosts = true;
      names_.script.remove("two.example");
      if (chance(500)) names_.script.mx("two.example", 10, "mx.three.example");
      names_.script.mx("two.example", 20, "mx2.two.example");
      return;
    }
    say("the DNS is in trouble");
    conditions_.trouble(random(), names_);
    world_.after(up_to(hours(2)), [this] { heal_dns(); });
  }
  void heal_dns() { names_.fails = names_.times_out = 0; }

  void begin_trouble(std::vector<Span>& spans, base::Duration lasts) {
    spans.push_back({world_.steady(), world_.steady() + lasts});
  }
  /// A life's end ends its troubles.
  void end_troubles() {
    disk_.set_capacity(~0ULL);
    disk_.heal();
    if (fault_ != Fault::DiskLies) disk_.set_sync_lies(false);
    heal_dns();
    sink_.fail_until({});
    for (auto* spans : {&history_.disk_trouble, &history_.lying, &history_.events_trouble})
      for (Span& span : *spans) span.until = std::min(span.until, world_.steady());
  }

  void fill_disk() {
    const base::Duration lasts = up_to(minutes(30));
    say("the disk is full for " + base::format_duration(lasts));
    begin_trouble(history_.disk_trouble, lasts);
    const Result<std::uint64_t> room = disk_.free_space();
    const std::uint64_t used = ~0ULL - (room ? *room : 0);
    disk_.set_capacity(used + random().below(conditions_.segment_octets * 3));
    world_.after(lasts, [this] { disk_.set_capacity(~0ULL); });
  }

  void break_disk() {
    const spool::Errc error = chance(500) ? spool::Errc::Io : spool::Errc::NoSpace;
    switch (random().below(3)) {
      case 0: {
        say("a write fails");
        begin_trouble(history_.disk_trouble, minutes(10));
        disk_.fail_write(1 + random().below(10), error);
        break;
      }
      case 1: {
        say("a sync fails");
        begin_trouble(history_.disk_trouble, minutes(10));
        disk_.fail_sync(1 + random().below(10), error);
        break;
      }
      default: {
        const base::Duration lasts = up_to(chance(500) ? base::Duration(seconds(2)) : minutes(20));
        say("the disk fails for " + base::format_duration(lasts));
        begin_trouble(history_.disk_trouble, lasts);
        disk_.fail_all(error);
        world_.after(lasts, [this] { disk_.heal(); });
        break;
      }
    }
  }

  void let_disk_lie() {
    if (fault_ == Fault::DiskLies) return;
    const base::Duration lasts = up_to(minutes(10));
    say("the disk lies for " + base::format_duration(lasts));
    begin_trouble(history_.lying, lasts);
    disk_.set_sync_lies(true);
    world_.after(lasts, [this] { disk_.set_sync_lies(false); });
  }

  void jump_clock() {
    base::Duration by = chance(500) ? up_to(seconds(90)) : up_to(hours(30));
    if (chance(500)) by = -by;
    say("the clock jumps by " + base::format_duration(by));
    history_.jumped += by < base::Duration::zero() ? -by : by;
    world_.jump_wall_clock(by);
  }

  void reload() { use(conditions_.changed(random())); }
  void use(config::Settings settings) {
    std::string problem;
    settings_ = std::move(settings);
    history_.settings.push_back(settings_);
    history_.has_moving_hosts = history_.has_moving_hosts || !settings_.route.empty();
    say("the settings are reloaded");
    if (!relay_.reload(settings_, problem)) find("a reload is refused: " + problem);
  }

  void operate() {
    const auto pick = [this](std::initializer_list<const char*> all) {
      return std::string(all.begin()[random().below(all.size())]);
    };
    if (chance(300)) {
      control::SuspendScope scope;
      using Kind = control::SuspendScope::Kind;
      switch (random().below(4)) {
        case 0:
          scope = {Kind::Domain, pick({"one.example", "Two.example"})};
          break;
        case 1:
          scope = {Kind::Tenant, "default"};
          break;
        case 2:
          scope = {Kind::Source, "default"};
          break;
        default:
          say("an operator resumes everything");
          desk_->resume_all();
          return;
      }
      say("an operator suspends " + scope.name);
      desk_->suspend(std::move(scope));
      return;
    }
    control::Filter filter;
    switch (random().below(4)) {
      case 0:
        filter.domain = pick({"one.example", "TWO.example", "*.example"});
        break;
      case 1:
        filter.recipient = pick({"good0@ONE.example", "good1@*", "full2@two.example"});
        break;
      case 2:
        filter.reply = "try later";
        break;
      default:
        filter.sender = "sender" + std::to_string(1 + random().below(12)) + "@*";
        break;
    }
    const auto action = static_cast<control::QueueAction>(random().below(6));
    say("an operator acts, " + std::to_string(static_cast<int>(action)));
    std::string argument;
    if (action == control::QueueAction::Reroute) argument = pick({"20.0.0.3:25", "mx"});
    desk_->act(action, std::move(filter), std::move(argument));
  }

  void break_events() {
    const base::Duration lasts = up_to(minutes(30));
    say("the event store fails for " + base::format_duration(lasts));
    begin_trouble(history_.events_trouble, lasts);
    sink_.fail_until(world_.steady() + lasts);
  }

  /// The power goes before one of the next changes of the disk.
  void cut_disk() {
    if (is_last_) return;
    disk_.cut_after(1 + random().below(12));
  }

  // --- the end

  /// From here on nothing goes wrong.
  bool calm_down() {
    is_calm_ = true;
    history_.healed = world_.steady();
    end_troubles();
    internet_.weather = {};
    for (Receiver& receiver : outside_->receivers) {
      const Temper before = receiver.temper;
      receiver.temper = {};
      receiver.temper.forgets = before.forgets;
      receiver.temper.recipients_max = before.recipients_max;
      receiver.temper.messages_max = before.messages_max;
    }
    use(conditions_.settings);
    // A route may have held something; that does not end with the route.
    desk_->resume_all();
    if (!run_for(minutes(1))) return false;
    desk_->release_all();
    say("all is well from now on");
    history_.calm = world_.steady();
    return true;
  }

  void finish() {
    // Long enough for what expires, and for the reports of it to expire.
    base::Duration expire{};
    for (const config::Settings& settings : history_.settings)
      expire = std::max(expire, settings.retry.expire_after);
    const base::Steady until = world_.steady() + expire * 2 + history_.jumped + hours(12);
    while (world_.steady() < until) {
      if (!run_for(kLooksForRest)) return;
      // Only to save time: the oracle looks at the disk.
      if (relay_.relay().spool().status().recipients == 0) break;
    }
    if (!run_for(minutes(30))) return;
    collect();
    const bool is_clean = stop();
    if (!is_clean) find("the relay does not stop");
    history_.over = world_.steady();
    read_disk();
  }

  /// What is noted at the end of each life.
  void collect() {
    for (const Place& place : kPlaces) {
      const unsigned most = internet_.take_most_open_to(place.where);
      for (const char* name : kSingleSites)
        if (std::string_view(place.name) == name)
          history_.connections_most[name] = std::max(history_.connections_most[name], most);
    }
    history_.memory_most = std::max(history_.memory_most, ledger_.take_most());
  }

  /// Who is still queued, as another process would find them.
  void read_disk() {
    SimulatedExecutor committer(world_, Order::Kept, milliseconds(3));
    SimulatedExecutor pool(world_, Order::Any, milliseconds(5));
    SimulatedClock clock(world_);
    base::SeededRandom random(1);
    spool::JournalOptions options = apps::journal_options(settings_);
    options.segment_octets = conditions_.segment_octets;
    spool::Journal journal(options, disk_, committer, clock, pool, random);
    const Result<void> read = journal.recover([this](const spool::Recovered& found) {
      const Result<message::Meta> meta = message::decode_meta(found.meta);
      for (std::uint32_t i = 0; i < found.recipients; ++i) {
        bool is_final = false;
        for (const spool::Progress& progress : found.progress)
          is_final |= progress.recipient == i && progress.state != spool::State::Queued;
        if (is_final) continue;
        history_.queued.insert({found.id, i});
        if (meta)
          history_.queued_by_name.insert(
              {token_in(meta->details.subject), meta->envelope.recipients[i].address});
      }
    });
    if (!read) find("the disk cannot be read in the end: " + read.error().message());
    world_.drop_everything();
  }

  void note(const Site& site, const Receipt& receipt) const {
    std::string line = site.name + " took " + token_in(receipt.octets);
    for (const std::string& recipient : receipt.recipients) line += " " + recipient;
    if (!receipt.confirmed) line += ", its 250 was not read";
    std::printf("%s %s\n", base::format_rfc3339(receipt.time).c_str(), line.c_str());
  }

  void judge() {
    if (trace_ == Trace::On) {
      for (const auto& [name, site] : sites_)
        for (const Receipt& receipt : site.receipts) note(site, receipt);
      for (const auto& mail : submissions_)
        say(mail->token + (mail->is_accepted      ? " was answered 250"
                           : mail->was_sent_whole ? " was sent whole, answer: " + mail->reply
                                                  : " was not handed over"));
    }
    history_.clients_most = crowd_.most;
    Oracle oracle(history_, submissions_, sites_, sink_);
    Verdicts verdicts = oracle.judge();
    for (std::string& finding : verdicts.findings) find(std::move(finding));
    report_.accepted = verdicts.accepted;
    report_.duplicates = verdicts.duplicates;
  }

  World world_;
  Conditions conditions_;
  SimulatedInternet internet_;
  Names names_;
  spool::testing::SimulatedDisk disk_;
  MemorySink sink_;
  Ledger ledger_;
  std::uint64_t largest_ = 0;  ///< octets of the largest message that may lie in memory
  Crowd crowd_;
  std::map<std::string, Site> sites_;
  SimulatedRelay relay_;
  std::string suspensions_;
  std::optional<Desk> desk_;
  std::optional<Outside> outside_;
  Submissions submissions_;
  config::Settings settings_;
  History history_;
  bool must_end_ = false, is_calm_ = false, is_last_ = false;
  Trace trace_;
  Fault fault_;
  Report report_;
};

}  // namespace

Report run_scenario(std::uint64_t seed, Trace trace, Fault fault) {
  Scenario scenario(seed, trace, fault);
  return scenario.run();
}

}  // namespace ekiden::simulation
