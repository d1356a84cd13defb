#include "ekiden/webhook/shapes.hpp"

#include "ekiden/account/domain_key.hpp"
#include "ekiden/account/shapes.hpp"
#include "ekiden/webhook/signature.hpp"

namespace ekiden::webhook {

namespace json = boost::json;
using account::time_or_null;

json::object to_json(const Attempt& attempt) {
  return {{"id", attempt.id},
          {"time", base::format_rfc3339(attempt.time)},
          {"kind", attempt.kind},
          {"batch", attempt.batch_id},
          {"first_event", attempt.first_event},
          {"events", attempt.events},
          {"attempt", attempt.number},
          {"status", attempt.status},
          {"is_taken", attempt.is_success},
          {"duration_us", attempt.duration.count()},
          {"outcome", attempt.outcome}};
}

json::object describe(const account::Webhook& webhook, const Progress& progress,
                      const account::HashKey& node_key) {
  json::object object = account::to_json(webhook);
  const auto url = account::unseal(node_key, account::kWebhookUrlPurpose, webhook.sealed_url);
  const auto secret =
      account::unseal(node_key, account::kWebhookSecretPurpose, webhook.sealed_secret);
  object["url"] = url ? json::value(json::string(url->view())) : json::value(nullptr);
  if (webhook.format == account::WebhookFormat::SendGrid && secret)
    object["public_key"] = sendgrid_public_key(secret->view()).value_or("");
  const bool is_failing = progress.failures != 0;
  object["previous_secret_until"] =
      webhook.sealed_previous.empty() ? json::value(nullptr) : time_or_null(webhook.previous_until);
  object["delivered"] = progress.delivered;
  object["last_success"] = time_or_null(progress.last_success);
  object["failures"] = progress.failures;
  object["failing_since"] =
      is_failing ? time_or_null(progress.failing_since) : json::value(nullptr);
  object["next_attempt"] = is_failing ? time_or_null(progress.next) : json::value(nullptr);
  object["cursor"] = events::format_cursor(progress.cursor);
  return object;
}

}  // namespace ekiden::webhook
