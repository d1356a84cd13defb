#include "ekiden/api/jobs/content.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/api/draft_reader.hpp"
#include "ekiden/api/json_fields.hpp"
#include "ekiden/api/sender.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::api::jobs {
namespace {

namespace json = boost::json;
using bulk::Handlebars;

std::string_view view(json::string_view text) {
  return {text.data(), text.size()};
}

void take_choice(json::object& object, const char* name, std::string_view first,
                 std::string_view second, bool& is_second, Findings& findings) {
  const auto text = read_text(object, name, {}, findings);
  object.erase(name);
  if (!text || *text == first) return;
  is_second = *text == second;
  if (!is_second)
    findings.add(std::string("/") + name, "bad_value",
                 {"either " + std::string(first) + " or " + std::string(second),
                  std::string(first) + "か" + std::string(second) + "です"});
}

std::optional<Handlebars> parse_template(const std::string& source, const std::string& pointer,
                                         Findings& findings) {
  bulk::TemplateError error;
  std::optional<Handlebars> made = Handlebars::parse(source, error);
  if (!made)
    findings.add(pointer, "bad_template",
                 {error.sentence(), std::to_string(error.line) + "行" +
                                        std::to_string(error.column) + "文字目: " + error.text});
  return made;
}

void merge(json::object& into, const json::object& from) {
  for (const auto& [name, value] : from) into[name] = value;
}

/// Why a message was not made, in one line for an event.
std::string sentence_of(const Problem& problem) {
  std::string text;
  for (const FieldProblem& field : problem.fields) {
    if (!text.empty()) text += "; ";
    text += field.pointer.substr(std::min<std::size_t>(field.pointer.size(), 1)) + ": " +
            field.text.english;
  }
  return text.empty() ? problem.detail.english : text;
}

/// What blastengine's webhooks tell of a recipient, as far as there is room.
void put_codes(const json::object& data, json::object& metadata) {
  json::array codes;
  for (const auto& [name, value] : data) {
    // Lists that were imported have other columns too.
    if (name.starts_with("__") || name.starts_with("%%"))
      codes.push_back(json::object{{"key", name}, {"value", text_of(value)}});
  }
  if (codes.empty()) return;
  metadata["insert_codes"] = std::move(codes);
  if (json::serialize(metadata).size() > message::kMetadataOctetsMax)
    metadata.erase("insert_codes");
}

void replace_codes(const json::object& data, Draft& draft) {
  for (const auto& [name, value] : data) {
    const std::string_view key = view(name);
    const std::string text = text_of(value);
    replace_all(draft.subject, key, text);
    if (draft.text) replace_all(*draft.text, key, text);
    if (draft.html) replace_all(*draft.html, key, text);
    for (auto& [unused, header] : draft.headers) replace_all(header, key, text);
  }
}

/// False: `why` says why not.
bool render(const Content& content, const json::object& data, Draft& draft, std::string& why) {
  const auto put = [&](const Handlebars& source, Handlebars::Escape escape, const char* part,
                       std::string& out) {
    if (!why.empty()) return;
    bulk::TemplateError error;
    std::optional<std::string> text = source.render(data, escape, content.missing, error);
    if (text) {
      out = std::move(*text);
    } else {
      why = std::string(part) + ", " + error.sentence();
    }
  };
  if (content.subject) put(*content.subject, Handlebars::Escape::None, "subject", draft.subject);
  if (content.text) put(*content.text, Handlebars::Escape::None, "text", *draft.text);
  if (content.html) put(*content.html, Handlebars::Escape::Html, "html", *draft.html);
  for (std::size_t i = 0; i < content.headers.size(); ++i)
    put(content.headers[i], Handlebars::Escape::None, "header", draft.headers[i].second);
  return why.empty();
}

}  // namespace

