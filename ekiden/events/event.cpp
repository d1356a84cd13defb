#include "ekiden/events/event.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <limits>

#include "ekiden/base/bytes.hpp"
#include "ekiden/base/text.hpp"
#include "ekiden/events/codec.hpp"
#include "ekiden/events/error.hpp"
#include "ekiden/events/metadata.hpp"

// The stored form, integers little-endian:
//
//   octet 0    version, 1
//   octet 1    kind
//   octets 2…  time, Unix microseconds, 8 octets; message id, high then low, 8 octets each
//   then       fields: a tag of one octet, ascending, and its value: a varint, or a varint length
//              and that many octets. A field of zero or nothing is not written.
//
// Invariants: one event has one form (the decoder refuses any other), so that octets compare as
// events do; a tag never changes its meaning, a new field takes a new tag.

namespace ekiden::events {
namespace {

constexpr std::string_view kGoesOnAs = ", as message ";

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kTagsMax = 64;

enum class Tag : std::uint8_t {
  Id = 1,
  RecipientIndex,
  Attempt,
  Recipient,
  Sender,
  HeaderFrom,
  Subject,
  Tenant,
  Stream,
  TagText,  // the only one that repeats
  Route,
  Source,
  RemoteHost,
  RemoteAddress,
  TlsVersion,
  TlsCipher,
  TlsVerification,
  ReplyCode,
  EnhancedCode,
  Reply,
  Phase,
  Reason,
  Fault,
  QueuedUs,
  AttemptUs,
  Size,
  ClientAddress,
  Identity,
  InternetMessageId,
  MayBeDuplicate,
  Detail,
  Provider,
  Metadata,
  Transcript = 255,  // the last for ever: see without_transcript()
};

constexpr std::array<std::string_view, 16> kKindNames = {
    "accepted",   "rejected", "held",    "released",    "warned",    "delivered",
    "deferred",   "bounced",  "expired", "suppressed",  "cancelled", "returned",
    "complained", "opened",   "clicked", "unsubscribed"};

// 26 of the message, three dashes, two numbers of 10 digits, the longest kind.
constexpr std::size_t kIdOctetsMax = 26 + 3 + 10 + 10 + 12;

void put_text(base::ByteWriter& out, Tag tag, std::string_view text) {
  if (text.empty()) return;
  out.u8(static_cast<std::uint8_t>(tag));
  out.text(text);
}

void put_number(base::ByteWriter& out, Tag tag, std::uint64_t number) {
  if (number == 0) return;
  out.u8(static_cast<std::uint8_t>(tag));
  out.varint(number);
}

/// A varint as the writer makes it, without octets that add nothing; otherwise one number would
/// have many forms.
bool take_number(base::ByteReader& in, std::uint64_t& number) {
  constexpr std::size_t kOctetsMax = 10;  // of 64 bits, of which the last octet holds one
  const std::string_view before = in.rest();
  number = in.varint();
  if (!in.ok()) return false;
  const std::string_view octets = before.substr(0, before.size() - in.rest().size());
  if (octets.size() == kOctetsMax) return octets.back() == 1;
  return octets.size() == 1 || octets.back() != 0;
}

/// Reads the stored form and shows each field to `Visitor`, which keeps what it wants: it has
/// `text(Tag, string_view)` and `number(Tag, uint64)`, false when the value does not fit.
template <class Visitor>
bool walk(std::string_view octets, Visitor& visit) {
  base::ByteReader in(octets);
  if (in.u8() != kVersion) return false;
  const std::uint8_t kind = in.u8();
  if (kind >= kKindNames.size()) return false;
  const std::int64_t time = in.i64();
  const std::uint64_t high = in.u64();
  const std::uint64_t low = in.u64();
  if (!in.ok()) return false;
  visit.head(static_cast<Kind>(kind), base::from_unix_us(time), base::MessageId{high, low});

  std::uint8_t previous = 0;
  std::size_t tags = 0;
  while (!in.at_end()) {
    const std::uint8_t octet = in.u8();
    const Tag tag = static_cast<Tag>(octet);
    const bool repeats = octet == previous && tag == Tag::TagText;
    if (octet <= previous && !repeats) return false;
    if (tag > Tag::Metadata && tag != Tag::Transcript) return false;
    previous = octet;
    switch (tag) {
      case Tag::RecipientIndex:
      case Tag::Attempt:
      case Tag::ReplyCode:
      case Tag::QueuedUs:
      case Tag::AttemptUs:
      case Tag::Size:
      case Tag::MayBeDuplicate: {
        std::uint64_t number = 0;
        if (!take_number(in, number) || number == 0 || !visit.number(tag, number)) return false;
        break;
      }
      case Tag::TagText:
        if (++tags > kTagsMax) return false;
        [[fallthrough]];
      default: {
        std::uint64_t length = 0;
        if (!take_number(in, length)) return false;
        const std::string_view text = in.octets(length);
        // Only a tag of the message may be an empty text: the list keeps its length.
        if (!in.ok() || (text.empty() && tag != Tag::TagText)) return false;
        visit.text(tag, text);
      }
    }
  }
  return in.ok();
}

template <class Integer>
bool fits(std::uint64_t number) {
  return number <= std::numeric_limits<Integer>::max();
}

struct KeyVisitor {
  KeyView view;

