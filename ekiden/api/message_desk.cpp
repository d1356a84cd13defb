#include "ekiden/api/message_desk.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <charconv>
#include <map>

#include "ekiden/api/api.hpp"
#include "ekiden/api/composer.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/key.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;
using events::Event;
using events::Kind;

/// Events of one message that one answer tells.
constexpr std::size_t kTimelineMax = 10'000;
constexpr std::size_t kPageDefault = 100, kPageMax = 1000;
/// Events that a search or a page of events looks at; then the page ends early, with `next`.
constexpr std::size_t kLookedAtMax = 100'000;
/// Events that one statistic counts.
constexpr std::size_t kCountedMax = 2'000'000;
/// The event store follows the spool within milliseconds: whoever asks at once waits so often.
constexpr int kCatchUpTries = 40;
constexpr base::Duration kCatchUpPause = std::chrono::milliseconds(50);

base::Task<void> sleep(base::Clock& clock, base::Duration duration) {
  auto begin = [&](base::Completion<int> done) {
    clock.call_after(duration, [d = std::move(done)]() mutable { d(0); });
  };
  co_await base::suspend<int>(std::move(begin));
}

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
         status == "suppressed" || status == "cancelled";
}

json::object to_json(const Event& event) {
  json::error_code error;
  json::value value = json::parse(events::format_event_json(event), error);
  if (error || !value.is_object()) return {};
  json::object object = std::move(value.get_object());
  if (!event.subject.empty()) object["subject"] = decode_header_text(event.subject);
  return object;
}

Problem no_such_message() {
  return make_problem(404, "no-such-message",
                      {"This tenant has no such message, or its events are over their retention.",
                       "このテナントにはそのメッセージがないか、保存期間を過ぎています。"});
}

Problem too_busy() {
  return unavailable({"Too many searches are under way.", "検索が混み合っています。"}, 2);
}

Problem bad_parameter(std::string_view name, Text text) {
  return invalid_request({{"/" + std::string(name), "bad_value", std::move(text)}});
}

/// The query of a search or a statistic, or why it is none.
struct Asked {
  events::Query query;
  std::string sender, subject, status, tag, stream;  ///< compared with what is found
  std::optional<Problem> problem;
};

std::optional<std::size_t> parse_count(std::string_view text, std::size_t most) {
  const auto number = base::parse_u64(text);
  if (!number || *number == 0 || *number > most) return std::nullopt;
  return static_cast<std::size_t>(*number);
}

Asked read_query(const Call& call) {
  Asked asked;
  asked.query.tenant = call.caller.tenant();
  asked.query.limit = kPageDefault;
  for (const auto& [name, value] : call.query.items()) {
    if (name == "recipient") {
      asked.query.recipient = value;
    } else if (name == "domain") {
      asked.query.domain = value;
    } else if (name == "message_id") {
      asked.query.internet_message_id = value.starts_with('<') ? value : "<" + value + ">";
    } else if (name == "id" || name == "message") {
      asked.query.message = base::parse_message_id(value);
      if (!asked.query.message)
        asked.problem = bad_parameter(name, {"no message id", "メッセージIDではありません"});
    } else if (name == "sender") {
      asked.sender = base::lowered(value);
    } else if (name == "subject") {
      asked.subject = base::lowered(value);
    } else if (name == "status") {
      asked.status = value;
    } else if (name == "tag") {
      asked.tag = value;
    } else if (name == "stream") {
      asked.stream = value;
    } else if (name == "kind") {
      asked.query.kind = events::parse_kind(value);
      if (!asked.query.kind)
        asked.problem = bad_parameter(name, {"no kind of event", "イベントの種類ではありません"});
    } else if (name == "from" || name == "until") {
      const auto time = message::parse_date(value);
      if (!time)
        asked.problem = bad_parameter(name, {"no date such as 2026-11-22T09:00:00Z",
                                             "2026-11-22T09:00:00Zのような日時ではありません"});
      (name == "from" ? asked.query.from : asked.query.until) = time;
    } else if (name == "limit") {
      const auto limit = parse_count(value, kPageMax);
      if (!limit) {
        const std::string max = std::to_string(kPageMax);
        asked.problem =
            bad_parameter(name, {"a number from 1 to " + max, "1から" + max + "までの数です"});
      }
      asked.query.limit = limit.value_or(kPageDefault);
    } else if (name == "cursor") {
      // Each endpoint reads its own.
    } else if (name != "by") {
      asked.problem =
          bad_parameter(name, {"there is no such parameter", "そのようなパラメータはありません"});
    }
  }
  return asked;
}

bool fits(const Asked& asked, const Event& event) {
  const auto has = [](const std::string& text, const std::string& wanted) {
    return wanted.empty() || base::lowered(text).find(wanted) != std::string::npos;
  };
  if (!has(event.sender + " " + event.header_from, asked.sender)) return false;
  if (!asked.subject.empty() && !has(decode_header_text(event.subject), asked.subject))
    return false;
  if (!asked.stream.empty() && event.stream != asked.stream) return false;
  return asked.tag.empty() ||
         std::find(event.tags.begin(), event.tags.end(), asked.tag) != event.tags.end();
}

