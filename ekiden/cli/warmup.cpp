#include <CLI/CLI.hpp>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/table.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

struct Options {
  std::string source, provider;

  json::object arguments() const {
    json::object to;
    if (!source.empty()) to["source"] = source;
    if (!provider.empty()) to["provider"] = provider;
    return to;
  }
};

void show(Context& context, const Options& options) {
  Table table({"SOURCE", "PROVIDER", "DAY", "SENT", "ALLOWANCE", "HEALTH", "STATE", "NEXT"});
  const auto see = [&](const json::object& item) {
    if (context.is_json) {
      context.print_json(item);
      return true;
    }
    const char* state = item.at("paused").as_bool()    ? "paused"
                        : item.at("stopped").as_bool() ? "stopped today"
                                                       : "running";
    table.add(
        {text_of(item, "source"), text_of(item, "provider"),
         std::to_string(number_of(item, "day")) + " of " + std::to_string(number_of(item, "days")),
         std::to_string(number_of(item, "sent")), std::to_string(number_of(item, "allowance")),
         text_of(item, "health"), state, short_time(item, "next")});
    return true;
  };
  const control::Request request{"warmup.show", options.arguments()};
  if (!context.call(request, see) || context.is_json) return;
  context.print(table.is_empty() ? "No source is warming up.\n" : table.format(columns()));
}

void set(Context& context, const Options& options, const char* command, const char* done) {
  const control::Request request{command, options.arguments()};
  const auto result = context.call(request);
  if (!result) return;
  if (context.is_json) return context.print_json(*result);
  context.print(std::string(done) + ": " + options.source + " towards " +
                (options.provider.empty()
                     ? std::to_string(number_of(*result, "changed")) + " providers"
                     : options.provider) +
                "\n");
}

}  // namespace

void add_warmup(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("warmup", "See how new sources grow, and pause them");
  group->require_subcommand(1);
  auto options = std::make_shared<Options>();
  CLI::App* showing = group->add_subcommand("show", "What each new source may send today");
  showing->add_option("--source", options->source, "Only this source");
  CLI::App* pausing = group->add_subcommand("pause", "Send nothing from it while it is warming up");
  pausing->add_option("source", options->source, "Source")->required();
  CLI::App* resuming = group->add_subcommand("resume", "Go on where it was paused");
  resuming->add_option("source", options->source, "Source")->required();
  for (CLI::App* command : {showing, pausing, resuming})
    command->add_option("--provider", options->provider, "Only towards this provider");
  showing->callback([&context, options] { show(context, *options); });
  pausing->callback([&context, options] { set(context, *options, "warmup.pause", "Paused"); });
  resuming->callback([&context, options] { set(context, *options, "warmup.resume", "Resumed"); });
}

}  // namespace ekiden::cli