  void head(Kind kind, base::Time time, base::MessageId message) {
    view.kind = kind;
    view.time = time;
    view.message = message;
  }
  bool number(Tag tag, std::uint64_t number) {
    switch (tag) {
      case Tag::RecipientIndex:
        view.recipient_index = static_cast<std::uint32_t>(number);
        return fits<std::uint32_t>(number);
      case Tag::Attempt:
        view.attempt = static_cast<std::uint32_t>(number);
        return fits<std::uint16_t>(number);
      case Tag::ReplyCode:
        view.reply_code = static_cast<std::uint16_t>(number);
        return fits<std::uint16_t>(number);
      case Tag::MayBeDuplicate:
        return number == 1;
      default:
        return true;
    }
  }
  void text(Tag tag, std::string_view text) {
    if (tag == Tag::Recipient) view.recipient = text;
    if (tag == Tag::Sender) view.sender = text;
    if (tag == Tag::Stream) view.stream = text;
    if (tag == Tag::TagText && view.tag_count < KeyView::kTagsMax) {
      view.tags[view.tag_count++] = text;
    }
    if (tag == Tag::Id) view.id = text;
    if (tag == Tag::Tenant) view.tenant = text;
    if (tag == Tag::InternetMessageId) view.internet_message_id = text;
    if (tag == Tag::HeaderFrom) view.header_from = text;
    if (tag == Tag::Subject) view.subject = text;
    if (tag == Tag::Source) view.source = text;
    if (tag == Tag::Provider) view.provider = text;
    if (tag == Tag::EnhancedCode) view.enhanced_code = text;
    if (tag == Tag::Transcript) view.transcript = text;
  }
};

struct EventVisitor {
  Event event;

