#include "ekiden/control/quarantine_desk.hpp"

#include <algorithm>

#include "ekiden/base/log.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/message_event.hpp"
#include "ekiden/message/job_protocol.hpp"
#include "ekiden/spool/error.hpp"

namespace ekiden::control {
namespace {

/// In the worker part of ids: inbound's begin at 0, those of reports at 0x80.
constexpr std::uint8_t kReleasedIds = 0x7f;
constexpr std::size_t kReasonOctetsMax = 1024;

Problem problem_of(const std::string& name, const Error& error) {
  if (error == make_error_code(spool::Errc::NotFound))
    return {"not_found", "nothing in quarantine is named " + base::printable(name, 200)};
  return {"unavailable", base::printable(name, 200) + " cannot be used: " + error.message()};
}

bool is_corrupt(const Error& error) {
  return error == make_error_code(spool::Errc::Corrupt);
}

/// Its envelope, when what was kept of it agrees with itself.
std::optional<message::Meta> envelope_of(const spool::Quarantined& item) {
  if (!item.is_message()) return std::nullopt;
  Result<message::Meta> meta = message::decode_meta(item.meta);
  if (!meta || meta->envelope.recipients.size() != item.recipients) return std::nullopt;
  return std::move(*meta);
}

/// Indices of those without an end.
std::vector<std::uint32_t> open_recipients(const spool::Quarantined& item) {
  std::vector<std::uint32_t> open;
  for (std::uint32_t i = 0; i < item.recipients; ++i)
    if (std::find(item.settled.begin(), item.settled.end(), i) == item.settled.end())
      open.push_back(i);
  return open;
}

/// Blocks. Errors: NotFound, Io.
Result<QuarantinedView> view_of(const spool::Quarantine& quarantine, const std::string& name) {
  QuarantinedView view;
  view.name = name;
  const Result<spool::Quarantined> item = quarantine.peek(name);
  if (!item && !is_corrupt(item.error())) return item.error();
  if (!item) {
    view.kind = "segment";
    view.reason = "its header is damaged";
    return view;
  }
  const bool is_known = item->id != base::MessageId{};
  view.kind = item->recipients > 0 || item->is_message() ? "message" : "piece";
  view.reason = item->reason;
  if (is_known) view.message = item->id;
  view.size = item->size;
  view.lost = item->open();
  const std::optional<message::Meta> meta = envelope_of(*item);
  if (!meta) return view;
  const message::Details& details = meta->details;
  view.may_release = item->open() > 0;
  if (!item->file.empty()) view.size = details.size;
  view.accepted = details.received;
  view.sender = meta->envelope.reverse_path;
  view.tenant = details.tenant;
  view.stream = details.stream;
  view.client = details.client_address;
  view.identity = details.identity;
  view.internet_message_id = details.message_id;
  view.subject = details.subject;
  for (const std::uint32_t i : open_recipients(*item))
    view.recipients.push_back(meta->envelope.recipients[i].address);
  return view;
}

/// Of a recipient of something in quarantine, whose address may not be known.
events::Event event_about(const spool::Quarantined& item, const std::optional<message::Meta>& meta,
                          std::uint32_t recipient) {
  if (meta) return events::message_event(item.id, *meta, recipient);
  events::Event event;
  event.message = item.id;
  event.recipient_index = recipient;
  return event;
}

}  // namespace

QuarantineDesk::QuarantineDesk(Parts parts)
    : parts_(std::move(parts)),
      ids_(0, kReleasedIds, parts_.random),
      decided_(parts_.metrics.counter(
          "ekiden_recipients_unquarantined_total",
          "Recipients of quarantined messages that operators released or deleted")),
      cancelled_(parts_.metrics.counter("ekiden_recipients_cancelled_total",
                                        "Recipients discarded by route or operator")) {}

template <class T>
base::Task<T> QuarantineDesk::on_pool(std::function<T()> work) {
  auto begin = [this, work = std::move(work)](base::Completion<T> done) mutable {
    parts_.pool.post([home = &parts_.home, work = std::move(work),
                      done = std::move(done)]() mutable {
      home->post([done = std::move(done), value = work()]() mutable { done(std::move(value)); });
    });
  };
  co_return co_await base::suspend<T>(std::move(begin));
}

base::Task<Outcome<std::vector<QuarantinedView>>> QuarantineDesk::list(std::string after,
                                                                       std::size_t count) {
  using Views = Result<std::vector<QuarantinedView>>;
  std::function<Views()> work = [quarantine = &parts_.quarantine, after, count]() -> Views {
    const Result<std::vector<std::string>> names = quarantine->list();
    if (!names) return names.error();
    std::vector<QuarantinedView> views;
    for (auto name = std::upper_bound(names->begin(), names->end(), after);
         name != names->end() && views.size() < count; ++name) {
      Result<QuarantinedView> view = view_of(*quarantine, *name);
      // Decided meanwhile.
      if (!view && view.error() == make_error_code(spool::Errc::NotFound)) continue;
      if (!view) return view.error();
      views.push_back(std::move(*view));
    }
    return views;
  };
  Views views = co_await on_pool<Views>(std::move(work));
  if (!views) {
    Problem problem{"unavailable", "the quarantine cannot be read: " + views.error().message()};
    co_return Outcome<std::vector<QuarantinedView>>(std::move(problem));
  }
  co_return Outcome<std::vector<QuarantinedView>>(std::move(*views));
}

base::Task<Outcome<QuarantinedView>> QuarantineDesk::show(std::string name) {
  std::function<Result<QuarantinedView>()> work = [quarantine = &parts_.quarantine, name] {
    return view_of(*quarantine, name);
  };
  Result<QuarantinedView> view = co_await on_pool<Result<QuarantinedView>>(std::move(work));
  if (!view) co_return Outcome<QuarantinedView>(problem_of(name, view.error()));
  co_return Outcome<QuarantinedView>(std::move(*view));
}

base::Task<Outcome<std::string>> QuarantineDesk::octets(std::string name, std::uint64_t offset,
                                                        std::size_t length) {
  std::function<Result<std::string>()> work = [quarantine = &parts_.quarantine, name, offset,
                                               length] {
    return quarantine->octets(name, offset, length);
  };
  Result<std::string> octets = co_await on_pool<Result<std::string>>(std::move(work));
  if (!octets) co_return Outcome<std::string>(problem_of(name, octets.error()));
  co_return Outcome<std::string>(std::move(*octets));
}

base::Task<Result<spool::Quarantined>> QuarantineDesk::peek(const std::string& name) {
  std::function<Result<spool::Quarantined>()> work = [quarantine = &parts_.quarantine, name] {
    return quarantine->peek(name);
  };
  co_return co_await on_pool<Result<spool::Quarantined>>(std::move(work));
}

base::Task<Outcome<QuarantineDecision>> QuarantineDesk::release(std::string name) {
  using Answer = Outcome<QuarantineDecision>;
  const Result<spool::Quarantined> item = co_await peek(name);
  if (!item && !is_corrupt(item.error())) co_return Answer(problem_of(name, item.error()));
  const std::optional<message::Meta> old = item ? envelope_of(*item) : std::nullopt;
  if (!old) {
    Problem problem{"refused", name +
                                   " has no envelope that can be read; it can be saved with "
                                   "`spool quarantine show --raw`, and deleted"};
    co_return Answer(std::move(problem));
  }
  // How far it was expanded went with it: released, it would send again what it has sent.
  if (old->details.protocol == message::kJobProtocol) {
    Problem problem{"refused", name +
                                   " is a bulk job, which cannot be released; it can be saved "
                                   "with `spool quarantine show --raw`, and deleted"};
    co_return Answer(std::move(problem));
  }
  const std::vector<std::uint32_t> open = open_recipients(*item);
  if (open.empty()) {
    Problem problem{"refused", "every recipient of " + name + " had its end before"};
    co_return Answer(std::move(problem));
  }

  const base::Time now = parts_.clock.now();
  const base::MessageId as = ids_.next(now);
  auto meta = std::make_shared<message::Meta>(*old);
  meta->envelope.recipients.clear();
  for (const std::uint32_t i : open)
    meta->envelope.recipients.push_back(old->envelope.recipients[i]);
  // The time it lay here is not the sender's: its deadline is counted from now.
  meta->details.send_at = now;

  spool::Release release;
  release.id = as;
  release.recipients = static_cast<std::uint32_t>(open.size());
  release.meta = message::encode_meta(*meta);
  for (const std::uint32_t i : open) {
    events::Event released = events::message_event(item->id, *old, i);
    released.kind = events::Kind::Released;
    released.time = now;
    released.detail = events::goes_on_as("released from quarantine", as);
    release.events.push_back(events::encode_event(released));
  }
  for (std::uint32_t i = 0; i < open.size(); ++i) {
    events::Event accepted = events::message_event(as, *meta, i);
    accepted.kind = events::Kind::Accepted;
    accepted.time = now;
    accepted.detail = "released from quarantine, from message " + base::format_message_id(item->id);
    release.events.push_back(events::encode_event(accepted));
  }
  auto begin = [&](base::Completion<Result<spool::Body>> done) {
    parts_.quarantine.release(
        name, std::move(release),
        [home = &parts_.home, done = std::move(done)](Result<spool::Body> body) mutable {
          home->post([done = std::move(done), body = std::move(body)]() mutable {
            done(std::move(body));
          });
        });
  };
  Result<spool::Body> body = co_await base::suspend<Result<spool::Body>>(std::move(begin));
  if (!body) {
    Problem problem = problem_of(name, body.error());
    if (is_corrupt(body.error()))
      problem = {"refused", name + " has lost its body, or it has changed since it was kept"};
    co_return Answer(std::move(problem));
  }
  decided_.add(open.size());
  queue::Accepted accepted{as, meta, std::move(*body)};
  parts_.enqueue(std::move(accepted));
  base::log::info("quarantine_released", {{"name", name},
                                          {"message", base::format_message_id(item->id)},
                                          {"as", base::format_message_id(as)},
                                          {"recipients", open.size()}});
  co_return Answer(QuarantineDecision{name, item->id, as, open.size()});
}

base::Task<Outcome<QuarantineDecision>> QuarantineDesk::remove(std::string name,
                                                               std::string reason) {
  using Answer = Outcome<QuarantineDecision>;
  const Result<spool::Quarantined> item = co_await peek(name);
  if (!item && !is_corrupt(item.error())) co_return Answer(problem_of(name, item.error()));
  reason.resize(std::min(reason.size(), kReasonOctetsMax));
  QuarantineDecision decision{name, {}, {}, 0};
  std::vector<std::string> events;
  if (item && item->id != base::MessageId{}) {
    decision.message = item->id;
    const std::optional<message::Meta> meta = envelope_of(*item);
    for (const std::uint32_t i : open_recipients(*item)) {
      events::Event event = event_about(*item, meta, i);
      event.kind = events::Kind::Cancelled;
      event.time = parts_.clock.now();
      event.detail = "deleted from quarantine by an operator";
      if (!reason.empty()) event.detail += ": " + reason;
      events.push_back(events::encode_event(event));
    }
    decision.recipients = item->open();
  }
  auto begin = [&](base::Completion<Result<void>> done) {
    parts_.quarantine.remove(
        name, std::move(events),
        [home = &parts_.home, done = std::move(done)](Result<void> removed) mutable {
          home->post([done = std::move(done), removed]() mutable { done(removed); });
        });
  };
  const Result<void> removed = co_await base::suspend<Result<void>>(std::move(begin));
  if (!removed) co_return Answer(problem_of(name, removed.error()));
  decided_.add(decision.recipients);
  cancelled_.add(decision.recipients);
  base::log::info(
      "quarantine_deleted",
      {{"name", name},
       {"message", decision.message ? base::format_message_id(*decision.message) : std::string()},
       {"recipients", decision.recipients},
       {"reason", reason}});
  co_return Answer(std::move(decision));
}

}  // namespace ekiden::control
