#pragma once

#include <string>

#include "ekiden/cli/context.hpp"

namespace ekiden::cli {

/// Sends a request that answers with an operation, shows its progress on a terminal and its end.
void follow_operation(Context& context, const control::Request& request);

/// Prints a message and its recipients as the node knows them.
void show_message(Context& context, const std::string& id);

}  // namespace ekiden::cli
