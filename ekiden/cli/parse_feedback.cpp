// `ekiden parse bounce`: what mails that came back say, one answer for each recipient.
// `ekiden parse report`: what receivers report of our mail.
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <memory>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/check_place.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/cli/mail_file.hpp"
#include "ekiden/cli/parse_feedback.hpp"
#include "ekiden/feedback/bounce.hpp"
#include "ekiden/feedback/report.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

std::string safe(const std::string& text) {
  return base::is_valid_utf8(text) ? text : base::printable(text, text.size() * 4);
}

json::object describe(const std::string& file, const feedback::Bounce& bounce,
                      const feedback::BouncedRecipient* who) {
  json::object object;
  object["file"] = safe(file);
  const feedback::BounceKind kind = who != nullptr ? who->kind : bounce.kind;
  object["kind"] = feedback::bounce_kind_name(kind);
  if (who == nullptr) return object;
  object["recipient"] = safe(who->recipient);
  if (!who->original_recipient.empty())
    object["original_recipient"] = safe(who->original_recipient);
  object["action"] = safe(who->action);
  object["status"] = safe(who->status);
  object["code"] = who->code;
  object["reply"] = safe(who->reply);
  if (!who->remote_host.empty()) object["remote_host"] = safe(who->remote_host);
  if (who->phase != shaping::Phase::Unknown)
    object["phase"] = shaping::phase_names()[static_cast<std::size_t>(who->phase) - 1];
  const bool has_reason =
      kind == feedback::BounceKind::Failed || kind == feedback::BounceKind::Delayed;
  if (has_reason) {
    object["reason"] = shaping::name_of(who->why.reason);
    object["class"] = shaping::name_of(who->why.klass);
    object["hard"] = who->why.is_hard && kind == feedback::BounceKind::Failed;
    object["fault"] = shaping::name_of(who->why.fault);
  }
  if (!bounce.message_id.empty()) object["message_id"] = safe(bounce.message_id);
  if (!bounce.feedback_type.empty()) object["feedback_type"] = safe(bounce.feedback_type);
  return object;
}

void parse_bounces(Context& context, const std::vector<std::string>& files) {
  std::string folder;
  std::error_code error;
  if (std::filesystem::exists(context.config_file, error)) {
    const auto loaded = context.load_config();
    if (!loaded) return;
    folder = loaded->settings.shaping.rules_dir;
  }
  const shaping::LoadedProviders rules = shaping::load_providers(folder);
  if (rules.providers == nullptr) return context.fail(kRefused, "the rules have mistakes");
  for (const std::string& file : files) {
    std::string problem;
    std::optional<std::string> octets = read_check_file(file, problem);
    if (!octets) return context.fail(kFailed, problem);
    const MailFile mail(std::move(*octets));
    const feedback::Bounce bounce = feedback::parse_bounce(mail.octets(), *rules.providers);
    const auto print = [&](const feedback::BouncedRecipient* who) {
      context.print(json::serialize(describe(file, bounce, who)) + "\n");
    };
    if (bounce.recipients.empty()) print(nullptr);
    for (const feedback::BouncedRecipient& who : bounce.recipients) print(&who);
  }
}

json::array describe(const std::vector<feedback::DmarcRow::Result>& results) {
  json::array all;
  for (const auto& one : results) {
    json::object object{{"domain", safe(one.domain)}, {"result", safe(one.result)}};
    if (!one.selector.empty()) object["selector"] = safe(one.selector);
    all.push_back(std::move(object));
  }
  return all;
}

json::object describe(const feedback::DmarcReport& report) {
  json::array rows;
  for (const feedback::DmarcRow& row : report.rows) {
    json::object one{{"source_ip", safe(row.source_ip)},
                     {"count", row.count},
                     {"disposition", safe(row.disposition)},
                     {"dkim", safe(row.dkim)},
                     {"spf", safe(row.spf)},
                     {"header_from", safe(row.header_from)},
                     {"envelope_from", safe(row.envelope_from)},
                     {"dkim_results", describe(row.dkim_results)},
                     {"spf_results", describe(row.spf_results)}};
    if (!row.overrides.empty()) {
      json::array overrides;
      for (const std::string& type : row.overrides) overrides.push_back(json::string(safe(type)));
      one["overrides"] = std::move(overrides);
    }
    rows.push_back(std::move(one));
  }
  json::object object{{"kind", "dmarc"},
                      {"organization", safe(report.organization)},
                      {"report_id", safe(report.id)},
                      {"begin", report.begin_s},
                      {"end", report.end_s},
                      {"domain", safe(report.domain)},
                      {"policy", safe(report.policy)},
                      {"records", std::move(rows)}};
  if (report.is_cut) object["cut"] = true;
  return object;
}

