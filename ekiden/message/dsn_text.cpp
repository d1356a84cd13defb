#include "ekiden/message/dsn_text.hpp"

#include <algorithm>

#include "ekiden/base/text.hpp"

namespace ekiden::message {
namespace {

// A reply stands on one line, of at most 998 octets (RFC 5322 §2.1.1).
constexpr std::size_t kReplyOctetsShown = 900;

/// One thing said in both languages.
struct Sentence {
  std::string_view english;
  std::string_view japanese;
};

enum class Language { English, Japanese };

std::string_view in(Language language, const Sentence& sentence) {
  return language == Language::English ? sentence.english : sentence.japanese;
}

Sentence what_happened(DsnKind kind) {
  switch (kind) {
    case DsnKind::Failed:
      return {
          "Your message could not be delivered to the recipients below.\r\n"
          "It will not be tried again.\r\n",
          "お送りになったメールは、以下の宛先に配信できませんでした。\r\n"
          "再送は行われません。\r\n"};
    case DsnKind::Delayed:
      return {
          "Your message has not been delivered to the recipients below yet.\r\n"
          "You do not need to send it again: delivery is still being tried.\r\n",
          "お送りになったメールは、以下の宛先にまだ配信されていません。\r\n"
          "配信は引き続き試みられますので、再送の必要はありません。\r\n"};
    case DsnKind::Relayed:
      return {
          "Your message was handed to the mail system of the recipients below.\r\n"
          "That system does not report deliveries, so no further report will follow.\r\n",
          "お送りになったメールは、以下の宛先のメールシステムに引き渡されました。\r\n"
          "相手側は配信確認に対応していないため、これ以降の通知はありません。\r\n"};
    case DsnKind::Delivered:
      return {"Your message was delivered to the recipients below.\r\n",
              "お送りになったメールは、以下の宛先に配信されました。\r\n"};
    case DsnKind::Expanded:
      return {
          "Your message was delivered to the lists below and passed on to their members.\r\n"
          "No further report will follow.\r\n",
          "お送りになったメールは、以下のメーリングリストに配信され、参加者に転送されました。\r\n"
          "これ以降の通知はありません。\r\n"};
  }
  return {};
}

/// What the sender can do, by RFC 3463's subject and detail.
Sentence what_to_do(smtp::EnhancedCode status) {
  const unsigned code = status.subject * 100u + status.detail;
  switch (code) {
    case 101:
    case 102:
    case 103:
    case 106:
    case 110:
      return {"Check the address for typing errors, then send the message again.",
              "宛先のアドレスに誤りがないかご確認のうえ、もう一度お送りください。"};
    case 202:
      return {"The mailbox is full. Try again later, or reach the recipient in another way.",
              "受信者のメールボックスが一杯です。時間をおいて再度お送りいただくか、"
              "別の方法でご連絡ください。"};
    case 201:
      return {"The mailbox is disabled. Reach the recipient in another way.",
              "受信者のメールボックスは利用できない状態です。別の方法でご連絡ください。"};
    case 203:
    case 304:
      return {"The message is too large. Send it again with smaller or without attachments.",
              "メールのサイズが大きすぎます。添付ファイルを減らして再度お送りください。"};
    default:
      break;
  }
  switch (status.subject) {
    case 4:
      return {
          "The recipient's mail system could not be reached. Check the part of the address\r\n"
          "    after the '@', and try again later.",
          "受信側のメールシステムに接続できませんでした。アドレスの「@」より後ろを"
          "ご確認のうえ、\r\n    時間をおいて再度お送りください。"};
    case 6:
      return {
          "The recipient's mail system cannot take this form of message. Send it as plain text.",
          "受信側がこの形式のメールを受け取れません。テキスト形式で再度お送りください。"};
    case 7:
      return {
          "The recipient's mail system refuses this message by its rules. Show this report to\r\n"
          "    your mail administrator.",
          "受信側の規則により拒否されました。この通知をメール管理者にお見せください。"};
    default:
      return {"If the reply does not explain it, show this report to your mail administrator.",
              "原因が不明な場合は、この通知をメール管理者にお見せください。"};
  }
}

void append_recipient(std::string& out, const DsnRecipient& recipient, DsnKind kind,
                      Language language) {
  out += "\r\n  <" + base::printable(recipient.address, 320) + ">\r\n";
  if (kind != DsnKind::Failed && kind != DsnKind::Delayed) return;
  if (recipient.reply.code != 0) {
    std::string who = base::printable(recipient.remote_host, 255);
    if (!recipient.remote_address.empty()) {
      who += (who.empty() ? "[" : " [") + base::printable(recipient.remote_address, 64) + "]";
    }
    if (recipient.is_local || who.empty()) {
      out += language == Language::English ? "    The reason:\r\n" : "    理由：\r\n";
    } else if (language == Language::English) {
      out += "    " + who + " answered:\r\n";
    } else {
      out += "    " + who + " の応答：\r\n";
    }
    out += "      " + base::printable(recipient.reply.text(), kReplyOctetsShown) + "\r\n";
  }
  if (kind == DsnKind::Failed) {
    out += "    ";
    out += in(language, what_to_do(dsn_status(recipient, kind)));
    out += "\r\n";
  }
}

void append_section(std::string& out, const DsnRequest& request, Language language) {
  const bool is_english = language == Language::English;
  const std::string host = base::printable(request.host, 255);
  if (is_english) {
    out += "This is the mail system at " + host + ".\r\n\r\n";
  } else {
    out += host + " のメールシステムからのお知らせです。\r\n\r\n";
  }
  out += in(language, what_happened(request.kind));
  const std::string subject = base::printable(request.meta->details.subject, 200);
  const bool is_readable = subject.find("=?") == std::string::npos;
  out += is_english ? "\r\n  Sent:    " : "\r\n  受付日時: ";
  out += base::format_rfc5322(request.meta->details.received) + "\r\n";
  if (!subject.empty() && is_readable) {
    out += (is_english ? "  Subject: " : "  件名:     ") + subject + "\r\n";
  }
  const std::size_t shown = std::min(request.recipients.size(), kDsnRecipientsMax);
  for (std::size_t i = 0; i < shown; ++i) {
    append_recipient(out, request.recipients[i], request.kind, language);
  }
  if (const std::size_t more = request.recipients.size() - shown; more > 0) {
    out += is_english ? "\r\n  and " + std::to_string(more) + " more recipients\r\n"
                      : "\r\n  ほか " + std::to_string(more) + " 件\r\n";
  }
  if (request.kind == DsnKind::Delayed && request.will_retry_until != base::Time{}) {
    const std::string until = base::format_rfc5322(request.will_retry_until);
    out += is_english ? "\r\nDelivery will be tried until " + until + ".\r\n"
                      : "\r\n" + until + " まで再送を試みます。\r\n";
  }
}

}  // namespace

smtp::EnhancedCode dsn_status(const DsnRecipient& recipient, DsnKind kind) {
  if (recipient.status) return recipient.status;
  const std::uint8_t klass = kind == DsnKind::Failed ? 5 : kind == DsnKind::Delayed ? 4 : 2;
  smtp::EnhancedCode code = recipient.reply.enhanced;
  if (!code) return {klass, 0, 0};
  // RFC 3464 §2.3.4: a failure may carry the transient code of the last attempt, but never a
  // success, and what succeeded is class 2.
  const bool is_failure_code = code.klass == 4 || code.klass == 5;
  if (is_failure_code != (klass != 2) || (kind == DsnKind::Delayed && code.klass == 5)) {
    code.klass = klass;
  }
  return code;
}

std::string format_dsn_text(const DsnRequest& request) {
  std::string out;
  append_section(out, request, Language::English);
  out += "\r\n------------------------------------------------------------\r\n\r\n";
  append_section(out, request, Language::Japanese);
  return out;
}

}  // namespace ekiden::message
