#include "tests/simulation/strikes.hpp"

#include <algorithm>
#include <initializer_list>

#include "ekiden/spool/format.hpp"
#include "tests/simulation/ground.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::size_t kSessionsPerLifeMax = 8;
/// Times that a plague strikes in one life.
constexpr std::size_t kStrikesMax = 3;

std::string one_of(base::Random& random, std::initializer_list<const char*> all) {
  return all.begin()[random.below(all.size())];
}

}  // namespace

void Strikes::schedule(base::Duration lasts) {
  // Troubles may begin before the mail does.
  const base::Duration busy = std::min<base::Duration>(lasts, minutes(10));
  std::size_t sessions = 1 + stage_.random().below(kSessionsPerLifeMax);
  if (stage_.conditions.has(Plague::TightMemory)) sessions *= 3;
  for (std::size_t i = 0; i < sessions; ++i)
    stage_.world.after(stage_.chance(700) ? stage_.up_to(busy) : stage_.up_to(lasts),
                       [this] { mailbag_.begin_session(); });
  if (stage_.conditions.has(Plague::Surges))
    stage_.world.after(stage_.up_to(busy), [this] { mailbag_.surge(); });
  // Where the power goes soon they are in the middle of it.
  strike(Plague::Jobs, stage_.chance(700) ? busy : lasts, &Strikes::begin_job);
  strike(Plague::Jobs, lasts, &Strikes::wish_of_jobs);
  strike(Plague::Rewriting, lasts, &Strikes::return_something);
  strike(Plague::Rewriting, lasts, &Strikes::return_something);
  strike(Plague::Rot, busy, &Strikes::sort_quarantine);
  strike(Plague::Rot, lasts, &Strikes::sort_quarantine);
  strike(Plague::Hops, lasts, &Strikes::lose_source);
  // What a start has left on the disk is read at once.
  if (stage_.chance(300)) strike(Plague::FailingDisk, seconds(2), &Strikes::break_reading);
  strike(Plague::Storms, lasts, &Strikes::storm);
  strike(Plague::BadDns, lasts, &Strikes::break_dns);
  strike(Plague::FullDisk, lasts, &Strikes::fill_disk);
  // A disk that fails when nothing is written proves little.
  strike(Plague::FailingDisk, stage_.chance(700) ? busy : lasts, &Strikes::break_disk);
  strike(Plague::LyingDisk, lasts, &Strikes::let_disk_lie);
  strike(Plague::ClockJumps, lasts, &Strikes::jump_clock);
  strike(Plague::Reloads, lasts, &Strikes::reload);
  strike(Plague::Operators, lasts, &Strikes::operate);
  strike(Plague::Operators, lasts, &Strikes::operate);
  strike(Plague::Operators, busy, &Strikes::browse);
  strike(Plague::Hops, busy, &Strikes::browse);
  strike(Plague::Logins, lasts, &Strikes::change_accounts);
  strike(Plague::Logins, busy, &Strikes::change_accounts);
  strike(Plague::FailingDisk, stage_.chance(500) ? busy : lasts, &Strikes::break_reading);
  // Whom a start has found is deleted as well as those that are in memory.
  if (stage_.conditions.has(Plague::Operators) && !stage_.history.crashes.empty() &&
      stage_.chance_aside(500))
    stage_.world.after(simulation::up_to(stage_.aside, seconds(3)), [this] { delete_some(); });
  // What a tenant has sent is remembered whatever becomes of its users.
  if (stage_.conditions.has(Plague::Tenants) && stage_.chance_aside(600))
    stage_.world.after(simulation::up_to(stage_.aside, busy), [this] {
      if (!stage_.is_calm) change_accounts();
    });
  strike(Plague::FailingEvents, lasts, &Strikes::break_events);
  strike(Plague::DiskCuts, lasts, &Strikes::cut_disk);
}

