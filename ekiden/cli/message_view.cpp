#include "ekiden/cli/message_view.hpp"

#include <boost/json/array.hpp>
#include <map>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/control/queue_commands.hpp"
#include "ekiden/events/reader.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// How events leave one recipient.
struct Standing {
  std::string recipient, state, reply;
  std::uint64_t attempts = 0;
  bool is_final = false;
};

std::string safe(const std::string& text) {
  return base::is_valid_utf8(text) ? text : base::printable(text, 4096);
}

/// What an event makes of a recipient; there is one final disposition, and nothing comes behind it.
void apply(const events::Event& event, Standing& standing) {
  using events::Kind;
  if (!event.recipient.empty()) standing.recipient = event.recipient;
  standing.attempts = std::max<std::uint64_t>(standing.attempts, event.attempt);
  if (standing.is_final) return;
  switch (event.kind) {
    case Kind::Accepted:
      if (standing.state.empty()) standing.state = "queued";
      return;
    case Kind::Held:
      standing.state = event.detail.starts_with(events::kInQuarantine) ? "quarantined" : "held";
      return;
    case Kind::Released:
      standing.is_final = events::successor_of(event).has_value();
      standing.state = standing.is_final ? "expanded" : "queued";
      if (standing.is_final) standing.reply = event.detail;
      return;
    case Kind::Deferred:
      standing.state = "waiting";
      standing.reply = event.reply;
      return;
    case Kind::Delivered:
    case Kind::Bounced:
    case Kind::Expired:
    case Kind::Suppressed:
    case Kind::Cancelled:
      standing.state = events::kind_name(event.kind);
      standing.is_final = true;
      if (!event.reply.empty()) standing.reply = event.reply;
      return;
    default:  // told, and nothing changed by it
      return;
  }
}

struct Known {
  std::optional<events::Event> accepted;
  std::map<std::uint32_t, Standing> recipients;
};

std::optional<Known> look_up(const std::string& directory, base::MessageId message) {
  events::Reader reader(directory);
  events::Query query;
  query.message = message;
  query.limit = events::Reader::kLimitMax;
  Known known;
  do {
    const auto page = reader.find(query);
    if (!page) return std::nullopt;
    for (const events::Stored& stored : page->events) {
      if (stored.event.kind == events::Kind::Accepted && !known.accepted)
        known.accepted = stored.event;
      apply(stored.event, known.recipients[stored.event.recipient_index]);
    }
    query.after = page->next;
  } while (query.after);
  if (known.recipients.empty()) return std::nullopt;
  return known;
}

}  // namespace

std::optional<json::object> message_from_events(const std::string& events_directory,
                                                base::MessageId message) {
  const std::optional<Known> known = look_up(events_directory, message);
  if (!known) return std::nullopt;
  const std::string id = base::format_message_id(message);
  json::object view{{"message", id}};
  const auto put = [&view](std::string_view key, const std::string& text) {
    if (!text.empty()) view[key] = safe(text);
  };
  std::string sender;
  if (known->accepted) {
    const events::Event& accepted = *known->accepted;
    sender = safe(accepted.sender);
    put("accepted", base::format_rfc3339(accepted.time));
    put("tenant", accepted.tenant);
    put("stream", accepted.stream);
    put("client", accepted.client_address);
    put("identity", accepted.identity);
    put("internet_message_id", accepted.internet_message_id);
    put("subject", accepted.subject);
    view["size"] = accepted.size;
  }
  view["sender"] = sender;
  json::array recipients;
  for (const auto& [index, standing] : known->recipients) {
    json::object one{
        {"message", id},    {"index", index},          {"recipient", safe(standing.recipient)},
        {"sender", sender}, {"state", standing.state}, {"attempts", standing.attempts}};
    if (!standing.reply.empty()) one["reply"] = safe(standing.reply);
    recipients.push_back(std::move(one));
  }
  view["recipients"] = std::move(recipients);
  return view;
}

void complete_from_events(const std::string& events_directory, base::MessageId message,
                          json::object& view) {
  std::optional<Known> known;
  bool is_known = false;
  for (json::value& value : view.at("recipients").as_array()) {
    json::object& row = value.as_object();
    if (text_of(row, "state") != control::kUnknownEnd) continue;
    if (!is_known) known = look_up(events_directory, message);
    is_known = true;
    if (!known) return;
    const auto found = known->recipients.find(static_cast<std::uint32_t>(number_of(row, "index")));
    if (found == known->recipients.end() || !found->second.is_final) continue;
    row["state"] = found->second.state;
    row["attempts"] = found->second.attempts;
    if (!found->second.reply.empty()) row["reply"] = safe(found->second.reply);
  }
}

}  // namespace ekiden::cli
