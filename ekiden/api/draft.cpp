#include "ekiden/api/draft.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"
#include "ekiden/message/trace.hpp"
#include "ekiden/smtp/address.hpp"

namespace ekiden::api {
namespace {

std::string at(std::string_view list, std::size_t index) {
  return std::string(list) + "/" + std::to_string(index);
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f &&
           std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
  });
}

/// RFC 5322 §3.6.8.
bool is_field_name(std::string_view text) {
  return !text.empty() && text.size() <= 76 && std::all_of(text.begin(), text.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != ':';
  });
}

/// What a message's own fields are for, or only we may write.
bool is_reserved(std::string_view name) {
  static constexpr std::string_view kReserved[] = {"from",
                                                   "sender",
                                                   "to",
                                                   "cc",
                                                   "bcc",
                                                   "subject",
                                                   "date",
                                                   "reply-to",
                                                   "mime-version",
                                                   "received",
                                                   "return-path",
                                                   "dkim-signature",
                                                   "authentication-results",
                                                   "resent-from",
                                                   "resent-sender",
                                                   "resent-to",
                                                   "resent-cc",
                                                   "resent-bcc"};
  const std::string lower = base::lowered(name);
  return std::find(std::begin(kReserved), std::end(kReserved), lower) != std::end(kReserved) ||
         lower.starts_with("content-") || lower.starts_with("x-ekiden-") ||
         lower.starts_with("arc-");
}

Text control_character() {
  return {"a line end or another control character may not stand here",
          "改行などの制御文字は使えません"};
}

Text too_long(std::size_t octets_max) {
  const std::string max = std::to_string(octets_max);
  return {"at most " + max + " octets", max + "オクテットまでです"};
}

void check_line(const std::string& text, std::size_t octets_max, const std::string& pointer,
                Findings& findings) {
  if (!is_header_safe(text)) return findings.add(pointer, "control_character", control_character());
  if (text.size() > octets_max) findings.add(pointer, "too_long", too_long(octets_max));
}

void check_mailbox(const Mailbox& mailbox, const std::string& pointer, Findings& findings) {
  check_line(mailbox.name, kNameOctetsMax, pointer, findings);
  if (!is_header_safe(mailbox.address))
    return findings.add(pointer, "control_character", control_character());
  const Result<smtp::Address> address = smtp::parse_address(mailbox.address);
  if (!address || address->domain.empty() ||
      (!address->is_literal() && !smtp::canonical_domain(address->domain))) {
    findings.add(pointer, "bad_address",
                 {"\"" + base::printable(mailbox.address, 100) + "\" is no mail address",
                  "「" + base::printable(mailbox.address, 100) +
                      "」はメールアドレスとして正しくありません"});
  }
}

void check_list(const std::vector<Mailbox>& list, std::string_view name, Findings& findings) {
  for (std::size_t i = 0; i < list.size(); ++i) check_mailbox(list[i], at(name, i), findings);
}

void check_content_type(const std::string& type, const std::string& pointer, Findings& findings) {
  const std::string_view bare = base::trimmed(std::string_view(type).substr(0, type.find(';')));
  const std::size_t slash = bare.find('/');
  const bool is_type = slash != std::string_view::npos && is_token(bare.substr(0, slash)) &&
                       is_token(bare.substr(slash + 1)) && is_header_safe(type) &&
                       type.size() <= 200;
  if (!is_type) {
    findings.add(
        pointer, "bad_content_type",
        {"no media type such as image/png", "image/pngのようなメディアタイプではありません"});
  } else if (base::starts_with_ignoring_case(bare, "multipart/") ||
             base::starts_with_ignoring_case(bare, "message/")) {
    findings.add(pointer, "bad_content_type",
                 {"an attachment cannot be multipart/* or message/*; send it as raw mail",
                  "multipart/*とmessage/*は添付できません"});
  }
}

void check_attachment(const Attachment& attachment, const std::string& pointer,
                      Findings& findings) {
  const std::string& name = attachment.filename;
  check_line(name, kFilenameOctetsMax, pointer + "/filename", findings);
  if (name.find_first_of("/\\") != std::string::npos || name == "." || name == "..") {
    findings.add(pointer + "/filename", "path",
                 {"a file name has no path in it", "ファイル名にパスは使えません"});
  }
  if (name.empty() && attachment.content_id.empty()) {
    findings.add(pointer + "/filename", "required",
                 {"an attachment needs a file name", "添付にはファイル名が必要です"});
  }
  check_content_type(attachment.content_type, pointer + "/content_type", findings);
  const std::string& id = attachment.content_id;
  if (!is_header_safe(id) || id.find_first_of("<> ") != std::string::npos || id.size() > 200) {
    findings.add(pointer + "/content_id", "bad_content_id",
                 {"a content id is at most 200 characters without spaces and angle brackets",
                  "Content-IDは空白と山括弧を含まない200文字以内です"});
  }
}

void check_headers(const Draft& draft, Findings& findings) {
  if (draft.headers.size() > kHeadersMax) {
    const std::string max = std::to_string(kHeadersMax);
    findings.add("/headers", "too_many",
                 {"at most " + max + " headers", "ヘッダは" + max + "個までです"});
  }
  for (const auto& [name, value] : draft.headers) {
    const std::string pointer = "/headers/" + base::printable(name, 76);
    if (!is_field_name(name)) {
      findings.add(pointer, "bad_name",
                   {"a header name is 1 to 76 printable ASCII characters without a colon",
                    "ヘッダ名は76文字以内の、コロンを含まないASCII文字です"});
    } else if (is_reserved(name)) {
      findings.add(pointer, "reserved",
                   {"this header is set by its own field, or by the relay",
                    "このヘッダは専用の項目で指定するか、サーバが付けるものです"});
    }
    check_line(value, kHeaderValueOctetsMax, pointer, findings);
  }
}

