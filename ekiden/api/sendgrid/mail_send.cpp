#include "ekiden/api/sendgrid/mail_send.hpp"

#include <algorithm>

#include "ekiden/account/scheduled_send.hpp"
#include "ekiden/account/unsubscribe_group.hpp"
#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::api::sendgrid {
namespace {

namespace json = boost::json;

constexpr std::size_t kPersonalizationsMax = 1000;
constexpr std::size_t kCategoriesMax = 10, kCategoryOctetsMax = 255;

constexpr const char* kNoPersonalizations =
    "The personalizations field is required and must have at least one personalization.";
constexpr const char* kNoFrom =
    "The from object must be provided for every email send. It is an object that requires the "
    "email parameter, but may also contain a name parameter.  e.g. {\"email\" : "
    "\"example@example.com\"}  or {\"email\" : \"example@example.com\", \"name\" : \"Example "
    "Recipient\"}.";
constexpr const char* kNoContent =
    "Unless a valid template_id is provided, the content parameter is required. There must be at "
    "least one defined content block. We typically suggest both text/plain and text/html blocks "
    "are included, but only one block is required.";
constexpr const char* kNoSubject =
    "The subject is required. You can get around this requirement if you use a template with a "
    "subject defined or if every personalization has a subject defined.";

/// "/personalizations/0/to/1" as "personalizations.0.to.1.email".
std::string field_of(std::string_view pointer) {
  if (pointer.ends_with("/from")) return "from.email";
  if (pointer == "/pool") return "ip_pool_name";
  std::string field(pointer.substr(std::min<std::size_t>(pointer.size(), 1)));
  std::replace(field.begin(), field.end(), '/', '.');
  const std::size_t dot = field.rfind('.');
  const std::string_view before = std::string_view(field).substr(0, dot);
  const bool is_address = before.ends_with(".to") || before.ends_with(".cc") ||
                          before.ends_with(".bcc") || before.ends_with("reply_to");
  return is_address ? field + ".email" : field;
}

PreparedBatch refuse(const char* message, std::string field) {
  return one_problem(invalid_request({{"/" + std::move(field), "required", {message, {}}}}));
}

Mailbox mailbox_of(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return {};
  return {text_of(*object, "email"), text_of(*object, "name")};
}

std::vector<Mailbox> mailboxes_of(const json::object& object, std::string_view name) {
  std::vector<Mailbox> list;
  if (const json::array* array = array_of(object, name)) {
    for (const json::value& one : *array) {
      if (list.size() > kRecipientsMax) break;
      list.push_back(mailbox_of(one));
    }
  }
  return list;
}

void add_headers(const json::object& from, Draft& draft) {
  const json::object* headers = object_of(from, "headers");
  if (headers == nullptr) return;
  for (const auto& [name, value] : *headers) {
    const std::string_view key(name.data(), name.size());
    std::erase_if(draft.headers, [&](const auto& one) { return one.first == key; });
    draft.headers.emplace_back(key, text_of(value));
  }
}

/// What all messages of the request share.
struct Common {
  Draft draft;
  json::object custom_args;
  std::optional<account::TemplateVersion> version;
  std::string footer_text, footer_html;
};

void read_attachments(const json::object& body, Draft& draft, Findings& findings) {
  const json::array* list = array_of(body, "attachments");
  for (std::size_t i = 0; list != nullptr && i < list->size() && i <= kAttachmentsMax; ++i) {
    const json::object* one = (*list)[i].if_object();
    const std::string pointer = "/attachments/" + std::to_string(i) + "/content";
    auto octets = one == nullptr ? std::nullopt : decode_content(text_of(*one, "content"));
    if (!octets || octets->empty()) {
      findings.add(pointer, "bad_base64", {"The attachment content must be base64 encoded.", {}});
      continue;
    }
    Attachment attachment;
    attachment.content = std::move(*octets);
    attachment.filename = text_of(*one, "filename");
    attachment.content_id = text_of(*one, "content_id");
    attachment.is_inline = text_of(*one, "disposition") == "inline";
    if (std::string type = text_of(*one, "type"); !type.empty())
      attachment.content_type = std::move(type);
    draft.attachments.push_back(std::move(attachment));
  }
}

void read_content(const json::object& body, Draft& draft, Findings& findings) {
  const json::array* list = array_of(body, "content");
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const json::object* one = (*list)[i].if_object();
    const std::string type = one == nullptr ? std::string() : base::lowered(text_of(*one, "type"));
    if (type == "text/plain") {
      draft.text = text_of(*one, "value");
    } else if (type == "text/html") {
      draft.html = text_of(*one, "value");
    } else {
      findings.add("/content/" + std::to_string(i) + "/type", "bad_value",
                   {"Only text/plain and text/html are sent here.",
                    "text/plainとtext/htmlだけを送れます。"});
    }
  }
}

