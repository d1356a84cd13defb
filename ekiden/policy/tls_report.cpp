#include "ekiden/policy/tls_report.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/base/percent.hpp"
#include "ekiden/base/text.hpp"

namespace ekiden::policy {

namespace json = boost::json;

namespace {

constexpr std::size_t kStringsMax = 100;

constexpr std::array<std::string_view, 3> kKinds{"no-policy-found", "sts", "tlsa"};
constexpr std::array<std::string_view, 11> kResults{
    "starttls-not-supported", "certificate-host-mismatch",
    "certificate-expired",    "certificate-not-trusted",
    "validation-failure",     "tlsa-invalid",
    "dnssec-invalid",         "dane-required",
    "sts-policy-fetch-error", "sts-policy-invalid",
    "sts-webpki-invalid"};

json::array array_of(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.push_back(json::string(text));
  return array;
}

void put_unless_empty(json::object& to, std::string_view key, const std::string& text) {
  if (!text.empty()) to[key] = text;
}

json::object object_of(const TlsTally::Detail& detail) {
  json::object object{{"result-type", tls_result_name(detail.failure.result)}};
  put_unless_empty(object, "sending-mta-ip", detail.failure.sending_ip);
  put_unless_empty(object, "receiving-mx-hostname", detail.failure.receiving_host);
  put_unless_empty(object, "receiving-ip", detail.failure.receiving_ip);
  object["failed-session-count"] = detail.count;
  put_unless_empty(object, "failure-reason-code", detail.failure.reason);
  return object;
}

/// RFC 8460 §4.4: one element of "policies". What we keep is what we send.
json::object object_of(const TlsTally::Policy& policy, const std::string& domain) {
  json::object which{{"policy-type", tls_policy_kind_name(policy.kind)}};
  if (!policy.strings.empty()) which["policy-string"] = array_of(policy.strings);
  which["policy-domain"] = domain;
  if (!policy.mx_hosts.empty()) which["mx-host"] = array_of(policy.mx_hosts);
  json::object object{{"policy", std::move(which)},
                      {"summary",
                       {{"total-successful-session-count", policy.successes},
                        {"total-failure-session-count", policy.failures}}}};
  json::array details;
  for (const TlsTally::Detail& detail : policy.details) details.push_back(object_of(detail));
  if (!details.empty()) object["failure-details"] = std::move(details);
  return object;
}

json::array policies_of(const TlsTally& tally, const std::string& domain) {
  json::array policies;
  for (const TlsTally::Policy& policy : tally.policies)
    policies.push_back(object_of(policy, domain));
  return policies;
}

const json::value* member(const json::value& of, std::string_view key) {
  const json::object* object = of.if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

std::string text_at(const json::value& of, std::string_view key) {
  const json::value* found = member(of, key);
  return found != nullptr && found->is_string() ? std::string(std::string_view(found->as_string()))
                                                : std::string();
}

std::uint64_t number_at(const json::value& of, std::string_view key) {
  const json::value* found = member(of, key);
  boost::system::error_code error;
  const std::uint64_t number = found == nullptr ? 0 : found->to_number<std::uint64_t>(error);
  return error ? 0 : number;
}

std::vector<std::string> texts_at(const json::value& of, std::string_view key) {
  std::vector<std::string> texts;
  const json::value* found = member(of, key);
  if (found == nullptr || !found->is_array()) return texts;
  for (const json::value& each : found->as_array()) {
    if (each.is_string() && texts.size() < kStringsMax)
      texts.emplace_back(std::string_view(each.as_string()));
  }
  return texts;
}

std::optional<TlsTally::Policy> policy_of(const json::value& value) {
  const json::value* which = member(value, "policy");
  const json::value* summary = member(value, "summary");
  if (which == nullptr || summary == nullptr) return std::nullopt;
  const auto kind = parse_tls_policy_kind(text_at(*which, "policy-type"));
  if (!kind) return std::nullopt;
  TlsTally::Policy policy;
  policy.kind = *kind;
  policy.strings = texts_at(*which, "policy-string");
  policy.mx_hosts = texts_at(*which, "mx-host");
  policy.successes = number_at(*summary, "total-successful-session-count");
  policy.failures = number_at(*summary, "total-failure-session-count");
  const json::value* details = member(value, "failure-details");
  if (details == nullptr || !details->is_array()) return policy;
  for (const json::value& each : details->as_array()) {
    const auto result = parse_tls_result(text_at(each, "result-type"));
    if (!result || policy.details.size() >= TlsTally::kDetailsMax) continue;
    policy.details.push_back(
        {{*result, text_at(each, "sending-mta-ip"), text_at(each, "receiving-mx-hostname"),
          text_at(each, "receiving-ip"), text_at(each, "failure-reason-code")},
         number_at(each, "failed-session-count")});
  }
  return policy;
}

/// RFC 8460 §3: "mailto:" and "https:" URIs. Within the record "," "!" and ";" are percent-encoded.
std::optional<TlsReportAddress> parse_address(std::string_view uri) {
  if (base::starts_with_ignoring_case(uri, "https://"))
    return TlsReportAddress{false, std::string(uri)};
  if (!base::starts_with_ignoring_case(uri, "mailto:")) return std::nullopt;
  uri.remove_prefix(7);
  std::optional<std::string> address = base::percent_decoded(uri.substr(0, uri.find('?')));
  if (!address) return std::nullopt;
  return TlsReportAddress{true, std::move(*address)};
}

}  // namespace

std::string_view tls_policy_kind_name(TlsPolicyKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}

std::optional<TlsPolicyKind> parse_tls_policy_kind(std::string_view name) {
  const auto found = std::find(kKinds.begin(), kKinds.end(), name);
  if (found == kKinds.end()) return std::nullopt;
  return static_cast<TlsPolicyKind>(found - kKinds.begin());
}

std::string_view tls_result_name(TlsResult result) {
  return kResults[static_cast<std::size_t>(result)];
}

std::optional<TlsResult> parse_tls_result(std::string_view name) {
  const auto found = std::find(kResults.begin(), kResults.end(), name);
  if (found == kResults.end()) return std::nullopt;
  return static_cast<TlsResult>(found - kResults.begin());
}

TlsResult tls_result_of(std::string_view words) {
  const auto says = [words](std::string_view what) {
    return words.find(what) != std::string_view::npos;
  };
  // RFC 8460 §4.3.2.2: none of the records was good for the certificates that came.
  if (says("TLSA")) return TlsResult::TlsaInvalid;
  if (says("expired") || says("not yet valid")) return TlsResult::CertificateExpired;
  if (says("ostname mismatch") || says("IP address mismatch"))
    return TlsResult::CertificateHostMismatch;
  // RFC 8460 §4.3.1: this label covers whatever else is wrong with a chain.
  // An alert is the peer's view of us.
  if (says("alert")) return TlsResult::ValidationFailure;
  if (says("certificate") || says("issuer") || says("chain") || says("CA ") || says("subtree"))
    return TlsResult::CertificateNotTrusted;
  return TlsResult::ValidationFailure;
}

std::string format_tlsa(const dns::Tlsa& tlsa) {
  return std::to_string(tlsa.usage) + " " + std::to_string(tlsa.selector) + " " +
         std::to_string(tlsa.matching) + " " + base::encode_hex(tlsa.data);
}

std::vector<std::string> policy_strings_of(const MtaStsPolicy& policy) {
  std::vector<std::string> lines;
  const std::string text = format_mta_sts_policy(policy);
  for (std::size_t begin = 0; begin < text.size() && lines.size() < kStringsMax;) {
    const std::size_t end = std::min(text.find('\r', begin), text.size());
    const std::string_view line = base::trimmed(std::string_view(text).substr(begin, end - begin));
    if (!line.empty()) lines.emplace_back(line);
    begin = end + 2;
  }
  return lines;
}

void TlsTally::add(const TlsSession& session) {
  auto policy = std::find_if(policies.begin(), policies.end(), [&](const Policy& known) {
    return known.kind == session.policy && known.strings == session.policy_strings;
  });
  if (policy == policies.end()) {
    if (policies.size() >= kPoliciesMax) {
      // A zone that changes all day: the last of its kind stands for those that follow.
      policy = std::find_if(policies.begin(), policies.end(),
                            [&](const Policy& known) { return known.kind == session.policy; });
      if (policy == policies.end()) policy = policies.end() - 1;
    } else {
      policies.push_back({session.policy, session.policy_strings, session.mx_hosts, 0, 0, {}});
      policy = policies.end() - 1;
    }
  }
  for (const std::string& host : session.mx_hosts) {
    const bool is_known =
        std::find(policy->mx_hosts.begin(), policy->mx_hosts.end(), host) != policy->mx_hosts.end();
    if (!is_known && policy->mx_hosts.size() < kStringsMax) policy->mx_hosts.push_back(host);
  }
  if (!session.failure) {
    ++policy->successes;
    return;
  }
  ++policy->failures;
  TlsFailure failure = *session.failure;
  failure.reason = base::printable(failure.reason, kReasonOctetsMax);
  const auto known = std::find_if(policy->details.begin(), policy->details.end(),
                                  [&](const Detail& detail) { return detail.failure == failure; });
  if (known != policy->details.end()) {
    ++known->count;
  } else if (policy->details.size() < kDetailsMax) {
    policy->details.push_back({std::move(failure), 1});
  }
}

std::uint64_t TlsTally::successes() const {
  std::uint64_t sum = 0;
  for (const Policy& policy : policies) sum += policy.successes;
  return sum;
}

std::uint64_t TlsTally::failures() const {
  std::uint64_t sum = 0;
  for (const Policy& policy : policies) sum += policy.failures;
  return sum;
}

std::string format_tls_report(const TlsReportHead& head, const TlsTally& tally) {
  const std::string day = base::format_day(head.begin);
  const json::object report{
      {"organization-name", head.organization},
      {"date-range",
       {{"start-datetime", day + "T00:00:00Z"}, {"end-datetime", day + "T23:59:59Z"}}},
      {"contact-info", head.contact},
      {"report-id", head.id},
      {"policies", policies_of(tally, head.domain)}};
  return json::serialize(report);
}

std::string encode_tls_tally(const TlsTally& tally) {
  return json::serialize(policies_of(tally, {}));
}

std::optional<TlsTally> decode_tls_tally(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error || !value.is_array()) return std::nullopt;
  TlsTally tally;
  for (const json::value& each : value.as_array()) {
    std::optional<TlsTally::Policy> policy = policy_of(each);
    if (!policy) return std::nullopt;
    if (tally.policies.size() < TlsTally::kPoliciesMax)
      tally.policies.push_back(std::move(*policy));
  }
  return tally;
}

std::vector<TlsReportAddress> find_tls_report_addresses(const std::vector<std::string>& texts,
                                                        std::string& why) {
  std::vector<TlsReportAddress> addresses;
  const std::string* record = nullptr;
  for (const std::string& text : texts) {
    // RFC 8460 §3: those that begin otherwise are not meant.
    const std::string_view rest =
        std::string_view(text).substr(std::min<std::size_t>(11, text.size()));
    const bool is_one = text.starts_with("v=TLSRPTv1") && text.size() > 10 &&
                        (text[10] == ';' || text[10] == ' ') && !rest.empty();
    if (!is_one) continue;
    if (record != nullptr) {
      why = "more than one record";
      return addresses;
    }
    record = &text;
  }
  if (record == nullptr) return addresses;
  std::string_view rest = *record;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view field = base::trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos ||
        !base::equals_ignoring_case(base::trimmed(field.substr(0, equals)), "rua"))
      continue;
    std::string_view list = field.substr(equals + 1);
    while (!list.empty()) {
      const std::size_t comma = std::min(list.find(','), list.size());
      auto address = parse_address(base::trimmed(list.substr(0, comma)));
      list.remove_prefix(std::min(comma + 1, list.size()));
      if (address && addresses.size() < kTlsReportAddressesMax)
        addresses.push_back(std::move(*address));
    }
    break;
  }
  if (addresses.empty()) why = "no mailto: or https: address in rua";
  return addresses;
}

}  // namespace ekiden::policy
