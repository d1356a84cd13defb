#include "tests/simulation/conditions.hpp"

#include "tests/simulation/ground.hpp"
#include "tests/simulation/hops.hpp"

namespace ekiden::simulation {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view kNames[kPlagues] = {
    "bad-network", "bad-peers",      "storms",       "slow-peers",  "bad-dns",
    "full-disk",   "failing-disk",   "lying-disk",   "clock-jumps", "reloads",
    "operators",   "failing-events", "large-mail",   "surges",      "bad-clients",
    "strangers",   "tight-memory",   "tight-limits", "crashes",     "disk-cuts",
    "ambushes",    "clean-restarts", "tls",          "logins",      "proxies",
    "odd-mail",    "odd-peers",      "rot",          "rewriting",   "protection",
    "signing",     "tenants",        "hops",         "jobs",        "http",
    "schedules"};

/// How often a seed has it, in thousandths.
unsigned frequency(Plague plague) {
  switch (plague) {
    case Plague::LyingDisk:
      return 60;
    case Plague::Rot:
      return 120;
    case Plague::LargeMail:
      return 130;
    case Plague::Surges:
      return 200;
    case Plague::FullDisk:
    case Plague::Rewriting:
    case Plague::Signing:
    case Plague::Hops:
      return 200;
    case Plague::Crashes:
      return 500;
    default:
      return 300;
  }
}

}  // namespace