void read_categories(const json::object& body, Draft& draft, Findings& findings) {
  const json::array* list = array_of(body, "categories");
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    std::string category = text_of((*list)[i]);
    if (i >= kCategoriesMax || category.size() > kCategoryOctetsMax) {
      return findings.add("/categories", "too_many",
                          {"At most 10 categories of 255 characters.",
                           "カテゴリは255文字までのものを10個までです。"});
    }
    // A tag is shorter here, and ends with a whole character.
    std::size_t octets = std::min<std::size_t>(category.size(), 128);
    while (octets > 0 && octets < category.size() && (category[octets] & 0xc0) == 0x80) --octets;
    category.resize(octets);
    draft.tags.push_back(std::move(category));
  }
}

/// An unsubscribe group is a stream: who has left it is suppressed there.
void read_asm(const json::object& body, Draft& draft, Findings& findings) {
  const json::object* group = object_of(body, "asm");
  if (group == nullptr) return;
  const json::value* id = group->if_contains("group_id");
  json::error_code error;
  const auto number =
      id != nullptr && id->is_number() ? id->to_number<std::int64_t>(error) : std::int64_t{0};
  if (error || number <= 0) {
    return findings.add("/asm/group_id", "bad_value",
                        {"The asm group_id must be the id of an unsubscribe group.",
                         "asmのgroup_idは配信停止グループのidです。"});
  }
  account::UnsubscribeGroup of;
  of.id = number;
  draft.stream = of.stream();
}

/// Mail that is scheduled with others, to be paused or cancelled with them.
void read_batch(const json::object& body, base::Time now, Draft& draft, Findings& findings) {
  std::string batch = text_of(body, "batch_id");
  if (batch.empty()) return;
  if (account::is_live_send_batch(batch, now)) {
    draft.batch = std::move(batch);
  } else {
    findings.add("/batch_id", "bad_value",
                 {"The batch_id must be one that POST /v3/mail/batch gave within the last 10 days.",
                  "batch_idはPOST /v3/mail/batchが10日以内に発行したものです。"});
  }
}

bool is_enabled(const json::object* setting) {
  const json::value* enable = setting == nullptr ? nullptr : setting->if_contains("enable");
  return enable != nullptr && enable->is_bool() && enable->get_bool();
}

/// Text at the end of a body; in HTML before the end of what is shown.
void append_footer(std::string& body, const std::string& footer, bool is_html) {
  const std::size_t end = is_html ? base::lowered(body).rfind("</body>") : std::string::npos;
  body.insert(std::min(end, body.size()), footer);
}

void put_footers(const Common& common, Draft& draft) {
  if (draft.text) append_footer(*draft.text, common.footer_text, false);
  if (draft.html) append_footer(*draft.html, common.footer_html, true);
}

void read_mail_settings(const json::object& body, Common& common, Findings& findings) {
  const json::object* settings = object_of(body, "mail_settings");
  if (settings == nullptr) return;
  Draft& draft = common.draft;
  using account::SuppressionReason;
  const auto is_on = [&](const char* name) { return is_enabled(object_of(*settings, name)); };
  const bool passes_all = is_on("bypass_list_management");
  if (is_on("bypass_spam_management")) draft.bypass.add(SuppressionReason::Complaint);
  if (is_on("bypass_bounce_management")) {
    draft.bypass.add(SuppressionReason::Bounce);
    draft.bypass.add(SuppressionReason::Soft);
  }
  if (is_on("bypass_unsubscribe_management")) {
    draft.bypass.add(SuppressionReason::Unsubscribe);
    // Global unsubscribes only: who left this group stays out.
    draft.bypass.keeps_left_streams = true;
  }
  if (passes_all && draft.bypass.is_any())
    findings.add("/mail_settings/bypass_list_management", "conflict",
                 {"bypass_list_management cannot be combined with the other bypass settings.",
                  "bypass_list_managementは他のbypass設定と併用できません。"});
  if (passes_all) draft.bypass.reasons = account::SuppressionBypass::kAll;
  const json::object* footer = object_of(*settings, "footer");
  if (!is_enabled(footer)) return;
  common.footer_text = text_of(*footer, "text");
  common.footer_html = text_of(*footer, "html");
}

