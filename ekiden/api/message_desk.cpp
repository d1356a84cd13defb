#include "ekiden/api/message_desk.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <map>

#include "ekiden/api/api.hpp"
#include "ekiden/api/composer.hpp"
#include "ekiden/api/event_query.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/key.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;
using events::Event;
using events::Kind;

/// Events of one message that one answer tells.
constexpr std::size_t kTimelineMax = 10'000;
/// Events that a search or a page of events looks at; then the page ends early, with `next`.
constexpr std::size_t kLookedAtMax = 100'000;
/// The event store follows the spool within milliseconds: whoever asks at once waits so often.
constexpr int kCatchUpTries = 40;
/// The same for a search that has found nothing.
constexpr int kSearchTries = 20;
constexpr base::Duration kCatchUpPause = std::chrono::milliseconds(50);

/// "" for what changes no status.
std::string_view status_of(Kind kind) {
  switch (kind) {
    case Kind::Accepted:
    case Kind::Released:
      return "queued";
    case Kind::Held:
      return "held";
    case Kind::Deferred:
      return "deferred";
    case Kind::Delivered:
      return "delivered";
    case Kind::Bounced:
      return "bounced";
    case Kind::Expired:
      return "expired";
    case Kind::Rejected:
      return "rejected";
    case Kind::Suppressed:
      return "suppressed";
    case Kind::Cancelled:
      return "cancelled";
    default:
      return {};
  }
}

bool is_final(std::string_view status) {
  return status == "delivered" || status == "bounced" || status == "expired" ||
         status == "suppressed" || status == "cancelled" || status == "rejected";
}

json::object recipient_json(const std::string& address, std::uint32_t index) {
  return json::object{
      {"index", index}, {"recipient", address}, {"status", "queued"}, {"attempts", 0}};
}

struct Timelines {
  std::map<std::uint32_t, json::object> recipients;
  std::map<std::uint32_t, json::array> events;
};

void tell(const Event& event, Timelines& all) {
  json::object& recipient = all.recipients
                                .try_emplace(event.recipient_index,
                                             recipient_json(event.recipient, event.recipient_index))
                                .first->second;
  // A disposition is the last word; what is observed later does not change it.
  const std::string_view status = status_of(event.kind);
  const json::string& before = recipient["status"].as_string();
  if (!status.empty() && !is_final({before.data(), before.size()}))
    recipient["status"] = json::string(status);
  if (event.attempt > 0) recipient["attempts"] = event.attempt;
  if (event.reply_code != 0) recipient["last_reply"] = event.reply;
  all.events[event.recipient_index].push_back(to_json(event));
}

json::object message_json(const Event& event) {
  json::object object{{"id", base::format_message_id(event.message)},
                      {"tenant", event.tenant},
                      {"stream", event.stream},
                      {"accepted_at", base::format_rfc3339(event.message.time())},
                      {"return_path", event.sender},
                      {"from", event.header_from},
                      {"subject", decode_header_text(event.subject)},
                      {"message_id", event.internet_message_id},
                      {"size", event.size}};
  json::array tags;
  for (const std::string& tag : event.tags) tags.push_back(json::string(tag));
  object["tags"] = std::move(tags);
  return object;
}

/// What the queue says of recipients that still wait is newer than the last event.
void add_queued(const control::MessageView& view, Timelines& all) {
  for (const control::QueuedRecipient& queued : view.recipients) {
    json::object& recipient =
        all.recipients.try_emplace(queued.index, recipient_json(queued.recipient, queued.index))
            .first->second;
    const json::string& told = recipient["status"].as_string();
    if (is_final({told.data(), told.size()}) || queued.state == control::kUnknownEnd) continue;
    if (is_final(queued.state)) {
      recipient["status"] = queued.state;
    } else if (queued.state == "held") {
      recipient["status"] = "held";
    } else {
      recipient["status"] = queued.attempts > 0 ? "deferred" : "queued";
      if (queued.due != base::Time{})
        recipient["next_attempt_at"] = base::format_rfc3339(queued.due);
    }
    recipient["attempts"] = queued.attempts;
    if (!queued.reply.empty()) recipient["last_reply"] = queued.reply;
  }
}

