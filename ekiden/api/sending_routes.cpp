// POST /v1/messages, /v1/messages/raw, /v1/messages/batch.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/api/api.hpp"
#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/jobs/content.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;

/// Messages of one batch.
constexpr std::size_t kBatchMax = 1000;

json::object describe(const Sent& sent, const std::string& hostname) {
  json::object object{{"id", base::format_message_id(sent.id)},
                      {"status", sent.send_at ? "scheduled" : "queued"},
                      {"recipients", sent.recipients},
                      {"message_id", message::make_message_id(sent.id, hostname)}};
  if (sent.send_at) object["send_at"] = base::format_rfc3339(*sent.send_at);
  if (!sent.unmapped.empty()) {
    json::array replaced;
    for (const Unmapped& one : sent.unmapped) replaced.push_back(json::string(one.text));
    object["replaced_characters"] = std::move(replaced);
  }
  return object;
}

HttpResponse answer_one(const Call& call, const std::vector<Sent>& sent,
                        const std::string& hostname, bool has_own_message_id) {
  const Sent& one = sent.front();
  if (one.problem) return own_problem(*one.problem, call.caller);
  json::object object = describe(one, hostname);
  if (has_own_message_id) object.erase("message_id");
  HttpResponse response = json_response(202, object);
  response.headers.emplace_back("Location", "/v1/messages/" + base::format_message_id(one.id));
  return response;
}

/// Whose templates a message may name.
struct Templates {
  std::string tenant;
  account::TemplateStore& store;
};

Draft read_merged(json::object object, const Templates& templates, Findings& findings) {
  jobs::resolve_template(object, templates.tenant, templates.store, findings);
  jobs::merge_fields(object, findings);
  return read_draft(object, findings);
}

Prepared prepare_object(const json::object& object, base::Time now, const Templates& templates,
                        const std::string& base) {
  Findings findings(base);
  const Draft draft = jobs::has_merge_fields(object) ? read_merged(object, templates, findings)
                                                     : read_draft(object, findings);
  if (findings.is_empty()) return prepare(draft, now, base);
  Prepared prepared;
  prepared.problem = invalid_request(findings.take());
  return prepared;
}

PreparedBatch prepare_message(const HttpRequest& request, base::Time now,
                              const Templates& templates) {
  return prepare_one(request, [&](const json::object& object) {
    return prepare_object(object, now, templates, {});
  });
}

PreparedBatch prepare_batch(const HttpRequest& request, base::Time now,
                            const Templates& templates) {
  JsonBody body = read_json_body(request);
  if (body.problem) return one_problem(std::move(*body.problem));
  const json::value* const list = body.object.if_contains("messages");
  Findings findings;
  for (const auto& [key, unused] : body.object) {
    if (key != "messages")
      findings.add(member({}, {key.data(), key.size()}), "unknown",
                   {"there is no such field", "そのような項目はありません"});
  }
  const bool is_list = list != nullptr && list->is_array();
  if (!is_list || list->get_array().empty() || list->get_array().size() > kBatchMax) {
    const std::string max = std::to_string(kBatchMax);
    findings.add("/messages", "required",
                 {"an array of 1 to " + max + " messages", "1件から" + max + "件の配列が必要です"});
  }
  if (!findings.is_empty()) return one_problem(invalid_request(findings.take()));
  PreparedBatch batch;
  const json::array& messages = list->get_array();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string base = "/messages/" + std::to_string(i);
    if (messages[i].is_object()) {
      batch.messages.push_back(prepare_object(messages[i].get_object(), now, templates, base));
      continue;
    }
    Prepared wrong;
    wrong.problem =
        invalid_request({{base, "wrong_type", wrong_type("an object", "オブジェクト")}});
    batch.messages.push_back(std::move(wrong));
  }
  return batch;
}

PreparedBatch prepare_raw_json(const HttpRequest& request) {
  JsonBody body = read_json_body(request);
  if (body.problem) return one_problem(std::move(*body.problem));
  Findings findings;
  RawMessage raw;
  for (const auto& [key_text, value] : body.object) {
    const std::string_view key(key_text.data(), key_text.size());
    if (key != "return_path" && key != "recipients" && key != "message" && key != "message_base64")
      findings.add(member({}, key), "unknown",
                   {"there is no such field", "そのような項目はありません"});
  }
  const auto return_path = read_text(body.object, "return_path", {}, findings);
  if (!return_path)
    findings.add("/return_path", "required",
                 {"an address, or \"\" for none", "アドレス、または\"\"が必要です"});
  raw.return_path = return_path.value_or("");
  if (const json::value* list = body.object.if_contains("recipients")) {
    if (!list->is_array()) {
      findings.add("/recipients", "wrong_type", wrong_type("an array", "配列"));
    } else {
      for (const json::value& one : list->get_array()) {
        if (one.is_string()) {
          raw.recipients.emplace_back(one.get_string().data(), one.get_string().size());
        } else {
          findings.add("/recipients", "wrong_type",
                       wrong_type("an array of addresses", "アドレスの配列"));
          break;
        }
      }
    }
  }
  const auto text = read_text(body.object, "message", {}, findings);
  const auto base64 = read_text(body.object, "message_base64", {}, findings);
  if (text.has_value() == base64.has_value()) {
    findings.add(
        "/message", "required",
        {"either message or message_base64", "messageかmessage_base64のどちらかが必要です"});
  } else if (text) {
    raw.octets = *text;
  } else if (auto octets = decode_content(*base64)) {
    raw.octets = std::move(*octets);
  } else {
    findings.add("/message_base64", "bad_base64",
                 {"this is no base64", "base64として正しくありません"});
  }
  if (!findings.is_empty()) return one_problem(invalid_request(findings.take()));
  PreparedBatch batch;
  batch.messages.push_back(prepare_raw(std::move(raw)));
  return batch;
}