std::optional<Common> read_common(const json::object& body, base::Time now, Findings& findings) {
  Common common;
  Draft& draft = common.draft;
  if (const json::value* from = body.if_contains("from")) draft.from = mailbox_of(*from);
  draft.subject = text_of(body, "subject");
  draft.pool = text_of(body, "ip_pool_name");
  if (const json::value* reply_to = body.if_contains("reply_to"))
    if (reply_to->is_object()) draft.reply_to.push_back(mailbox_of(*reply_to));
  for (Mailbox& one : mailboxes_of(body, "reply_to_list")) draft.reply_to.push_back(std::move(one));
  read_content(body, draft, findings);
  read_attachments(body, draft, findings);
  read_categories(body, draft, findings);
  add_headers(body, draft);
  read_asm(body, draft, findings);
  read_batch(body, now, draft, findings);
  read_mail_settings(body, common, findings);
  if (const json::value* send_at = body.if_contains("send_at")) draft.send_at = read_time(*send_at);
  if (const json::object* args = object_of(body, "custom_args")) common.custom_args = *args;
  if (body.contains("reply_to") && body.contains("reply_to_list"))
    findings.add("/reply_to", "conflict",
                 {"The reply_to and reply_to_list parameters cannot be used together.",
                  "reply_toとreply_to_listは併用できません。"});
  if (!findings.is_empty()) return std::nullopt;
  return common;
}

/// The template's texts with the personalization's data, and the mail's own where it has some.
void put_template(const Common& common, const json::object& one, Draft& draft, Findings& findings) {
  const json::object* data = object_of(one, "dynamic_template_data");
  const auto rendered = jobs::render_version(
      *common.version, data == nullptr ? json::object() : *data, false, findings);
  if (!rendered) return;
  if (!rendered->subject.empty()) draft.subject = rendered->subject;
  if (!rendered->text.empty()) draft.text = rendered->text;
  if (!rendered->html.empty()) draft.html = rendered->html;
}

Draft personalized(const Common& common, const json::object& one) {
  Draft draft = common.draft;
  draft.to = mailboxes_of(one, "to");
  draft.cc = mailboxes_of(one, "cc");
  draft.bcc = mailboxes_of(one, "bcc");
  if (const json::value* from = one.if_contains("from")) draft.from = mailbox_of(*from);
  if (std::string subject = text_of(one, "subject"); !subject.empty())
    draft.subject = std::move(subject);
  if (const json::value* send_at = one.if_contains("send_at")) draft.send_at = read_time(*send_at);
  add_headers(one, draft);
  json::object args = common.custom_args;
  if (const json::object* own = object_of(one, "custom_args"))
    for (const auto& [name, value] : *own) args[name] = value;
  if (!args.empty()) draft.metadata = json::serialize(args);
  if (const json::object* substitutions = object_of(one, "substitutions")) {
    for (const auto& [name, value] : *substitutions) {
      const std::string_view key(name.data(), name.size());
      const std::string text = text_of(value);
      replace_all(draft.subject, key, text);
      if (draft.text) replace_all(*draft.text, key, text);
      if (draft.html) replace_all(*draft.html, key, text);
    }
  }
  return draft;
}

/// Where a time stands that is none: without a word it would be sent at once.
std::optional<std::string> find_bad_time(const json::object& body, const json::array& list) {
  const auto is_bad = [](const json::object& object) {
    const json::value* send_at = object.if_contains("send_at");
    return send_at != nullptr && !send_at->is_null() && !read_time(*send_at);
  };
  if (is_bad(body)) return "send_at";
  for (std::size_t i = 0; i < list.size(); ++i)
    if (list[i].is_object() && is_bad(list[i].get_object()))
      return "personalizations/" + std::to_string(i) + "/send_at";
  return std::nullopt;
}

bool is_sandboxed(const json::object& body) {
  const json::object* settings = object_of(body, "mail_settings");
  return settings != nullptr && is_enabled(object_of(*settings, "sandbox_mode"));
}

