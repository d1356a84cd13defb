// /v3/messages: SendGrid's Email Activity, which is the event store told by message and recipient.
//
// Events are looked at from the newest on, so that the first of a message is its last: the list is
// in the order of last_event_time. What a query says of the message itself is asked before its
// other events are read.
#include <boost/json/array.hpp>
#include <cstdio>
#include <functional>
#include <set>

#include "ekiden/account/unsubscribe_group.hpp"
#include "ekiden/api/composer.hpp"
#include "ekiden/api/event_query.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/message_desk.hpp"
#include "ekiden/api/sendgrid/activity_query.hpp"
#include "ekiden/api/sendgrid/mail_send.hpp"
#include "ekiden/api/sendgrid/routes.hpp"
#include "ekiden/base/csv.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/metadata.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::api::sendgrid {
namespace {

namespace json = boost::json;
using account::WebhookFormat;
using events::Event;
using events::Kind;
using jobs::JobDesk;
using webhook::json_text;

constexpr std::size_t kLimitDefault = 10, kLimitMax = 1000;
/// Events that one list looks at, and a CSV; what is older needs a narrower query.
constexpr std::size_t kLookedAtMax = 100'000, kCsvLookedAtMax = 500'000;
/// Messages of one CSV.
constexpr std::size_t kCsvMax = 200'000;
/// Events of one slice: of some of them the whole course is read.
constexpr std::size_t kEventsPerSlice = 200;
constexpr const char* kReportKind = "sendgrid-activity";

bool has_word(Kind kind) {
  return webhook::has_word_for(WebhookFormat::SendGrid, kind);
}

/// What an event says of its message: no course.
Activity activity_of(const Event& event) {
  Activity activity;
  activity.msg_id = format_msg_id(event.message, event.recipient_index);
  activity.from_email = json_text(event.header_from);
  activity.to_email = json_text(event.recipient);
  activity.subject = json_text(decode_header_text(event.subject));
  for (const std::string& tag : event.tags) activity.categories.push_back(json_text(tag));
  activity.unique_args = events::metadata_of(event).value_or(json::object());
  activity.asm_group_id = account::unsubscribe_group_of(event.stream);
  return activity;
}

/// An address of an event, without a port.
std::string bare_address(const std::string& text) {
  const auto address = net::parse_address(text);
  return address ? address->to_string() : std::string();
}

void take(Activity::Course& course, const Event& event) {
  if (event.kind == Kind::Accepted) {
    course.originating_ip = bare_address(event.client_address);
    if (event.identity.starts_with("apikey:")) course.api_key_id = event.identity.substr(7);
  }
  // A source has a name, which says more to who runs it.
  if (!event.source.empty()) course.outbound_ip = json_text(event.source);
  course.opens += event.kind == Kind::Opened ? 1 : 0;
  course.clicks += event.kind == Kind::Clicked ? 1 : 0;
  const bool is_failure = event.kind == Kind::Bounced || event.kind == Kind::Expired ||
                          event.kind == Kind::Suppressed || event.kind == Kind::Cancelled ||
                          event.kind == Kind::Rejected || event.kind == Kind::Returned;
  if (is_failure) course.status = "not_delivered";
  if (event.kind == Kind::Delivered) course.status = "delivered";
  if (has_word(event.kind)) course.events.emplace_back(webhook::sendgrid_event(event.kind));
  course.last_event = std::max(course.last_event, event.time);
}

/// All events of one recipient of a message, oldest first.
std::vector<Event> course_of(events::Reader& reader, const Event& one, const std::string& tenant) {
  std::vector<Event> all = timeline(reader, one.message, tenant);
  std::erase_if(all, [&](const Event& event) {
    return event.recipient_index != one.recipient_index || event.recipient.empty();
  });
  return all;
}

void put_course(Activity& activity, const std::vector<Event>& all) {
  Activity::Course course;
  course.status = "processed";
  for (const Event& event : all) take(course, event);
  activity.course = std::move(course);
}

std::string seconds_text(base::Time time) {
  return base::format_rfc3339(time).substr(0, 19) + "Z";
}

json::object describe(const Activity& activity) {
  const Activity::Course& course = *activity.course;
  return {
      {"from_email", activity.from_email}, {"msg_id", activity.msg_id},
      {"subject", activity.subject},       {"to_email", activity.to_email},
      {"status", course.status},           {"opens_count", course.opens},
      {"clicks_count", course.clicks},     {"last_event_time", seconds_text(course.last_event)}};
}

/// Activities that fit, the newest first.
struct Search {
  ActivityQuery asked;
  events::Query events;  ///< of the tenant
  std::size_t wanted = kLimitDefault;
  std::size_t looked_at_max = kLookedAtMax;
  std::set<std::pair<base::MessageId, std::uint32_t>> seen;
  std::size_t found = 0;
  std::function<void(const Activity&)> show;  ///< each of them, on the pool
};

struct Slice {
  bool is_read = false;
  std::size_t looked_at = 0;
  std::optional<events::Position> next;
};

/// Some events; on the pool.
Slice look(events::Reader& reader, Search& search) {
  Slice slice;
  const Result<events::Page> page = reader.find(search.events);
  if (!page) return slice;
  slice.is_read = true;
  slice.looked_at = std::max<std::size_t>(page->events.size(), 1);
  for (const events::Stored& stored : page->events) {
    const Event& event = stored.event;
    if (event.recipient.empty() || search.found == search.wanted) continue;
    if (!search.seen.emplace(event.message, event.recipient_index).second) continue;
    Activity activity = activity_of(event);
    std::optional<bool> fits = search.asked.judge(activity);
    if (fits && !*fits) continue;
    put_course(activity, course_of(reader, event, search.events.tenant));
    fits = search.asked.judge(activity);
    if (!fits || !*fits) continue;
    ++search.found;
    search.show(activity);
  }
  slice.next = page->next;
  return slice;
}

/// False: too many searches are under way.
base::Task<bool> run(EventDesk& desk, base::Worker& worker, std::shared_ptr<Search> search) {
  search->events.newest_first = true;
  search->events.limit = kEventsPerSlice;
  search->events.rows_max = EventDesk::kSliceRows;
  std::size_t looked_at = 0;
  while (search->found < search->wanted && looked_at < search->looked_at_max) {
    base::Function<Slice(events::Reader&)> question = [search](events::Reader& reader) {
      return look(reader, *search);
    };
    const std::optional<Slice> slice = co_await desk.ask<Slice>(worker, std::move(question));
    if (!slice || !slice->is_read) co_return false;
    if (!slice->next) break;
    looked_at += slice->looked_at;
    search->events.after = slice->next;
  }
  co_return true;
}

/// A search for the query of a call, or why it is none. Null without a problem: nothing can fit.
struct Begun {
  std::shared_ptr<Search> search;
  std::optional<Problem> problem;
};
Begun begin(const std::string& tenant, std::string_view query) {
  Begun begun;
  Text why;
  std::optional<ActivityQuery> asked = ActivityQuery::parse(query, why);
  if (!asked) {
    begun.problem = bad_request("query", std::move(why));
    return begun;
  }
  auto search = std::make_shared<Search>();
  search->events.tenant = tenant;
  search->asked = std::move(*asked);
  if (search->asked.narrow(search->events)) begun.search = std::move(search);
  return begun;
}

base::Task<HttpResponse> list(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call) {
  Begun begun = begin(call->caller.tenant(), call->query.get("query"));
  std::size_t limit = kLimitDefault;
  if (const auto given = call->query.find("limit")) {
    limit = base::parse_u64(*given).value_or(0);
    const std::string max = std::to_string(kLimitMax);
    if (limit == 0 || limit > kLimitMax)
      begun.problem =
          bad_request("limit", {"a number from 1 to " + max, "1から" + max + "までの数です"});
  }
  if (begun.problem) co_return tell(*begun.problem, call->caller);
  const auto messages = std::make_shared<json::array>();
  if (begun.search != nullptr) {
    begun.search->wanted = limit;
    begun.search->show = [messages](const Activity& one) { messages->push_back(describe(one)); };
    const bool is_done = co_await run(desk, worker, begun.search);
    if (!is_done) co_return tell(too_busy(), call->caller);
  }
  co_return json_response(200, json::object{{"messages", std::move(*messages)}});
}

json::object describe_event(const Event& event) {
  json::object told{{"event_name", webhook::sendgrid_event(event.kind)},
                    {"processed", seconds_text(event.time)}};
  const bool is_bounce =
      event.kind == Kind::Bounced || event.kind == Kind::Expired || event.kind == Kind::Returned;
  if (is_bounce || event.kind == Kind::Deferred)
    told["reason"] = json_text(webhook::reply_line(event));
  if (event.kind == Kind::Suppressed) told["reason"] = event.reason;
  if (is_bounce) told["bounce_type"] = webhook::is_hard(event) ? "hard" : "soft";
  if (event.attempt > 0) told["attempt_num"] = event.attempt;
  if (!event.remote_host.empty()) told["mx_server"] = json_text(event.remote_host);
  return told;
}

json::object describe_whole(const Activity& activity, const std::vector<Event>& all) {
  const Activity::Course& course = *activity.course;
  json::array categories, events;
  for (const std::string& category : activity.categories)
    categories.push_back(json::string(category));
  for (const Event& event : all)
    if (has_word(event.kind)) events.push_back(describe_event(event));
  json::object told{{"from_email", activity.from_email},
                    {"msg_id", activity.msg_id},
                    {"subject", activity.subject},
                    {"to_email", activity.to_email},
                    {"status", course.status},
                    {"template_id", ""},
                    {"asm_group_id", nullptr},
                    {"teammate", ""},
                    {"api_key_id", course.api_key_id},
                    {"events", std::move(events)},
                    {"originating_ip", course.originating_ip},
                    {"categories", std::move(categories)},
                    {"unique_args", activity.unique_args},
                    {"outbound_ip", course.outbound_ip},
                    {"outbound_ip_type", course.outbound_ip.empty() ? "" : "dedicated"}};
  if (activity.asm_group_id) told["asm_group_id"] = *activity.asm_group_id;
  return told;
}

Problem no_message() {
  return make_problem(404, "no-such-object", {"resource not found", "メッセージが見つかりません"});
}

base::Task<HttpResponse> show(EventDesk& desk, base::Worker& worker, std::shared_ptr<Call> call) {
  const std::optional<MsgId> id = parse_msg_id(call->path.get("msg_id"));
  if (!id) co_return tell(no_message(), call->caller);
  using Told = std::optional<json::object>;
  base::Function<Told(events::Reader&)> question =
      [id = *id, tenant = call->caller.tenant()](events::Reader& reader) -> Told {
    Event one;
    one.message = id.message;
    one.recipient_index = id.recipient.value_or(0);
    const std::vector<Event> all = course_of(reader, one, tenant);
    if (all.empty()) return std::nullopt;
    Activity activity = activity_of(all.front());
    put_course(activity, all);
    return describe_whole(activity, all);
  };
  const std::optional<Told> told = co_await desk.ask<Told>(worker, std::move(question));
  if (!told) co_return tell(too_busy(), call->caller);
  if (!*told) co_return tell(no_message(), call->caller);
  co_return json_response(200, **told);
}

// --- as CSV

/// The number of an order as SendGrid's clients know it.
std::string uuid_of(std::int64_t number) {
  char text[40];
  std::snprintf(text, sizeof text, "656b6964-656e-4000-8000-%012llx",
                static_cast<unsigned long long>(number));
  return text;
}

std::int64_t number_of(std::string_view uuid) {
  unsigned long long number = 0;
  const std::string digits(uuid.substr(std::min<std::size_t>(uuid.size(), 24)));
  if (uuid.size() != 36 || std::sscanf(digits.c_str(), "%12llx", &number) != 1) return 0;
  return uuid_of(static_cast<std::int64_t>(number)) == uuid ? static_cast<std::int64_t>(number) : 0;
}

base::Task<HttpResponse> order_csv(JobDesk& jobs, std::shared_ptr<Call> call) {
  const std::string query(call->query.get("query"));
  const Begun begun = begin(call->caller.tenant(), query);
  if (begun.problem) co_return tell(*begun.problem, call->caller);
  json::object question{{"query", query}};
  std::string kind = kReportKind;
  const auto number = co_await jobs.order_report(call, std::move(kind), std::move(question));
  if (!number) {
    const Problem broken = jobs::store_broken();
    co_return tell(broken, call->caller);
  }
  const std::string uuid = uuid_of(*number);
  HttpResponse response = json_response(
      202, json::object{{"status", "pending"},
                        {"message", "GET /v3/messages/download/" + uuid + " says where it is."},
                        {"download_uuid", uuid}});
  response.headers.emplace_back("Location", "/v3/messages/download/" + uuid);
  co_return response;
}

/// The query of an order.
struct FoundQuery {
  std::string query;
  std::optional<Problem> problem;
};
base::Task<FoundQuery> find_query(JobDesk& jobs, std::shared_ptr<Call> call) {
  std::string kind = kReportKind;
  const std::int64_t number = number_of(call->path.get("uuid"));
  const JobDesk::Ordered ordered = co_await jobs.find_report(call, std::move(kind), number);
  FoundQuery found;
  if (ordered.question) found.query = text_of(*ordered.question, "query");
  if (ordered.is_broken) found.problem = jobs::store_broken();
  if (!ordered.is_broken && !ordered.question)
    found.problem =
        make_problem(404, "no-such-object",
                     {"download token is invalid or expired", "ダウンロードIDが正しくありません"});
  co_return found;
}

base::Task<HttpResponse> show_order(JobDesk& jobs, std::shared_ptr<Call> call) {
  const FoundQuery found = co_await find_query(jobs, call);
  if (found.problem) co_return tell(*found.problem, call->caller);
  const std::string url = call->request.path + "/csv";
  co_return json_response(200, json::object{{"presigned_url", url}, {"csv", url}});
}

constexpr std::string_view kCsvHeader =
    "from_email,msg_id,subject,to_email,status,opens_count,clicks_count,last_event_time\r\n";

std::string csv_line(const Activity& activity) {
  const Activity::Course& course = *activity.course;
  std::string line;
  for (const std::string* text :
       {&activity.from_email, &activity.msg_id, &activity.subject, &activity.to_email})
    line += base::format_csv_field(*text) + ",";
  return line + course.status + "," + std::to_string(course.opens) + "," +
         std::to_string(course.clicks) + "," + seconds_text(course.last_event) + "\r\n";
}

base::Task<HttpResponse> download(EventDesk& desk, JobDesk& jobs, std::shared_ptr<Call> call) {
  const FoundQuery found = co_await find_query(jobs, call);
  if (found.problem) co_return tell(*found.problem, call->caller);
  const Begun begun = begin(call->caller.tenant(), found.query);
  HttpResponse response;
  response.content_type = "text/csv; charset=utf-8";
  const auto csv = std::make_shared<std::string>(kCsvHeader);
  if (begun.search != nullptr) {
    begun.search->wanted = kCsvMax;
    begun.search->looked_at_max = kCsvLookedAtMax;
    begun.search->show = [csv](const Activity& one) { *csv += csv_line(one); };
    const bool is_done = co_await run(desk, jobs.sender().worker(), begun.search);
    if (!is_done) co_return tell(too_busy(), call->caller);
  }
  response.body = std::move(*csv);
  co_return response;
}

}  // namespace

void add_activity_routes(Frame& frame, EventDesk& desk, JobDesk& jobs) {
  const Access read{"messages:read"};
  frame.add("GET", "/v3/messages", read, [&frame, &desk](std::shared_ptr<Call> call) {
    return list(desk, frame.worker(), std::move(call));
  });
  frame.add("GET", "/v3/messages/{msg_id}", read, [&frame, &desk](std::shared_ptr<Call> call) {
    return show(desk, frame.worker(), std::move(call));
  });
  Endpoint order = [&jobs](std::shared_ptr<Call> call) { return order_csv(jobs, std::move(call)); };
  frame.add("POST", "/v3/messages/download", read, jobs.sender().once(std::move(order), tell));
  const std::string one = "/v3/messages/download/{uuid}";
  frame.add("GET", one, read,
            [&jobs](std::shared_ptr<Call> call) { return show_order(jobs, std::move(call)); });
  frame.add("GET", one + "/csv", read, [&desk, &jobs](std::shared_ptr<Call> call) {
    return download(desk, jobs, std::move(call));
  });
}

}  // namespace ekiden::api::sendgrid
