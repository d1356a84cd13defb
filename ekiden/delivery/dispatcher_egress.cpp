// What the dispatcher does about sources and providers' limits: a connection chooses its source
// when it is opened; a transaction is handed out when the source's channel to the provider lets
// it; a lane that all its sources hold back is parked until one of them may.
//
// Invariants:
// - A channel's count of connections is the number of links that have it, its count of
//   transactions the sum of theirs.
// - A parked lane is in its provider's line once, and the scheduler's mark says so. Whoever frees
//   something makes the provider due; what time frees has a timer.
#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/delivery/dispatcher.hpp"
#include "ekiden/net/error.hpp"
#include "ekiden/queue/domain_key.hpp"

namespace ekiden::delivery {
namespace {

/// Lanes of one provider that are freed at once; those that find the limit used up wait again.
constexpr std::size_t kFreedAtOnce = 8;
/// What a connection may send while others wait for one of the provider's, so that all get a turn.
constexpr std::uint32_t kTurnsMax = 20;
/// A source whose address is not on the machine is looked at again after this.
constexpr base::Duration kMissingRest = std::chrono::minutes(1);
/// A provider that wants another source than this one is not asked by it for so long.
constexpr base::Duration kSwitchRest = std::chrono::minutes(15);
/// The same alert is raised again after this; so many different ones are remembered.
constexpr base::Duration kAlertPause = std::chrono::hours(1);
constexpr std::size_t kAlertsMax = 1000;
/// A time that is due is looked at no earlier than it was said, by timers that count microseconds.
constexpr base::Duration kTimerSlack = std::chrono::microseconds(1);
/// Whoever stores what is learnt is told this long after the first of it.
constexpr base::Duration kToldPause = std::chrono::seconds(1);
/// How often those are looked at who leave a turn to another source that does not take it here.
constexpr base::Duration kShareLook = std::chrono::milliseconds(200);
/// What a connection waits for its turn with a message that was read back.
constexpr base::Duration kTurnWaitMax = std::chrono::seconds(5);

shaping::Phase phase_of(Phase phase) {
  switch (phase) {
    case Phase::Connect:
    case Phase::Greeting:
      return shaping::Phase::Connect;
    case Phase::Ehlo:
    case Phase::StartTls:
    case Phase::Auth:
      return shaping::Phase::Ehlo;
    case Phase::Mail:
      return shaping::Phase::Mail;
    case Phase::Rcpt:
      return shaping::Phase::Rcpt;
    case Phase::Data:
      return shaping::Phase::Data;
    case Phase::Eod:
      return shaping::Phase::Eod;
  }
  return shaping::Phase::Unknown;
}

/// How an exchange ended of which only our own words tell.
shaping::Ending ending_of(const smtp::Reply& reply) {
  const std::string text = reply.text();
  const auto says = [&](net::Errc error) {
    return text.find(make_error_code(error).message()) != std::string::npos;
  };
  if (says(net::Errc::Reset)) return shaping::Ending::Reset;
  if (says(net::Errc::TimedOut) || text.find("time-out") != std::string::npos)
    return shaping::Ending::TimedOut;
  return shaping::Ending::Closed;
}

/// RFC 3463 §3.5: what our own replies say when the network failed.
bool is_network(const smtp::Reply& reply) {
  return reply.enhanced == smtp::EnhancedCode{4, 4, 2} ||
         reply.enhanced == smtp::EnhancedCode{4, 4, 1};
}

/// Asked for anew each time: recipients that warm a source up are far apart. Sites without a
/// provider are too many to be named.
void show_warm_up(base::Metrics& metrics, const std::string& source, const std::string& provider,
                  shaping::Channel& channel) {
  if (channel.profile().name != provider) return;
  const base::Labels labels{{"source", source}, {"provider", provider}};
  const shaping::WarmUp& warm_up = channel.warm_up();
  metrics.gauge("ekiden_warmup_day", "The day of its ramp that a source is on", labels)
      .set(warm_up.state().stage + 1);
  metrics.gauge("ekiden_warmup_sent", "Recipients of a source's day", labels)
      .set(warm_up.state().sent);
  metrics.gauge("ekiden_warmup_allowance", "What a source may send on its day", labels)
      .set(warm_up.allowance());
}

bool is_about_source(shaping::Action action) {
  return action == shaping::Action::SlowDown || action == shaping::Action::Suspend ||
         action == shaping::Action::RestSource;
}

}  // namespace

// --- ways

std::uint16_t Dispatcher::id_of_source(std::string_view name) {
  const auto found = std::find(source_ids_.begin(), source_ids_.end(), name);
  if (found != source_ids_.end())
    return static_cast<std::uint16_t>(found - source_ids_.begin() + 1);
  // Reloads that name ever new sources end here: those are shown without a name.
  if (source_ids_.size() >= UINT16_MAX) return 0;
  source_ids_.emplace_back(name);
  return static_cast<std::uint16_t>(source_ids_.size());
}

/// The source for the lane's next connection; nothing when the lane is parked.
std::optional<Egress::Way> Dispatcher::find_way(std::uint32_t lane) {
  std::vector<Egress::Stuck> stuck;
  const LaneInfo& info = lanes_[lane];
  std::optional<Egress::Way> way =
      egress_.choose(*info.provider, info.way, scheduler_.suspended(), moment(), stuck);
  if (!way) {
    park(lane, stuck.empty() ? base::Time::max() : stuck.front().held.until);
    return way;
  }
  if (way->channel == nullptr) return way;
  // Another connection is no help to those that wait for the pace.
  for (const std::uint64_t id : info.idle) {
    const auto place = links_.find(id);
    if (place == links_.end() || place->second.channel != way->channel) continue;
    const shaping::Held held = way->channel->holds_transaction(moment());
    if (held.is_free()) continue;
    park(lane, held.until);
    return std::nullopt;
  }
  return way;
}

std::vector<Egress::Stuck> Dispatcher::stuck(std::uint32_t lane) {
  std::vector<Egress::Stuck> stuck;
  const LaneInfo& info = lanes_[lane];
  if (info.provider == nullptr) return stuck;
  if (!egress_.choose(*info.provider, info.way, scheduler_.suspended(), moment(), stuck)) {
    // Connections that all wait themselves are not what holds.
    for (Egress::Stuck& one : stuck) {
      const auto channel = info.provider->channels.find(one.source);
      if (one.held.by != shaping::Hold::Connections || channel == info.provider->channels.end())
        continue;
      const shaping::Held held = channel->second->holds_transaction(moment());
      if (!held.is_free()) one.held = held;
    }
    return stuck;
  }
  // Connections are open, and each transaction waits for its turn.
  stuck.clear();
  for (const auto& [source, channel] : info.provider->channels) {
    if (options_.sources != nullptr) {
      const auto& members = options_.sources->pool(queue::pool_of_way(info.way)).members;
      const bool is_member = std::any_of(
          members.begin(), members.end(),
          [&name = source](const PoolOptions::Member& member) { return member.source == name; });
      if (!is_member) continue;
    }
    const shaping::Held held = channel->holds_transaction(moment());
    if (!held.is_free()) stuck.push_back({source, held, {}});
  }
  return stuck;
}

void Dispatcher::park(std::uint32_t lane, base::Time until) {
  if (scheduler_.is_limited(lane)) return;
  limited_.add();
  scheduler_.limit(lane);
  Egress::Provider& provider = *lanes_[lane].provider;
  provider.parked.push_back(lane);
  look_again(provider, until);
}

/// Time frees something then: one timer for each provider, for the earliest.
void Dispatcher::look_again(Egress::Provider& provider, base::Time at) {
  if (at == base::Time::max()) return;
  base::Clock& clock = parts_.worker.clock;
  const base::Duration wait = std::max(base::Duration::zero(), at - clock.now()) + kTimerSlack;
  if (clock.steady() + wait >= provider.timer_at) return;
  if (provider.timer != base::TimerId::None) clock.cancel(provider.timer);
  provider.timer_at = clock.steady() + wait;
  provider.timer = clock.call_after(wait, [this, &provider] {
    provider.timer = base::TimerId::None;
    provider.timer_at = base::Steady::max();
    make_due(provider);
    wake();
  });
}

void Dispatcher::make_due(Egress::Provider& provider) {
  if (provider.is_due) return;
  provider.is_due = true;
  due_.push_back(&provider);
  if (!provider.parked.empty() || !provider.idle.empty()) wake();
}

void Dispatcher::make_all_due() {
  for (const auto& [key, provider] : egress_.providers()) make_due(*provider);
}

void Dispatcher::free_parked(base::Time now) {
  const std::uint64_t changes = scheduler_.suspended().changes();
  if (changes != suspensions_seen_) {
    suspensions_seen_ = changes;
    make_all_due();
  }
  for (Egress::Provider* const provider : std::exchange(due_, {})) {
    provider->is_due = false;
    stir_idle(*provider);
    // Those that have nothing to send any more, or may not, do not count.
    for (std::size_t freed = 0; freed < kFreedAtOnce && !provider->parked.empty();) {
      const std::uint32_t lane = provider->parked.front();
      provider->parked.pop_front();
      scheduler_.free(lane, now);
      if (scheduler_.wants_connection(lane, now)) ++freed;
    }
  }
}

/// Its idle connections may have their turn. Lanes that share a limit take turns.
void Dispatcher::stir_idle(Egress::Provider& provider) {
  std::erase_if(provider.idle, [&](std::uint32_t lane) {
    LaneInfo& info = lanes_[lane];
    // A reload has given it another provider, which knows it as well.
    if (info.provider != &provider) return true;
    if (info.idle.empty()) info.is_idle_known = false;
    return info.idle.empty();
  });
  if (provider.idle.empty()) return;
  std::rotate(provider.idle.begin(), provider.idle.begin() + 1, provider.idle.end());
  stirred_.insert(stirred_.end(), provider.idle.begin(), provider.idle.end());
}

// --- turns

/// Whether the link may take a transaction now. Only asked while its lane has something ready.
Dispatcher::Turn Dispatcher::turn_of(const Link& link) {
  const LaneInfo& info = lanes_[link.lane];
  if (egress_.stopped(link.source, scheduler_.suspended(), moment())) return Turn::Leaves;
  if (link.channel != nullptr) {
    const shaping::Held held = link.channel->holds_transaction(moment());
    if (!held.is_free()) {
      look_again(*info.provider, held.until);
      return Turn::Waits;
    }
  }
  if (!egress_.may_be_ahead(info.way, link.member)) return Turn::Its;
  std::vector<std::string_view> idle;
  if (!info.way.empty()) {
    for (const std::uint64_t id : info.idle) {
      const auto place = links_.find(id);
      if (place != links_.end() && place->second.is_idle) idle.push_back(place->second.source);
    }
  }
  if (!egress_.is_ahead(*info.provider, info.way, link.member, idle, scheduler_.suspended(),
                        moment()))
    return Turn::Its;
  // The others' turn: beside this connection where there is room for one, else instead of it.
  const bool has_room = scheduler_.wants_connection(link.lane, parts_.worker.clock.now()) ||
                        scheduler_.connections(link.lane) > 1;
  if (!has_room) return Turn::Leaves;
  // Until it has had a turn here; or somewhere else, which nobody tells.
  if (std::exchange(lanes_[link.lane].waits_for_share, true)) return Turn::Waits;
  share_waiters_.push_back(link.lane);
  if (share_waiters_.size() == 1) {
    parts_.worker.clock.call_after(kShareLook, [this] {
      for (const std::uint32_t lane : std::exchange(share_waiters_, {})) {
        lanes_[lane].waits_for_share = false;
        stirred_.push_back(lane);
      }
      wake();
    });
  }
  return Turn::Waits;
}

void Dispatcher::serve_idle_paced(std::uint32_t lane, base::Time now) {
  const std::vector<std::uint64_t> waiting = lanes_[lane].idle;
  for (auto id = waiting.rbegin(); id != waiting.rend(); ++id) {
    if (scheduler_.ready(lane) == 0 || scheduler_.resting_until(lane) > now ||
        scheduler_.is_suspended(lane))
      return;
    const auto place = links_.find(*id);
    if (place == links_.end() || !place->second.is_idle) continue;
    Link& link = place->second;
    const Turn turn = turn_of(link);
    if (turn == Turn::Waits) continue;
    std::erase(lanes_[lane].idle, *id);
    link.is_idle = false;
    if (turn == Turn::Leaves) {
      dismiss(*id, link);
      continue;
    }
    link.wants = std::max(link.wants, 1U);
    serve(*id, link, now);
  }
}

/// A transaction is handed out.
void Dispatcher::began(Link& link, std::uint32_t recipients) {
  egress_.count(lanes_[link.lane].way, link.member);
  if (lanes_[link.lane].waits_for_share) {
    stirred_.push_back(link.lane);
    wake();
  }
  if (link.channel == nullptr) return;
  ++link.in_flight;
  link.channel->started(moment(), recipients);
  if (!link.channel->is_warming()) return;
  note_learnt();
  show_warm_up(parts_.metrics, link.source, lanes_[link.lane].provider->key, *link.channel);
}

/// Behind a read from the disk the turn may have passed: it is waited for a little. False: it does
/// not come soon.
base::Task<bool> Dispatcher::turn_to_begin(std::uint64_t id) {
  for (;;) {
    const auto place = links_.find(id);
    if (place == links_.end()) co_return true;  // the caller sees that itself
    Link& link = place->second;
    if (lanes_[link.lane].provider == nullptr) co_return true;
    const base::Time now = parts_.worker.clock.now();
    const shaping::Held held =
        link.channel == nullptr ? shaping::Held{} : link.channel->holds_transaction(moment());
    if (held.is_free()) {
      began(link, 1);
      co_return true;
    }
    if (is_stopping_ || held.until - now > kTurnWaitMax) {
      look_again(*lanes_[link.lane].provider, held.until);
      co_return false;
    }
    base::Clock& clock = parts_.worker.clock;
    const base::Duration wait = std::max(base::Duration::zero(), held.until - now) + kTimerSlack;
    auto begin = [&clock, wait](base::Completion<bool> done) {
      clock.call_after(wait, [done = std::move(done)]() mutable { done(true); });
    };
    (void)co_await base::suspend<bool>(std::move(begin));
  }
}

/// Others wait for one of the provider's connections: at once where they are urgent, else when
/// this one has had its turns.
bool Dispatcher::must_make_room(const Link& link) const {
  const std::deque<std::uint32_t>& parked = lanes_[link.lane].provider->parked;
  const std::size_t looked = std::min(parked.size(), kFreedAtOnce);
  for (std::size_t i = 0; i < looked; ++i) {
    const std::uint32_t lane = parked[i];
    if (lane == link.lane || scheduler_.ready(lane) == 0) continue;
    if (link.turns >= kTurnsMax) return true;
    if (scheduler_.urgent(lane) > 0 && scheduler_.urgent(link.lane) == 0) return true;
  }
  return false;
}

// --- learning

shaping::Classification Dispatcher::classified(const Plan& plan, const Peer& peer, Phase phase,
                                               const smtp::Reply& reply, bool is_local) const {
  const std::string text = is_local ? std::string() : reply.text();
  shaping::ReplyFacts facts;
  facts.phase = phase_of(phase);
  if (is_local) {
    facts.ending = ending_of(reply);
  } else {
    facts.code = reply.code;
    facts.enhanced = reply.enhanced;
    facts.text = text;
  }
  if (plan.profile != nullptr) return options_.providers->classify(facts, *plan.profile);
  return options_.providers->classify(facts, peer.host, {});
}

/// What the replies to one transaction teach, and what they change about its recipients.
void Dispatcher::learn(Link& link, const LaneInfo& info, const Settlement::Context& context,
                       std::vector<Verdict>& verdicts) {
  const auto sent_at = [&] { return parts_.worker.clock.now() - context.duration; };
  bool has_obeyed = false, has_delivered = false;
  for (Verdict& verdict : verdicts) {
    if (verdict.state == spool::State::Delivered) {
      has_delivered = true;
      continue;
    }
    if (verdict.is_local && !is_network(verdict.reply)) continue;
    const shaping::Classification what =
        classified(*info.plan, context.peer, verdict.phase, verdict.reply, verdict.is_local);
    verdict.reason = shaping::name_of(what.reason);
    verdict.fault = shaping::name_of(what.fault);
    if (!verdict.is_local) {
      if (what.action == shaping::Action::Bounce) verdict.state = spool::State::Bounced;
      // Who asks for less has nothing against the message, whatever code says so: docomo answers
      // 554 to all of a session that was too much.
      const bool is_pace =
          what.reason == shaping::Reason::RateLimited && what.action != shaping::Action::Bounce;
      if (what.action == shaping::Action::Defer || is_pace) verdict.state = spool::State::Queued;
    }
    if (what.action == shaping::Action::Alert) raise_alert(link, info, what, verdict.reply);
    if (what.is_hard && link.channel != nullptr) link.channel->on_hard_bounce(moment());
    // Once for a transaction: its replies are about the same thing.
    if (!has_obeyed) has_obeyed = obey(link, info, what, sent_at());
    if (info.way.empty() || verdict.state != spool::State::Queued) continue;
    // Greylisting waits for the same address; who is to switch comes from another.
    const std::uint32_t slot = scheduler_.find(context.id, verdict.recipient);
    if (slot == queue::kNone) continue;
    const std::string& key = scheduler_.domain_name(scheduler_.recipient(slot).domain);
    std::string next;
    if (what.reason == shaping::Reason::Greylisted) {
      next = queue::with_wish(key, '@', link.source);
    } else if (what.action == shaping::Action::SwitchSource) {
      next = queue::with_wish(key, '!', link.source);
    } else {
      next = key.substr(0, key.find_first_of("@!", key.find('#')));
    }
    if (next != key) scheduler_.set_way(slot, next);
  }
  link.has_obeyed = has_obeyed;
  if (has_delivered && !has_obeyed && link.channel != nullptr) {
    if (!link.channel->learnt()) return;
    link.channel->on_success(moment(), sent_at());
    note_learnt();
    make_due(*info.provider);
  }
}

/// False: there was nothing to do about the source.
bool Dispatcher::obey(Link& link, const LaneInfo& info, const shaping::Classification& what,
                      base::Time sent_at) {
  switch (what.action) {
    case shaping::Action::SlowDown:
      if (link.channel == nullptr) return false;
      link.channel->on_throttled(moment(), sent_at);
      break;
    case shaping::Action::Suspend:
      if (link.channel == nullptr) return false;
      link.channel->on_suspended(moment(), sent_at, what.duration);
      base::log::warning("source_suspended", {{"source", link.source},
                                              {"provider", info.provider->key},
                                              {"for", base::format_duration(what.duration)},
                                              {"rule", what.rule}});
      break;
    case shaping::Action::RestSource:
      if (info.way.empty()) {
        // The only source there is: it rests towards this provider at least.
        if (link.channel == nullptr) return false;
        link.channel->on_suspended(moment(), sent_at, what.duration);
        break;
      }
      rest_source(link.source, what.duration,
                  info.provider->key + " says " + std::string(shaping::name_of(what.reason)) +
                      " (" + std::string(what.rule) + ")",
                  true);
      break;
    default:
      return false;
  }
  throttled_.add();
  note_learnt();
  make_due(*info.provider);
  return true;
}

/// A connection that failed before it could send: whether it was this source's failure and not the
/// site's. Then nobody is charged an attempt, and the site is asked again as the source allows.
bool Dispatcher::learn_from_failure(Link& link, const LaneInfo& info, const ConnectionEnd& end) {
  if (end.is_source_missing && !info.way.empty()) {
    const SourceOptions* source = options_.sources ? options_.sources->find(link.source) : nullptr;
    if (!end.source_problem.empty()) {
      rest_source(link.source, kMissingRest, end.source_problem, false);
      return true;
    }
    std::string addresses;
    if (source != nullptr && source->ipv4) addresses = source->ipv4->to_string();
    if (source != nullptr && source->ipv6)
      addresses += (addresses.empty() ? "" : " and ") + source->ipv6->to_string();
    rest_source(link.source, kMissingRest, "its address is not on this machine: " + addresses,
                false);
    return true;
  }
  if (options_.providers == nullptr || info.provider == nullptr || end.is_permanent) return false;
  // Ours, and not about the network: no peer said anything.
  if (end.is_local && !is_network(end.reply)) return false;
  const shaping::Classification what =
      classified(*info.plan, end.peer, end.phase, end.reply, end.is_local);
  if (what.action == shaping::Action::Alert) raise_alert(link, info, what, end.reply);
  const bool has_others = !info.way.empty() && options_.sources != nullptr &&
                          options_.sources->pool(queue::pool_of_way(info.way)).members.size() > 1;
  // What a transaction was told has been obeyed with its results.
  bool is_sources = link.has_obeyed ? link.channel != nullptr && is_about_source(what.action)
                                    : obey(link, info, what, parts_.worker.clock.now());
  if (what.action == shaping::Action::SwitchSource && has_others && link.channel != nullptr) {
    link.channel->on_suspended(moment(), parts_.worker.clock.now(), kSwitchRest);
    note_learnt();
    is_sources = true;
  }
  if (!is_sources) return false;
  lanes_[link.lane].last_failure = end.reply;
  lanes_[link.lane].last_peer = end.peer;
  return true;
}

void Dispatcher::rest_source(std::string_view source, base::Duration length, const std::string& why,
                             bool is_stored) {
  const auto known = egress_.rests().find(source);
  const base::Steady now = parts_.worker.clock.steady();
  const SourceRest rest{now + length, why, is_stored};
  if (known == egress_.rests().end() || known->second.until <= now) {
    base::log::error("source_resting", {{"source", source},
                                        {"for", base::format_duration(length)},
                                        {"why", why},
                                        {"consequence", "its share goes to the pool's others"}});
    // At once: others of its connections fail in the same instant, and one line is enough.
    egress_.rest(source, rest);
  }
  for (unsigned i = 0; i < parts_.neighbours.count(); ++i) {
    Dispatcher& there = parts_.neighbours.at(i);
    parts_.neighbours.send(i, [&there, source = std::string(source), rest] {
      there.egress_.rest(source, rest);
      there.make_all_due();
      there.wake();
    });
  }
}

void Dispatcher::set_ipv6(std::string_view source, std::string why) {
  egress_.set_ipv6(source, std::move(why));
  make_all_due();
  wake();
}

void Dispatcher::raise_alert(const Link& link, const LaneInfo& info,
                             const shaping::Classification& what, const smtp::Reply& reply) {
  const base::Time now = parts_.worker.clock.now();
  if (alerted_.size() >= kAlertsMax) alerted_.clear();
  base::Time& until = alerted_[info.plan->site + ' ' + std::string(shaping::name_of(what.reason)) +
                               ' ' + link.source];
  if (until > now) return;
  until = now + kAlertPause;
  base::log::error("provider_alert", {{"site", info.plan->site},
                                      {"source", link.source},
                                      {"reason", shaping::name_of(what.reason)},
                                      {"fault", shaping::name_of(what.fault)},
                                      {"rule", what.rule},
                                      {"reply", reply.text()}});
}

/// Once in a while, however much is learnt.
void Dispatcher::note_learnt() {
  if (!learnt_ || is_learnt_told_) return;
  is_learnt_told_ = true;
  parts_.worker.clock.call_after(kToldPause, [this] {
    is_learnt_told_ = false;
    learnt_();
  });
}

bool Dispatcher::pause_warm_up(std::string_view source, std::string_view provider, bool is_paused) {
  Egress::Provider* const found = egress_.find(provider);
  if (found == nullptr) return false;
  shaping::Channel* const channel = egress_.channel(*found, source, moment());
  if (channel == nullptr || !channel->is_warming()) return false;
  channel->set_warm_up_paused(is_paused);
  note_learnt();
  make_due(*found);
  wake();
  return true;
}

}  // namespace ekiden::delivery