PreparedBatch prepare_all(const HttpRequest& request, base::Time now, const std::string& tenant,
                          account::TemplateStore& templates, bool& sandboxed) {
  JsonBody body = read_json_body(request);
  if (body.problem) return one_problem(std::move(*body.problem));
  const json::array* list = array_of(body.object, "personalizations");
  if (list == nullptr || list->empty()) return refuse(kNoPersonalizations, "personalizations");
  if (std::optional<std::string> field = find_bad_time(body.object, *list))
    return refuse("The send_at parameter must be a Unix timestamp.", std::move(*field));
  if (list->size() > kPersonalizationsMax)
    return refuse("At most 1000 personalizations are allowed.", "personalizations");
  Findings findings;
  std::optional<Common> common = read_common(body.object, now, findings);
  const std::string template_id = text_of(body.object, "template_id");
  if (common && !template_id.empty()) {
    common->version = jobs::TemplateDesk::find(templates, tenant, template_id, {});
    if (!common->version)
      return refuse("The template_id must be of a template with an active version.", "template_id");
  }
  if (!common) return one_problem(invalid_request(findings.take()));
  if (common->draft.from.address.empty()) return refuse(kNoFrom, "from");
  if (!common->draft.text && !common->draft.html && !common->version)
    return refuse(kNoContent, "content");
  PreparedBatch batch;
  std::size_t recipients = 0;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string base = "/personalizations/" + std::to_string(i);
    const json::object* one = (*list)[i].if_object();
    Draft draft = personalized(*common, one == nullptr ? json::object() : *one);
    if (common->version && one != nullptr) put_template(*common, *one, draft, findings);
    put_footers(*common, draft);
    if (!findings.is_empty()) return one_problem(invalid_request(findings.take()));
    if (draft.to.empty())
      return refuse(
          "The to array is required for all personalization objects, and must have at "
          "least one email object with a valid email address.",
          "personalizations/" + std::to_string(i) + "/to");
    if (draft.subject.empty()) return refuse(kNoSubject, "subject");
    Prepared prepared = prepare(draft, now, base);
    // One that is wrong refuses the request: nothing of it is sent.
    if (prepared.problem) return one_problem(std::move(*prepared.problem));
    recipients += prepared.recipients.size();
    batch.messages.push_back(std::move(prepared));
  }
  if (recipients > kRecipientsMax)
    return refuse("At most 1000 recipients are allowed in one request.", "personalizations");
  sandboxed = is_sandboxed(body.object);
  return batch;
}

HttpResponse answer(const Call& call, const std::vector<Sent>& sent) {
  for (const Sent& one : sent) {
    if (one.problem) continue;
    HttpResponse response;
    response.status = 202;
    response.content_type.clear();
    response.headers.emplace_back("X-Message-Id", base::format_message_id(one.id));
    return response;
  }
  return tell(*sent.front().problem, call.caller);
}

base::Task<HttpResponse> mail_send(Sender& sender, account::TemplateStore& templates,
                                   std::shared_ptr<Call> call) {
  auto is_sandbox = std::make_shared<bool>(false);
  base::Function<PreparedBatch()> work = [call, is_sandbox, &templates, now = sender.now()] {
    return prepare_all(call->request, now, call->caller.tenant(), templates, *is_sandbox);
  };
  // A template is read from the store, which may block.
  const bool has_template = call->request.body.find("\"template_id\"") != std::string::npos;
  PreparedBatch batch = co_await sender.work_on<PreparedBatch>(
      has_template ? SIZE_MAX : call->request.body.size(), std::move(work));
  if (batch.problem) co_return tell(*batch.problem, call->caller);
  if (*is_sandbox) {
    HttpResponse response;
    response.content_type.clear();
    co_return response;
  }
  Sender::MakeAnswer make = answer;
  FormatProblem format = tell;
  co_return co_await sender.send_all(std::move(call), std::move(batch.messages), std::move(make),
                                     std::move(format));
}

}  // namespace

HttpResponse tell(const Problem& problem, const Caller& caller) {
  json::array errors;
  const auto add = [&](std::string message, json::value field) {
    errors.push_back(json::object{
        {"message", std::move(message)}, {"field", std::move(field)}, {"help", nullptr}});
  };
  if (problem.code == "unauthorized") {
    add("The provided authorization grant is invalid, expired, or revoked", nullptr);
  } else if (problem.code == "method-not-allowed") {
    add("POST method allowed only", nullptr);
  } else if (problem.code == "unsupported-media-type") {
    add("Content-Type should be application/json.", nullptr);
  } else if (problem.code == "not-json") {
    add("Bad Request", nullptr);
  } else {
    for (const FieldProblem& field : problem.fields)
      add(field.text.in(caller.language), json::string(field_of(field.pointer)));
    if (errors.empty()) add(problem.detail.in(caller.language), nullptr);
  }
  HttpResponse response = json_response(
      problem.code == "invalid-request" || problem.code == "refused" ? 400 : problem.status,
      json::object{{"errors", std::move(errors)}});
  if (problem.retry_after_s != 0)
    response.headers.emplace_back("Retry-After", std::to_string(problem.retry_after_s));
  return response;
}

void add_routes(Frame& frame, Sender& sender, jobs::TemplateDesk& templates) {
  frame.add_family("/v3", tell);
  frame.add("POST", "/v3/mail/send", Access{"messages:send"},
            [&sender, &store = templates.store()](std::shared_ptr<Call> call) {
              return mail_send(sender, store, std::move(call));
            });
  add_sendgrid_templates(frame, templates);
}

}  // namespace ekiden::api::sendgrid
