#pragma once

#include "ekiden/base/clock.hpp"
#include "ekiden/control/queue_commands.hpp"
#include "ekiden/control/server.hpp"

namespace ekiden::control {

/// Adds the commands of docs/CONTROL.md to `server`. `node` and `clock` outlive it.
void add_handlers(Server& server, NodeControl& node, base::Clock& clock);

}  // namespace ekiden::control
