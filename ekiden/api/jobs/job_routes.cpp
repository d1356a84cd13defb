// /v1/jobs: drafts with their recipients, then what becomes of them.
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/jobs/content.hpp"
#include "ekiden/api/jobs/job_desk.hpp"
#include "ekiden/api/jobs/templates.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::jobs {
namespace {

namespace json = boost::json;
using bulk::JobState;

constexpr std::size_t kPageDefault = 100, kPageMax = 1000;

HttpResponse refuse(const Problem& problem, const Call& call) {
  return own_problem(problem, call.caller);
}

std::int64_t number_in(const Call& call, const char* name) {
  const auto number = base::parse_u64(call.path.get(name));
  return number && *number <= INT64_MAX ? static_cast<std::int64_t>(*number) : 0;
}

std::optional<std::size_t> limit_in(const Call& call) {
  const std::string_view text = call.query.get("limit");
  if (text.empty()) return kPageDefault;
  const auto number = base::parse_u64(text);
  if (!number || *number == 0 || *number > kPageMax) return std::nullopt;
  return static_cast<std::size_t>(*number);
}

Problem bad_page() {
  return invalid_request(
      {{"/limit", "bad_value", {"a number from 1 to 1000", "1から1000までの数です"}}});
}

HttpResponse job_response(unsigned status, const bulk::Job& job) {
  HttpResponse response = json_response(status, to_json(job));
  if (status == 201)
    response.headers.emplace_back("Location", "/v1/jobs/" + std::to_string(job.id));
  return response;
}

/// What a request says of a job: on the pool.
struct ReadJob {
  std::optional<Problem> problem;
  std::optional<std::string> name, stream;
  std::string content, from, return_path;
};

ReadJob read_job(const HttpRequest& request, base::Time now, bool needs_content,
                 const std::string& tenant, account::TemplateStore& templates) {
  ReadJob read;
  JsonBody body = read_json_body(request);
  if (body.problem) {
    read.problem = std::move(body.problem);
    return read;
  }
  Findings findings;
  for (const auto& [key_text, value] : body.object) {
    const std::string_view key(key_text.data(), key_text.size());
    if (key != "name" && key != "stream" && key != "content")
      findings.add(member({}, key), "unknown",
                   {"there is no such field", "そのような項目はありません"});
  }
  read.name = read_text(body.object, "name", {}, findings);
  read.stream = read_text(body.object, "stream", {}, findings);
  for (const auto& [pointer, text] :
       {std::pair("/name", &read.name), std::pair("/stream", &read.stream)}) {
    if (*text && (!is_header_safe(**text) || (*text)->size() > kNameOctetsMax))
      findings.add(pointer, "control_character",
                   {"at most 320 octets and no control character",
                    "320オクテットまでで、制御文字は使えません"});
  }
  json::value* const given = body.object.if_contains("content");
  json::object* const object = given == nullptr ? nullptr : given->if_object();
  if (object != nullptr) {
    Findings of_content("/content");
    resolve_template(*object, tenant, templates, of_content);
    const std::optional<Content> content = read_content(*object, now, of_content);
    if (content) {
      read.content = json::serialize(*object);
      read.from = content->draft.from.address;
      read.return_path = content->draft.return_path;
    }
    for (FieldProblem& one : of_content.take())
      findings.add(std::move(one.pointer), std::move(one.code), std::move(one.text));
  } else if (needs_content || body.object.contains("content")) {
    findings.add("/content", "required", {"the content is needed", "contentが必要です"});
  }
  if (!findings.is_empty()) read.problem = invalid_request(findings.take());
  return read;
}

}  // namespace