json::object describe(const feedback::TlsReport& report) {
  json::array policies;
  for (const feedback::TlsReport::Policy& policy : report.policies) {
    json::array hosts, failures;
    for (const std::string& host : policy.hosts) hosts.push_back(json::string(safe(host)));
    for (const feedback::TlsReport::Failure& failure : policy.details)
      failures.push_back(json::object{{"type", safe(failure.type)},
                                      {"sending_address", safe(failure.sending_address)},
                                      {"receiving_host", safe(failure.receiving_host)},
                                      {"receiving_address", safe(failure.receiving_address)},
                                      {"reason", safe(failure.reason)},
                                      {"sessions", failure.sessions}});
    policies.push_back(json::object{{"type", safe(policy.type)},
                                    {"domain", safe(policy.domain)},
                                    {"mx_hosts", std::move(hosts)},
                                    {"successes", policy.successes},
                                    {"failures", policy.failures},
                                    {"failure_details", std::move(failures)}});
  }
  return {{"kind", "tls"},
          {"organization", safe(report.organization)},
          {"report_id", safe(report.id)},
          {"begin", safe(report.begin)},
          {"end", safe(report.end)},
          {"policies", std::move(policies)}};
}

json::object describe(const feedback::ArfReport& report) {
  json::object fields;
  for (const auto& [name, value] : report.fields) fields[safe(name)] = safe(value);
  return {{"kind", "arf"},
          {"type", safe(report.type)},
          {"fields", std::move(fields)},
          {"message_id", safe(report.message_id)},
          {"from", safe(report.from)},
          {"to", safe(report.to)},
          {"subject", safe(report.subject)}};
}

json::object describe(const feedback::NoReport& none) {
  return {{"kind", "none"}, {"problem", safe(none.why)}};
}

void parse_report(Context& context, const std::string& file) {
  std::string problem;
  std::optional<std::string> octets = read_check_file(file, problem);
  if (!octets) return context.fail(kFailed, problem);
  // Packed octets and JSON are no text of this system.
  const bool is_mail = octets->find('\0') == std::string::npos && !octets->starts_with('{');
  if (is_mail) octets = std::string(MailFile(std::move(*octets)).octets());
  const feedback::Report report = feedback::read_report(*octets);
  const json::object answer = std::visit([](const auto& r) { return describe(r); }, report);
  context.print(json::serialize(answer) + "\n");
}

}  // namespace

void add_parse_feedback(CLI::App& group, Context& context) {
  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* const bounce = group.add_subcommand(
      "bounce", "Mails that came back: one line of JSON for each recipient (docs/FEEDBACK.md)");
  bounce->footer(
      "\nReasons are those of `ekiden classify reply`, by the same rules.\n\nExample:\n"
      "  ekiden parse bounce Maildir/new/*\n");
  bounce->add_option("message", *files, "The mails; - reads standard input")
      ->type_name("FILE")
      ->required();
  bounce->callback([&context, files] { parse_bounces(context, *files); });

  auto file = std::make_shared<std::string>();
  CLI::App* const report = group.add_subcommand(
      "report", "A report on our mail: DMARC aggregate, TLS-RPT, ARF (docs/FEEDBACK.md)");
  report->footer(
      "\nExample:\n  ekiden parse report receiver.example!example.jp!1790000000.xml.gz\n");
  report->add_option("report", *file, "XML, JSON, gzip, zip or a mail; - reads standard input")
      ->type_name("FILE")
      ->required();
  report->callback([&context, file] { parse_report(context, *file); });
}

}  // namespace ekiden::cli
