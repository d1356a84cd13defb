// The dispatcher's connections: opened by the site's owner on any worker, fed in small batches,
// settled when their results come back.
#include <algorithm>
#include <set>

#include "ekiden/base/log.hpp"
#include "ekiden/delivery/batch_stop.hpp"
#include "ekiden/delivery/connection_feed.hpp"
#include "ekiden/delivery/dispatcher.hpp"
#include "ekiden/queue/domain_key.hpp"

namespace ekiden::delivery {
namespace {

/// Connections opened in one turn; the next turn goes on.
constexpr unsigned kOpeningsPerTurn = 64;
constexpr unsigned kDoublingsMax = 16;
/// Messages of stopped batches that are set aside in one turn; the next turn goes on.
constexpr unsigned kStoppedPerTurn = 64;

}  // namespace

Job Dispatcher::job_of(const queue::Pick& pick,
                       const std::shared_ptr<const queue::Resident>& resident) {
  Job job{pick.id, std::shared_ptr<const message::Meta>(resident, resident->meta.get()),
          resident->body, pick.recipients};
  job.was_tried = pick.was_tried;
  job.is_alignment_judged = (pick.flags & queue::kAlignmentJudged) != 0;
  return job;
}

/// Whether the sender has paused or cancelled the batch: its recipients are held or cancelled then.
/// It is asked when their turn comes, so that a stop holds for mail of whatever time, over any
/// restart, and can be undone until then.
bool Dispatcher::is_stopped(const queue::Pick& pick,
                            const std::shared_ptr<const queue::Resident>& resident) {
  const auto stop = stop_of(parts_.accounts, resident->meta->details);
  if (!stop) return false;
  Settlement::Context context;
  context.id = pick.id;
  context.meta = std::shared_ptr<const message::Meta>(resident, resident->meta.get());
  std::vector<Verdict> verdicts;
  for (const std::uint32_t recipient : pick.recipients) {
    const std::uint32_t slot = scheduler_.find(pick.id, recipient);
    if (slot == queue::kNone || scheduler_.recipient(slot).place != queue::Place::InFlight)
      continue;
    if (*stop == account::SendStop::Cancel) {
      verdicts.push_back(cancelled_with_batch(recipient));
      continue;
    }
    const std::uint8_t flags = scheduler_.recipient(slot).flags;
    scheduler_.set_flags(slot, static_cast<std::uint8_t>(flags | queue::kBatchPaused));
    scheduler_.hold(slot);
    settlement_.record_hold(context, recipient, true, "paused with its batch");
  }
  if (!verdicts.empty()) settlement_.settle(context, std::move(verdicts));
  orders_.carry_out(context, pick.recipients);
  return true;
}

// --- the owner's side

void Dispatcher::open_connections(base::Time now) {
  for (unsigned opened = 0; opened < kOpeningsPerTurn; ++opened) {
    const std::uint32_t lane = next_lane(now);
    if (lane == queue::kNone) {
      stop_waiting();
      return;
    }
    if (!may_open_to_hosts(lane)) continue;  // parked
    std::optional<Egress::Way> way;
    if (lanes_[lane].provider != nullptr) {
      way = find_way(lane);
      if (!way) {  // parked: whoever comes next to its hosts may be luckier
        if (!lanes_[lane].hosts->waiting.empty()) make_due(*lanes_[lane].hosts);
        continue;
      }
    }
    const ConnectionLimit::Answer answer = parts_.neighbours.connections().take(
        parts_.worker.index, scheduler_.connections(lane) == 0);
    wake_worker(answer.wake);
    if (!answer.is_granted) {
      wait_for_connection(lane);
      return;
    }
    is_waiting_ = false;
    open_connection(lane, way ? &*way : nullptr);
  }
  wake();
}

void Dispatcher::open_connection(std::uint32_t lane, const Egress::Way* way) {
  scheduler_.opened(lane);
  ++lanes_[lane].hosts->connections;
  lanes_[lane].is_next_at_hosts = false;
  const std::uint64_t id = next_link_++;
  std::shared_ptr<const Plan> plan = lanes_[lane].plan;
  if (way != nullptr) plan = Egress::plan_for(plan, *way);
  // The first connection of a site stays with its owner, the others go round; where each
  // transaction is asked for they all stay.
  const unsigned worker = scheduler_.connections(lane) == 1 || plan->is_paced
                              ? parts_.worker.index
                              : next_worker_++ % parts_.neighbours.count();
  Link& link = links_[id];
  link.lane = lane;
  link.worker = worker;
  if (way != nullptr) {
    link.channel = way->channel;
    link.source = way->name;
    link.member = way->member;
    if (way->source != nullptr) link.source_id = id_of_source(way->name);
    if (link.channel != nullptr) link.channel->opened(moment());
    // Others may be able to open one too.
    if (!lanes_[lane].provider->parked.empty()) make_due(*lanes_[lane].provider);
  }
  Dispatcher& there = parts_.neighbours.at(worker);
  const unsigned here = parts_.worker.index;
  if (worker == here) {
    tasks_.spawn(run_connection(id, here, std::move(plan)));
  } else {
    parts_.neighbours.send(worker, [&there, id, here, plan = std::move(plan)]() mutable {
      there.tasks_.spawn(there.run_connection(id, here, std::move(plan)));
    });
  }
}

void Dispatcher::ask(std::uint64_t id, std::uint32_t wants) {
  const auto place = links_.find(id);
  if (place == links_.end()) return;
  Link& link = place->second;
  link.wants = wants;
  if (!link.has_asked) {
    link.has_asked = true;
    scheduler_.served(link.lane);
    // The peer answers: the site is well.
    scheduler_.set_failures(link.lane, 0);
  }
  serve(id, link, parts_.worker.clock.now());
}

void Dispatcher::serve(std::uint64_t id, Link& link, base::Time now) {
  // One that was told to end may have asked before it heard.
  if (link.is_leaving) return;
  if (must_leave(link)) {
    dismiss(id, link);
    return;
  }
  std::vector<Job> jobs;
  std::vector<queue::Pick> absent;
  const bool has_provider = lanes_[link.lane].provider != nullptr;
  queue::Taking taking;
  taking.source = link.source_id;
  if (!is_stopping_ && parts_.spool.status().accepts_updates) {
    // What names its recipient goes to one at a time.
    queue::WantsSingle wants_single;
    if (options_.rewriting != nullptr && options_.rewriting->acts_on_departure()) {
      wants_single = [this, &link](std::string_view tenant, std::string_view stream) {
        return options_.rewriting->wants_single(tenant, stream, lanes_[link.lane].plan->route);
      };
    }
    unsigned stopped = 0;
    while (link.wants > 0) {
      if (has_provider && scheduler_.ready(link.lane) > 0) {
        const Turn turn = turn_of(link);
        if (turn == Turn::Leaves && jobs.empty()) {
          dismiss(id, link);
          return;
        }
        if (turn != Turn::Its) {
          wake();  // another source may open a connection
          break;
        }
        if (link.channel != nullptr) taking.recipients_max = link.channel->recipients_max();
      }
      std::optional<queue::Pick> pick = scheduler_.pick(link.lane, now, wants_single, taking);
      if (!pick) break;
      if (pick->resident && is_stopped(*pick, pick->resident)) {
        if (++stopped < kStoppedPerTurn) continue;
        stirred_.push_back(link.lane);
        wake();
        break;
      }
      --link.wants;
      ++link.turns;
      // A body in a file is read back and checked before any of it is sent.
      const bool is_ready = pick->resident && pick->resident->body.is_in_memory();
      if (has_provider && is_ready) {
        began(link, static_cast<std::uint32_t>(pick->recipients.size()));
      }
      if (is_ready) {
        jobs.push_back(job_of(*pick, pick->resident));
      } else {
        absent.push_back(std::move(*pick));
      }
    }
  }
  if (jobs.empty() && absent.empty()) {
    if (!link.is_idle) {
      if (scheduler_.ready(link.lane) == 0 && is_missed_by_others(link.lane)) {
        dismiss(id, link);
        return;
      }
      link.is_idle = true;
      lanes_[link.lane].idle.push_back(id);
      note_idle(link.lane);
      if (parts_.neighbours.connections().is_short()) wake();
    }
    return;
  }
  link.wants = 0;
  if (absent.empty()) {
    grant(id, std::move(jobs));
  } else {
    if (!jobs.empty()) grant(id, std::move(jobs));
    tasks_.spawn(load_and_grant(id, std::move(absent)));
  }
}

/// Idle connections come before new ones. Looked at are those lanes about which something has
/// changed since: there may be tens of thousands.
void Dispatcher::serve_idle(base::Time now) {
  scheduler_.list_rested(now);
  std::vector<std::uint32_t> lanes = std::exchange(stirred_, {});
  if (std::exchange(was_spool_closed_, false)) lanes = idle_lanes_;
  for (std::uint32_t lane; (lane = scheduler_.next_stirred()) != queue::kNone;)
    lanes.push_back(lane);
  for (const std::uint32_t lane : lanes)
    if (lane < lanes_.size() && !lanes_[lane].idle.empty()) serve_idle(lane, now);
}

/// The one that rested least is the likeliest to live.
void Dispatcher::serve_idle(std::uint32_t lane, base::Time now) {
  if (lanes_[lane].provider != nullptr) {
    serve_idle_paced(lane, now);
    return;
  }
  std::vector<std::uint64_t>& idle = lanes_[lane].idle;
  while (!idle.empty() && scheduler_.ready(lane) > 0 && scheduler_.resting_until(lane) <= now &&
         !scheduler_.is_suspended(lane)) {
    const std::uint64_t id = idle.back();
    idle.pop_back();
    const auto place = links_.find(id);
    if (place == links_.end() || !place->second.is_idle) continue;
    place->second.is_idle = false;
    place->second.wants = std::max(place->second.wants, 1U);
    serve(id, place->second, now);
    if (place->second.is_idle) break;
  }
}

void Dispatcher::note_idle(std::uint32_t lane) {
  LaneInfo& info = lanes_[lane];
  if (!std::exchange(info.is_idle_listed, true)) idle_lanes_.push_back(lane);
  if (info.provider != nullptr && !std::exchange(info.is_idle_known, true))
    info.provider->idle.push_back(lane);
  if (!std::exchange(info.is_idle_at_hosts, true)) info.hosts->idle.push_back(lane);
}

void Dispatcher::grant(std::uint64_t id, std::vector<Job> jobs) {
  const Link& link = links_.at(id);
  const unsigned here = parts_.worker.index;
  if (link.worker == here) {
    granted(id, here, std::move(jobs));
    return;
  }
  Dispatcher& there = parts_.neighbours.at(link.worker);
  parts_.neighbours.send(link.worker, [&there, id, here, jobs = std::move(jobs)]() mutable {
    there.granted(id, here, std::move(jobs));
  });
}

/// The recipients are no longer in a transaction: what an operator wanted meanwhile is done now.
void Dispatcher::obey_orders(base::MessageId id, const std::vector<std::uint32_t>& recipients) {
  if (orders_.is_empty()) return;
  const std::uint32_t at = scheduler_.find_message(id);
  if (at == queue::kNone) return;
  with_meta(id, scheduler_.message(at).resident,
            [this, id, recipients](std::shared_ptr<const message::Meta> meta) {
              Settlement::Context context;
              context.id = id;
              context.meta = std::move(meta);
              orders_.carry_out(context, recipients);
            });
}

void Dispatcher::put_back(base::MessageId id, const std::vector<std::uint32_t>& recipients) {
  look_at_clock();
  const base::Time now = parts_.worker.clock.now();
  // From the back, so that the first ends up first.
  for (auto index = recipients.rbegin(); index != recipients.rend(); ++index) {
    const std::uint32_t slot = scheduler_.find(id, *index);
    if (slot != queue::kNone && scheduler_.recipient(slot).place == queue::Place::InFlight)
      scheduler_.put_back(slot, now);
  }
  obey_orders(id, recipients);
  wake();
}

void Dispatcher::settled(JobResult result, std::shared_ptr<const message::Meta> meta,
                         std::uint64_t id) {
  look_at_clock();
  const auto place = links_.find(id);
  Settlement::Context context{
      result.id, std::move(meta), std::move(result.peer), {}, {}, result.duration, {}, nullptr, {}};
  Link* const link = place != links_.end() ? &place->second : nullptr;
  if (link != nullptr) {
    const std::uint32_t lane = link->lane;
    const LaneInfo& info = lanes_[lane];
    context.route = info.plan->route;
    context.source = info.provider != nullptr ? link->source : info.plan->source_name;
    context.provider = provider_of(*info.plan);
    if (link->channel != nullptr && link->in_flight > 0) {
      --link->in_flight;
      link->channel->ended();
      // One that asks alone has its answer.
      if (link->channel->learnt()) make_due(*info.provider);
    }
    context.retry = info.retry;
    if (result.duration.count() > 0) scheduler_.note_duration(lane, result.duration);
  }
  std::vector<Verdict> verdicts;
  std::vector<std::uint32_t> tried, untried;
  for (RecipientResult& recipient : result.recipients) {
    if (recipient.outcome == Outcome::NotTried) {
      untried.push_back(recipient.recipient);
      continue;
    }
    if (recipient.outcome == Outcome::Held) {
      hold_unaligned(context, recipient.recipient, recipient.reply);
      continue;
    }
    Verdict verdict{.recipient = recipient.recipient,
                    .reply = std::move(recipient.reply),
                    .phase = recipient.phase,
                    .is_local = recipient.is_local,
                    .may_be_duplicate = recipient.may_be_duplicate,
                    .needs_relayed_dsn = recipient.needs_relayed_dsn,
                    .transcript = std::move(recipient.transcript)};
    switch (recipient.outcome) {
      case Outcome::Delivered:
        verdict.state = spool::State::Delivered;
        break;
      case Outcome::Bounced:
        verdict.state = spool::State::Bounced;
        break;
      default:
        verdict.state = spool::State::Queued;
        break;
    }
    tried.push_back(verdict.recipient);
    verdicts.push_back(std::move(verdict));
  }
  if (!verdicts.empty()) {
    if (link != nullptr && options_.providers != nullptr)
      learn(*link, lanes_[link->lane], context, verdicts);
    if (link != nullptr) tally(*link, context, verdicts);
    settlement_.settle(context, std::move(verdicts));
    orders_.carry_out(context, tried);
  }
  if (!untried.empty()) put_back(context.id, untried);
  // What it had in memory goes about now.
  serve_readers();
}

void Dispatcher::hold_unaligned(const Settlement::Context& context, std::uint32_t recipient,
                                const smtp::Reply& why) {
  const std::uint32_t slot = scheduler_.find(context.id, recipient);
  if (slot == queue::kNone || scheduler_.recipient(slot).place != queue::Place::InFlight) return;
  const std::uint8_t flags = scheduler_.recipient(slot).flags;
  scheduler_.set_flags(slot, static_cast<std::uint8_t>(flags | queue::kAlignmentJudged));
  scheduler_.hold(slot);
  Settlement::Context own = context;
  own.peer = {};  // No peer has seen it.
  settlement_.record_hold(own, recipient, true, why.text());
}

void Dispatcher::ended(std::uint64_t id, ConnectionEnd end) {
  const auto place = links_.find(id);
  if (place == links_.end()) return;
  Link link = std::move(place->second);
  links_.erase(place);
  std::erase(lanes_[link.lane].idle, id);
  if (!link.has_asked) scheduler_.served(link.lane);
  scheduler_.closed(link.lane);
  if (link.is_leaving) --leaving_;
  wake_worker(parts_.neighbours.connections().give_back());
  const LaneInfo& info = lanes_[link.lane];
  if (link.channel != nullptr) {
    link.channel->ended(link.in_flight);
    link.channel->closed();
  }
  left_hosts(link);
  if (info.provider != nullptr) make_due(*info.provider);
  if (end.is_failure && !is_stopping_) {
    const bool is_sources = learn_from_failure(link, info, end);
    tally_failure(link, end, is_sources);
    if (!is_sources) site_failed(link, end);
  }
  wake();
}

/// The connection failed as a whole. The site rests, and a bounded number of those that wait are
/// told; the rest stay parked until the site answers or their time is over.
void Dispatcher::site_failed(const Link& link, const ConnectionEnd& end) {
  const std::uint32_t lane = link.lane;
  LaneInfo& info = lanes_[lane];
  info.last_failure = end.reply;
  info.last_peer = end.peer;
  // One that has delivered something and then broke is simply opened again.
  if (end.transactions > 0 && !end.is_permanent) return;
  const base::Time now = parts_.worker.clock.now();

  Settlement::Context context;
  context.peer = end.peer;
  context.route = info.plan->route;
  context.source = info.provider != nullptr ? link.source : info.plan->source_name;
  context.retry = info.retry;
  Routed routed;
  routed.name = info.plan->route;
  routed.retry = info.retry;
  routed.plan = info.plan;
  std::uint32_t charged = 0;
  std::set<std::string, std::less<>> domains;  // whose mail was to go there
  while (end.is_permanent || charged < options_.deferred_per_failure_max) {
    const std::optional<queue::Pick> pick = scheduler_.pick(lane, now);
    if (!pick) break;
    std::vector<Verdict> verdicts;
    for (const std::uint32_t index : pick->recipients) {
      verdicts.push_back({.recipient = index,
                          .state = end.is_permanent ? spool::State::Bounced : spool::State::Queued,
                          .reply = end.reply,
                          .phase = end.phase});
      ++charged;
    }
    // The recipients of one transaction are of one domain.
    const std::uint32_t slot = scheduler_.find(pick->id, pick->recipients.front());
    if (!end.tls.empty() && slot != queue::kNone) {
      const std::string& key = scheduler_.domain_name(scheduler_.recipient(slot).domain);
      domains.emplace(queue::domain_of_key(key));
    }
    settle_soon(pick->id, pick->resident, routed, end.peer, std::move(verdicts));
  }
  for (const std::string& domain : domains) {
    for (const policy::TlsSession& session : end.tls) parts_.observe_tls(domain, session);
  }
  if (end.is_permanent) return;

  const std::uint32_t failures = scheduler_.failures(lane) + 1;
  scheduler_.set_failures(lane, failures);
  const base::Duration plain =
      options_.rest_first * (std::int64_t{1} << std::min(failures - 1, kDoublingsMax));
  const double scale = (0.75 + 0.5 * parts_.worker.random.unit()) * info.retry.time_scale;
  const auto rest = base::Duration(static_cast<std::int64_t>(
      static_cast<double>(std::min(plain, options_.rest_max).count()) * scale));
  scheduler_.rest(lane, now + rest);
  parts_.worker.clock.call_after(rest + std::chrono::milliseconds(1), [this] { wake(); });
  base::log::warning("site_resting", {{"site", scheduler_.site_of(lane)},
                                      {"failures", failures},
                                      {"rest", base::format_duration(rest)},
                                      {"reply", end.reply.text()},
                                      {"host", end.peer.host}});
}

// --- the connection's side

base::Task<void> Dispatcher::run_connection(std::uint64_t id, unsigned owner,
                                            std::shared_ptr<const Plan> plan) {
  ++connections_;
  connections_gauge_.set(connections_);
  ConnectionEnd end;
  {
    ConnectionFeed feed(*this, owner, id, options_.batch, plan->is_paced);
    end = co_await parts_.run(plan, feed);
    feed.return_unused();
  }
  --connections_;
  connections_gauge_.set(connections_);
  if (owner == parts_.worker.index) {
    ended(id, std::move(end));
  } else {
    Dispatcher& there = parts_.neighbours.at(owner);
    auto boxed = std::make_unique<ConnectionEnd>(std::move(end));
    parts_.neighbours.send(
        owner, [&there, id, boxed = std::move(boxed)] { there.ended(id, std::move(*boxed)); });
  }
}

void Dispatcher::granted(std::uint64_t id, unsigned owner, std::vector<Job> jobs) {
  const auto place = feeds_.find({owner, id});
  if (place != feeds_.end()) {
    place->second->granted(std::move(jobs));
    return;
  }
  // The connection ended while the jobs were on their way.
  Dispatcher& there = parts_.neighbours.at(owner);
  for (Job& job : jobs) {
    if (owner == parts_.worker.index) {
      put_back(job.id, job.recipients);
    } else {
      parts_.neighbours.send(owner, [&there, id = job.id, recipients = std::move(job.recipients)] {
        there.put_back(id, recipients);
      });
    }
  }
}

void Dispatcher::each_feed(void (*tell)(ConnectionFeed&)) {
  // A feed that is told may end within the call, and others with it.
  for (auto at = feeds_.begin(); at != feeds_.end();) {
    const auto key = at->first;
    tell(*at->second);
    at = feeds_.upper_bound(key);
  }
}

void Dispatcher::stop(base::Work done) {
  is_stopping_ = true;
  stopped_ = std::move(done);
  stop_waiting();
  each_feed([](ConnectionFeed& feed) { feed.dismiss(); });
  dismiss_readers();
  tasks_.when_empty([this] { wake(); });
  wake();
}

void Dispatcher::abort() {
  tasks_.close();
  if (stopped_) std::exchange(stopped_, {})();
}

}  // namespace ekiden::delivery