base::Task<HttpResponse> JobDesk::create(std::shared_ptr<Call> call) {
  base::Function<ReadJob()> work = [call, now = now(), &templates = templates_] {
    return read_job(call->request, now, true, call->caller.tenant(), templates);
  };
  ReadJob read = co_await base::run_on<ReadJob>(sender_.pool(), sender_.worker(), std::move(work));
  bulk::Job job = job_of(*call);
  job.name = read.name.value_or("");
  job.stream = read.stream.value_or("bulk");
  job.content = std::move(read.content);
  if (!read.problem)
    read.problem = sender_.may_send(*call, read.from, read.return_path, job.stream);
  if (read.problem) co_return refuse(*read.problem, *call);
  FormatProblem format = own_problem;
  Sender::Claimed claimed = co_await sender_.claim(call, 1, std::move(format));
  if (claimed.answer) co_return std::move(*claimed.answer);
  // A repetition after a crash finds the job that the first request made.
  if (claimed.request) job.token = base::format_message_id(claimed.ids.front());
  base::Function<Result<bulk::Job>(bulk::Store&)> add =
      [job](bulk::Store& store) mutable -> Result<bulk::Job> {
    const auto added = store.add(job);
    if (!added) return added.error();
    if (*added == bulk::Store::Added::TooMany) job.id = 0;
    job.changed = job.created;
    return job;
  };
  const std::optional<bulk::Job> made = co_await ask<bulk::Job>(std::move(add));
  if (!made || made->id == 0) {
    co_await sender_.settle(std::move(claimed.request), 0, {}, Sender::Outcome::Nothing);
    if (!made) co_return refuse(store_broken(), *call);
    const std::string max = std::to_string(bulk::Store::kOpenJobsMax);
    const Problem problem = make_problem(409, "conflict",
                                         {"At most " + max + " jobs may be open.",
                                          "同時に作成できるジョブは" + max + "件までです。"});
    co_return refuse(problem, *call);
  }
  HttpResponse response = job_response(201, *made);
  std::string body = response.body;
  co_await sender_.settle(std::move(claimed.request), response.status, std::move(body),
                          Sender::Outcome::Done);
  co_return response;
}

base::Task<HttpResponse> JobDesk::list(std::shared_ptr<Call> call) {
  bulk::Store::Listing listing;
  listing.tenant = call->caller.tenant();
  const auto limit = limit_in(*call);
  if (!limit) co_return refuse(bad_page(), *call);
  listing.limit = *limit + 1;
  if (const auto cursor = base::parse_u64(call->query.get("cursor")))
    listing.before = static_cast<std::int64_t>(std::min<std::uint64_t>(*cursor, INT64_MAX));
  if (const std::string_view name = call->query.get("state"); !name.empty()) {
    listing.state = bulk::parse_state(name);
    if (!listing.state) {
      const Problem problem = invalid_request(
          {{"/state", "bad_value", {"no state of a job", "ジョブの状態ではありません"}}});
      co_return refuse(problem, *call);
    }
  }
  base::Function<Result<std::vector<bulk::Job>>(bulk::Store&)> question =
      [listing](bulk::Store& store) { return store.list(listing); };
  std::optional<std::vector<bulk::Job>> jobs =
      co_await ask<std::vector<bulk::Job>>(std::move(question));
  if (!jobs) co_return refuse(store_broken(), *call);
  json::object answer{{"jobs", json::array()}, {"next", nullptr}};
  for (std::size_t i = 0; i < jobs->size() && i < *limit; ++i)
    answer["jobs"].as_array().push_back(to_json((*jobs)[i]));
  if (jobs->size() > *limit) answer["next"] = std::to_string((*jobs)[*limit - 1].id);
  co_return json_response(200, answer);
}

base::Task<HttpResponse> JobDesk::show(std::shared_ptr<Call> call) {
  Found found = co_await find(call, number_in(*call, "id"));
  if (found.is_broken) co_return refuse(store_broken(), *call);
  if (!found.job) co_return refuse(no_such_job(), *call);
  json::object object = to_json(*found.job);
  json::error_code error;
  json::value content =
      json::parse(found.job->content.empty() ? "null" : found.job->content, error);
  if (!error) object["content"] = std::move(content);
  co_return json_response(200, object);
}

base::Task<HttpResponse> JobDesk::change(std::shared_ptr<Call> call) {
  Found found = co_await find(call, number_in(*call, "id"));
  if (found.is_broken) co_return refuse(store_broken(), *call);
  if (!found.job) co_return refuse(no_such_job(), *call);
  if (found.job->state != JobState::Draft) {
    const Problem problem = wrong_state(found.job->state);
    co_return refuse(problem, *call);
  }
  base::Function<ReadJob()> work = [call, now = now(), &templates = templates_] {
    return read_job(call->request, now, false, call->caller.tenant(), templates);
  };
  ReadJob read = co_await base::run_on<ReadJob>(sender_.pool(), sender_.worker(), std::move(work));
  bulk::Job job = std::move(*found.job);
  const bulk::Job who = job_of(*call);
  job.identity = who.identity;
  job.sender_domains = who.sender_domains;
  job.client_address = who.client_address;
  if (read.name) job.name = *read.name;
  if (read.stream) job.stream = *read.stream;
  if (!read.problem && !read.content.empty()) {
    job.content = read.content;
    read.problem = sender_.may_send(*call, read.from, read.return_path, job.stream);
  }
  if (read.problem) co_return refuse(*read.problem, *call);
  base::Function<Result<bulk::Changed>(bulk::Store&)> question =
      [job, at = now()](bulk::Store& store) { return store.change(job, at); };
  const std::optional<bulk::Changed> changed = co_await ask<bulk::Changed>(std::move(question));
  if (!changed) co_return refuse(store_broken(), *call);
  co_return co_await show(call);
}

