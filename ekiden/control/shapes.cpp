#include "ekiden/control/shapes.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <concepts>

#include "ekiden/base/text.hpp"

namespace ekiden::control {

namespace json = boost::json;

namespace {

json::object to_json(const QueueGroup& group);
json::object to_json(const Explanation::Reason& reason);

/// Octets of a text that came from outside.
constexpr std::size_t kTextOctetsMax = 4096;

/// A header with its lines, whatever octets are in them.
std::string header_text(const std::string& header) {
  if (base::is_valid_utf8(header)) return header;
  std::string text;
  std::size_t at = 0;
  while (at < header.size()) {
    const std::size_t end = std::min(header.find('\n', at), header.size());
    std::string_view line = std::string_view(header).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    text += base::printable(line, kTextOctetsMax) + "\r\n";
    at = end + 1;
  }
  return text;
}

/// A text that stands there even when it is empty.
struct Always {
  const std::string& text;
};

// How a member of each type is put: what does not apply is left out.
void put(json::object& to, std::string_view key, const std::string& text) {
  // JSON is UTF-8; a peer's octets need not be.
  if (!text.empty())
    to[key] = base::is_valid_utf8(text) ? text : base::printable(text, kTextOctetsMax);
}
void put(json::object& to, std::string_view key, const char* text) {
  to[key] = text;
}
void put(json::object& to, std::string_view key, Always always) {
  to[key] = base::printable(always.text, kTextOctetsMax);
}
void put(json::object& to, std::string_view key, base::Time time) {
  if (time != base::Time{} && time != base::Time::max()) to[key] = base::format_rfc3339(time);
}
void put(json::object& to, std::string_view key, base::MessageId id) {
  to[key] = base::format_message_id(id);
}
template <std::integral T>
void put(json::object& to, std::string_view key, T number) {
  to[key] = number;
}
void put(json::object& to, std::string_view key, const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts)
    array.push_back(json::string(base::printable(text, kTextOctetsMax)));
  to[key] = std::move(array);
}
template <class T>
requires requires(const T& item) {
  to_json(item);
}
void put(json::object& to, std::string_view key, const std::vector<T>& items) {
  json::array array;
  for (const T& item : items) array.push_back(to_json(item));
  to[key] = std::move(array);
}
template <class T>
void put(json::object& to, std::string_view key, const std::optional<T>& value) {
  if (value) put(to, key, *value);
}

/// Puts "name", value, "name", value, …
template <class Value, class... Rest>
void put_all(json::object& to, std::string_view key, const Value& value, const Rest&... rest) {
  put(to, key, value);
  if constexpr (sizeof...(rest) > 0) put_all(to, rest...);
}
template <class... Table>
json::object object_of(const Table&... table) {
  json::object to;
  put_all(to, table...);
  return to;
}

void put_counts(json::object& to, const QueueCounts& c) {
  put_all(to, "queued", c.queued, "resolving", c.resolving, "ready", c.ready, "waiting", c.waiting,
          "in_flight", c.in_flight, "settling", c.settling, "held", c.held);
}

json::object to_json(const QueueGroup& group) {
  json::object to = object_of("name", Always{group.name});
  put_counts(to, group.counts);
  put_all(to, "connections", group.connections, "state", group.state);
  return to;
}

json::object to_json(const Explanation::Reason& reason) {
  return object_of("kind", reason.kind, "subject", reason.subject, "text", reason.text, "until",
                   reason.until);
}

}  // namespace

json::object to_json(const QueuedRecipient& r) {
  const auto reply_code = r.reply_code != 0 ? std::optional(r.reply_code) : std::nullopt;
  return object_of("message", r.message, "index", r.index, "recipient", r.recipient, "sender",
                   Always{r.sender}, "domain", r.domain, "tenant", r.tenant, "stream", r.stream,
                   "state", r.state, "site", r.site, "route", r.route, "source", r.source,
                   "accepted", r.accepted, "due", r.due, "expires", r.expires, "attempts",
                   r.attempts, "reply_code", reply_code, "reply", r.reply, "size", r.size);
}

json::object to_json(const QueueSummary& s) {
  json::object to;
  put_counts(to, s.counts);
  put_all(to, "messages", s.messages, "octets", s.octets, "oldest", s.oldest, "groups", s.groups);
  return to;
}

json::object to_json(const Explanation& e) {
  json::object to = to_json(e.recipient);
  put(to, "reasons", e.reasons);
  return to;
}

json::object to_json(const MessageView& m) {
  return object_of("message", m.id, "accepted", m.accepted, "sender", Always{m.sender}, "tenant",
                   m.tenant, "stream", m.stream, "client", m.client, "identity", m.identity,
                   "internet_message_id", m.internet_message_id, "subject", m.subject, "alignment",
                   m.alignment, "size", m.size, "recipients", m.recipients, "header",
                   header_text(m.header));
}

json::object to_json(const OperationView& o) {
  return object_of("operation", o.id, "what", o.what, "state", state_name(o.state), "started",
                   o.started, "ended", o.ended, "matched", o.matched, "done", o.done, "skipped",
                   o.skipped, "looked_at", o.looked_at, "to_look_at", o.to_look_at, "problem",
                   o.problem);
}

json::object to_json(const Suspension& s) {
  return object_of("kind", kind_name(s.scope.kind), "name", Always{s.scope.name}, "since", s.since,
                   "until", s.until, "reason", s.reason);
}

json::object to_json(const NodeStatus& s) {
  json::object to = object_of(
      "version", s.version, "hostname", s.hostname, "config", s.config_file, "pid", s.pid,
      "started", s.started, "workers", s.workers, "sessions", s.sessions, "connections",
      s.connections, "accepted", s.accepted, "delivered", s.delivered, "deferred", s.deferred,
      "bounced", s.bounced, "memory_octets", s.memory_octets, "disk_octets", s.disk_octets,
      "events_waiting", s.events_waiting, "quarantined", s.quarantined, "alerts", s.alerts);
  json::object queue;
  put_counts(queue, s.queue);
  to["queue"] = std::move(queue);
  return to;
}

json::object to_json(const QuarantinedView& q) {
  json::object to =
      object_of("name", q.name, "kind", q.kind, "reason", q.reason, "message", q.message, "size",
                q.size, "lost", q.lost, "may_release", q.may_release);
  if (q.recipients.empty()) return to;
  put_all(to, "accepted", q.accepted, "sender", Always{q.sender}, "tenant", q.tenant, "stream",
          q.stream, "client", q.client, "identity", q.identity, "internet_message_id",
          q.internet_message_id, "subject", q.subject, "recipients", q.recipients);
  return to;
}

json::object to_json(const QuarantineDecision& d) {
  return object_of("name", d.name, "message", d.message, "as", d.as, "recipients", d.recipients);
}

}  // namespace ekiden::control
