// POST /v1/messages/batch with `recipients`: one durable record, whatever their number.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <unordered_set>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/jobs/content.hpp"
#include "ekiden/api/jobs/job_desk.hpp"
#include "ekiden/api/jobs/templates.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/bulk/job_id.hpp"
#include "ekiden/bulk/record_writer.hpp"

namespace ekiden::api::jobs {
namespace {

namespace json = boost::json;

/// A batch that is read and checked, or why it is none.
struct ReadBatch {
  std::optional<Problem> problem;
  std::string content, frames, from, return_path, subject, stream, name;
  std::uint32_t rows = 0;
  std::optional<base::Time> send_at;
};

void read_recipients(const json::value* list, ReadBatch& batch, Findings& findings) {
  const json::array* array = list == nullptr ? nullptr : list->if_array();
  if (array == nullptr || array->empty() || array->size() > kBatchRecipientsMax) {
    const std::string max = std::to_string(kBatchRecipientsMax);
    return findings.add("/recipients", array == nullptr || array->empty() ? "required" : "too_many",
                        {"an array of 1 to " + max + " recipients; a job takes more",
                         "1件から" + max + "件の配列が必要です。それ以上はジョブを使います"});
  }
  bulk::FrameWriter frames;
  std::unordered_set<std::string> seen;
  seen.reserve(array->size());
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string base = "/recipients/" + std::to_string(i);
    const json::object* one = (*array)[i].if_object();
    if (one == nullptr) {
      findings.add(base, "wrong_type", wrong_type("an object", "オブジェクト"));
      continue;
    }
    std::optional<bulk::Row> row = read_row(*one, base, findings);
    if (!row) continue;
    if (!seen.insert(std::move(row->address)).second) {
      findings.add(base + "/to", "duplicate",
                   {"this address is in the batch already", "このアドレスは既に含まれています"});
      continue;
    }
    frames.add(row->data);
  }
  batch.rows = frames.rows();
  batch.frames = frames.end();
}

/// On the pool: pure.
ReadBatch read_batch(const HttpRequest& request, base::Time now, const std::string& tenant,
                     account::TemplateStore& templates) {
  ReadBatch batch;
  JsonBody body = read_json_body(request);
  if (body.problem) {
    batch.problem = std::move(body.problem);
    return batch;
  }
  Findings findings;
  for (const auto& [key_text, value] : body.object) {
    const std::string_view key(key_text.data(), key_text.size());
    if (key == "stream") {
      batch.stream = read_text(body.object, key, {}, findings).value_or("");
    } else if (key == "name") {
      batch.name = read_text(body.object, key, {}, findings).value_or("");
    } else if (key == "send_at") {
      if (value.is_null()) continue;
      batch.send_at = read_time(value);
      if (!batch.send_at)
        findings.add("/send_at", "bad_time",
                     {"a date such as 2026-11-22T09:00:00+09:00, or Unix seconds",
                      "2026-11-22T09:00:00+09:00のような日時か、Unix秒です"});
      if (batch.send_at && *batch.send_at > now + kSendAtMax)
        findings.add("/send_at", "too_late", {"at most 30 days ahead", "30日先までです"});
    } else if (key != "content" && key != "recipients") {
      findings.add(member({}, key), "unknown",
                   {"there is no such field", "そのような項目はありません"});
    }
  }
  if (!is_header_safe(batch.stream) || !is_header_safe(batch.name) ||
      batch.name.size() > kNameOctetsMax)
    findings.add("/name", "control_character",
                 {"at most 320 octets and no control character",
                  "320オクテットまでで、制御文字は使えません"});
  json::value* const given = body.object.if_contains("content");
  json::object* const object = given == nullptr ? nullptr : given->if_object();
  if (object == nullptr) {
    findings.add("/content", "required", {"the content is needed", "contentが必要です"});
  } else {
    Findings of_content("/content");
    resolve_template(*object, tenant, templates, of_content);
    const std::optional<Content> content = read_content(*object, now, of_content);
    if (content) {
      batch.content = json::serialize(*object);
      batch.from = content->draft.from.address;
      batch.return_path = content->draft.return_path;
      batch.subject = content->draft.subject;
    }
    for (FieldProblem& one : of_content.take())
      findings.add(std::move(one.pointer), std::move(one.code), std::move(one.text));
  }
  read_recipients(body.object.if_contains("recipients"), batch, findings);
  if (!findings.is_empty()) batch.problem = invalid_request(findings.take());
  return batch;
}

/// What was accepted, in the order of the request.
HttpResponse accepted(const ReadBatch& batch, base::MessageId id, std::int64_t job) {
  std::string ids;
  ids.reserve(batch.rows * 29ULL);
  for (std::uint32_t row = 1; row <= batch.rows; ++row) {
    ids += row == 1 ? "\"" : ",\"";
    ids += base::format_message_id(bulk::row_id(id, row));
    ids += '"';
  }
  HttpResponse response;
  response.status = 202;
  response.content_type = "application/json";
  response.body =
      "{\"id\":\"" + base::format_message_id(id) + "\",\"job\":\"" + std::to_string(job) +
      "\",\"status\":\"" + (batch.send_at ? "scheduled" : "queued") +
      "\",\"recipients\":" + std::to_string(batch.rows) + ",\"messages\":[" + ids + "]}\n";
  response.headers.emplace_back("Location", "/v1/jobs/" + std::to_string(job));
  return response;
}

}  // namespace

