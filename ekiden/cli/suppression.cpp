#include <CLI/CLI.hpp>

#include "ekiden/cli/check_place.hpp"
#include "ekiden/cli/context.hpp"
#include "ekiden/cli/store_access.hpp"
#include "ekiden/cli/suppression_commands.hpp"

namespace ekiden::cli {

namespace {

using Command = int (*)(const SuppressionOptions&, UserContext&);

void add_filters(CLI::App& command, SuppressionOptions& options) {
  command.add_option("--domain", options.domain, "Only addresses of this domain");
  command.add_option("--stream", options.stream,
                     "Only of this stream; \"all\" and \"bulk-streams\" are scopes of their own");
  command.add_option("--reason", options.reason,
                     "bounce, soft, complaint, unsubscribe, manual or import");
  command.add_option("--before", options.before, "Only from before this day: 2026-11-22");
  command.add_option("--since", options.since, "Only from this day on");
}

CLI::App* add(CLI::App& group, Context& context, const char* name, const char* words,
              const std::shared_ptr<SuppressionOptions>& options, Command command) {
  CLI::App* const made = group.add_subcommand(name, words);
  made->add_option("--tenant", options->tenant, "Whose list")->capture_default_str();
  made->callback([&context, options, command] {
    with_store(context, [&](UserContext& user) { return command(*options, user); });
  });
  return made;
}

}  // namespace

void add_suppression(CLI::App& app, Context& context) {
  CLI::App* group =
      app.add_subcommand("suppression", "Addresses that get no more mail; no relay need run");
  group->require_subcommand(1);
  group->footer(
      "\nExamples:\n"
      "  ekiden suppression add info@example.jp --note \"asked by phone\"\n"
      "  ekiden suppression import list.csv --stream newsletter\n"
      "  ekiden suppression remove --reason bounce --domain example.jp   after its outage\n"
      "  ekiden suppression export > suppressed.csv\n");
  const auto options = [] { return std::make_shared<SuppressionOptions>(); };

  auto adding = options();
  CLI::App* added =
      add(*group, context, "add", "Suppress addresses by hand", adding, suppression_add);
  added->add_option("address", adding->addresses, "The addresses")->required();
  added->add_option("--stream", adding->stream, "Only mail of this stream; otherwise all mail");
  added->add_option("--reason", adding->reason, "Another one than manual");
  added->add_option("--note", adding->note, "Why, in words");
  added->add_option("--expires", adding->expires, "After a time (90d), or on a day");

  auto showing = options();
  CLI::App* shown = add(*group, context, "show", "Say whether and why an address is suppressed",
                        showing, suppression_show);
  shown->add_option("address", showing->addresses, "The address")->required()->expected(1);

  auto listing = options();
  CLI::App* listed = add(*group, context, "list", "List entries", listing, suppression_list);
  add_filters(*listed, *listing);
  listed->add_option("--count", listing->count, "At most so many");

  auto removing = options();
  CLI::App* removed = add(*group, context, "remove", "Release addresses, one or in bulk", removing,
                          suppression_remove);
  removed->add_option("address", removing->addresses, "The addresses; otherwise a filter");
  add_filters(*removed, *removing);
  removed->add_flag("--all", removing->is_all, "Everybody of the tenant");

  auto exporting = options();
  CLI::App* exported = add(*group, context, "export", "Write entries as CSV or JSON lines",
                           exporting, suppression_export);
  add_filters(*exported, *exporting);
  exported->add_option("--format", exporting->format, "csv or jsonl")
      ->check(CLI::IsMember({"csv", "jsonl"}));

  auto importing = options();
  CLI::App* imported = group->add_subcommand("import", "Read a CSV file of addresses");
  imported->add_option("file", importing->file, "The file; otherwise standard input");
  imported->add_option("--tenant", importing->tenant, "Whose list")->capture_default_str();
  imported->add_option("--stream", importing->stream, "Only mail of this stream");
  imported->add_option("--note", importing->note, "Why, in words");
  imported->add_option("--expires", importing->expires, "After a time (90d), or on a day");
  imported->add_option("--errors", importing->errors, "Write all refused rows to this file");
  imported->callback([&context, importing] {
    std::string problem;
    auto octets = read_check_file(importing->file, problem);
    if (!octets) return context.fail(kFailed, problem);
    with_store(context, [&](UserContext& user) {
      return suppression_import(*importing, std::move(*octets), user);
    });
  });
}

}  // namespace ekiden::cli
