// SendGrid's Event Webhook: a JSON array, names and fields as its receivers know them.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/webhook/payload.hpp"

namespace ekiden::webhook {

namespace json = boost::json;
using events::Kind;

namespace {

std::string_view name_of(Kind kind) {
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

json::object object_of(const events::Event& event) {
  json::object object{
      {"email", json_text(event.recipient)},
      {"timestamp", base::to_unix_us(event.time) / 1'000'000},
      {"event", name_of(event.kind)},
      {"sg_event_id", event.id},
      {"sg_message_id", base::format_message_id(event.message)},
  };
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
      if (!event.reason.empty()) object["bounce_classification"] = json_text(event.reason);
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
  return object;
}

}  // namespace

Payload compose_sendgrid(const std::vector<const events::Event*>& events) {
  json::array all;
  for (const events::Event* event : events) all.push_back(object_of(*event));
  return {"application/json; charset=utf-8", json::serialize(all)};
}

}  // namespace ekiden::webhook