bool is_merge_batch(std::string_view body) {
  // Outside strings, on the first level: "recipients" as a name.
  int depth = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c != '"') continue;
    const std::size_t begin = i + 1;
    for (++i; i < body.size() && body[i] != '"'; ++i)
      if (body[i] == '\\') ++i;
    const std::string_view text = body.substr(begin, std::min(i, body.size()) - begin);
    const std::size_t next = body.find_first_not_of(" \t\r\n", i + 1);
    const bool is_name = next != std::string_view::npos && body[next] == ':';
    if (depth != 1 || !is_name) continue;
    if (text == "recipients" || text == "content") return true;
    if (text == "messages") return false;
  }
  return false;
}

base::Task<HttpResponse> JobDesk::batch(std::shared_ptr<Call> call) {
  base::Function<ReadBatch()> work = [call, now = now(), &templates = templates_] {
    return read_batch(call->request, now, call->caller.tenant(), templates);
  };
  ReadBatch batch =
      co_await base::run_on<ReadBatch>(sender_.pool(), sender_.worker(), std::move(work));
  if (!batch.problem)
    batch.problem = sender_.may_send(*call, batch.from, batch.return_path, batch.stream);
  if (batch.problem) co_return own_problem(*batch.problem, call->caller);
  FormatProblem refuse = own_problem;
  Sender::Claimed claimed = co_await sender_.claim(call, 1, std::move(refuse));
  if (claimed.answer) co_return std::move(*claimed.answer);
  // The same id for the same key: a request that a crash cut short finds what it did.
  const base::MessageId id = bulk::make_job_id(claimed.ids.front());
  bulk::Job job = job_of(*call);
  job.origin = bulk::Origin::Batch;
  job.state = bulk::JobState::Sending;
  job.name = batch.name.empty() ? batch.subject : batch.name;
  if (!batch.stream.empty()) job.stream = batch.stream;
  job.message = id;
  job.rows = batch.rows;
  job.committed = now();
  job.send_at = batch.send_at.value_or(base::Time{});
  job.token = base::format_message_id(id);
  bool is_stored = false;
  if (claimed.is_resumed) is_stored = co_await sender_.is_stored(id);
  if (!is_stored) {
    bulk::Head head;
    head.name = job.name;
    head.tenant = job.tenant;
    head.stream = job.stream;
    head.identity = job.identity;
    head.sender_domains = job.sender_domains;
    head.client_address = job.client_address;
    head.content = std::move(batch.content);
    head.rows = batch.rows;
    head.send_at = job.send_at;
    bulk::RecordWriter writer(sender_.services(), sender_.large_octets());
    std::string octets = bulk::encode_head(head) + batch.frames;
    Result<void> stored = co_await writer.add(std::move(octets));
    if (stored) {
      std::string from = batch.from;
      std::string subject = batch.subject;
      stored = co_await writer.finish(id, std::move(head), std::move(from), std::move(subject));
    }
    if (!stored) {
      co_await sender_.settle(std::move(claimed.request), 0, {}, Sender::Outcome::Nothing);
      const Problem problem = problem_of(inbound::reply_for(stored.error()));
      co_return own_problem(problem, call->caller);
    }
  }
  base::Function<Result<std::int64_t>(bulk::Store&)> note =
      [job](bulk::Store& store) mutable -> Result<std::int64_t> {
    const auto added = store.add(job);
    if (!added) return added.error();
    return job.id;
  };
  // Durable it is already; a start would find it.
  const std::optional<std::int64_t> number = co_await ask<std::int64_t>(std::move(note));
  if (!is_stored) desk_.take(id);
  HttpResponse response = accepted(batch, id, number.value_or(0));
  std::string body = response.body;
  co_await sender_.settle(std::move(claimed.request), response.status, std::move(body),
                          Sender::Outcome::Done);
  co_return response;
}

}  // namespace ekiden::api::jobs
