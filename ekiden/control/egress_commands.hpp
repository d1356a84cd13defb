#pragma once

#include "ekiden/control/server.hpp"
#include "ekiden/delivery/neighbours.hpp"

namespace ekiden::control {

/// Adds the commands about sources and providers' limits: `queue.explain_domain`, `egress.traffic`,
/// `warmup.show`, `warmup.pause` and `warmup.resume`. Both outlive the server; `home` is the
/// server's worker.
void add_egress_handlers(Server& server, const delivery::Neighbours& neighbours,
                         base::Executor& home);

}  // namespace ekiden::control
