// blastengine's webhook: {"events":[{"event":{"type","datetime","detail"}}]}, times in Japan's.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/events/metadata.hpp"
#include "ekiden/webhook/payload.hpp"

namespace ekiden::webhook {

namespace json = boost::json;
using events::Kind;

namespace {

std::string_view type_of(const events::Event& event) {
  if (event.kind == Kind::Suppressed) return "DROP";
  return is_hard(event) ? "HARDERROR" : "SOFTERROR";
}

/// {"insert_codes": [{"key", "value"}]} of the metadata, where the mail came by blastengine's API.
json::array insert_codes_of(const events::Event& event) {
  const std::optional<json::object> metadata = events::metadata_of(event);
  const json::value* codes = metadata ? metadata->if_contains("insert_codes") : nullptr;
  return codes != nullptr && codes->is_array() ? codes->get_array() : json::array();
}

constexpr std::uint64_t k2020Ms = 1'577'836'800'000;

}  // namespace

base::Time delivery_time(std::int64_t delivery_id) {
  const auto ms = (static_cast<std::uint64_t>(delivery_id) >> 12) + k2020Ms;
  return base::from_unix_us(static_cast<std::int64_t>(ms) * 1000);
}

std::int64_t delivery_id(base::MessageId id) {
  // 41 bits of milliseconds since 2020 and 12 bits of counter: 53, which JavaScript still counts.
  const std::uint64_t ms = (id.high >> 16) - k2020Ms;
  return static_cast<std::int64_t>(((ms & ((1ULL << 41) - 1)) << 12) | (id.low & 0xfff));
}

std::int64_t delivery_id(const events::Event& event) {
  const std::optional<json::object> metadata = events::metadata_of(event);
  const json::value* number = metadata ? metadata->if_contains("delivery_id") : nullptr;
  return number != nullptr && number->is_int64() && number->get_int64() > 0
             ? number->get_int64()
             : delivery_id(event.message);
}

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
        {"delivery_id", delivery_id(*event)},
        {"insert_codes", insert_codes_of(*event)},
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
