#pragma once

#include <functional>

#include "ekiden/cli/context.hpp"
#include "ekiden/cli/user_commands.hpp"

namespace ekiden::cli {

/// Opens the control store of the configured node, running or not, and does `work` on it. Its
/// result becomes the exit code.
void with_store(Context& context, const std::function<int(UserContext&)>& work);

}  // namespace ekiden::cli
