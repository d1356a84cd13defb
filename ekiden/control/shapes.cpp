#include "ekiden/control/shapes.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

#include "ekiden/base/text.hpp"

namespace ekiden::control {

namespace json = boost::json;

namespace {

void put(json::object& to, std::string_view key, const std::string& text) {
  // JSON is UTF-8; a peer's octets need not be.
  if (!text.empty()) to[key] = base::is_valid_utf8(text) ? text : base::printable(text, 4096);
}
/// A header with its lines, whatever octets are in them.
std::string header_text(const std::string& header) {
  if (base::is_valid_utf8(header)) return header;
  std::string text;
  std::size_t at = 0;
  while (at < header.size()) {
    const std::size_t end = std::min(header.find('\n', at), header.size());
    std::string_view line = std::string_view(header).substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    text += base::printable(line, 4096) + "\r\n";
    at = end + 1;
  }
  return text;
}
void put(json::object& to, std::string_view key, base::Time time) {
  if (time != base::Time{} && time != base::Time::max()) to[key] = base::format_rfc3339(time);
}
void put(json::object& to, std::string_view key, const std::optional<base::Time>& time) {
  if (time) put(to, key, *time);
}

void put_counts(json::object& to, const QueueCounts& counts) {
  to["queued"] = counts.queued;
  to["resolving"] = counts.resolving;
  to["ready"] = counts.ready;
  to["waiting"] = counts.waiting;
  to["in_flight"] = counts.in_flight;
  to["settling"] = counts.settling;
  to["held"] = counts.held;
}

template <class T>
json::array array_of(const std::vector<T>& items) {
  json::array array;
  for (const T& item : items) array.push_back(to_json(item));
  return array;
}

}  // namespace

json::object to_json(const QueuedRecipient& r) {
  json::object to{{"message", base::format_message_id(r.message)}, {"index", r.index}};
  put(to, "recipient", r.recipient);
  to["sender"] = base::printable(r.sender, 4096);
  put(to, "domain", r.domain);
  put(to, "tenant", r.tenant);
  put(to, "stream", r.stream);
  put(to, "state", r.state);
  put(to, "site", r.site);
  put(to, "route", r.route);
  put(to, "source", r.source);
  put(to, "accepted", r.accepted);
  put(to, "due", r.due);
  put(to, "expires", r.expires);
  to["attempts"] = r.attempts;
  if (r.reply_code != 0) to["reply_code"] = r.reply_code;
  put(to, "reply", r.reply);
  to["size"] = r.size;
  return to;
}

json::object to_json(const QueueSummary& s) {
  json::object to;
  put_counts(to, s.counts);
  to["messages"] = s.messages;
  to["octets"] = s.octets;
  put(to, "oldest", s.oldest);
  json::array groups;
  for (const QueueGroup& group : s.groups) {
    json::object one{{"name", base::printable(group.name, 4096)}};
    put_counts(one, group.counts);
    one["connections"] = group.connections;
    put(one, "state", group.state);
    groups.push_back(std::move(one));
  }
  to["groups"] = std::move(groups);
  return to;
}

json::object to_json(const Explanation& e) {
  json::object to = to_json(e.recipient);
  json::array reasons;
  for (const Explanation::Reason& reason : e.reasons) {
    json::object one;
    put(one, "kind", reason.kind);
    put(one, "subject", reason.subject);
    put(one, "text", reason.text);
    put(one, "until", reason.until);
    reasons.push_back(std::move(one));
  }
  to["reasons"] = std::move(reasons);
  return to;
}

json::object to_json(const MessageView& m) {
  json::object to{{"message", base::format_message_id(m.id)}};
  put(to, "accepted", m.accepted);
  to["sender"] = base::printable(m.sender, 4096);
  put(to, "tenant", m.tenant);
  put(to, "stream", m.stream);
  put(to, "client", m.client);
  put(to, "identity", m.identity);
  put(to, "internet_message_id", m.internet_message_id);
  put(to, "subject", m.subject);
  to["size"] = m.size;
  to["recipients"] = array_of(m.recipients);
  put(to, "header", header_text(m.header));
  return to;
}

json::object to_json(const OperationView& o) {
  json::object to{{"operation", o.id}, {"what", o.what}, {"state", state_name(o.state)}};
  put(to, "started", o.started);
  put(to, "ended", o.ended);
  to["matched"] = o.matched;
  to["done"] = o.done;
  to["skipped"] = o.skipped;
  to["looked_at"] = o.looked_at;
  to["to_look_at"] = o.to_look_at;
  put(to, "problem", o.problem);
  return to;
}

json::object to_json(const Suspension& s) {
  json::object to{{"kind", kind_name(s.scope.kind)}, {"name", base::printable(s.scope.name, 4096)}};
  put(to, "since", s.since);
  put(to, "until", s.until);
  put(to, "reason", s.reason);
  return to;
}

json::object to_json(const NodeStatus& s) {
  json::object queue;
  put_counts(queue, s.queue);
  json::array alerts;
  for (const std::string& alert : s.alerts) alerts.push_back(json::string(alert));
  json::object to{
      {"version", s.version}, {"hostname", s.hostname}, {"config", s.config_file}, {"pid", s.pid}};
  put(to, "started", s.started);
  to["workers"] = s.workers;
  to["sessions"] = s.sessions;
  to["connections"] = s.connections;
  to["accepted"] = s.accepted;
  to["delivered"] = s.delivered;
  to["deferred"] = s.deferred;
  to["bounced"] = s.bounced;
  to["memory_octets"] = s.memory_octets;
  to["disk_octets"] = s.disk_octets;
  to["events_waiting"] = s.events_waiting;
  to["quarantined"] = s.quarantined;
  to["queue"] = std::move(queue);
  to["alerts"] = std::move(alerts);
  return to;
}

}  // namespace ekiden::control
