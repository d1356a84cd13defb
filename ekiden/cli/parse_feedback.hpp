#pragma once

namespace CLI {
class App;
}

namespace ekiden::cli {

struct Context;

/// `parse bounce` and `parse report`, for the group `parse`.
void add_parse_feedback(CLI::App& group, Context& context);

}  // namespace ekiden::cli