base::Task<HttpResponse> JobDesk::remove(std::shared_ptr<Call> call) {
  Found found = co_await find(call, number_in(*call, "id"));
  if (found.is_broken) co_return refuse(store_broken(), *call);
  if (!found.job) co_return refuse(no_such_job(), *call);
  base::Function<Result<bulk::Changed>(bulk::Store&)> question =
      [id = found.job->id](bulk::Store& store) { return store.remove(id); };
  const std::optional<bulk::Changed> removed = co_await ask<bulk::Changed>(std::move(question));
  if (!removed) co_return refuse(store_broken(), *call);
  if (*removed == bulk::Changed::No) {
    const Problem problem = wrong_state(found.job->state);
    co_return refuse(problem, *call);
  }
  constexpr std::size_t kRowsAtOnce = 5000;
  std::optional<bulk::Changed> some = bulk::Changed::Yes;
  while (some && *some == bulk::Changed::Yes) {
    base::Function<Result<bulk::Changed>(bulk::Store&)> rows =
        [id = found.job->id](bulk::Store& store) { return store.remove_rows(id, kRowsAtOnce); };
    some = co_await ask<bulk::Changed>(std::move(rows));
  }
  co_return json_response(200,
                          json::object{{"id", std::to_string(found.job->id)}, {"deleted", true}});
}

base::Task<HttpResponse> JobDesk::recipients(std::shared_ptr<Call> call) {
  const auto limit = limit_in(*call);
  if (!limit) co_return refuse(bad_page(), *call);
  Found found = co_await find(call, number_in(*call, "id"));
  if (found.is_broken) co_return refuse(store_broken(), *call);
  if (!found.job) co_return refuse(no_such_job(), *call);
  const std::int64_t after =
      static_cast<std::int64_t>(base::parse_u64(call->query.get("cursor")).value_or(0));
  base::Function<Result<std::vector<bulk::Row>>(bulk::Store&)> question =
      [id = found.job->id, after, count = *limit + 1](bulk::Store& store) {
        return store.rows(id, after, count);
      };
  std::optional<std::vector<bulk::Row>> rows =
      co_await ask<std::vector<bulk::Row>>(std::move(question));
  if (!rows) co_return refuse(store_broken(), *call);
  json::object answer{{"recipients", json::array()}, {"next", nullptr}};
  for (std::size_t i = 0; i < rows->size() && i < *limit; ++i) {
    json::error_code error;
    json::value row = json::parse((*rows)[i].data, error);
    if (!error) answer["recipients"].as_array().push_back(std::move(row));
  }
  if (rows->size() > *limit) answer["next"] = std::to_string((*rows)[*limit - 1].id);
  co_return json_response(200, answer);
}

namespace {

/// {"recipients": [...]} as a list of lines; the others come as they are.
struct ReadList {
  std::string lines;
  std::optional<Problem> problem;
};
ReadList read_list(const HttpRequest& request) {
  ReadList read;
  JsonBody body = read_json_body(request);
  read.problem = std::move(body.problem);
  if (read.problem) return read;
  const json::array* list = array_of(body.object, "recipients");
  if (list == nullptr || list->empty() || body.object.size() != 1) {
    read.problem = invalid_request(
        {{"/recipients", "required", wrong_type("an array of recipients", "宛先の配列")}});
    return read;
  }
  for (const json::value& one : *list) read.lines += json::serialize(one) + "\n";
  return read;
}

HttpResponse import_response(const JobDesk::Imported& done) {
  json::array errors;
  for (const bulk::ImportError& error : done.errors)
    errors.push_back(json::object{{"line", error.line},
                                  {"address", error.address},
                                  {"code", error.code},
                                  {"detail", error.text}});
  const std::string path = "/v1/jobs/" + std::to_string(done.import->job) + "/imports/" +
                           std::to_string(done.import->id) + "/errors";
  return json_response(200, json::object{{"imported", done.import->taken},
                                         {"refused", done.import->refused},
                                         {"errors", std::move(errors)},
                                         {"report", path}});
}

}  // namespace

