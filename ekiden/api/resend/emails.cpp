#include "ekiden/api/resend/emails.hpp"

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/json_fields.hpp"

namespace ekiden::api::resend {
namespace {

namespace json = boost::json;

constexpr std::size_t kBatchMax = 100;

/// The names that Resend's clients know.
const char* name_of(const Problem& problem) {
  if (problem.code == "unauthorized") return "missing_api_key";
  if (problem.code == "forbidden") return "invalid_access";
  if (problem.code == "rate-limited") return "rate_limit_exceeded";
  if (problem.code == "not-found") return "not_found";
  if (problem.code == "method-not-allowed") return "method_not_allowed";
  if (problem.code == "idempotency-key-reused") return "invalid_idempotent_request";
  if (problem.code == "idempotency-key-in-use") return "concurrent_idempotent_requests";
  if (problem.code == "invalid-header") return "invalid_idempotency_key";
  if (problem.status >= 500) return "application_error";
  return "validation_error";
}

HttpResponse tell(const Problem& problem, const Caller& caller) {
  std::string message = problem.detail.in(caller.language);
  if (!problem.fields.empty()) {
    const FieldProblem& first = problem.fields.front();
    message = "`" + first.pointer.substr(1) + "`: " + first.text.in(caller.language);
  }
  const unsigned status = problem.code == "not-json" ? 422 : problem.status;
  HttpResponse response = json_response(
      status,
      json::object{{"statusCode", status}, {"name", name_of(problem)}, {"message", message}});
  if (problem.retry_after_s != 0)
    response.headers.emplace_back("Retry-After", std::to_string(problem.retry_after_s));
  return response;
}

void read_list(const json::object& object, std::string_view name, std::vector<Mailbox>& list,
               Findings& findings) {
  const auto add = [&](const json::value& one) {
    auto mailbox = one.is_string() ? parse_mailbox(text_of(one)) : std::nullopt;
    if (mailbox) {
      list.push_back(std::move(*mailbox));
    } else {
      findings.add("/" + std::string(name), "bad_address",
                   {"Invalid `" + std::string(name) + "` field.",
                    "`" + std::string(name) + "` のメールアドレスが正しくありません。"});
    }
  };
  const json::value* value = object.if_contains(json::string_view(name.data(), name.size()));
  if (value == nullptr || value->is_null()) return;
  if (!value->is_array()) return add(*value);
  for (const json::value& one : value->get_array()) {
    if (list.size() <= kRecipientsMax) add(one);
  }
}

/// {"type":"Buffer","data":[…]} is what Node makes of a buffer.
std::optional<std::string> content_of(const json::object& attachment) {
  const json::object* buffer = object_of(attachment, "content");
  if (buffer == nullptr) {
    std::string text = text_of(attachment, "content");
    return text.empty() ? std::nullopt : decode_content(text);
  }
  const json::array* data = array_of(*buffer, "data");
  if (data == nullptr) return std::nullopt;
  std::string octets;
  for (const json::value& one : *data) {
    if (!one.is_int64() || one.get_int64() < 0 || one.get_int64() > 255) return std::nullopt;
    octets += static_cast<char>(one.get_int64());
  }
  return octets;
}

void read_attachments(const json::object& object, Draft& draft, Findings& findings) {
  const json::array* list = array_of(object, "attachments");
  for (std::size_t i = 0; list != nullptr && i < list->size() && i <= kAttachmentsMax; ++i) {
    const json::object* one = (*list)[i].if_object();
    auto octets = one == nullptr ? std::nullopt : content_of(*one);
    if (!octets) {
      findings.add("/attachments/" + std::to_string(i) + "/content", "bad_base64",
                   {"content must be base64; files are not fetched from a path",
                    "contentにはbase64が必要です。pathからの取得はしません"});
      continue;
    }
    Attachment attachment;
    attachment.content = std::move(*octets);
    attachment.filename = text_of(*one, "filename");
    if (std::string type = text_of(*one, "content_type"); !type.empty())
      attachment.content_type = std::move(type);
    attachment.content_id = text_of(*one, "content_id");
    if (attachment.content_id.empty()) attachment.content_id = text_of(*one, "inline_content_id");
    attachment.is_inline = !attachment.content_id.empty();
    draft.attachments.push_back(std::move(attachment));
  }
}

Prepared prepare_object(const json::object& object, base::Time now, const std::string& base) {
  Findings findings(base);
  Draft draft;
  std::vector<Mailbox> from;
  read_list(object, "from", from, findings);
  if (from.size() == 1) draft.from = std::move(from.front());
  read_list(object, "to", draft.to, findings);
  read_list(object, "cc", draft.cc, findings);
  read_list(object, "bcc", draft.bcc, findings);
  read_list(object, "reply_to", draft.reply_to, findings);
  draft.subject = text_of(object, "subject");
  if (std::string text = text_of(object, "text"); !text.empty()) draft.text = std::move(text);
  if (std::string html = text_of(object, "html"); !html.empty()) draft.html = std::move(html);
  if (const json::object* headers = object_of(object, "headers")) {
    for (const auto& [name, value] : *headers)
      draft.headers.emplace_back(std::string_view(name.data(), name.size()), text_of(value));
  }
  if (const json::array* tags = array_of(object, "tags")) {
    for (const json::value& one : *tags) {
      if (!one.is_object()) continue;
      const json::object& tag = one.get_object();
      draft.tags.push_back(text_of(tag, "name") + ":" + text_of(tag, "value"));
    }
  }
  if (const json::value* at = object.if_contains("scheduled_at"); at && !at->is_null()) {
    draft.send_at = read_time(*at);
    if (!draft.send_at)
      findings.add("/scheduled_at", "bad_time",
                   {"a date such as 2026-11-22T09:00:00+09:00",
                    "2026-11-22T09:00:00+09:00のような日時です"});
  }
  read_attachments(object, draft, findings);
  if (findings.is_empty()) return prepare(draft, now, base);
  Prepared prepared;
  prepared.problem = invalid_request(findings.take());
  return prepared;
}

/// One that is wrong refuses all, as Resend does.
PreparedBatch prepare_list(const HttpRequest& request, base::Time now) {
  JsonList body = read_json_list(request);
  if (body.problem) return one_problem(std::move(*body.problem));
  const json::array& list = body.array;
  if (list.empty() || list.size() > kBatchMax)
    return one_problem(
        make_problem(422, "invalid-request",
                     {"1 to 100 emails are sent at once.", "一度に送れるのは1件から100件です。"}));
  PreparedBatch batch;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const json::object* one = list[i].if_object();
    Prepared prepared =
        prepare_object(one == nullptr ? json::object() : *one, now, "/" + std::to_string(i));
    if (prepared.problem) return one_problem(std::move(*prepared.problem));
    batch.messages.push_back(std::move(prepared));
  }
  return batch;
}

base::Task<HttpResponse> emails(Sender& sender, std::shared_ptr<Call> call) {
  base::Function<PreparedBatch()> work = [call, now = sender.now()] {
    return prepare_one(call->request,
                       [&](const json::object& one) { return prepare_object(one, now, {}); });
  };
  Sender::MakeAnswer answer = [](const Call& of, const std::vector<Sent>& sent) {
    if (sent.front().problem) return tell(*sent.front().problem, of.caller);
    return json_response(200, json::object{{"id", base::format_message_id(sent.front().id)}});
  };
  return sender.handle(std::move(call), std::move(work), std::move(answer), tell);
}

base::Task<HttpResponse> batch(Sender& sender, std::shared_ptr<Call> call) {
  base::Function<PreparedBatch()> work = [call, now = sender.now()] {
    return prepare_list(call->request, now);
  };
  Sender::MakeAnswer answer = [](const Call& of, const std::vector<Sent>& sent) {
    json::array data;
    json::array errors;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      if (!sent[i].problem) {
        data.push_back(json::object{{"id", base::format_message_id(sent[i].id)}});
      } else {
        errors.push_back(json::object{{"index", i},
                                      {"message", sent[i].problem->detail.in(of.caller.language)}});
      }
    }
    if (data.empty()) return tell(*sent.front().problem, of.caller);
    json::object object{{"data", std::move(data)}};
    if (!errors.empty()) object["errors"] = std::move(errors);
    return json_response(200, object);
  };
  return sender.handle(std::move(call), std::move(work), std::move(answer), tell);
}

}  // namespace

void add_routes(Frame& frame, Sender& sender) {
  frame.add_family("/emails", tell);
  frame.add("POST", "/emails", Access{"messages:send"},
            [&sender](std::shared_ptr<Call> call) { return emails(sender, std::move(call)); });
  frame.add("POST", "/emails/batch", Access{"messages:send"},
            [&sender](std::shared_ptr<Call> call) { return batch(sender, std::move(call)); });
}

}  // namespace ekiden::api::resend
