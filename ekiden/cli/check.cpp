#include "ekiden/cli/check.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <map>
#include <memory>

#include "ekiden/cli/check_runner.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

constexpr const char* kCommonFooter =
    "\nWithout --dns the [dns] of the settings file serves, and where there is none the system's "
    "resolver.\nExit codes: 0 evaluated, whatever the verdict; 1 the settings have mistakes; 2 "
    "usage; 3 failure.\n";

std::vector<CheckFlag> common_flags() {
  return {
      {"dns", "ADDRESS:PORT", "Ask this DNS server only, UDP and TCP; nothing of the system"},
      {"ca", "FILE", "Certificates to trust, instead of the system's"},
      {"trust-anchor", "FILE", "A DNSSEC trust anchor, besides the root's key; repeat it",
       CheckFlag::Kind::List},
      {"now", "UNIX", "The time to check at, in seconds since 1970"},
  };
}

}  // namespace

void add_check_command(CLI::App& group, Context& context, CheckCommand command) {
  CLI::App* const app = group.add_subcommand(command.name, command.description);
  app->footer(command.footer + kCommonFooter);
  for (CheckFlag& flag : common_flags()) command.flags.push_back(std::move(flag));

  struct Given {
    CheckCommand command;
    std::map<std::string, std::vector<std::string>> texts;
    std::map<std::string, bool> switches;
    std::map<std::string, CLI::Option*> options;
    bool is_jsonl = false;
  };
  auto given = std::make_shared<Given>();
  given->command = std::move(command);
  for (const CheckFlag& flag : given->command.flags) {
    CLI::Option*& option = given->options[flag.name];
    if (flag.kind == CheckFlag::Kind::Switch) {
      option = app->add_flag("--" + flag.name, given->switches[flag.name], flag.help);
      continue;
    }
    const bool is_place = flag.kind == CheckFlag::Kind::Place;
    option = app->add_option(is_place ? flag.name : "--" + flag.name, given->texts[flag.name],
                             flag.help);
    option->type_name(flag.type);
    if (flag.kind != CheckFlag::Kind::List) option->expected(1)->allow_extra_args(false);
  }
  app->add_flag("--jsonl", given->is_jsonl,
                "Requests from standard input, one object a line, keys named as the flags");

  app->callback([&context, given] {
    CheckRequest request;
    for (const CheckFlag& flag : given->command.flags) {
      if (given->options[flag.name]->count() == 0) continue;
      if (flag.kind == CheckFlag::Kind::Switch) {
        request[flag.name] = true;
        continue;
      }
      const std::vector<std::string>& texts = given->texts[flag.name];
      if (flag.kind != CheckFlag::Kind::List) {
        request[flag.name] = texts.empty() ? std::string() : texts.back();
        continue;
      }
      json::array list;
      for (const std::string& text : texts) list.push_back(json::string(text));
      request[flag.name] = std::move(list);
    }
    CheckRunner runner(context, given->command.evaluate, std::move(request));
    if (!given->is_jsonl) return runner.run_one();
    runner.run_lines([&given](std::string_view key) {
      return given->options.find(std::string(key)) != given->options.end();
    });
  });
}

void add_check(CLI::App& app, Context& context) {
  CLI::App* const group =
      app.add_subcommand("check", "Evaluate one thing by itself, without a relay");
  group->require_subcommand(1);
  add_check_spf(*group, context);
  add_check_dmarc(*group, context);
  add_check_alignment(*group, context);
  add_check_dkim(*group, context);
  add_check_organizational_domain(*group, context);
  add_check_dane(*group, context);
  add_check_mta_sts(*group, context);
}

}  // namespace ekiden::cli
