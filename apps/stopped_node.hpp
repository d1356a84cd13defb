#pragma once

#include "ekiden/cli/cli.hpp"

namespace ekiden::apps {

/// Answers a command on the spool of a node that does not run, under the spool's lock.
///
/// Problem "not_running" for a command that needs a running node, "unavailable" when the spool
/// cannot be opened.
control::Answer answer_stopped(const config::Settings& settings, const control::Request& request,
                               const cli::SeeItem& see);

}  // namespace ekiden::apps
