#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/time.hpp"

namespace ekiden::account {

/// Webhooks of all tenants together. All of them are in memory, and each reads the event store.
inline constexpr std::size_t kWebhooksMax = 1000;
/// Orders of one webhook that are open at once; also how many that are done stay to be asked for.
inline constexpr std::size_t kWebhookOrdersMax = 16;

/// What is posted (docs/WEBHOOKS.md).
enum class WebhookFormat : std::uint8_t {
  Standard,  ///< Standard Webhooks 1.0.0
  SendGrid,
  Blastengine,
  Slack,
  Teams,
  Chatwork,
  LineWorks,
};
/// "standard", "sendgrid", "blastengine", "slack", "teams", "chatwork", "lineworks".
std::string_view webhook_format_name(WebhookFormat format);
std::optional<WebhookFormat> parse_webhook_format(std::string_view name);

enum class WebhookState : std::uint8_t {
  Active,
  Paused,    ///< by an operator
  Disabled,  ///< by itself: nobody took anything for a day, or the endpoint said that it is gone
};
/// "active", "paused", "disabled".
std::string_view webhook_state_name(WebhookState state);
std::optional<WebhookState> parse_webhook_state(std::string_view name);

enum class WebhookOrderKind : std::uint8_t {
  Test,    ///< post one made-up event, once
  Replay,  ///< post the events of a range again
  Skip,    ///< leave out what waits
};
std::string_view webhook_order_name(WebhookOrderKind kind);

/// What an operator asks of a webhook; the running node does it.
struct WebhookOrder {
  std::int64_t id = 0;
  std::int64_t webhook = 0;
  WebhookOrderKind kind = WebhookOrderKind::Test;
  base::Time from{}, until{};  ///< of Replay: [from, until)
  base::Time created{};
  base::Time done{};  ///< the epoch: open
  bool is_done_well = false;
  std::string outcome;  ///< in words, once done

  friend bool operator==(const WebhookOrder&, const WebhookOrder&) = default;
};

/// Where a tenant's events are posted to, as the control store keeps it.
struct Webhook {
  std::int64_t id = 0;
  std::string tenant;
  std::string origin;      ///< "https://hooks.example.jp", for people
  std::string sealed_url;  ///< whole; the path of some is a secret
  WebhookFormat format = WebhookFormat::Standard;
  std::vector<std::string> kinds;    ///< of events; empty: all
  std::vector<std::string> streams;  ///< empty: all
  std::uint32_t batch_max = 100;     ///< events in one post
  std::string sealed_secret;
  std::string sealed_previous;  ///< the secret before it; empty: none
  base::Time previous_until{};  ///< how long that one is valid
  WebhookState state = WebhookState::Active;
  std::string reason;  ///< of the state, in words
  base::Time created{}, changed{};
  std::vector<WebhookOrder> orders;  ///< open ones, oldest first

  friend bool operator==(const Webhook&, const Webhook&) = default;
};

/// The purposes under which URLs and secrets are sealed.
inline constexpr std::string_view kWebhookUrlPurpose = "webhook url";
inline constexpr std::string_view kWebhookSecretPurpose = "webhook secret";

}  // namespace ekiden::account
