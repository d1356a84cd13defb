#include "ekiden/api/blastengine/transaction.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/multipart.hpp"
#include "ekiden/api/strict_json.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::api::blastengine {
namespace {

namespace json = boost::json;

// What blastengine documents.
constexpr std::size_t kCopiesMax = 10, kInsertCodesMax = 50;

std::string field_of(std::string_view pointer) {
  if (pointer.starts_with("/text")) return "text_part";
  if (pointer.starts_with("/html")) return "html_part";
  if (pointer.starts_with("/attachments")) return "file";
  if (pointer.starts_with("/charset")) return "encode";
  const std::string_view bare = pointer.substr(std::min<std::size_t>(pointer.size(), 1));
  return bare.empty() ? std::string("main") : std::string(bare.substr(0, bare.find('/')));
}

void read_copies(const json::object& object, std::string_view name, std::vector<Mailbox>& list,
                 Findings& findings) {
  const json::array* array = array_of(object, name);
  if (array == nullptr) return;
  if (array->size() > kCopiesMax)
    return findings.add("/" + std::string(name), "too_many",
                        {"at most 10 addresses", "10件までです"});
  for (const json::value& one : *array) list.push_back({text_of(one), {}});
}

Mailbox mailbox_of(const json::object& object, std::string_view name) {
  const json::object* one = object_of(object, name);
  if (one == nullptr) return {};
  return {text_of(*one, "email"), text_of(*one, "name")};
}

void insert_codes(const json::object& object, Draft& draft, Findings& findings) {
  const json::array* codes = array_of(object, "insert_code");
  if (codes == nullptr) return;
  if (codes->size() > kInsertCodesMax)
    return findings.add("/insert_code", "too_many", {"at most 50 codes", "50個までです"});
  // They come back in webhooks, as far as there is room.
  std::string kept = json::serialize(json::object{{"insert_codes", *codes}});
  if (kept.size() <= message::kMetadataOctetsMax) draft.metadata = std::move(kept);
  for (const json::value& one : *codes) {
    const json::object* code = one.if_object();
    const std::string key = code == nullptr ? std::string() : text_of(*code, "key");
    if (!(key.size() > 4 && ((key.starts_with("__") && key.ends_with("__")) ||
                             (key.starts_with("%%") && key.ends_with("%%"))))) {
      findings.add("/insert_code", "bad_value",
                   {"a key is __name__ or %%name%%", "keyは__name__か%%name%%の形です"});
      continue;
    }
    const std::string value = text_of(*code, "value");
    replace_all(draft.subject, key, value);
    if (draft.text) replace_all(*draft.text, key, value);
    if (draft.html) replace_all(*draft.html, key, value);
  }
}

void read_unsubscribe(const json::object& object, Draft& draft) {
  const json::object* links = object_of(object, "list_unsubscribe");
  if (links == nullptr) return;
  std::string value;
  for (const std::string_view name : {"mailto", "url"}) {
    const std::string link = text_of(*links, name);
    if (!link.empty()) value += (value.empty() ? "<" : ", <") + link + ">";
  }
  if (!value.empty()) draft.headers.emplace_back("List-Unsubscribe", value);
}

Prepared prepare_object(const json::object& object, std::vector<Attachment> files, base::Time now) {
  Findings findings;
  Draft draft;
  draft.from = mailbox_of(object, "from");
  if (std::string to = text_of(object, "to"); !to.empty()) draft.to.push_back({std::move(to), {}});
  read_copies(object, "cc", draft.cc, findings);
  read_copies(object, "bcc", draft.bcc, findings);
  if (Mailbox reply_to = mailbox_of(object, "reply_to"); !reply_to.address.empty())
    draft.reply_to.push_back(std::move(reply_to));
  draft.subject = text_of(object, "subject");
  if (std::string text = text_of(object, "text_part"); !text.empty()) {
    draft.text = std::move(text);
  } else {
    findings.add("/text", "required", {"text_part is required", "text_partは必須です"});
  }
  if (std::string html = text_of(object, "html_part"); !html.empty()) draft.html = std::move(html);
  const std::string encode = text_of(object, "encode");
  if (base::equals_ignoring_case(encode, "ISO-2022-JP")) {
    draft.charset = Charset::Iso2022Jp;
    draft.unmappable = Unmappable::Replace;
  } else if (!encode.empty() && !base::equals_ignoring_case(encode, "UTF-8")) {
    findings.add("/charset", "bad_value",
                 {"either UTF-8 or ISO-2022-JP", "UTF-8かISO-2022-JPです"});
  }
  insert_codes(object, draft, findings);
  read_unsubscribe(object, draft);
  draft.attachments = std::move(files);
  if (findings.is_empty()) return prepare(draft, now);
  Prepared prepared;
  prepared.problem = invalid_request(findings.take());
  return prepared;
}

/// Parts named "file", some without a file name, and "data" with the JSON, wherever it stands.
PreparedBatch prepare_form(const HttpRequest& request, base::Time now) {
  const auto parts = parse_form(request.header("content-type"), request.body);
  const Problem no_form = make_problem(400, "not-json",
                                       {"the body is no multipart/form-data with a part named data",
                                        "dataパートを持つmultipart/form-dataではありません"});
  if (!parts) return one_problem(no_form);
  std::vector<Attachment> files;
  std::optional<json::value> data;
  Text why;
  for (const FormPart& part : *parts) {
    if (part.name == "data") {
      data = parse_json(part.content, why);
      if (!data) return one_problem(make_problem(400, "not-json", std::move(why)));
    } else if (part.name == "file") {
      Attachment file;
      file.content = part.content;
      file.filename =
          part.filename.empty() ? "file" + std::to_string(files.size() + 1) : part.filename;
      if (!part.content_type.empty()) file.content_type = part.content_type;
      files.push_back(std::move(file));
    }
  }
  if (!data || !data->is_object()) return one_problem(no_form);
  PreparedBatch batch;
  batch.messages.push_back(prepare_object(data->get_object(), std::move(files), now));
  return batch;
}

PreparedBatch prepare_any(const HttpRequest& request, base::Time now) {
  if (base::starts_with_ignoring_case(request.header("content-type"), "multipart/"))
    return prepare_form(request, now);
  return prepare_one(request,
                     [&](const json::object& object) { return prepare_object(object, {}, now); });
}

base::Task<HttpResponse> transaction(Sender& sender, std::shared_ptr<Call> call) {
  base::Function<PreparedBatch()> work = [call, now = sender.now()] {
    return prepare_any(call->request, now);
  };
  Sender::MakeAnswer answer = [](const Call& of, const std::vector<Sent>& sent) {
    if (sent.front().problem) return tell(*sent.front().problem, of.caller);
    return json_response(201,
                         json::object{{"delivery_id", delivery_id(sent.front().id)},
                                      {"message_id", base::format_message_id(sent.front().id)}});
  };
  return sender.handle(std::move(call), std::move(work), std::move(answer), tell);
}

/// The number is kept before it is given: it can be looked up afterwards.
base::Task<void> remember(jobs::JobDesk& jobs, std::shared_ptr<Call> call, std::string body) {
  json::error_code error;
  const json::value answer = json::parse(body, error);
  if (error || !answer.is_object()) co_return;
  const auto message = base::parse_message_id(text_of(answer.get_object(), "message_id"));
  if (!message) co_return;
  base::Function<Result<int>(bulk::Store&)> note =
      [message = *message, tenant = call->caller.tenant(),
       at = jobs.now()](bulk::Store& store) -> Result<int> {
    const auto done = store.remember_delivery(delivery_id(message), {tenant, message, at});
    if (!done) return done.error();
    return 1;
  };
  (void)co_await jobs.ask<int>(std::move(note));
}

base::Task<HttpResponse> send_one(Sender& sender, jobs::JobDesk& jobs, std::shared_ptr<Call> call) {
  HttpResponse response = co_await transaction(sender, call);
  if (response.status != 201) co_return response;
  std::string body = response.body;
  co_await remember(jobs, std::move(call), std::move(body));
  co_return response;
}

}  // namespace

