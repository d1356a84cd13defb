#include "ekiden/api/blastengine/bulk.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "ekiden/api/blastengine/transaction.hpp"
#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/jobs/content.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/multipart.hpp"
#include "ekiden/api/strict_json.hpp"
#include "ekiden/api/zip_file.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::blastengine {
namespace {

namespace json = boost::json;
using bulk::Changed;
using bulk::JobState;
using jobs::JobDesk;

// What blastengine documents.
constexpr std::size_t kRecipientsInUpdate = 50;
constexpr std::size_t kPageDefault = 100, kPageMax = 1000;

Problem no_data() {
  return make_problem(404, "not-found", {"no data found.", "データが見つかりません。"});
}

Problem locked() {
  return make_problem(423, "conflict",
                      {"this delivery cannot be changed now.", "この配信は現在変更できません。"});
}

Problem known_already() {
  return invalid_request(
      {{"/email",
        "duplicate",
        {"this address is in the delivery already", "このアドレスは登録済みです"}}});
}

/// Times as blastengine has them: Japan's.
std::string time_of(base::Time time) {
  if (time == base::Time{}) return {};
  std::string text = base::format_rfc3339(time + std::chrono::hours(9));
  return text.substr(0, 19) + "+09:00";
}

json::value time_or_null(base::Time time) {
  const std::string text = time_of(time);
  return text.empty() ? json::value(nullptr) : json::value(json::string(text));
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

/// A request's JSON and files, whether it is one or a form with a part named data.
struct Given {
  json::object object;
  std::vector<FormPart> files;
  std::optional<Problem> problem;
};

Given read_given(const HttpRequest& request) {
  Given given;
  if (!base::starts_with_ignoring_case(request.header("content-type"), "multipart/")) {
    JsonBody body = read_json_body(request);
    given.object = std::move(body.object);
    given.problem = std::move(body.problem);
    return given;
  }
  auto parts = parse_form(request.header("content-type"), request.body);
  Text why{"the body is no multipart/form-data", "multipart/form-dataではありません"};
  bool is_fine = parts.has_value();
  for (std::size_t i = 0; is_fine && i < parts->size(); ++i) {
    FormPart& part = (*parts)[i];
    if (part.name == "file") given.files.push_back(std::move(part));
    if (part.name != "data") continue;
    const std::optional<json::value> data = parse_json(part.content, why);
    is_fine = data && data->is_object();
    if (is_fine) given.object = data->get_object();
  }
  if (!is_fine) given.problem = make_problem(400, "not-json", std::move(why));
  return given;
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
}

/// {"email", "insert_code": [{"key", "value"}]} as a row.
std::optional<bulk::Row> read_recipient(const json::object& object, const std::string& base,
                                        Findings& findings) {
  json::object data;
  if (const json::array* codes = array_of(object, "insert_code")) {
    for (const json::value& one : *codes) {
      const json::object* code = one.if_object();
      if (code == nullptr || text_of(*code, "key").empty()) continue;
      data[text_of(*code, "key")] = text_of(*code, "value");
    }
  }
  return jobs::make_row(text_of(object, "email"), {}, std::move(data), {}, base, findings);
}

json::object recipient_json(const bulk::Row& row) {
  json::object told{{"email_id", row.id}, {"delivery_id", row.job}};
  json::error_code error;
  const json::value read = json::parse(row.data, error);
  json::array codes;
  if (!error && read.is_object()) {
    told["email"] = text_of(read.get_object(), "to");
    if (const json::object* data = object_of(read.get_object(), "data"))
      for (const auto& [key, value] : *data)
        codes.push_back(json::object{{"key", key}, {"value", text_of(value)}});
  }
  told["insert_code"] = std::move(codes);
  return told;
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

std::int64_t number_in(const Call& call, const char* name) {
  const auto number = base::parse_u64(call.path.get(name));
  return number && *number <= INT64_MAX ? static_cast<std::int64_t>(*number) : 0;
}

HttpResponse id_response(unsigned status, const char* name, std::int64_t id) {
  return json_response(status, json::object{{name, id}});
}

/// The delivery that a path names, when it is a bulk one of the caller's tenant.
struct Found {
  bulk::Job job;
  std::optional<Problem> problem;
};

base::Task<Found> find(JobDesk& desk, std::shared_ptr<Call> call, std::int64_t id) {
  JobDesk::Found asked = co_await desk.find(std::move(call), id);
  Found found;
  if (asked.is_broken) {
    found.problem = jobs::store_broken();
  } else if (!asked.job || asked.job->origin == bulk::Origin::Batch) {
    found.problem = no_data();
  } else {
    found.job = std::move(*asked.job);
  }
  co_return found;
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
  Found found = co_await find(desk, call, number_in(*call, "id"));
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

base::Task<std::optional<Problem>> commit_at(JobDesk& desk, bulk::Job job, base::Time time) {
  if (job.state != JobState::Draft) co_return locked();
  if (job.rows == 0)
    co_return invalid_request(
        {{"/to", "required", {"the delivery has no recipients", "宛先がありません"}}});
  base::Function<Result<Changed>(bulk::Store&)> question = [id = job.id, time,
                                                            at = desk.now()](bulk::Store& store) {
    return store.commit(id, time, at);
  };
  const std::optional<Changed> done = co_await desk.ask<Changed>(std::move(question));
  if (!done) co_return jobs::store_broken();
  if (*done == Changed::No) co_return locked();
  desk.desk().nudge();
  co_return std::nullopt;
}

base::Task<HttpResponse> commit(JobDesk& desk, std::shared_ptr<Call> call, bool is_immediate) {
  Found found = co_await find(desk, call, number_in(*call, "id"));
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

base::Task<HttpResponse> cancel(JobDesk& desk, std::shared_ptr<Call> call) {
  Found found = co_await find(desk, call, number_in(*call, "id"));
  if (found.problem) co_return tell(*found.problem, call->caller);
  const std::int64_t id = found.job.id;
  bulk::Job job = std::move(found.job);
  const std::optional<JobState> state = co_await desk.take_back(std::move(job));
  if (state) co_return id_response(200, "delivery_id", id);
  const Problem problem = locked();
  co_return tell(problem, call->caller);
}

base::Task<HttpResponse> remove(JobDesk& desk, std::shared_ptr<Call> call) {
  Found found = co_await find(desk, call, number_in(*call, "id"));
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
  const Found found = co_await find(desk, call, id);
  if (!found.problem) co_return json_response(200, delivery_json(found.job));
  if (found.problem->status != 404) co_return tell(*found.problem, call->caller);
  co_return co_await show_transaction(desk, messages, std::move(call), id);
}

/// "status[]=EDIT", however often.
bool is_asked_for(const Call& call, const char* name, std::string_view value) {
  const std::vector<std::string> wanted = call.query.all(name);
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

base::Task<HttpResponse> list(JobDesk& desk, std::shared_ptr<Call> call) {
  const std::size_t size = static_cast<std::size_t>(std::clamp<std::uint64_t>(
      base::parse_u64(call->query.get("size")).value_or(kPageDefault), 1, kPageMax));
  const std::uint64_t page =
      std::clamp<std::uint64_t>(base::parse_u64(call->query.get("page")).value_or(1), 1, 100'000);
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
  json::array data;
  std::uint64_t skipped = (page - 1) * size;
  for (const bulk::Job& job : *jobs) {
    if (data.size() == size) break;
    if (!is_asked_for(*call, "status[]", status_of(job.state)) ||
        !is_asked_for(*call, "delivery_type[]", "BULK"))
      continue;
    json::object told = delivery_json(job);
    const auto has = [&](const char* name) {
      const std::string_view part = call->query.get(name);
      return part.empty() || text_of(told, name).find(part) != std::string::npos;
    };
    if (!has("subject") || !has("text_part") || !has("html_part")) continue;
    if (skipped > 0) {
      --skipped;
      continue;
    }
    data.push_back(std::move(told));
  }
  co_return json_response(200, json::object{{"data", std::move(data)}});
}

base::Task<HttpResponse> add_email(JobDesk& desk, std::shared_ptr<Call> call) {
  Found found = co_await find(desk, call, number_in(*call, "id"));
  if (!found.problem && found.job.state != JobState::Draft) found.problem = locked();
  const Given given = read_given(call->request);
  if (!found.problem) found.problem = given.problem;
  Findings findings;
  std::optional<bulk::Row> row = read_recipient(given.object, {}, findings);
  if (!found.problem && !row) found.problem = invalid_request(findings.take());
  if (found.problem) co_return tell(*found.problem, call->caller);
  base::Function<Result<std::int64_t>(bulk::Store&)> add =
      [id = found.job.id, row = *row](bulk::Store& store) -> Result<std::int64_t> {
    const auto known = store.add_rows(id, 0, {row});
    if (!known) return known.error();
    if (!known->empty()) return 0;
    const auto rows = store.find_row(id, row.address);
    if (!rows) return rows.error();
    return *rows ? (*rows)->id : 0;
  };
  const std::optional<std::int64_t> id = co_await desk.ask<std::int64_t>(std::move(add));
  if (id && *id != 0) co_return id_response(201, "email_id", *id);
  const Problem problem = id ? known_already() : jobs::store_broken();
  co_return tell(problem, call->caller);
}

/// A recipient of one of the tenant's deliveries.
struct FoundRow {
  bulk::Row row;
  std::optional<Problem> problem;
};

base::Task<FoundRow> find_row(JobDesk& desk, std::shared_ptr<Call> call) {
  base::Function<Result<std::optional<bulk::Row>>(bulk::Store&)> question =
      [id = number_in(*call, "email")](bulk::Store& store) { return store.row(id); };
  const auto asked = co_await desk.ask<std::optional<bulk::Row>>(std::move(question));
  FoundRow found;
  if (!asked) {
    found.problem = jobs::store_broken();
  } else if (!*asked) {
    found.problem = no_data();
  } else {
    found.row = **asked;
    const Found of_job = co_await find(desk, call, found.row.job);
    found.problem = of_job.problem;
    if (!found.problem && call->request.method != "GET" && of_job.job.state != JobState::Draft)
      found.problem = locked();
  }
  co_return found;
}

base::Task<HttpResponse> email(JobDesk& desk, std::shared_ptr<Call> call) {
  FoundRow found = co_await find_row(desk, call);
  if (found.problem) co_return tell(*found.problem, call->caller);
  if (call->request.method == "GET") co_return json_response(200, recipient_json(found.row));
  std::optional<bulk::Row> row;
  if (call->request.method == "PUT") {
    const Given given = read_given(call->request);
    Findings findings;
    if (!given.problem) row = read_recipient(given.object, {}, findings);
    if (!row) {
      const Problem problem = given.problem ? *given.problem : invalid_request(findings.take());
      co_return tell(problem, call->caller);
    }
    row->id = found.row.id;
  }
  base::Function<Result<Changed>(bulk::Store&)> work = [id = found.row.id,
                                                        row](bulk::Store& store) {
    return row ? store.set_row(*row) : store.remove_row(id);
  };
  const std::optional<Changed> changed = co_await desk.ask<Changed>(std::move(work));
  if (changed && *changed == Changed::Yes) co_return id_response(200, "email_id", found.row.id);
  const Problem problem = changed ? locked() : jobs::store_broken();
  co_return tell(problem, call->caller);
}

base::Task<HttpResponse> import(JobDesk& desk, std::shared_ptr<Call> call) {
  Found found = co_await find(desk, call, number_in(*call, "id"));
  if (!found.problem && found.job.state != JobState::Draft) found.problem = locked();
  const Given given = read_given(call->request);
  if (!found.problem) found.problem = given.problem;
  if (!found.problem && given.files.empty())
    found.problem = invalid_request(
        {{"/attachments", "required", {"a CSV file is needed", "CSVファイルが必要です"}}});
  if (found.problem) co_return tell(*found.problem, call->caller);
  std::string octets(given.files.front().content);
  bulk::Job job = found.job;
  JobDesk::Imported done =
      co_await desk.take_list(std::move(job), std::move(octets), jobs::ListFormat::Csv);
  if (done.problem) co_return tell(*done.problem, call->caller);
  const json::value* immediate = given.object.if_contains("immediate");
  if (immediate != nullptr && immediate->is_bool() && immediate->get_bool() &&
      done.import->taken > 0) {
    found.job.rows += done.import->taken;
    bulk::Job whole = std::move(found.job);
    const std::optional<Problem> problem = co_await commit_at(desk, std::move(whole), desk.now());
    if (problem) co_return tell(*problem, call->caller);
  }
  co_return id_response(201, "job_id", done.import->id);
}

/// An import of one of the tenant's deliveries, with its errors.
struct FoundImport {
  bulk::Import import;
  std::vector<bulk::ImportError> errors;
  std::optional<Problem> problem;
};

base::Task<FoundImport> find_import(JobDesk& desk, std::shared_ptr<Call> call, bool with_errors) {
  base::Function<Result<FoundImport>(bulk::Store&)> question =
      [id = number_in(*call, "job"), with_errors](bulk::Store& store) -> Result<FoundImport> {
    FoundImport found;
    const auto import = store.find_import(id);
    if (!import) return import.error();
    if (!*import) {
      found.problem = no_data();
      return found;
    }
    found.import = **import;
    if (!with_errors) return found;
    auto errors = store.import_errors(id, 0, bulk::Store::kImportErrorsMax);
    if (!errors) return errors.error();
    found.errors = std::move(*errors);
    return found;
  };
  std::optional<FoundImport> asked = co_await desk.ask<FoundImport>(std::move(question));
  FoundImport found;
  if (!asked) {
    found.problem = jobs::store_broken();
    co_return found;
  }
  found = std::move(*asked);
  if (found.problem) co_return found;
  const Found of_job = co_await find(desk, call, found.import.job);
  found.problem = of_job.problem;
  co_return found;
}

base::Task<HttpResponse> import_status(JobDesk& desk, std::shared_ptr<Call> call) {
  const FoundImport found = co_await find_import(desk, call, false);
  if (found.problem) co_return tell(*found.problem, call->caller);
  const bulk::Import& import = found.import;
  json::value url = nullptr;
  if (import.refused > 0)
    url = "/api/v1/deliveries/-/emails/import/" + std::to_string(import.id) + "/errorinfo/download";
  co_return json_response(200, json::object{{"job_id", import.id},
                                            {"percentage", import.is_done ? 100 : 0},
                                            {"status", import.is_done ? "FINISHED" : "IMPORTING"},
                                            {"success_count", import.taken},
                                            {"failed_count", import.refused},
                                            {"total_count", import.taken + import.refused},
                                            {"error_file_url", url}});
}

base::Task<HttpResponse> import_errors(JobDesk& desk, std::shared_ptr<Call> call) {
  const FoundImport found = co_await find_import(desk, call, true);
  if (found.problem) co_return tell(*found.problem, call->caller);
  std::string csv = "line,email,code,message\r\n";
  for (const bulk::ImportError& error : found.errors)
    csv += std::to_string(error.line) + "," + base::format_csv_field(error.address) + "," +
           error.code + "," + base::format_csv_field(error.text) + "\r\n";
  base::Function<std::string()> work = [csv = std::move(csv)] {
    return zip_of({{"errors.csv", csv}});
  };
  HttpResponse response;
  response.body = co_await base::run_on<std::string>(desk.sender().pool(), desk.sender().worker(),
                                                     std::move(work));
  response.content_type = "application/zip";
  co_return response;
}

}  // namespace

void add_bulk_routes(Frame& frame, JobDesk& desk, MessageDesk& messages) {
  using Work = base::Task<HttpResponse> (*)(JobDesk&, std::shared_ptr<Call>);
  const auto add = [&](const char* method, const char* path, const char* scope, Work work) {
    frame.add(method, path, Access{scope},
              [&desk, work](std::shared_ptr<Call> call) { return work(desk, std::move(call)); });
  };
  constexpr const char* kSend = "messages:send";
  constexpr const char* kRead = "messages:read";
  add("POST", "/api/v1/deliveries/bulk/begin", kSend, begin);
  add("PUT", "/api/v1/deliveries/bulk/update/{id}", kSend, update);
  frame.add("PATCH", "/api/v1/deliveries/bulk/commit/{id}", Access{kSend},
            [&desk](std::shared_ptr<Call> call) { return commit(desk, std::move(call), false); });
  frame.add("PATCH", "/api/v1/deliveries/bulk/commit/{id}/immediate", Access{kSend},
            [&desk](std::shared_ptr<Call> call) { return commit(desk, std::move(call), true); });
  add("PATCH", "/api/v1/deliveries/{id}/cancel", "messages:cancel", cancel);
  add("DELETE", "/api/v1/deliveries/{id}", kSend, remove);
  frame.add("GET", "/api/v1/deliveries/{id}", Access{kRead},
            [&desk, &messages](std::shared_ptr<Call> call) {
              return show(desk, messages, std::move(call));
            });
  add("GET", "/api/v1/deliveries", kRead, list);
  add("GET", "/api/v1/deliveries/all", kRead, list);
  add("POST", "/api/v1/deliveries/{id}/emails", kSend, add_email);
  add("GET", "/api/v1/deliveries/-/emails/{email}", kRead, email);
  add("PUT", "/api/v1/deliveries/-/emails/{email}", kSend, email);
  add("DELETE", "/api/v1/deliveries/-/emails/{email}", kSend, email);
  add("POST", "/api/v1/deliveries/{id}/emails/import", kSend, import);
  add("GET", "/api/v1/deliveries/-/emails/import/{job}", kRead, import_status);
  add("GET", "/api/v1/deliveries/-/emails/import/{job}/errorinfo/download", kRead, import_errors);
}

}  // namespace ekiden::api::blastengine
