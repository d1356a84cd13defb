#include "ekiden/feedback/report.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <optional>

#include "ekiden/base/text.hpp"
#include "ekiden/feedback/part_text.hpp"
#include "ekiden/feedback/unpack.hpp"
#include "ekiden/feedback/xml.hpp"
#include "ekiden/message/header_scan.hpp"
#include "ekiden/message/structure.hpp"

namespace ekiden::feedback {
namespace {

namespace json = boost::json;

constexpr std::size_t kFieldsMax = 100;
constexpr std::size_t kResultsMax = 100;

std::string cut(std::string text) {
  if (text.size() > kReportTextMax) text.resize(kReportTextMax);
  return text;
}

std::uint64_t number(const std::string& text) {
  return base::parse_u64(base::trimmed(text)).value_or(0);
}

/// Where an element stands decides what it means: names repeat.
class DmarcWalk {
 public:
  void begin(const std::string& name) {
    path_.push_back(name);
    if (name == "record") row_ = {};
    if (is("record", "auth_results", "dkim") || is("record", "auth_results", "spf")) result_ = {};
  }

  void end(const std::string& name, const std::string& raw) {
    const std::string text = cut(raw);
    take(name, text);
    if (name == "record") {
      if (report_.rows.size() < kReportRowsMax) {
        report_.rows.push_back(std::move(row_));
      } else {
        report_.is_cut = true;
      }
      row_ = {};
    }
    path_.pop_back();
  }

  DmarcReport& report() { return report_; }
  bool is_dmarc() const { return is_dmarc_; }

 private:
  bool is(std::string_view a, std::string_view b, std::string_view c = {}) const {
    const std::size_t n = path_.size();
    if (c.empty()) return n >= 2 && path_[n - 2] == a && path_[n - 1] == b;
    return n >= 3 && path_[n - 3] == a && path_[n - 2] == b && path_[n - 1] == c;
  }
  bool is_in(std::string_view parent) const {
    return path_.size() >= 2 && path_[path_.size() - 2] == parent;
  }

  void take(const std::string& name, const std::string& text) {
    if (path_.size() == 1) is_dmarc_ = name == "feedback";
    if (is_in("report_metadata")) {
      if (name == "org_name") report_.organization = text;
      if (name == "email") report_.email = text;
      if (name == "report_id") report_.id = text;
    } else if (is_in("date_range")) {
      if (name == "begin") report_.begin_s = number(text);
      if (name == "end") report_.end_s = number(text);
    } else if (is_in("policy_published")) {
      if (name == "domain") report_.domain = text;
      if (name == "p") report_.policy = text;
      if (name == "sp") report_.subdomain_policy = text;
      if (name == "adkim") report_.adkim = text;
      if (name == "aspf") report_.aspf = text;
    } else if (is_in("row")) {
      if (name == "source_ip") row_.source_ip = text;
      if (name == "count") row_.count = number(text);
    } else if (is_in("policy_evaluated")) {
      if (name == "disposition") row_.disposition = text;
      if (name == "dkim") row_.dkim = text;
      if (name == "spf") row_.spf = text;
    } else if (is("policy_evaluated", "reason", "type")) {
      if (row_.overrides.size() < kResultsMax) row_.overrides.push_back(text);
    } else if (is_in("identifiers")) {
      if (name == "header_from") row_.header_from = text;
      if (name == "envelope_from") row_.envelope_from = text;
      if (name == "envelope_to") row_.envelope_to = text;
    } else if (is_in("auth_results")) {
      auto& results = name == "dkim" ? row_.dkim_results : row_.spf_results;
      if ((name == "dkim" || name == "spf") && results.size() < kResultsMax)
        results.push_back(std::move(result_));
      result_ = {};
    } else if (is_in("dkim") || is_in("spf")) {
      if (name == "domain") result_.domain = text;
      if (name == "selector") result_.selector = text;
      if (name == "result") result_.result = text;
    }
  }

  std::vector<std::string> path_;
  DmarcReport report_;
  DmarcRow row_;
  DmarcRow::Result result_;
  bool is_dmarc_ = false;
};

Report read_dmarc(std::string_view document) {
  DmarcWalk walk;
  std::string why;
  const XmlSink sink{
      [&](const std::string& name) { walk.begin(name); },
      [&](const std::string& name, const std::string& text) { walk.end(name, text); }};
  if (!walk_xml(document, sink, why)) return NoReport{"the XML is malformed: " + why};
  if (!walk.is_dmarc()) return NoReport{"the XML is no DMARC report"};
  return std::move(walk.report());
}

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : cut(std::string(*text));
}

std::uint64_t number_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return 0;
  if (value->is_int64() && value->get_int64() > 0)
    return static_cast<std::uint64_t>(value->get_int64());
  return value->is_uint64() ? value->get_uint64() : 0;
}

const json::object& object_at(const json::object& object, std::string_view key) {
  static const json::object kEmpty;
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? value->get_object() : kEmpty;
}

const json::array& array_at(const json::object& object, std::string_view key) {
  static const json::array kEmpty;
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_array() ? value->get_array() : kEmpty;
}