  void head(Kind kind, base::Time time, base::MessageId message) {
    event.kind = kind;
    event.time = time;
    event.message = message;
  }
  bool number(Tag tag, std::uint64_t number) {
    switch (tag) {
      case Tag::RecipientIndex:
        event.recipient_index = static_cast<std::uint32_t>(number);
        return fits<std::uint32_t>(number);
      case Tag::Attempt:
        event.attempt = static_cast<std::uint16_t>(number);
        return fits<std::uint16_t>(number);
      case Tag::ReplyCode:
        event.reply_code = static_cast<std::uint16_t>(number);
        return fits<std::uint16_t>(number);
      case Tag::QueuedUs:
        event.queued_us = number;
        return true;
      case Tag::AttemptUs:
        event.attempt_us = number;
        return true;
      case Tag::Size:
        event.size = number;
        return true;
      case Tag::MayBeDuplicate:
        event.may_be_duplicate = true;
        return number == 1;
      default:
        return false;
    }
  }
  void text(Tag tag, std::string_view text) {
    if (tag == Tag::TagText) {
      event.tags.emplace_back(text);
    } else if (std::string* field = field_of(tag)) {
      field->assign(text);
    }
  }
  std::string* field_of(Tag tag) {
    switch (tag) {
      case Tag::Id:
        return &event.id;
      case Tag::Recipient:
        return &event.recipient;
      case Tag::Sender:
        return &event.sender;
      case Tag::HeaderFrom:
        return &event.header_from;
      case Tag::Subject:
        return &event.subject;
      case Tag::Tenant:
        return &event.tenant;
      case Tag::Stream:
        return &event.stream;
      case Tag::Route:
        return &event.route;
      case Tag::Source:
        return &event.source;
      case Tag::RemoteHost:
        return &event.remote_host;
      case Tag::RemoteAddress:
        return &event.remote_address;
      case Tag::TlsVersion:
        return &event.tls_version;
      case Tag::TlsCipher:
        return &event.tls_cipher;
      case Tag::TlsVerification:
        return &event.tls_verification;
      case Tag::EnhancedCode:
        return &event.enhanced_code;
      case Tag::Reply:
        return &event.reply;
      case Tag::Phase:
        return &event.phase;
      case Tag::Reason:
        return &event.reason;
      case Tag::Fault:
        return &event.fault;
      case Tag::ClientAddress:
        return &event.client_address;
      case Tag::Identity:
        return &event.identity;
      case Tag::InternetMessageId:
        return &event.internet_message_id;
      case Tag::Detail:
        return &event.detail;
      case Tag::Provider:
        return &event.provider;
      case Tag::Metadata:
        return &event.metadata;
      case Tag::Transcript:
        return &event.transcript;
      default:
        return nullptr;
    }
  }
};

/// JSON is UTF-8; what a peer sent need not be.
std::string json_text(std::string_view text) {
  if (base::is_valid_utf8(text)) return std::string(text);
  return base::printable(text, std::numeric_limits<std::size_t>::max());
}

}  // namespace

std::string_view kind_name(Kind kind) {
  const auto index = static_cast<std::size_t>(kind);
  return index < kKindNames.size() ? kKindNames[index] : "unknown";
}

std::optional<Kind> parse_kind(std::string_view name) {
  const auto found = std::find(kKindNames.begin(), kKindNames.end(), name);
  if (found == kKindNames.end()) return std::nullopt;
  return static_cast<Kind>(found - kKindNames.begin());
}

std::string event_id(base::MessageId message, std::uint32_t recipient, Kind kind,
                     std::uint32_t attempt) {
  std::string id;
  id.reserve(kIdOctetsMax);
  id = base::format_message_id(message);
  char digits[10];
  const auto put = [&](std::uint32_t number) {
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    id.append(digits, end);
  };
  id += '-';
  put(recipient);
  id += '-';
  id += kind_name(kind);
  id += '-';
  put(attempt);
  return id;
}

std::string goes_on_as(std::string_view why, base::MessageId as) {
  std::string detail(why);
  detail += kGoesOnAs;
  return detail += base::format_message_id(as);
}

std::optional<base::MessageId> successor_of(const Event& event) {
  const std::size_t at = event.detail.rfind(kGoesOnAs);
  if (event.kind != Kind::Released || at == std::string::npos) return std::nullopt;
  return base::parse_message_id(std::string_view(event.detail).substr(at + kGoesOnAs.size()));
}

std::string encode_event(const Event& e) {
  std::string octets;
  std::size_t size = 80 + e.id.size() + e.recipient.size() + e.sender.size() +
                     e.header_from.size() + e.subject.size() + e.tenant.size() + e.stream.size() +
                     e.route.size() + e.source.size() + e.remote_host.size() +
                     e.remote_address.size() + e.tls_version.size() + e.tls_cipher.size() +
                     e.tls_verification.size() + e.enhanced_code.size() + e.reply.size() +
                     e.phase.size() + e.reason.size() + e.fault.size() + e.client_address.size() +
                     e.identity.size() + e.internet_message_id.size() + e.detail.size() +
                     e.provider.size() + e.metadata.size() + e.transcript.size();
  for (const std::string& tag : e.tags) size += tag.size() + 3;
  octets.reserve(size);

  base::ByteWriter out(octets);
  out.u8(kVersion);
  out.u8(static_cast<std::uint8_t>(e.kind));
  out.i64(base::to_unix_us(e.time));
  out.u64(e.message.high);
  out.u64(e.message.low);
  // The usual id follows from the numbers that are stored anyway.
  if (!e.id.empty() && e.id != event_id(e.message, e.recipient_index, e.kind, e.attempt)) {
    put_text(out, Tag::Id, e.id);
  }
  put_number(out, Tag::RecipientIndex, e.recipient_index);
  put_number(out, Tag::Attempt, e.attempt);
  put_text(out, Tag::Recipient, e.recipient);
  put_text(out, Tag::Sender, e.sender);
  put_text(out, Tag::HeaderFrom, e.header_from);
  put_text(out, Tag::Subject, e.subject);
  put_text(out, Tag::Tenant, e.tenant);
  put_text(out, Tag::Stream, e.stream);
  for (std::size_t i = 0; i < e.tags.size() && i < kTagsMax; ++i) {
    out.u8(static_cast<std::uint8_t>(Tag::TagText));
    out.text(e.tags[i]);
  }
  put_text(out, Tag::Route, e.route);
  put_text(out, Tag::Source, e.source);
  put_text(out, Tag::RemoteHost, e.remote_host);
  put_text(out, Tag::RemoteAddress, e.remote_address);
  put_text(out, Tag::TlsVersion, e.tls_version);
  put_text(out, Tag::TlsCipher, e.tls_cipher);
  put_text(out, Tag::TlsVerification, e.tls_verification);
  put_number(out, Tag::ReplyCode, e.reply_code);
  put_text(out, Tag::EnhancedCode, e.enhanced_code);
  put_text(out, Tag::Reply, e.reply);
  put_text(out, Tag::Phase, e.phase);
  put_text(out, Tag::Reason, e.reason);
  put_text(out, Tag::Fault, e.fault);
  put_number(out, Tag::QueuedUs, e.queued_us);
  put_number(out, Tag::AttemptUs, e.attempt_us);
  put_number(out, Tag::Size, e.size);
  put_text(out, Tag::ClientAddress, e.client_address);
  put_text(out, Tag::Identity, e.identity);
  put_text(out, Tag::InternetMessageId, e.internet_message_id);
  put_number(out, Tag::MayBeDuplicate, e.may_be_duplicate ? 1 : 0);
  put_text(out, Tag::Detail, e.detail);
  put_text(out, Tag::Provider, e.provider);
  put_text(out, Tag::Metadata, e.metadata);
  put_text(out, Tag::Transcript, e.transcript);
  return octets;
}

Result<Event> decode_event(std::string_view octets) {
  EventVisitor visitor;
  if (!walk(octets, visitor)) return Errc::Malformed;
  Event& e = visitor.event;
  std::string usual = event_id(e.message, e.recipient_index, e.kind, e.attempt);
  if (e.id == usual) return Errc::Malformed;  // the writer leaves it out
  if (e.id.empty()) e.id = std::move(usual);
  return std::move(e);
}

Result<KeyView> read_keys(std::string_view octets) {
  KeyVisitor visitor;
  if (!walk(octets, visitor)) return Errc::Malformed;
  const KeyView& view = visitor.view;
  if (!view.id.empty() &&
      view.id == event_id(view.message, view.recipient_index, view.kind, view.attempt)) {
    return Errc::Malformed;
  }
  return view;
}

std::string_view without_transcript(std::string_view octets, const KeyView& keys) {
  if (keys.transcript.empty()) return octets;
  std::size_t length_octets = 1;
  for (std::size_t rest = keys.transcript.size() >> 7; rest != 0; rest >>= 7) ++length_octets;
  octets.remove_suffix(1 + length_octets + keys.transcript.size());
  return octets;
}

std::optional<boost::json::object> metadata_of(const Event& event) {
  if (event.metadata.empty()) return std::nullopt;
  boost::json::error_code error;
  boost::json::value value = boost::json::parse(event.metadata, error);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

std::string format_event_json(const Event& e) {
  boost::json::object object;
  const auto text = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) object.emplace(key, json_text(value));
  };
  const auto number = [&](std::string_view key, std::uint64_t value) {
    if (value != 0) object.emplace(key, value);
  };
  text("id", e.id.empty() ? event_id(e.message, e.recipient_index, e.kind, e.attempt) : e.id);
  text("time", base::format_rfc3339(e.time));
  text("kind", kind_name(e.kind));
  text("message", base::format_message_id(e.message));
  text("recipient", e.recipient);
  if (!e.recipient.empty()) object.emplace("recipient_index", e.recipient_index);
  text("sender", e.sender);
  text("header_from", e.header_from);
  text("subject", e.subject);
  text("internet_message_id", e.internet_message_id);
  text("tenant", e.tenant);
  text("stream", e.stream);
  if (!e.tags.empty()) {
    boost::json::array tags;
    for (const std::string& tag : e.tags) tags.emplace_back(json_text(tag));
    object.emplace("tags", std::move(tags));
  }
  if (std::optional<boost::json::object> metadata = metadata_of(e))
    object.emplace("metadata", std::move(*metadata));
  text("route", e.route);
  text("source", e.source);
  text("provider", e.provider);
  text("remote_host", e.remote_host);
  text("remote_address", e.remote_address);
  text("tls_version", e.tls_version);
  text("tls_cipher", e.tls_cipher);
  text("tls_verification", e.tls_verification);
  number("reply_code", e.reply_code);
  text("enhanced_code", e.enhanced_code);
  text("reply", e.reply);
  text("phase", e.phase);
  text("reason", e.reason);
  text("fault", e.fault);
  number("attempt", e.attempt);
  number("queued_us", e.queued_us);
  number("attempt_us", e.attempt_us);
  number("size", e.size);
  text("client_address", e.client_address);
  text("identity", e.identity);
  if (e.may_be_duplicate) object.emplace("may_be_duplicate", true);
  text("detail", e.detail);
  if (!e.transcript.empty()) {
    boost::json::array lines;
    std::string_view rest = e.transcript;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find('\n'), rest.size());
      lines.emplace_back(json_text(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    object.emplace("transcript", std::move(lines));
  }
  return boost::json::serialize(object);
}

}  // namespace ekiden::events
