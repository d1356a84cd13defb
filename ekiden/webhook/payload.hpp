#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ekiden/account/webhook.hpp"
#include "ekiden/events/event.hpp"

namespace ekiden::webhook {

/// What is posted: the same events give the same octets.
struct Payload {
  std::string content_type;
  std::string body;
};

/// Whether the format has a word for events of this kind; others are passed over.
bool has_word_for(account::WebhookFormat format, events::Kind kind);
/// How many events may stand in one post of the format.
std::size_t batch_max_of(account::WebhookFormat format);
bool is_chat(account::WebhookFormat format);

/// `events` are of kinds that the format has words for, and there is one at least. With
/// `batch_max` 1, Standard posts the event itself instead of a list.
Payload compose(account::WebhookFormat format, const std::vector<const events::Event*>& events,
                std::uint32_t batch_max);

/// Whether the recipient itself is at fault, for good: a hard bounce.
bool is_hard(const events::Event& event);
/// The reply as one line that begins with its code: "550 5.1.1 no such user".
std::string reply_line(const events::Event& event);

// The formats, one file each.
Payload compose_standard(const std::vector<const events::Event*>& events, std::uint32_t batch_max);
Payload compose_sendgrid(const std::vector<const events::Event*>& events);
Payload compose_blastengine(const std::vector<const events::Event*>& events);
Payload compose_chat(account::WebhookFormat format,
                     const std::vector<const events::Event*>& events);

/// What SendGrid calls an event of a kind that its format has a word for: "processed", ….
std::string_view sendgrid_event(events::Kind kind);
/// What SendGrid calls a bounce for this reason (docs/SHAPING.md): "Invalid Address", ….
std::string_view sendgrid_classification(std::string_view reason);

/// "2024-01-01T09:00:00+09:00", as blastengine tells times.
std::string japan_time(base::Time time);
/// What blastengine's clients call a message: a number made of its id.
std::int64_t delivery_id(base::MessageId id);
/// The same of an event's: what its metadata says, where it is of a bulk delivery.
std::int64_t delivery_id(const events::Event& event);
/// When such a message was taken, to the millisecond.
base::Time delivery_time(std::int64_t delivery_id);

/// JSON is UTF-8; what a peer sent need not be.
std::string json_text(std::string_view text);

}  // namespace ekiden::webhook