void check_tags(const Draft& draft, Findings& findings) {
  if (draft.tags.size() > message::kTagsMax) {
    const std::string max = std::to_string(message::kTagsMax);
    findings.add("/tags", "too_many", {"at most " + max + " tags", "タグは" + max + "個までです"});
  }
  for (std::size_t i = 0; i < draft.tags.size(); ++i) {
    check_line(draft.tags[i], message::kTagOctetsMax, at("/tags", i), findings);
    if (base::trimmed(draft.tags[i]).empty())
      findings.add(at("/tags", i), "required", {"a tag is not empty", "タグが空です"});
  }
}

}  // namespace

void Findings::add(std::string pointer, std::string code, Text text) {
  if (fields_.size() < kFieldProblemsMax)
    fields_.push_back({base_ + pointer, std::move(code), std::move(text)});
}

bool is_header_safe(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet >= 0x20 && octet != 0x7f;
  });
}

void check_draft(const Draft& draft, base::Time now, Findings& findings) {
  check_mailbox(draft.from, "/from", findings);
  check_list(draft.to, "/to", findings);
  check_list(draft.cc, "/cc", findings);
  check_list(draft.bcc, "/bcc", findings);
  check_list(draft.reply_to, "/reply_to", findings);
  const std::size_t recipients = draft.to.size() + draft.cc.size() + draft.bcc.size();
  if (recipients == 0) {
    findings.add("/to", "required", {"a message needs a recipient", "宛先が必要です"});
  } else if (recipients > kRecipientsMax) {
    const std::string max = std::to_string(kRecipientsMax);
    findings.add("/to", "too_many",
                 {"at most " + max + " recipients in to, cc and bcc",
                  "宛先はto、cc、bccを合わせて" + max + "件までです"});
  }
  check_line(draft.subject, kSubjectOctetsMax, "/subject", findings);
  if (!draft.text && !draft.html) {
    findings.add("/text", "required", {"give text, html or both", "textかhtmlが必要です"});
  }
  if (draft.attachments.size() > kAttachmentsMax) {
    const std::string max = std::to_string(kAttachmentsMax);
    findings.add("/attachments", "too_many",
                 {"at most " + max + " attachments", "添付は" + max + "個までです"});
  }
  for (std::size_t i = 0; i < draft.attachments.size(); ++i)
    check_attachment(draft.attachments[i], at("/attachments", i), findings);
  check_headers(draft, findings);
  check_tags(draft, findings);
  if (draft.metadata.size() > message::kMetadataOctetsMax)
    findings.add("/metadata", "too_long", too_long(message::kMetadataOctetsMax));
  if (!draft.stream.empty() && !is_header_safe(draft.stream))
    findings.add("/stream", "control_character", control_character());
  if (!draft.return_path.empty()) {
    Mailbox path{draft.return_path, {}};
    check_mailbox(path, "/return_path", findings);
  }
  if (draft.send_at && *draft.send_at > now + kSendAtMax)
    findings.add("/send_at", "too_late", {"at most 30 days ahead", "30日先までです"});
}

std::optional<Mailbox> parse_mailbox(std::string_view text) {
  auto list = parse_mailbox_list(text);
  if (!list || list->size() != 1) return std::nullopt;
  return std::move(list->front());
}

std::optional<std::vector<Mailbox>> parse_mailbox_list(std::string_view text) {
  std::vector<Mailbox> list;
  while (!base::trimmed(text).empty()) {
    // One mailbox: to the next comma outside quotes and angle brackets.
    std::string name, address;
    bool is_quoted = false, is_in_brackets = false, had_brackets = false;
    std::size_t i = 0;
    for (; i < text.size(); ++i) {
      const char c = text[i];
      if (is_quoted && c == '\\' && i + 1 < text.size()) {
        name += text[++i];
      } else if (c == '"' && !is_in_brackets) {
        is_quoted = !is_quoted;
      } else if (!is_quoted && c == '<') {
        if (had_brackets) return std::nullopt;
        is_in_brackets = had_brackets = true;
      } else if (is_in_brackets && c == '>') {
        is_in_brackets = false;
      } else if (!is_quoted && !is_in_brackets && c == ',') {
        break;
      } else if (is_in_brackets) {
        address += c;
      } else {
        if (had_brackets && c != ' ' && c != '\t') return std::nullopt;
        name += c;
      }
    }
    if (is_quoted || is_in_brackets) return std::nullopt;
    text.remove_prefix(std::min(i + 1, text.size()));
    Mailbox mailbox;
    const std::string_view bare = base::trimmed(name);
    mailbox.address = had_brackets ? std::string(base::trimmed(address)) : std::string(bare);
    if (had_brackets) mailbox.name = bare;
    if (mailbox.address.find('@') == std::string::npos) return std::nullopt;
    list.push_back(std::move(mailbox));
    if (list.size() > kRecipientsMax) return std::nullopt;
  }
  if (list.empty()) return std::nullopt;
  return list;
}

}  // namespace ekiden::api
