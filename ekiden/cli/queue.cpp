#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <cstdio>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/filter_options.hpp"
#include "ekiden/cli/operation.hpp"
#include "ekiden/cli/table.hpp"
#include "ekiden/config/next_hop.hpp"
#include "ekiden/config/units.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

/// The request's arguments with the filter in them; nothing after a usage error.
std::optional<json::object> arguments_with(Context& context, const FilterOptions& options) {
  std::string problem;
  const auto filter = options.read(problem);
  if (!filter) {
    context.fail(kUsage, problem);
    return std::nullopt;
  }
  json::object arguments;
  if (!filter->is_empty()) arguments["filter"] = control::to_json(*filter);
  return arguments;
}

void add_list(CLI::App& group, Context& context) {
  struct Options {
    FilterOptions filter;
    std::uint64_t limit = 100;
  };
  auto options = std::make_shared<Options>();
  CLI::App* list = group.add_subcommand("list", "List queued recipients");
  options->filter.add_to(*list);
  list->add_option("--limit", options->limit, "At most so many; 0: all")->capture_default_str();
  list->callback([&context, options] {
    auto arguments = arguments_with(context, options->filter);
    if (!arguments) return;
    if (options->limit > 0) (*arguments)["limit"] = options->limit;
    Table table({"MESSAGE", "RECIPIENT", "SENDER", "STATE", "TRIES", "AGE", "NEXT", "LAST REPLY"});
    std::size_t rows = 0;
    constexpr std::size_t kRowsPerTable = 1000;  // a long list comes out as it arrives
    const auto flush = [&] {
      if (!table.is_empty()) context.print(table.format(columns()));
      table =
          Table({"MESSAGE", "RECIPIENT", "SENDER", "STATE", "TRIES", "AGE", "NEXT", "LAST REPLY"});
      rows = 0;
    };
    const auto see = [&](const json::object& item) {
      if (context.is_json) {
        context.print_json(item);
        return true;
      }
      const std::string sender = text_of(item, "sender");
      table.add({text_of(item, "message"), text_of(item, "recipient"),
                 sender.empty() ? "<>" : sender, text_of(item, "state"),
                 std::to_string(number_of(item, "attempts")), distance(item, "accepted"),
                 short_time(item, "due"), text_of(item, "reply")});
      if (++rows == kRowsPerTable) flush();
      return true;
    };
    const control::Request request{"queue.list", std::move(*arguments)};
    const auto result = context.call(request, see);
    if (!result || context.is_json) return;
    flush();
    if (number_of(*result, "shown") == 0) context.print("Nothing is queued.\n");
    if (result->contains("more") && result->at("more").as_bool()) {
      context.print("… and more: --limit 0 shows all, --domain and others choose.\n");
    }
  });
}

void add_summary(CLI::App& group, Context& context) {
  struct Options {
    FilterOptions filter;
    std::string by = "site";
  };
  auto options = std::make_shared<Options>();
  CLI::App* summary = group.add_subcommand("summary", "Count queued recipients");
  options->filter.add_to(*summary);
  summary->add_option("--by", options->by, "Group by site, domain, tenant or stream")
      ->check(CLI::IsMember({"site", "domain", "tenant", "stream"}))
      ->capture_default_str();
  summary->callback([&context, options] {
    auto arguments = arguments_with(context, options->filter);
    if (!arguments) return;
    (*arguments)["by"] = options->by;
    const control::Request request{"queue.summary", std::move(*arguments)};
    const auto result = context.call(request);
    if (!result) return;
    if (context.is_json) return context.print_json(*result);
    std::string line = std::to_string(number_of(*result, "queued")) + " recipients queued";
    for (const char* state : {"ready", "in_flight", "waiting", "held", "resolving", "settling"}) {
      const std::uint64_t count = number_of(*result, state);
      if (count > 0) line += ", " + std::to_string(count) + " " + state;
    }
    line += "; " + std::to_string(number_of(*result, "messages")) + " messages, " +
            format_octets(number_of(*result, "octets"));
    const std::string oldest = distance(*result, "oldest");
    if (!oldest.empty()) line += ", the oldest " + oldest + " old";
    context.print(line + "\n");
    std::string heading = options->by;
    for (char& c : heading) c = static_cast<char>(c - 32);
    Table table({heading, "QUEUED", "READY", "IN FLIGHT", "WAITING", "HELD", "CONNECTIONS", ""});
    for (const auto& value : result->at("groups").as_array()) {
      const json::object& row = value.as_object();
      const auto number = [&](const char* key) { return std::to_string(number_of(row, key)); };
      table.add({text_of(row, "name"), number("queued"), number("ready"), number("in_flight"),
                 number("waiting"), number("held"), number("connections"), text_of(row, "state")});
    }
    if (!table.is_empty()) context.print("\n" + table.format(columns()));
  });
}

