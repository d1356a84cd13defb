#include "ekiden/webhook/payload.hpp"

#include "ekiden/base/assert.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::webhook {

using account::WebhookFormat;
using events::Kind;

namespace {

constexpr std::size_t kBatchMax = 1000;
/// People read it.
constexpr std::size_t kChatBatchMax = 10;
/// LINE WORKS takes a short text.
constexpr std::size_t kLineWorksBatchMax = 3;

}  // namespace

bool is_chat(WebhookFormat format) {
  return format != WebhookFormat::Standard && format != WebhookFormat::SendGrid &&
         format != WebhookFormat::Blastengine;
}

std::size_t batch_max_of(WebhookFormat format) {
  if (format == WebhookFormat::LineWorks) return kLineWorksBatchMax;
  return is_chat(format) ? kChatBatchMax : kBatchMax;
}

bool has_word_for(WebhookFormat format, Kind kind) {
  switch (format) {
    case WebhookFormat::SendGrid:
      return kind == Kind::Accepted || kind == Kind::Delivered || kind == Kind::Deferred ||
             kind == Kind::Bounced || kind == Kind::Expired || kind == Kind::Suppressed ||
             kind == Kind::Returned || kind == Kind::Complained || kind == Kind::Opened ||
             kind == Kind::Clicked || kind == Kind::Unsubscribed;
    case WebhookFormat::Blastengine:
      return kind == Kind::Bounced || kind == Kind::Expired || kind == Kind::Suppressed ||
             kind == Kind::Returned;
    default:
      return true;
  }
}

bool is_hard(const events::Event& event) {
  if (event.kind != Kind::Bounced && event.kind != Kind::Returned) return false;
  if (!event.fault.empty()) return event.fault == "recipient";
  // RFC 3463 §3.2, §3.3: the address is wrong, or its mailbox is closed.
  const std::string& code = event.enhanced_code;
  if (!code.empty()) return code.starts_with("5.1.") || code == "5.2.1";
  return event.reply_code == 550 || event.reply_code == 551 || event.reply_code == 553;
}

std::string reply_line(const events::Event& event) {
  if (event.reply_code == 0) return event.detail.empty() ? event.reply : event.detail;
  std::string line = std::to_string(event.reply_code);
  if (event.reply.starts_with(line)) return event.reply;  // whole, as a peer's reply is kept
  if (!event.enhanced_code.empty()) line += " " + event.enhanced_code;
  if (!event.reply.empty()) line += " " + event.reply;
  return line;
}

std::string json_text(std::string_view text) {
  return base::is_valid_utf8(text) ? std::string(text) : base::printable(text, text.size() * 4);
}

Payload compose(WebhookFormat format, const std::vector<const events::Event*>& events,
                std::uint32_t batch_max) {
  EKIDEN_ASSERT(!events.empty(), "nothing is no post");
  switch (format) {
    case WebhookFormat::Standard:
      return compose_standard(events, batch_max);
    case WebhookFormat::SendGrid:
      return compose_sendgrid(events);
    case WebhookFormat::Blastengine:
      return compose_blastengine(events);
    default:
      return compose_chat(format, events);
  }
}

}  // namespace ekiden::webhook