TlsReport::Policy read_tls_policy(const json::object& from) {
  TlsReport::Policy policy;
  const json::object& what = object_at(from, "policy");
  policy.type = text_at(what, "policy-type");
  policy.domain = text_at(what, "policy-domain");
  // RFC 8460 §4.4 has an array, its example a text.
  for (const json::value& host : array_at(what, "mx-host")) {
    if (host.is_string() && policy.hosts.size() < kResultsMax)
      policy.hosts.push_back(cut(std::string(host.get_string())));
  }
  if (const std::string host = text_at(what, "mx-host"); !host.empty())
    policy.hosts.push_back(host);
  const json::object& summary = object_at(from, "summary");
  policy.successes = number_at(summary, "total-successful-session-count");
  policy.failures = number_at(summary, "total-failure-session-count");
  for (const json::value& value : array_at(from, "failure-details")) {
    if (!value.is_object() || policy.details.size() >= kReportRowsMax) continue;
    const json::object& one = value.get_object();
    policy.details.push_back({text_at(one, "result-type"), text_at(one, "sending-mta-ip"),
                              text_at(one, "receiving-mx-hostname"), text_at(one, "receiving-ip"),
                              text_at(one, "failure-reason-code"),
                              number_at(one, "failed-session-count")});
  }
  return policy;
}

Report read_tls(std::string_view text) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = 16;
  const json::value value =
      json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error || !value.is_object()) return NoReport{"the JSON is malformed"};
  const json::object& object = value.get_object();
  if (!object.contains("policies")) return NoReport{"the JSON is no TLS report"};
  TlsReport report;
  report.organization = text_at(object, "organization-name");
  report.contact = text_at(object, "contact-info");
  report.id = text_at(object, "report-id");
  const json::object& range = object_at(object, "date-range");
  report.begin = text_at(range, "start-datetime");
  report.end = text_at(range, "end-datetime");
  for (const json::value& policy : array_at(object, "policies")) {
    if (policy.is_object() && report.policies.size() < kReportRowsMax)
      report.policies.push_back(read_tls_policy(policy.get_object()));
  }
  return report;
}

ArfReport read_arf(const std::string& fields, std::string_view original) {
  ArfReport report;
  message::HeaderScanner scanner(fields);
  message::Field field;
  for (Result<bool> more = scanner.next(field); more && *more; more = scanner.next(field)) {
    if (report.fields.size() >= kFieldsMax) break;
    const std::string name = base::lowered(field.name);
    std::string value = cut(message::unfolded(field.value));
    if (name == "feedback-type") report.type = base::lowered(value);
    report.fields.emplace_back(name, std::move(value));
  }
  report.message_id = cut(find_field(original, "Message-ID"));
  report.from = cut(find_field(original, "From"));
  report.to = cut(find_field(original, "To"));
  report.subject = cut(find_field(original, "Subject"));
  return report;
}

/// The part of a mail that is a report, by what it holds rather than by what it is called.
struct Found {
  std::optional<std::string> feedback;
  std::string original;
  std::optional<Report> report;
  std::string why;
};

Report read_unpacked(std::string_view octets) {
  while (!octets.empty() && (octets.front() <= ' ' || octets.front() == '\xef' ||
                             octets.front() == '\xbb' || octets.front() == '\xbf'))
    octets.remove_prefix(1);
  if (octets.starts_with('<')) return read_dmarc(octets);
  if (octets.starts_with('{')) return read_tls(octets);
  return NoReport{"neither XML nor JSON"};
}

void search(const message::Structure& part, Found& found) {
  if (part.type.is("message", "feedback-report")) {
    found.feedback = decoded_octets(part);
    return;
  }
  const bool is_original = part.type.type == "message" || part.type.is("text", "rfc822-headers");
  if (is_original && found.original.empty()) found.original = decoded_octets(part);
  if (part.parts.empty() && !is_original && !found.report) {
    const std::string octets = decoded_octets(part, kUnpackedOctetsMax);
    const bool is_packed = packing_of(octets) != Packing::None;
    const bool is_named = part.type.subtype.find("xml") != std::string::npos ||
                          part.type.subtype.find("json") != std::string::npos;
    if (is_packed || is_named) {
      const std::optional<std::string> inner = unpack(octets, found.why);
      if (inner) {
        Report report = read_unpacked(*inner);
        if (const NoReport* none = std::get_if<NoReport>(&report)) {
          found.why = none->why;
        } else {
          found.report = std::move(report);
        }
      }
    }
  }
  for (const message::Structure& inner : part.parts) search(inner, found);
}

Report read_mail(std::string_view octets) {
  const Result<message::Structure> tree = message::read_structure(octets);
  if (!tree) return NoReport{"neither a mail nor a report"};
  Found found;
  search(*tree, found);
  if (found.report) return std::move(*found.report);
  if (found.feedback) return read_arf(*found.feedback, found.original);
  return NoReport{found.why.empty() ? "no report in it" : "the report in it: " + found.why};
}

}  // namespace

Report read_report(std::string_view octets) {
  std::string why;
  if (packing_of(octets) != Packing::None) {
    const std::optional<std::string> inner = unpack(octets, why);
    return inner ? read_unpacked(*inner) : Report(NoReport{why});
  }
  Report report = read_unpacked(octets.substr(0, kUnpackedOctetsMax));
  const NoReport* none = std::get_if<NoReport>(&report);
  if (none == nullptr || none->why != "neither XML nor JSON") return report;
  return read_mail(octets);
}

}  // namespace ekiden::feedback