std::optional<Content> read_content(const json::object& given, base::Time now, Findings& findings) {
  json::object object = given;
  Content content;
  bool is_literal = false, is_error = false;
  take_choice(object, "syntax", "handlebars", "literal", is_literal, findings);
  take_choice(object, "missing", "empty", "error", is_error, findings);
  content.syntax = is_literal ? Syntax::Literal : Syntax::Handlebars;
  content.missing = is_error ? Handlebars::Missing::Error : Handlebars::Missing::Empty;
  if (const json::value* data = object.if_contains("data")) {
    if (data->is_object()) {
      content.data = data->get_object();
    } else if (!data->is_null()) {
      findings.add("/data", "wrong_type", wrong_type("an object", "オブジェクト"));
    }
    object.erase("data");
  }
  if (const json::object* metadata = object_of(object, "metadata")) content.metadata = *metadata;
  for (const char* name : {"to", "cc", "bcc", "send_at", "stream"}) {
    if (!object.contains(name)) continue;
    object.erase(name);
    findings.add(
        std::string("/") + name, "unknown",
        {"this stands beside the content, not in it", "これはcontentの中ではなく、外に指定します"});
  }
  // Its messages are admitted when their turn comes, without the key that made the job.
  if (object.erase("bypass_suppressions") != 0)
    findings.add("/bypass_suppressions", "unknown",
                 {"the suppression list is passed over for single messages only",
                  "配信停止リストを無視できるのは単独のメッセージだけです"});
  if (object.erase("pool") != 0)
    findings.add("/pool", "unknown",
                 {"a pool is named for single messages only",
                  "プールを指定できるのは単独のメッセージだけです"});
  content.draft = read_draft(object, findings);
  Draft probe = content.draft;
  probe.to.push_back({"probe@example.invalid", {}});
  check_draft(probe, now, findings);
  if (content.syntax == Syntax::Handlebars) {
    const Draft& draft = content.draft;
    content.subject = parse_template(draft.subject, "/subject", findings);
    if (draft.text) content.text = parse_template(*draft.text, "/text", findings);
    if (draft.html) content.html = parse_template(*draft.html, "/html", findings);
    for (const auto& [name, value] : draft.headers)
      if (auto made = parse_template(value, member("/headers", name), findings))
        content.headers.push_back(std::move(*made));
  }
  if (!findings.is_empty()) return std::nullopt;
  return content;
}

bool has_merge_fields(const json::object& object) {
  for (const char* name : {"template", "version", "data", "missing", "syntax"})
    if (object.contains(name)) return true;
  return false;
}

void merge_fields(json::object& object, Findings& findings) {
  bool is_literal = false, is_error = false;
  take_choice(object, "syntax", "handlebars", "literal", is_literal, findings);
  take_choice(object, "missing", "empty", "error", is_error, findings);
  json::object data;
  if (const json::value* given = object.if_contains("data")) {
    if (given->is_object()) {
      data = given->get_object();
    } else if (!given->is_null()) {
      findings.add("/data", "wrong_type", wrong_type("an object", "オブジェクト"));
    }
    object.erase("data");
  }
  const auto missing = is_error ? Handlebars::Missing::Error : Handlebars::Missing::Empty;
  const auto put = [&](json::value& value, const std::string& pointer, Handlebars::Escape escape) {
    if (!value.is_string()) return;  // read_draft says so
    std::string text = text_of(value);
    if (is_literal) {
      for (const auto& [name, with] : data) replace_all(text, view(name), text_of(with));
    } else {
      bulk::TemplateError error;
      const std::optional<Handlebars> made = parse_template(text, pointer, findings);
      if (!made) return;
      std::optional<std::string> rendered = made->render(data, escape, missing, error);
      if (!rendered)
        return findings.add(
            pointer, "bad_template",
            {error.sentence(), std::to_string(error.line) + "行" + std::to_string(error.column) +
                                   "文字目: " + error.text});
      text = std::move(*rendered);
    }
    value = json::string(text);
  };
  for (const char* name : {"subject", "text", "html"}) {
    const bool is_html = std::string_view(name) == "html";
    if (json::value* value = object.if_contains(name))
      put(*value, std::string("/") + name,
          is_html ? Handlebars::Escape::Html : Handlebars::Escape::None);
  }
  json::value* const headers = object.if_contains("headers");
  if (headers == nullptr || !headers->is_object()) return;
  for (auto& [name, value] : headers->get_object())
    put(value, member("/headers", view(name)), Handlebars::Escape::None);
}

bulk::ComposedRow compose_row(const Content& content, std::string_view line, base::Time now) {
  bulk::ComposedRow composed;
  json::error_code error;
  const json::value row = json::parse(json::string_view(line.data(), line.size()), error);
  if (error || !row.is_object()) {
    composed.refusal = "the row cannot be read";
    return composed;
  }
  const json::object& object = row.get_object();
  composed.address = text_of(object, "to");
  Draft draft = content.draft;
  draft.to.push_back({composed.address, text_of(object, "name")});
  json::object metadata = content.metadata;
  if (const json::object* own = object_of(object, "metadata")) merge(metadata, *own);
  json::object data = content.data;
  if (const json::object* own = object_of(object, "data")) merge(data, *own);
  if (content.is_delivery) put_codes(data, metadata);
  draft.metadata = metadata.empty() ? std::string() : json::serialize(metadata);
  if (content.syntax == Syntax::Literal) {
    replace_codes(data, draft);
  } else {
    if (!data.contains("email")) data["email"] = composed.address;
    if (!data.contains("name") && !draft.to.front().name.empty())
      data["name"] = draft.to.front().name;
    if (!render(content, data, draft, composed.refusal)) return composed;
  }
  Prepared prepared = prepare(draft, now);
  if (prepared.problem) {
    composed.refusal = sentence_of(*prepared.problem);
    return composed;
  }
  composed.mail = std::move(prepared.mail);
  composed.recipients = std::move(prepared.recipients);
  composed.octets = std::move(prepared.octets);
  return composed;
}

