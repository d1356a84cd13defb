#pragma once

#include <string>
#include <vector>

#include "ekiden/cli/check_place.hpp"
#include "ekiden/cli/context.hpp"

namespace ekiden::cli {

/// One flag of a command that evaluates requests, and one key of its --jsonl requests.
struct CheckFlag {
  enum class Kind {
    Text,    ///< --name TEXT
    List,    ///< --name TEXT, repeated
    Switch,  ///< --name; "true" in a request
    Place,   ///< a positional argument
  };
  std::string name;  ///< without dashes
  std::string type;  ///< shown in the help: "ADDRESS"
  std::string help;
  Kind kind = Kind::Text;
};

/// A command that evaluates requests, such as `ekiden check spf`.
struct CheckCommand {
  std::string name, description, footer;
  std::vector<CheckFlag> flags;  ///< besides --dns, --ca, --trust-anchor, --now and --jsonl
  CheckFunction evaluate;
};

/// Adds the command to its group, the common flags included.
void add_check_command(CLI::App& group, Context& context, CheckCommand command);

// Groups of checks; each adds its commands to `ekiden check`.
void add_check_spf(CLI::App& group, Context& context);
void add_check_alignment(CLI::App& group, Context& context);
void add_check_dmarc(CLI::App& group, Context& context);
/// DKIM and ARC.
void add_check_dkim(CLI::App& group, Context& context);
void add_check_organizational_domain(CLI::App& group, Context& context);
void add_check_dane(CLI::App& group, Context& context);
void add_check_mta_sts(CLI::App& group, Context& context);

}  // namespace ekiden::cli