/// All events of one message of the tenant, oldest first.
std::vector<Event> timeline(events::Reader& reader, base::MessageId id, const std::string& tenant) {
  events::Query query;
  query.message = id;
  query.tenant = tenant;
  query.limit = kTimelineMax;
  std::vector<Event> found;
  Result<events::Page> page = reader.find(query);
  if (!page) return found;
  for (events::Stored& stored : page->events) found.push_back(std::move(stored.event));
  std::stable_sort(found.begin(), found.end(),
                   [](const Event& a, const Event& b) { return a.time < b.time; });
  return found;
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

/// A search's page: recipients of messages, by their acceptance, newest first.
json::object search_page(events::Reader& reader, const Asked& asked) {
  events::Query query = asked.query;
  query.kind = Kind::Accepted;
  query.newest_first = true;
  const std::size_t wanted = asked.query.limit;
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
      for (const Event& one : timeline(reader, event.message, event.tenant)) {
        if (one.recipient_index == event.recipient_index) tell(one, all);
      }
      const auto told = all.recipients.find(event.recipient_index);
      if (told == all.recipients.end()) continue;
      const json::string& status = told->second["status"].as_string();
      if (!asked.status.empty() && std::string_view(status.data(), status.size()) != asked.status)
        continue;
      json::object item = message_json(event);
      for (auto& [name, value] : told->second) item[name] = std::move(value);
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
      if (event.tenant != query.tenant || !fits(asked, event)) continue;
      if (query.message && event.message != *query.message) continue;
      if (query.kind && event.kind != *query.kind) continue;
      if (query.from && event.time < *query.from) continue;
      if (query.until && event.time >= *query.until) continue;
      if (!query.recipient.empty() && !events::is_same_recipient(event.recipient, query.recipient))
        continue;
      items.push_back(to_json(event));
    }
  }
  return json::object{{"events", std::move(items)},
                      {"next", events::format_cursor(cursor)},
                      {"has_more", has_more}};
}

json::object count(events::Reader& reader, const Asked& asked, bool by_hour) {
  std::map<std::string, std::map<std::string_view, std::uint64_t>> groups;
  std::map<std::string_view, std::uint64_t> totals;
  events::Query query = asked.query;
  query.limit = events::Reader::kLimitMax;
  bool is_whole = false;
  for (std::size_t counted = 0; counted < kCountedMax;) {
    const Result<events::Page> page = reader.find(query);
    if (!page) break;
    for (const events::Stored& stored : page->events) {
      if (!fits(asked, stored.event)) continue;
      const std::string time = base::format_rfc3339(stored.event.time);
      const std::string group = by_hour ? time.substr(0, 13) + ":00:00Z" : time.substr(0, 10);
      const std::string_view kind = events::kind_name(stored.event.kind);
      ++groups[group][kind];
      ++totals[kind];
    }
    counted += std::max<std::size_t>(page->events.size(), 1);
    is_whole = !page->next;
    if (is_whole) break;
    query.after = page->next;
  }
  const auto figures = [](const std::map<std::string_view, std::uint64_t>& of) {
    json::object object;
    for (const auto& [kind, number] : of)
      object[json::string_view(kind.data(), kind.size())] = number;
    return object;
  };
  json::array stats;
  for (const auto& [time, of] : groups)
    stats.push_back(json::object{{"time", time}, {"events", figures(of)}});
  return json::object{
      {"totals", figures(totals)}, {"stats", std::move(stats)}, {"is_complete", is_whole}};
}

}  // namespace

base::Task<bool> MessageDesk::was_stored(base::MessageId id) {
  for (int i = 0; i < kCatchUpTries && parts_.spool.status().events_waiting > 0; ++i)
    co_await sleep(parts_.worker.clock, kCatchUpPause);
  base::Function<bool(events::Reader&)> question = [id](events::Reader& reader) {
    events::Query query;
    query.message = id;
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
        [id, tenant](events::Reader& reader) { return timeline(reader, *id, tenant); };
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
    const bool is_known = queued || co_await was_stored(*id);
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
  base::Function<json::object(events::Reader&)> question =
      [asked = std::move(asked)](events::Reader& reader) { return search_page(reader, asked); };
  const std::optional<json::object> page =
      co_await parts_.shared.events().ask<json::object>(parts_.worker, std::move(question));
  if (!page) co_return own_problem(too_busy(), call->caller);
  co_return json_response(200, *page);
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

base::Task<HttpResponse> MessageDesk::stats(std::shared_ptr<Call> call) {
  Asked asked = read_query(*call);
  const std::string_view by = call->query.find("by").value_or("day");
  if (by != "day" && by != "hour")
    asked.problem = bad_parameter("by", {"either day or hour", "dayかhourです"});
  // Without a range, the last seven days.
  if (!asked.query.from) asked.query.from = parts_.worker.clock.now() - std::chrono::hours(24 * 7);
  if (asked.problem) co_return own_problem(*asked.problem, call->caller);
  const bool by_hour = by == "hour";
  base::Function<json::object(events::Reader&)> question = [asked = std::move(asked),
                                                            by_hour](events::Reader& reader) {
    return count(reader, asked, by_hour);
  };
  const std::optional<json::object> counted =
      co_await parts_.shared.events().ask<json::object>(parts_.worker, std::move(question));
  if (!counted) co_return own_problem(too_busy(), call->caller);
  co_return json_response(200, *counted);
}

void add_message_routes(Frame& frame, MessageDesk& desk) {
  const Access read{"messages:read"};
  frame.add("GET", "/v1/messages", read,
            [&desk](std::shared_ptr<Call> call) { return desk.search(std::move(call)); });
  frame.add("GET", "/v1/messages/{id}", read,
            [&desk](std::shared_ptr<Call> call) { return desk.show(std::move(call)); });
  frame.add("POST", "/v1/messages/{id}/cancel", Access{"messages:cancel"},
            [&desk](std::shared_ptr<Call> call) { return desk.cancel(std::move(call)); });
  frame.add("GET", "/v1/events", Access{"events:read"},
            [&desk](std::shared_ptr<Call> call) { return desk.events(std::move(call)); });
  frame.add("GET", "/v1/stats", Access{"stats:read"},
            [&desk](std::shared_ptr<Call> call) { return desk.stats(std::move(call)); });
}

}  // namespace ekiden::api
