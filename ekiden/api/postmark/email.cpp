#include "ekiden/api/postmark/email.hpp"

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/json_fields.hpp"

namespace ekiden::api::postmark {
namespace {

namespace json = boost::json;

constexpr std::size_t kBatchMax = 500;

// Codes of Postmark's API.
constexpr int kBadToken = 10, kInvalidEmail = 300, kBadJson = 402, kOther = 405,
              kInactiveRecipient = 406;

int code_of(const Problem& problem) {
  if (problem.code == "unauthorized" || problem.code == "forbidden") return kBadToken;
  if (problem.code == "not-json" || problem.code == "unsupported-media-type") return kBadJson;
  if (problem.code == "invalid-request" || problem.code == "refused") return kInvalidEmail;
  return kOther;
}

std::string sentence(const Problem& problem, Language language) {
  if (problem.fields.empty()) return problem.detail.in(language);
  const FieldProblem& first = problem.fields.front();
  return first.pointer.substr(first.pointer.rfind('/') == 0 ? 1 : 0) + ": " +
         first.text.in(language);
}

json::object told(const Problem& problem, Language language) {
  return json::object{{"ErrorCode", code_of(problem)}, {"Message", sentence(problem, language)}};
}

HttpResponse tell(const Problem& problem, const Caller& caller) {
  // Postmark has 401 for tokens, 422 for whatever is wrong with a message.
  unsigned status = problem.status;
  if (code_of(problem) == kInvalidEmail || code_of(problem) == kBadJson) status = 422;
  HttpResponse response = json_response(status, told(problem, caller.language));
  if (problem.retry_after_s != 0)
    response.headers.emplace_back("Retry-After", std::to_string(problem.retry_after_s));
  return response;
}

void read_list(const json::object& object, std::string_view name, std::vector<Mailbox>& list,
               Findings& findings) {
  const std::string text = text_of(object, name);
  if (text.empty()) return;
  auto mailboxes = parse_mailbox_list(text);
  if (mailboxes) {
    list = std::move(*mailboxes);
  } else {
    findings.add("/" + std::string(name), "bad_address",
                 {"Error parsing '" + std::string(name) + "': no mail address",
                  "'" + std::string(name) + "' のメールアドレスが正しくありません"});
  }
}

void read_parts(const json::object& object, Draft& draft, Findings& findings) {
  if (const json::array* headers = array_of(object, "Headers")) {
    for (const json::value& one : *headers) {
      if (one.is_object() && draft.headers.size() <= kHeadersMax)
        draft.headers.emplace_back(text_of(one.get_object(), "Name"),
                                   text_of(one.get_object(), "Value"));
    }
  }
  const json::array* list = array_of(object, "Attachments");
  for (std::size_t i = 0; list != nullptr && i < list->size() && i <= kAttachmentsMax; ++i) {
    const json::object* one = (*list)[i].if_object();
    auto octets = one == nullptr ? std::nullopt : decode_content(text_of(*one, "Content"));
    if (!octets) {
      findings.add("/Attachments/" + std::to_string(i) + "/Content", "bad_base64",
                   {"this is no base64", "base64として正しくありません"});
      continue;
    }
    Attachment attachment;
    attachment.content = std::move(*octets);
    attachment.filename = text_of(*one, "Name");
    if (std::string type = text_of(*one, "ContentType"); !type.empty())
      attachment.content_type = std::move(type);
    std::string id = text_of(*one, "ContentID");
    if (id.starts_with("cid:")) id.erase(0, 4);
    attachment.is_inline = !id.empty();
    attachment.content_id = std::move(id);
    draft.attachments.push_back(std::move(attachment));
  }
}

/// Its default streams are ours of other names; others keep theirs.
std::string stream_of(const std::string& name) {
  if (name.empty() || name == "outbound") return {};
  return name == "broadcast" ? "bulk" : name;
}

Prepared prepare_object(const json::object& object, base::Time now) {
  Findings findings;
  Draft draft;
  std::vector<Mailbox> from;
  read_list(object, "From", from, findings);
  if (from.size() == 1) draft.from = std::move(from.front());
  read_list(object, "To", draft.to, findings);
  read_list(object, "Cc", draft.cc, findings);
  read_list(object, "Bcc", draft.bcc, findings);
  read_list(object, "ReplyTo", draft.reply_to, findings);
  draft.subject = text_of(object, "Subject");
  if (std::string text = text_of(object, "TextBody"); !text.empty()) draft.text = std::move(text);
  if (std::string html = text_of(object, "HtmlBody"); !html.empty()) draft.html = std::move(html);
  if (std::string tag = text_of(object, "Tag"); !tag.empty()) draft.tags.push_back(std::move(tag));
  if (const json::object* metadata = object_of(object, "Metadata"); metadata && !metadata->empty())
    draft.metadata = json::serialize(*metadata);
  draft.stream = stream_of(text_of(object, "MessageStream"));
  read_parts(object, draft, findings);
  if (findings.is_empty()) return prepare(draft, now);
  Prepared prepared;
  prepared.problem = invalid_request(findings.take());
  return prepared;
}

PreparedBatch prepare_list(const HttpRequest& request, const PrepareObject& prepare) {
  JsonList body = read_json_list(request);
  if (body.problem) return one_problem(std::move(*body.problem));
  const json::array& list = body.array;
  if (list.empty() || list.size() > kBatchMax)
    return one_problem(make_problem(
        422, "too-large",
        {"1 to 500 messages are sent at once.", "一度に送れるのは1件から500件です。"}));
  PreparedBatch batch;
  for (const json::value& one : list)
    batch.messages.push_back(prepare(one.is_object() ? one.get_object() : json::object()));
  return batch;
}

/// Prepares, and notes what the answer repeats: whom each message is to.
struct Preparing {
  base::Time now;
  std::vector<std::string> to;

