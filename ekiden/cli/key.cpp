#include <CLI/CLI.hpp>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/key_commands.hpp"
#include "ekiden/cli/store_access.hpp"

namespace ekiden::cli {

void add_key(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("key", "Keys of the HTTP API; no relay need run");
  group->require_subcommand(1);
  group->footer(
      "\nExamples:\n"
      "  ekiden key create shop --sender-domain example.jp --scope messages:send\n"
      "  ekiden key create monitoring --read-only --expires 90d\n"
      "\nA key also logs in over SMTP: user \"apikey\", the key as password.\n");

  auto options = std::make_shared<KeyCreateOptions>();
  CLI::App* create = group->add_subcommand("create", "Make a key and show it, this once");
  create->add_option("name", options->name, "A name for people")->required();
  create->add_option("--tenant", options->tenant, "Whose mail it is")->capture_default_str();
  create->add_option("--stream", options->stream, "What kind of mail it is")->capture_default_str();
  create->add_option("--streams", options->streams,
                     "Another stream that a message may choose; repeat it (none: any)");
  create->add_option("--scope", options->scopes,
                     "What it may do, such as messages:send; repeat it (none: everything)");
  create->add_option("--sender-domain", options->sender_domains,
                     "Only as sender of this domain; repeat it");
  create->add_option("--network", options->networks, "Only from this network; repeat it");
  create->add_flag("--read-only", options->is_read_only, "It changes nothing and sends nothing");
  create->add_option("--expires", options->expires, "A time from now (90d) or a date");
  create->callback([&context, options] {
    with_store(context, [&](UserContext& user) { return key_create(*options, user); });
  });

  auto tenant = std::make_shared<std::string>();
  CLI::App* list = group->add_subcommand("list", "List keys");
  list->add_option("--tenant", *tenant, "Only of this tenant");
  list->callback([&context, tenant] {
    with_store(context, [&](UserContext& user) { return key_list(*tenant, user); });
  });

  auto name = std::make_shared<std::string>();
  CLI::App* revoke = group->add_subcommand("revoke", "End a key; it opens nothing any more");
  revoke->add_option("name", *name, "The key's name")->required();
  revoke->callback([&context, name] {
    with_store(context, [&](UserContext& user) { return key_revoke(*name, user); });
  });
}

}  // namespace ekiden::cli