HttpResponse tell(const Problem& problem, const Caller& caller) {
  std::map<std::string, json::array> messages;
  for (const FieldProblem& field : problem.fields)
    messages[field_of(field.pointer)].push_back(json::string(field.text.in(caller.language)));
  if (messages.empty())
    messages["main"].push_back(json::string(problem.detail.in(caller.language)));
  json::object errors;
  for (auto& [field, list] : messages) errors[field] = std::move(list);
  unsigned status = problem.status;
  if (problem.code == "invalid-request" || problem.code == "refused") status = 400;
  HttpResponse response =
      json_response(status, json::object{{"error_messages", std::move(errors)}});
  if (problem.retry_after_s != 0) {
    response.headers.emplace_back("Retry-After", std::to_string(problem.retry_after_s));
    if (problem.status == 429)
      response.headers.emplace_back("X-Rate-Limit-Retry-After-Seconds",
                                    std::to_string(problem.retry_after_s));
  }
  return response;
}

Problem no_data() {
  return make_problem(404, "no-such-object", {"no data found.", "データが見つかりません。"});
}

void add_routes(Frame& frame, Sender& sender, jobs::JobDesk& jobs) {
  frame.add_family("/api/v1", tell);
  frame.add("POST", "/api/v1/deliveries/transaction", Access{"messages:send"},
            [&sender, &jobs](std::shared_ptr<Call> call) {
              return send_one(sender, jobs, std::move(call));
            });
}

}  // namespace ekiden::api::blastengine
