#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

struct Options {
  std::string domain, date;

  json::object arguments() const {
    json::object to;
    if (!domain.empty()) to["domain"] = domain;
    if (!date.empty()) to["date"] = date;
    return to;
  }
};

void list(Context& context, const Options& options) {
  Table table({"DAY", "DOMAIN", "STATE", "SUCCESSES", "FAILURES", "DUE"});
  const auto see = [&](const json::object& item) {
    if (context.is_json) {
      context.print_json(item);
      return true;
    }
    table.add({text_of(item, "day"), text_of(item, "domain"), text_of(item, "state"),
               std::to_string(number_of(item, "successes")),
               std::to_string(number_of(item, "failures")), short_time(item, "due")});
    return true;
  };
  const control::Request request{"tls_report.list", options.arguments()};
  if (!context.call(request, see) || context.is_json) return;
  context.print(table.is_empty() ? "Nothing is collected.\n" : table.format(columns()));
}

void print_failure(Context& context, const json::object& failure) {
  std::string line = std::to_string(number_of(failure, "failed-session-count")) + " x " +
                     text_of(failure, "result-type");
  for (const char* key : {"receiving-mx-hostname", "receiving-ip", "failure-reason-code"}) {
    const std::string text = text_of(failure, key);
    if (!text.empty()) line += ", " + text;
  }
  context.print_field("failure", line, 2);
}

void print_policy(Context& context, const json::object& policy) {
  const json::object& which = policy.at("policy").as_object();
  const json::object& summary = policy.at("summary").as_object();
  context.print_field("policy", text_of(which, "policy-type"));
  for (const char* key : {"policy-string", "mx-host"}) {
    if (const json::value* texts = which.if_contains(key))
      context.print_field(key, json::serialize(*texts), 2);
  }
  context.print_field("successes",
                      std::to_string(number_of(summary, "total-successful-session-count")), 2);
  context.print_field("failures", std::to_string(number_of(summary, "total-failure-session-count")),
                      2);
  if (const json::value* failures = policy.if_contains("failure-details")) {
    for (const json::value& each : failures->as_array()) print_failure(context, each.as_object());
  }
}

void show(Context& context, const Options& options) {
  const auto see = [&](const json::object& item) {
    if (context.is_json) {
      context.print_json(item);
      return true;
    }
    for (const char* key : {"domain", "day", "state", "id"})
      context.print_field(key, text_of(item, key));
    if (item.contains("due")) context.print_field("due", short_time(item, "due"));
    for (const json::value& each : item.at("deliveries").as_array()) {
      const json::object& delivery = each.as_object();
      std::string line = text_of(delivery, "to");
      line += delivery.at("sent").as_bool() ? ": sent" : ": not sent";
      if (delivery.contains("problem")) line += ", " + text_of(delivery, "problem");
      context.print_field("to", line);
    }
    for (const json::value& each : item.at("policies").as_array())
      print_policy(context, each.as_object());
    context.print("\n");
    return true;
  };
  const control::Request request{"tls_report.show", options.arguments()};
  (void)context.call(request, see);
}

void send(Context& context, const Options& options) {
  const control::Request request{"tls_report.send", options.arguments()};
  const auto result = context.call(request);
  if (!result) return;
  if (context.is_json) return context.print_json(*result);
  context.print("Reports on " + text_of(*result, "day") +
                " that are being sent: " + std::to_string(number_of(*result, "reports")) + "\n");
}

}  // namespace

void add_tls_report(CLI::App& app, Context& context) {
  CLI::App* group =
      app.add_subcommand("tls-report", "See and send what recipient domains are told about TLS");
  group->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* listing = group->add_subcommand("list", "What is collected, and what was sent lately");
  CLI::App* showing = group->add_subcommand("show", "What one domain's reports say");
  showing->add_option("domain", options->domain, "Recipient domain")->required();
  CLI::App* sending = group->add_subcommand(
      "send", "Send a day's reports now; of one that goes on, what there is so far");
  for (CLI::App* command : {listing, showing})
    command->add_option("--date", options->date, "Only this UTC day: 2026-11-22");
  sending->add_option("--date", options->date, "The UTC day: 2026-11-22")->required();
  listing->callback([&context, options] { list(context, *options); });
  showing->callback([&context, options] { show(context, *options); });
  sending->callback([&context, options] { send(context, *options); });
}

}  // namespace ekiden::cli