void print_recipient(Context& context, const json::object& item) {
  context.print(text_of(item, "recipient") + "\n");
  context.print_field("state", text_of(item, "state"), 2);
  context.print_field("site", text_of(item, "site"), 2);
  context.print_field("route", text_of(item, "route"), 2);
  context.print_field("attempts", std::to_string(number_of(item, "attempts")), 2);
  context.print_field("last reply", text_of(item, "reply"), 2);
  context.print_field("next", text_of(item, "due"), 2);
  context.print_field("expires", text_of(item, "expires"), 2);
}

/// Everything that limits a domain's mail, by the way it leaves.
void explain_domain(Context& context, const std::string& domain) {
  std::size_t shown = 0;
  const auto see = [&](const json::object& item) {
    ++shown;
    if (context.is_json) {
      context.print_json(item);
      return true;
    }
    const std::string pool = text_of(item, "pool");
    context.print(text_of(item, "domain") + (pool.empty() ? "" : " from pool " + pool) + "\n");
    for (const char* key : {"site", "route", "provider", "keeps_source", "avoids_source"})
      context.print_field(key, text_of(item, key), 2);
    context.print_field("ready", std::to_string(number_of(item, "ready")), 2);
    context.print_field("connections", std::to_string(number_of(item, "connections")), 2);
    for (const auto& value : item.at("reasons").as_array()) {
      const json::object& reason = value.as_object();
      const std::string until = text_of(reason, "until");
      context.print("  - " + text_of(reason, "text") +
                    (until.empty() ? "" : " (until " + until + ")") + "\n");
    }
    if (item.at("reasons").as_array().empty()) context.print("  - nothing holds it back\n");
    Table table({"SOURCE", "LIMIT", "VALUE", "FROM", "HOLDS UNTIL"});
    for (const auto& value : item.at("limits").as_array()) {
      const json::object& limit = value.as_object();
      const bool holds = limit.at("holds").as_bool();
      const std::string until = text_of(limit, "until");
      table.add({text_of(limit, "source"), text_of(limit, "limit"), text_of(limit, "value"),
                 text_of(limit, "from"),
                 !holds          ? "-"
                 : until.empty() ? "something ends"
                                 : until});
    }
    if (!table.is_empty()) context.print("\n" + table.format(columns()));
    return true;
  };
  const control::Request request{"queue.explain_domain", {{"domain", domain}}};
  if (context.call(request, see) && shown == 0 && !context.is_json)
    context.print("Nothing is known of " + domain + ": no mail for it was queued lately.\n");
}

