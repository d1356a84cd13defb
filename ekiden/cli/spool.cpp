#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <cstdio>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/fields.hpp"
#include "ekiden/cli/quarantine.hpp"

namespace ekiden::cli {

namespace json = boost::json;

namespace {

void verify(Context& context) {
  const auto loaded = context.load_config();
  if (!loaded) return;
  if (!context.hooks.verify_spool) return context.fail(kFailed, "this build has no spool");
  ProgressLine line(context);
  const auto progress = [&line](std::uint64_t read, std::uint64_t all) {
    line.show(read, all, format_octets(read) + " of " + format_octets(all));
  };
  const auto report = context.hooks.verify_spool(loaded->settings, progress);
  line.wipe();
  if (!report.value) return context.fail(kFailed, report.problem);
  const SpoolReport& r = *report.value;
  if (!r.findings.empty()) context.exit_code = kRefused;
  if (context.is_json) {
    json::array findings;
    for (const std::string& finding : r.findings) findings.push_back(json::string(finding));
    return context.print_json({{"ok", r.findings.empty()},
                               {"segments", r.segments},
                               {"messages", r.messages},
                               {"recipients", r.recipients},
                               {"octets", r.octets},
                               {"quarantined", r.quarantined},
                               {"findings", std::move(findings)}});
  }
  for (const std::string& finding : r.findings) std::fprintf(stderr, "%s\n", finding.c_str());
  context.print(std::to_string(r.messages) + " messages with " + std::to_string(r.recipients) +
                " queued recipients in " + std::to_string(r.segments) + " segments, " +
                format_octets(r.octets) + "; " + std::to_string(r.quarantined) +
                " in quarantine; " + std::to_string(r.findings.size()) + " findings\n");
}

}  // namespace

void add_spool(CLI::App& app, Context& context) {
  CLI::App* group = app.add_subcommand("spool", "Messages on disk");
  group->require_subcommand(1);
  group
      ->add_subcommand("verify",
                       "Read everything, check every checksum and that no recipient is lost; the "
                       "relay must not run")
      ->callback([&context] { verify(context); });
  add_quarantine(*group, context);
}

}  // namespace ekiden::cli
