#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <cstdio>

#include "ekiden/cli/context.hpp"
#include "ekiden/config/manual.hpp"
#include "ekiden/shaping/providers.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

json::object to_json(const config::Diagnostic& d) {
  json::object object{{"severity", d.severity == config::Severity::Error ? "error" : "warning"},
                      {"file", d.file},
                      {"message", d.message}};
  if (d.line != 0) {
    object["line"] = d.line;
    object["column"] = d.column;
  }
  if (!d.nearest.empty()) object["nearest"] = d.nearest;
  return object;
}

void check(Context& context) {
  config::Loaded loaded = config::load(context.config_file);
  shaping::check_rules(loaded);
  const auto errors = loaded.errors().size();
  const auto warnings = loaded.warnings().size();
  if (errors > 0) context.exit_code = kRefused;
  if (context.is_json) {
    json::array list;
    for (const auto& diagnostic : loaded.diagnostics) list.push_back(to_json(diagnostic));
    return context.print_json({{"ok", errors == 0}, {"diagnostics", std::move(list)}});
  }
  for (const auto& d : loaded.diagnostics)
    std::fprintf(stderr, "%s\n", format_diagnostic(d).c_str());
  const auto count = [](std::size_t n, const char* what) {
    return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
  };
  if (errors > 0) {
    std::fprintf(stderr, "%s: %s, %s\n", context.config_file.c_str(),
                 count(errors, "error").c_str(), count(warnings, "warning").c_str());
  } else {
    context.print(context.config_file + ": fine" +
                  (warnings > 0 ? ", " + count(warnings, "warning") : "") + "\n");
  }
}

}  // namespace

void add_config(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("config", "Check and explain the configuration");
  group->require_subcommand(1);
  group->footer("\nExample:\n  ekiden config check --config ./ekiden.toml\n");

  group->add_subcommand("check", "Read the file and say everything that is wrong with it")
      ->callback([&context] { check(context); });
  group->add_subcommand("explain", "Show every key in force, its value and where it comes from")
      ->callback([&context] {
        const auto loaded = context.load_config();
        if (!loaded) return;
        context.print(context.is_json ? format_explanation_json(*loaded) + "\n"
                                      : format_explanation(*loaded));
      });
  group->add_subcommand("example", "Print a complete file: every key, its meaning, its default")
      ->callback([&context] { context.print(config::format_example()); });
  group->add_subcommand("reference", "Print docs/CONFIG.md")->callback([&context] {
    context.print(config::format_reference());
  });
}

}  // namespace ekiden::cli