void add_explain(CLI::App& group, Context& context) {
  struct Options {
    std::string message;
    std::int64_t index = -1;
  };
  auto options = std::make_shared<Options>();
  CLI::App* explain = group.add_subcommand(
      "explain", "Say why a message, or the mail of a domain, waits, and until when");
  explain->add_option("message", options->message, "Message id, or a recipient domain")->required();
  explain->add_option("--index", options->index, "Only this recipient of it")
      ->check(CLI::NonNegativeNumber);
  explain->callback([&context, options] {
    // No message id has a dot in it.
    if (options->message.find('.') != std::string::npos || options->message.starts_with('['))
      return explain_domain(context, options->message);
    json::object arguments{{"message", options->message}};
    if (options->index >= 0) arguments["index"] = options->index;
    const auto see = [&](const json::object& item) {
      if (context.is_json) {
        context.print_json(item);
        return true;
      }
      print_recipient(context, item);
      for (const auto& value : item.at("reasons").as_array()) {
        const json::object& reason = value.as_object();
        const std::string until = text_of(reason, "until");
        context.print("  - " + text_of(reason, "text") +
                      (until.empty() ? "" : " (until " + until + ")") + "\n");
      }
      return true;
    };
    const control::Request request{"queue.explain", std::move(arguments)};
    context.call(request, see);
  });
}

void add_show(CLI::App& group, Context& context) {
  auto message = std::make_shared<std::string>();
  CLI::App* show = group.add_subcommand("show", "Show a queued message and its recipients");
  show->add_option("message", *message, "Message id")->required();
  show->callback([&context, message] { show_message(context, *message); });
}