base::Duration up_to(base::Random& random, base::Duration most) {
  return base::Duration(
      static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

Conditions::Conditions(base::Random& random) {
  for (unsigned i = 0; i < kPlagues; ++i)
    if (chance(random, frequency(static_cast<Plague>(i)))) plagues |= std::uint64_t{1} << i;
  // Whose turn it is can be judged only where nothing else keeps mail waiting.
  if (has(Plague::Surges) && chance(random, 600)) {
    for (const Plague other :
         {Plague::BadNetwork, Plague::BadPeers, Plague::Storms, Plague::BadDns, Plague::Reloads,
          Plague::Operators, Plague::Tls, Plague::OddPeers, Plague::Rewriting, Plague::Protection,
          Plague::Signing, Plague::Tenants, Plague::Hops, Plague::Schedules})
      plagues &= ~bit(other);
    plagues |= bit(Plague::TightLimits);
  }
  if (has(Plague::Protection)) plagues |= bit(Plague::Tls);
  // What passes through is sealed, and what lies in a file is rerouted.
  if (has(Plague::Signing) && chance(random, 500)) plagues |= bit(Plague::Strangers);
  if (has(Plague::LargeMail) && chance(random, 500)) plagues |= bit(Plague::Operators);
  // A body in a file can be damaged, too. Drawn already, for no seed is to become another one.
  if (has(Plague::Rot) && has(Plague::Storms)) plagues |= bit(Plague::LargeMail);
  workers = 1 + static_cast<unsigned>(random.below(4));
  post_delay_max = chance(random, 500) ? kPostDelayMax : base::Duration(milliseconds(2));
  if (has(Plague::LargeMail)) {
    segment_octets = 8 << 20;
  } else {
    // Small ones come and go, so that mail is copied forward and segments are recycled.
    segment_octets = 1U << (17 + random.below(4));
  }
  body_octets_max = chance(random, 500) ? 20'000 : 2'000;
  if (has(Plague::Crashes) || has(Plague::DiskCuts) || has(Plague::Ambushes) ||
      has(Plague::CleanRestarts) || has(Plague::Rot))
    lives = 2 + static_cast<unsigned>(random.below(3));

  settings = plain_settings();
  draw_listeners(random);
  config::InboundDomain home;
  home.name = "home.example";
  home.next_hop.kind = config::NextHop::Kind::Hosts;
  home.next_hop.hosts = {{"20.0.0.6", 25}};
  const config::RecipientCheck checks[] = {
      config::RecipientCheck::Any, config::RecipientCheck::Verify, config::RecipientCheck::List};
  home.check = checks[random.below(3)];
  home.recipient_list = {"good0@home.example", "good1@home.example", "full0@home.example"};
  settings.inbound_domain.push_back(home);

  settings.retry.first = between(random, minutes(1), minutes(15));
  settings.retry.factor = 1.5 + random.unit() * 1.5;
  settings.retry.max_interval = between(random, minutes(30), hours(4));
  const base::Duration expiries[] = {hours(1), hours(4), hours(24), hours(5 * 24)};
  settings.retry.expire_after = expiries[random.below(4)];
  if (chance(random, 300))
    settings.retry.delay_notice_after = between(random, minutes(10), hours(4));
  settings.spool.commit_interval = between(random, milliseconds(1), milliseconds(30));
  settings.spool.disk_reserve = std::uint64_t{segment_octets} * 4;
  settings.events.backlog_max = chance(random, 400) ? 64 << 10 : 64 << 20;
  draw_limits(random, settings);
  // Follows from what was drawn: no seed becomes another one for it.
  is_paced = settings.retry.first.count() % 3 == 0;
  if (has(Plague::Hops)) is_paced = true;
  if (is_paced) draw_sources(random);
  if (has(Plague::Rewriting)) draw_rewriting(random);
  if (has(Plague::Tenants)) draw_tenant(random);
  if (has(Plague::Signing)) {
    const config::AlignmentMode modes[] = {config::AlignmentMode::Off, config::AlignmentMode::Warn,
                                           config::AlignmentMode::Hold,
                                           config::AlignmentMode::Refuse};
    settings.alignment = {{"*", modes[random.below(4)]}};
    if (chance(random, 500)) settings.signing.relay_domain = "relay.example";
  }
  if (has(Plague::Tls) && settings.retry.first.count() % 4 == 1) {
    config::Route smarthost;
    smarthost.domains = {"two.example"};
    smarthost.next_hop.kind = config::NextHop::Kind::Hosts;
    smarthost.next_hop.hosts = {{"20.0.0.4", 25}, {"20.0.0.3", 25}};
    smarthost.username = Receiver::kUser;
    smarthost.password = Receiver::kPassword;
    smarthost.retry = settings.retry;
    settings.route.push_back(smarthost);
  }
  const config::Transcripts transcripts[] = {
      config::Transcripts::None, config::Transcripts::Failures, config::Transcripts::All};
  settings.events.transcripts = transcripts[random.below(3)];
}

void Conditions::draw_sources(base::Random& random) {
  for (const net::Address& address : kSources) {
    config::Source source;
    source.name = address.to_string();
    source.hostname = "relay.example";
    source.ipv4 = address;
    source.families = {config::IpFamily::Ipv4};
    settings.source.push_back(source);
  }
  if (has(Plague::Hops)) {
    config::Source& first = settings.source[0];
    config::Source& second = settings.source[1];
    if (chance(random, 700)) second.socks5 = kSocks;
    if (chance(random, 500)) second.username = HopProxy::kUser;
    if (chance(random, 800)) second.password = HopProxy::kPassword;
    if (chance(random, 500)) first.haproxy = kHaProxy;
    if (chance(random, 500)) {
      first.ipv6 = kSourceIpv6;
      first.families = {config::IpFamily::Ipv6, config::IpFamily::Ipv4};
      if (chance(random, 500)) first.ipv6_ptr = config::PtrNeed::Ignore;
    }
    second.warm_up = !has(Plague::Surges) && chance(random, 300);
  }
  if (settings.retry.first.count() % 2 == 0) return;
  config::Pool pool;
  pool.name = "bulk";
  pool.streams = {"bulk"};
  pool.sources = {{settings.source[0].name, 1}};
  settings.pool.push_back(pool);
  pool = {};
  pool.name = "rest";
  pool.sources = {{settings.source[0].name, 1}, {settings.source[1].name, 2}};
  settings.pool.push_back(pool);
}

void Conditions::draw_rewriting(base::Random& random) {
  config::Rewrite rule;
  rule.name = "addresses";
  for (const auto& [from, to] : stand_ins()) {
    std::string all;
    for (const std::string& one : to) all += (all.empty() ? "" : ", ") + one;
    rule.alias_entries.emplace_back(from, all);
  }
  rule.alias_entries.emplace_back("circle@one.example", "circle2@one.example");
  rule.alias_entries.emplace_back("circle2@one.example", "circle@one.example");
  // Each may be written, and both together are more than anybody may stand for.
  rule.alias_entries.emplace_back("crowd@one.example", "half1@one.example, half2@one.example");
  for (const char* half : {"half1", "half2"}) {
    std::string all = half + std::string("0@two.example");
    for (int i = 1; i < 600; ++i)
      all += ", " + std::string(half) + std::to_string(i) + "@two.example";
    rule.alias_entries.emplace_back(std::string(half) + "@one.example", all);
  }
  rule.masquerade = {{"host.sender.example", {"sender.example"}}};
  settings.rewrite.push_back(rule);

  rule = {};
  rule.name = "headers";
  rule.remove_headers = {"X-Ekiden-Odd", "Received-SPF"};
  rule.add_headers = {{"X-Stream", {"{tenant}/{stream} {tag}"}}};
  rule.replace_headers = {{"Precedence", {"bulk"}}};
  rule.feedback_id = "relay";
  if (chance(random, 500)) rule.list_unsubscribe = {"mailto:leave-{token}@sender.example"};
  if (chance(random, 300)) rule.header_reply_to = "answers@sender.example";
  if (chance(random, 500)) settings.rewrite.push_back(rule);

  rule = {};
  rule.name = "path";
  const char* const kinds[] = {"verp", "srs", kFixedPath};
  rule.return_path = kinds[random.below(3)];
  if (rule.return_path.find('@') == std::string::npos) rule.bounce_domain = kReturnsDomain;
  if (chance(random, 200)) rule.streams = {"bulk"};
  if (chance(random, 800)) settings.rewrite.push_back(rule);

  config::InboundDomain returns;
  returns.name = kReturnsDomain;
  returns.next_hop.kind = config::NextHop::Kind::Hosts;
  returns.next_hop.hosts = {{"20.0.0.6", 25}};
  returns.check = config::RecipientCheck::Any;
  settings.inbound_domain.push_back(returns);
}

void Conditions::draw_tenant(base::Random& random) {
  if (chance(random, 600))
    tenant_limits.rate = {2 + static_cast<std::uint32_t>(random.below(4)), minutes(5)};
  if (chance(random, 600)) tenant_limits.per_day = 10 + random.below(40);
  if (chance(random, 600)) tenant_limits.per_month = 40 + random.below(200);
  for (const char* address : {"good1@six.example", "good2@one.example", "bad0@two.example"})
    if (chance(random, 500)) suppressed.emplace_back(address);
}

void Conditions::draw_listeners(base::Random& random) {
  config::Listener listener;
  if (has(Plague::Tls)) {
    for (config::Listener& plain : settings.listener) plain.tls = config::ListenerTls::StartTls;
    listener.service = config::Service::Submission;
    listener.address = kRelaySubmission;
    settings.listener.push_back(listener);
    listener.address = kRelaySubmissions;
    listener.tls = config::ListenerTls::Implicit;
    settings.listener.push_back(listener);
  }
  listener = {};
  listener.address = kRelayProxied;
  listener.service = config::Service::Relay;
  listener.tls = config::ListenerTls::Off;
  listener.trusted_networks = {*net::parse_address_block("10.0.0.0/8")};
  listener.proxy_networks = listener.trusted_networks;
  if (has(Plague::Proxies)) settings.listener.push_back(listener);
  listener = {};
  listener.address = kRelayInbound;
  listener.service = config::Service::Inbound;
  listener.tls = has(Plague::Tls) ? config::ListenerTls::StartTls : config::ListenerTls::Off;
  settings.listener.push_back(listener);
  if (!has(Plague::OddMail)) return;
  for (config::Listener& any : settings.listener) {
    any.strict_syntax = chance(random, 300);
    any.hide_submitter = chance(random, 300);
    if (chance(random, 200)) any.long_lines = config::LongLines::Refuse;
    if (chance(random, 200)) any.bare_newlines = config::BareNewlines::Fix;
    if (chance(random, 200)) any.greeting_delay = up_to(random, seconds(3));
  }
}

void Conditions::draw_limits(base::Random& random, config::Settings& drawn) const {
  if (has(Plague::TightMemory)) drawn.spool.memory_budget = (32 << 10) << random.below(5);
  if (has(Plague::LargeMail) && has(Plague::TightMemory)) drawn.spool.memory_budget = 4 << 20;
  if (has(Plague::TightLimits)) {
    drawn.delivery.connections_per_site = 1 + static_cast<std::uint32_t>(random.below(5));
    drawn.delivery.recipients_per_transaction = 1 + static_cast<std::uint32_t>(random.below(4));
    drawn.delivery.messages_per_connection = 1 + static_cast<std::uint32_t>(random.below(6));
    drawn.limits.recipients_per_message = 2 + static_cast<std::uint32_t>(random.below(5));
    drawn.limits.message_size = 10'000 + random.below(20'000);
    drawn.limits.connections = 3 + static_cast<std::uint32_t>(random.below(8));
    drawn.limits.connections_per_address = 1 + static_cast<std::uint32_t>(random.below(3));
    if (chance(random, 300)) drawn.limits.message_rate = {3, minutes(1)};
    if (chance(random, 300)) drawn.limits.connection_rate = {3, minutes(1)};
    if (chance(random, 200)) drawn.limits.commands_per_session = 20;
    if (chance(random, 200)) drawn.limits.errors_per_session = 3;
    // Whose turn it is can be judged where a site's limit is the only one.
    if (!has(Plague::Surges) && chance(random, 300))
      drawn.delivery.connections = 3 + static_cast<std::uint32_t>(random.below(6));
  } else {
    drawn.delivery.connections_per_site = 4 + static_cast<std::uint32_t>(random.below(20));
  }
}

config::Settings Conditions::changed(base::Random& random) const {
  config::Settings drawn = settings;
  draw_limits(random, drawn);
  drawn.spool.commit_interval = between(random, milliseconds(1), milliseconds(30));
  drawn.retry.first = between(random, minutes(1), minutes(15));
  if (chance(random, 300)) drawn.listener[1].stream = "newsletter";
  if (chance(random, 300)) drawn.listener.pop_back();
  if (chance(random, 100)) drawn.dsn.failure = config::DsnFailure::EventsOnly;
  draw_routes(random, drawn);
  for (config::Route& one : drawn.route) one.retry = drawn.retry;
  return drawn;
}

void Conditions::draw_routes(base::Random& random, config::Settings& drawn) const {
  const auto route = [](const char* domain, config::NextHop::Kind kind) {
    config::Route route;
    route.domains = {domain};
    route.next_hop.kind = kind;
    return route;
  };
  config::Route direct = route("two.example", config::NextHop::Kind::Hosts);
  direct.next_hop.hosts = {{"20.0.0.4", 25}, {"20.0.0.3", 25}};
  direct.bdat = chance(random, 500);
  if (has(Plague::Tls)) {
    const config::RouteTls policies[] = {config::RouteTls::Opportunistic, config::RouteTls::Off,
                                         config::RouteTls::Required, config::RouteTls::Verified};
    direct.tls = policies[random.below(4)];
    if (chance(random, 500)) {
      direct.username = Receiver::kUser;
      direct.password = chance(random, 800) ? Receiver::kPassword : "another";
    }
  }
  if (chance(random, 100)) direct.next_hop.hosts = {{"mx.three.example", 25}};
  if (has(Plague::Tls) && chance(random, 200)) direct.next_hop.hosts = {{"20.0.0.3", 465}};
  if (chance(random, 300)) drawn.route.push_back(direct);
  if (chance(random, 300))
    drawn.route.push_back(route("alias.example", config::NextHop::Kind::Hold));
  if (chance(random, 200))
    drawn.route.push_back(route("six.example", config::NextHop::Kind::Discard));
  if (chance(random, 150)) {
    config::Route literal = route("*.nowhere.example", config::NextHop::Kind::Hosts);
    literal.next_hop.hosts = {{"2600::9", 25}, {"20.0.0.66", 2525}};
    drawn.route.push_back(literal);
  }
}

Weather Conditions::weather(base::Random& random) const {
  Weather weather;
  weather.latency_max = chance(random, 500) ? milliseconds(20) : milliseconds(300);
  weather.split = static_cast<unsigned>(random.below(500));
  if (!has(Plague::BadNetwork)) return weather;
  weather.connect_refused = static_cast<unsigned>(random.below(100));
  weather.connect_lost = static_cast<unsigned>(random.below(100));
  weather.reset = static_cast<unsigned>(random.below(15));
  weather.broken = static_cast<unsigned>(random.below(300));
  return weather;
}

Temper Conditions::temper(base::Random& random) const {
  Temper temper;
  temper.has_pipelining = chance(random, 700);
  temper.has_eight_bit = chance(random, 700);
  temper.has_chunking = chance(random, 500);
  temper.has_dsn = chance(random, 300);
  if (chance(random, 300)) temper.recipients_max = 1 + random.below(4);
  if (chance(random, 300)) temper.messages_max = 1 + random.below(5);
  if (chance(random, 200)) temper.size_max = 15'000;
  if (has(Plague::Tls)) {
    temper.has_starttls = chance(random, 700);
    if (chance(random, 200)) temper.breaks_tls = static_cast<unsigned>(random.below(1000));
    if (chance(random, 200)) temper.refuses_tls = static_cast<unsigned>(random.below(1000));
    temper.has_requiretls = has(Plague::Protection) && chance(random, 600);
    temper.is_strange = has(Plague::Protection) && chance(random, 150);
    temper.has_scram = chance(random, 500);
    temper.has_login = chance(random, 200);
    temper.has_plain = chance(random, 700);
  }
  if (has(Plague::OddPeers)) {
    temper.refuses_ehlo = chance(random, 200);
    temper.has_binary = chance(random, 400);
    temper.has_utf8 = chance(random, 400);
    if (chance(random, 200)) temper.says_nonsense = static_cast<unsigned>(random.below(50));
    if (chance(random, 200)) temper.recipients_taken = 1 + random.below(3);
    temper.words = static_cast<unsigned>(random.below(3));
    if (chance(random, 500)) temper.has_policies = static_cast<unsigned>(random.below(300));
  }
  if (has(Plague::BadPeers)) {
    const auto some = [&](unsigned most) {
      return chance(random, 500) ? static_cast<unsigned>(random.below(most)) : 0;
    };
    temper.defers_connection = some(200);
    temper.refuses_connection = some(100);
    temper.defers_recipient = some(300);
    temper.defers_message = some(300);
    temper.refuses_message = some(50);
    temper.drops_in_data = some(100);
    temper.drops_after_dot = some(100);
    temper.leaves = some(50);
    temper.half_replies = some(50);
    temper.stalls = some(10);
  }
  if ((has(Plague::SlowPeers) || has(Plague::Surges)) && chance(random, 500))
    temper.slowness = between(random, milliseconds(50), seconds(8));
  return temper;
}

void Conditions::trouble(base::Random& random, Names& names) const {
  names.fails = static_cast<unsigned>(random.below(400));
  names.times_out = static_cast<unsigned>(random.below(200));
}

std::string Conditions::text() const {
  std::string text = std::to_string(workers) + " workers, " + std::to_string(lives) + " lives";
  if (is_paced) text += ", sources";
  for (unsigned i = 0; i < kPlagues; ++i)
    if (has(static_cast<Plague>(i))) text += ", " + std::string(kNames[i]);
  return text;
}

}  // namespace ekiden::simulation
