#include <CLI/CLI.hpp>
#include <exception>

#include "ekiden/cli/cli.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/cli/job.hpp"
#include "ekiden/cli/sink_command.hpp"

#ifndef EKIDEN_VERSION
#define EKIDEN_VERSION "unknown"
#endif

namespace ekiden::cli {

namespace {

constexpr const char* kFooter =
    "\nExamples:\n"
    "  ekiden config example > ekiden.toml        a complete file to start from\n"
    "  ekiden serve --config ekiden.toml          run the relay\n"
    "  ekiden queue summary                       what waits, by site\n"
    "  ekiden queue explain MESSAGE               why it waits\n"
    "  ekiden message trace MESSAGE               what happened to it\n"
    "\nExit codes: 0 done, 1 refusal or finding, 2 usage, 3 failure.\n";

/// The common flags stand before or after the command.
void add_common_flags(CLI::App& app, Context& context) {
  app.add_option("--config", context.config_file, "The configuration file")
      ->capture_default_str()
      ->type_name("FILE");
  app.add_flag("--json", context.is_json, "Answer in JSON, for programs");
}

void let_through(CLI::App& app) {
  for (CLI::App* child : app.get_subcommands({})) {
    child->fallthrough();
    let_through(*child);
  }
}

}  // namespace

int run(int argc, char** argv, const Hooks& hooks) {
  Context context{hooks};
  // The sink has flags of its own, and is a program of its own but for the binary.
  if (argc > 1 && std::string_view(argv[1]) == "sink") {
    return run_sink_command(std::vector<std::string>(argv + 2, argv + argc));
  }
  try {
    CLI::App app("ekiden relays mail: takes it over SMTP, keeps it safe, delivers it.", "ekiden");
    app.set_version_flag("--version", std::string("ekiden ") + EKIDEN_VERSION);
    app.footer(kFooter);
    app.require_subcommand(1);
    add_serve(app, context);
    add_config(app, context);
    add_user(app, context);
    add_suppression(app, context);
    add_domain(app, context);
    add_audit(app, context);
    add_key(app, context);
    add_dkim(app, context);
    add_queue(app, context);
    add_message(app, context);
    add_operation(app, context);
    add_events(app, context);
    add_stats(app, context);
    add_webhook(app, context);
    add_job(app, context);
    add_template(app, context);
    add_top(app, context);
    add_warmup(app, context);
    add_tls_report(app, context);
    add_doctor(app, context);
    add_spool(app, context);
    add_rewrite(app, context);
    add_check(app, context);
    add_classify(app, context);
    add_sign(app, context);
    add_parse(app, context);
    app.add_subcommand("sink", "An SMTP server that keeps what it gets, for tests and trials");
    add_common_flags(app, context);
    let_through(app);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      // Help and version are "errors" of code 0; everything else is usage.
      return app.exit(error) == 0 ? kDone : kUsage;
    }
  } catch (const std::exception& error) {
    context.fail(kFailed, error.what());
  }
  return context.exit_code;
}

}  // namespace ekiden::cli
