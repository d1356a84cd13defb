#include "ekiden/api/draft_reader.hpp"

#include <boost/json/serialize.hpp>

#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"

namespace ekiden::api {
namespace {

namespace json = boost::json;

std::string item(const std::string& base, std::size_t index) {
  return base + "/" + std::to_string(index);
}

std::string_view view(json::string_view text) {
  return {text.data(), text.size()};
}

std::optional<Mailbox> read_mailbox(const json::value& value, const std::string& pointer,
                                    Findings& findings) {
  if (value.is_string()) {
    auto mailbox = parse_mailbox(view(value.get_string()));
    if (!mailbox)
      findings.add(pointer, "bad_address",
                   {"\"" + base::printable(view(value.get_string()), 100) + "\" is no mail address",
                    "「" + base::printable(view(value.get_string()), 100) +
                        "」はメールアドレスとして正しくありません"});
    return mailbox;
  }
  if (!value.is_object()) {
    findings.add(pointer, "wrong_type",
                 wrong_type("an address, or an object with email and name",
                            "アドレス、またはemailとnameを持つオブジェクト"));
    return std::nullopt;
  }
  Mailbox mailbox;
  for (const auto& [key, unused] : value.get_object()) {
    if (key != "email" && key != "name")
      findings.add(member(pointer, view(key)), "unknown",
                   {"there is no such field", "そのような項目はありません"});
  }
  const auto address = read_text(value.get_object(), "email", pointer, findings);
  if (!address) {
    findings.add(member(pointer, "email"), "required",
                 {"an address is needed", "アドレスが必要です"});
    return std::nullopt;
  }
  mailbox.address = *address;
  mailbox.name = read_text(value.get_object(), "name", pointer, findings).value_or("");
  return mailbox;
}

void read_mailboxes(const json::value& value, const std::string& pointer,
                    std::vector<Mailbox>& list, Findings& findings) {
  if (value.is_null()) return;
  if (!value.is_array()) {
    if (auto one = read_mailbox(value, pointer, findings)) list.push_back(std::move(*one));
    return;
  }
  const json::array& array = value.get_array();
  // One more than is allowed is enough to say so.
  for (std::size_t i = 0; i < array.size() && list.size() <= kRecipientsMax; ++i) {
    if (auto one = read_mailbox(array[i], item(pointer, i), findings))
      list.push_back(std::move(*one));
  }
}

Attachment read_attachment(const json::object& object, const std::string& pointer,
                           Findings& findings) {
  Attachment attachment;
  for (const auto& [key, unused] : object) {
    if (key != "filename" && key != "content" && key != "content_type" && key != "content_id" &&
        key != "disposition")
      findings.add(member(pointer, view(key)), "unknown",
                   {"there is no such field", "そのような項目はありません"});
  }
  attachment.filename = read_text(object, "filename", pointer, findings).value_or("");
  attachment.content_id = read_text(object, "content_id", pointer, findings).value_or("");
  if (auto type = read_text(object, "content_type", pointer, findings))
    attachment.content_type = std::move(*type);
  const json::value* const content = object.if_contains("content");
  if (content == nullptr || !content->is_string()) {
    findings.add(member(pointer, "content"), "required",
                 {"the content in base64 is needed", "base64の内容が必要です"});
  } else if (auto octets = decode_content(view(content->get_string()))) {
    attachment.content = std::move(*octets);
  } else {
    findings.add(member(pointer, "content"), "bad_base64",
                 {"this is no base64", "base64として正しくありません"});
  }
  const auto disposition = read_text(object, "disposition", pointer, findings);
  attachment.is_inline = disposition ? *disposition == "inline" : !attachment.content_id.empty();
  if (disposition && *disposition != "inline" && *disposition != "attachment")
    findings.add(member(pointer, "disposition"), "bad_value",
                 {"either inline or attachment", "inlineかattachmentです"});
  return attachment;
}

void read_attachments(const json::value& value, const std::string& pointer, Draft& draft,
                      Findings& findings) {
  if (value.is_null()) return;
  if (!value.is_array()) return findings.add(pointer, "wrong_type", wrong_type("an array", "配列"));
  const json::array& array = value.get_array();
  for (std::size_t i = 0; i < array.size() && i <= kAttachmentsMax; ++i) {
    if (!array[i].is_object()) {
      findings.add(item(pointer, i), "wrong_type", wrong_type("an object", "オブジェクト"));
      continue;
    }
    draft.attachments.push_back(read_attachment(array[i].get_object(), item(pointer, i), findings));
  }
}

void read_headers(const json::value& value, const std::string& pointer, Draft& draft,
                  Findings& findings) {
  if (value.is_null()) return;
  if (!value.is_object())
    return findings.add(pointer, "wrong_type",
                        wrong_type("an object of names and texts", "名前と文字列のオブジェクト"));
  for (const auto& [key, text] : value.get_object()) {
    if (!text.is_string()) {
      findings.add(member(pointer, view(key)), "wrong_type", wrong_type("a text", "文字列"));
      continue;
    }
    draft.headers.emplace_back(view(key), view(text.get_string()));
  }
}

void read_tags(const json::value& value, const std::string& pointer, Draft& draft,
               Findings& findings) {
  if (value.is_null()) return;
  if (!value.is_array())
    return findings.add(pointer, "wrong_type", wrong_type("an array of texts", "文字列の配列"));
  const json::array& array = value.get_array();
  for (std::size_t i = 0; i < array.size() && i <= message::kTagsMax; ++i) {
    if (array[i].is_string()) {
      draft.tags.emplace_back(view(array[i].get_string()));
    } else {
      findings.add(item(pointer, i), "wrong_type", wrong_type("a text", "文字列"));
    }
  }
}

/// Reasons by name, or "all" of them.
void read_bypass(const json::value& value, const std::string& pointer, Draft& draft,
                 Findings& findings) {
  if (value.is_null()) return;
  if (!value.is_array())
    return findings.add(pointer, "wrong_type", wrong_type("an array of reasons", "理由の配列"));
  for (const json::value& one : value.get_array()) {
    const std::string_view name = one.is_string() ? view(one.get_string()) : std::string_view();
    if (const auto reason = account::parse_suppression_reason(name)) {
      draft.bypass.add(*reason);
    } else if (name == "all") {
      draft.bypass.reasons = account::SuppressionBypass::kAll;
    } else {
      findings.add(pointer, "bad_value",
                   {"all, or of bounce, soft, complaint, unsubscribe, manual, import",
                    "all、またはbounce・soft・complaint・unsubscribe・manual・importです"});
      return;
    }
  }
}

}  // namespace

std::string member(const std::string& base, std::string_view name) {
  std::string pointer = base + "/";
  for (const char c : base::printable(name, 80)) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

Text wrong_type(std::string_view wanted, std::string_view wanted_japanese) {
  return {"this must be " + std::string(wanted),
          std::string(wanted_japanese) + "を指定してください"};
}

std::optional<std::string> read_text(const json::object& object, std::string_view name,
                                     const std::string& base, Findings& findings) {
  const json::value* const value = object.if_contains(json::string_view(name.data(), name.size()));
  if (value == nullptr || value->is_null()) return std::nullopt;
  if (value->is_string()) return std::string(view(value->get_string()));
  findings.add(member(base, name), "wrong_type", wrong_type("a text", "文字列"));
  return std::nullopt;
}

std::optional<base::Time> read_time(const json::value& value) {
  constexpr std::int64_t kSecondsMax = 253'402'300'799;  // the year 9999
  if (value.is_string()) return message::parse_date(view(value.get_string()));
  if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() > kSecondsMax)
    return std::nullopt;
  return base::from_unix_us(value.get_int64() * 1'000'000);
}

std::optional<std::string> decode_content(std::string_view base64) {
  if (base64.find_first_of("\r\n") == std::string_view::npos && base64.size() % 4 == 0)
    return base::decode_base64(base64);
  std::string bare;
  bare.reserve(base64.size() + 2);
  for (const char c : base64) {
    if (c != '\r' && c != '\n') bare += c;
  }
  while (bare.size() % 4 != 0 && bare.size() % 4 != 1) bare += '=';
  return base::decode_base64(bare);
}

Draft read_draft(const json::object& object, Findings& findings) {
  const std::string base;
  Draft draft;
  bool has_from = false;
  for (const auto& [key_text, value] : object) {
    const std::string_view key = view(key_text);
    const std::string pointer = member(base, key);
    if (key == "from") {
      has_from = true;
      if (auto from = read_mailbox(value, pointer, findings)) draft.from = std::move(*from);
    } else if (key == "to") {
      read_mailboxes(value, pointer, draft.to, findings);
    } else if (key == "cc") {
      read_mailboxes(value, pointer, draft.cc, findings);
    } else if (key == "bcc") {
      read_mailboxes(value, pointer, draft.bcc, findings);
    } else if (key == "reply_to") {
      read_mailboxes(value, pointer, draft.reply_to, findings);
    } else if (key == "subject") {
      draft.subject = read_text(object, key, base, findings).value_or("");
    } else if (key == "text") {
      draft.text = read_text(object, key, base, findings);
    } else if (key == "html") {
      draft.html = read_text(object, key, base, findings);
    } else if (key == "stream") {
      draft.stream = read_text(object, key, base, findings).value_or("");
    } else if (key == "pool") {
      draft.pool = read_text(object, key, base, findings).value_or("");
    } else if (key == "return_path") {
      draft.return_path = read_text(object, key, base, findings).value_or("");
    } else if (key == "attachments") {
      read_attachments(value, pointer, draft, findings);
    } else if (key == "headers") {
      read_headers(value, pointer, draft, findings);
    } else if (key == "tags") {
      read_tags(value, pointer, draft, findings);
    } else if (key == "metadata") {
      if (value.is_object()) {
        draft.metadata = json::serialize(value);
      } else if (!value.is_null()) {
        findings.add(pointer, "wrong_type", wrong_type("an object", "オブジェクト"));
      }
    } else if (key == "send_at") {
      if (value.is_null()) continue;
      draft.send_at = read_time(value);
      if (!draft.send_at)
        findings.add(pointer, "bad_time",
                     {"a date such as 2026-11-22T09:00:00+09:00, or Unix seconds",
                      "2026-11-22T09:00:00+09:00のような日時か、Unix秒です"});
    } else if (key == "charset") {
      const std::string name =
          base::lowered(read_text(object, key, base, findings).value_or("utf-8"));
      if (name == "iso-2022-jp") {
        draft.charset = Charset::Iso2022Jp;
      } else if (name != "utf-8") {
        findings.add(pointer, "bad_value",
                     {"either UTF-8 or ISO-2022-JP", "UTF-8かISO-2022-JPです"});
      }
    } else if (key == "unmappable") {
      const std::string name = read_text(object, key, base, findings).value_or("refuse");
      if (name == "replace") {
        draft.unmappable = Unmappable::Replace;
      } else if (name != "refuse") {
        findings.add(pointer, "bad_value", {"either refuse or replace", "refuseかreplaceです"});
      }
    } else if (key == "bypass_suppressions") {
      read_bypass(value, pointer, draft, findings);
    } else {
      findings.add(pointer, "unknown", {"there is no such field", "そのような項目はありません"});
    }
  }
  if (!has_from)
    findings.add(member(base, "from"), "required", {"a sender is needed", "差出人が必要です"});
  return draft;
}

}  // namespace ekiden::api
