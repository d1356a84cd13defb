// `queue explain` and `queue show`.
#include <algorithm>
#include <map>

#include "ekiden/control/limit_reasons.hpp"
#include "ekiden/control/live_node.hpp"
#include "ekiden/queue/domain_key.hpp"

namespace ekiden::control {
namespace {

/// Of a header section, for people. What is longer is cut.
constexpr std::size_t kHeaderOctetsMax = 256 * 1024;

/// A recipient and what on its worker holds it.
struct Held {
  Met met;
  std::vector<Explanation::Reason> reasons;
};

std::string waiting_for_turn(const queue::Scheduler::LaneView& lane) {
  return "its turn comes: " + std::to_string(lane.ready) + " recipients are ready for the site, " +
         std::to_string(lane.connections) + " connections work on them";
}

/// A site that failed.
void explain_lane(const delivery::Dispatcher& there, std::uint32_t at, base::Time now,
                  std::vector<Explanation::Reason>& reasons) {
  const queue::Scheduler::LaneView lane = there.scheduler().view(at);
  const std::string site(lane.site);
  const delivery::Dispatcher::LaneInfo* info = there.lane_info(at);
  if (lane.rests_until > now) {
    std::string text =
        "the site does not answer and rests after " + std::to_string(lane.failures) + " failures";
    if (info != nullptr && info->last_failure.code != 0) {
      text += "; the last: " + info->last_failure.text();
      if (!info->last_peer.host.empty()) text += " from " + info->last_peer.host;
    }
    reasons.push_back({"site_resting", site, std::move(text), lane.rests_until});
  }
}

Held explain_on_worker(delivery::Dispatcher& there, std::uint32_t slot, base::Time now,
                       bool takes_updates) {
  const queue::Scheduler& scheduler = there.scheduler();
  Held held{meet(there, slot), {}};
  const queue::RecipientEntry& entry = held.met.entry;
  std::vector<Explanation::Reason>& reasons = held.reasons;
  if (there.is_stopping())
    reasons.push_back({"stopping", "", "the node is stopping: no new attempt begins", {}});
  if (!takes_updates)
    reasons.push_back(
        {"spool", "", "the spool takes no updates, so nothing is attempted until it does", {}});
  switch (entry.place) {
    case queue::Place::Held:
      reasons.push_back({"held", "", "it is held until an operator releases it", {}});
      break;
    case queue::Place::Waiting:
      reasons.push_back({"not_due", "",
                         entry.attempts == 0
                             ? "its first attempt is due later"
                             : "the next attempt, number " + std::to_string(entry.attempts + 1) +
                                   ", is due later",
                         base::from_unix_us(entry.due_us)});
      if (entry.lane != queue::kNone) explain_lane(there, entry.lane, now, reasons);
      break;
    case queue::Place::Unresolved:
      if (!scheduler.is_domain_suspended(entry.domain))
        reasons.push_back({"resolving",
                           held.met.domain,
                           "where " + held.met.domain + " is delivered is being found out",
                           {}});
      break;
    case queue::Place::Ready:
      explain_lane(there, entry.lane, now, reasons);
      explain_limits(there, entry.lane, reasons);
      if (reasons.empty() && !scheduler.is_suspended(entry.lane))
        reasons.push_back(
            {"turn", held.met.site, waiting_for_turn(scheduler.view(entry.lane)), {}});
      break;
    case queue::Place::InFlight:
      reasons.push_back({"in_flight", held.met.site, "a connection is working on it", {}});
      break;
    case queue::Place::Settling:
      reasons.push_back({"settling", "", "its outcome is on the way to the disk", {}});
      break;
    case queue::Place::Parked:
    case queue::Place::Free:
      break;
  }
  return held;
}

std::string header_section(std::string_view octets) {
  const std::size_t end = octets.find("\r\n\r\n");
  return std::string(
      octets.substr(0, std::min(end == std::string_view::npos ? end : end + 2, kHeaderOctetsMax)));
}

Problem not_queued() {
  return {"not_found", "no such message is queued; `ekiden message trace` tells what became of it"};
}

}  // namespace

/// Suspensions come first among the reasons: nothing else matters while they last.
void LiveNode::name_suspensions(const Met& met, std::vector<Explanation::Reason>& reasons) const {
  const std::pair<SuspendScope::Kind, const std::string*> scopes[] = {
      {SuspendScope::Kind::Site, &met.site},
      {SuspendScope::Kind::Domain, &met.domain},
      {SuspendScope::Kind::Tenant, &met.tenant},
      {SuspendScope::Kind::Stream, &met.stream},
      {SuspendScope::Kind::Source, &met.source}};
  std::vector<Explanation::Reason> found;
  for (const auto& [kind, name] : scopes) {
    const Suspension* suspension = book_.find(kind, *name);
    if (suspension == nullptr) continue;
    std::string text = std::string("an operator suspended ") + kind_name(kind) + " " + *name;
    if (!suspension->reason.empty()) text += ": " + suspension->reason;
    found.push_back({"suspended", *name, std::move(text), suspension->until});
  }
  reasons.insert(reasons.begin(), found.begin(), found.end());
}

base::Task<Outcome<std::vector<Explanation>>> LiveNode::explain(
    base::MessageId message, std::optional<std::uint32_t> index) {
  const bool takes_updates = parts_.spool.status().accepts_updates;
  Filter any;
  const auto sieve = std::make_shared<const Sieve>(std::move(any), parts_.worker.clock.steady());
  AskedWork<std::vector<Held>> work = [message, index, takes_updates](
                                          delivery::Dispatcher& there,
                                          std::shared_ptr<Answering<std::vector<Held>>> answer) {
    const base::Time time = there.worker().clock.now();
    for (const std::uint32_t slot : slots_of(there.scheduler(), message))
      if (!index || there.scheduler().recipient(slot).index == *index)
        answer->value.push_back(explain_on_worker(there, slot, time, takes_updates));
  };
  const std::vector<std::vector<Held>> on_workers =
      co_await ask_workers<std::vector<Held>>(std::move(work));
  std::map<std::uint32_t, std::vector<Explanation::Reason>> reasons;
  std::vector<Met> met;
  for (const std::vector<Held>& some : on_workers)
    for (const Held& held : some) {
      reasons[held.met.entry.index] = held.reasons;
      met.push_back(held.met);
    }
  const std::vector<Found> found = co_await read_back(port(), std::move(met), sieve, {});
  std::vector<Explanation> all;
  for (const Found& one : found) {
    Explanation explanation{as_seen(one), std::move(reasons[one.met.entry.index])};
    if (!one.reply.empty())
      explanation.reasons.push_back(
          {"last_reply", one.met.site, "the last attempt ended in: " + one.reply, std::nullopt});
    name_suspensions(one.met, explanation.reasons);
    all.push_back(std::move(explanation));
  }
  if (all.empty()) co_return Outcome<std::vector<Explanation>>(not_queued());
  std::sort(all.begin(), all.end(), [](const Explanation& a, const Explanation& b) {
    return a.recipient.index < b.recipient.index;
  });
  co_return Outcome<std::vector<Explanation>>(std::move(all));
}

base::Task<Outcome<MessageView>> LiveNode::show(base::MessageId message) {
  auto load = [this, message](base::Completion<Result<spool::Loaded>> done) {
    port().load(message, std::move(done));
  };
  const Result<spool::Loaded> loaded =
      co_await base::suspend<Result<spool::Loaded>>(std::move(load));
  if (!loaded) {
    Problem problem = not_queued();
    if (loaded.error() != make_error_code(spool::Errc::NotFound))
      problem = {"unavailable", "the message cannot be read: " + loaded.error().message()};
    co_return Outcome<MessageView>(std::move(problem));
  }
  const Result<message::Meta> meta = message::decode_meta(loaded->meta);
  if (!meta) {
    Problem problem{"unavailable", "the message's envelope cannot be read"};
    co_return Outcome<MessageView>(std::move(problem));
  }
  const message::Details& details = meta->details;
  MessageView view;
  view.id = message;
  view.accepted = details.received;
  view.sender = meta->envelope.reverse_path;
  view.tenant = details.tenant;
  view.stream = details.stream;
  view.client = details.client_address;
  if (!details.client_name.empty()) view.client += " (" + details.client_name + ")";
  view.identity = details.identity;
  view.internet_message_id = details.message_id;
  view.alignment = details.alignment;
  view.subject = details.subject;
  view.size = loaded->body.size;
  auto read = [this, &loaded](base::Completion<Result<base::Octets>> done) {
    port().read(loaded->body, 0, kHeaderOctetsMax, std::move(done));
  };
  const Result<base::Octets> head = co_await base::suspend<Result<base::Octets>>(std::move(read));
  if (head) view.header = header_section(head->view());

  // Those that the queue no longer has are final: their newest progress says how they ended.
  auto load_progress = [this,
                        message](base::Completion<Result<std::vector<spool::Progress>>> done) {
    port().load_progress(message, std::move(done));
  };
  const Result<std::vector<spool::Progress>> progress =
      co_await base::suspend<Result<std::vector<spool::Progress>>>(std::move(load_progress));
  for (const message::Recipient& recipient : meta->envelope.recipients) {
    QueuedRecipient one;
    one.message = message;
    one.index = static_cast<std::uint32_t>(view.recipients.size());
    one.recipient = recipient.address;
    one.sender = view.sender;
    one.state = kUnknownEnd;
    view.recipients.push_back(std::move(one));
  }
  if (progress)
    for (const spool::Progress& last : *progress) {
      if (last.recipient >= view.recipients.size()) continue;
      QueuedRecipient& one = view.recipients[last.recipient];
      one.state = state_of(last.state);
      one.attempts = last.attempts;
      one.reply = last.reply;
    }
  Filter filter;
  filter.message = message;
  const auto sieve = std::make_shared<const Sieve>(std::move(filter), parts_.worker.clock.steady());
  for (QueueScan scan = this->scan(sieve); !scan.is_over();) {
    Stretch stretch = co_await scan.next(kPageMax);
    const std::vector<Found> found = co_await read_back(port(), std::move(stretch.met), sieve, {});
    for (const Found& one : found)
      if (one.met.entry.index < view.recipients.size())
        view.recipients[one.met.entry.index] = as_seen(one);
  }
  co_return Outcome<MessageView>(std::move(view));
}

}  // namespace ekiden::control