  PrepareObject work() {
    return [this](const json::object& object) {
      to.push_back(text_of(object, "To"));
      return prepare_object(object, now);
    };
  }
};

/// Its client finds the addresses between these words.
std::string inactive(const Sent& sent) {
  std::string list;
  for (const std::string& address : sent.suppressed) list += (list.empty() ? "" : ", ") + address;
  if (sent.suppressed.size() < sent.recipients)
    return "Message OK, but will not deliver to these inactive addresses: " + list;
  return "Nobody is left to send to. Found inactive addresses: " + list +
         ". Inactive recipients are on the suppression list.";
}

bool has_nobody(const Sent& sent) {
  return !sent.suppressed.empty() && sent.suppressed.size() == sent.recipients;
}

json::object describe(const Call& call, const Sent& sent, base::Time now, const std::string& to) {
  if (sent.problem) return told(*sent.problem, call.caller.language);
  if (has_nobody(sent))
    return json::object{{"ErrorCode", kInactiveRecipient}, {"Message", inactive(sent)}};
  return json::object{{"To", to},
                      {"SubmittedAt", base::format_rfc3339(now)},
                      {"MessageID", base::format_message_id(sent.id)},
                      {"ErrorCode", 0},
                      {"Message", sent.suppressed.empty() ? "OK" : inactive(sent)}};
}

base::Task<HttpResponse> email(Sender& sender, std::shared_ptr<Call> call) {
  auto preparing = std::make_shared<Preparing>(Preparing{sender.now(), {}});
  base::Function<PreparedBatch()> work = [call, preparing] {
    return prepare_one(call->request, preparing->work());
  };
  Sender::MakeAnswer answer = [preparing](const Call& of, const std::vector<Sent>& sent) {
    if (sent.front().problem) return tell(*sent.front().problem, of.caller);
    return json_response(has_nobody(sent.front()) ? 422 : 200,
                         describe(of, sent.front(), preparing->now, preparing->to.front()));
  };
  return sender.handle(std::move(call), std::move(work), std::move(answer), tell);
}

base::Task<HttpResponse> batch(Sender& sender, std::shared_ptr<Call> call) {
  auto preparing = std::make_shared<Preparing>(Preparing{sender.now(), {}});
  base::Function<PreparedBatch()> work = [call, preparing] {
    return prepare_list(call->request, preparing->work());
  };
  Sender::MakeAnswer answer = [preparing](const Call& of, const std::vector<Sent>& sent) {
    json::array results;
    for (std::size_t i = 0; i < sent.size(); ++i)
      results.push_back(describe(of, sent[i], preparing->now, preparing->to.at(i)));
    HttpResponse response = json_response(200, {});
    response.body = json::serialize(results) + "\n";
    return response;
  };
  return sender.handle(std::move(call), std::move(work), std::move(answer), tell);
}

}  // namespace

void add_routes(Frame& frame, Sender& sender) {
  frame.add_family("/email", tell);
  frame.add("POST", "/email", Access{"messages:send"},
            [&sender](std::shared_ptr<Call> call) { return email(sender, std::move(call)); });
  frame.add("POST", "/email/batch", Access{"messages:send"},
            [&sender](std::shared_ptr<Call> call) { return batch(sender, std::move(call)); });
}

}  // namespace ekiden::api::postmark
