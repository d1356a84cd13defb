#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ekiden/base/ids.hpp"
#include "ekiden/base/result.hpp"
#include "ekiden/base/time.hpp"

namespace ekiden::events {

enum class Kind : std::uint8_t {
  Accepted,
  Rejected,
  Held,
  Released,
  Warned,
  Delivered,
  Deferred,
  Bounced,
  Expired,
  Suppressed,
  Cancelled,
  Returned,
  Complained,
  Opened,
  Clicked,
  Unsubscribed
};
std::string_view kind_name(Kind kind);  ///< "accepted", …
std::optional<Kind> parse_kind(std::string_view name);

/// The recipient_index of what is about the record of a batch or a job: statistics leave it out,
/// since its recipients count for themselves.
inline constexpr std::uint32_t kNoRecipient = UINT32_MAX;

/// One thing that happened to one recipient of one message. Numbers and texts that do not apply
/// stay zero and empty and are not stored.
struct Event {
  std::string id;  ///< deterministic: the same happening replayed has the same id
  base::Time time{};
  Kind kind = Kind::Accepted;
  base::MessageId message;
  std::uint32_t recipient_index = 0;
  std::string recipient;  ///< address; empty for events of the whole message
  std::string sender;     ///< reverse-path
  std::string header_from;
  std::string subject;
  std::string tenant, stream;
  std::vector<std::string> tags;
  std::string metadata;  ///< a JSON object, as its sender gave it, or empty
  std::string route, source;
  std::string provider;  ///< whose limits held for the attempt: a name of the shaping rules
  std::string remote_host, remote_address;
  std::string tls_version, tls_cipher, tls_verification;
  std::uint16_t reply_code = 0;
  std::string enhanced_code;  ///< "5.1.1"
  std::string reply;          ///< text
  std::string phase;          ///< connect greeting ehlo starttls auth mail rcpt data eod
  std::string reason, fault;  ///< classification: why, and whose fault
  std::uint16_t attempt = 0;
  std::uint64_t queued_us = 0;   ///< since 250
  std::uint64_t attempt_us = 0;  ///< of this attempt
  std::uint64_t size = 0;
  std::string client_address, identity;
  std::string internet_message_id;  ///< the Message-ID header
  bool may_be_duplicate = false;    ///< the connection was lost after the final dot
  std::string detail;               ///< anything a reader should know, in words
  /// What was said in the attempt, a line each: "C: MAIL FROM:<…>", "S: 250 2.1.0 Ok". No
  /// passwords, no message. The store keeps it apart, for `retention.transcripts`.
  std::string transcript;

  friend bool operator==(const Event&, const Event&) = default;
};

/// "<message>-<recipient>-<kind>-<attempt>", in short form.
std::string event_id(base::MessageId message, std::uint32_t recipient, Kind kind,
                     std::uint32_t attempt);

/// How the detail of a Held event begins when the message is in quarantine, not held by an
/// operator.
inline constexpr std::string_view kInQuarantine = "in quarantine, because ";
/// The detail of a Released event whose recipient goes on as one of another message: "rerouted to
/// x, as message <id>".
std::string goes_on_as(std::string_view why, base::MessageId as);
/// Which message that is; nothing for other events.
std::optional<base::MessageId> successor_of(const Event& event);

/// The stored form, versioned; what the spool carries and never reads. An empty id stands for
/// event_id() of the event's numbers; of the tags the first 64 are kept.
std::string encode_event(const Event& event);
/// Errors: events::Errc::Malformed, for anything that encode_event does not write.
Result<Event> decode_event(std::string_view octets);

/// One JSON object, fields that do not apply left out.
std::string format_event_json(const Event& event);

}  // namespace ekiden::events