base::Task<HttpResponse> JobDesk::import(std::shared_ptr<Call> call) {
  Found found = co_await find(call, number_in(*call, "id"));
  if (found.is_broken) co_return refuse(store_broken(), *call);
  if (!found.job) co_return refuse(no_such_job(), *call);
  if (found.job->state != JobState::Draft) {
    const Problem problem = wrong_state(found.job->state);
    co_return refuse(problem, *call);
  }
  std::string_view type = call->request.header("content-type");
  type = base::trimmed(type.substr(0, type.find(';')));
  const bool is_csv = base::equals_ignoring_case(type, "text/csv");
  const bool is_lines = base::equals_ignoring_case(type, "application/x-ndjson") ||
                        base::equals_ignoring_case(type, "application/jsonl");
  FormatProblem format = own_problem;
  std::string octets;
  if (!is_csv && !is_lines) {
    base::Function<ReadList()> work = [call] { return read_list(call->request); };
    ReadList list = co_await sender_.work_on<ReadList>(call->request.body.size(), std::move(work));
    if (list.problem) co_return refuse(*list.problem, *call);
    octets = std::move(list.lines);
  }
  Sender::Claimed claimed = co_await sender_.claim(call, 1, std::move(format));
  if (claimed.answer) co_return std::move(*claimed.answer);
  // A list may be as large as the largest request: there is one copy of it.
  if (is_csv || is_lines) octets = std::move(call->request.body);
  bulk::Job job = std::move(*found.job);
  Imported done = co_await take_list(std::move(job), std::move(octets),
                                     is_csv ? ListFormat::Csv : ListFormat::JsonLines);
  if (done.problem) {
    co_await sender_.settle(std::move(claimed.request), 0, {}, Sender::Outcome::Nothing);
    co_return refuse(*done.problem, *call);
  }
  HttpResponse response = import_response(done);
  std::string body = response.body;
  co_await sender_.settle(std::move(claimed.request), response.status, std::move(body),
                          Sender::Outcome::Done);
  co_return response;
}

base::Task<HttpResponse> JobDesk::import_errors(std::shared_ptr<Call> call) {
  Found found = co_await find(call, number_in(*call, "id"));
  if (found.is_broken) co_return refuse(store_broken(), *call);
  if (!found.job) co_return refuse(no_such_job(), *call);
  const std::int64_t import = number_in(*call, "import");
  base::Function<Result<std::string>(bulk::Store&)> question =
      [import, job = found.job->id](bulk::Store& store) -> Result<std::string> {
    const auto known = store.find_import(import);
    if (!known) return known.error();
    if (!*known || (*known)->job != job) return std::string();
    std::string csv = "line,address,code,detail\r\n";
    const auto errors = store.import_errors(import, 0, bulk::Store::kImportErrorsMax);
    if (!errors) return errors.error();
    for (const bulk::ImportError& error : *errors)
      csv += std::to_string(error.line) + "," + base::format_csv_field(error.address) + "," +
             error.code + "," + base::format_csv_field(error.text) + "\r\n";
    return csv;
  };
  std::optional<std::string> csv = co_await ask<std::string>(std::move(question));
  if (!csv) co_return refuse(store_broken(), *call);
  if (csv->empty()) co_return refuse(no_such_job(), *call);
  HttpResponse response;
  response.content_type = "text/csv; charset=utf-8";
  response.body = std::move(*csv);
  response.headers.emplace_back("Content-Disposition", "attachment; filename=\"errors.csv\"");
  co_return response;
}

base::Task<HttpResponse> JobDesk::commit(std::shared_ptr<Call> call) {
  Found found = co_await find(call, number_in(*call, "id"));
  if (found.is_broken) co_return refuse(store_broken(), *call);
  if (!found.job) co_return refuse(no_such_job(), *call);
  base::Time send_at = now();
  if (!call->request.body.empty()) {
    JsonBody body = read_json_body(call->request);
    if (body.problem) co_return refuse(*body.problem, *call);
    std::optional<Problem> problem;
    for (const auto& [key, value] : body.object) {
      const auto time = key == "send_at" ? read_time(value) : std::nullopt;
      if (time && *time <= now() + kSendAtMax) {
        send_at = *time;
      } else {
        problem = invalid_request(
            {{member({}, {key.data(), key.size()}),
              "bad_time",
              {"send_at is a date with its offset or Unix seconds, at most 30 days ahead",
               "send_atは時差付きの日時かUnix秒で、30日先までです"}}});
      }
    }
    if (problem) co_return refuse(*problem, *call);
  }
  if (found.job->state == JobState::Draft && found.job->rows == 0) {
    const Problem problem =
        make_problem(409, "conflict", {"The job has no recipients.", "ジョブに宛先がありません。"});
    co_return refuse(problem, *call);
  }
  base::Function<Result<bulk::Changed>(bulk::Store&)> question = [id = found.job->id, send_at,
                                                                  at = now()](bulk::Store& store) {
    return store.commit(id, send_at, at);
  };
  const std::optional<bulk::Changed> done = co_await ask<bulk::Changed>(std::move(question));
  if (!done) co_return refuse(store_broken(), *call);
  // Committed before: a repetition is told how it stands, unless it is a draft with an import.
  const bool is_committed = *done == bulk::Changed::Yes || found.job->state != JobState::Draft;
  if (!is_committed) {
    const Problem problem = wrong_state(found.job->state);
    co_return refuse(problem, *call);
  }
  desk_.nudge();
  HttpResponse response = co_await show(call);
  response.status = 202;
  co_return response;
}

