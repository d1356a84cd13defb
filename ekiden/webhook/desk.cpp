#include "ekiden/webhook/desk.hpp"

#include <algorithm>

#include "ekiden/account/domain_key.hpp"
#include "ekiden/webhook/payload.hpp"
#include "ekiden/webhook/signature.hpp"

namespace ekiden::webhook {
namespace {

using account::Webhook;
using account::WebhookFormat;

bool has(const std::vector<std::string>& names, std::string_view name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

bool is_wanted(const Webhook& webhook, events::Kind kind, std::string_view stream) {
  return has_word_for(webhook.format, kind) && has(webhook.kinds, events::kind_name(kind)) &&
         has(webhook.streams, stream);
}

/// Of a kind that the webhook takes, so that it means something in every format.
events::Event made_up_event(const Wanted& wanted) {
  const Webhook& webhook = *wanted.webhook;
  events::Event event;
  event.kind = events::Kind::Delivered;
  for (int i = static_cast<int>(events::Kind::Unsubscribed); i >= 0; --i) {
    const auto kind = static_cast<events::Kind>(i);
    const bool fits =
        has_word_for(webhook.format, kind) && has(webhook.kinds, events::kind_name(kind));
    const bool is_usual = kind == events::Kind::Delivered || kind == events::Kind::Bounced;
    if (fits && (is_usual || !webhook.kinds.empty())) event.kind = kind;
    if (fits && kind == events::Kind::Delivered) break;
  }
  event.id = "test-" + std::to_string(wanted.order);
  event.time = wanted.now;
  event.tenant = webhook.tenant;
  event.stream = webhook.streams.empty() ? "transactional" : webhook.streams.front();
  event.recipient = "user@example.com";
  event.sender = "sender@example.com";
  event.subject = "A test of this webhook";
  event.detail = "a test, no mail was sent";
  return event;
}

}  // namespace

Result<events::Cursor> Desk::end() {
  const std::lock_guard lock(mutex_);
  return reader_.end();
}

Batch Desk::prepare(const Wanted& wanted) {
  const std::lock_guard lock(mutex_);
  const Webhook& webhook = *wanted.webhook;
  Batch batch;
  events::Followed followed;
  batch.after = wanted.cursor;
  if (wanted.is_test) {
    followed.events.push_back({{}, made_up_event(wanted)});
  } else {
    events::Following following;
    following.tenant = webhook.tenant;
    following.from = wanted.from;
    following.until = wanted.until;
    following.end = wanted.end;
    following.events_max = std::min<std::size_t>(webhook.batch_max, batch_max_of(webhook.format));
    following.wants = [&webhook](const events::KeyView& keys) {
      return is_wanted(webhook, keys.kind, keys.stream);
    };
    Result<events::Followed> read = reader_.follow(batch.after, following);
    if (!read) {
      batch.problem = "the event store: " + read.error().message();
      return batch;
    }
    followed = std::move(*read);
  }
  batch.has_more = followed.has_more;
  batch.events = followed.events.size();
  if (batch.events == 0) return batch;

  std::vector<const events::Event*> events;
  std::vector<std::string_view> ids;
  for (const events::Stored& stored : followed.events) {
    events.push_back(&stored.event);
    ids.push_back(stored.event.id);
  }
  batch.id = batch_id(ids);
  batch.first_event = ids.front();
  Payload payload = compose(webhook.format, events, webhook.batch_max);
  batch.body = std::move(payload.body);
  batch.headers.emplace_back("Content-Type", std::move(payload.content_type));
  const auto url = account::unseal(node_key_, account::kWebhookUrlPurpose, webhook.sealed_url);
  const auto target = url ? parse_target(url->view(), batch.problem) : std::nullopt;
  if (!target) {
    if (batch.problem.empty()) batch.problem = "the URL was sealed with another secret.key";
    return batch;
  }
  batch.target = *target;
  if (!target->authorization.empty())
    batch.headers.emplace_back("Authorization", target->authorization);
  if (!sign(wanted, batch)) batch.problem = "the secret was sealed with another secret.key";
  return batch;
}

bool Desk::sign(const Wanted& wanted, Batch& batch) {
  const Webhook& webhook = *wanted.webhook;
  if (webhook.sealed_secret.empty()) return true;
  const auto open = [this](const std::string& sealed) {
    return account::unseal(node_key_, account::kWebhookSecretPurpose, sealed);
  };
  const auto secret = open(webhook.sealed_secret);
  if (!secret) return false;
  std::optional<account::Secret> previous;
  if (!webhook.sealed_previous.empty() && wanted.now < webhook.previous_until) {
    previous = open(webhook.sealed_previous);
  }
  const std::int64_t now_s = base::to_unix_us(wanted.now) / 1'000'000;
  const std::string timestamp = std::to_string(now_s);
  if (webhook.format == WebhookFormat::Chatwork) {
    batch.headers.emplace_back("X-ChatWorkToken", secret->view());
    return true;
  }
  if (webhook.format == WebhookFormat::SendGrid) {
    // There is room for one signature: the old key's, as long as receivers may have only that.
    const auto signature =
        sign_sendgrid(previous ? previous->view() : secret->view(), timestamp, batch.body);
    if (!signature) return false;
    batch.headers.emplace_back("X-Twilio-Email-Event-Webhook-Signature", *signature);
    batch.headers.emplace_back("X-Twilio-Email-Event-Webhook-Timestamp", timestamp);
    return true;
  }
  auto signature = sign_standard(secret->view(), batch.id, now_s, batch.body);
  if (!signature) return false;
  if (previous) {
    if (const auto second = sign_standard(previous->view(), batch.id, now_s, batch.body)) {
      *signature += " " + *second;
    }
  }
  batch.headers.emplace_back("webhook-id", batch.id);
  batch.headers.emplace_back("webhook-timestamp", timestamp);
  batch.headers.emplace_back("webhook-signature", *signature);
  return true;
}

}  // namespace ekiden::webhook
