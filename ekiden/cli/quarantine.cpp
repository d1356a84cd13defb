#include "ekiden/cli/quarantine.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>

#include "ekiden/base/text.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// Asks the node, or the stores of a stopped one; prints the problem when there is one.
std::optional<json::object> ask(Context& context, const control::Request& request,
                                const SeeItem& see = nullptr) {
  const auto loaded = context.load_config();
  if (!loaded) return std::nullopt;
  control::Answer answer = context.ask_even_stopped(loaded->settings, request, see);
  if (answer) return std::move(*answer.value);
  context.fail(answer.problem);
  return std::nullopt;
}

std::string first_recipient(const json::object& item) {
  const auto* recipients = item.if_contains("recipients");
  if (recipients == nullptr || recipients->as_array().empty()) return {};
  const json::array& all = recipients->as_array();
  std::string text(std::string_view(all.front().as_string()));
  if (all.size() > 1) text += " and " + std::to_string(all.size() - 1) + " more";
  return text;
}

void list(Context& context, std::uint64_t limit, const std::string& after) {
  json::object arguments;
  if (limit > 0) arguments["limit"] = limit;
  if (!after.empty()) arguments["after"] = after;
  Table table({"NAME", "KIND", "SIZE", "SENDER", "RECIPIENTS", "REASON"});
  std::string last;
  const auto see = [&](const json::object& item) {
    if (context.is_json) {
      context.print_json(item);
      return true;
    }
    last = text_of(item, "name");
    const std::string sender = text_of(item, "sender");
    const std::string recipients = first_recipient(item);
    table.add({last, text_of(item, "kind"), format_octets(number_of(item, "size")),
               sender.empty() && !recipients.empty() ? "<>" : sender, recipients,
               text_of(item, "reason")});
    return true;
  };
  const control::Request request{"quarantine.list", std::move(arguments)};
  const auto result = ask(context, request, see);
  if (!result || context.is_json) return;
  context.print(table.is_empty() ? "Nothing is in quarantine.\n" : table.format(columns()));
  const auto* more = result->if_contains("more");
  if (more != nullptr && more->as_bool())
    context.print("… and more: --after " + last + " goes on, --limit 0 shows all.\n");
}

void show(Context& context, const std::string& name) {
  const control::Request request{"quarantine.show", {{"name", name}}};
  const auto result = ask(context, request);
  if (!result) return;
  if (context.is_json) return context.print_json(*result);
  for (const char* key : {"name", "kind", "reason", "message", "accepted"})
    context.print_field(key, text_of(*result, key));
  const auto* recipients = result->if_contains("recipients");
  if (recipients != nullptr) {
    const std::string sender = text_of(*result, "sender");
    context.print_field("sender", sender.empty() ? "<>" : sender);
  }
  for (const char* key : {"tenant", "stream", "client", "identity", "subject"})
    context.print_field(key, text_of(*result, key));
  context.print_field("size", format_octets(number_of(*result, "size")));
  if (recipients != nullptr) {
    for (const json::value& recipient : recipients->as_array())
      context.print_field("recipient", std::string(std::string_view(recipient.as_string())));
    context.print(
        "\n`ekiden spool quarantine release` queues it as it was read; `show --raw` "
        "gives its octets.\n");
    return;
  }
  const std::uint64_t lost = number_of(*result, "lost");
  if (lost > 0) context.print_field("recipients", std::to_string(lost) + ", not known by name");
  context.print("\nIts envelope cannot be read: save it with `show --raw`, then delete it.\n");
}

void show_raw(Context& context, const std::string& name) {
  if (context.is_json) return context.fail(kUsage, "--raw gives octets, not JSON");
  // Terminals obey control characters.
  if (is_terminal_out()) return context.fail(kUsage, "--raw writes octets: send them to a file");
  bool is_whole = true;
  const auto see = [&](const json::object& item) {
    const auto octets = base::decode_base64(text_of(item, "octets"));
    is_whole = octets.has_value();
    if (octets) context.print(*octets);
    return is_whole;
  };
  const control::Request request{"quarantine.raw", {{"name", name}}};
  (void)ask(context, request, see);
}

/// `release` and `delete`: each name by itself, so that one that cannot be does not stop the rest.
void decide(Context& context, const char* command, const std::vector<std::string>& names,
            const std::string& reason) {
  int worst = kDone;
  for (const std::string& name : names) {
    json::object arguments{{"name", name}};
    if (!reason.empty()) arguments["reason"] = reason;
    const control::Request request{command, std::move(arguments)};
    const auto result = ask(context, request);
    worst = std::max(worst, context.exit_code);
    if (!result) continue;
    if (context.is_json) {
      context.print_json(*result);
      continue;
    }
    const std::string as = text_of(*result, "as");
    const std::uint64_t recipients = number_of(*result, "recipients");
    context.print(name + (as.empty() ? " is deleted" : " is queued as " + as) +
                  (recipients > 0 ? ", " + std::to_string(recipients) + " recipients" : "") + "\n");
  }
  context.exit_code = worst;
}

}  // namespace

void add_quarantine(CLI::App& group, Context& context) {
  CLI::App* quarantine = group.add_subcommand(
      "quarantine", "What could not be read and was set aside; the relay may run or not");
  quarantine->require_subcommand(1);
  quarantine->footer(
      "\nExamples:\n"
      "  ekiden spool quarantine list\n"
      "  ekiden spool quarantine show NAME --raw > saved.eml\n"
      "  ekiden spool quarantine release NAME\n");
  struct Options {
    std::uint64_t limit = 100;
    std::string after, name, reason;
    std::vector<std::string> names;
    bool is_raw = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* listing = quarantine->add_subcommand("list", "List it, by name");
  listing->add_option("--limit", options->limit, "At most so many; 0: all")->capture_default_str();
  listing->add_option("--after", options->after, "Go on behind this name")->type_name("NAME");
  listing->callback([&context, options] { list(context, options->limit, options->after); });

  CLI::App* showing = quarantine->add_subcommand("show", "Show one: envelope, reason, octets");
  showing->add_option("name", options->name, "Its name")->required();
  showing->add_flag("--raw", options->is_raw, "The octets that were kept, to standard output");
  showing->callback([&context, options] {
    options->is_raw ? show_raw(context, options->name) : show(context, options->name);
  });

  CLI::App* releasing = quarantine->add_subcommand(
      "release", "Queue a message again as it was read, for those who have not got it");
  releasing->add_option("names", options->names, "Names")->required();
  releasing->callback(
      [&context, options] { decide(context, "quarantine.release", options->names, {}); });

  CLI::App* deleting =
      quarantine->add_subcommand("delete", "Remove it for good; its recipients end as cancelled");
  deleting->add_option("names", options->names, "Names")->required();
  deleting->add_option("--reason", options->reason, "Why, for the record");
  deleting->callback([&context, options] {
    decide(context, "quarantine.delete", options->names, options->reason);
  });
}

}  // namespace ekiden::cli