json::array recipients_json(Timelines all) {
  json::array recipients;
  for (auto& [index, recipient] : all.recipients) {
    recipient["events"] = std::move(all.events[index]);
    recipients.push_back(std::move(recipient));
  }
  return recipients;
}

/// The events that a search for messages begins with: a status that an event of its own kind made
/// is looked for among those, which are fewer.
std::optional<Kind> searched_kind(const Asked& asked) {
  for (const Kind kind : {Kind::Held, Kind::Deferred, Kind::Bounced, Kind::Expired,
                          Kind::Suppressed, Kind::Cancelled}) {
    if (status_of(kind) == asked.status) return kind;
  }
  // What an attempt was told, and by whom, acceptances do not say.
  const events::Query& query = asked.query;
  if (!query.code.empty() || !query.provider.empty() || !query.source.empty()) return std::nullopt;
  return Kind::Accepted;
}

/// A search's page: recipients of messages, newest first.
json::object search_page(events::Reader& reader, const Asked& given) {
  Asked asked = given;
  events::Query& query = asked.query;
  query.kind = searched_kind(asked);
  query.newest_first = true;
  const std::size_t wanted = given.query.limit;
  json::array items;
  std::optional<events::Position> next;
  for (std::size_t looked_at = 0; looked_at < kLookedAtMax;) {
    query.limit = std::min<std::size_t>(wanted, 500);
    Result<events::Page> page = reader.find(query);
    if (!page) break;
    looked_at += std::max<std::size_t>(page->events.size(), 1);
    next = page->next;
    for (const events::Stored& stored : page->events) {
      const Event& event = stored.event;
      if (!fits(asked, event)) continue;
      Timelines all;
      const Event* last = nullptr;
      const std::vector<Event> told = timeline(reader, event.message, event.tenant);
      for (const Event& one : told) {
        if (one.recipient_index != event.recipient_index) continue;
        tell(one, all);
        if (events::matches(query, one)) last = &one;
      }
      // Each recipient once: where the last of its events that were asked for is.
      if (last == nullptr || last->id != event.id) continue;
      json::object& recipient = all.recipients.at(event.recipient_index);
      const json::string& status = recipient["status"].as_string();
      if (!asked.status.empty() && std::string_view(status.data(), status.size()) != asked.status)
        continue;
      json::object item = message_json(event);
      for (auto& [name, value] : recipient) item[name] = std::move(value);
      items.push_back(std::move(item));
      if (items.size() == wanted) {
        next = stored.position;
        break;
      }
    }
    if (items.size() == wanted || !page->next) break;
    query.after = page->next;
  }
  json::object answer{{"messages", std::move(items)}, {"next", nullptr}};
  if (next) answer["next"] = events::format_position(*next);
  return answer;
}

/// Events past a cursor that are the tenant's, oldest first.
json::object events_page(events::Reader& reader, const Asked& asked, events::Cursor cursor) {
  json::array items;
  bool has_more = true;
  for (std::size_t looked_at = 0; looked_at < kLookedAtMax && items.size() < asked.query.limit;) {
    const events::Cursor before = cursor;
    // Never past what the page has room for: the cursor stands behind the last one looked at.
    Result<std::vector<events::Stored>> some =
        reader.follow(cursor, asked.query.limit - items.size());
    if (!some || some->empty()) {
      has_more = false;
      if (!some) cursor = before;
      break;
    }
    looked_at += some->size();
    for (const events::Stored& stored : *some) {
      const Event& event = stored.event;
      const events::Query& query = asked.query;
      if (!fits(asked, event)) continue;
      if (query.from && event.time < *query.from) continue;
      if (query.until && event.time >= *query.until) continue;
      items.push_back(to_json(event));
    }
  }
  return json::object{{"events", std::move(items)},
                      {"next", events::format_cursor(cursor)},
                      {"has_more", has_more}};
}

}  // namespace

