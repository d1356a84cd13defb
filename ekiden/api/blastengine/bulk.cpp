#include "ekiden/api/blastengine/bulk.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "ekiden/api/blastengine/delivery.hpp"
#include "ekiden/api/blastengine/logs.hpp"
#include "ekiden/api/blastengine/transaction.hpp"
#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/jobs/content.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/multipart.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::api::blastengine {
namespace {

namespace json = boost::json;
using bulk::Changed;
using bulk::JobState;
using jobs::JobDesk;

// What blastengine documents.
constexpr std::size_t kRecipientsInUpdate = 50;
constexpr std::size_t kPageDefault = 100, kPageMax = 1000;

json::value time_or_null(base::Time time) {
  return time == base::Time{} ? json::value(nullptr) : json::value(webhook::japan_time(time));
}

const char* status_of(JobState state) {
  switch (state) {
    case JobState::Draft:
      return "EDIT";
    case JobState::Scheduled:
      return "RESERVE";
    case JobState::Launching:
      return "WAIT";
    case JobState::Sending:
    case JobState::Paused:
    case JobState::Cancelling:
      return "SENDING";
    case JobState::Cancelled:
      return "FAILED";
    case JobState::Done:
      return "SENT";
  }
  return "FAILED";
}

/// Puts what the request says over what the content has: what is not there stays.
void put_content(const Given& given, json::object& content) {
  const json::object& object = given.object;
  for (const auto& [theirs, ours] :
       {std::pair("subject", "subject"), std::pair("text_part", "text"),
        std::pair("html_part", "html")}) {
    const std::string text = text_of(object, theirs);
    if (!text.empty()) content[ours] = text;
    // The SDK says html_part:"" of mail without one.
    if (text.empty() && object.contains(theirs)) content.erase(ours);
  }
  for (const char* name : {"from", "reply_to"}) {
    const json::object* one = object_of(object, name);
    if (one == nullptr || text_of(*one, "email").empty()) continue;
    content[name] =
        json::object{{"email", text_of(*one, "email")}, {"name", text_of(*one, "name")}};
  }
  if (const std::string encode = text_of(object, "encode"); !encode.empty()) {
    content["charset"] = encode;
    if (base::equals_ignoring_case(encode, "ISO-2022-JP")) content["unmappable"] = "replace";
  }
  if (const json::object* links = object_of(object, "list_unsubscribe")) {
    std::string value;
    for (const char* name : {"mailto", "url"}) {
      const std::string link = text_of(*links, name);
      if (!link.empty()) value += (value.empty() ? "<" : ", <") + link + ">";
    }
    if (!value.empty()) content["headers"] = json::object{{"List-Unsubscribe", value}};
  }
  if (!given.files.empty()) {
    json::array files;
    for (const FormPart& part : given.files) {
      const std::string type =
          part.content_type.empty() ? "application/octet-stream" : part.content_type;
      files.push_back(json::object{
          {"filename",
           part.filename.empty() ? "file" + std::to_string(files.size() + 1) : part.filename},
          {"content_type", type},
          {"content", base::encode_base64(part.content)}});
    }
    content["attachments"] = std::move(files);
  }
  content["syntax"] = "literal";
  content["metadata"] = json::object{{"delivery_id", nullptr}};
}

json::object content_of(const bulk::Job& job) {
  json::error_code error;
  json::value content = json::parse(job.content.empty() ? "{}" : job.content, error);
  return !error && content.is_object() ? std::move(content.get_object()) : json::object();
}

json::object delivery_json(const bulk::Job& job) {
  const json::object content = content_of(job);
  const json::object* from = object_of(content, "from");
  json::array attaches;
  if (const json::array* files = array_of(content, "attachments"))
    for (const json::value& one : *files)
      if (one.is_object())
        attaches.push_back(json::object{{"name", text_of(one.get_object(), "filename")}});
  const bulk::Counts& counts = job.counts;
  const bool has_begun = job.message != base::MessageId{};
  return json::object{
      {"delivery_id", job.id},
      {"delivery_type", "BULK"},
      {"status", status_of(job.state)},
      {"from", from == nullptr ? json::object() : *from},
      {"subject", text_of(content, "subject")},
      {"text_part", text_of(content, "text")},
      {"html_part", text_of(content, "html")},
      {"attaches", std::move(attaches)},
      {"total_count", job.rows},
      {"sent_count", counts.delivered},
      {"drop_count", counts.suppressed + counts.rejected + counts.cancelled},
      {"hard_error_count", counts.bounced},
      {"soft_error_count", counts.expired},
      {"open_count", counts.opened},
      {"delivery_time",
       time_or_null(has_begun ? std::max(job.committed, job.send_at) : base::Time{})},
      {"reservation_time",
       time_or_null(job.state == JobState::Scheduled ? job.send_at : base::Time{})},
      {"created_time", time_or_null(job.created)},
      {"updated_time", time_or_null(job.changed)}};
}

/// Checks content and who may send it. On the pool: a body may have large files.
struct Checked {
  std::optional<Problem> problem;
  std::string content, from, name;
  std::vector<bulk::Row> rows;
  bool replaces_rows = false;
};

Checked check(const HttpRequest& request, json::object content, base::Time now) {
  Checked checked;
  const Given given = read_given(request);
  checked.problem = given.problem;
  if (checked.problem) return checked;
  put_content(given, content);
  Findings findings;
  const auto read = jobs::read_content(content, now, findings);
  if (read) checked.from = read->draft.from.address;
  if (!content.contains("text"))
    findings.add("/text", "required", {"text_part is required", "text_partは必須です"});
  checked.content = json::serialize(content);
  checked.name = text_of(content, "subject");
  if (const json::array* to = array_of(given.object, "to")) {
    checked.replaces_rows = true;
    if (to->size() > kRecipientsInUpdate)
      findings.add("/to", "too_many", {"at most 50 addresses", "50件までです"});
    for (std::size_t i = 0; i < to->size() && i < kRecipientsInUpdate; ++i) {
      const json::object* one = (*to)[i].if_object();
      auto row = read_recipient(one == nullptr ? json::object() : *one, "/to/" + std::to_string(i),
                                findings);
      if (row) checked.rows.push_back(std::move(*row));
    }
  }
  if (!findings.is_empty()) checked.problem = invalid_request(findings.take());
  return checked;
}

base::Task<Checked> check_on_pool(JobDesk& desk, std::shared_ptr<Call> call, json::object content) {
  base::Function<Checked()> work = [call, content = std::move(content), now = desk.now()] {
    return check(call->request, content, now);
  };
  Checked checked =
      co_await base::run_on<Checked>(desk.sender().pool(), desk.sender().worker(), std::move(work));
  if (!checked.problem) checked.problem = desk.sender().may_send(*call, checked.from, {}, "bulk");
  co_return checked;
}

base::Task<HttpResponse> begin(JobDesk& desk, std::shared_ptr<Call> call) {
  Checked checked = co_await check_on_pool(desk, call, {});
  if (checked.problem) co_return tell(*checked.problem, call->caller);
  bulk::Job job = desk.job_of(*call);
  job.origin = bulk::Origin::Blastengine;
  job.stream = "bulk";
  job.name = checked.name;
  job.content = std::move(checked.content);
  base::Function<Result<std::int64_t>(bulk::Store&)> add =
      [job](bulk::Store& store) mutable -> Result<std::int64_t> {
    const auto added = store.add(job);
    if (!added) return added.error();
    return *added == bulk::Store::Added::Yes ? job.id : 0;
  };
  const std::optional<std::int64_t> id = co_await desk.ask<std::int64_t>(std::move(add));
  if (id && *id != 0) co_return id_response(201, "delivery_id", *id);
  const Problem problem = id ? locked() : jobs::store_broken();
  co_return tell(problem, call->caller);
}

base::Task<HttpResponse> update(JobDesk& desk, std::shared_ptr<Call> call) {
  FoundDelivery found = co_await find_delivery(desk, call, number_in(*call, "id"));
  if (!found.problem && found.job.state != JobState::Draft) found.problem = locked();
  if (found.problem) co_return tell(*found.problem, call->caller);
  json::object content = content_of(found.job);
  Checked checked = co_await check_on_pool(desk, call, std::move(content));
  if (checked.problem) co_return tell(*checked.problem, call->caller);
  const bulk::Job who = desk.job_of(*call);
  bulk::Job job = std::move(found.job);
  job.name = checked.name;
  job.content = std::move(checked.content);
  job.identity = who.identity;
  job.sender_domains = who.sender_domains;
  job.client_address = who.client_address;
  base::Function<Result<Changed>(bulk::Store&)> change =
      [job, rows = std::move(checked.rows), replaces = checked.replaces_rows,
       at = desk.now()](bulk::Store& store) -> Result<Changed> {
    const auto changed = store.change(job, at);
    if (!changed || *changed == Changed::No || !replaces) return changed;
    Result<Changed> removed = Changed::Yes;
    while (removed && *removed == Changed::Yes) removed = store.remove_rows(job.id, 5000);
    if (!removed) return removed;
    const auto added = store.add_rows(job.id, 0, rows);
    if (!added) return added.error();
    return Changed::Yes;
  };
  const std::optional<Changed> changed = co_await desk.ask<Changed>(std::move(change));
  if (changed && *changed == Changed::Yes) co_return id_response(200, "delivery_id", job.id);
  const Problem problem = changed ? locked() : jobs::store_broken();
  co_return tell(problem, call->caller);
}

base::Task<HttpResponse> commit(JobDesk& desk, std::shared_ptr<Call> call, bool is_immediate) {
  FoundDelivery found = co_await find_delivery(desk, call, number_in(*call, "id"));
  if (found.problem) co_return tell(*found.problem, call->caller);
  base::Time time = desk.now();
  if (!is_immediate) {
    const Given given = read_given(call->request);
    const json::value* wanted = given.object.if_contains("reservation_time");
    const auto read = wanted == nullptr ? std::nullopt : read_time(*wanted);
    if (!read || *read > desk.now() + std::chrono::hours(24 * 365 * 10)) {
      const Problem problem = invalid_request(
          {{"/reservation_time",
            "bad_time",
            {"a date such as 2030-01-02T03:04:05+09:00", "2030-01-02T03:04:05+09:00の形です"}}});
      co_return tell(problem, call->caller);
    }
    time = *read;
  }
  const std::int64_t id = found.job.id;
  bulk::Job job = std::move(found.job);
  const std::optional<Problem> problem = co_await commit_at(desk, std::move(job), time);
  if (problem) co_return tell(*problem, call->caller);
  co_return id_response(200, "delivery_id", id);
}

base::Task<HttpResponse> commit_later(JobDesk& desk, std::shared_ptr<Call> call) {
  return commit(desk, std::move(call), false);
}
base::Task<HttpResponse> commit_now(JobDesk& desk, std::shared_ptr<Call> call) {
  return commit(desk, std::move(call), true);
}

base::Task<HttpResponse> cancel(JobDesk& desk, std::shared_ptr<Call> call) {
  FoundDelivery found = co_await find_delivery(desk, call, number_in(*call, "id"));
  if (found.problem) co_return tell(*found.problem, call->caller);
  const std::int64_t id = found.job.id;
  bulk::Job job = std::move(found.job);
  const std::optional<JobState> state = co_await desk.take_back(std::move(job));
  if (state) co_return id_response(200, "delivery_id", id);
  const Problem problem = locked();
  co_return tell(problem, call->caller);
}

base::Task<HttpResponse> remove(JobDesk& desk, std::shared_ptr<Call> call) {
  FoundDelivery found = co_await find_delivery(desk, call, number_in(*call, "id"));
  if (found.problem) co_return tell(*found.problem, call->caller);
  base::Function<Result<Changed>(bulk::Store&)> question =
      [id = found.job.id](bulk::Store& store) -> Result<Changed> {
    const auto removed = store.remove(id);
    if (!removed || *removed == Changed::No) return removed;
    Result<Changed> some = Changed::Yes;
    while (some && *some == Changed::Yes) some = store.remove_rows(id, 5000);
    return Changed::Yes;
  };
  const std::optional<Changed> removed = co_await desk.ask<Changed>(std::move(question));
  if (removed && *removed == Changed::Yes) co_return id_response(200, "delivery_id", found.job.id);
  const Problem problem = removed ? locked() : jobs::store_broken();
  co_return tell(problem, call->caller);
}

/// A transaction's number, as its message's events tell of it.
base::Task<HttpResponse> show_transaction(JobDesk& desk, MessageDesk& messages,
                                          std::shared_ptr<Call> call, std::int64_t id) {
  base::Function<Result<std::optional<bulk::Store::Delivery>>(bulk::Store&)> question =
      [id, tenant = call->caller.tenant()](bulk::Store& store) {
        return store.find_delivery(id, tenant);
      };
  const auto known = co_await desk.ask<std::optional<bulk::Store::Delivery>>(std::move(question));
  if (!known || !*known) {
    const Problem problem = known ? no_data() : jobs::store_broken();
    co_return tell(problem, call->caller);
  }
  auto inner = std::make_shared<Call>(*call);
  inner->path = {};
  inner->path.add("id", base::format_message_id((*known)->message));
  const HttpResponse shown = co_await messages.show(std::move(inner));
  json::error_code error;
  const json::value read = json::parse(shown.body, error);
  json::object told{{"delivery_id", id}, {"delivery_type", "TRANSACTION"}};
  std::map<std::string, std::int64_t> counts;
  std::int64_t total = 0;
  if (!error && read.is_object() && shown.status == 200) {
    const json::object& message = read.get_object();
    told["subject"] = text_of(message, "subject");
    told["from"] = json::object{{"email", text_of(message, "from")}, {"name", ""}};
    if (const json::array* recipients = array_of(message, "recipients"))
      for (const json::value& one : *recipients) {
        ++total;
        if (one.is_object()) ++counts[text_of(one.get_object(), "status")];
      }
  }
  const std::int64_t ended = counts["delivered"] + counts["bounced"] + counts["expired"] +
                             counts["suppressed"] + counts["cancelled"];
  told["status"] = ended >= total ? "SENT" : "SENDING";
  told["total_count"] = total;
  told["sent_count"] = counts["delivered"];
  told["drop_count"] = counts["suppressed"] + counts["cancelled"];
  told["hard_error_count"] = counts["bounced"];
  told["soft_error_count"] = counts["expired"];
  told["open_count"] = 0;
  for (const char* name : {"delivery_time", "created_time", "updated_time"})
    told[name] = time_or_null((*known)->created);
  told["reservation_time"] = nullptr;
  co_return json_response(200, told);
}

base::Task<HttpResponse> show(JobDesk& desk, MessageDesk& messages, std::shared_ptr<Call> call) {
  const std::int64_t id = number_in(*call, "id");
  const FoundDelivery found = co_await find_delivery(desk, call, id);
  if (!found.problem) co_return json_response(200, delivery_json(found.job));
  if (found.problem->status != 404) co_return tell(*found.problem, call->caller);
  co_return co_await show_transaction(desk, messages, std::move(call), id);
}

/// "status[]=EDIT", however often.
bool is_asked_for(const Call& call, const char* name, std::string_view value) {
  const std::vector<std::string> wanted = call.query.all(name);
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

base::Time delivery_time_of(const bulk::Job& job) {
  if (job.message == base::MessageId{} && job.state != JobState::Scheduled) return {};
  return std::max(job.committed, job.send_at);
}

/// When a delivery that is asked for went out, or will.
struct Asked {
  std::optional<base::Time> from, until;
};

std::optional<Problem> read_asked(const Call& call, Asked& asked) {
  for (const auto& [name, into] :
       {std::pair("delivery_start", &asked.from), std::pair("delivery_end", &asked.until)}) {
    const std::string_view text = call.query.get(name);
    if (text.empty()) continue;
    *into = message::parse_date(text);
    if (!*into)
      return bad_field(name, {"a date such as 2026-11-22T09:00:00+09:00",
                              "2026-11-22T09:00:00+09:00のような日時です"});
  }
  return std::nullopt;
}

bool is_meant(const Call& call, const bulk::Job& job, const Asked& asked) {
  if (!is_asked_for(call, "status[]", status_of(job.state)) ||
      !is_asked_for(call, "delivery_type[]", "BULK"))
    return false;
  const base::Time time = delivery_time_of(job);
  if (asked.from && time < *asked.from) return false;
  if (asked.until && (time == base::Time{} || time > *asked.until)) return false;
  const json::object content = content_of(job);
  const auto has = [&](const char* name, const std::string& text) {
    const std::string_view part = call.query.get(name);
    return part.empty() || text.find(part) != std::string::npos;
  };
  const json::object* from = object_of(content, "from");
  const json::object* headers = object_of(content, "headers");
  const std::string links = headers == nullptr ? "" : text_of(*headers, "List-Unsubscribe");
  return has("subject", text_of(content, "subject")) &&
         has("text_part", text_of(content, "text")) && has("html_part", text_of(content, "html")) &&
         has("from", from == nullptr ? "" : text_of(*from, "email")) &&
         has("list_unsubscribe_url", links) && has("list_unsubscribe_mailto", links);
}

bool is_sorting(std::string_view sorting) {
  for (const std::string_view known :
       {"", "delivery_time:asc", "delivery_time:desc", "updated_time:asc", "updated_time:desc"})
    if (sorting == known) return true;
  return false;
}

/// Without a word, the newest first.
void sort(std::vector<const bulk::Job*>& jobs, std::string_view sorting) {
  if (sorting.empty()) return;
  const bool is_by_delivery = sorting.starts_with("delivery"), is_down = sorting.ends_with("desc");
  const auto key = [&](const bulk::Job* job) {
    return is_by_delivery ? delivery_time_of(*job) : job->changed;
  };
  std::stable_sort(jobs.begin(), jobs.end(), [&](const bulk::Job* a, const bulk::Job* b) {
    return is_down ? key(b) < key(a) : key(a) < key(b);
  });
}

base::Task<HttpResponse> list(JobDesk& desk, std::shared_ptr<Call> call) {
  const std::size_t size = static_cast<std::size_t>(std::clamp<std::uint64_t>(
      base::parse_u64(call->query.get("size")).value_or(kPageDefault), 1, kPageMax));
  const std::uint64_t page =
      std::clamp<std::uint64_t>(base::parse_u64(call->query.get("page")).value_or(1), 1, 100'000);
  Asked asked;
  std::optional<Problem> wrong = read_asked(*call, asked);
  const std::string_view sorting = call->query.find("sort").value_or("");
  if (!wrong && !is_sorting(sorting))
    wrong = bad_field("sort", {"delivery_time or updated_time, :asc or :desc",
                               "delivery_timeかupdated_timeに:ascか:descを付けます"});
  if (wrong) co_return tell(*wrong, call->caller);
  bulk::Store::Listing listing;
  listing.tenant = call->caller.tenant();
  listing.origin = bulk::Origin::Blastengine;
  // All that a tenant may have open, and what is over for ninety days.
  listing.limit = 10'000;
  base::Function<Result<std::vector<bulk::Job>>(bulk::Store&)> question =
      [listing](bulk::Store& store) { return store.list(listing); };
  const std::optional<std::vector<bulk::Job>> jobs =
      co_await desk.ask<std::vector<bulk::Job>>(std::move(question));
  if (!jobs) {
    const Problem problem = jobs::store_broken();
    co_return tell(problem, call->caller);
  }
  std::vector<const bulk::Job*> meant;
  for (const bulk::Job& job : *jobs)
    if (is_meant(*call, job, asked)) meant.push_back(&job);
  sort(meant, sorting);
  json::array data;
  for (std::size_t i = (page - 1) * size; i < meant.size() && data.size() < size; ++i)
    data.push_back(delivery_json(*meant[i]));
  co_return json_response(200, json::object{{"data", std::move(data)}});
}

}  // namespace

void add_bulk_routes(Frame& frame, JobDesk& desk, MessageDesk& messages) {
  const auto add = [&](const char* method, const char* path, const char* scope, Work work) {
    frame.add(method, path, Access{scope}, once(desk, work, method));
  };
  constexpr const char* kSend = "messages:send";
  constexpr const char* kRead = "messages:read";
  add("POST", "/api/v1/deliveries/bulk/begin", kSend, begin);
  add("PUT", "/api/v1/deliveries/bulk/update/{id}", kSend, update);
  add("PATCH", "/api/v1/deliveries/bulk/commit/{id}", kSend, commit_later);
  add("PATCH", "/api/v1/deliveries/bulk/commit/{id}/immediate", kSend, commit_now);
  add("PATCH", "/api/v1/deliveries/{id}/cancel", "messages:cancel", cancel);
  add("DELETE", "/api/v1/deliveries/{id}", kSend, remove);
  frame.add("GET", "/api/v1/deliveries/{id}", Access{kRead},
            [&desk, &messages](std::shared_ptr<Call> call) {
              return show(desk, messages, std::move(call));
            });
  add("GET", "/api/v1/deliveries", kRead, list);
  add("GET", "/api/v1/deliveries/all", kRead, list);
}

}  // namespace ekiden::api::blastengine