void Strikes::strike(Plague plague, base::Duration lasts, void (Strikes::*how)()) {
  if (!stage_.conditions.has(plague)) return;
  const std::size_t times = 1 + stage_.random().below(kStrikesMax);
  for (std::size_t i = 0; i < times; ++i)
    stage_.world.after(stage_.up_to(lasts), [this, how] {
      if (!stage_.is_calm) (this->*how)();
    });
}

void Strikes::storm() {
  const std::size_t at = stage_.random().below(stage_.outside->receivers.size());
  Receiver& receiver = stage_.outside->receivers[at];
  const Temper before = receiver.temper;
  switch (stage_.random().below(3)) {
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
  stage_.say(std::string("a storm at ") + places()[at].name);
  const base::Duration lasts = simulation::between(stage_.random(), minutes(1), hours(6));
  stage_.world.after(lasts, [this, at, before] {
    if (!stage_.is_calm) stage_.outside->receivers[at].temper = before;
  });
  // Somebody sees the queue grow and wants none of it.
  if (!stage_.conditions.has(Plague::Operators) || !stage_.chance_aside(600)) return;
  stage_.world.after(simulation::up_to(stage_.aside, lasts), [this] {
    if (!stage_.is_calm) delete_some();
  });
}

void Strikes::break_dns() {
  if (stage_.chance(300)) {
    stage_.say("the MX of two.example change");
    stage_.history.has_moving_hosts = true;
    stage_.names.script.remove("two.example");
    if (stage_.chance(500)) stage_.names.script.mx("two.example", 10, "mx.three.example");
    stage_.names.script.mx("two.example", 20, "mx2.two.example");
    return;
  }
  stage_.say("the DNS is in trouble");
  stage_.conditions.trouble(stage_.random(), stage_.names);
  stage_.world.after(stage_.up_to(hours(2)), [this] { heal_dns(); });
}
void Strikes::heal_dns() {
  stage_.names.fails = stage_.names.times_out = 0;
}

void Strikes::begin_trouble(std::vector<Span>& spans, base::Duration lasts) {
  spans.push_back({stage_.world.steady(), stage_.world.steady() + lasts});
}
/// A life's end ends its troubles.
void Strikes::end_troubles() {
  stage_.disk.set_capacity(~0ULL);
  stage_.disk.heal();
  stage_.reads_fail = 0;
  stage_.internet.missing.reset();
  if (stage_.fault != Fault::DiskLies) stage_.disk.set_sync_lies(false);
  heal_dns();
  stage_.sink.fail_until({});
  for (auto* spans :
       {&stage_.history.disk_trouble, &stage_.history.lying, &stage_.history.events_trouble})
    for (Span& span : *spans) span.until = std::min(span.until, stage_.world.steady());
}

void Strikes::fill_disk() {
  const base::Duration lasts = stage_.up_to(minutes(30));
  stage_.say("the disk is full for " + base::format_duration(lasts));
  begin_trouble(stage_.history.disk_trouble, lasts);
  const Result<std::uint64_t> room = stage_.disk.free_space();
  const std::uint64_t used = ~0ULL - (room ? *room : 0);
  stage_.disk.set_capacity(used + stage_.random().below(stage_.conditions.segment_octets * 3));
  stage_.world.after(lasts, [this] { stage_.disk.set_capacity(~0ULL); });
}

void Strikes::break_disk() {
  const spool::Errc error = stage_.chance(500) ? spool::Errc::Io : spool::Errc::NoSpace;
  // A sync that fails is the trouble with the most ways to go wrong.
  switch (stage_.random().below(5)) {
    case 0: {
      stage_.say("a write fails");
      begin_trouble(stage_.history.disk_trouble, minutes(10));
      stage_.disk.fail_write(1 + stage_.random().below(10), error);
      break;
    }
    case 1:
    case 2:
    case 3: {
      stage_.say("a sync fails");
      begin_trouble(stage_.history.disk_trouble, minutes(10));
      stage_.disk.fail_sync(1 + stage_.random().below(10), error);
      break;
    }
    default: {
      const base::Duration lasts =
          stage_.up_to(stage_.chance(500) ? base::Duration(seconds(2)) : minutes(20));
      stage_.say("the disk fails for " + base::format_duration(lasts));
      begin_trouble(stage_.history.disk_trouble, lasts);
      stage_.disk.fail_all(error);
      stage_.world.after(lasts, [this] { stage_.disk.heal(); });
      break;
    }
  }
}

/// What was written cannot be read for a while.
void Strikes::break_reading() {
  const base::Duration lasts =
      stage_.up_to(stage_.chance(500) ? base::Duration(seconds(5)) : minutes(10));
  stage_.say("reads fail for " + base::format_duration(lasts));
  begin_trouble(stage_.history.disk_trouble, lasts);
  stage_.reads_fail = 100 + static_cast<unsigned>(stage_.random().below(900));
  stage_.world.after(lasts, [this] { stage_.reads_fail = 0; });
}

/// Somebody takes an address away from the machine.
void Strikes::lose_source() {
  const net::Address source = kSources[stage_.random().below(std::size(kSources))];
  stage_.say(source.to_string() + " is gone");
  stage_.internet.missing = source;
  stage_.world.after(stage_.up_to(hours(1)), [this] { stage_.internet.missing.reset(); });
}

void Strikes::browse() {
  stage_.desk->browse();
}

void Strikes::let_disk_lie() {
  if (stage_.fault == Fault::DiskLies) return;
  const base::Duration lasts = stage_.up_to(minutes(10));
  stage_.say("the disk lies for " + base::format_duration(lasts));
  begin_trouble(stage_.history.lying, lasts);
  stage_.disk.set_sync_lies(true);
  stage_.world.after(lasts, [this] { stage_.disk.set_sync_lies(false); });
}

void Strikes::jump_clock() {
  base::Duration by = stage_.chance(500) ? stage_.up_to(seconds(90)) : stage_.up_to(hours(30));
  if (stage_.chance(500)) by = -by;
  stage_.say("the clock jumps by " + base::format_duration(by));
  stage_.history.jumped += by < base::Duration::zero() ? -by : by;
  stage_.world.jump_wall_clock(by);
}

void Strikes::reload() {
  if (stage_.chance(250)) {
    reload_in_vain();
    return;
  }
  use(stage_.conditions.changed(stage_.random()));
}
/// What cannot be used changes nothing.
void Strikes::reload_in_vain() {
  config::Settings bad = stage_.settings;
  config::Route route;
  route.domains = {"two.example"};
  route.next_hop.kind = config::NextHop::Kind::Hosts;
  route.next_hop.hosts = {{"20.0.0.4", 25}};
  config::Rewrite rule;
  rule.name = "bad";
  switch (stage_.random().below(6)) {
    case 0:
      bad.listener[0].trusted_networks.push_back(*net::parse_address_block("8.0.0.0/8"));
      break;
    case 1:
      route.next_hop.hosts = {{"no host", 25}};
      bad.route = {route};
      break;
    case 2:
      route.domains = {"no domain"};
      bad.route = {route};
      break;
    case 3:
      route.domains = {"m*x.example"};
      bad.route = {route};
      break;
    case 4:
      rule.alias_entries = {{"no address", "x@one.example"}};
      bad.rewrite.push_back(rule);
      break;
    default:
      bad.listener[0].trusted_networks.push_back(*net::parse_address_block(
          one_of(stage_.aside, {"192.168.0.0/13", "8.0.0.0/5", "2000::/3", "30.0.0.7/32"})));
      break;
  }
  std::string problem;
  stage_.say("settings that cannot be used are reloaded");
  if (stage_.relay.reload(bad, problem))
    stage_.find("settings that cannot be used are taken");
  else if (problem.empty())
    stage_.find("settings are refused without a word");
}

void Strikes::use(config::Settings settings) {
  std::string problem;
  stage_.settings = std::move(settings);
  stage_.history.settings.push_back(stage_.settings);
  stage_.history.has_moving_hosts =
      stage_.history.has_moving_hosts || !stage_.settings.route.empty();
  stage_.say("the settings are reloaded");
  if (!stage_.relay.reload(stage_.settings, problem))
    stage_.find("a reload is refused: " + problem);
}

void Strikes::suspend_something() {
  control::SuspendScope scope;
  using Kind = control::SuspendScope::Kind;
  switch (stage_.random().below(4)) {
    case 0:
      scope = {Kind::Domain, one_of(stage_.random(), {"one.example", "Two.example"})};
      break;
    case 1:
      scope = {Kind::Tenant, "default"};
      break;
    case 2:
      scope = {Kind::Source, "default"};
      break;
    default:
      stage_.say("an operator resumes everything");
      stage_.desk->resume_all();
      return;
  }
  stage_.say("an operator suspends " + scope.name);
  stage_.desk->suspend(std::move(scope));
}

void Strikes::delete_some() {
  control::Filter filter;
  filter.domain =
      one_of(stage_.aside, {"one.example", "two.example", "six.example", "*.example", "*.example"});
  stage_.say("an operator deletes what is for " + filter.domain);
  stage_.desk->act(control::QueueAction::Delete, std::move(filter), {});
}

void Strikes::operate() {
  if (stage_.chance_aside(200)) return delete_some();
  if (stage_.chance(300)) {
    suspend_something();
    return;
  }
  control::Filter filter;
  switch (stage_.random().below(4)) {
    case 0:
      filter.domain = one_of(stage_.random(), {"one.example", "TWO.example", "*.example"});
      break;
    case 1:
      filter.recipient =
          one_of(stage_.random(), {"good0@ONE.example", "good1@*", "full2@two.example"});
      break;
    case 2:
      filter.reply = "try later";
      break;
    default:
      filter.sender = "sender" + std::to_string(1 + stage_.random().below(12)) + "@*";
      break;
  }
  const auto action = static_cast<control::QueueAction>(stage_.random().below(6));
  stage_.say("an operator acts, " + std::to_string(static_cast<int>(action)));
  std::string argument;
  if (action == control::QueueAction::Reroute) {
    argument = one_of(stage_.random(), {"20.0.0.3:25", "mx"});
    if (stage_.chance_aside(300))
      argument = one_of(stage_.aside, {"[20.0.0.3]:25", "[20.0.0.3]", "20.0.0.3", "mx2.two.example",
                                       "mx2.two.example:25"});
    if (stage_.chance_aside(300))
      stage_.desk->reroute_in_vain(one_of(
          stage_.aside, {"[20.0.0.3", "[IPv6:2600::8]25", "20.0.0.3:0", "20.0.0.3:65536",
                         "20.0.0.3:x", "2600::8", ":25", "no host", "[]", "hold", "discard"}));
  }
  stage_.desk->act(action, std::move(filter), std::move(argument));
}

void Strikes::break_events() {
  const base::Duration lasts = stage_.up_to(stage_.chance(300) ? hours(6) : minutes(30));
  stage_.say("the event store fails for " + base::format_duration(lasts));
  begin_trouble(stage_.history.events_trouble, lasts);
  stage_.sink.fail_until(stage_.world.steady() + lasts);
  // What piles up meanwhile goes to files, where the disk takes it.
  if (!stage_.conditions.has(Plague::FailingDisk) && !stage_.chance_aside(300)) return;
  for (int i = 0; i < 4; ++i)
    stage_.world.after(simulation::up_to(stage_.aside, lasts), [this] {
      if (stage_.is_calm) return;
      stage_.chance_aside(500) ? break_reading() : break_disk();
    });
}

/// The power goes before one of the next changes of the disk.
void Strikes::cut_disk() {
  if (stage_.is_last) return;
  stage_.disk.cut_after(1 + stage_.random().below(12));
}

void Strikes::change_accounts() {
  if (stage_.chance(300)) {
    stage_.say("the users are gone for a while");
    stage_.accounts.remove();
    stage_.world.after(stage_.up_to(minutes(10)), [this] { stage_.accounts.change(); });
    return;
  }
  stage_.say("a user is changed");
  stage_.accounts.change();
}

void Strikes::begin_job() {
  mailbag_.begin_job();
}

void Strikes::wish_of_jobs() {
  if (!stage_.web) return;
  using Wish = bulk::Expander::Wish;
  const std::uint64_t kind = stage_.random().below(10);
  const Wish wish = kind < 5 ? Wish::Pause : kind < 9 ? Wish::Go : Wish::Cancel;
  stage_.say("jobs are to " + std::string(wish == Wish::Pause ? "wait"
                                          : wish == Wish::Go  ? "go on"
                                                              : "end"));
  if (wish == Wish::Cancel) stage_.history.jobs_cancelled = stage_.world.steady();
  stage_.web->wish(wish);
  // Nobody forgets them.
  if (wish == Wish::Pause)
    stage_.world.after(stage_.up_to(hours(3)), [this] {
      if (stage_.web) stage_.web->wish(Wish::Go);
    });
}

void Strikes::return_something() {
  mailbag_.return_something();
}

void Strikes::sort_quarantine() {
  stage_.say("an operator looks at what was set aside");
  stage_.desk->sort_quarantine();
  // A release is some steps on the disk, and the power may go between two of them.
  if (stage_.chance_aside(400)) stage_.ambush(milliseconds(40));
  // And the disk may fail at each of them.
  if (!stage_.chance_aside(500)) return;
  const base::Duration lasts = seconds(1);
  begin_trouble(stage_.history.disk_trouble, minutes(10));
  switch (stage_.aside.below(4)) {
    case 0:
      stage_.disk.fail_write(1 + stage_.aside.below(4), spool::Errc::Io);
      break;
    case 1:
      stage_.disk.fail_sync(1 + stage_.aside.below(4), spool::Errc::Io);
      break;
    case 2:
      stage_.world.after(simulation::up_to(stage_.aside, milliseconds(40)),
                         [this] { stage_.disk.fail_all(spool::Errc::Io); });
      stage_.world.after(lasts, [this] { stage_.disk.heal(); });
      break;
    default:
      stage_.reads_fail = 200;
      stage_.world.after(lasts, [this] { stage_.reads_fail = 0; });
      break;
  }
}

void Strikes::fail_start() {
  base::Random& random = stage_.aside;
  switch (random.below(5)) {
    case 0:
      stage_.reads_fail = 10 + static_cast<unsigned>(random.below(100));
      break;
    case 1:
      stage_.reads_fail = 100 + static_cast<unsigned>(random.below(900));
      break;
    case 2:
      stage_.disk.fail_sync(1 + random.below(12), spool::Errc::Io);
      break;
    case 3:
      stage_.disk.fail_write(1 + random.below(6), spool::Errc::NoSpace);
      break;
    default:
      stage_.disk.cut_after(1 + random.below(20));
      break;
  }
}

void Strikes::leave_something() {
  static const char* const kStrange[] = {"journal/abcdefgh.seg", "journal/99999999.seg",
                                         "journal/12.seg",       "large/.hidden",
                                         "large/strange",        "events/0-1.events.part",
                                         "events/1-2.events",    "quarantine/x.release-nonsense",
                                         "quarantine/.hidden",   "sidecar/x"};
  const std::string path = kStrange[stage_.aside.below(std::size(kStrange))];
  stage_.say("somebody leaves " + path);
  stage_.history.has_rot = true;
  (void)stage_.disk.open(path, spool::Open::Create);
  if (stage_.chance_aside(500)) stage_.disk.overwrite(path, 0, std::string(100, 'x'));
}

/// Where it is said what the rest means, and where a bit anywhere seldom falls.
void Strikes::rot_where_it_hurts() {
  base::Random& random = stage_.aside;
  static const char* const kFolders[] = {"journal",    "journal", "journal",
                                         "sidecar",    "sidecar", "quarantine",
                                         "quarantine", "events",  "large"};
  std::string folder = kFolders[random.below(std::size(kFolders))];
  // What is there seldom is looked for first.
  for (const char* rare : {"events", "quarantine", "large"})
    if (const auto there = stage_.disk.list(rare); there && !there->empty() && random.below(3) == 0)
      folder = rare;
  const Result<std::vector<std::string>> files = stage_.disk.list(folder);
  if (!files || files->empty()) return leave_something();
  const std::string path = folder + "/" + (*files)[random.below(files->size())];
  const std::size_t size = stage_.disk.contents(path).size();
  if (size == 0) return leave_something();
  const auto within = [&](std::size_t most) { return random.below(std::min(size, most)); };
  stage_.say("damage where it hurts in " + path);
  stage_.history.has_rot = true;
  switch (random.below(8)) {
    case 0:
      stage_.disk.overwrite(path, within(64), "xxx");
      break;
    case 1:
      // Both copies of a segment's header.
      stage_.disk.overwrite(path, within(64), "xxx");
      stage_.disk.overwrite(path, spool::kSecondHeaderOffset + random.below(64), "xxx");
      break;
    case 2:
      // The footer of a sidecar.
      stage_.disk.overwrite(path, size - 1 - within(150), "x");
      break;
    case 3: {
      const auto file = stage_.disk.open(path, spool::Open::Existing);
      if (file) (void)(*file)->truncate(size - 1 - within(200));
      break;
    }
    case 4:
      stage_.disk.overwrite(path, size, "and more");
      break;
    case 5:
      // Exchanged, as by a restore.
      (void)stage_.disk.rename(path, folder + "/" + (*files)[random.below(files->size())]);
      break;
    case 6:
      (void)stage_.disk.remove(path);
      break;
    default:
      // A batch's header.
      stage_.disk.overwrite(path, within(200'000) / spool::kPage * spool::kPage,
                            std::string(spool::kHeaderOctets, random.below(2) == 0 ? '\0' : 'x'));
      break;
  }
}

void Strikes::let_bits_rot() {
  if (stage_.chance_aside(500)) return rot_where_it_hurts();
  if (stage_.chance_aside(100)) return leave_something();
  static const char* const kFolders[] = {"journal", "journal", "sidecar",
                                         "large",   "events",  "quarantine"};
  const std::string folder = kFolders[stage_.random().below(std::size(kFolders))];
  // What nobody knows is nobody's business.
  if (stage_.chance(300)) {
    static const char* const kStrange[] = {"README", "00000000.seg.old", "x.events", "1.msg"};
    const std::string path = folder + "/" + kStrange[stage_.random().below(std::size(kStrange))];
    stage_.say("somebody leaves " + path);
    (void)stage_.disk.open(path, spool::Open::Create);
    stage_.history.has_rot = true;
    return;
  }
  const Result<std::vector<std::string>> files = stage_.disk.list(folder);
  if (!files || files->empty()) return;
  const std::string path = folder + "/" + (*files)[stage_.random().below(files->size())];
  const std::size_t size = stage_.disk.contents(path).size();
  if (size == 0) return;
  stage_.say("rot in " + path);
  stage_.history.has_rot = true;
  // Where much is written, and at the front, where it is said what the rest means.
  const auto somewhere = [&] {
    const std::size_t most = stage_.chance(500) ? size : std::min<std::size_t>(size, 200'000);
    return stage_.random().below(most);
  };
  switch (stage_.random().below(4)) {
    case 0: {
      const std::uint64_t at = somewhere();
      const std::size_t octets = std::min<std::size_t>(size - at, 1 + stage_.random().below(5000));
      stage_.disk.overwrite(path, at, std::string(octets, stage_.chance(500) ? '\0' : 'x'));
      break;
    }
    case 1: {
      const auto file = stage_.disk.open(path, spool::Open::Existing);
      if (file) (void)(*file)->truncate(somewhere());
      break;
    }
    default:
      for (std::size_t i = 0, bits = 1 + stage_.random().below(3); i < bits; ++i)
        stage_.disk.flip_bit(path, somewhere(), static_cast<unsigned>(stage_.random().below(8)));
      break;
  }
}

}  // namespace ekiden::simulation