std::vector<Event> timeline(events::Reader& reader, base::MessageId id, const std::string& tenant,
                            bool with_transcripts) {
  events::Query query;
  query.message = id;
  query.tenant = tenant;
  query.limit = kTimelineMax;
  query.with_transcripts = with_transcripts;
  std::vector<Event> found;
  Result<events::Page> page = reader.find(query);
  if (!page) return found;
  for (events::Stored& stored : page->events) found.push_back(std::move(stored.event));
  std::stable_sort(found.begin(), found.end(),
                   [](const Event& a, const Event& b) { return a.time < b.time; });
  return found;
}

base::Task<bool> MessageDesk::was_stored(base::MessageId id, std::string tenant) {
  for (int i = 0; i < kCatchUpTries && parts_.spool.status().events_waiting > 0; ++i)
    co_await sleep(parts_.worker.clock, kCatchUpPause);
  base::Function<bool(events::Reader&)> question =
      [id, tenant = std::move(tenant)](events::Reader& reader) {
        events::Query query;
        query.message = id;
        query.tenant = tenant;
        query.limit = 1;
        const Result<events::Page> page = reader.find(query);
        return page && !page->events.empty();
      };
  const std::optional<bool> found =
      co_await parts_.shared.events().ask<bool>(parts_.worker, std::move(question));
  co_return found.value_or(false);
}

base::Task<HttpResponse> MessageDesk::show(std::shared_ptr<Call> call) {
  const std::optional<base::MessageId> id = base::parse_message_id(call->path.get("id"));
  if (!id) co_return own_problem(no_such_message(), call->caller);
  for (int i = 0;; ++i) {
    auto queued = co_await parts_.shared.node().show(parts_.worker, *id);
    const std::string tenant = call->caller.tenant();
    if (queued && queued.value->tenant != tenant)
      co_return own_problem(no_such_message(), call->caller);
    base::Function<std::vector<Event>(events::Reader&)> question =
        [id, tenant](events::Reader& reader) { return timeline(reader, *id, tenant, true); };
    std::optional<std::vector<Event>> events =
        co_await parts_.shared.events().ask<std::vector<Event>>(parts_.worker, std::move(question));
    if (!events) co_return own_problem(too_busy(), call->caller);
    if (events->empty() && (queued || parts_.spool.status().events_waiting > 0) &&
        i < kCatchUpTries) {
      co_await sleep(parts_.worker.clock, kCatchUpPause);
      continue;
    }
    if (events->empty()) co_return own_problem(no_such_message(), call->caller);
    json::object object = message_json(events->front());
    Timelines all;
    for (const Event& event : *events) tell(event, all);
    if (queued) add_queued(*queued.value, all);
    object["recipients"] = recipients_json(std::move(all));
    co_return json_response(200, object);
  }
}

base::Task<HttpResponse> MessageDesk::cancel(std::shared_ptr<Call> call) {
  const std::optional<base::MessageId> id = base::parse_message_id(call->path.get("id"));
  if (!id) co_return own_problem(no_such_message(), call->caller);
  auto queued = co_await parts_.shared.node().show(parts_.worker, *id);
  if (!queued && queued.problem.code == "unavailable") {
    const Problem problem =
        unavailable({"The queue cannot be asked now.", "現在キューを操作できません。"});
    co_return own_problem(problem, call->caller);
  }
  if (queued && queued.value->tenant != call->caller.tenant())
    co_return own_problem(no_such_message(), call->caller);
  std::size_t waiting = 0;
  if (queued) {
    for (const control::QueuedRecipient& one : queued.value->recipients)
      waiting += is_final(one.state) || one.state == control::kUnknownEnd ? 0 : 1;
  }
  if (waiting == 0) {
    // Another tenant's is not known, whether it is queued or long gone.
    std::string tenant = call->caller.tenant();
    const bool is_known = queued || co_await was_stored(*id, std::move(tenant));
    const Problem problem = is_known
                                ? make_problem(409, "conflict",
                                               {"Nothing of the message waits any more.",
                                                "このメッセージに未配送の宛先はもうありません。"})
                                : no_such_message();
    co_return own_problem(problem, call->caller);
  }
  const account::Author author = call->caller.author(parts_.worker.clock.now());
  std::string reason = "cancelled by " + author.name + " from " + author.origin;
  const NodeDesk::Cancelled cancelled =
      co_await parts_.shared.node().cancel(parts_.worker, *id, std::move(reason));
  if (!cancelled.is_available) {
    const Problem problem =
        unavailable({"The queue cannot be asked now.", "現在キューを操作できません。"});
    co_return own_problem(problem, call->caller);
  }
  // In a transaction: its outcome decides.
  co_return json_response(200, json::object{{"id", base::format_message_id(*id)},
                                            {"cancelled", cancelled.done},
                                            {"in_transaction", cancelled.skipped}});
}

