#pragma once

#include "ekiden/cli/context.hpp"

namespace ekiden::cli {

/// `ekiden job list|show|pause|resume|cancel`: on the store of the jobs, which a running node
/// follows within a second.
void add_job(CLI::App& app, Context& context);
/// `ekiden template list|show|preview|activate|remove`.
void add_template(CLI::App& app, Context& context);

}  // namespace ekiden::cli
