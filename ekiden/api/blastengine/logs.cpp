// What became of each recipient, in blastengine's words.
#include "ekiden/api/blastengine/logs.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

#include "ekiden/api/blastengine/query_reader.hpp"
#include "ekiden/api/blastengine/transaction.hpp"
#include "ekiden/api/draft_reader.hpp"
#include "ekiden/bulk/job_id.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::api::blastengine {

namespace json = boost::json;
using events::Event;
using events::Kind;
using jobs::JobDesk;
using webhook::japan_time;

namespace {

constexpr std::size_t kCountDefault = 100, kCountMax = 1000;
/// Acceptances that one page of logs looks at; errors likewise.
constexpr std::size_t kLookedAtMax = 100'000;
/// Acceptances of one slice: of each its whole history is read.
constexpr std::size_t kLogsPerSlice = 100;
constexpr std::size_t kTimelineMax = 10'000;
constexpr std::size_t kPageMax = 1000;

constexpr std::string_view kStatuses[] = {"SENT", "RETRY", "HARDERROR", "SOFTERROR", "DROP", "ALL"};
constexpr std::string_view kTypes[] = {"TRANSACTION", "BULK", "SMTP"};

/// Empty for what changes nothing.
std::string_view status_of(const Event& event) {
  switch (event.kind) {
    case Kind::Accepted:
    case Kind::Deferred:
    case Kind::Held:
    case Kind::Released:
      return "RETRY";
    case Kind::Delivered:
      return "SENT";
    case Kind::Suppressed:
      return "DROP";
    case Kind::Cancelled:
      return "CANCELLED";
    default:
      break;
  }
  if (!is_error(event)) return {};
  return webhook::is_hard(event) ? "HARDERROR" : "SOFTERROR";
}

std::string_view type_of(const Event& accepted) {
  if (!accepted.identity.starts_with("apikey:")) return "SMTP";
  return accepted.stream == "transactional" ? "TRANSACTION" : "BULK";
}

/// The log of an acceptance; nothing when it does not fit, or was taken back.
std::optional<Log> log_of(events::Reader& reader, const events::Stored& accepted,
                          const LogQuery& query) {
  Log log;
  log.id = log_id(accepted.position);
  log.type = type_of(accepted.event);
  const base::MessageId message = accepted.event.message;
  // The record of a job is no mail to anybody.
  if (accepted.event.recipient_index == events::kNoRecipient) return std::nullopt;
  if (query.job && (!bulk::is_of_job(message) || bulk::job_of(message) != *query.job))
    return std::nullopt;
  if (query.delivery_id && !query.job && delivery_id(message) != *query.delivery_id)
    return std::nullopt;
  const auto has = [](const auto& list, const auto& item) {
    return list.empty() || std::find(list.begin(), list.end(), item) != list.end();
  };
  if (!has(query.types, log.type)) return std::nullopt;
  events::Query all;
  all.message = accepted.event.message;
  all.tenant = query.tenant;
  all.limit = kTimelineMax;
  Result<events::Page> page = reader.find(all);
  if (!page) return std::nullopt;
  for (events::Stored& stored : page->events) {
    if (stored.event.recipient_index == accepted.event.recipient_index)
      log.history.push_back(std::move(stored.event));
  }
  if (log.history.empty()) return std::nullopt;
  std::stable_sort(log.history.begin(), log.history.end(),
                   [](const Event& a, const Event& b) { return a.time < b.time; });
  for (const Event& event : log.history)
    if (const std::string_view status = status_of(event); !status.empty()) log.status = status;
  if (log.status == "CANCELLED" || !has(query.statuses, log.status)) return std::nullopt;
  std::uint16_t code = 0;
  for (const Event& event : log.history)
    if (event.reply_code != 0) code = event.reply_code;
  if (!has(query.codes, code)) return std::nullopt;
  return log;
}

json::object describe(const Log& log) {
  const Event& accepted = log.history.front();
  std::uint16_t code = 0;
  std::string reply;
  json::value opened = nullptr;
  for (const Event& event : log.history) {
    if (event.kind == Kind::Opened && opened.is_null())
      opened = json::string(japan_time(event.time));
    if (event.reply_code == 0 && !is_error(event)) continue;
    code = event.reply_code;
    reply = webhook::json_text(webhook::reply_line(event));
  }
  return {{"maillog_id", log.id},
          {"delivery_id", delivery_id(accepted)},
          {"delivery_type", log.type},
          {"email", webhook::json_text(accepted.recipient)},
          {"status", log.status},
          {"last_response_code", code == 0 ? json::value(nullptr) : json::value(code)},
          {"last_response_message", reply},
          {"delivery_time", japan_time(log.last().time)},
          {"open_time", std::move(opened)},
          {"created_time", japan_time(accepted.time)},
          {"updated_time", japan_time(log.last().time)}};
}

json::object history_of(const Log& log) {
  json::object object = describe(log);
  json::array history;
  for (const Event& event : log.history) {
    const std::string_view status = status_of(event);
    if (status.empty()) continue;
    history.push_back(
        json::object{{"status", json::string(json::string_view(status))},
                     {"response_code",
                      event.reply_code == 0 ? json::value(nullptr) : json::value(event.reply_code)},
                     {"response_message", webhook::json_text(webhook::reply_line(event))},
                     {"time", japan_time(event.time)}});
  }
  object["history"] = std::move(history);
  return object;
}

/// `status[]=SENT&status[]=RETRY`, `status=SENT`, and the list that Python's clients print.
std::vector<std::string> list_of(const Parameters& query, const std::string& name) {
  std::vector<std::string> items = query.all(name + "[]");
  for (std::string& one : query.all(name)) {
    std::string_view text = one;
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    while (!text.empty()) {
      const std::size_t comma = std::min(text.find(','), text.size());
      std::string_view item = base::trimmed(text.substr(0, comma));
      if (item.size() > 1 && (item.front() == '\'' || item.front() == '"'))
        item = item.substr(1, item.size() - 2);
      if (!item.empty()) items.emplace_back(item);
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
  }
  return items;
}

std::size_t read_number(QueryReader& reader, const Call& call, std::string_view name,
                        std::size_t otherwise, std::size_t most) {
  const auto given = call.query.find(name);
  if (!given || given->empty()) return otherwise;
  const auto number = base::parse_u64(*given);
  if (number && *number > 0 && *number <= most) return *number;
  const std::string max = std::to_string(most);
  reader.wrong(name, {"a number from 1 to " + max, "1から" + max + "までの数です"});
  return otherwise;
}

events::Query accepted_query(const LogQuery& query) {
  events::Query of;
  of.tenant = query.tenant;
  of.kind = Kind::Accepted;
  of.recipient = query.email;
  of.from = query.from;
  of.until = query.until;
  if (query.delivery_id && !query.job) {
    of.from = delivery_time(*query.delivery_id);
    // An event follows its message's id by the time that the message took to come.
    of.until = *of.from + std::chrono::hours(1);
  }
  return of;
}

/// Some acceptances and their logs, and where the next begin.
struct LogSlice {
  json::array logs;
  std::size_t looked_at = 0;
  std::optional<events::Position> next;
  bool is_read = false;
};

/// Logs past `of.after`, in the order of their numbers; `room` of them at most.
LogSlice logs_of(events::Reader& reader, const LogQuery& query, const events::Query& of,
                 std::size_t room) {
  LogSlice slice;
  const Result<events::Page> page = reader.find(of);
  if (!page) return slice;
  slice.is_read = true;
  slice.looked_at = std::max<std::size_t>(page->events.size(), 1);
  for (const events::Stored& stored : page->events) {
    if (slice.logs.size() == room) return slice;
    if (const auto log = log_of(reader, stored, query)) slice.logs.push_back(describe(*log));
  }
  slice.next = page->next;
  return slice;
}

json::object describe_error(const ErrorLine& line) {
  return {{"id", log_id(line.position)},
          {"delivery_id", line.delivery_id},
          {"email", line.email},
          {"response_code", line.code == 0 ? json::value(nullptr) : json::value(line.code)},
          {"response_message", line.reply},
          {"error_time", japan_time(line.time)},
          {"updated_time", japan_time(line.time)}};
}

/// Asks the event store on the pool; problem 503 when too many wait.
template <class T>
base::Task<HttpResponse> ask(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call,
                             base::Function<T(events::Reader&)> question,
                             HttpResponse (*answer)(const Call& call, T found)) {
  std::optional<T> found = co_await desk.ask<T>(worker, std::move(question));
  if (!found) co_return tell(too_busy(), call->caller);
  co_return answer(*call, std::move(*found));
}

base::Task<HttpResponse> list_logs(EventDesk& desk, JobDesk& jobs, std::shared_ptr<Call> call) {
  base::Worker& worker = jobs.sender().worker();
  QueryReader reader(call->caller);
  LogQuery& query = reader.query;
  query.email = call->query.get("email");
  reader.time("delivery_start", call->query.get("delivery_start"), query.from);
  reader.time("delivery_end", call->query.get("delivery_end"), query.until);
  reader.words("delivery_type", list_of(call->query, "delivery_type"), kTypes, query.types);
  reader.words("status", list_of(call->query, "status"), kStatuses, query.statuses);
  for (const std::string& code : list_of(call->query, "response_code")) reader.code(code);
  if (const auto id = call->query.find("delivery_id")) {
    const auto number = base::parse_u64(*id);
    if (!number || *number > (1ULL << 53))
      reader.wrong("delivery_id", {"a number", "数値です"});
    else
      query.delivery_id = static_cast<std::int64_t>(*number);
  }
  std::optional<events::Position> anchor;
  if (const auto given = call->query.find("anchor"); given && !given->empty()) {
    const auto number = base::parse_u64(*given);
    anchor = number && *number < (1ULL << 53) ? position_of(static_cast<std::int64_t>(*number))
                                              : std::nullopt;
    if (!anchor && given != "0") reader.wrong("anchor", {"a maillog_id", "maillog_idです"});
  }
  const std::size_t count = read_number(reader, *call, "count", kCountDefault, kCountMax);
  if (reader.problem) co_return tell(*reader.problem, call->caller);
  if (query.delivery_id) {
    const JobDesk::Found found = co_await jobs.find(call, *query.delivery_id);
    if (found.job) query.job = found.job->message;
    if (found.job && !query.from) query.from = found.job->committed;
  }
  events::Query of = accepted_query(query);
  of.after = anchor;
  of.limit = kLogsPerSlice;
  of.rows_max = EventDesk::kSliceRows;
  json::array data;
  for (std::size_t looked_at = 0; looked_at < kLookedAtMax && data.size() < count;) {
    base::Function<LogSlice(events::Reader&)> question =
        [query, of, room = count - data.size()](events::Reader& from) {
          return logs_of(from, query, of, room);
        };
    std::optional<LogSlice> slice = co_await desk.ask<LogSlice>(worker, std::move(question));
    if (!slice || !slice->is_read) co_return tell(too_busy(), call->caller);
    for (json::value& log : slice->logs) data.push_back(std::move(log));
    if (!slice->next) break;
    looked_at += slice->looked_at;
    of.after = slice->next;
  }
  co_return json_response(200, json::object{{"data", std::move(data)}});
}

base::Task<HttpResponse> show_log(EventDesk& desk, base::Worker& worker,
                                  std::shared_ptr<Call> call) {
  const auto number = base::parse_u64(call->path.get("id"));
  const auto position = number && *number < (1ULL << 53)
                            ? position_of(static_cast<std::int64_t>(*number))
                            : std::nullopt;
  if (!position) co_return tell(no_data(), call->caller);
  LogQuery query;
  query.tenant = call->caller.tenant();
  base::Function<std::optional<Log>(events::Reader&)> question =
      [query, position = *position](events::Reader& reader) -> std::optional<Log> {
    events::Query of = accepted_query(query);
    of.after = events::Position{position.day, position.seq - 1};
    of.limit = 1;
    const Result<events::Page> page = reader.find(of);
    if (!page || page->events.empty() || page->events.front().position != position)
      return std::nullopt;
    return log_of(reader, page->events.front(), query);
  };
  co_return co_await ask<std::optional<Log>>(desk, worker, call, std::move(question),
                                             [](const Call& of, std::optional<Log> log) {
                                               if (!log) return tell(no_data(), of.caller);
                                               return json_response(200, history_of(*log));
                                             });
}

base::Task<HttpResponse> list_errors(EventDesk& desk, base::Worker& worker,
                                     std::shared_ptr<Call> call) {
  QueryReader reader(call->caller);
  reader.time("error_start", call->query.get("error_start"), reader.query.from);
  reader.time("error_end", call->query.get("error_end"), reader.query.until);
  const std::size_t size = read_number(reader, *call, "size", kCountDefault, kPageMax);
  const std::size_t page = read_number(reader, *call, "page", 1, kLookedAtMax);
  const std::string_view sort = call->query.find("sort").value_or("error_time:desc");
  if (sort != "error_time:desc" && sort != "error_time:asc" && sort != "updated_time:desc" &&
      sort != "updated_time:asc")
    reader.wrong("sort", {"error_time or updated_time, :asc or :desc",
                          "error_timeかupdated_timeに:ascか:descを付けます"});
  if (reader.problem) co_return tell(*reader.problem, call->caller);
  const bool is_newest_first = sort.ends_with(":desc");
  const std::size_t to_skip = std::min(size * (page - 1), kLookedAtMax);
  LogQuery query = std::move(reader.query);
  const auto lines = co_await find_errors(desk, worker, query, is_newest_first, to_skip + size);
  if (!lines) co_return tell(too_busy(), call->caller);
  json::array data;
  for (std::size_t i = to_skip; i < lines->size(); ++i) data.push_back(describe_error((*lines)[i]));
  co_return json_response(200, json::object{{"data", std::move(data)}});
}

}  // namespace

std::int64_t log_id(events::Position position) {
  // 14 bits of days since 2020 and 39 bits of the event's number: 53, which JavaScript still
  // counts.
  return (static_cast<std::int64_t>(position.day) - 18'262) << 39 | position.seq;
}

std::optional<events::Position> position_of(std::int64_t log_id) {
  if (log_id <= 0) return std::nullopt;
  events::Position position;
  position.day = static_cast<events::Day>((log_id >> 39) + 18'262);
  position.seq = log_id & ((1LL << 39) - 1);
  return position;
}

Problem bad_field(std::string field, Text text) {
  return invalid_request({{"/" + std::move(field), "bad_value", std::move(text)}});
}
Problem too_busy() {
  return unavailable({"Too many searches are under way.", "検索が混み合っています。"}, 2);
}

bool is_error(const Event& event) {
  return event.kind == Kind::Bounced || event.kind == Kind::Expired || event.kind == Kind::Returned;
}

/// Each kind has an index; their lines are put in order here.
base::Task<std::optional<std::vector<ErrorLine>>> find_errors(EventDesk& desk, base::Worker& worker,
                                                              LogQuery query, bool newest_first,
                                                              std::size_t lines_max) {
  std::vector<ErrorLine> lines;
  for (const Kind kind : {Kind::Bounced, Kind::Expired, Kind::Returned}) {
    events::Query of;
    of.tenant = query.tenant;
    of.kind = kind;
    of.recipient = query.email;
    of.from = query.from;
    of.until = query.until;
    of.newest_first = newest_first;
    auto found = std::make_shared<std::vector<ErrorLine>>();
    EventDesk::See see = [found, lines_max, codes = query.codes](const events::Stored& stored) {
      const Event& event = stored.event;
      const bool is_meant =
          codes.empty() || std::find(codes.begin(), codes.end(), event.reply_code) != codes.end();
      if (is_meant)
        found->push_back({stored.position, event.time, delivery_id(event), event.reply_code,
                          webhook::json_text(event.recipient),
                          webhook::json_text(webhook::reply_line(event))});
      return found->size() < lines_max;
    };
    const EventDesk::Scan scan = co_await desk.scan(worker, std::move(of), std::move(see));
    if (scan == EventDesk::Scan::Busy) co_return std::nullopt;
    std::move(found->begin(), found->end(), std::back_inserter(lines));
  }
  std::sort(lines.begin(), lines.end(), [&](const ErrorLine& a, const ErrorLine& b) {
    return newest_first ? b.position < a.position : a.position < b.position;
  });
  if (lines.size() > lines_max) lines.resize(lines_max);
  co_return lines;
}

void add_log_routes(Frame& frame, EventDesk& desk, JobDesk& jobs) {
  const Access read{"messages:read"};
  using Asking = base::Task<HttpResponse> (*)(EventDesk&, base::Worker&, std::shared_ptr<Call>);
  const auto add = [&](const char* path, Asking what) {
    frame.add("GET", path, read, [&frame, &desk, what](std::shared_ptr<Call> call) {
      return what(desk, frame.worker(), std::move(call));
    });
  };
  frame.add("GET", "/api/v1/logs/mails/results", read, [&desk, &jobs](std::shared_ptr<Call> call) {
    return list_logs(desk, jobs, std::move(call));
  });
  add("/api/v1/logs/mails/{id}", show_log);
  add("/api/v1/errors", list_errors);
}

}  // namespace ekiden::api::blastengine
