#include <CLI/CLI.hpp>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/dkim_commands.hpp"
#include "ekiden/cli/store_access.hpp"

namespace ekiden::cli {

void add_dkim(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("dkim", "Keys that sign mail; no relay need run");
  group->require_subcommand(1);
  group->footer(
      "\nExamples:\n"
      "  ekiden dkim keygen example.jp      a key, and the record to publish\n"
      "  ekiden dkim list                   which keys sign, and which wait for their records\n"
      "  ekiden dkim rotate example.jp      new keys; the old ones stop when those are seen\n");

  auto keygen_options = std::make_shared<DkimKeygenOptions>();
  CLI::App* keygen = group->add_subcommand("keygen", "Make a key for a domain");
  keygen->add_option("domain", keygen_options->domain, "The domain of header From")->required();
  keygen->add_option("--selector", keygen_options->selector, "Its name; otherwise of the day");
  keygen->add_option("--tenant", keygen_options->tenant, "Sign only this tenant's mail");
  keygen->add_flag("--ed25519", keygen_options->ed25519,
                   "Ed25519: short, but not verified everywhere; give the domain RSA as well");
  keygen->add_option("--bits", keygen_options->bits, "Of an RSA key")->capture_default_str();
  keygen->callback([&context, keygen_options] {
    with_store(context, [&](UserContext& user) { return dkim_keygen(*keygen_options, user); });
  });

  auto listed = std::make_shared<std::string>();
  CLI::App* list = group->add_subcommand("list", "List keys and their states");
  list->add_option("domain", *listed, "Only of this domain");
  list->callback([&context, listed] {
    with_store(context, [&](UserContext& user) { return dkim_list(*listed, user); });
  });

  auto rotated = std::make_shared<std::string>();
  CLI::App* rotate = group->add_subcommand("rotate", "Make new keys beside those that sign");
  rotate->add_option("domain", *rotated, "The domain")->required();
  rotate->callback([&context, rotated] {
    with_store(context, [&](UserContext& user) { return dkim_rotate(*rotated, user); });
  });

  auto retire_options = std::make_shared<DkimRetireOptions>();
  CLI::App* retire = group->add_subcommand("retire", "Let a key sign no more");
  retire->add_option("domain", retire_options->domain, "The domain")->required();
  retire->add_option("selector", retire_options->selector, "The key")->required();
  retire->add_flag("--force", retire_options->force, "Even if mail leaves unsigned then");
  retire->callback([&context, retire_options] {
    with_store(context, [&](UserContext& user) { return dkim_retire(*retire_options, user); });
  });
}

}  // namespace ekiden::cli