namespace {

base::Task<HttpResponse> move(JobDesk& desk, std::shared_ptr<Call> call, JobState from,
                              JobState to) {
  JobDesk::Found found = co_await desk.find(call, number_in(*call, "id"));
  if (found.is_broken) co_return refuse(store_broken(), *call);
  if (!found.job) co_return refuse(no_such_job(), *call);
  base::Function<Result<bulk::Changed>(bulk::Store&)> question =
      [id = found.job->id, from, to, at = desk.now()](bulk::Store& store) {
        return store.move(id, {from, to}, to, at);
      };
  const std::optional<bulk::Changed> moved = co_await desk.ask<bulk::Changed>(std::move(question));
  if (!moved) co_return refuse(store_broken(), *call);
  if (*moved == bulk::Changed::No) {
    const Problem problem = wrong_state(found.job->state);
    co_return refuse(problem, *call);
  }
  desk.desk().nudge();
  co_return co_await desk.show(call);
}

}  // namespace

base::Task<HttpResponse> JobDesk::pause(std::shared_ptr<Call> call) {
  co_return co_await move(*this, std::move(call), JobState::Sending, JobState::Paused);
}

base::Task<HttpResponse> JobDesk::resume(std::shared_ptr<Call> call) {
  co_return co_await move(*this, std::move(call), JobState::Paused, JobState::Sending);
}

base::Task<HttpResponse> JobDesk::cancel(std::shared_ptr<Call> call) {
  Found found = co_await find(call, number_in(*call, "id"));
  if (found.is_broken) co_return refuse(store_broken(), *call);
  if (!found.job) co_return refuse(no_such_job(), *call);
  const JobState before = found.job->state;
  bulk::Job job = std::move(*found.job);
  const std::optional<JobState> after = co_await take_back(std::move(job));
  if (!after && before != JobState::Cancelling && before != JobState::Cancelled) {
    const Problem problem = wrong_state(before);
    co_return refuse(problem, *call);
  }
  co_return co_await show(call);
}

void add_routes(Frame& frame, JobDesk& desk) {
  using Method = base::Task<HttpResponse> (JobDesk::*)(std::shared_ptr<Call>);
  const auto add = [&](const char* method, const char* path, const char* scope, Method endpoint) {
    frame.add(method, path, Access{scope}, [&desk, endpoint](std::shared_ptr<Call> call) {
      return (desk.*endpoint)(std::move(call));
    });
  };
  // `create` and `import` claim their keys themselves: they have ids to keep.
  const auto add_once = [&](const char* method, const char* path, const char* scope,
                            Method endpoint) {
    Endpoint work = [&desk, endpoint](std::shared_ptr<Call> call) {
      return (desk.*endpoint)(std::move(call));
    };
    frame.add(method, path, Access{scope}, desk.sender().once(std::move(work), own_problem));
  };
  add("POST", "/v1/jobs", "messages:send", &JobDesk::create);
  add("GET", "/v1/jobs", "messages:read", &JobDesk::list);
  add("GET", "/v1/jobs/{id}", "messages:read", &JobDesk::show);
  add_once("PATCH", "/v1/jobs/{id}", "messages:send", &JobDesk::change);
  add_once("DELETE", "/v1/jobs/{id}", "messages:send", &JobDesk::remove);
  add("GET", "/v1/jobs/{id}/recipients", "messages:read", &JobDesk::recipients);
  add("POST", "/v1/jobs/{id}/recipients", "messages:send", &JobDesk::import);
  add("GET", "/v1/jobs/{id}/imports/{import}/errors", "messages:read", &JobDesk::import_errors);
  add_once("POST", "/v1/jobs/{id}/commit", "messages:send", &JobDesk::commit);
  add_once("POST", "/v1/jobs/{id}/pause", "messages:send", &JobDesk::pause);
  add_once("POST", "/v1/jobs/{id}/resume", "messages:send", &JobDesk::resume);
  add_once("POST", "/v1/jobs/{id}/cancel", "messages:cancel", &JobDesk::cancel);
}

}  // namespace ekiden::api::jobs
