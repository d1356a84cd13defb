// Standard Webhooks 1.0.0: {"type", "timestamp", "data"}.
#include "ekiden/webhook/payload.hpp"

namespace ekiden::webhook {

Payload compose_standard(const std::vector<const events::Event*>& events, std::uint32_t batch_max) {
  // The latest event's time: one that a retry does not change.
  base::Time time{};
  for (const events::Event* event : events) time = std::max(time, event->time);
  std::string body = R"({"type":"mail.)";
  const bool is_list = batch_max > 1;
  body += is_list ? "events" : events::kind_name(events.front()->kind);
  body += R"(","timestamp":")" + base::format_rfc3339(time) + R"(","data":)";
  if (is_list) body += R"({"events":[)";
  for (std::size_t i = 0; i < (is_list ? events.size() : 1); ++i) {
    if (i > 0) body += ',';
    body += events::format_event_json(*events[i]);
  }
  body += is_list ? "]}}" : "}";
  return {"application/json", std::move(body)};
}

}  // namespace ekiden::webhook
