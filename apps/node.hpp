#pragma once

#include "ekiden/config/reader.hpp"

namespace ekiden::apps {

/// Runs the relay on the real machine until SIGTERM or SIGINT, reloading on SIGHUP: `ekiden serve`.
/// The exit code of the process: 0, or 3 after one clear sentence on standard error.
int serve(config::Loaded loaded);

}  // namespace ekiden::apps