/// message/rfc822 as the body; the envelope in the query.
PreparedBatch prepare_raw_octets(const HttpRequest& request) {
  const Parameters query = Parameters::parse(request.query);
  RawMessage raw;
  raw.return_path = query.get("return_path");
  raw.recipients = query.all("recipient");
  raw.octets = request.body;
  PreparedBatch batch;
  if (!query.find("return_path")) {
    return one_problem(
        invalid_request({{"/return_path",
                          "required",
                          {"the query needs return_path", "クエリにreturn_pathが必要です"}}}));
  }
  batch.messages.push_back(prepare_raw(std::move(raw)));
  return batch;
}

bool is_rfc822(const HttpRequest& request) {
  std::string_view type = request.header("content-type");
  type = base::trimmed(type.substr(0, type.find(';')));
  return base::equals_ignoring_case(type, "message/rfc822");
}

/// A template is read from the store, which may block.
Sender::Where where_to_prepare(const HttpRequest& request) {
  const bool has_template = request.body.find("\"template\"") != std::string::npos;
  return has_template ? Sender::Where::Pool : Sender::Where::BySize;
}

base::Task<HttpResponse> send_message(Sender& sender, account::TemplateStore& templates,
                                      std::shared_ptr<Call> call) {
  const Sender::Where where = where_to_prepare(call->request);
  base::Function<PreparedBatch()> work = [call, now = sender.now(), &templates] {
    return prepare_message(call->request, now, {call->caller.tenant(), templates});
  };
  Sender::MakeAnswer answer = [host = sender.hostname()](const Call& of,
                                                         const std::vector<Sent>& sent) {
    return answer_one(of, sent, host, false);
  };
  return sender.handle(std::move(call), std::move(work), std::move(answer), own_problem, where);
}

base::Task<HttpResponse> send_raw(Sender& sender, std::shared_ptr<Call> call) {
  base::Function<PreparedBatch()> work = [call] {
    return is_rfc822(call->request) ? prepare_raw_octets(call->request)
                                    : prepare_raw_json(call->request);
  };
  Sender::MakeAnswer answer = [host = sender.hostname()](const Call& of,
                                                         const std::vector<Sent>& sent) {
    return answer_one(of, sent, host, true);
  };
  return sender.handle(std::move(call), std::move(work), std::move(answer), own_problem);
}

/// 202 when all are queued, 207 when some are, the first problem when none is.
HttpResponse answer_batch(const Call& call, const std::vector<Sent>& sent,
                          const std::string& hostname) {
  json::array results;
  std::size_t done = 0;
  for (const Sent& one : sent) {
    if (!one.problem) {
      ++done;
      results.push_back(describe(one, hostname));
      continue;
    }
    results.push_back(json::object{{"status", "refused"},
                                   {"problem", to_json(*one.problem, call.caller.language, {})}});
  }
  const unsigned status = done == sent.size() ? 202 : done > 0 ? 207 : sent[0].problem->status;
  HttpResponse response = json_response(status, json::object{{"accepted", done},
                                                             {"refused", sent.size() - done},
                                                             {"results", std::move(results)}});
  if (done == 0 && sent[0].problem->retry_after_s != 0)
    response.headers.emplace_back("Retry-After", std::to_string(sent[0].problem->retry_after_s));
  return response;
}

base::Task<HttpResponse> send_batch(Sender& sender, account::TemplateStore& templates,
                                    std::shared_ptr<Call> call) {
  const Sender::Where where = where_to_prepare(call->request);
  base::Function<PreparedBatch()> work = [call, now = sender.now(), &templates] {
    return prepare_batch(call->request, now, {call->caller.tenant(), templates});
  };
  Sender::MakeAnswer answer = [host = sender.hostname()](const Call& of,
                                                         const std::vector<Sent>& sent) {
    return answer_batch(of, sent, host);
  };
  return sender.handle(std::move(call), std::move(work), std::move(answer), own_problem, where);
}

}  // namespace

void add_sending_routes(Frame& frame, Sender& sender, jobs::JobDesk& jobs) {
  const Access access{"messages:send"};
  account::TemplateStore& templates = jobs.templates();
  frame.add("POST", "/v1/messages", access, [&sender, &templates](std::shared_ptr<Call> call) {
    return send_message(sender, templates, std::move(call));
  });
  frame.add("POST", "/v1/messages/raw", access,
            [&sender](std::shared_ptr<Call> call) { return send_raw(sender, std::move(call)); });
  // With `recipients` it is one message for many, else many messages.
  frame.add("POST", "/v1/messages/batch", access,
            [&sender, &templates, &jobs](std::shared_ptr<Call> call) {
              return jobs::is_merge_batch(call->request.body)
                         ? jobs.batch(std::move(call))
                         : send_batch(sender, templates, std::move(call));
            });
}

}  // namespace ekiden::api