/// Actions on a selection: each starts an operation and, unless told not to, watches it.
void add_action(CLI::App& group, Context& context, const char* name, const char* doc,
                const char* argument_flag, const char* argument_doc, bool is_final) {
  struct Options {
    FilterOptions filter;
    std::vector<std::string> messages;
    std::string argument;
    bool is_all = false, does_not_wait = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = group.add_subcommand(name, doc);
  command->add_option("messages", options->messages, "Message ids, instead of --message");
  options->filter.add_to(*command);
  if (argument_flag != nullptr) {
    auto* option = command->add_option(argument_flag, options->argument, argument_doc);
    if (std::string_view(name) == "reroute") option->required();
  }
  if (is_final) {
    command->add_flag("--all", options->is_all, "Really everything, when there is no condition");
  }
  command->add_flag("--no-wait", options->does_not_wait,
                    "Return at once; `ekiden operation show ID` tells how far it is");
  const std::string action = name;
  command->callback([&context, options, action, is_final] {
    std::vector<json::object> requests;
    auto arguments = arguments_with(context, options->filter);
    if (!arguments) return;
    if (action == "reroute" && options->argument != "mx" &&
        !config::parse_host_port(options->argument)) {
      return context.fail(
          kUsage, "--to takes host:port, [v6]:port or mx, not \"" + options->argument + "\"");
    }
    if (options->messages.empty()) {
      if (is_final && arguments->empty() && !options->is_all) {
        return context.fail(kUsage, "no condition, so this would " + action +
                                        " everything; say --all if that is meant");
      }
      requests.push_back(std::move(*arguments));
    }
    for (const std::string& id : options->messages) {
      FilterOptions one = options->filter;
      one.message = id;
      auto with_message = arguments_with(context, one);
      if (!with_message) return;
      requests.push_back(std::move(*with_message));
    }
    for (json::object& request : requests) {
      request["action"] = action;
      if (!options->argument.empty()) request["argument"] = options->argument;
      if (!options->does_not_wait) request["wait"] = 1;
      follow_operation(context, {"queue.act", std::move(request)});
      if (context.exit_code != kDone) return;
    }
  });
}

void add_suspension(CLI::App& group, Context& context, bool is_suspend) {
  struct Options {
    std::string site, domain, tenant, stream, source, duration, reason;
    bool is_list = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App* command = is_suspend
                          ? group.add_subcommand("suspend",
                                                 "Stop delivering to a site, domain, … until "
                                                 "resumed; without one, list what is suspended")
                          : group.add_subcommand("resume", "Deliver to it again");
  command->add_option("--site", options->site, "Site, as `queue summary` shows it");
  command->add_option("--domain", options->domain, "Recipient domain");
  command->add_option("--tenant", options->tenant, "Tenant");
  command->add_option("--stream", options->stream, "Stream");
  command->add_option("--source", options->source, "Source");
  if (is_suspend) {
    command->add_option("--for", options->duration, "Only so long: 30m, 2h");
    command->add_option("--reason", options->reason, "Why, for those who look later");
  }
  command->callback([&context, options, is_suspend] {
    json::object arguments;
    for (const auto& [kind, name] : {std::pair{"site", &options->site},
                                     {"domain", &options->domain},
                                     {"tenant", &options->tenant},
                                     {"stream", &options->stream},
                                     {"source", &options->source}}) {
      if (name->empty()) continue;
      if (arguments.contains("kind")) {
        return context.fail(kUsage, "name one of --site, --domain, --tenant, --stream, --source");
      }
      arguments["kind"] = kind;
      arguments["name"] = *name;
    }
    if (arguments.empty() && is_suspend) {
      const control::Request request{"queue.suspensions", {}};
      const auto result = context.call(request);
      if (!result) return;
      if (context.is_json) return context.print_json(*result);
      Table table({"KIND", "NAME", "SINCE", "UNTIL", "REASON"});
      for (const auto& value : result->at("suspensions").as_array()) {
        const json::object& row = value.as_object();
        table.add({text_of(row, "kind"), text_of(row, "name"), short_time(row, "since"),
                   short_time(row, "until"), text_of(row, "reason")});
      }
      return context.print(table.is_empty() ? "Nothing is suspended.\n" : table.format(columns()));
    }
    if (arguments.empty()) {
      return context.fail(kUsage, "name one of --site, --domain, --tenant, --stream, --source");
    }
    if (!options->duration.empty()) {
      const auto duration = config::parse_duration(options->duration);
      if (!duration) {
        return context.fail(
            kUsage, "--for takes a duration like 30m or 2h, not \"" + options->duration + "\"");
      }
      arguments["for_s"] = std::chrono::duration_cast<std::chrono::seconds>(*duration).count();
    }
    if (!options->reason.empty()) arguments["reason"] = options->reason;
    const control::Request request{is_suspend ? "queue.suspend" : "queue.resume",
                                   std::move(arguments)};
    const auto result = context.call(request);
    if (!result) return;
    if (context.is_json) return context.print_json(*result);
    const std::string until = text_of(*result, "until");
    context.print(std::string(is_suspend ? "Suspended" : "Resumed") + ": " +
                  text_of(*result, "kind") + " " + text_of(*result, "name") +
                  (is_suspend && !until.empty() ? " until " + until : "") + "\n");
  });
}

}  // namespace

void add_queue(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("queue", "See what waits, and act on it");
  group->require_subcommand(1);
  group->footer(
      "\nExamples:\n"
      "  ekiden queue list --domain example.org --older-than 1h\n"
      "  ekiden queue retry --domain example.org\n"
      "  ekiden queue bounce --sender 'news@*' --reason 'sent by mistake'\n"
      "  ekiden queue reroute --domain example.org --to backup.example:25\n"
      "  ekiden queue suspend --tenant shop --for 2h\n");
  add_list(*group, context);
  add_show(*group, context);
  add_summary(*group, context);
  add_explain(*group, context);
  add_action(*group, context, "retry", "Try again now", nullptr, nullptr, false);
  add_action(*group, context, "hold", "Keep from delivery until released", "--reason",
             "Why, for those who look later", false);
  add_action(*group, context, "release", "Undo hold", nullptr, nullptr, false);
  add_suspension(*group, context, true);
  add_suspension(*group, context, false);
  add_action(*group, context, "bounce", "Give up now and tell the sender", "--reason",
             "What the notification says", true);
  add_action(*group, context, "delete", "Remove without telling the sender", "--reason",
             "Why, for the record", true);
  add_action(*group, context, "reroute", "Send to another next hop", "--to",
             "host:port, [v6]:port, or mx", true);
}

}  // namespace ekiden::cli
