// blastengine's webhook: {"events":[{"event":{"type","datetime","detail"}}]}, times in Japan's.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/webhook/payload.hpp"

namespace ekiden::webhook {

namespace json = boost::json;
using events::Kind;

namespace {

std::string_view type_of(const events::Event& event) {
  if (event.kind == Kind::Suppressed) return "DROP";
  return is_hard(event) ? "HARDERROR" : "SOFTERROR";
}

}  // namespace

std::string japan_time(base::Time time) {
  const std::string text = base::format_rfc3339(time + std::chrono::hours(9));
  return text.substr(0, 19) + "+09:00";
}

Payload compose_blastengine(const std::vector<const events::Event*>& events) {
  json::array all;
  for (const events::Event* event : events) {
    json::object detail{
        {"mailaddress", json_text(event->recipient)},
        {"subject", json_text(event->subject)},
        {"error_code",
         event->reply_code == 0 ? "" : std::to_string(event->reply_code) + "(errors)"},
        {"error_message", json_text(reply_line(*event))},
        // Deliveries have numbers only where mail comes over blastengine's own API.
        {"delivery_id", 0},
        {"insert_codes", json::array{}},
        {"message_id", base::format_message_id(event->message)},
        {"event_id", event->id},
    };
    json::object one{{"type", type_of(*event)},
                     {"datetime", japan_time(event->time)},
                     {"detail", std::move(detail)}};
    all.push_back(json::object{{"event", std::move(one)}});
  }
  return {"application/json", json::serialize(json::object{{"events", std::move(all)}})};
}

}  // namespace ekiden::webhook