bulk::ComposeRow make_composer(const bulk::Head& head) {
  json::error_code error;
  const json::value value = json::parse(head.content, error);
  if (error || !value.is_object()) return nullptr;
  Findings findings;
  // Its time was checked when it came.
  std::optional<Content> content = read_content(value.get_object(), base::Time{}, findings);
  if (!content) return nullptr;
  // A delivery of blastengine's leaves room for the number that its job has by now.
  const json::value* const delivery = content->metadata.if_contains("delivery_id");
  content->is_delivery = delivery != nullptr && delivery->is_null();
  if (content->is_delivery) content->metadata["delivery_id"] = head.job;
  return [shared = std::make_shared<const Content>(std::move(*content))](
             std::string_view row, base::Time now) { return compose_row(*shared, row, now); };
}

std::optional<bulk::Row> make_row(const std::string& address, const std::string& name,
                                  json::object data, json::object metadata, const std::string& base,
                                  Findings& findings) {
  const Result<smtp::Address> parsed = smtp::parse_address(address);
  if (!is_header_safe(address) || !parsed || parsed->domain.empty() ||
      (!parsed->is_literal() && !smtp::canonical_domain(parsed->domain))) {
    findings.add(
        base + "/to", "bad_address",
        {"\"" + base::printable(address, 100) + "\" is no mail address",
         "「" + base::printable(address, 100) + "」はメールアドレスとして正しくありません"});
    return std::nullopt;
  }
  if (!is_header_safe(name) || name.size() > kNameOctetsMax) {
    findings.add(base + "/name", "control_character",
                 {"a name has at most 320 octets and no control character",
                  "名前は320オクテットまでで、制御文字は使えません"});
    return std::nullopt;
  }
  json::object object{{"to", address}};
  if (!name.empty()) object["name"] = name;
  if (!data.empty()) object["data"] = std::move(data);
  if (!metadata.empty()) {
    if (json::serialize(metadata).size() > message::kMetadataOctetsMax) {
      const std::string max = std::to_string(message::kMetadataOctetsMax);
      findings.add(base + "/metadata", "too_long",
                   {"at most " + max + " octets", max + "オクテットまでです"});
      return std::nullopt;
    }
    object["metadata"] = std::move(metadata);
  }
  bulk::Row row;
  row.address = smtp::comparison_key(*parsed);
  row.data = json::serialize(object);
  if (row.data.size() > bulk::kRowOctetsMax) {
    findings.add(
        base, "too_long",
        {"a recipient with its data has at most 64 KiB", "1件の宛先とデータは64KiBまでです"});
    return std::nullopt;
  }
  return row;
}

std::optional<bulk::Row> read_row(const json::object& object, const std::string& base,
                                  Findings& findings) {
  std::string address, name;
  json::object data, metadata;
  for (const auto& [key_text, value] : object) {
    const std::string_view key = view(key_text);
    const std::string pointer = member(base, key);
    if (key == "to" || key == "email") {
      if (value.is_object()) {
        address = text_of(value.get_object(), "email");
        if (name.empty()) name = text_of(value.get_object(), "name");
      } else if (value.is_string()) {
        const std::string_view text = view(value.get_string());
        // An address alone is what most are: nothing has to be taken apart.
        const auto mailbox = text.find('<') == std::string_view::npos
                                 ? std::optional<Mailbox>(Mailbox{std::string(text), {}})
                                 : parse_mailbox(text);
        if (mailbox) {
          address = mailbox->address;
          if (name.empty()) name = mailbox->name;
        } else {
          address = text;
        }
      }
    } else if (key == "name") {
      name = read_text(object, key, base, findings).value_or("");
    } else if (key == "data" || key == "metadata") {
      if (value.is_object()) {
        (key == "data" ? data : metadata) = value.get_object();
      } else if (!value.is_null()) {
        findings.add(pointer, "wrong_type", wrong_type("an object", "オブジェクト"));
        return std::nullopt;
      }
    } else {
      findings.add(pointer, "unknown", {"there is no such field", "そのような項目はありません"});
      return std::nullopt;
    }
  }
  return make_row(address, name, std::move(data), std::move(metadata), base, findings);
}

}  // namespace ekiden::api::jobs
