#pragma once

#include "ekiden/control/quarantine_desk.hpp"
#include "ekiden/control/server.hpp"

namespace ekiden::control {

/// Answers the "quarantine.…" commands of docs/CONTROL.md: the control socket of a running node
/// and, on a stopped one, the command itself. Nothing for other commands. `desk` outlives it.
Handler quarantine_handler(QuarantineDesk& desk, std::string_view command);

/// Names of those commands.
inline constexpr std::string_view kQuarantineCommands[] = {"quarantine.list", "quarantine.show",
                                                           "quarantine.raw", "quarantine.release",
                                                           "quarantine.delete"};

}  // namespace ekiden::control
