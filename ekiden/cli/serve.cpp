#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <cstdio>

#include "ekiden/cli/context.hpp"
#include "ekiden/shaping/providers.hpp"

namespace ekiden::cli {

void add_serve(CLI::App& app, Context& context) {
  CLI::App* serve = app.add_subcommand("serve", "Run the relay until SIGTERM");
  serve->callback([&context] {
    auto loaded = context.load_config();
    if (!loaded) return;
    shaping::check_rules(*loaded);
    if (!loaded->ok()) {
      context.exit_code = kRefused;
      for (const auto& error : loaded->errors()) {
        std::fprintf(stderr, "%s\n", format_diagnostic(error).c_str());
      }
      return;
    }
    for (const auto& warning : loaded->warnings()) {
      std::fprintf(stderr, "%s\n", format_diagnostic(warning).c_str());
    }
    if (!context.hooks.serve) return context.fail(kFailed, "this build has no relay");
    context.exit_code = context.hooks.serve(std::move(*loaded));
  });

  CLI::App* reload = app.add_subcommand(
      "reload", "Put the configuration file in force, or refuse it whole and keep the old one");
  reload->callback([&context] {
    const control::Request request{"reload", {}};
    const auto result = context.call(request);
    if (!result) return;
    const bool is_applied = result->at("applied").as_bool();
    if (!is_applied) context.exit_code = kRefused;
    if (context.is_json) return context.print_json(*result);
    for (const auto& message : result->at("messages").as_array()) {
      std::fprintf(stderr, "%s\n", message.as_string().c_str());
    }
    if (is_applied) {
      context.print("The new configuration is in force.\n");
    } else {
      std::fprintf(stderr, "ekiden: refused; the old configuration stays in force\n");
    }
  });
}

}  // namespace ekiden::cli
