#include "ekiden/cli/filter_options.hpp"

#include <CLI/CLI.hpp>

#include "ekiden/config/units.hpp"

namespace ekiden::cli {

void FilterOptions::add_to(CLI::App& app) {
  const std::string group = "Which recipients (all of the conditions; \"*\" stands for anything)";
  const auto add = [&](const char* name, std::string& into, const char* doc, const char* type) {
    app.add_option(name, into, doc)->group(group)->type_name(type);
  };
  add("--domain", filter.domain, "Recipient domain", "PATTERN");
  add("--tenant", filter.tenant, "Tenant", "NAME");
  add("--stream", filter.stream, "Stream", "NAME");
  add("--sender", filter.sender, "Reverse-path; \"<>\" is the null one", "PATTERN");
  add("--recipient", filter.recipient, "Recipient address", "PATTERN");
  add("--message", message, "Message id", "ID");
  add("--provider", filter.provider, "Provider", "NAME");
  add("--source", filter.source, "Source", "NAME");
  add("--site", filter.site, "Site", "NAME");
  add("--reply", filter.reply, "Part of the last reply", "TEXT");
  add("--older-than", older_than, "Longer in the queue than this: 30m, 2h, 1d", "DURATION");
}

std::optional<control::Filter> FilterOptions::read(std::string& problem) const {
  control::Filter result = filter;
  if (!message.empty()) {
    result.message = base::parse_message_id(message);
    if (!result.message) {
      problem = "\"" + message + "\" is no message id; they have 26 letters and digits";
      return std::nullopt;
    }
  }
  if (!older_than.empty()) {
    const auto duration = config::parse_duration(older_than);
    if (!duration || *duration <= base::Duration{}) {
      problem = "--older-than takes a duration like 30m, 2h or 1d, not \"" + older_than + "\"";
      return std::nullopt;
    }
    result.older_than = *duration;
  }
  return result;
}

}  // namespace ekiden::cli
