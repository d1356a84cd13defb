#pragma once

#include <string>
#include <vector>

#include "ekiden/cli/sink.hpp"

namespace ekiden::cli {

/// `ekiden sink …`: `arguments` are those after "sink". Returns the exit code.
int run_sink_command(const std::vector<std::string>& arguments);

}  // namespace ekiden::cli
