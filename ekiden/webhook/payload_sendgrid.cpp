// SendGrid's Event Webhook: a JSON array, names and fields as its receivers know them.
#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/account/unsubscribe_group.hpp"
#include "ekiden/events/metadata.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::webhook {

namespace json = boost::json;
using events::Kind;

std::string_view sendgrid_event(Kind kind) {
  switch (kind) {
    case Kind::Accepted:
      return "processed";
    case Kind::Delivered:
      return "delivered";
    case Kind::Deferred:
      return "deferred";
    case Kind::Suppressed:
      return "dropped";
    case Kind::Complained:
      return "spamreport";
    case Kind::Opened:
      return "open";
    case Kind::Clicked:
      return "click";
    case Kind::Unsubscribed:
      return "unsubscribe";
    default:
      return "bounce";
  }
}

namespace {

json::object object_of(const events::Event& event) {
  const std::optional<std::int64_t> group = account::unsubscribe_group_of(event.stream);
  const bool has_left_group = group && event.kind == Kind::Unsubscribed;
  json::object object{
      {"email", json_text(event.recipient)},
      {"timestamp", base::to_unix_us(event.time) / 1'000'000},
      {"event", has_left_group ? "group_unsubscribe" : sendgrid_event(event.kind)},
      {"sg_event_id", event.id},
      {"sg_message_id",
       base::format_message_id(event.message) + "." + std::to_string(event.recipient_index)},
  };
  if (group) object["asm_group_id"] = *group;
  if (!event.internet_message_id.empty()) object["smtp-id"] = json_text(event.internet_message_id);
  if (event.tags.size() == 1) object["category"] = json_text(event.tags.front());
  if (event.tags.size() > 1) {
    json::array tags;
    for (const std::string& tag : event.tags) tags.emplace_back(json_text(tag));
    object["category"] = std::move(tags);
  }
  switch (event.kind) {
    case Kind::Deferred:
      object["response"] = json_text(reply_line(event));
      object["attempt"] = std::to_string(event.attempt);
      break;
    case Kind::Delivered:
      object["response"] = json_text(reply_line(event));
      if (!event.remote_address.empty()) object["ip"] = event.remote_address;
      object["tls"] = event.tls_version.empty() ? 0 : 1;
      break;
    case Kind::Bounced:
    case Kind::Returned:
    case Kind::Expired:
      object["reason"] = json_text(reply_line(event));
      object["type"] = is_hard(event) ? "bounce" : "blocked";
      if (!event.enhanced_code.empty()) object["status"] = event.enhanced_code;
      object["bounce_classification"] = sendgrid_classification(event.reason);
      break;
    case Kind::Suppressed:
      object["reason"] = event.reason == "complaint"     ? "Spam Reporting Address"
                         : event.reason == "unsubscribe" ? "Unsubscribed Address"
                                                         : "Bounced Address";
      if (!event.enhanced_code.empty()) object["status"] = event.enhanced_code;
      break;
    case Kind::Opened:
    case Kind::Clicked:
      if (!event.client_address.empty()) object["ip"] = event.client_address;
      break;
    default:
      break;
  }
  // custom_args stand beside our own fields, which nobody's argument replaces.
  if (const std::optional<json::object> arguments = events::metadata_of(event))
    for (const auto& [name, value] : *arguments) object.emplace(name, value);
  return object;
}

/// Its words, and the reasons that we have for each.
struct Classification {
  std::string_view name;
  std::array<std::string_view, 6> reasons;
};
constexpr Classification kClassifications[] = {
    {"Invalid Address", {"user_unknown", "moved", "not_accepting"}},
    {"Mailbox Unavailable", {"mailbox_full", "mailbox_disabled", "filtered", "on_hold"}},
    {"Reputation", {"reputation_ip", "reputation_domain", "access_denied", "sender_rejected"}},
    {"Content", {"spam_content", "virus", "content", "policy", "too_large"}},
    {"Frequency or Volume Too High", {"rate_limited", "greylisted"}},
    {"Technical Failure",
     {"dns", "authentication", "reverse_dns", "relay_denied", "tls_required", "syntax"}},
    {"Technical Failure", {"system", "system_full", "network"}},
};

}  // namespace

std::string_view sendgrid_classification(std::string_view reason) {
  for (const Classification& one : kClassifications)
    if (!reason.empty() &&
        std::find(one.reasons.begin(), one.reasons.end(), reason) != one.reasons.end())
      return one.name;
  return "Unclassified";
}

Payload compose_sendgrid(const std::vector<const events::Event*>& events) {
  json::array all;
  for (const events::Event* event : events) all.push_back(object_of(*event));
  return {"application/json; charset=utf-8", json::serialize(all)};
}

}  // namespace ekiden::webhook