base::Task<HttpResponse> MessageDesk::search(std::shared_ptr<Call> call) {
  Asked asked = read_query(*call);
  const std::string_view cursor = call->query.get("cursor");
  if (!cursor.empty()) {
    asked.query.after = events::parse_position(cursor);
    if (!asked.query.after)
      asked.problem = bad_parameter("cursor", {"no cursor of ours", "カーソルが正しくありません"});
  }
  if (asked.problem) co_return own_problem(*asked.problem, call->caller);
  // What was answered 202 just now is found by its address or id, though the index is a moment
  // behind the spool; other questions may cost too much to be asked twice.
  const events::Query& query = asked.query;
  const int tries = !query.recipient.empty() || query.message ? kSearchTries : 1;
  for (int i = 1;; ++i) {
    const bool is_behind = parts_.spool.status().events_waiting > 0;
    base::Function<json::object(events::Reader&)> question = [asked](events::Reader& reader) {
      return search_page(reader, asked);
    };
    const std::optional<json::object> page =
        co_await parts_.shared.events().ask<json::object>(parts_.worker, std::move(question));
    if (!page) co_return own_problem(too_busy(), call->caller);
    const bool is_empty = page->at("messages").as_array().empty();
    if (!is_empty || !is_behind || i >= tries) co_return json_response(200, *page);
    co_await sleep(parts_.worker.clock, kCatchUpPause);
  }
}

base::Task<HttpResponse> MessageDesk::events(std::shared_ptr<Call> call) {
  Asked asked = read_query(*call);
  const std::string_view text = call->query.get("cursor");
  std::optional<events::Cursor> cursor = events::parse_cursor(text);
  if (!cursor)
    asked.problem = bad_parameter("cursor", {"no cursor of ours", "カーソルが正しくありません"});
  if (asked.problem) co_return own_problem(*asked.problem, call->caller);
  base::Function<json::object(events::Reader&)> question =
      [asked = std::move(asked), cursor = std::move(*cursor)](events::Reader& reader) {
        return events_page(reader, asked, cursor);
      };
  const std::optional<json::object> page =
      co_await parts_.shared.events().ask<json::object>(parts_.worker, std::move(question));
  if (!page) co_return own_problem(too_busy(), call->caller);
  co_return json_response(200, *page);
}

void add_message_routes(Frame& frame, MessageDesk& desk, jobs::JobDesk& jobs) {
  const Access read{"messages:read"};
  frame.add("GET", "/v1/messages", read,
            [&desk](std::shared_ptr<Call> call) { return desk.search(std::move(call)); });
  frame.add("GET", "/v1/messages/{id}", read, [&desk, &jobs](std::shared_ptr<Call> call) {
    return jobs.show_message(std::move(call), desk);
  });
  Endpoint cancel = [&desk](std::shared_ptr<Call> call) { return desk.cancel(std::move(call)); };
  frame.add("POST", "/v1/messages/{id}/cancel", Access{"messages:cancel"},
            jobs.sender().once(std::move(cancel), own_problem));
  frame.add("GET", "/v1/events", Access{"events:read"},
            [&desk](std::shared_ptr<Call> call) { return desk.events(std::move(call)); });
  frame.add("GET", "/v1/stats", Access{"stats:read"},
            [&desk](std::shared_ptr<Call> call) { return desk.stats(std::move(call)); });
}

}  // namespace ekiden::api
