#include "ekiden/cli/operation.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <cstdio>

#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

std::string sentence(const json::object& operation) {
  std::string text = "operation " + std::to_string(number_of(operation, "operation")) + " (" +
                     text_of(operation, "what") + ") " + text_of(operation, "state") + ": " +
                     std::to_string(number_of(operation, "done")) + " of " +
                     std::to_string(number_of(operation, "matched")) + " recipients";
  const std::uint64_t skipped = number_of(operation, "skipped");
  if (skipped > 0) text += ", " + std::to_string(skipped) + " gone or under way";
  const std::string problem = text_of(operation, "problem");
  if (!problem.empty()) text += "; " + problem;
  return text;
}

}  // namespace

void follow_operation(Context& context, const control::Request& request) {
  ProgressLine progress(context);
  const auto see = [&](const json::object& item) {
    progress.show(number_of(item, "looked_at"), number_of(item, "to_look_at"),
                  std::to_string(number_of(item, "done")) + " recipients done");
    return true;
  };
  const auto result = context.call(request, see);
  progress.wipe();
  if (!result) return;
  if (text_of(*result, "state") == "failed") context.exit_code = kFailed;
  if (context.is_json) return context.print_json(*result);
  context.print(sentence(*result) + "\n");
}

void add_operation(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("operation", "Follow what an action on the queue does");
  group->require_subcommand(1);
  group->add_subcommand("list", "List operations since the start, newest first")
      ->callback([&context] {
        const control::Request request{"operation.list", {}};
        const auto result = context.call(request);
        if (!result) return;
        if (context.is_json) return context.print_json(*result);
        Table table({"ID", "STATE", "STARTED", "MATCHED", "DONE", "WHAT"});
        for (const auto& value : result->at("operations").as_array()) {
          const json::object& row = value.as_object();
          table.add({std::to_string(number_of(row, "operation")), text_of(row, "state"),
                     short_time(row, "started"), std::to_string(number_of(row, "matched")),
                     std::to_string(number_of(row, "done")), text_of(row, "what")});
        }
        context.print(table.is_empty() ? "No operations.\n" : table.format(columns()));
      });
  for (const bool is_show : {true, false}) {
    CLI::App* command =
        is_show ? group->add_subcommand("show", "Show one, or wait for its end")
                : group->add_subcommand("cancel", "Stop one; what it has done stays done");
    auto id = std::make_shared<std::uint64_t>(0);
    auto waits = std::make_shared<bool>(false);
    command->add_option("operation", *id, "Its id")->required();
    if (is_show) command->add_flag("--wait", *waits, "Until it ends, with its progress");
    command->callback([&context, id, waits, is_show] {
      json::object arguments{{"operation", *id}};
      if (*waits) arguments["wait"] = 1;
      follow_operation(context,
                       {is_show ? "operation.show" : "operation.cancel", std::move(arguments)});
    });
  }
}

}  // namespace ekiden::cli
